"""L2 bounds for u_t = sum_i a_i u_ii + c u, constant coefficients a_i > 0, with Dirichlet data on a box.

e = u - v with e0 = e(., 0), g_i = e on the faces of coordinate i, r the residual; sides L_i, volume |W|, time [0, T],
l = sum a_i (pi / L_i)^2 the first eigenvalue, k = l - c the slowest rate of decay, I(k) = int_0^T e^{-kt} dt. Checked:
constant coefficients, a_i > 0, no other term, one Dirichlet condition on every face of a box, k > 0; then

  L2(Q)  |e| <= sqrt(I(2k)) |e0| + (1 + max(c, 0) I(k)) W + I(k) |r|_{L2(Q)}: decay of modes, Young's inequality, and
         for the walls transposition. The backward solution p with source F, zero at T and on the walls, solves
         -p_t = A p + F', F' = F + c p, |p| <= I(k) |F|; hence |F'| <= (1 + max(c, 0) I(k)) |F| (c < 0 only helps),
         sum a_i^2 |p_ii|^2 <= |A p|^2 <= |F'|^2, sum a_i |p_i(t)|^2 <= |F'|^2 / 2. The multiplier 1 - 2 x_i / L_i
         (Rellich) gives |p_i|^2 on the faces of i <= (2 / L_i) |p_i|^2 + 2 |p_i| |p_ii|, where |p_i| <= (L_i / pi)
         |p_ii| (mean 0: Wirtinger), and a_i |p_i|^2 <= T |F'|^2 / 2: W is the lesser of sqrt(sum C_i |g_i|^2), C_i = 2
         L_i / pi^2 + 2 L_i / pi, and of sum sqrt(D_i) |g_i|, D_i = a_i T / L_i + sqrt(2 a_i T), for short times.
  L2(T)  |e(T)| <= e^{-kT} |e0| + B + sqrt(I(2k)) |r|_{L2(Q)}: decay of the part with zero walls, Duhamel and Schwarz;
         for the walls the lesser of two. Comparison with G e^{-n t} psi, psi = prod_i cos(q_i (x_i - m_i)) / cos(q_i
         L_i / 2) >= 1, q_i = s pi / L_i, n = s^2 l - c: B = min_s |psi| max_t |g(t)| e^{-n (T - t)}, |g(t)| the
         largest misfit on any wall at the time t, taken for the time before and after some instant separately. By
         transposition for short times: p from p(T) of norm 1 has a_i |p_ii(T - t)| <= e^{ct} / et and sqrt(a_i)
         |p_i(T - t)| <= e^{ct} / sqrt(2et), so that by the multiplier B = e^{max(c, 0) T} sum_i |g_i| (2 sqrt(a_i T /
         e L_i) + 4 (2 / e)^{1/2} (a_i T / 2e)^{1/4}), |g_i| the largest L2 norm on the faces of i at any time.

(Lions, Magenes, Problemes aux limites non homogenes, 1968, chapter 4, on transposition; Rellich, Math. Z. 46, 1940.)
"""

import math

import numpy as np

from .bound import Bound, Theorem, grown, integral_of_decay
from .form import Form
from .misfit import Misfits, Norm

SHARES = np.sqrt(1 - np.geomspace(1, 1e-3, 40))  # s of the comparison functions


def match(f: Form) -> Theorem | None:
    """The bounds of the L2 norms; None for another kind of equation, ValueError with what is missing."""
    if f.order != 1 or f.diffusion is None:
        return None
    f.dirichlet()
    f.box()
    c, T, spread = f.constant(), f.duration, f.diffusion
    first = sum(a * (math.pi / L) ** 2 for a, L in zip(spread, f.sides, strict=True))
    k = first - c
    if k <= 0:
        raise ValueError(f"its zero-order coefficient {c:.3g} is not below the first eigenvalue {first:.3g}")
    decayed, fed = math.sqrt(integral_of_decay(2 * k, T)), 1 + max(c, 0.0) * integral_of_decay(k, T)

    def bound(m: Misfits) -> list[Bound]:
        start, inside = m.initial(), m.residual()
        pairs = [[m.wall(f.held[face][0], face) for face in names] for names in _faces(f)]
        each = list(zip(spread, f.sides, (math.hypot(n.l2, o.l2) for n, o in pairs), strict=True))
        walls = min(
            math.sqrt(sum(trace(L) * g * g for _, L, g in each)), sum(math.sqrt(early(a, L, T)) * g for a, L, g in each)
        )
        mean = decayed * start.l2 + fed * walls + integral_of_decay(k, T) * inside.l2
        late = min(_late(f, first, c, [n for p in pairs for n in p]), _soon(f, spread, c, pairs))
        last = math.exp(-k * T) * start.l2 + late + decayed * inside.l2
        return [
            Bound("L2(Q)", mean, "transposition with a Rellich multiplier"),
            Bound("L2(T)", last, "decay of modes, comparison functions and Duhamel"),
        ]

    return bound


