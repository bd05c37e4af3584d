"""A march: solutions on consecutive time windows, which together are one function of all times."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from hashlib import blake2b
from typing import Annotated, Any

import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box, Domain
from pinnkit.domain.point_set import PointSet
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.conditions import Condition, Initial
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.tools.checked import SOME, Places, checked
from pinnkit.tools.followed import followed

from .fields import Fields
from .history import History
from .solution import Solution

_REMEMBERED = 256  # values of an earlier window that are kept, by the points they were asked at

Start = Callable[[sp.Expr], sp.Expr]  # an expression in the fields -> its value where a window begins


@checked
@dataclass(frozen=True, eq=False, repr=False)
class March(Fields):
    """Solutions u_k of one problem on consecutive time windows [t_k, t_k+1], which together are one function of all
    times.

    Args:
        problem: the problem on the whole time.
        windows: the solutions in the order of time.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.march(pk.problem("heat"), 2, pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(5)], progress=False)
        >>> len(u.windows), len(u.edges)
        (2, 3)
    """

    problem: Problem
    windows: Annotated[tuple[Solution, ...], SOME]

    @property
    def edges(self) -> tuple[float, ...]:
        """The times t_0 < t_1 < ... between the windows, both ends included."""
        bounds = [time_of(s.problem.domain) for s in self.windows]
        return (*(low for low, _ in bounds), bounds[-1][1])

    def evaluate(self, expressions: Annotated[Sequence[sp.Expr], SOME], X: Places) -> Tensor:
        """Values at points X of expressions in fields, their derivatives and coordinates.

        Args:
            expressions: SymPy expressions.
            X: points (n, d), coordinates in the order of the domain. Each is evaluated by the solution of its window.

        Returns:
            A tensor (n, expressions).
        """
        X = torch.as_tensor(X)
        inner = torch.tensor(self.edges[1:-1], dtype=X.dtype)
        if followed(X):
            return self._followed(expressions, X, inner)
        number = torch.bucketize(X[:, time_axis(self.problem)].contiguous(), inner)
        out = torch.empty(len(X), len(expressions), dtype=self.windows[0].theta.dtype)
        for k, solution in enumerate(self.windows):
            rows = number == k
            if rows.any():
                out[rows] = solution.evaluate(expressions, X[rows])
        return out

    def _followed(self, expressions: Sequence[sp.Expr], X: Tensor, inner: Tensor) -> Tensor:
        """The same in torch operations alone: all windows at all points, and of each the one that holds."""
        t = X[:, time_axis(self.problem), None]
        out = self.windows[0].evaluate(expressions, X)
        for edge, solution in zip(inner, self.windows[1:], strict=True):
            out = torch.where(t > edge, solution.evaluate(expressions, X), out)
        return out

    def __repr__(self) -> str:
        ends = f"t = {self.edges[0]:g} to {self.edges[-1]:g}"
        return f"March({self.problem.name}: {len(self.windows)} windows, {ends}, each a {self.windows[0]!r})"

    @property
    def points(self) -> Points:
        """The training points of all windows, by set."""
        sets = [s.points for s in self.windows]
        kept = [key for key in sets[0] if all(key in own for own in sets)]
        return Points({key: reduce(PointSet.join, (own[key] for own in sets)) for key in kept})

    @property
    def history(self) -> History:
        """Losses and errors at the logged iterations of all windows."""
        return self.windows[-1].history

    @property
    def progress(self) -> Any:
        """Where the training of the last window stands."""
        return self.windows[-1].progress

    @property
    def stops(self) -> tuple[str, ...]:
        """How many windows there are, and why the last one ended."""
        low, high = self.edges[0], self.edges[-1]
        return (f"{len(self.windows)} windows, t = {low:g} to {high:g}", *self.windows[-1].stops[-1:])

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the solutions, each said once, but the units of every window."""
        said = dict.fromkeys(note for s in self.windows for note in s.notes)
        return tuple(note for note in said if not note.startswith("units:"))

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries."""
        return self.windows[-1].versions

    @property
    def unknowns(self) -> dict[str, float]:
        """None: a march has no unknown coefficients."""
        return {}

    @property
    def rounds(self) -> Mapping[int, Points]:
        """None: the points of earlier rounds are kept by the windows."""
        return {}


def window(problem: Problem, low: float, high: float, before: "Solution | Start | None" = None) -> Problem:
    """The same problem for t in [low, high], its initial data the end of the solution ``before``, or as that says."""
    box = problem.domain
    names = {n: (low, high) if n == box.time else (a, b) for n, a, b in zip(box.names, *box.bounds, strict=True)}
    start = partial(continued, before, t=low) if isinstance(before, Solution) else before
    conditions = [c for c in (_within(c, problem, low, high, start) for c in problem.conditions) if c is not None]
    return replace(problem, domain=Box.of(names, time=box.time), conditions=tuple(conditions))


def begun(solution: Solution, problem: Problem, before: "Solution | Start | None") -> Solution:
    """The same network and parameters in the same window of a problem, with initial data from ``before``."""
    part = window(problem, *time_of(solution.problem.domain), before)
    return replace(solution, model=replace(solution.model, problem=part))


def continued(solution: Solution, expression: sp.Expr, t: float) -> sp.Expr:
    """An expression of a solution at time t as a function of the space coordinates, differentiable by them.

    Where time is the only coordinate, it is a number.
    """
    space = [v for v in solution.problem.variables if v.name != solution.problem.domain.time]
    if not space:
        return sp.Float(float(solution.evaluate([expression], torch.tensor([[t]]).double())[0, 0]), 17)
    return _frozen(solution, expression, t)(*space)


def _frozen(solution: Solution, expression: sp.Expr, t: float) -> type[Opaque]:
    problem = solution.problem
    at = time_axis(problem)
    space = [v for i, v in enumerate(problem.variables) if i != at]

    def values(X: Tensor) -> Tensor:
        return solution.evaluate([expression], X)[:, 0]

    remembered = _remember(values)

    def call(*coordinates: Tensor) -> Tensor:
        columns = list(coordinates)
        columns.insert(at, torch.full_like(columns[0], t))
        return remembered(torch.stack(columns, 1)).to(columns[0])

    def differentiated(argindex: int) -> type[Opaque]:
        return _frozen(solution, sp.diff(expression, space[argindex - 1]), t)

    members = {"call": staticmethod(call), "slopes": {}, "made": (_frozen, (solution, expression, t))}
    return type("before", (Opaque,), members | {"differentiated": staticmethod(differentiated)})


def _remember(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same function, which recalls its last values by the points themselves: training asks again and again."""
    known: OrderedDict[bytes, Tensor] = OrderedDict()

    def recalled(X: Tensor) -> Tensor:
        if followed(X):
            return call(X)
        key = blake2b(X.detach().cpu().contiguous().numpy().tobytes(), digest_size=16).digest()
        if key in known:
            known.move_to_end(key)
        else:
            known[key] = call(X)
            if len(known) > _REMEMBERED:
                known.popitem(last=False)
        return known[key]

    return recalled


def _within(condition: Condition, problem: Problem, low: float, high: float, start: Start | None) -> Condition | None:
    if isinstance(condition, Initial) and start is not None:
        t = problem.variables[time_axis(problem)]
        return replace(condition, value=start(sp.diff(condition.u, t, condition.order)))
    if isinstance(condition, Observations):
        t = condition.X[:, time_axis(problem)]
        kept = (t >= low) & (t <= high)
        return replace(condition, X=condition.X[kept], values=condition.values[kept]) if kept.any() else None
    return condition


def time_axis(problem: Problem) -> int:
    """The column of time."""
    return problem.domain.names.index(problem.domain.time)


def time_of(box: Domain) -> tuple[float, float]:
    """The interval of time of a domain."""
    low, high = box.bounds[:, box.names.index(box.time)]
    return float(low), float(high)
