"""Bounds for u_tt + 2 b u_t + m u = sum_i c_i^2 u_ii (wave, telegraph, Klein-Gordon) with Dirichlet data on a box.

e, e0, g_i, r as for the heat equation, e1 = e_t(., 0), w = sqrt(sum (pi c_i / L_i)^2 + m) the lowest frequency, M(s) =
min(s, 1 / w). Checked: constant coefficients, c_i^2 > 0, b, m >= 0, no other term, one Dirichlet condition on every
face of a box, both initial conditions. The energy int e_t^2 + sum c_i^2 e_i^2 + m e^2 does not grow, hence

  L2(t)  |e(t)| <= |e0| + M(t) |e1| + G(t) + sqrt(int_0^t M^2) |r|_{L2(Q)}: modes and Duhamel; for the walls
         G(t) = sum_i sqrt(c_i (1 + 2 c_i t / L_i + 2 b t)) |g_i|, by transposition: a backward solution p with
         p(t) = 0 and energy E has, by the multiplier (2 x_i / L_i - 1) p_i, c_i^2 |p_i|^2 on the faces of i = 2 /
         L_i int (p_t^2 + c_i^2 p_i^2 - sum_{j != i} c_j^2 p_j^2 - m p^2) + 2 int p_t m_i p_i at 0 + 4 b int p_t
         m_i p_i, every part at most E. Where b = m = 0 and all c_i = c also G = c sqrt(K sum_i |g_i|^2 / L_i), K =
         |L| / c + (d + 1) / w + 2 t, by all multipliers at once and int p_t^2 <= E (t + 1 / 2w) (equipartition);
         in one dimension also G = sqrt(c N) (|g_low| + |g_high|), N = ceil(c t / L), by images.
  L2(Q)  the same integrated over time, by Minkowski's inequality term by term.
  sup    (one dimension, b = m = 0) |e| <= |e0| + M |e1| + N (|g_low| + |g_high|) + int_0^T M |r|, M(s) = min(s, L
         / 2c), all in the maximum norm: d'Alembert's formula for the odd extension.

(Multipliers: Ho, C. R. Acad. Sci. 302, 1986; Lions, Controlabilite exacte, 1988, chapter 1; equipartition: Komornik,
Exact Controllability and Stabilization, 1994, chapter 3; images: Strauss, Partial Differential Equations, 2008, 3.2.)
"""

import math

import sympy as sp

from .bound import Bound, Theorem
from .form import Form
from .misfit import Misfits


def match(f: Form) -> Theorem | None:
    """The bounds; None for another kind of equation, ValueError with what is missing."""
    found = constants(f)
    if found is None:
        return None
    f.dirichlet()
    f.box()
    squares, b, c = found
    return lambda m: _bounds(f, m, [math.sqrt(a) for a in squares], b, -c)


def constants(f: Form) -> tuple[tuple[float, ...], float, float] | None:
    """c_i^2, b and -m of the equation; None for another one, ValueError where its energy may grow."""
    if f.order != 2 or f.numbers is None:
        return None
    second = [f.index(i, i) for i in f.space]
    known = {f.index(), f.index(f.t)}
    if set(f.numbers) - known != set(second) or min(f.numbers[J] for J in second) <= 0:
        return None
    mass, damping = 0.0 - f.constant(), 0.0 - f.constant(f.t)
    if mass < 0 or damping < 0:
        what = f"{-mass:.3g} u" if mass < 0 else f"{-damping:.3g} u_t"
        raise ValueError(f"the term {what} on the right lets its energy grow")
    return tuple(f.numbers[J] for J in second), damping / 2, 0.0 - mass