def trace(L: float) -> float:
    """C_i of the walls."""
    return 2 * L / math.pi**2 + 2 * L / math.pi


def early(a: float, L: float, T: float) -> float:
    """D_i of the walls."""
    return a * T / L + math.sqrt(2 * a * T)


def _soon(f: Form, spread: tuple[float, ...], c: float, pairs: list[list[Norm]]) -> float:
    """B by transposition."""
    T, total = f.duration, 0.0
    for a, L, (n, o) in zip(spread, f.sides, pairs, strict=True):
        largest = math.sqrt(f.volume / L) * math.hypot(n.sup, o.sup)
        kernel = 2 * math.sqrt(a * T / (math.e * L)) + 4 * math.sqrt(2 / math.e) * (a * T / (2 * math.e)) ** 0.25
        total += largest * kernel
    return total * grown(max(c, 0.0) * T)


def _faces(f: Form) -> list[tuple[str, str]]:
    return [(f"{f.problem.variables[i].name}_min", f"{f.problem.variables[i].name}_max") for i in f.space]


def _late(f: Form, first: float, c: float, walls: list[Norm]) -> float:
    """B, from the walls' envelopes in time."""
    T = f.duration
    slabs = _together(walls, T)
    s = SHARES[:, None]
    half = s * math.pi / 2
    size = [L / 2 * (1 + np.sinc(s)) / np.cos(half) ** 2 for L in f.sides]  # of psi in every coordinate, squared
    psi = np.sqrt(np.prod(size, axis=0))
    n = s**2 * first - c
    gap = np.where(n > 0, T - slabs[:, 1], T - slabs[:, 0])  # the time over which a slab's misfit decays or grows
    with np.errstate(over="ignore"):  # infinite where it grows beyond any float: another s is better, or none is good
        cost = psi * slabs[:, 2] * np.exp(-n * np.maximum(gap, 0.0))
    before = np.maximum.accumulate(cost, 1).min(0)
    after = np.maximum.accumulate(cost[:, ::-1], 1)[:, ::-1].min(0)
    split = np.concatenate([after[:1], before[:-1] + after[1:], before[-1:]])
    return float(split.min()) * (1 + 1e-12)


def _together(walls: list[Norm], T: float) -> np.ndarray:
    """Rows (from, to, largest misfit on any wall), in order of time."""
    given = [w.envelope if w.envelope is not None else np.array([[0.0, T, w.sup]]) for w in walls]
    ends = np.unique(np.concatenate([e[:, :2].ravel() for e in given]))
    if len(ends) > 600:
        ends = np.unique(np.append(ends[:: len(ends) // 500], ends[-1]))
    largest = np.zeros(len(ends) - 1)
    for e in given:
        first = np.searchsorted(ends, e[:, 0], "right") - 1
        last = np.searchsorted(ends, e[:, 1], "left")
        for a, b, v in zip(first, last, e[:, 2], strict=True):
            largest[max(a, 0) : b] = np.maximum(largest[max(a, 0) : b], v)
    return np.stack([ends[:-1], ends[1:], largest], 1)


def initial_weight(f: Form, order: int) -> float:
    """The square of the factor of |e0| in the bound of the L2(Q) norm."""
    del order
    first = sum(f.constant(i, i) * (math.pi / L) ** 2 for i, L in zip(f.space, f.sides, strict=True))
    return integral_of_decay(2 * (first - f.constant()), f.duration)


def wall_weight(f: Form, i: int) -> float:
    """The same of |g_i|, i the number of the side."""
    c = f.constant()
    first = sum(f.constant(j, j) * (math.pi / L) ** 2 for j, L in zip(f.space, f.sides, strict=True))
    return trace(f.sides[i]) * (1 + max(c, 0.0) * integral_of_decay(first - c, f.duration)) ** 2
