"""Fields and their derivatives at points."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem
from pinnkit.tools.checked import Finite, checked

from .base import Expression, Functional, Several, rows_of


@checked
@dataclass(frozen=True, eq=False)
class Field(Functional):
    """f_i = e(x_i), an expression in fields and their derivatives at every point.

    Args:
        expression: a SymPy expression, a number, or a name as "u" or "u_x".
        X: points (K, d).
        name: name of the result. Default "": the expression.

    Example:
        >>> import torch
        >>> import pinnkit as pk
        >>> len(pk.Field("u_x", torch.zeros(3, 2)).points)
        3
    """

    expression: Expression
    X: Tensor | PointSet
    name: str = ""

    @property
    def points(self) -> PointSet:
        """The points with their columns."""
        return self.X if isinstance(self.X, PointSet) else PointSet(torch.atleast_2d(torch.as_tensor(self.X)))

    @property
    def names(self) -> tuple[str, ...]:
        """The expression and the point."""
        what = self.name or str(self.expression)
        return tuple(f"{what} at ({', '.join(f'{c:.4g}' for c in x)})" for x in self.points.X.tolist())

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        outside = ~solution.problem.domain.inside(self.points.X.detach().cpu())
        if outside.any():
            place = ", ".join(f"{c:.6g}" for c in self.points.X[outside.nonzero()[0, 0]].tolist())
            raise ValueError(f"({place}) lies outside the domain of {solution.problem.name}: ask about a point inside")
        rows = rows_of(solution, self.expression, self.points)
        return rows.values(solution.theta), rows.jacobian(solution.theta)


@checked
def at(expression: Expression, name: str = "", **coordinates: Finite | Sequence[Finite] | Tensor) -> Field:
    """f = e(x), a field or expression at one point, or at several points of a line.

    Args:
        expression: a SymPy expression, a number, or a name as "u" or "u_x".
        name: name of the result. Default "": made from expression and point.
        coordinates: every coordinate by name: a number, or several for one of them.

    Returns:
        A functional, for :func:`measure`, :class:`Influence` or :func:`uncertainty`.

    Raises:
        ValueError: no coordinates.

    Example:
        >>> import pinnkit as pk
        >>> pk.at("u_x", x=0.2, t=0.5).names
        ('u_x at x=0.2, t=0.5',)
    """
    if not coordinates:
        raise ValueError(f"at({str(expression)!r}): give the point's coordinates, as in at('u', x=0.2, t=0.5)")
    columns = [torch.atleast_1d(torch.as_tensor(c, dtype=torch.float64)) for c in coordinates.values()]
    return _At(expression, torch.stack(torch.broadcast_tensors(*columns), 1), name, tuple(coordinates))


@checked
@dataclass(frozen=True, eq=False)
class _At(Field):
    """A field at points whose coordinates were named, in any order."""

    order: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The expression and the named coordinates."""
        what = self.name or str(self.expression)
        places = (zip(self.order, x, strict=True) for x in self.points.X.tolist())
        return tuple(f"{what} at {', '.join(f'{n}={c:.4g}' for n, c in place)}" for place in places)

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        wanted = solution.problem.domain.names
        if set(self.order) != set(wanted):
            raise ValueError(f"a point of {solution.problem.name} has {', '.join(wanted)}: got {', '.join(self.order)}")
        X = self.points.X[:, [self.order.index(n) for n in wanted]]
        return Field(self.expression, X).linearise(solution)


def places(of: Functional, problem: Problem) -> Tensor:
    """Where each of the K numbers is asked for, shape (K, d); NaN for what is not asked at a point."""
    if isinstance(of, Several):
        return torch.cat([places(part, problem) for part in of.parts])
    if not isinstance(of, Field):
        return torch.full((len(of.names), len(problem.domain.names)), torch.nan, dtype=torch.float64)
    X, order = of.points.X.detach().cpu().double(), of.order if isinstance(of, _At) else problem.domain.names
    return X[:, [order.index(n) for n in problem.domain.names]]
