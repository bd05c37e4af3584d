"""Singular parts by kinds of equations: heat kernels, logarithms in corners, travelling jumps and kinks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

from pinnkit.domain.distance_function import exact_number
from pinnkit.statement.checks import lowered
from pinnkit.statement.problem import Problem
from pinnkit.statement.singular.functions import corner, ramp
from pinnkit.statement.singular.heat_series import LocalEvolution, heat_series
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.conditions import Periodic
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Opaque, number
from pinnkit.tools.simplified import cancelled
from pinnkit.tools.sympy_types import AppliedUndef

from .singular_data import INITIAL, almost_everywhere, size_of

MOST = 8  # periods that a part may travel
TOLERANCE = 1e-5  # of the data's size: a smaller jump where two sides meet is none

Place = tuple[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class BoxSide:
    """A side of a box: the coordinate that is fixed, its value, +1 where the inside lies at larger ones and -1 else."""

    name: str
    symbol: sp.Symbol
    at: sp.Expr
    inward: int


@dataclass(frozen=True)
class SingularPart:
    """A singular part, its traces in plain terms by (side, order of the time derivative), and its kind in words."""

    expression: sp.Expr
    traces: Mapping[tuple[str, int], sp.Expr]
    kind: str


@dataclass(frozen=True)
class Coefficients:
    """The linear part of the one equation of a field: coefficients of its derivatives by multi-index.

    Coefficients that depend on a field are None: what they multiply is left to the network.
    """

    variables: tuple[sp.Symbol, ...]
    of: Mapping[Index, sp.Expr | None] = field(default_factory=dict)

    def order(self, x: sp.Symbol) -> int:
        """The highest order of a derivative by x."""
        return max((index[self.variables.index(x)] for index in self.of), default=0)

    def get(self, **orders: int) -> sp.Expr | None:
        """The coefficient of a derivative by names, 0 where there is none."""
        return self.of.get(tuple(orders.get(v.name, 0) for v in self.variables), sp.S.Zero)


def coefficients(problem: Problem, u: AppliedUndef) -> Coefficients | None:
    """The coefficients of the only equation that differentiates u, or the only one that does so by time; else None."""
    k, found = problem.fields.index(u), []
    if problem.interface_problem.planes:
        return None  # the parts know of no interfaces
    for name, e in problem.interface_problem.interior.items():
        row = lowered(problem, Residual(name, e, INTERIOR))
        own = {symbol: slot.channel[0][1] for symbol, slot in row.slots.items() if slot.output == k}
        if any(map(sum, own.values())):
            found.append((row.expressions[0], row.slots, own))
    names = problem.domain.names
    if len(found) > 1 and problem.domain.time is not None:
        i = names.index(problem.domain.time)
        found = [f for f in found if any(index[i] for index in f[2].values())]
    if len(found) != 1:
        return None
    e, slots, own = found[0]
    of = {}
    for symbol, index in own.items():
        c = sp.expand(e.diff(symbol))
        strange = {s.name for s in c.free_symbols} & set(problem.unknowns)
        of[index] = None if c.free_symbols & set(slots) or strange else c
    return Coefficients(problem.variables, of)


def part(
    problem: Problem, known: Coefficients, side: BoxSide, place: Place, n: int, jump: sp.Expr, rate: int = 0
) -> SingularPart | None:
    """The part for data whose n-th derivative jumps at a place of a side, None where no such solution is known here.

    ``rate`` is 1 where the data are the derivative by the side's own coordinate: a rate at first, a slope on a wall.
    """
    x, y = place[0], side.symbol
    orders = known.order(y), known.order(x)
    if orders == (1, 2) and not rate:
        return _parabolic(problem, known, side, place, n, jump)
    if orders == (2, 1):
        return _parabolic_wall(problem, known, side, place, n, jump, rate)
    if orders == (1, 1) and not rate:
        return _transport(problem, known, side, place, n, jump)
    if orders == (2, 2):
        both = {v.name: known.get(**{v.name: 2}) for v in (x, y)}
        if None in both.values() or 0 in both.values():
            return None
        sign = _sign(problem, sp.prod(both.values()), {x: place[1], y: side.at})
        if sign > 0 and problem.domain.time is None:  # in time its trace on the initial side kinks
            return _elliptic(problem, known, side, place, n, jump, rate)
        return _wave(problem, known, side, place, n, jump, rate) if sign < 0 else None
    return None


def joined(parts: list[SingularPart]) -> SingularPart:
    """The sum of parts of one kind."""
    sides = {key for part in parts for key in part.traces}
    traces = {key: sum(part.traces[key] for part in parts) for key in sides}
    return SingularPart(sum(part.expression for part in parts), traces, parts[0].kind)


def images(
    problem: Problem, u: AppliedUndef, known: Coefficients, side: BoxSide, x: sp.Symbol
) -> list[sp.Expr]:  # fmt: skip
    """Shifts of a part by periods, as many as time lets it travel; only 0 where u is not periodic in x."""
    if not any(isinstance(c, Periodic) and c.u == u and c.coordinate == x.name for c in problem.conditions):
        return [sp.S.Zero]
    bounds = dict(zip(problem.domain.names, problem.domain.bounds.T.tolist(), strict=True))
    width, late = (bounds[v.name][1] - bounds[v.name][0] for v in (x, side.symbol))
    k = known.order(side.symbol)
    slope, front = known.get(**{x.name: known.order(x)}), known.get(**{side.symbol.name: k})
    count = 1
    if known.order(x) == k and slope is not None and front not in (None, 0):
        speed = abs(_number(problem, slope / front, {})) ** (1 / k)
        count += min(int(speed * late / width), MOST)
    return [exact_number(m * width) for m in range(-count, count + 1)]


def meeting(
    problem: Problem, known: Coefficients, first: tuple[sp.Expr, BoxSide, int], second: tuple[sp.Expr, BoxSide, int]
) -> SingularPart | None:
    """The part for a jump between the data of two sides where they meet, None where there is none or it is not known.

    Data are given with the order of the derivative by their side's coordinate; the part's trace is on the second side.
    """
    (one, a, k), (two, b, r) = first, second
    one, two = almost_everywhere(one), almost_everywhere(two)
    here = one.diff(b.symbol, r) if r else one
    jump = two.diff(a.symbol, k) if k else two
    jump = sp.expand(jump.subs(a.symbol, a.at) - here.subs(b.symbol, b.at))
    size = max(size_of(problem, e) for e in (here, two, sp.S(1e-300)))
    if jump.free_symbols & set(problem.variables) or not abs(_number(problem, jump, {})) > TOLERANCE * size:
        return None
    jump = sp.Float(number(jump), 17) if jump.has(Opaque) and not jump.free_symbols else jump
    orders = known.order(b.symbol), known.order(a.symbol)
    if a.name == INITIAL:
        return part(problem, known, b, (a.symbol, a.at), k, jump, r) if orders in ((2, 2), (1, 1), (2, 1)) else None
    steady = orders == (2, 2) and problem.domain.time is None and k == r == 0
    return _elliptic_corner(problem, known, a, b, jump) if steady else None


def _number(problem: Problem, e: sp.Expr, at: Mapping[sp.Symbol, sp.Expr]) -> float:
    """A value at a point; coordinates that are not given take the middle of their range."""
    e = sp.sympify(e).subs(dict(at))
    middle = {v: sp.Float(float(b)) for v, b in zip(problem.variables, problem.domain.bounds.mean(0), strict=True)}
    known = {s: sp.Float(problem.parameters[s.name], 17) for s in e.free_symbols if s.name in problem.parameters}
    return number(e.subs(middle | known))


def _sign(problem: Problem, e: sp.Expr, at: Mapping[sp.Symbol, sp.Expr]) -> int:
    value = _number(problem, e, at)
    return (value > 0) - (value < 0)


def _parabolic(
    problem: Problem, known: Coefficients, side: BoxSide, place: Place, n: int, jump: sp.Expr
) -> SingularPart | None:
    """The equation's solution from ``jump`` (x - a)_+^n / n! on the side where time starts, to the weight ``DEPTH``."""
    (x, a), y = place, side.symbol
    flow = _flow(problem, known, x, a, y, side.at, side.inward)
    if flow is None:
        return None
    expression = heat_series(flow, {(0, n): jump})
    return SingularPart(expression, {(side.name, 0): _inside(problem, jump, n, x, a)}, "heat kernels")


