"""The true error of a solution that has a reference, in the norms of its bounds, and how far the reference is known."""

from collections.abc import Mapping

import numpy as np
import torch

from pinnkit.certificate.misfits.sampled import ROUNDING, grid, norms_on_grid
from pinnkit.domain.box import Box
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.reference import Axes, PointwiseReference

from .true_slopes import slope_norms


def true_errors(solution: Solution, norms: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """The true errors, of slopes where the reference is a closed form, and the reference's own error in them."""
    reference, box = solution.problem.reference, solution.problem.domain
    if reference is None:
        return {}, {}
    if not isinstance(box, Box):
        _, predicted, values = _on_its_grid(solution)
        found, size = ({"sup": float(np.nanmax(np.abs(a)))} for a in (predicted - values, values))
    else:
        if isinstance(reference, PointwiseReference):
            X, _, rules = grid(box, {})
            shape = [len(x) for x, _ in rules.values()]
            values = reference(X)[:, 0].double().numpy().reshape(shape)
            predicted = solution(X.to(solution.theta))[:, 0].cpu().double().numpy().reshape(shape)
        else:
            axes, predicted, values = _on_its_grid(solution)
            rules = {n: (x, _trapezoid(x)) for n, x in axes.items()}
        found, size = (norms_on_grid(a, rules, box.time) for a in (predicted - values, values))
        if isinstance(reference, PointwiseReference):
            for norm, (wrong, whole) in slope_norms(solution, norms, X, rules).items():
                found[norm], size[norm] = wrong, whole
        else:
            found = _resolved(found, predicted - values, rules, box.time, reference.error * size["sup"])
    relative = reference.error + ROUNDING * torch.finfo(torch.float64).eps
    kept = [n for n in norms if n in found]
    return {n: found[n] for n in kept}, {n: relative * size[n] for n in kept}


def _on_its_grid(solution: Solution) -> tuple[Axes, np.ndarray, np.ndarray]:
    """Axes of the reference's grid, and there the field and its reference."""
    axes, predicted, values = solution.on_grid()
    assert values is not None  # there is a reference
    return axes, predicted[..., 0].numpy(), values[..., 0].numpy()


def _resolved(
    found: dict[str, float],
    e: np.ndarray,
    rules: Mapping[str, tuple[np.ndarray, np.ndarray]],
    time: str | None,
    floor: float,
) -> dict[str, float]:
    """The norms that every other node gives as well: a table cannot show the L2 norm of an error on a few lines."""
    coarse = {n: (x[::2], _trapezoid(x[::2])) for n, (x, _) in rules.items()}
    other = norms_on_grid(e[tuple(slice(None, None, 2) for _ in rules)], coarse, time)
    return {n: v for n, v in found.items() if n == "sup" or abs(v - other[n]) <= 0.25 * v + floor}


def _trapezoid(x: np.ndarray) -> np.ndarray:
    w = np.zeros(len(x))
    w[:-1] += np.diff(x) / 2
    w[1:] += np.diff(x) / 2
    return w
