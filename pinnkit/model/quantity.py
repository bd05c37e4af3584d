"""What influence is asked about: fields at points, integrals, losses, errors, coefficients, functions of these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.points import Points, sample
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.conditions import PointSet, Residual
from pinnkit.statement.symbolic.place import data
from pinnkit.tools.checked import Count, Finite, Whole, checked
from pinnkit.tools.memory import afford

from .solution import Solution
from .stack import Stack

Expression: TypeAlias = sp.Expr | str | float  # "u_x" stands for the derivative of that name


Curve = Callable[[Tensor], Tensor]  # moves (P, n) -> what f changes by along them beyond first order, (K, n)


class Functional(Protocol):
    """K numbers f(theta) that are asked about.

    One that is far from linear in the fields, as a square is, may have a method ``curve(solution) -> Curve``: the
    rest of its change when the fields move linearly. Effects then contain it.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """What each of the numbers is called."""

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """f at the solution, shape (K,), and df/dtheta, shape (K, P)."""


def rows_of(solution: Solution, expression: Expression, points: PointSet) -> Stack:
    """An expression in fields, their derivatives, coordinates and the points' columns as rows (n,) of the solution."""
    e = solution.derivative(expression) if isinstance(expression, str) else sp.sympify(expression, strict=True)
    readout = solution.model.readout([Residual("f", e, data("f"))])
    absent = [s.name for s in readout.columns if s.name not in points.columns]
    if absent:
        raise ValueError(
            f"{e} contains {absent[0]}, which is neither a coordinate, a field, a parameter nor given with the points"
        )
    return solution.model.rows({"f": points.to(solution.theta)}, {"f": readout})


@checked
@dataclass(frozen=True, eq=False)
class Field:
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

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The values and their gradients by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (K,) and df/dtheta (K, P).

        Raises:
            ValueError: a point that lies outside the domain.
        """
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

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Values (K,) and gradients (K, P); raises ValueError where a coordinate is missing."""
        wanted = solution.problem.domain.names
        if set(self.order) != set(wanted):
            raise ValueError(f"a point of {solution.problem.name} has {', '.join(wanted)}: got {', '.join(self.order)}")
        X = self.points.X[:, [self.order.index(n) for n in wanted]]
        return Field(self.expression, X).linearise(solution)


@checked
@dataclass(frozen=True, eq=False)
class Integral:
    """f = sum_i q_i e(x_i), an integral by quadrature.

    Args:
        expression: e, a SymPy expression, a number, or a name as "u_x".
        points: quadrature points (n, d).
        q: quadrature weights (n,).
        name: name of the result.
    """

    expression: Expression
    points: PointSet
    q: Tensor
    name: str = "integral"

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (self.name,)

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The value and the gradient by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (1,) and df/dtheta (1, P).
        """
        rows = rows_of(solution, self.expression, self.points)
        q = self.q.to(solution.theta)
        return (q @ rows.values(solution.theta))[None], rows.vjp(solution.theta, q)[None]


@checked
def integral(
    problem: Problem, expression: Expression, over: str | tuple[str, ...] = "domain", *, n: Count = 4096,
    name: str = "", seed: Whole = 0, **fixed: Finite,
) -> Integral:  # fmt: skip
    """f = int e dx over the domain or a part of its boundary, by n quasi-random points.

    On the boundary the components of the outward normal may stand in e (:func:`normals`), as in a flux.

    Args:
        problem: the problem.
        expression: e, a SymPy expression, a number, or a name as "u_x".
        over: "domain" (default), or parts of the boundary.
        n: number of points.
        name: name of the result. Default "": made from the rest.
        seed: seed of the points.
        fixed: coordinates that are not integrated over, by name: ``t=0.5``.

    Returns:
        A functional.

    Raises:
        ValueError: a part of the boundary or a coordinate that the domain does not have.

    Example:
        >>> import pinnkit as pk
        >>> mass = pk.integral(pk.problem("heat"), 1.0, t=0.5, n=256)
        >>> round(float(mass.q.sum()), 6)
        1.0
    """
    domain = problem.domain
    unknown = set(fixed) - set(domain.names)
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} is no coordinate of {problem.name}: {', '.join(domain.names)}")
    columns: dict[str, Tensor] = {}
    if over == "domain":
        X, measure = domain.sample(n, seed=seed), domain.measure()
    else:
        X, normals = domain.sample_boundary(n, over, seed=seed)
        measure = domain.measure(over)
        space = [i for i, c in enumerate(domain.names) if c != domain.time]
        columns = {f"n_{domain.names[i]}": normals[:, i] for i in space}
    for c, value in fixed.items():
        i = domain.names.index(c)
        if over != "domain" and c != domain.time:
            raise ValueError(f"{c} is fixed on the boundary already: only the time can be fixed there")
        X[:, i] = float(value)
        measure /= domain.bounds[1][i] - domain.bounds[0][i]
    where = over if isinstance(over, str) else "+".join(over)
    label = name or f"integral of {expression} over {where}" + "".join(f", {c}={v:g}" for c, v in fixed.items())
    return Integral(expression, PointSet(X, columns), torch.full((n,), measure / n, dtype=torch.float64), label)


@checked
@dataclass(frozen=True, eq=False)
class Loss:
    """f = sum_m a_m r_m^2, the loss of all terms or of one.

    Args:
        points: points at which it is taken. Default None: the training points.
        term: the term. Default None: all.
        name: name of the result. Default "": made from the rest.
    """

    points: Points | None = None
    term: str | None = None
    name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (self.name or f"{self.term or 'total'} loss",)

    def _rows(self, solution: Solution) -> tuple[Stack, Tensor]:
        """The rows, and their weights (M,); raises ValueError for a term that is not in the loss."""
        stack = solution.stack
        if self.points is not None:
            stack = solution.model.stack(self.points.to(solution.theta.dtype, solution.theta.device), solution.weights)
        if self.term is not None and self.term not in stack.terms:
            raise ValueError(f"there is no term {self.term!r}: the terms are {', '.join(stack.terms)}")
        w = stack.row_weights.clone()
        for name, part in stack.by_term(w).items():
            if self.term not in (None, name):
                part.zero_()
        return stack, w

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The value and the gradient by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (1,) and df/dtheta (1, P).

        Raises:
            ValueError: a term that is not in the loss.
        """
        stack, w = self._rows(solution)
        r = stack.values(solution.theta)
        return (w * r * r).sum()[None], stack.vjp(solution.theta, 2 * w * r)[None]

    def curve(self, solution: Solution) -> Curve:
        """The change sum a (J d)^2 beyond first order, for rows that move by J d.

        Args:
            solution: the solution.

        Returns:
            A function of the change of parameters.
        """
        stack, w = self._rows(solution)
        return partial(_square, _gram(stack, solution.theta, w))


