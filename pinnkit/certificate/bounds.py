"""Theorems that bound the error of an approximate solution by its misfit of equation, initial and boundary data.

For e = u - v, v approximate, e0 = e(., 0), e1 = e_t(., 0), g_i = e on the two faces of coordinate i, r the residual of
the equation at v; box with sides L_i, volume |W| and time [0, T]. lambda = pi^2 sum L_i^-2 is the smallest eigenvalue.

Heat equation u_t = alpha Laplace u with Dirichlet data:
  H1  |e| <= max(|e0|, |g|) + min(T, min_i L_i^2 / 8 alpha) |r|, all in the maximum norm: the maximum principle, with
      the comparison functions t |r| and x_i (L_i - x_i) |r| / 2 alpha.
  H2  |e|_{L2(Q)} <= sqrt((1 - e^{-2 alpha lambda T}) / (2 alpha lambda)) |e0| + sqrt(sum_i C_i |g_i|^2)
      + (1 - e^{-alpha lambda T}) / (alpha lambda) |r|_{L2(Q)}, C_i = 2 L_i / pi^2 + 2 L_i / pi. By transposition: the
      backward solution p with source F has |p_ii| <= |F| / alpha, and the multiplier 1 - 2 x_i / L_i gives
      |p_i|^2 on the faces of i <= (2 / L_i) |p_i|^2 + 2 |p_i| |p_ii|, where |p_i| <= (L_i / pi) |p_ii|.
  H3  |e(T)|_{L2} <= e^{-alpha lambda T} |e0| + sqrt(|W|) max|g| + sqrt((1 - e^{-2 alpha lambda T}) / (2 alpha lambda))
      |r|_{L2(Q)}: decay of the part with zero walls, the maximum principle for the rest, Duhamel.

Wave equation u_tt = c^2 Laplace u with Dirichlet data, w = c sqrt(lambda), m(s) = min(s, 1 / w):
  W2  |e(t)|_{L2} <= |e0| + m(t) |e1| + G(t) + sqrt(int_0^t m^2) |r|_{L2(Q)}: modes and Duhamel, and for the walls
      G(t) = min(sum_i sqrt(c (1 + 2 c t / L_i)) |g_i|, c sqrt(K sum_i |g_i|^2 / L_i)), K = |L| / c + (d + 1) / w + 2 t,
      by transposition: a backward solution p with p(t) = 0 and energy E has, by the multipliers (2 x_i / L_i - 1) p_i,
      c^2 |p_i|^2 on the faces of i = 2 / L_i int (p_t^2 - c^2 |grad p|^2 + 2 c^2 p_i^2) + 2 int p_t m_i p_i at 0,
      where int p_t^2 <= E (t + 1 / 2 w) (equipartition). In one dimension also G <= sqrt(c N) (|g_low| + |g_high|),
      N = ceil(c t / L), by images. The L2(Q) norm follows by Minkowski's inequality term by term in time.
  W3  |e| <= |e0| + m |e1| + N (|g_low| + |g_high|) + (int_0^T m) |r| in the maximum norm and one dimension, with
      m(s) = min(s, L / 2 c): d'Alembert's formula for the odd extension.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinnkit.condition import Dirichlet, Initial
from pinnkit.domain import Box
from pinnkit.problem import Problem
from pinnkit.superpose.operator import operator
from pinnkit.wellposed import faces


@dataclass(frozen=True)
class Setting:
    """The equation ("heat" or "wave"), its coefficient (alpha or c), the sides of the box and the duration."""

    kind: str
    coefficient: float
    sides: tuple[float, ...]
    duration: float

    @property
    def volume(self) -> float:
        """The volume of the box in space."""
        return math.prod(self.sides)

    @property
    def eigenvalue(self) -> float:
        """The smallest eigenvalue of -Laplace with zero boundary values."""
        return math.pi**2 * sum(L**-2 for L in self.sides)


@dataclass(frozen=True)
class Norm:
    """The maximum and the L2 norm of one misfit."""

    sup: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class Misfits:
    """Norms of what an approximate solution misses: initial values and rates, walls by coordinate, the equation."""

    initial: Norm
    rate: Norm
    walls: tuple[tuple[Norm, Norm], ...]
    residual: Norm


@dataclass(frozen=True)
class Bound:
    """An upper bound ``value`` of the error in ``norm``, by a theorem."""

    norm: str
    value: float
    theorem: str


def setting(problem: Problem) -> Setting:
    """The equation and box of a problem to which a theorem applies.

    Raises:
        ValueError: another equation, domain or condition, with the reason.
    """
    why = f"{problem.name} has no certificate: "
    if not isinstance(problem.domain, Box) or problem.domain.time is None:
        raise ValueError(why + "the theorems are for a box in space and time")
    try:
        op = operator(problem)
    except ValueError as error:
        raise ValueError(f"{why}{error}") from None
    d, t = len(op.coordinates), op.time
    space = [i for i in range(d) if i != t]
    unit = np.eye(d, dtype=int)
    second = [tuple((2 * unit[i]).tolist()) for i in space]
    for order, kind in ((1, "heat"), (2, "wave")):
        lead = tuple((order * unit[t]).tolist())
        if set(op.coefficients) == {lead, *second} and op.constant:
            values = {-op.coefficients[J] / op.coefficients[lead] for J in second}
            if len(values) == 1 and (value := float(values.pop())) > 0:
                _check_conditions(problem, order, why)
                extent = np.ptp(problem.domain.bounds, axis=0)
                number = value if order == 1 else math.sqrt(value)
                return Setting(kind, number, tuple(extent[space].tolist()), float(extent[t]))
    raise ValueError(
        why + "the theorems are for u_t = alpha (u_xx + ...) and u_tt = c^2 (u_xx + ...) with constants alpha and c"
    )


def _check_conditions(problem: Problem, order: int, why: str) -> None:
    covered: set[str] = set()
    for c in problem.conditions:
        if isinstance(c, Dirichlet):
            covered |= faces(problem, c)
        elif not isinstance(c, Initial):
            raise ValueError(
                f"{why}the condition {c.name!r} is of the kind {type(c).__name__}: only Dirichlet is bounded"
            )
    missing = [f for f in problem.domain.faces if f not in covered]
    if missing:
        raise ValueError(f"{why}there is no Dirichlet condition on {missing[0]}")
    given = sorted(c.order for c in problem.conditions if isinstance(c, Initial))
    if given != list(range(order)):
        raise ValueError(f"{why}it needs initial conditions of orders {list(range(order))}, got {given}")


def bounds(s: Setting, e: Misfits) -> tuple[Bound, ...]:
    """All bounds that the theorems give."""
    return _heat(s, e) if s.kind == "heat" else _wave(s, e)


def _heat(s: Setting, e: Misfits) -> tuple[Bound, ...]:
    a, T, rate = s.coefficient, s.duration, s.coefficient * s.eigenvalue
    wall = max(n.sup for pair in e.walls for n in pair)
    source = min(T, min(L * L for L in s.sides) / (8 * a))
    decayed = math.sqrt(-math.expm1(-2 * rate * T) / (2 * rate))
    walls = math.sqrt(sum(_rellich(L) * (n.l2**2 + m.l2**2) for L, (n, m) in zip(s.sides, e.walls, strict=True)))
    final = math.exp(-rate * T) * e.initial.l2 + math.sqrt(s.volume) * wall + decayed * e.residual.l2
    return (
        Bound("sup", max(e.initial.sup, wall) + source * e.residual.sup, "maximum principle"),
        Bound(
            "L2(Q)",
            decayed * e.initial.l2 + walls - math.expm1(-rate * T) / rate * e.residual.l2,
            "transposition with a Rellich multiplier",
        ),
        Bound("L2(T)", final, "decay of modes and maximum principle"),
    )


def _wave(s: Setting, e: Misfits) -> tuple[Bound, ...]:
    c, T, slowest = s.coefficient, s.duration, 1 / (s.coefficient * math.sqrt(s.eigenvalue))
    walls = [math.hypot(n.l2, m.l2) for n, m in e.walls]
    one = [(L, n, m) for L, (n, m) in zip(s.sides, e.walls, strict=True)] if len(s.sides) == 1 else []
    by_time = [sum(math.sqrt(c * (1 + 2 * c * T / L)) * g for L, g in zip(s.sides, walls, strict=True))]
    over_all = [sum(math.sqrt(c * (T + c * T * T / L)) * g for L, g in zip(s.sides, walls, strict=True))]
    K, total = (
        math.hypot(*s.sides) / c + (len(walls) + 1) * slowest,
        math.hypot(*(g / math.sqrt(L) for L, g in zip(s.sides, walls, strict=True))),
    )
    by_time.append(c * math.sqrt(K + 2 * T) * total)
    over_all.append(c * math.sqrt(K * T + T * T) * total)
    for L, low, high in one:
        N = _crossings(c * T / L)
        by_time.append(math.sqrt(c * N) * (low.l2 + high.l2))
        over_all.append(math.sqrt(L * _integral_of_crossings(c * T / L)) * (low.l2 + high.l2))
    moving = _integral_of_square(T, slowest)
    value = e.initial.l2 + min(T, slowest) * e.rate.l2 + min(by_time) + math.sqrt(moving) * e.residual.l2
    mean = math.sqrt(T) * e.initial.l2 + math.sqrt(moving) * e.rate.l2 + min(over_all)
    how = "modes, transposition and Duhamel"
    found = [
        Bound("L2(t)", value, how),
        Bound("L2(Q)", mean + _integral(T, slowest) * e.residual.l2, how),
    ]
    for L, low, high in one:
        m, N = L / (2 * c), _crossings(c * T / L)
        sup = e.initial.sup + min(T, m) * e.rate.sup + N * (low.sup + high.sup)
        found.append(Bound("sup", sup + _integral(T, m) * e.residual.sup, "d'Alembert's formula with images"))
    return tuple(found)


def _crossings(q: float) -> int:
    """ceil(q), for q = c T / L."""
    return max(1, math.ceil(q * (1 - 1e-12)))


def _integral_of_crossings(q: float) -> float:
    """int_0^q ceil(s) ds."""
    n = math.floor(q)
    return n * (n + 1) / 2 + (q - n) * (n + 1)


def _rellich(L: float) -> float:
    return 2 * L / math.pi**2 + 2 * L / math.pi


def _integral(T: float, m: float) -> float:
    """int_0^T min(s, m) ds."""
    return T * T / 2 if m >= T else m * m / 2 + m * (T - m)


def _integral_of_square(T: float, m: float) -> float:
    """int_0^T min(s, m)^2 ds."""
    return T**3 / 3 if m >= T else m**3 / 3 + m * m * (T - m)


def weights(problem: Problem) -> dict[str, float]:
    """Weights of the conditions' mean squares, so that each is the square of its term in the bound of the L2(Q) norm.

    The bound is then at most sqrt(number of terms * loss). Empty where no theorem applies.
    """
    try:
        s = setting(problem)
    except ValueError:
        return {}
    box, T = problem.domain, s.duration
    found: dict[str, Any] = {}
    rate = s.coefficient * s.eigenvalue
    lengths: Mapping[str, float] = dict(zip(box.space, s.sides, strict=True))
    for c in problem.conditions:
        if isinstance(c, Initial):
            slowest = 1 / (s.coefficient * math.sqrt(s.eigenvalue))
            if s.kind == "heat":
                factor = -math.expm1(-2 * rate * T) / (2 * rate)
            else:
                factor = _integral_of_square(T, slowest) if c.order else T
            found[c.name] = s.volume * factor
            continue
        on = [lengths[f.rsplit("_", 1)[0]] for f in faces(problem, c)]
        if s.kind == "heat":
            factor = max(_rellich(L) for L in on)
        else:
            factor = max(s.coefficient * T * (1 + s.coefficient * T / L) for L in on)
        found[c.name] = factor * box.measure(c.on)
    return found