def _parabolic_wall(
    problem: Problem, known: Coefficients, side: BoxSide, place: Place, n: int, jump: sp.Expr, rate: int
) -> SingularPart | None:
    """The equation's solution from rest with ``jump`` (t - t1)_+^n / n! on a wall, to the weight ``DEPTH``.

    These are its values, or with ``rate`` 1 its derivative by y.
    """
    (t, t1), y = place, side.symbol
    flow = _flow(problem, known, y, side.at, t, t1, 1, -side.inward)
    if flow is None:
        return None
    # On the wall 2 E_2n = s^n / n!.
    start = {(0, 2 * n + rate): 2 * jump * (-side.inward) ** rate / flow.kappa**n}
    own = {(side.name, rate): _inside(problem, jump, n, t, t1)}
    return SingularPart(heat_series(flow, start, rate), own | {(INITIAL, 0): sp.S.Zero}, "heat kernels")


def _flow(
    problem: Problem, known: Coefficients, x: sp.Symbol, a: sp.Expr, t: sp.Symbol, t0: sp.Expr, forward: int,
    turn: int = 1,
) -> LocalEvolution | None:  # fmt: skip
    """The parabolic equation about a place, None where it is none, or has derivatives that mix x or t with others."""
    i, j = known.variables.index(x), known.variables.index(t)
    front, lead = known.get(**{t.name: 1}), known.get(**{x.name: 2})
    mixed = any(sum(index) > index[j] > 0 or sum(index) > index[i] > 1 for index in known.of)
    if front in (None, 0) or lead in (None, 0) or mixed:
        return None
    kappa = sp.sympify(forward * -lead / front).subs({x: a, t: t0})
    if kappa.free_symbols & set(known.variables) or _sign(problem, kappa, {}) <= 0:
        return None
    terms = {index: forward * -c / front for index, c in known.of.items() if not index[j] and c is not None}
    return LocalEvolution(known.variables, terms, x, a, t, t0, forward, turn, kappa)


