"""Energy estimates in one space dimension, constant coefficients: the walls' misfits are lifted into the interval.

Let g_j be the misfits of the boundary conditions B_j u = data, l_j polynomials with B_i l_j = (i = j), and
z = e - sum_j g_j l_j, which meets all of them exactly.

First order in time, u_t = A u = q0 u + q1 u_x + q2 u_xx + q3 u_xxx (advection, linear KdV, not diffusion): where
the conditions make (A z, z) <= -k |z|^2,

  L2(t)  |e(t)| <= |w| + e^{-kt} (|e0| + |w|) + int_0^t e^{-k(t - s)} (|r| + sum |g_j'| |l_j| + |g_j| |A l_j|) ds,
         where |w| = sum max|g_j| |l_j|. (A z, z) = q0 |z|^2 - q2 |z_x|^2 + [q1 z^2 / 2 + q2 z z_x + q3 (z z_xx -
         z_x^2 / 2)]. Checked: with q3 != 0, q2 >= 0 and values at both ends and the slope at the right one (q3 < 0) or
         the left one (q3 > 0), and nothing else, the bracket is -|q3| z_x^2 / 2 at the other end, and k = q2 (pi /
         L)^2 - q0 by Wirtinger; with periodic ends k = -q0. Pure advection (q2 = q3 = 0) needs no lift: |e(t)|^2 <=
         e^{2 q0 t} (|e0|^2 + |q1| |g|^2), for a value given where it flows in (checked); where q0 < 0 with 1 in
         place of e^{2 q0 t}.

Second order, u_tt + 2 b u_t = c^2 u_xx - k u_xxxx - m u with b, c^2, k, m >= 0, not both c and k zero (wave, telegraph,
Klein-Gordon, beam; checked, with one value or slope at either end, of a beam a value and a slope or second derivative,
or periodic ends): E = int z_t^2 + c^2 z_x^2 + k z_xx^2 + m z^2 grows by its source alone, since the conditions make z_t
z_x, or z_t z_xxx and z_tx z_xx, vanish at the ends. With F = int_0^T (sum |g_j''| |l_j| + 2 b |g_j'| |l_j| + |g_j| |B
l_j|) ds, B the operator on the right,

  H1(t)  c |e_x(t)| (and H2(t), sqrt(k) |e_xx(t)|) <= |w|_E + sqrt(E(0)) + F + int |r|, E(0) from e0, its derivatives,
         e1 and w at 0;
  L2(t)  |e(t)| <= |w| + |e0| + |w| + M(t) (|e1| + sum max|g_j'| |l_j| + F) + sqrt(int M^2) |r|_{L2(Q)}, M(s) = min(s,
         1 / w0), w0^2 = c^2 (pi / L)^2 + k (pi / L)^4 + m no more than the lowest frequency squared with values at
         both ends, with pi / 2L where only one end has a value, with 0 where none has (Neumann, periodic);
  sup    |e(t)| <= sum max|g_j| max|l_j| + sqrt(L) / 2 |z_x(t)|, for values given at both ends. This and the bounds of
         slopes need initial and boundary values that agree at the ends (checked: `corners`).

The energy is kinetic as well: where an error hardly bends but moves, H2(t) lies many times above it. The lifts reach
across the interval: over times in which nothing crosses it, what a wall misses is overestimated many times.

(Evans, Partial Differential Equations, 2010, section 7.2; Holmer, Comm. PDE 31, 2006, for the linear KdV equation's 2 +
1 conditions; Han, Benaroya, Wei, J. Sound Vib. 225, 1999, for the beam's.)
"""

import math
from dataclasses import dataclass

import numpy as np
import sympy as sp

from pinnkit.statement.checks import lowered
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann, Operator
from pinnkit.statement.symbolic.conditions import Condition

from .bound import Bound, Theorem, grown, integral_of_decay
from .corner_compatibility import agreement
from .form import Form, on_face
from .misfit import Misfits
from .wave import integral_of_square

Poly = np.polynomial.Polynomial


@dataclass(frozen=True, eq=False)
class EndCondition:
    """One condition at one end of the interval: ``factor`` times the derivative of that order is given."""

    condition: Condition
    face: str
    at: float
    order: int
    factor: float


def match(f: Form) -> Theorem | None:
    """The bounds; None for another kind of equation, ValueError with what is missing."""
    if f.order not in (1, 2) or f.numbers is None or len(f.space) != 1:
        return None
    (i,) = f.space
    q = [f.numbers.get(f.index(*[i] * k), 0.0) for k in range(5)]
    damping = -f.constant(f.t) if f.order == 2 else 0.0
    known = {f.index(*[i] * k) for k in range(5)} | ({f.index(f.t)} if f.order == 2 else set())
    if set(f.numbers) - known:
        return None
    if (f.order == 1 and q[4]) or (f.order == 2 and (q[1] or q[3])):
        return None
    if f.order == 1 and q[2] and not q[3]:
        return None  # a diffusion: what misses the walls may have infinite slopes in time
    f.box()
    f.nothing_else()
    name = f.problem.variables[i].name
    ends = [] if name in f.periodic else end_conditions(f, name)
    if f.order == 1:
        return _first(f, q, ends, name)
    return _second(f, q, damping, ends, name)


