"""Hard constraints: u = g + d N meets initial and Dirichlet conditions whatever the network N is."""

from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

from .condition import Dirichlet, Initial, Periodic
from .distance import distance, exact
from .domain import Box
from .equation import Ansatz
from .expression import Opaque, Program
from .problem import Problem
from .wellposed import faces

Pair = tuple[sp.Expr, sp.Expr]  # g and d

TOLERANCE = 1e-5  # of the data's size: how far two data may differ where they meet; then the boundary wins
_SMOOTH = (
    sp.Add,
    sp.Mul,
    sp.sin,
    sp.cos,
    sp.exp,
    sp.sinh,
    sp.cosh,
    sp.tanh,
    sp.Symbol,
    sp.Number,
    sp.NumberSymbol,
)


def hard_constraints(problem: Problem, periodic: tuple[str, ...] = ()) -> tuple[Ansatz, frozenset[str]]:
    """g and d for every field, and the names of the terms that they satisfy exactly.

    ``periodic`` names the coordinates in which the network itself is periodic. g starts from the initial
    data. On a box it is corrected face by face with linear lifts of what the boundary data still lack; on a
    geometry that is one smooth body, the data of its whole boundary are continued inwards as they stand. d
    vanishes where g holds. Data that contain an unknown coefficient are left to be trained.

    Raises:
        ValueError: where no d is known for the domain, data of two conditions disagree where they meet, or a
            callable among them cannot be differentiated.
    """
    ansatz, absorbed = {}, set()
    for u in problem.fields:
        own = [c for c in problem.conditions if isinstance(c, (Initial, Dirichlet)) and c.u == u]
        own = [c for c in own if not {s.name for s in c.value.free_symbols} & set(problem.unknowns)]
        initial = sorted((c for c in own if isinstance(c, Initial)), key=lambda c: c.order)
        given = [c for c in problem.conditions if isinstance(c, Initial) and c.u == u]
        if [c.order for c in initial] != list(range(len(given))):
            continue
        walls = [c for c in own if isinstance(c, Dirichlet)]
        extend = _on_box if isinstance(problem.domain, Box) else _on_body
        ansatz[u] = extend(problem, u, walls, _initial_part(problem, initial), len(initial))
        _check_slopes(problem, ansatz[u][0])
        absorbed |= {c.name for c in (*initial, *walls)}
    for condition in problem.conditions:
        if isinstance(condition, Periodic) and condition.coordinate in periodic:
            _check_periodic(problem, condition, ansatz.get(condition.u, (sp.S.Zero, sp.S.One)))
            absorbed |= {r.name for r in condition.residuals(problem.domain)}
    return ansatz, frozenset(absorbed)


def _time(problem: Problem) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
    i = problem.domain.names.index(problem.domain.time)
    return problem.variables[i], *map(exact, problem.domain.bounds[:, i].tolist())


def _taylor(e: Sequence[sp.Expr], problem: Problem) -> sp.Expr:
    """sum e_k (t - t0)^k / k!."""
    t, t0, _ = _time(problem)
    return sum((t - t0) ** k / sp.factorial(k) * c for k, c in enumerate(e))


def _initial_part(problem: Problem, initial: list[Initial]) -> Pair:
    if not initial:
        return sp.S.Zero, sp.S.One
    t, t0, t1 = _time(problem)
    return _taylor([c.value.subs(t, t0) for c in initial], problem), ((t - t0) / (t1 - t0)) ** len(initial)


def _on_box(problem: Problem, u: AppliedUndef, walls: list[Dirichlet], start: Pair, order: int) -> Pair:
    g, d = start
    data = {face: c.value for c in walls for face in faces(problem, c)}
    size = max(_size(problem, e) for e in (g, *data.values()))
    done: dict[str, tuple[sp.Symbol, sp.Expr]] = {}
    for i, name in enumerate(problem.domain.names):
        x, lo, hi = problem.variables[i], *map(exact, problem.domain.bounds[:, i].tolist())
        ends = {"min": lo, "max": hi}
        gaps = {e: (data[f"{name}_{e}"] - g).subs(x, at) for e, at in ends.items() if f"{name}_{e}" in data}
        for end, gap in gaps.items():
            _check_meeting(problem, u, f"{name}_{end}", gap, order, done, size)
            gaps[end] = gap if _size(problem, gap) > 1e-15 * size else sp.S.Zero
        done |= {f"{name}_{end}": (x, ends[end]) for end in gaps}
        g, d = _lift(g, d, x, lo, hi, gaps)
    return g, d