def _bounds(f: Form, m: Misfits, speeds: list[float], b: float, mass: float) -> list[Bound]:
    T, sides = f.duration, f.sides
    names = [f.problem.variables[i].name for i in f.space]
    pairs = [[m.wall(f.held[face][0], face) for face in (f"{n}_min", f"{n}_max")] for n in names]
    e0, e1, r = m.initial(), m.initial(1), m.residual()
    slowest = 1 / math.sqrt(sum((math.pi * c / L) ** 2 for c, L in zip(speeds, sides, strict=True)) + mass)
    walls = [math.hypot(n.l2, o.l2) for n, o in pairs]
    each = list(zip(speeds, sides, walls, strict=True))
    by_time = [sum(math.sqrt(c * (1 + 2 * c * T / L + 2 * b * T)) * g for c, L, g in each)]
    over_all = [sum(math.sqrt(c * (T + c * T * T / L + b * T * T)) * g for c, L, g in each)]
    pure, c = b == mass == 0 and len(set(speeds)) == 1, speeds[0]
    if pure:
        K = math.hypot(*sides) / c + (len(walls) + 1) * slowest
        total = math.hypot(*(g / math.sqrt(L) for _, L, g in each))
        by_time.append(c * math.sqrt(K + 2 * T) * total)
        over_all.append(c * math.sqrt(K * T + T * T) * total)
    found = []
    if pure and len(sides) == 1:
        ((low, high),), (L,) = pairs, sides
        N, half = crossings(f), L / (2 * c)
        by_time.append(math.sqrt(c * N) * (low.l2 + high.l2))
        over_all.append(math.sqrt(L * integral_of_crossings(c * T / L)) * (low.l2 + high.l2))
        sup = e0.sup + min(T, half) * e1.sup + N * (low.sup + high.sup) + integral(T, half) * r.sup
        found.append(Bound("sup", sup, "d'Alembert's formula with images"))
    moving, how = integral_of_square(T, slowest), "modes, transposition and Duhamel"
    value = e0.l2 + min(T, slowest) * e1.l2 + min(by_time) + math.sqrt(moving) * r.l2
    mean = math.sqrt(T) * e0.l2 + math.sqrt(moving) * e1.l2 + min(over_all) + integral(T, slowest) * r.l2
    return [Bound("L2(t)", value, how), Bound("L2(Q)", mean, how), *found]


def crossings(f: Form) -> int:
    """N = max(1, ceil(c T / L)) in one dimension, by rational arithmetic where c^2 is a rational number."""
    (i,), bounds = f.space, f.problem.domain.bounds
    L, T = (sp.Rational(float(bounds[1, k])) - sp.Rational(float(bounds[0, k])) for k in (i, f.t))
    square = (f.coefficients or {})[f.index(i, i)] * (T / L) ** 2
    if not square.is_Rational:
        return max(1, math.ceil(math.sqrt(float(square)) * (1 + 1e-12)))
    n = math.isqrt(int(sp.floor(square)))
    return max(1, n if n * n == square else n + 1)


def integral_of_crossings(q: float) -> float:
    """int_0^q ceil(s) ds."""
    n = math.floor(q)
    return n * (n + 1) / 2 + (q - n) * (n + 1)


def integral(T: float, m: float) -> float:
    """int_0^T min(s, m) ds."""
    return T * T / 2 if m >= T else m * m / 2 + m * (T - m)


def integral_of_square(T: float, m: float) -> float:
    """int_0^T min(s, m)^2 ds."""
    return T**3 / 3 if m >= T else m**3 / 3 + m * m * (T - m)


def initial_weight(f: Form, order: int) -> float:
    """The square of the factor of |e0| or |e1| in the bound of the L2(Q) norm."""
    parts = [f.constant(i, i) * (math.pi / L) ** 2 for i, L in zip(f.space, f.sides, strict=True)]
    slowest = 1 / math.sqrt(sum(parts) - f.constant())
    return integral_of_square(f.duration, slowest) if order else f.duration


def wall_weight(f: Form, i: int) -> float:
    """The same of |g_i|, i the number of the side."""
    c, T = math.sqrt(f.constant(f.space[i], f.space[i])), f.duration
    damping = 0.0 - f.constant(f.t)
    return c * (T + c * T * T / f.sides[i] + damping / 2 * T * T)
