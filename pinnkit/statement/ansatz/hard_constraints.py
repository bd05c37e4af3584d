"""Hard constraints: u = g + d N meets initial and Dirichlet conditions whatever the network N is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box
from pinnkit.domain.distance_function import SmoothSide, exact_number, rising, sides
from pinnkit.domain.geometry import Geometry
from pinnkit.statement.problem import Problem
from pinnkit.statement.singular.kink import stretches
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Initial, Periodic
from pinnkit.statement.symbolic.lowering import Ansatz
from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.statement.well_posed import faces
from pinnkit.tools.sympy_types import AppliedUndef

from .carried import carry
from .carried_on_body import carry_on_body
from .initial_layer import initial_layers
from .singular_data import (
    BODY,
    INITIAL,
    IncompatibleData,
    almost_everywhere,
    check_regular,
    check_stated,
    sides_of,
    size_of,
)
from .stated import met

Pair = tuple[sp.Expr, sp.Expr]  # g and d
Given = Initial | Dirichlet

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


@dataclass(frozen=True)
class Constraints:
    """g and d of every field that has them, the terms they satisfy exactly, and what was left soft and why."""

    ansatz: Ansatz
    exact: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def hard_constraints(problem: Problem, periodic: tuple[str, ...] = (), strict: bool = True) -> Constraints:
    """g and d for every field, and the names of the terms that they satisfy exactly.

    ``periodic`` names the coordinates in which the network itself is periodic. g starts from the initial
    data. On a box it is corrected face by face with linear lifts of what the boundary data still lack; on another
    body, data that are smooth inside are continued inwards as they stand, and blended with those on its holes
    by inverse distances (Rvachev et al. 2001). d vanishes where g holds, on the sides with data only. Data that
    contain an unknown coefficient are left to be trained, and so are, unless ``strict``, those that cannot be met or
    whose jump or kink the equation would lose: a derivative of order m needs data whose m-th derivative is bounded.

    Raises:
        ValueError: where no d is known for the domain, a condition covers a side in part, data of two conditions
            disagree where they meet, or a callable among them cannot be differentiated; where a problem's own ansatz
            jumps or kinks so that its equation would lose it.
    """
    ansatz, absorbed = dict(problem.ansatz), met(problem, problem.ansatz) if problem.ansatz else set()
    notes: list[str] = []
    for u, pair in problem.ansatz.items():
        check_stated(problem, u, pair)
    for u in problem.fields:
        if u in problem.ansatz:
            continue
        own = [c for c in problem.conditions if isinstance(c, (Initial, Dirichlet)) and c.u == u]
        own = [c for c in own if not {s.name for s in c.value.free_symbols} & set(problem.unknowns)]
        initial = [c.order for c in own if isinstance(c, Initial)]
        if sorted(initial) != list(range(sum(isinstance(c, Initial) and c.u == u for c in problem.conditions))):
            continue
        pair, kept, why = _of_field(problem, u, own, periodic, strict)
        notes += why
        if not kept and not strict and not isinstance(problem.domain, Box):
            part, carried = carry_on_body(problem, u, [c for c in own if isinstance(c, Dirichlet)])
            notes += carried
            if part != 0:
                ansatz[u] = part, sp.S.One
        if kept:
            ansatz[u] = pair
            absorbed |= {c.name for c in kept}
    for condition in problem.conditions:
        if isinstance(condition, Periodic) and condition.coordinate in periodic:
            pair = ansatz.get(condition.u, (sp.S.Zero, sp.S.One))
            try:
                _check_periodic(problem, condition, pair)
            except IncompatibleData as clash:
                if strict:
                    raise
                notes.append(f"{condition.name} is trained softly: {_reason(problem, clash)}")
            else:
                absorbed |= {r.name for r in condition.residuals(problem.domain)}
    return Constraints(ansatz, frozenset(absorbed), tuple(notes))


def _of_field(
    problem: Problem, u: AppliedUndef, own: list[Given], periodic: tuple[str, ...], strict: bool
) -> tuple[Pair, list[Given], list[str]]:  # fmt: skip
    """g and d of the conditions that allow them, those, and a note on every other one."""
    notes: list[str] = []
    while own:
        initial = sorted((c for c in own if isinstance(c, Initial)), key=lambda c: c.order)
        walls = [c for c in own if isinstance(c, Dirichlet)]
        try:
            pair, carried = _pair(problem, u, initial, walls, periodic)
            return pair, own, [*notes, *carried]
        except ValueError as error:
            if strict:
                raise
            soft = _at_fault(problem, own, error)
            verb = "is" if len(soft) == 1 else "are"
            notes.append(f"{' and '.join(c.name for c in soft)} {verb} trained softly: {_reason(problem, error)}")
            own = [c for c in own if c not in soft]
    return (sp.S.Zero, sp.S.One), [], notes


def _pair(
    problem: Problem, u: AppliedUndef, initial: list[Initial], walls: list[Dirichlet], periodic: tuple[str, ...]
) -> tuple[Pair, tuple[str, ...]]:
    """g and d, and notes on the jumps and kinks that g carries."""
    if not isinstance(problem.domain, Box):
        every: list[Given] = [*initial, *walls]
        for c in every:
            for side, fixed in sides_of(problem, c).items():
                check_regular(problem, u, c.name, side, c.value, fixed)
        pair = _on_body(problem, u, walls, _initial_part(problem, _values(problem, initial)), len(initial))
        _check_slopes(problem, pair[0])
        return pair, ()
    both: list[Given] = [*initial, *walls]
    carried = carry(problem, u, both, periodic)
    given = {c.name for c in both}
    left = {key: datum for key, datum in carried.data.items() if key[0] in given}
    for (name, side), datum in left.items():
        check_regular(problem, u, name, side, datum.value, {datum.side.symbol: datum.side.at})
    values = {key: almost_everywhere(datum.whole) for key, datum in left.items()}
    start = _initial_part(problem, [values[c.name, INITIAL] for c in initial])
    if len(initial) == 1:
        start = start[0] + initial_layers(problem, u, start[0]), start[1]
    g, d = _on_box(problem, u, {side: e for (_, side), e in values.items() if side != INITIAL}, start, len(initial))
    _check_slopes(problem, g)
    return (almost_everywhere(carried.part) + g, d), carried.notes


def _at_fault(problem: Problem, own: list[Given], error: ValueError) -> list[Given]:
    """The conditions that an error names; initial ones stand and fall together; all, where it names none."""
    sides = set(error.sides if isinstance(error, IncompatibleData) else ())
    found: list[Given] = [c for c in own if isinstance(c, Initial) and INITIAL in sides]
    found += [c for c in own if isinstance(c, Dirichlet) and (sides & {*faces(problem, c), BODY})]
    return found or own


def _reason(problem: Problem, error: ValueError) -> str:
    """An error's sentence as the reason in a note."""
    return str(error).removeprefix(f"{problem.name}: ").partition("; use soft conditions")[0]