def end_conditions(f: Form, name: str) -> list[EndCondition]:
    """What is given at both ends of a coordinate; ValueError where it is not one derivative each."""
    found = []
    for side, at in (("min", 0.0), ("max", f.sides[0])):
        for c in f.held[f"{name}_{side}"]:
            order, factor = _derivative(f, c, f"{name}_{side}")
            found.append(EndCondition(c, f"{name}_{side}", at, order, factor))
    return found


def _derivative(f: Form, c: Condition, face: str) -> tuple[int, float]:
    """A boundary condition as a multiple of one derivative by x."""
    if isinstance(c, Dirichlet):
        return 0, 1.0
    if isinstance(c, Neumann):
        return 1, 1.0 if f.box().face(face).high else -1.0
    if isinstance(c, Operator):
        (r,) = c.residuals(f.problem.domain)
        row = lowered(f.problem, on_face(f.problem, r, face))
        if len(row.slots) == 1:
            ((s, slot),) = row.slots.items()
            J, factor = slot.channel[0][1], sp.expand(row.expressions[0].diff(s))
            if not J[f.t] and factor.is_number:
                return sum(J), float(factor)
    raise ValueError(f"the condition {c.name!r} does not give one derivative of the solution, as the energy needs it")


def _orders(ends: list[EndCondition], L: float) -> tuple[list[int], list[int]]:
    low, high = (sorted(e.order for e in ends if (e.at > 0) == high) for high in (False, True))
    return low, high


def lifts(ends: list[EndCondition], L: float) -> list[Poly]:
    """l_j with B_i l_j = (i = j), of the least degree that has them."""
    if not ends:
        return []
    xi, unit = sp.Symbol("xi"), sp.eye(len(ends))
    for degree in range(len(ends), 2 * len(ends) + 4):
        A = sp.Matrix([[(xi**k).diff(xi, e.order).subs(xi, int(e.at > 0)) for k in range(degree)] for e in ends])
        if A.rank() == len(ends):  # exactly: what is left of it would have to be bounded
            found = np.array((A.T * (A * A.T).LUsolve(unit)).tolist(), dtype=float)
            scaled = found * [L**e.order / e.factor for e in ends]
            return [Poly(column, domain=[0, L], window=[0, 1]) for column in scaled.T]
    raise ValueError("its boundary conditions contradict each other")


def _norm(p: Poly, L: float) -> float:
    x, w = np.polynomial.legendre.leggauss(24)
    return math.sqrt(float((w * p(L * (1 + x) / 2) ** 2).sum()) * L / 2) * (1 + 1e-9)


def _sup(p: Poly, L: float) -> float:
    n, m = p.degree(), 2000
    between = n**2 * (n**2 - 1) / (6 * m**2)  # of the maximum: Markov's inequality for the second derivative
    return float(np.abs(p(np.linspace(0, L, m + 1))).max()) / (1 - between)


def _applied(p: Poly, q: list[float]) -> Poly:
    return sum((c * (p.deriv(k) if k else p) for k, c in enumerate(q) if c), 0.0 * p)


def _first(f: Form, q: list[float], ends: list[EndCondition], name: str) -> Theorem | None:
    L, T = f.sides[0], f.duration
    if q[2] == q[3] == 0 and name not in f.periodic:
        return _advection(f, q, ends)
    k = _decay(q, ends, L, name in f.periodic)
    ls = lifts(ends, L)
    size = [_norm(p, L) for p in ls]
    moved = [_norm(_applied(p, q), L) for p in ls]
    growth = max(1.0, grown(-k * T))

    def bound(m: Misfits) -> list[Bound]:
        _turn(f, m, name)
        t = f.problem.domain.names[f.t]
        g = [(m.wall(e.condition, e.face), m.wall(e.condition, e.face, (t,))) for e in ends]
        w = sum(n.sup * s for (n, _), s in zip(g, size, strict=True))
        force = sum(dot.l1 * s + n.l1 * a for (n, dot), s, a in zip(g, size, moved, strict=True))
        inside = math.sqrt(integral_of_decay(2 * k, T)) * m.residual().l2
        return [Bound("L2(t)", w + growth * (m.initial().l2 + w + force) + inside, "energy, walls lifted")]

    return bound


def _advection(f: Form, q: list[float], ends: list[EndCondition]) -> Theorem:
    T, speed = f.duration, -q[1]
    inflow = [e for e in ends if e.order == 0 and (e.at == 0) == (speed > 0)]
    if speed and not inflow:
        raise ValueError("there is no Dirichlet condition where it flows in")
    growth = max(1.0, grown(q[0] * T))

    def bound(m: Misfits) -> list[Bound]:
        g = m.wall(inflow[0].condition, inflow[0].face).l2 if speed else 0.0
        inside = math.sqrt(integral_of_decay(-2 * q[0], T)) * m.residual().l2
        value = growth * math.hypot(m.initial().l2, math.sqrt(abs(speed)) * g) + inside
        return [Bound("L2(t)", value, "energy with inflow")]

    return bound


