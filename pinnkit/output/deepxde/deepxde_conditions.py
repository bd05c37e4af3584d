"""A problem's domain, residuals and conditions in the forms that DeepXDE asks for."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box, Domain
from pinnkit.domain.csg import Node, Tree
from pinnkit.domain.geometry import Geometry
from pinnkit.domain.point_set import PointSet
from pinnkit.domain.shapes import Ball, Cuboid, Ellipse, Polygon, Star
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann, Operator, Robin
from pinnkit.statement.symbolic.conditions import Condition, Initial, Periodic
from pinnkit.statement.symbolic.expression import expression
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.place import INITIAL, Place
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.sympy_types import is_applied

ALL = slice(None)

Part = Callable[[np.ndarray, bool], bool]  # (point (d,), whether on the boundary) -> whether it belongs


def geometry_of(dde: ModuleType, problem: Problem) -> Any:
    """The problem's domain as a DeepXDE geometry.

    Raises:
        ValueError: a domain without counterpart, or with time not as its last coordinate.
    """
    geometry, domain = dde.geometry, problem.domain
    if domain.time is None:
        return _space(geometry, domain)
    if not domain.space:
        raise ValueError(
            f"{problem.name}: its domain is time alone, which is not translated: state its coordinate as space, "
            f"Box.of({{{domain.time!r}: ...}}, time=None), with conditions on {domain.time}_min"
        )
    if domain.names[-1] != domain.time:
        raise ValueError(
            f"DeepXDE has time as its last coordinate, {problem.name} has {', '.join(domain.names)}: "
            f"state {domain.time!r} last in the domain."
        )
    time = geometry.TimeDomain(*domain.bounds[:, -1].tolist())
    return geometry.GeometryXTime(_space(geometry, domain), time)


def _space(geometry: ModuleType, domain: Domain) -> Any:
    if isinstance(domain, Geometry):
        return _body(geometry, domain.tree)
    if not isinstance(domain, Box):
        raise ValueError(f"DeepXDE has no counterpart of {domain!r}: expected a Box or a Geometry.")
    return _cuboid(geometry, *domain.bounds[:, [domain.names.index(name) for name in domain.space]].tolist())


def _cuboid(geometry: ModuleType, lower: list[float], upper: list[float]) -> Any:
    if len(lower) == 1:
        return geometry.Interval(lower[0], upper[0])
    return {2: geometry.Rectangle, 3: geometry.Cuboid}.get(len(lower), geometry.Hypercube)(lower, upper)


def _body(geometry: ModuleType, tree: Tree) -> Any:
    """The geometry that a tree was read from, or one made anew of a tree that comes from a file."""
    if tree.source is not None:
        return tree.source
    if isinstance(tree, Node):
        joined = {"union": geometry.csg.CSGUnion, "intersection": geometry.csg.CSGIntersection}
        return joined.get(tree.kind, geometry.csg.CSGDifference)(_body(geometry, tree.a), _body(geometry, tree.b))
    s = tree.shape
    if isinstance(s, Cuboid):
        return _cuboid(geometry, s.lower.tolist(), s.upper.tolist())
    if isinstance(s, Ellipse):
        return geometry.Ellipse(s.center, s.a, s.b, s.angle)
    if isinstance(s, Star):
        return geometry.StarShaped(s.center, s.radius, s.cos, s.sin)
    if isinstance(s, Polygon):
        return geometry.Polygon(s.vertices)
    if isinstance(s, Ball):
        return geometry.Hypersphere(s.center, s.radius)
    raise TypeError(f"DeepXDE has no counterpart of a {type(s).__name__}")


class DeepXDEResiduals:
    """Residuals on DeepXDE's tensors x (n, d), y (n, fields): derivatives by dde.grad, the rest compiled."""

    residuals: tuple[Residual, ...]
    coefficients: list[Any]
    columns: tuple[Any, ...]

    def __init__(
        self, dde: ModuleType, problem: Problem, residuals: Sequence[Residual], unknowns: Mapping[str, Tensor]
    ) -> None:
        self.residuals, self._dde, self._unknowns = tuple(residuals), dde, unknowns
        self._variables = problem.variables
        lowered = lower([r.expression for r in residuals], problem.fields, problem.variables)
        expressions = [with_parameters(problem, e) for e in lowered.expressions]
        self._slots = lowered.slots
        free = sorted(set().union(*(e.free_symbols for e in expressions)), key=str)
        known = {*problem.variables, *lowered.slots}
        self.coefficients = [s for s in free if s.name in unknowns]
        self.columns = tuple(s.name for s in free if s not in known and s.name not in unknowns)
        inputs = (*problem.variables, *lowered.slots, *(s for s in free if s not in known))
        self._program = Program(expressions, inputs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the residuals."""
        return tuple(r.name for r in self.residuals)

    def only(self, residual: Residual, problem: Problem) -> "DeepXDEResiduals":
        """One of the residuals alone."""
        return DeepXDEResiduals(self._dde, problem, [residual], self._unknowns)

    def __call__(
        self, x: Tensor, y: Tensor, at: slice = ALL, columns: Mapping[str, Tensor] | None = None
    ) -> list[Tensor]:
        """The residuals at the rows ``at``, each (n, 1); ``columns``, each (n,), hold normals and data."""
        values: dict = {v: x[at, i] for i, v in enumerate(self._variables)}
        for symbol, slot in self._slots.items():
            values[symbol] = self._derivative(x, y, slot.output, slot.channel[0][1])[at, 0]
        values |= {s: self._unknowns[s.name] for s in self.coefficients}
        values |= {s: columns[s.name] for s in self._program.inputs if columns and s.name in columns}
        return [column(v, x[at]) for v in self._program(values)]

    def _derivative(self, x: Tensor, y: Tensor, k: int, index: tuple[int, ...]) -> Tensor:
        grad = self._dde.grad
        steps = [i for i, times in enumerate(index) for _ in range(times)]
        if not steps:
            return y[:, k : k + 1]
        if len(steps) == 1:
            return grad.jacobian(y, x, i=k, j=steps[0])
        out = grad.hessian(y, x, component=k, i=steps[0], j=steps[1])
        for j in steps[2:]:
            out = grad.jacobian(out, x, i=0, j=j)
        return out


def with_parameters(problem: Problem, e: sp.Expr) -> sp.Expr:
    """The expression with the values of the problem's parameters in it."""
    names = problem.parameters
    return e.subs({s: sp.Float(names[s.name], 17) for s in e.free_symbols if s.name in names})


def column(value: Tensor | float, like: Tensor) -> Tensor:
    """A value at every point as (n, 1)."""
    if isinstance(value, Tensor) and value.ndim:
        return value[:, None]
    return torch.zeros_like(like[:, :1]) + value


class PointCondition:
    """One residual at points that ``choose`` makes of DeepXDE's, with their normals, data and images.

    It stands where DeepXDE has no condition of the kind, and wherever the points are given: DeepXDE only ever
    calls the two methods.
    """

    def __init__(self, dde: ModuleType, rows: DeepXDEResiduals, choose: Callable[[np.ndarray], PointSet]) -> None:
        self._dde, self._rows, self._choose = dde, rows, choose
        self._columns: dict[str, Tensor] = {}

    def collocation_points(self, X: np.ndarray) -> np.ndarray:
        """The points (m, d) of the condition, their images after them."""
        points, real = self._choose(X), self._dde.config.real
        self._columns = {k: v.to(real(torch)) for k, v in points.columns.items()}
        both = points.X if points.image is None else torch.cat([points.X, points.image])
        return both.cpu().numpy().astype(real(np))

    def error(self, X: np.ndarray, inputs: Tensor, outputs: Tensor, beg: int, end: int, aux_var: Any = None) -> Tensor:
        """The residual at the rows beg:end, (m, 1)."""
        del X, aux_var
        if not self._rows.residuals[0].image:
            return self._rows(inputs, outputs, slice(beg, end), self._columns)[0]
        middle = (beg + end) // 2
        here, there = (self._rows(inputs, outputs, at)[0] for at in (slice(beg, middle), slice(middle, end)))
        return here - there


def pinned(
    dde: ModuleType, problem: Problem, groups: Mapping[str, DeepXDEResiduals], points: Mapping[str, PointSet]
) -> dict[str, PointCondition]:
    """Every condition at its given points, by the names of the terms."""
    return {
        residual.name: PointCondition(dde, rows.only(residual, problem), partial(_given, points[key]))
        for key, rows in groups.items() if key != "pde" for residual in rows.residuals
    }  # fmt: skip


def _given(points: PointSet, X: np.ndarray) -> PointSet:
    """The points that were given, whatever DeepXDE has drawn."""
    del X
    return points


def native(dde: ModuleType, geometry: Any, problem: Problem, groups: Mapping[str, DeepXDEResiduals]) -> dict[str, Any]:
    """Every condition as DeepXDE's own, where it has one, by the names of the terms."""
    maker = _Native(dde, geometry, problem)
    trained = {r.name: rows for key, rows in groups.items() if key != "pde" for r in rows.residuals}
    conditions = {}
    for condition in problem.conditions:
        for order, residual in enumerate(condition.residuals(problem.domain)):
            if residual.name in trained:
                rows = trained[residual.name].only(residual, problem)
                conditions[residual.name] = maker.make(condition, order, rows)
    return conditions


class _Native:
    """What all of DeepXDE's conditions need to be made."""

    def __init__(self, dde: ModuleType, geometry: Any, problem: Problem) -> None:
        self.dde, self.geometry, self.problem, self.domain = dde, geometry, problem, problem.domain

    def make(self, condition: Condition, order: int, rows: DeepXDEResiduals) -> Any:
        """DeepXDE's condition for one residual; ``order`` is its number among the condition's."""
        icbc, problem = self.dde.icbc, self.problem
        if isinstance(condition, Observations):
            return self._observations(condition, rows)
        part = self._part(rows.residuals[0].place)
        k = 0 if isinstance(condition, Operator) else problem.fields.index(condition.u)
        if rows.coefficients:  # trained numbers in the data: DeepXDE would evaluate these once
            return self._operator(rows, part)
        if isinstance(condition, Initial) and condition.order == 0:
            return icbc.IC(self.geometry, self._values(condition.value), lambda x, on: on, k)
        if isinstance(condition, Dirichlet):
            return icbc.DirichletBC(self.geometry, self._values(condition.value), part, k)
        if isinstance(condition, Neumann):
            return icbc.NeumannBC(self.geometry, self._values(condition.value), part, k)
        if isinstance(condition, Robin) and condition.b == 1:
            return icbc.RobinBC(self.geometry, self._robin(condition, k), part, k)
        if isinstance(condition, Periodic) and order < 2:
            i = self.domain.names.index(condition.coordinate)
            return icbc.PeriodicBC(self.geometry, i, part, order, k)
        return self._operator(rows, part)

    def _operator(self, rows: DeepXDEResiduals, part: Part) -> Any:
        if rows.columns or rows.residuals[0].image:
            return PointCondition(self.dde, rows, self._chooser(rows, part))
        return self.dde.icbc.OperatorBC(self.geometry, lambda x, y, X: rows(x, y)[0], part)

    def _part(self, place: Place) -> Part:
        domain = self.domain
        if place == INITIAL:
            return lambda x, on: bool(domain.on_initial(x[None])[0])
        on = f"{place.on}_min" if place.where == "pair" else place.on
        return lambda x, touches: bool(touches) and bool(domain.on_boundary(x[None], on)[0])

    def _values(self, value: Any) -> Callable[[np.ndarray], np.ndarray]:
        program = self._program([value])
        return lambda X: column(program(torch.as_tensor(X))[0], torch.as_tensor(X)).numpy()

    def _program(self, values: Sequence[Any]) -> Callable[[Tensor], list]:
        problem = self.problem
        expressions = [with_parameters(problem, expression(v, problem.variables)) for v in values]
        compiled = Program(expressions, problem.variables)
        return lambda X: compiled({v: X[:, i] for i, v in enumerate(problem.variables)})

    def _robin(self, condition: Robin, k: int) -> Callable[[np.ndarray, Tensor], Tensor]:
        program = self._program([condition.a, condition.value])

        def slope(X: np.ndarray, y: Tensor) -> Tensor:
            a, g = (column(v, y) for v in program(torch.as_tensor(X)))
            return g - a * y[:, k : k + 1]

        return slope

    def _observations(self, condition: Observations, rows: DeepXDEResiduals) -> Any:
        if is_applied(condition.u):
            k = self.problem.fields.index(condition.u)
            return self.dde.icbc.PointSetBC(condition.X.numpy(), condition.values[:, None].numpy(), k)
        points = PointSet(condition.X, {condition.symbol.name: condition.values})
        return PointCondition(self.dde, rows, lambda X: points)

    def _chooser(self, rows: DeepXDEResiduals, part: Part) -> Callable[[np.ndarray], PointSet]:
        geometry, names, residual = self.geometry, self.domain.names, rows.residuals[0]

        def choose(X: np.ndarray) -> PointSet:
            kept = X[[part(x, on) for x, on in zip(X, geometry.on_boundary(X), strict=True)]]
            here = torch.as_tensor(kept)
            if residual.image:
                i = names.index(residual.place.names[0])
                return PointSet(here, image=torch.as_tensor(geometry.periodic_point(kept, i)))
            normals = torch.as_tensor(geometry.boundary_normal(kept))
            return PointSet(here, {f"n_{name}": normals[:, i] for i, name in enumerate(names)})

        return choose