def _time(problem: Problem) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
    i = problem.domain.names.index(problem.domain.time)
    return problem.variables[i], *map(exact_number, problem.domain.bounds[:, i].tolist())


def _taylor(e: Sequence[sp.Expr], problem: Problem) -> sp.Expr:
    """sum e_k (t - t0)^k / k!."""
    t, t0, _ = _time(problem)
    return sum((t - t0) ** k / sp.factorial(k) * c for k, c in enumerate(e))


def _initial_part(problem: Problem, initial: list[sp.Expr]) -> Pair:
    if not initial:
        return sp.S.Zero, sp.S.One
    t, t0, t1 = _time(problem)
    begins = [sp.nsimplify(m.power) for m in problem.memories if problem.variables[m.coordinate] == t]
    return _taylor(initial, problem), ((t - t0) / (t1 - t0)) ** min([sp.Integer(len(initial)), *begins])


def _values(problem: Problem, initial: list[Initial]) -> list[sp.Expr]:
    return [c.value.subs(*_time(problem)[:2]) for c in initial]


def _on_box(
    problem: Problem, u: AppliedUndef, data: Mapping[str, sp.Expr], start: Pair, order: int,
    reach: sp.Expr | None = None,
) -> Pair:  # fmt: skip
    """g and d from data by face; ``reach`` is how far from a single face of a coordinate d has grown to 1."""
    g, d = start
    size = max(size_of(problem, e) for e in (g, *data.values()))
    maps = stretches(problem.interface_problem.kinks, problem.domain)  # along them g and d have no flux that jumps
    done: dict[str, tuple[sp.Symbol, sp.Expr]] = {}
    for i, name in enumerate(problem.domain.names):
        x, lo, hi = problem.variables[i], *map(exact_number, problem.domain.bounds[:, i].tolist())
        ends = {"min": lo, "max": hi}
        gaps = {e: (data[f"{name}_{e}"] - g).subs(x, at) for e, at in ends.items() if f"{name}_{e}" in data}
        for end, gap in gaps.items():
            _check_meeting(problem, u, f"{name}_{end}", gap, order, done, size)
            gaps[end] = gap if size_of(problem, gap) > 1e-15 * size else sp.S.Zero
        done |= {f"{name}_{end}": (x, ends[end]) for end in gaps}
        along = maps[i].formula(x) if i in maps else x
        g, d = _lift(g, d, along, lo, hi, gaps, reach)
    return g, d


