"""Trajectories dz/ds = V(z), z(0) = z of a vector field in closed form, variable by variable where it is triangular."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import sympy as sp

from .antiderivative import integral, matrix_exponential

Components = Mapping[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Trajectory:
    """Every variable as a function of s and the starting values; it exists while ``domain`` stays positive.

    All expressions in ``domain`` are 1 at s = 0. ``functions`` of the variables may move more simply than they do;
    ``positive`` is so always.
    """

    values: dict[sp.Symbol, sp.Expr]
    domain: tuple[sp.Expr, ...]
    functions: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    positive: tuple[sp.Expr, ...] = (sp.S.One,)


def trajectory(speeds: Components, s: sp.Symbol) -> Trajectory | None:
    """The trajectory through the starting values, or None where no closed form is known.

    Sets of variables that need each other are solved together (affine, projective and conformal fields by a
    matrix exponential), single ones by an integrating factor, a Moebius map or separation.
    """
    known: dict[sp.Symbol, sp.Expr] = {}
    functions: dict[sp.Expr, sp.Expr] = {}
    domain: list[sp.Expr] = []
    positive: list[sp.Expr] = []
    for group in _groups(speeds):
        part = {z: _rooted(speeds[z].subs(functions | known, simultaneous=True)) for z in group}
        found = _single(group[0], part[group[0]], s) if len(group) == 1 else _joint(part, s)
        if found is None:
            return None
        known |= found.values
        functions |= found.functions
        domain += found.domain
        positive += found.positive
    return Trajectory(known, tuple(dict.fromkeys(d for d in domain if d not in positive)))


def _rooted(e: sp.Expr) -> sp.Expr:
    """Roots of products as products of roots: where they are real the factors, such as ``domain``, are positive."""
    if all(a.exp.is_Integer or not isinstance(a.base, (sp.Mul, sp.Pow)) for a in e.atoms(sp.Pow)):
        return e
    return sp.powdenest(sp.expand_power_base(e, force=True), force=True)


def _groups(speeds: Components) -> list[list[sp.Symbol]]:
    """Strongly connected sets of variables, each after those that it needs."""
    needs = {z: [y for y in speeds if y in e.free_symbols] for z, e in speeds.items()}
    edges = [(z, y) for z, others in needs.items() for y in others]
    return sp.utilities.iterables.strongly_connected_components((list(speeds), edges))


def _single(z: sp.Symbol, speed: sp.Expr, s: sp.Symbol) -> Trajectory | None:
    """dz/ds = speed(z, s)."""
    speed = sp.expand(speed)
    if not speed.has(z):
        add = integral(speed, s)
        return None if add is None else Trajectory({z: z + add.value}, add.domain)
    if speed.is_polynomial(z):
        coefficients = sp.Poly(speed, z).all_coeffs()[::-1]
        if len(coefficients) == 2:
            return _linear(z, coefficients[0], coefficients[1], s)
        if len(coefficients) == 3 and not speed.has(s):
            return _moebius(z, coefficients[0], coefficients[1], coefficients[2], s)
    if not speed.has(s):
        return _separable(z, speed, s) or _circular(z, speed, s)
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


def _circular(z: sp.Symbol, speed: sp.Expr, s: sp.Symbol) -> Trajectory | None:
    """dz/ds = g = c cos k z + d sin k z: a projective map of (cos k z/2, sin k z/2), which never turns by a half.

    exp(s N) with N symmetric and without trace, N^2 = rho^2, maps the half angle; f = c sin k z - d cos k z.
    """
    waves = list(speed.atoms(sp.sin, sp.cos))
    phases = {w.args[0] for w in waves}
    if len(phases) != 1 or sp.diff(*phases, z, 2) != 0 or (phase := phases.pop()).subs(z, 0) != 0:
        return None
    k, c, d = sp.diff(phase, z), speed.coeff(sp.cos(phase)), speed.coeff(sp.sin(phase))
    if sp.expand(speed - c * sp.cos(phase) - d * sp.sin(phase)) != 0 or (c.free_symbols | d.free_symbols) & {z, s}:
        return None
    square = sp.factor(c**2 + d**2)
    rho = k * sp.powdenest(sp.sqrt(square), force=True) / 2
    g, f = speed * k / (2 * rho), (c * sp.sin(phase) - d * sp.cos(phase)) * k / (2 * rho)
    one, two = rho * s, 2 * rho * s
    turned = sp.atan(g * sp.sinh(one) / (sp.cosh(one) + f * sp.sinh(one)))
    h = sp.cosh(two) + f * sp.sinh(two)
    g, f = g / h, (sp.sinh(two) + f * sp.cosh(two)) / h  # of the moved z
    functions = {sp.cos(phase): c * g - d * f, sp.sin(phase): d * g + c * f}
    scale = 2 * rho / (k * square)
    return Trajectory({z: z + 2 * turned / k}, (), {e: scale * moved for e, moved in functions.items()}, (h,))


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
    below = sp.factor(moved[0]) if len(moved[0].args) < 12 else moved[0]  # longer ones take seconds
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
    parts: dict[sp.Matrix, sp.Expr] = {}  # the integrals' integrands by matrix
    for g, N in _by_function(A, s).items():
        content = sp.gcd_list(list(N))
        N = sp.ImmutableMatrix(N.applyfunc(lambda e, c=content: sp.cancel(e / c)))
        content = -content if -N in parts else content
        N = -N if -N in parts else N
        parts[N] = parts.get(N, 0) + content * g
    if any(not (M * N - N * M).applyfunc(sp.cancel).is_zero_matrix for M, N in combinations(parts, 2)):
        return None
    E = sp.eye(len(z))
    domain: list[sp.Expr] = []
    for N, g in parts.items():
        c, time = integral(g, s), sp.Dummy("tau")
        exponential = matrix_exponential(N, time)
        if c is None or exponential is None:
            return None
        E = E * exponential.applyfunc(lambda e, c=c, time=time: e.subs(time, c.value))
        domain += c.domain
    return Trajectory(dict(zip(z, E * sp.Matrix(z), strict=True)), tuple(domain))


def _by_function(A: sp.Matrix, s: sp.Symbol) -> dict[sp.Expr, sp.Matrix]:
    """Constant matrices N_k with A = sum_k g_k(s) N_k, by g_k."""
    parts: dict[sp.Expr, sp.Matrix] = {}
    for k, e in enumerate(A):
        for term in sp.Add.make_args(sp.expand(e)):
            c, g = term.as_independent(s, as_Add=False)
            parts.setdefault(g, sp.zeros(*A.shape))[k] += c
    return {g: N for g, N in parts.items() if not N.is_zero_matrix}
