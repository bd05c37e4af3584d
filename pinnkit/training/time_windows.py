"""Time windows: an unsteady problem solved slab by slab, each one starting from the end of the one before."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box, Domain
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.conditions import Condition, Initial
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.tools.atomic_file import check_or_make_folder
from pinnkit.tools.checked import SOME, Count, Finite, Places, checked
from pinnkit.tools.memory import afford

from .balance import Balance
from .optim import Stage
from .recipe import default_recipe
from .resampling.resample import Resampler
from .run_file import load
from .solve import resume, solve

_REMEMBERED = 256  # values of an earlier window that are kept, by the points they were asked at


class Settings(TypedDict, total=False):
    """The settings of `solve` that hold in every window."""

    stages: Sequence[Stage]
    resample: Resampler | None | Literal[False]
    seed: int
    weights: Mapping[str, float] | None
    balance: Balance | None | Literal[False]
    hard: bool | None
    dtype: torch.dtype
    device: Any
    log_every: int
    validation: int
    time_limit: float | None
    checkpoint_every: float
    progress: bool | None
    observe: Callable[[Solution], None] | None
    callbacks: Any


@checked
@dataclass(frozen=True, eq=False)
class March:
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
    windows: tuple[Solution, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """The times t_0 < t_1 < ... between the windows, both ends included."""
        bounds = [_interval(s.problem.domain) for s in self.windows]
        return (*(low for low, _ in bounds), bounds[-1][1])

    def evaluate(self, expressions: Annotated[Sequence[sp.Expr], SOME], X: Places) -> Tensor:
        """Values at points X of expressions in fields, their derivatives and coordinates.

        Args:
            expressions: SymPy expressions.
            X: points (n, d), coordinates in the order of the domain. Each is evaluated by the solution of its window.

        Returns:
            A tensor (n, expressions).
        """
        inner = torch.tensor(self.edges[1:-1], dtype=X.dtype)
        number = torch.bucketize(X[:, _time(self.problem)].contiguous(), inner)
        out = torch.empty(len(X), len(expressions), dtype=self.windows[0].theta.dtype)
        for k, solution in enumerate(self.windows):
            rows = number == k
            if rows.any():
                out[rows] = solution.evaluate(expressions, X[rows])
        return out

    __call__, jet, derivative = Solution.__call__, Solution.jet, Solution.derivative
    on_grid, errors = Solution.on_grid, Solution.errors


@checked
def march(
    problem: Problem,
    windows: Count | Sequence[Finite] = 4,
    network: Network | None = None,
    points: Any = None,
    *,
    folder: str | Path | None = None,
    **settings: Unpack[Settings],
) -> March:
    """Solve an unsteady problem window by window: u_k(t_k) = u_k-1(t_k) is the initial condition on [t_k, t_k+1].

    The initial condition is a function whose derivatives are those of the network before. Each window starts from the
    parameters of the one before. A window that ends early (an interrupt, a time limit, a callback) is the last one.

    Args:
        problem: a problem on a :class:`Box` with time, without unknown coefficients.
        windows: the number of windows of equal length, or the times between them, both ends included.
        network: the network of every window. Default None: that of the recipe.
        points: points of every window, as in :func:`solve`. Default None: the numbers of the recipe.
        folder: a folder for one run file a window. Finished windows are read from it, an interrupted one is resumed.
            Default None: nothing is written.
        settings: other arguments of :func:`solve`, used in every window.

    Returns:
        The solutions of all windows, as one function of all times.

    Raises:
        ValueError: a domain that is no box with time, times that do not rise from its beginning to its end, unknown
            coefficients (each window would find another value).

    Source:
        Wight, Zhao, Commun. Comput. Phys. 29 (2021).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.march(pk.problem("heat"), 2, pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> u.errors()["u"]["relative_l2"] < 0.2
        True
    """
    edges, recipe = _edges(problem, windows), default_recipe(problem)
    given: Settings = {
        "stages": recipe.stages, "resample": recipe.resample, "balance": recipe.balance, **settings,
    }  # fmt: skip
    done: list[Solution] = []
    for k, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        part = window(problem, low, high, done[-1] if done else None)
        path = None if folder is None else Path(folder) / f"window_{k + 1}.h5"
        if path is not None and path.exists():
            named = ("progress", "observe", "callbacks", "checkpoint_every")
            options: dict[str, Any] = {name: value for name, value in given.items() if name in named}
            done.append(_finished(load(path, part), path, options))
        elif done:
            counts = {key: len(s) for key, s in done[-1].points.items()} if points is None else points
            done.append(solve(part, points=counts, start=done[-1], checkpoint=path, **given))
        else:
            if path is not None:
                check_or_make_folder(path)
            done.append(solve(part, network, points, checkpoint=path, **given))
        if not done[-1].progress.done:
            break  # interrupted, or out of time: what follows would start from a guess
    return March(problem, tuple(done))


def window(problem: Problem, low: float, high: float, before: Solution | None = None) -> Problem:
    """The same problem for t in [low, high], its initial data the end of the solution ``before``."""
    box = problem.domain
    names = {n: (low, high) if n == box.time else (a, b) for n, a, b in zip(box.names, *box.bounds, strict=True)}
    conditions = [c for c in (_within(c, problem, low, high, before) for c in problem.conditions) if c is not None]
    return replace(problem, domain=Box.of(names, time=box.time), conditions=tuple(conditions))


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
    at = _time(problem)
    space = [v for i, v in enumerate(problem.variables) if i != at]
    slopes: dict[int, type[Opaque]] = {}

    def values(X: Tensor) -> Tensor:
        return solution.evaluate([expression], X)[:, 0]

    remembered = _remember(values)

    def call(*coordinates: Tensor) -> Tensor:
        columns = list(coordinates)
        columns.insert(at, torch.full_like(columns[0], t))
        return remembered(torch.stack(columns, 1)).to(columns[0])

    def fdiff(self: Opaque, argindex: int = 1) -> sp.Expr:
        if argindex not in slopes:
            slopes[argindex] = _frozen(solution, sp.diff(expression, space[argindex - 1]), t)
        return slopes[argindex](*self.args)

    return type("before", (Opaque,), {"call": staticmethod(call), "slopes": slopes, "fdiff": fdiff})


def _remember(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same function, which recalls its last values by the points themselves: training asks again and again."""
    known: OrderedDict[bytes, Tensor] = OrderedDict()

    def recalled(X: Tensor) -> Tensor:
        key = blake2b(X.detach().cpu().contiguous().numpy().tobytes(), digest_size=16).digest()
        if key in known:
            known.move_to_end(key)
        else:
            known[key] = call(X)
            if len(known) > _REMEMBERED:
                known.popitem(last=False)
        return known[key]

    return recalled


def _within(
    condition: Condition, problem: Problem, low: float, high: float, before: Solution | None
) -> Condition | None:
    if isinstance(condition, Initial) and before is not None:
        t = problem.variables[_time(problem)]
        return replace(condition, value=continued(before, sp.diff(condition.u, t, condition.order), low))
    if isinstance(condition, Observations):
        t = condition.X[:, _time(problem)]
        kept = (t >= low) & (t <= high)
        return replace(condition, X=condition.X[kept], values=condition.values[kept]) if kept.any() else None
    return condition


def _finished(solution: Solution, path: Path, options: dict[str, Any]) -> Solution:
    """A window that was read, trained to its end."""
    return solution if solution.progress.done else resume(solution, checkpoint=path, **options)


def _time(problem: Problem) -> int:
    return problem.domain.names.index(problem.domain.time)


def _interval(box: Domain) -> tuple[float, float]:
    low, high = box.bounds[:, box.names.index(box.time)]
    return float(low), float(high)


def _edges(problem: Problem, windows: int | Sequence[float]) -> list[float]:
    if not isinstance(problem.domain, Box) or problem.domain.time is None:
        raise ValueError(f"{problem.name}: time windows need a pinnkit.Box with time, the domain is {problem.domain!r}")
    if problem.unknowns:
        raise ValueError(
            f"{problem.name}: the unknown {next(iter(problem.unknowns))} belongs to the whole time: windows would each "
            "find another value; use solve"
        )
    low, high = _interval(problem.domain)
    if isinstance(windows, int):
        afford(100 * windows, f"a march of {windows} windows", "give fewer")
        return np.linspace(low, high, windows + 1).tolist()
    edges = [float(t) for t in windows]
    if len(edges) < 2 or edges[0] != low or edges[-1] != high or (np.diff(edges) <= 0).any():
        raise ValueError(f"windows={list(windows)}: expected times that rise from {low:g} to {high:g}, both included")
    return edges