def _lift(
    g: sp.Expr, d: sp.Expr, x: sp.Expr, lo: sp.Expr, hi: sp.Expr, gaps: dict[str, sp.Expr], reach: sp.Expr | None
) -> Pair:  # fmt: skip
    """Add what g lacks on the faces of one coordinate, and make d vanish there."""
    width = hi - lo
    if len(gaps) == 2:
        lift = gaps["min"] * (hi - x) / width + gaps["max"] * (x - lo) / width
        return g + lift, d * 4 * (x - lo) * (hi - x) / width**2
    for end, gap in gaps.items():
        away = (x - lo) if end == "min" else (hi - x)
        return g + gap, d * (away / width if reach is None else rising(away, reach))
    return g, d


def _on_body(problem: Problem, u: AppliedUndef, walls: list[Dirichlet], start: Pair, order: int) -> Pair:
    """Data of the outer boundary first, then the holes one after the other."""
    if not walls:
        return start
    space = [x for x in problem.variables if x.name != problem.domain.time]
    try:
        if not isinstance(problem.domain, Geometry):
            raise ValueError(f"no distance function is known for {problem.domain!r}")
        outer, holes = sides(problem.domain.tree, space)
    except ValueError as error:
        raise ValueError(f"{problem.name}: {error}; use soft conditions (hard=False)") from None
    data = {side: _value_on(problem, u, walls, side) for side in (*outer, *holes)}
    given = {side: value for side, value in data.items() if value is not None}
    size = max(size_of(problem, e) for e in (start[0], *given.values()))
    for side, value in given.items() if order else ():
        _check_meeting(problem, u, BODY, value - start[0], order, {}, size, _in_time(problem, side.X))
    values, g = list(dict.fromkeys(given.values())), start[0]
    if len(values) == 1 and _entire(values[0]):
        g = g + _later(problem, values[0] - g, order)
    own = {side: value for side, value in given.items() if side in outer}
    g, d = _around(problem, u, own, g, order)
    for side in [hole for hole in holes if hole in given]:
        lack = _later(problem, given[side] - g, order)
        if size_of(problem, lack) > 1e-15 * size:
            near = d * (1 - side.zero)  # forgotten far away
            g = g + lack * near / (near + side.zero)
        d = d * side.zero
    return g, start[1] * d


def _around(problem: Problem, u: AppliedUndef, data: Mapping[SmoothSide, sp.Expr], g: sp.Expr, order: int) -> Pair:
    """g and d for the sides of the outer boundary that have data."""
    values = list(dict.fromkeys(data.values()))
    if all(side.face for side in data):
        reach = exact_number(float(np.ptp(problem.domain.bounds[:, : len(problem.domain.space)], axis=0).min()) / 2)
        return _on_box(problem, u, {side.face: v for side, v in data.items()}, (g, sp.S.One), order, reach)
    if len(values) > 1 or not all(map(_entire, values)):
        raise ValueError(
            f"{problem.name}: hard constraints on a body that is no box need one value of {u.func} on its outer "
            "boundary, smooth also inside; use soft conditions (hard=False)"
        )
    return g + _later(problem, values[0] - g, order), sp.prod(side.zero for side in data)


