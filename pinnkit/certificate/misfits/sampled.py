"""Misfits of a solution looked at in many points: honest estimates of their norms, not bounds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.certificate.theorem.closed_form import ClosedForm
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.domain.box import Box, Domain
from pinnkit.domain.point_set import PointSet
from pinnkit.statement.symbolic.conditions import Condition, Periodic
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.gauss_panels import gauss_panels

from .norms import MisfitNorms

POINTS = 100_000  # at which a misfit is looked at, at most
SCATTERED = 20_000  # the same in a domain that is no box
ROUNDING = 64  # units in the last place by which evaluated values may be wrong
PERIOD = 1e-10  # of the solution's size: a jump that counts as none


@dataclass(eq=False)
class SampledMisfits(MisfitNorms):
    """Norms by Gauss points, graded towards the ends, and what second differences say of the gaps between them."""

    points: int = 0

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        exactly = "; the equation holds by construction" if self._by_construction else ""
        return f"sampled at {self.points} points{exactly}"

    @property
    def _by_construction(self) -> bool:
        return set(self.solution.problem.equations) <= self.solution.model.exact_terms

    def initial(self, order: int = 0, by: tuple[str, ...] = ()) -> Norm:
        """Of an initial condition."""
        problem = self.solution.problem
        if not isinstance(problem.domain, Box):
            return self._scattered(self._initial(order), problem.sample("initial", SCATTERED))
        return super().initial(order, by)

    def wall(self, condition: Condition, face: str, by: tuple[str, ...] = ()) -> Norm:
        """Of a boundary condition."""
        problem = self.solution.problem
        if not isinstance(problem.domain, Box):
            (r,) = condition.residuals(problem.domain)
            return self._scattered(r, problem.sample(r.key, SCATTERED))
        return super().wall(condition, face, by)

    def residual(self) -> Norm:
        """Of the equation."""
        if self._by_construction:
            return Norm()
        ((name, e),) = self.solution.problem.everywhere("certificates do").items()
        r = Residual(name, e / self.form.lead, INTERIOR)
        if not isinstance(self.solution.problem.domain, Box):
            return self._scattered(r, PointSet(self.solution.problem.domain.sample(SCATTERED)))
        return self._norm(r, (), {})

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Of the solution or a derivative."""
        return self._norm(Residual("u", self.solution.problem.fields[0], INTERIOR), by, {})

    def periodic(self, condition: Periodic) -> None:
        """Raises ValueError where values or slopes on two opposite faces differ by more than rounding."""
        problem = self.solution.problem
        for r in condition.residuals(problem.domain):
            jump = self.solution._rows(self.solution.model.program([r]), problem.sample(r.key, 200)).abs().max()
            if float(jump) > PERIOD * self.scale:
                raise ValueError(
                    f"{r.name!r} only holds to {float(jump):.1e}: the theorems need it by construction, as of a "
                    "network with features=pk.Harmonics; enclosed=True also bounds what jumps"
                )

    @property
    def scale(self) -> float:
        """What the rounding of values is relative to: max |u|, of a superposition the sum of |a_k phi_k|."""
        if "scale" not in self._known:
            solution = self.solution
            X = solution.problem.domain.sample(500, method="random", seed=0)
            exactly = isinstance(solution.network, ClosedForm)
            size = solution.network.scale(solution, X) if exactly else solution(X).abs()
            self._known["scale"] = float(size.max())
        return self._known["scale"]

    @property
    def _rounding(self) -> float:
        return ROUNDING * torch.finfo(self.solution.theta.dtype).eps * self.scale

    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        box, e = self.solution.problem.domain, residual.expression
        for name in by:
            e = sp.diff(e, self.solution.problem.variables[box.names.index(name)])
        X, weights, rules = grid(box, fixed)
        axes = {n: x for n, (x, _) in rules.items()}
        self.points += len(X)
        signed = self._signed(Residual(residual.name, e, residual.place), PointSet(X.to(self.solution.theta)))
        r = signed.abs() + self._rounding
        swing = _swing(signed * weights, r * weights) if len(axes) == 1 and box.time not in axes else None
        shaped = r.numpy().reshape([len(a) for a in axes.values()])
        raised = shaped + sum(between(shaped, axis) for axis in range(shaped.ndim))
        return Norm(
            float(raised.max()), float((weights * r * r).sum().sqrt()), float((weights * r).sum()),
            envelope(raised, list(axes), box.time, axes.get(box.time) if box.time else None), swing,
        )  # fmt: skip

    def _values(self, residual: Residual, points: PointSet) -> Tensor:
        return self._signed(residual, points).abs() + self._rounding

    def _signed(self, residual: Residual, points: PointSet) -> Tensor:
        return self.solution._rows(self.solution.model.program([residual]), points)[0].double().cpu()

    def _scattered(self, residual: Residual, points: PointSet) -> Norm:
        self.points += len(points)
        r = self._values(residual, points.to(self.solution.theta))
        self._names[residual.name] = Norm(float(r.max()), math.nan, math.nan)
        return self._names[residual.name]


