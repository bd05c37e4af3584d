"""certify(): an upper bound of a solution's error, with its theorem and how it was evaluated."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.condition import Dirichlet, Initial, PointSet, Residual
from pinnkit.labelled import Labelled
from pinnkit.problem import Problem
from pinnkit.solution import Solution
from pinnkit.superpose.network import Superposition
from pinnkit.superpose.operator import exact
from pinnkit.superpose.quadrature import panels
from pinnkit.superpose.solver import closed_form
from pinnkit.taylor import Channels
from pinnkit.wellposed import faces

from .bounds import Bound, Misfits, Norm, Setting, bounds, setting
from .enclosure import norms

POINTS = 100_000  # at which a misfit is looked at, at most
FLOOR = 1e-12  # of the size of the solution: below it an enclosure need not be tight
ROUNDING = 64  # units in the last place by which evaluated values may be wrong
MEANING = {
    "sup": "largest |error|",
    "L2(Q)": "L2 norm of the error in space and time",
    "L2(t)": "L2 norm of the error at any time",
    "L2(T)": "L2 norm of the error at the final time",
}


@dataclass(frozen=True)
class Certificate(Labelled):
    """Upper bounds of the error of a solution; ``rigorous`` where its misfit was enclosed and not sampled.

    ``errors`` holds the true errors in the same norms where the problem has a reference (on its grid).
    """

    problem: str
    equation: str
    bounds: tuple[Bound, ...]
    misfits: Misfits
    evaluation: str
    rigorous: bool
    errors: Mapping[str, float]
    reference_error: float | None

    def __getitem__(self, norm: str) -> float:
        for b in self.bounds:
            if b.norm == norm:
                return b.value
        raise KeyError(f"there is no bound of {norm!r}: there are {', '.join(b.norm for b in self.bounds)}")

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, text, lists and dicts."""
        return asdict(self) | {"bounds": [asdict(b) for b in self.bounds], "errors": dict(self.errors)}

    def rows(self) -> list[tuple[str, str]]:
        """The certificate as pairs of a label and a text."""
        found = [("problem", f"{self.problem}: {self.equation}")]
        for b in self.bounds:
            true = f"; true {self.errors[b.norm]:.2e}" if b.norm in self.errors else ""
            found.append((MEANING[b.norm], f"<= {b.value:.2e}   ({b.theorem}{true})"))
        m = self.misfits
        walls = max(n.sup for pair in m.walls for n in pair)
        inside = f"walls {walls:.2e}, equation {m.residual.sup:.2e} at most"
        found.append(("misfit", f"initial {m.initial.sup:.2e}, {inside}"))
        found.append(("evaluation", self.evaluation))
        found.append(("rigorous", "yes" if self.rigorous else "no: a larger misfit may hide between the samples"))
        if self.reference_error is not None:
            found.append(("reference", f"its own relative error is {self.reference_error:.1e}"))
        return found

    def emphasis(self, label: str, text: str) -> str:
        """Bounds stand out."""
        return "bold" if text.startswith("<=") else ""


def certify(solution: Solution, enclosed: bool = False) -> Certificate:
    """Bound the error |u - u*| of a solution of the heat equation (any box) or the wave equation with Dirichlet data.

    The bound follows from the misfit of initial values, boundary values and (of a network) the equation. The misfit is
    looked at in many points, or with ``enclosed`` bounded by interval arithmetic, which needs a superposition of exact
    solutions in one space dimension and data in closed form. Theorems: pinnkit.certificate.bounds.

    Raises:
        ValueError: an equation, domain, condition or solution for which there is no bound, with the reason.
    """
    problem = solution.problem
    s = setting(problem)
    found, how = _enclosed(solution, s) if enclosed else _sampled(solution, s)
    letter = "alpha" if s.kind == "heat" else "c"
    return Certificate(
        problem.name,
        f"{s.kind} equation, {letter} = {s.coefficient:g}, {len(s.sides)}D",
        bounds(s, found),
        found,
        how,
        enclosed,
        _errors(solution),
        None if problem.reference is None else problem.reference.error,
    )


def _rows(problem: Problem) -> tuple[dict[int, Residual], dict[str, Residual]]:
    """The residuals of the initial conditions by order, and of the walls by face."""
    initial, walls = {}, {}
    for c in problem.conditions:
        (r,) = c.residuals(problem.domain)
        if isinstance(c, Initial):
            initial[c.order] = r
        elif isinstance(c, Dirichlet):
            walls |= dict.fromkeys(faces(problem, c), r)
    return initial, walls


def _sampled(solution: Solution, s: Setting) -> tuple[Misfits, str]:
    problem, box = solution.problem, solution.problem.domain
    initial, walls = _rows(problem)
    counts, rounding = [], ROUNDING * torch.finfo(solution.theta.dtype).eps * _size(solution)

    def norm(residual: Residual, fixed: dict[str, float]) -> Norm:
        X, weights, shape = _points(solution, fixed)
        counts.append(len(X))
        readout = solution.model.readout([residual])
        r = solution._rows(readout, PointSet(X.to(solution.theta)))[0].double().cpu().abs() + rounding
        grid = r.numpy().reshape(shape)
        between = sum(float(np.abs(np.diff(grid, 2, axis)).max()) / 4 for axis in range(grid.ndim))
        return Norm(float(r.max()) + between, float((weights * r * r).sum().sqrt()))

    start = box.bounds[0, box.names.index(box.time)]
    by_order = {order: norm(r, {box.time: start}) for order, r in initial.items()}
    pairs = []
    for name in box.space:
        ends = box.bounds[:, box.names.index(name)]
        pairs.append(tuple(norm(walls[f"{name}_{e}"], {name: v}) for e, v in zip(("min", "max"), ends, strict=True)))
    ((name, e),) = problem.equations.items()
    inside = Norm() if name in solution.model.exact_terms else norm(Residual(name, e, "pde"), {})
    exact_terms = "; the equation holds by construction" if name in solution.model.exact_terms else ""
    how = f"sampled at {sum(counts)} points{exact_terms}"
    return Misfits(by_order[0], by_order.get(1, Norm()), tuple(pairs), inside), how