def _value_on(problem: Problem, u: AppliedUndef, walls: list[Dirichlet], side: SmoothSide) -> sp.Expr | None:
    """The value that conditions give on a side, None if there is none; they must agree, and cover all of it."""
    X = _in_time(problem, side.X)
    masks: dict[sp.Expr, np.ndarray] = {}
    for wall in walls:
        own = problem.domain.on_boundary(X, wall.on).numpy()
        masks[wall.value] = masks.get(wall.value, np.zeros(len(X), bool)) | own
    masks = {value: mask for value, mask in masks.items() if mask.any()}
    if len(masks) > 1 or not all(mask.all() for mask in masks.values()):
        raise ValueError(
            f"{problem.name}: hard constraints need one value of {u.func} on a whole side of the body, and conditions "
            f"share the one through {np.round(side.X[0], 4).tolist()}; use soft conditions (hard=False)"
        )
    return next(iter(masks), None)


def _in_time(problem: Problem, X: np.ndarray) -> Tensor:
    """Points of space at times that run through the interval, where there is time."""
    if problem.domain.time is None:
        return torch.as_tensor(X)
    i = problem.domain.names.index(problem.domain.time)
    start, end = problem.domain.bounds[:, i].tolist()
    return torch.as_tensor(np.insert(X, i, np.linspace(start, end, len(X)), axis=1))


def _later(problem: Problem, lack: sp.Expr, order: int) -> sp.Expr:
    """What boundary data add, less its Taylor polynomial at the initial time, where the initial data hold."""
    if not order:
        return lack
    t, t0, _ = _time(problem)
    return lack - _taylor([sp.diff(lack, t, k).subs(t, t0) for k in range(order)], problem)


def _entire(e: sp.Expr) -> bool:
    """Whether a formula is smooth everywhere, so that boundary data may be continued inwards."""

    def smooth(node: sp.Basic) -> bool:
        power = isinstance(node, sp.Pow) and (node.exp.is_Integer and node.exp > 0 or not node.free_symbols)
        return power or isinstance(node, _SMOOTH)

    return all(smooth(node) for node in sp.preorder_traversal(e))


def _check_slopes(problem: Problem, g: sp.Expr) -> None:
    for x in problem.variables if g.has(Opaque) else ():
        size_of(problem, sp.diff(g, x))


def _check_meeting(
    problem: Problem, u: AppliedUndef, face: str, gap: sp.Expr, order: int,
    done: dict[str, tuple[sp.Symbol, sp.Expr]], size: float, X: Tensor | None = None,
) -> None:  # fmt: skip
    """Data of a face must agree with the initial data (their rates too) and with those of other faces."""
    meetings = {f"its data on {other}": (gap, {x: at}) for other, (x, at) in done.items()}
    if order:
        t, t0, _ = _time(problem)
        for k in range(order):
            meetings[INITIAL + k * " (rate)"] = (sp.diff(gap, t, k), {t: t0})
    for other, (e, fixed) in meetings.items():
        found = size_of(problem, e, fixed, X)
        if not found <= TOLERANCE * size:
            raise IncompatibleData(
                f"{problem.name}: the data of {u.func} on {face} and {other} differ by {found:.1e} where "
                "they meet, so no smooth ansatz takes both; use soft conditions (hard=False)",
                face, other.removeprefix("its data on ").removesuffix(" (rate)"),
            )  # fmt: skip


def _check_periodic(problem: Problem, condition: Periodic, pair: Pair) -> None:
    i = problem.domain.names.index(condition.coordinate)
    x, ends = problem.variables[i], [exact_number(v) for v in problem.domain.bounds[:, i].tolist()]
    for e in pair:
        for k in range(condition.order + 1):
            slope = sp.diff(e, x, k)
            found = size_of(problem, slope.subs(x, ends[0]) - slope.subs(x, ends[1]))
            if not found <= TOLERANCE * size_of(problem, slope):
                raise IncompatibleData(
                    f"{problem.name}: the data of {condition.u.func} differ by {found:.1e} between the two "
                    f"faces of {condition.coordinate}, in which it is periodic; use soft conditions "
                    "(hard=False)"
                )