def _inside(problem: Problem, jump: sp.Expr, n: int, x: sp.Symbol, a: sp.Expr) -> sp.Expr:
    """jump (x - a)_+^n / n! as it is inside the domain, without its corner where that is an end or lies beyond it."""
    low, high = problem.domain.bounds[:, problem.domain.names.index(x.name)].tolist()
    at = _number(problem, a, {})
    if n < 0 or low < at < high:
        return jump * ramp(n, x - a)
    return jump * (x - a) ** n / sp.factorial(n) if at <= low else sp.S.Zero


# --------------------------------------------------------------------------------- elliptic and hyperbolic equations


def _frozen(problem: Problem, e: sp.Expr | None, at: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    """A coefficient at a place, None where it depends on the other coordinates."""
    e = None if e is None else sp.sympify(e).subs(dict(at))
    return None if e is None or e.free_symbols & set(problem.variables) else e


def _elliptic(
    problem: Problem, known: Coefficients, side: BoxSide, place: Place, n: int, jump: sp.Expr, rate: int
) -> SingularPart | None:
    """-Im L_n(x - a + root d) / pi, d the distance from the side: L_n the n-fold integral of log z.

    The root makes any function of x - a + root d a solution of the frozen principal part in x and d. With ``rate`` 1
    the derivative by y is given, and the part is a multiple of Re L_(n+1).
    """
    (x, a), y = place, side.symbol
    at = {x: a, y: side.at}
    xx, yy, xy = (_frozen(problem, known.get(**o), at) for o in ({x.name: 2}, {y.name: 2}, {x.name: 1, y.name: 1}))
    if xx is None or yy is None or xy is None:
        return None
    if _sign(problem, 4 * xx * yy - xy**2, {}) <= 0 or rate and xy != 0 or n < 0:
        return None
    away, root = side.inward * (y - side.at), sp.sqrt(4 * xx / yy - (xy / yy) ** 2) / 2
    p, q = x - a - side.inward * xy / (2 * yy) * away, root * away
    trace = jump * (ramp(n, x - a) - (x - a) ** n / sp.factorial(n))
    value = side.inward / root * corner(n + 1, False)(p, q) if rate else -corner(n)(p, q)
    return SingularPart(jump / sp.pi * value, {(side.name, rate): trace}, "logarithms at the boundary")


def _elliptic_corner(
    problem: Problem, known: Coefficients, a: BoxSide, b: BoxSide, jump: sp.Expr
) -> SingularPart | None:
    """The angle from side a to side b, over its value on b."""
    at = {a.symbol: a.at, b.symbol: b.at}
    names = a.symbol.name, b.symbol.name
    aa, bb = (_frozen(problem, known.get(**{name: 2}), at) for name in names)
    if aa is None or bb is None or known.get(**dict.fromkeys(names, 1)) != 0 or _sign(problem, aa * bb, {}) <= 0:
        return None
    p, q = b.inward * (b.symbol - b.at), a.inward * (a.symbol - a.at) * sp.sqrt(bb / aa)
    traces = {(b.name, 0): jump, (a.name, 0): sp.S.Zero}
    return SingularPart(2 * jump / sp.pi * corner(0)(p, q), traces, "the angle in the corner")


def _constant(problem: Problem, e: sp.Expr | None) -> bool:
    return e is not None and not sp.sympify(e).free_symbols & set(problem.variables)


def _transport(
    problem: Problem, known: Coefficients, side: BoxSide, place: Place, n: int, jump: sp.Expr
) -> SingularPart | None:
    """(x - a - c y)_+^n / n! exp(-r y), y the way from the side: for u_y + c u_x + r u with constant coefficients."""
    (x, a), y = place, side.symbol
    front, slope, decay = known.get(**{y.name: 1}), known.get(**{x.name: 1}), known.get()
    if front in (None, 0) or any(sum(index) > 1 for index in known.of):
        return None
    c, r = (None if e is None else cancelled(side.inward * e / front) for e in (slope, decay))
    if c is None or r is None or not (_constant(problem, c) and _constant(problem, r)) or c == 0:
        return None
    away = side.inward * (y - side.at)
    expression = jump * sp.exp(-r * away) * ramp(n, x - a - c * away)
    traces = {(side.name, 0): _inside(problem, jump, n, x, a)}
    if x.name == problem.domain.time:
        if _sign(problem, c, {}) < 0:  # data at an outflow
            return None
        traces = {(side.name, 0): _inside(problem, jump, n, x, a), (INITIAL, 0): sp.S.Zero}
    return SingularPart(expression, traces, "travelling waves")


def _wave(
    problem: Problem, known: Coefficients, side: BoxSide, place: Place, n: int, jump: sp.Expr, rate: int
) -> SingularPart | None:
    """d'Alembert's two waves from initial data, or one from a wall, damped as half of u_t's coefficient says."""
    (x, a), y = place, side.symbol
    t = y if side.name == INITIAL else x
    z = x if side.name == INITIAL else y
    front, lead, damping = known.get(**{t.name: 2}), known.get(**{z.name: 2}), known.get(**{t.name: 1})
    if front is None or lead is None or damping is None or any(len([i for i in index if i]) > 1 for index in known.of):
        return None
    c, k = sp.sqrt(-lead / front), damping / front / 2
    if not (_constant(problem, c) and _constant(problem, k)) or t.name != problem.domain.time:
        return None
    away = side.inward * (y - side.at)
    if side.name != INITIAL:
        factor = jump * (-side.inward * c) ** rate * sp.exp(-k * (x - a))
        expression = factor * ramp(n + rate, x - a - away / c)
        own = sp.exp(-k * (x - a)) * _inside(problem, jump, n, x, a)
        traces = {(INITIAL, 0): sp.S.Zero, (INITIAL, 1): sp.S.Zero, (side.name, rate): own}
        return SingularPart(expression, traces, "travelling waves")
    left, right = x - a + c * away, x - a - c * away
    if rate:
        expression = jump * sp.exp(-k * away) * (ramp(n + 1, left) - ramp(n + 1, right)) / (2 * c)
        traces = {(INITIAL, 0): sp.S.Zero, (INITIAL, 1): _inside(problem, jump, n, x, a)}
    else:
        expression = jump * sp.exp(-k * away) * (ramp(n, left) + ramp(n, right)) / 2
        start = _inside(problem, jump, n, x, a)
        traces = {(INITIAL, 0): start, (INITIAL, 1): -k * start}
    return SingularPart(expression, traces, "travelling waves")