def _lift(g: sp.Expr, d: sp.Expr, x: sp.Symbol, lo: sp.Expr, hi: sp.Expr, gaps: dict[str, sp.Expr]) -> Pair:
    """Add what g lacks on the faces of one coordinate, and make d vanish there."""
    width = hi - lo
    if len(gaps) == 2:
        lift = gaps["min"] * (hi - x) / width + gaps["max"] * (x - lo) / width
        return g + lift, d * 4 * (x - lo) * (hi - x) / width**2
    for end, gap in gaps.items():
        return g + gap, d * ((x - lo) if end == "min" else (hi - x)) / width
    return g, d


def _on_body(problem: Problem, u: AppliedUndef, walls: list[Dirichlet], start: Pair, order: int) -> Pair:
    g, d = start
    if not walls:
        return g, d
    everywhere = faces(problem, walls[0]) == set(problem.domain.faces or ("boundary",))
    value = walls[0].value
    if len(walls) > 1 or not everywhere or not _entire(value):
        raise ValueError(
            f"{problem.name}: hard constraints on a geometry need one value of {u.func} on its whole "
            "boundary, smooth also inside; use soft conditions (hard=False)"
        )
    space = [x for x in problem.variables if x.name != problem.domain.time]
    try:
        d = d * distance(problem.domain.tree, space)
    except ValueError as error:
        raise ValueError(f"{problem.name}: {error}; use soft conditions (hard=False)") from None
    if not order:
        return value, d
    X, _ = problem.domain.sample_boundary(64, method="random", seed=7)
    _check_meeting(problem, u, "the boundary", value - g, order, {}, _size(problem, g), X)
    t, t0, _ = _time(problem)
    return g + value - _taylor([sp.diff(value, t, k).subs(t, t0) for k in range(order)], problem), d


def _entire(e: sp.Expr) -> bool:
    """Whether a formula is smooth everywhere, so that boundary data may be continued inwards."""

    def smooth(node: sp.Basic) -> bool:
        power = isinstance(node, sp.Pow) and (node.exp.is_Integer and node.exp > 0 or not node.free_symbols)
        return power or isinstance(node, _SMOOTH)

    return all(smooth(node) for node in sp.preorder_traversal(e))


def _size(problem: Problem, e: sp.Expr, fixed: dict | None = None, X: Tensor | None = None) -> float:
    """max |e| over points of the domain, some coordinates held fixed."""
    if e == 0:
        return 0.0
    known = {s: sp.Float(problem.parameters[s.name], 17) for s in e.free_symbols if s.name in problem.parameters}
    X = problem.domain.sample(64, method="random", seed=7) if X is None else X
    values = {s: X[:, i] for i, s in enumerate(problem.variables)}
    for symbol, at in (fixed or {}).items():
        values[symbol] = torch.full_like(X[:, 0], float(at))
    (out,) = Program([e.subs(known)], problem.variables)(values)
    return float(np.abs(np.atleast_1d(np.asarray(out, dtype=float))).max())


def _check_slopes(problem: Problem, g: sp.Expr) -> None:
    for x in problem.variables if g.has(Opaque) else ():
        _size(problem, sp.diff(g, x))


def _check_meeting(
    problem: Problem, u: AppliedUndef, face: str, gap: sp.Expr, order: int,
    done: dict[str, tuple[sp.Symbol, sp.Expr]], size: float, X: Tensor | None = None,
) -> None:  # fmt: skip
    """Data of a face must agree with the initial data (their rates too) and with those of other faces."""
    meetings = {f"its data on {other}": (gap, {x: at}) for other, (x, at) in done.items()}
    if order:
        t, t0, _ = _time(problem)
        for k in range(order):
            meetings["its initial data" + k * " (rate)"] = (sp.diff(gap, t, k), {t: t0})
    for other, (e, fixed) in meetings.items():
        found = _size(problem, e, fixed, X)
        if not found <= TOLERANCE * size:
            raise ValueError(
                f"{problem.name}: the data of {u.func} on {face} and {other} differ by {found:.1e} where "
                "they meet, so no smooth ansatz takes both; use soft conditions (hard=False)"
            )


def _check_periodic(problem: Problem, condition: Periodic, pair: Pair) -> None:
    i = problem.domain.names.index(condition.coordinate)
    x, ends = problem.variables[i], [exact(v) for v in problem.domain.bounds[:, i].tolist()]
    for e in pair:
        for k in range(condition.order + 1):
            slope = sp.diff(e, x, k)
            found = _size(problem, slope.subs(x, ends[0]) - slope.subs(x, ends[1]))
            if not found <= TOLERANCE * _size(problem, slope):
                raise ValueError(
                    f"{problem.name}: the data of {condition.u.func} differ by {found:.1e} between the two "
                    f"faces of {condition.coordinate}, in which it is periodic; use soft conditions "
                    "(hard=False)"
                )