@checked
def test_loss(
    problem: Problem, n: Count | Mapping[str, Count] = 2000, *, term: str | None = None, seed: Whole = 12345
) -> Loss:
    """f = sum_m a_m r_m^2, the loss on fresh points.

    Args:
        problem: the problem.
        n: number of interior points (other sets get a fifth of it), or numbers by set name.
        term: the term. Default None: all.
        seed: seed of the points.

    Returns:
        A functional.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> len(pk.measure(u, pk.test_loss(u.problem, 100)))
        1
    """
    return Loss(sample(problem, n, seed=seed), term, f"{term or 'total'} loss on fresh points")


test_loss.__test__ = False  # type: ignore[attr-defined]  # not for pytest


@checked
@dataclass(frozen=True, eq=False)
class Error:
    """f = |u - u*| / |u*|, the relative L2 error over the grid of the reference.

    Args:
        field: the field. Default None: all fields together.
    """

    field: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (f"relative L2 error{f' of {self.field}' if self.field else ''}",)

    def _gaps(self, solution: Solution) -> tuple[list[tuple[Stack, Tensor]], Tensor]:
        """Rows of every field and u - u* on the grid, and |u*|^2; raises ValueError where there is no reference."""
        problem = solution.problem
        if problem.reference is None:
            raise ValueError(f"{problem.name} has no reference: ask about test_loss, or about a field at a point")
        known = problem.field_names
        if self.field not in (None, *known):
            raise ValueError(f"there is no field {self.field!r}: the fields are {', '.join(known)}")
        _, X, mask, exact = problem.reference.on_grid(problem.domain, known)
        kept, exact = X[mask].to(solution.theta), exact[mask].to(solution.theta)
        pairs, norm = [], solution.theta.new_zeros(())
        for i, name in enumerate(known):
            if self.field in (None, name):
                rows = rows_of(solution, name, PointSet(kept))
                pairs.append((rows, rows.values(solution.theta) - exact[:, i]))
                norm = norm + exact[:, i] @ exact[:, i]
        return pairs, norm

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The value and the gradient by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (1,) and df/dtheta (1, P).

        Raises:
            ValueError: the problem has no reference.
        """
        pairs, norm = self._gaps(solution)
        total = sum(gap @ gap for _, gap in pairs)
        gradient = sum(rows.vjp(solution.theta, gap) for rows, gap in pairs)
        return (total / norm).sqrt()[None], (gradient / (total * norm).sqrt())[None]

    def curve(self, solution: Solution) -> Curve:
        """The change |e + J d| - |e| - e J d / |e| beyond first order, for fields that move by J d.

        Args:
            solution: the solution.

        Returns:
            A function of the change of parameters.
        """
        pairs, norm = self._gaps(solution)
        none = torch.zeros_like(norm)
        total = sum((gap @ gap for _, gap in pairs), none)
        slope = sum((rows.vjp(solution.theta, gap) for rows, gap in pairs), none)
        matrix = sum((_gram(rows, solution.theta, torch.ones_like(gap)) for rows, gap in pairs), none)

        def rest(moves: Tensor) -> Tensor:
            first = slope @ moves
            square = (total + 2 * first + _square(matrix, moves)[0]).clamp_min(0)
            return ((square.sqrt() - total.sqrt() - first / total.sqrt()) / norm.sqrt())[None]

        return rest


def _gram(stack: Stack, theta: Tensor, w: Tensor) -> Tensor:
    """J^T diag(w) J (P, P), without ever holding J."""
    P = len(theta)
    instead = "ask about fields, or use a smaller network"
    afford(theta.element_size() * P * P, f"the matrix of an error or loss for {P} parameters", instead, theta.device)
    matrix = theta.new_zeros(P, P)
    for numbers, _, J in stack.jacobian_blocks(theta):
        matrix.addmm_((J * w[numbers, None]).T, J)
    return matrix


def _square(matrix: Tensor, moves: Tensor) -> Tensor:
    """d^T matrix d of every column d of moves (P, n), shape (1, n)."""
    return (moves * (matrix @ moves)).sum(0)[None]


@checked
@dataclass(frozen=True, eq=False)
class Unknown:
    """f = an unknown coefficient of an inverse problem.

    Args:
        coefficient: its name.

    Example:
        >>> import pinnkit as pk
        >>> pk.Unknown("k").names
        ('k',)
    """

    coefficient: str

    @property
    def names(self) -> tuple[str, ...]:
        """The coefficient."""
        return (self.coefficient,)

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The value and the gradient by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (1,) and df/dtheta (1, P).

        Raises:
            ValueError: a coefficient that was not trained.
        """
        known = list(solution.problem.unknowns)
        if self.coefficient not in known:
            trained = ", ".join(known) or "none"
            raise ValueError(f"{self.coefficient!r} was not trained: the unknown coefficients are {trained}")
        gradient, model, k = torch.zeros_like(solution.theta), solution.model, known.index(self.coefficient)
        model.split(gradient)[1][k] = model.coefficient_scales[k]
        return model.coefficients(solution.theta)[k][None], gradient[None]