def grid(box: Domain, fixed: dict[str, float]) -> tuple[Tensor, Tensor, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Gauss points, the ends and weights on the part of the box where some coordinates are fixed; each axis's rule."""
    free = [i for i, n in enumerate(box.names) if n not in fixed]
    per = max(2, min(250, int(POINTS ** (1 / max(1, len(free))) / 16)))
    low, high = box.bounds.tolist()
    rules = [_graded(low[i], high[i], per, box.names[i] == box.time) for i in free]
    meshes = np.meshgrid(*(x for x, _ in rules), indexing="ij")
    weights = np.prod(np.meshgrid(*(w for _, w in rules), indexing="ij"), axis=0).ravel() if rules else np.ones(1)
    X = np.empty((len(weights), len(box.names)))
    for name, value in fixed.items():
        X[:, box.names.index(name)] = value
    for i, mesh in zip(free, meshes, strict=True):
        X[:, i] = mesh.ravel()
    return torch.as_tensor(X), torch.as_tensor(weights), {box.names[i]: r for i, r in zip(free, rules, strict=True)}


def norms_on_grid(
    e: np.ndarray, rules: Mapping[str, tuple[np.ndarray, np.ndarray]], time: str | None
) -> dict[str, float]:
    """The norms of a function by its values on a tensor grid of nodes and weights, by coordinate."""
    if time is None:
        square = e**2
        for _, w in rules.values():
            square = np.tensordot(w, square, (0, 0))
        return {"sup": float(np.abs(e).max()), "L2": math.sqrt(float(square))}
    axis = list(rules).index(time)
    square, mean = np.moveaxis(e**2, axis, -1), np.moveaxis(np.abs(e), axis, -1)
    for name, (_, w) in rules.items():
        if name != time:
            square, mean = (np.tensordot(w, v, (0, 0)) for v in (square, mean))
    return {
        "sup": float(np.abs(e).max()),
        "L2(Q)": math.sqrt(float(rules[time][1] @ square)),
        "L2(t)": math.sqrt(float(square.max())),
        "L2(T)": math.sqrt(float(square[-1])),
        "L1(t)": float(mean.max()),
    }


def envelope(values: np.ndarray, names: list[str], time: str | None, at: np.ndarray | None) -> np.ndarray | None:
    """Rows (from, to, largest value on the wall), from values at the times between."""
    if at is None:
        return None
    top = values.max(tuple(i for i, n in enumerate(names) if n != time))
    return np.stack([at[:-1] - at[0], at[1:] - at[0], np.maximum(top[:-1], top[1:])], 1)


def _swing(parts: Tensor, sizes: Tensor) -> float:
    """Half the oscillation of an antiderivative, from its parts at quadrature nodes in order."""
    whole = torch.cat([parts.new_zeros(1), parts.cumsum(0)])
    rounding = ROUNDING * torch.finfo(torch.float64).eps * float(sizes.sum())
    return float(whole.max() - whole.min()) / 2 + float(sizes.max()) + rounding


def between(values: np.ndarray, axis: int) -> np.ndarray:
    """By how much a parabola through neighbours may rise above them."""
    if values.shape[axis] < 3:
        return np.zeros_like(values)
    width = [(1, 1) if i == axis else (0, 0) for i in range(values.ndim)]
    return np.pad(np.abs(np.diff(values, 2, axis)) / 4, width, mode="edge")


def _graded(low: float, high: float, count: int, time: bool) -> tuple[np.ndarray, np.ndarray]:
    """Panels that grow away from the ends, where misfits have their layers."""
    s = np.linspace(0, 1, count + 1)
    s = s**2 if time else (1 - np.cos(math.pi * s)) / 2
    x, w = gauss_panels(low + (high - low) * s)
    return np.concatenate([[low], x, [high]]), np.concatenate([[0.0], w, [0.0]])
