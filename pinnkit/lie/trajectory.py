"""Trajectories dz/ds = V(z), z(0) = z of a vector field in closed form, variable by variable where it is triangular."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from .primitive import integral, matrix_exponential

Components = Mapping[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Trajectory:
    """Every variable as a function of s and the starting values; it exists while ``domain`` stays positive.

    All expressions in ``domain`` are 1 at s = 0.
    """

    values: dict[sp.Symbol, sp.Expr]
    domain: tuple[sp.Expr, ...]


def trajectory(field: Components, s: sp.Symbol) -> Trajectory | None:
    """The trajectory through the starting values, or None where no closed form is known.

    Sets of variables that need each other are solved together (affine, projective and conformal fields by a
    matrix exponential), single ones by an integrating factor, a Moebius map or separation.
    """
    known: dict[sp.Symbol, sp.Expr] = {}
    domain: list[sp.Expr] = []
    for group in _groups(field):
        part = {z: field[z].subs(known, simultaneous=True) for z in group}
        found = _single(group[0], part[group[0]], s) if len(group) == 1 else _joint(part, s)
        if found is None:
            return None
        known |= found.values
        domain += found.domain
    return Trajectory(known, tuple(dict.fromkeys(d for d in domain if d != 1)))


def _groups(field: Components) -> list[list[sp.Symbol]]:
    """Strongly connected sets of variables, each after those that it needs."""
    needs = {z: [y for y in field if y in e.free_symbols] for z, e in field.items()}
    edges = [(z, y) for z, others in needs.items() for y in others]
    return sp.utilities.iterables.strongly_connected_components((list(field), edges))


def _single(z: sp.Symbol, speed: sp.Expr, s: sp.Symbol) -> Trajectory | None:
    """dz/ds = speed(z, s)."""
    speed = sp.expand(speed)
    if not speed.has(z):
        add = integral(speed, s)
        return add and Trajectory({z: z + add.value}, add.domain)
    if speed.is_polynomial(z):
        coefficients = sp.Poly(speed, z).all_coeffs()[::-1]
        if len(coefficients) == 2:
            return _linear(z, *coefficients, s)
        if len(coefficients) == 3 and not speed.has(s):
            return _moebius(z, *coefficients, s)
    if not speed.has(s):
        return _separable(z, speed, s)
    return None


def _linear(z: sp.Symbol, c: sp.Expr, b: sp.Expr, s: sp.Symbol) -> Trajectory | None:
    """dz/ds = b(s) z + c(s) by the integrating factor exp(int b)."""
    factor = integral(b, s)
    if factor is None:
        return None
    E = factor.exponential
    if c == 0:
        return Trajectory({z: z * E}, factor.domain)
    inner = integral(sp.powsimp(sp.expand(c / E)), s)
    if inner is None:
        return None
    return Trajectory({z: E * (z + inner.value)}, (*factor.domain, *inner.domain))


def _moebius(z: sp.Symbol, a: sp.Expr, b: sp.Expr, c: sp.Expr, s: sp.Symbol) -> Trajectory | None:
    """dz/ds = a + b z + c z^2: z = w_1 / w_0 with dw/ds = M w."""
    E = matrix_exponential(sp.Matrix([[-b / 2, -c], [a, b / 2]]), s)
    if E is None:
        return None
    below = sp.expand(E[0, 0] + E[0, 1] * z)
    return Trajectory({z: sp.cancel(E[1, 0] + E[1, 1] * z) / below}, (below,))


def _separable(z: sp.Symbol, speed: sp.Expr, s: sp.Symbol) -> Trajectory | None:
    """dz/ds = c exp(k z): exp(-k z) moves with constant speed; dz/ds = c z^n: z^(1-n) does."""
    c, rest = speed.as_independent(z, as_Add=False)
    if isinstance(rest, sp.exp) and sp.diff(rest.args[0], z, 2) == 0:
        k = sp.diff(rest.args[0], z)
        h = 1 - k * c * s * rest
        return Trajectory({z: z - sp.log(h) / k}, (h,))
    base, n = rest.as_base_exp()
    if base == z and n != 1:
        h = 1 + (1 - n) * c * s * z ** (n - 1)
        return Trajectory({z: z * h ** (1 / (1 - n))}, (h,))
    return None


def _joint(field: Components, s: sp.Symbol) -> Trajectory | None:
    """Several variables at once; their coefficients may depend on s only through commuting matrices."""
    z = list(field)
    speeds = [sp.expand(e) for e in field.values()]
    if any(not e.is_polynomial(*z) for e in speeds):
        return None
    degree = max(sp.Poly(e, *z).total_degree() for e in speeds)
    if degree == 1 and not any(e.has(s) for e in speeds):
        return _projective(z, speeds, sp.S.Zero, sp.S.Zero, s)
    if degree == 1:
        return _commuting(z, speeds, s)
    if degree == 2 and not any(e.has(s) for e in speeds):
        return _conformal(z, speeds, s)
    return None


def _conformal(z: Sequence[sp.Symbol], speeds: Sequence[sp.Expr], s: sp.Symbol) -> Trajectory | None:
    """Quadratic fields that are linear on (1, z, q(z)) up to a common factor: find that factor and q."""
    quadratic = [_part(e, z, 2) for e in speeds]
    for e, zi in zip(quadratic, z, strict=True):
        slope, rest = sp.div(sp.Poly(e, *z), sp.Poly(zi, *z))
        if e == 0 or not rest.is_zero:
            continue
        left = [sp.expand(q - slope.as_expr() * zj) for q, zj in zip(quadratic, z, strict=True)]
        q = next((e for e in left if e != 0), sp.S.Zero)
        if all(sp.cancel(e / q).is_constant(*z) for e in left if e != 0):
            found = _projective(z, speeds, slope.as_expr(), q, s)
            if found is not None:
                return found
    return None


def _projective(
    z: Sequence[sp.Symbol], speeds: Sequence[sp.Expr], slope: sp.Expr, q: sp.Expr, s: sp.Symbol
) -> Trajectory | None:
    """v(w) = M w + slope w on w = (1, z, q): then z = w_i / w_0 along w(s) = exp(s M) w(0)."""
    w = [sp.S.One, *z] + ([q] if q != 0 else [])
    rates = [sp.S.Zero, *speeds]
    if q != 0:
        rates.append(sum(sp.diff(q, zi) * e for zi, e in zip(z, speeds, strict=True)))
    rows = [_combination(sp.expand(rate - slope * wi), w, z) for rate, wi in zip(rates, w, strict=True)]
    if any(row is None for row in rows):
        return None
    E = matrix_exponential(sp.Matrix(rows), s)
    if E is None:
        return None
    moved = [sp.expand(e) for e in E * sp.Matrix(w)]
    below = sp.factor(moved[0]) if len(moved[0].args) < 12 else moved[0]
    values = {zi: m / moved[0] for zi, m in zip(z, moved[1:], strict=False)}
    return Trajectory(values, (below,))


def _combination(e: sp.Expr, w: Sequence[sp.Expr], z: Sequence[sp.Symbol]) -> list[sp.Expr] | None:
    """The coefficients of e = sum c_j w_j, or None."""
    row = [sp.S.Zero] * len(w)
    if len(w) == len(z) + 2:
        square = _part(e, z, 2)
        row[-1] = sp.cancel(square / w[-1])
        e = sp.expand(e - square)
        if row[-1].has(*z):
            return None
    for j, zi in enumerate(z):
        row[j + 1] = e.coeff(zi, 1)
    row[0] = e.subs(dict.fromkeys(z, 0))
    rest = sp.expand(e - sum(c * wi for c, wi in zip(row[: len(z) + 1], w, strict=False)))
    return row if rest == 0 and not any(c.has(*z) for c in row) else None


def _part(e: sp.Expr, z: Sequence[sp.Symbol], degree: int) -> sp.Expr:
    """The homogeneous part of a polynomial."""
    terms = sp.Poly(e, *z).terms()
    return sum(
        (c * sp.Mul(*(zi**k for zi, k in zip(z, p, strict=True))) for p, c in terms if sum(p) == degree), sp.S.Zero
    )


def _commuting(z: Sequence[sp.Symbol], speeds: Sequence[sp.Expr], s: sp.Symbol) -> Trajectory | None:
    """dz/ds = sum_k g_k(s) N_k z with commuting constant matrices: the product of exp(N_k int g_k)."""
    A = sp.Matrix([[sp.diff(e, zi) for zi in z] for e in speeds])
    if any(sp.expand(e - r) != 0 for e, r in zip(speeds, A * sp.Matrix(z), strict=True)):
        return None
    parts: dict[sp.Expr, sp.Matrix] = {}
    for k, e in enumerate(A):
        for term in sp.Add.make_args(sp.expand(e)):
            c, g = term.as_independent(s, as_Add=False)
            parts.setdefault(g, sp.zeros(*A.shape))[k] += c
    matrices: list[tuple[sp.Matrix, sp.Expr]] = []
    for g, N in parts.items():
        if N.is_zero_matrix:
            continue
        for k, (M, total) in enumerate(matrices):
            i = next(i for i, e in enumerate(M) if e != 0)
            ratio = sp.cancel(N[i] / M[i])
            if (N - ratio * M).applyfunc(sp.cancel).is_zero_matrix:
                matrices[k] = (M, total + ratio * g)
                break
        else:
            matrices.append((N, g))
    if any(not (M * N - N * M).applyfunc(sp.cancel).is_zero_matrix for M, _ in matrices for N, _ in matrices):
        return None
    E, domain = sp.eye(len(z)), []
    for N, g in matrices:
        c, time = integral(g, s), sp.Dummy("tau")
        exponential = matrix_exponential(N, time)
        if c is None or exponential is None:
            return None
        E = E * exponential.applyfunc(lambda e, c=c, time=time: e.subs(time, c.value))
        domain += c.domain
    return Trajectory(dict(zip(z, E * sp.Matrix(z), strict=True)), tuple(domain))