@checked
@dataclass(frozen=True, eq=False)
class Function:
    """f = F(g_1, g_2, ...), a function of other functionals.

    Args:
        name: name of the result.
        F: differentiable torch function of all values in one vector, with one number as value.
        of: the functionals g.

    Example:
        >>> import pinnkit as pk
        >>> a, b = pk.at("u", x=0.2, t=0.5), pk.at("u", x=0.8, t=0.5)
        >>> pk.Function("difference", lambda g: g[0] - g[1], [a, b]).names
        ('difference',)
    """

    name: str
    F: Callable[[Tensor], Tensor]
    of: Sequence[Functional]

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (self.name,)

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The value and the gradient by the parameters, by the chain rule.

        Args:
            solution: the solution.

        Returns:
            f (1,) and df/dtheta (1, P).

        Raises:
            ValueError: F does not give one number.
        """
        values, gradients = Several(tuple(self.of)).linearise(solution)
        g = values.detach().requires_grad_()
        value = self.F(g)
        if value.numel() != 1:
            raise ValueError(f"{self.name}: F gave a tensor of shape {tuple(value.shape)}, expected one number")
        (slope,) = torch.autograd.grad(value.sum(), g)
        return value.detach().reshape(1), slope[None] @ gradients


@dataclass(frozen=True, eq=False)
class Several:
    """Functionals in a row."""

    parts: tuple[Functional, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(n for part in self.parts for n in part.names)

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Values (K,) and gradients (K, P)."""
        values, gradients = zip(*(part.linearise(solution) for part in self.parts), strict=True)
        return torch.cat(values), torch.cat(gradients)

    def curve(self, solution: Solution) -> Curve | None:
        """What those change by that have a curve, beyond first order; None where none has."""
        found = [curve_of(part, solution) for part in self.parts]
        counts = [len(part.names) for part in self.parts]
        if not any(found):
            return None

        def rest(moves: Tensor) -> Tensor:
            parts = [
                moves.new_zeros(n, moves.shape[1]) if curve is None else curve(moves)
                for curve, n in zip(found, counts, strict=True)
            ]
            return torch.cat(parts)

        return rest


def curve_of(of: Functional, solution: Solution) -> Curve | None:
    """What a functional changes by beyond first order, if it is one that says so."""
    return of.curve(solution) if hasattr(of, "curve") else None


def places(of: Functional, problem: Problem) -> Tensor:
    """Where each of the K numbers is asked for, shape (K, d); NaN for what is not asked at a point."""
    if isinstance(of, Several):
        return torch.cat([places(part, problem) for part in of.parts])
    if not isinstance(of, Field):
        return torch.full((len(of.names), len(problem.domain.names)), torch.nan, dtype=torch.float64)
    X, order = of.points.X.detach().cpu().double(), of.order if isinstance(of, _At) else problem.domain.names
    return X[:, [order.index(n) for n in problem.domain.names]]


def several(of: Functional | Sequence[Functional]) -> Functional:
    """One functional of one or many."""
    if isinstance(of, (list, tuple)):
        if not of:
            raise ValueError("no functional is given: ask about a field, a loss, an integral ...")
        return of[0] if len(of) == 1 else Several(tuple(of))
    if isinstance(of, Sequence) or not hasattr(of, "linearise"):
        raise TypeError(f"expected a functional such as pinnkit.at('u', x=0.2, t=0.5), got {type(of).__name__}")
    return of