def _decay(q: list[float], ends: list[EndCondition], L: float, periodic: bool) -> float:
    """k with (A z, z) <= -k |z|^2 under homogeneous conditions; ValueError where they do not give one."""
    if q[2] < 0:
        raise ValueError("its second derivative has the sign of a diffusion backwards in time")
    if periodic:
        return -q[0]
    if list(_orders(ends, L)) != [[0], [0, 1]][:: 1 if q[3] < 0 else -1]:
        end = "upper" if q[3] < 0 else "lower"
        raise ValueError(f"its third derivative needs values at both ends and the slope at the {end} one")
    return q[2] * (math.pi / L) ** 2 - q[0]


def _turn(f: Form, m: Misfits, name: str) -> None:
    if name in f.periodic:
        m.periodic(f.periodic[name])


def _second(f: Form, q: list[float], damping: float, ends: list[EndCondition], name: str) -> Theorem:
    L, T = f.sides[0], f.duration
    mass, square, stiff, b = 0.0 - q[0], q[2], 0.0 - q[4], damping / 2
    if min(mass, square, stiff, b) < 0 or square == stiff == 0:
        raise ValueError("its energy may grow: it needs c^2, k, m >= 0 in u_tt + 2 b u_t = c^2 u_xx - k u_xxxx - m u")
    low, high = _orders(ends, L)
    if name not in f.periodic:
        allowed = [[0], [1]] if not stiff else [[0, 1], [0, 2]]
        if low not in allowed or high not in allowed:
            need = "a value or a slope" if not stiff else "a value, and a slope or a second derivative,"
            raise ValueError(f"its energy needs {need} at either end")
    values = [low[:1], high[:1]] == [[0], [0]]
    share = 1.0 if values else 0.5 if [0] in (low[:1], high[:1]) else 0.0
    lowest = math.sqrt(square * (share * math.pi / L) ** 2 + stiff * (share * math.pi / L) ** 4 + mass)
    ls = lifts(ends, L)
    right = [mass, 0.0, -square, 0.0, stiff]
    size, moved = [_norm(p, L) for p in ls], [_norm(_applied(p, right), L) for p in ls]
    weights = (mass, square, stiff)
    orders = [k for k in range(3) if weights[k]]
    shapes = [[_norm(p.deriv(k) if k else p, L) for k in range(3)] for p in ls]
    x = f.problem.variables[f.space[0]].name
    smooth = _agreement(f, ends, 2 if stiff else 1)

    def bound(m: Misfits) -> list[Bound]:
        _turn(f, m, name)
        t = f.problem.domain.names[f.t]
        g = [[m.wall(e.condition, e.face, (t,) * k) for k in range(3)] for e in ends]
        r, e1 = m.residual(), m.initial(1)
        lifted = [sum(n[0].sup * s[k] for n, s in zip(g, shapes, strict=True)) for k in range(3)]
        rate = sum(n[1].sup * s for n, s in zip(g, size, strict=True))
        of_walls = sum((n[2].l1 + 2 * b * n[1].l1) * s + n[0].l1 * a for n, s, a in zip(g, size, moved, strict=True))
        force = of_walls + math.sqrt(T) * r.l2
        M = min(T, 1 / lowest if lowest else T)
        value = 2 * lifted[0] + m.initial().l2 + M * (e1.l2 + rate + of_walls)
        value += math.sqrt(integral_of_square(T, 1 / lowest if lowest else T)) * r.l2
        found = [Bound("L2(t)", value, "modes and Duhamel, walls lifted")]
        if smooth is None or (m.rigorous and not smooth):
            return found
        try:
            slopes = [m.initial(0, (x,) * k).l2 for k in orders]
        except ValueError:  # initial values that jump, or whose slope does
            return found
        start = [first + lifted[k] for k, first in zip(orders, slopes, strict=True)]
        parts = [math.sqrt(w) for w in weights if w]
        energy = math.hypot(e1.l2 + rate, *(p * s for p, s in zip(parts, start, strict=True))) + force
        for k, norm in ((1, "H1(t)"), (2, "H2(t)")):
            if weights[k]:
                found.append(Bound(norm, lifted[k] + energy / math.sqrt(weights[k]), "energy, walls lifted"))
        if values:
            slope = energy / math.sqrt(square) if square else L / math.pi * energy / math.sqrt(stiff)
            top = sum(n[0].sup * _sup(p, L) for n, p in zip(g, ls, strict=True))
            found.append(Bound("sup", top + math.sqrt(L) / 2 * slope, "energy and Sobolev's inequality"))
        return found

    return bound


def _agreement(f: Form, ends: list[EndCondition], orders: int) -> bool | None:
    """Whether initial and boundary values are proved to agree at the ends; None where they contradict each other."""
    try:
        return agreement(f, [(e.condition, e.face) for e in ends if e.order < orders], orders)
    except ValueError:
        return None
