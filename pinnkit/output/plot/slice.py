"""What a picture shows of a solution: values over two coordinates, or one, the others held fixed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.reference import Exact


@dataclass(frozen=True, eq=False)
class Slice:
    """Values on one or two axes, shape (n,) or (n, m), NaN outside the domain, at fixed other coordinates."""

    names: tuple[str, ...]
    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    fixed: Mapping[str, float] = field(default_factory=dict)
    timed: bool = False  # whether the first axis is time


def shown(solution: Solution) -> tuple[str, ...]:
    """The coordinates of a picture: time and space, or the first two of space, or the only one."""
    domain = solution.problem.domain
    if len(domain.space) < 2 and domain.time is not None:
        return domain.time, *domain.space
    return domain.space[:2]


def ratio(solution: Solution) -> float | None:
    """Height over width of a picture of two space coordinates; None where a picture may have any."""
    domain, names = solution.problem.domain, shown(solution)
    if len(names) == 1 or names[0] == domain.time:
        return None
    width, height = np.ptp(domain.bounds, axis=0)[[domain.names.index(n) for n in names]].tolist()
    return height / width


def derivative(solution: Solution, name: str) -> Callable[[Tensor], Tensor]:
    """A field or one of its derivatives as a function of points X (n, d) -> (n,); ValueError for another name."""
    expression = solution.derivative(name)
    return lambda X: solution.evaluate([expression], X)[:, 0]


def plane(
    solution: Solution, values: Callable[[Tensor], Tensor], *, t: float | None = None, count: int = 256,
    at: Mapping[str, np.ndarray] | None = None,
) -> Slice:  # fmt: skip
    """A function of points X (n, d) -> (n,) on a grid; time, where not shown, is fixed at t or its end.

    The grid is uniform, of about count by count cells, square ones in space; ``at`` names other nodes of a coordinate.

    Raises:
        ValueError: a time t outside the domain.
    """
    domain, names = solution.problem.domain, shown(solution)
    ends = dict(zip(domain.names, domain.bounds.T, strict=True))
    if t is not None and domain.time is not None and not ends[domain.time][0] <= t <= ends[domain.time][1]:
        raise ValueError(f"t={t:g}: expected a time from {ends[domain.time][0]:g} to {ends[domain.time][1]:g}")
    fixed = {n: float(ends[n].mean()) for n in domain.names if n not in names}
    if domain.time in fixed:
        fixed[domain.time] = float(ends[domain.time][1] if t is None else t)
    stretch = ratio(solution) or 1.0
    counts = (count,) if len(names) == 1 else (round(count / stretch**0.5), round(count * stretch**0.5))
    uniform = {n: np.linspace(ends[n][0], ends[n][1], max(k, 32)) for n, k in zip(names, counts, strict=True)}
    axes = tuple((uniform | dict(at or {}))[n] for n in names)
    grid = dict(zip(names, np.meshgrid(*axes, indexing="ij"), strict=True))
    shape = tuple(len(a) for a in axes)
    X = torch.as_tensor(np.stack([grid.get(n, np.full(shape, fixed.get(n))).ravel() for n in domain.names], 1))
    mask = domain.inside(X)
    found = torch.full((len(X),), torch.nan, dtype=torch.float64)
    found[mask] = values(X[mask]).cpu().double()
    return Slice(names, axes, found.numpy().reshape(shape), fixed, names[0] == domain.time)


def error_plane(solution: Solution, name: str, t: float | None = None, *, truth: bool = False) -> Slice:
    """|u - u*| (or u* itself) of a field, on a grid as :func:`plane` where the reference is a closed form.

    Another reference has its own nodes, and coordinates that are not shown are at the node next to the middle.

    Raises:
        ValueError: an unknown field.
    """
    domain, names = solution.problem.domain, shown(solution)
    outputs = list(solution.problem.outputs)
    if name not in outputs:
        raise ValueError(f"{name!r} is not a field: choose one of {', '.join(outputs)}")
    reference = solution.problem.reference
    if isinstance(reference, Exact) and (column := _column(reference, name)) is not None:
        if truth:
            return plane(solution, lambda X: reference(X)[:, column], t=t)
        own = derivative(solution, name)
        return plane(solution, lambda X: (own(X).cpu() - reference(X)[:, column]).abs(), t=t)
    axes, predicted, values = solution.on_grid()
    if values is None:
        raise ValueError(f"{solution.problem.name} has no reference to compare with")
    k = outputs.index(name)
    array = (values[..., k] if truth else (predicted - values)[..., k].abs()).numpy()
    fixed: dict[str, float] = {}
    for axis, (n, nodes) in reversed(list(enumerate(axes.items()))):
        if n not in names:
            wanted = (nodes[0] + nodes[-1]) / 2 if n != domain.time else nodes[-1] if t is None else t
            i = int(np.abs(nodes - wanted).argmin())
            array, fixed[n] = np.take(array, i, axis), float(nodes[i])
    left = [n for n in axes if n in names]
    array = array.transpose([left.index(n) for n in names])
    return Slice(names, tuple(axes[n] for n in names), array, fixed, names[0] == domain.time)


def compared(solution: Solution) -> set[str]:
    """What the reference holds."""
    return set() if solution.problem.reference is None else set(solution.errors())


def _column(reference: Exact, name: str) -> int | None:
    names = [str(u.func) for u in reference.solution]
    return names.index(name) if name in names else None


def titled(text: str, seen: Slice) -> str:
    """A title that says where the other coordinates are held."""
    return text + "".join(f", {name} = {value:.4g}" for name, value in seen.fixed.items())