def _size(solution: Solution) -> float:
    """What the rounding of values is relative to: max |u|, of a superposition the sum of |a_k phi_k|."""
    X = solution.problem.domain.sample(500, method="random", seed=0)
    if not isinstance(solution.network, Superposition):
        return float(solution(X).abs().max())
    basis = solution.model.tape.basis(X.to(solution.theta), Channels.closed(X.shape[1], []))
    return float((basis[0].abs().T @ solution.theta.abs()).max())


def _points(solution: Solution, fixed: dict[str, float]) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Gauss points, the ends and weights on the part of the box where some coordinates are fixed; the grid's shape."""
    box = solution.problem.domain
    free = [i for i, n in enumerate(box.names) if n not in fixed]
    per = max(2, min(250, int(POINTS ** (1 / len(free)) / 16)))
    axes = [_graded(*box.bounds[:, i], per, box.names[i] == box.time) for i in free]
    meshes = np.meshgrid(*(x for x, _ in axes), indexing="ij")
    weights = np.prod(np.meshgrid(*(w for _, w in axes), indexing="ij"), axis=0).ravel()
    X = np.empty((len(weights), len(box.names)))
    for name, value in fixed.items():
        X[:, box.names.index(name)] = value
    for i, mesh in zip(free, meshes, strict=True):
        X[:, i] = mesh.ravel()
    return torch.as_tensor(X), torch.as_tensor(weights), tuple(len(x) for x, _ in axes)


def _graded(low: float, high: float, count: int, time: bool) -> tuple[np.ndarray, np.ndarray]:
    """Panels that grow away from the ends, where misfits have their layers."""
    s = np.linspace(0, 1, count + 1)
    s = s**2 if time else (1 - np.cos(math.pi * s)) / 2
    x, w = panels(low + (high - low) * s)
    return np.concatenate([[low], x, [high]]), np.concatenate([[0.0], w, [0.0]])


def _enclosed(solution: Solution, s: Setting) -> tuple[Misfits, str]:
    problem, box = solution.problem, solution.problem.domain
    if not isinstance(solution.network, Superposition):
        raise ValueError(
            f"{problem.name}: only a superposition of exact solutions is enclosed, and this is a "
            f"{type(solution.network).__name__}: certify it with samples"
        )
    if len(s.sides) > 1:
        raise ValueError(f"{problem.name} has {len(s.sides)} space dimensions: only one is enclosed; use samples")
    closed = closed_form(solution)
    initial, walls = _rows(problem)
    x, t = (box.space[0], box.time)
    symbols = dict(zip(box.names, problem.variables, strict=True))
    ends = {name: box.bounds[:, box.names.index(name)].tolist() for name in box.names}
    numbers, cells, same = exact(problem), [], {}
    for r in (*initial.values(), *walls.values()):
        same |= {q: sp.Symbol(q.name, real=True) for q in r.expression.free_symbols if q.name in problem.parameters}

    def norm(residual: Residual, along: str, fixed: dict[sp.Symbol, float]) -> Norm:
        e = residual.expression.xreplace(same).subs(problem.fields[0], closed).doit().subs(numbers)
        found = norms(e, symbols[along], tuple(ends[along]), fixed, FLOOR * _size(solution))
        cells.append(found.cells)
        if not math.isfinite(found.norm.sup):
            raise ValueError(f"{problem.name}: {residual.name!r} could not be enclosed: use samples")
        return found.norm

    by_order = {order: norm(r, x, {symbols[t]: ends[t][0]}) for order, r in initial.items()}
    pair = tuple(norm(walls[f"{x}_{e}"], t, {symbols[x]: v}) for e, v in zip(("min", "max"), ends[x], strict=True))
    how = f"enclosed by interval Taylor forms on {sum(cells)} cells; the equation holds by construction"
    return Misfits(by_order[0], by_order.get(1, Norm()), (pair,), Norm()), how


def _errors(solution: Solution) -> dict[str, float]:
    """The true errors on the reference's grid, in the norms of the bounds."""
    if solution.problem.reference is None:
        return {}
    box = solution.problem.domain
    axes, predicted, values = solution.on_grid()
    e = (predicted - values)[..., 0].numpy()
    square = np.moveaxis(e, list(axes).index(box.time), -1) ** 2
    for name in box.space:
        square = np.trapezoid(square, axes[name], axis=0)
    return {
        "sup": float(np.abs(e).max()),
        "L2(Q)": float(np.sqrt(np.trapezoid(square, axes[box.time]))),
        "L2(t)": float(np.sqrt(square.max())),
        "L2(T)": float(np.sqrt(square[-1])),
    }
