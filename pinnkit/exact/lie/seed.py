"""Exact solutions of linear homogeneous equations, found from the equations: what the symmetries then move."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import sympy as sp

from pinnkit.tools.checked import SOME, Rule, checked
from pinnkit.tools.sympy_types import AppliedUndef

from .determining import Determining
from .jet_space import JetSpace, indices
from .log_coordinates import logarithmic
from .symmetry_ansatz import GradedBasis, solutions

Degree = Annotated[int, Rule("a whole number from 0 to 40", lambda n: 0 <= n <= 40)]  # more take hours
PROFILES = {
    "Gaussian": lambda s: sp.exp(-(s**2)),
    "sech": lambda s: 1 / sp.cosh(s),
    "Lorentzian": lambda s: 1 / (1 + s**2),
    "kink": lambda s: sp.tanh(s),
}


@checked
@dataclass(frozen=True)
class Seed:
    """An exact solution with free parameters, one expression for every field.

    Args:
        name: name of the solution.
        solution: the expressions.
        parameters: the free symbols.
        domain: expressions that are positive where the solution exists.
    """

    name: str
    solution: tuple[sp.Expr, ...]
    parameters: tuple[sp.Symbol, ...] = ()
    domain: tuple[sp.Expr, ...] = ()


def polynomials(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef], degree: int = 4) -> list[Seed]:
    """All polynomial solutions of at most that total degree: the exact null space of the equations on polynomials.

    Raises:
        ValueError: equations that are not linear and homogeneous.
    """
    jets = _linear(equations, fields)
    rows = []
    for equation in jets.equations:
        row = {}
        for (a, J), gen in jets.u.items():
            c = equation.diff(gen)
            if c:
                row[a, J] = c
        rows.append(row)
    system = Determining(jets, True, tuple(jets.x), len(fields), tuple(rows), ())
    field, found, graded = jets.field(), [], GradedBasis()
    for n in range(degree + 1):
        before = len(graded.basis)
        graded.add(solutions(system, field, n))
        for v in graded.basis[before:]:
            v = dict(zip(v, field.primitive([field.domain.convert(c) for c in v.values()]), strict=True))
            parts = [sp.S.Zero] * len(fields)
            for (f, powers, _), c in v.items():
                monomial = sp.Mul(*(s**k for s, k in zip(jets.coordinates, powers, strict=True)))
                parts[f] += field.expression(c).xreplace(jets.constants) * monomial
            found.append(Seed("constant" if n == 0 else f"polynomial of degree {n}", tuple(parts)))
    return found


def waves(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> list[Seed]:
    """Real solutions p exp(k . x + w t) of equations with constant coefficients: w(k) by det P(k, w) = 0, P p = 0.

    k is real, or imaginary for oscillations in space; where w is a root, its real and its imaginary branch are two
    seeds with the condition on k in ``domain``. Empty for other equations.
    """
    jets = _linear(equations, fields)
    if len(jets.equations) != len(fields) or not _constant(jets):
        return []
    w = sp.Symbol("_w")
    k = [sp.Symbol(name, real=True) for name in _names(jets, len(jets.x) - 1)]
    found = []
    for oscillating in (True, False):
        rates = [(sp.I if oscillating else 1) * q for q in k]
        for name, solution, domain in _branches(jets, rates, w, k):
            found.append(Seed(name, solution, tuple(k), domain))
    return _distinct(found)


def separated(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef], degree: int = 4) -> list[Seed]:
    """exp(w t) times polynomials in x for u_t = L u, where L maps polynomials to such of the same degree."""
    jets = _linear(equations, fields)
    u, *others = fields
    *space, t = jets.coordinates
    e = equations[0]
    if others or len(jets.equations) != 1 or jets.constants or not {sp.diff(u, t)} == _time_derivatives(e, u, t):
        return []
    slope = sp.cancel(sp.diff(e, sp.diff(u, t)))
    monomials = [sp.Mul(*(x**n for x, n in zip(space, p, strict=True))) for p in indices(len(space), degree)]
    rows = []
    for m in monomials:
        image = sp.expand(sp.cancel(-e.subs(u, m).doit() / slope))
        if not image.is_polynomial(*space) or image.has(t) or sp.Poly(image, *space).total_degree() > degree:
            return []
        poly = sp.Poly(image, *space)
        rows.append([poly.coeff_monomial(n) for n in monomials])
    L, found = sp.Matrix(rows).T, []
    rates = {sp.factor(c) for c in L.diagonal()}
    if not all(L[i, j] == 0 for i in range(L.rows) for j in range(i)) or rates == {0}:
        return []
    for rate in sorted(rates, key=str):
        for vector in (L - rate * sp.eye(L.rows)).applyfunc(sp.cancel).nullspace():
            p = sp.expand(sum(c * m for c, m in zip(vector, monomials, strict=True)))
            found.append(Seed("separated solution", (sp.fraction(sp.together(p))[0] * sp.exp(rate * t),)))
    return found


def _time_derivatives(e: sp.Expr, u: AppliedUndef, t: sp.Symbol) -> set[sp.Expr]:
    return {a for a in e.doit().atoms(sp.Derivative) if t in a.variables}


def profiles(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> list[Seed]:
    """F(n . x + w t) for several profiles F, where all derivatives of one equation are of the same order.

    Directions n are unit vectors with angles as parameters; complex w give harmonic functions.
    """
    jets = _linear(equations, fields)
    if len(jets.equations) != 1 or not _constant(jets):
        return []
    orders = {sum(J) for (_, J), gen in jets.u.items() if jets.equations[0].diff(gen)}
    n = len(jets.x) - 1
    if len(orders) != 1 or n > 2:
        return []
    width = sp.Symbol("width", positive=True)
    angle = sp.Symbol("angle", real=True)
    direction = [sp.S.One] if n == 1 else [sp.cos(angle), sp.sin(angle)]
    last, found, real = sp.Symbol("_w"), [], []
    for w in _roots(sp.expand(_symbol(jets, [*direction, last]).det()), last):
        w = sp.powdenest(sp.simplify(w), force=True)
        s = sum((c * x for c, x in zip([*direction, w], jets.coordinates, strict=True)), sp.S.Zero)
        if w.has(sp.I):
            found += list(_harmonic(w, jets.coordinates)) if n == 1 else []
            continue
        real.append(s)
    free = (width, angle) if n == 2 else (width,)
    for name, F in PROFILES.items():
        found += [Seed(f"{name} wave", (F(s / width),), free) for s in real]
        if len(real) == 2:  # one to each side: at rest at time 0
            found.append(Seed(f"{name} pair", (F(real[0] / width) + F(real[1] / width),), free))
    return _distinct(found)


def similarity(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> list[Seed]:
    """F(eta), eta = (x - b t) / sqrt(t), for u_t + b u_x = kappa u_xx: F'' = -eta F' / (2 kappa), hence erf."""
    jets = _linear(equations, fields)
    if len(jets.equations) != 1 or len(jets.x) != 2 or not _constant(jets):
        return []
    (x, t), e = jets.coordinates, jets.equations[0]
    slots = {J: jets.differential_ring.expression(e.diff(gen)) for (_, J), gen in jets.u.items() if e.diff(gen)}
    if set(slots) not in ({(0, 1), (2, 0)}, {(0, 1), (1, 0), (2, 0)}):
        return []
    drift, kappa = slots.get((1, 0), sp.S.Zero) / slots[0, 1], -slots[2, 0] / slots[0, 1]
    eta = (x - drift * t) / (2 * sp.sqrt(kappa * t))
    return [Seed("error function", (sp.erf(eta.xreplace(jets.constants)),), (), (kappa.xreplace(jets.constants) * t,))]


@checked
def seeds(
    equations: sp.Expr | Annotated[Sequence[sp.Expr], SOME],
    fields: AppliedUndef | Annotated[Sequence[AppliedUndef], SOME],
    degree: Degree = 4,
) -> list[Seed]:
    """Exact solutions of linear homogeneous equations: exponentials, polynomials and similar ones, with free
    parameters.

    Args:
        equations: one expression or several, each "= 0".
        fields: the field or fields.
        degree: largest degree of polynomials. Default 4.

    Returns:
        The solutions found.

    Raises:
        ValueError: equations that are not linear and homogeneous.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> u = pk.field("u", x, t)
        >>> len(pk.seeds(u.diff(t) - u.diff(x, 2), u, degree=2)) > 0
        True
    """
    equations = [equations] if isinstance(equations, sp.Basic) else list(equations)
    fields = [fields] if isinstance(fields, sp.Basic) else list(fields)
    found = polynomials(equations, fields, degree)
    for kind in (separated, waves, profiles, similarity):
        found += kind(equations, fields)
    moved, moved_fields, logs = logarithmic(equations, fields)
    if logs:
        back = {y: sp.log(s) for s, y in logs.items()}
        for seed in seeds(moved, moved_fields, degree):
            solution = tuple(sp.powsimp(sp.expand_power_exp(e).xreplace(back)) for e in seed.solution)
            found.append(replace(seed, solution=solution, domain=(*seed.domain, *logs)))
    return _distinct(found)


def _linear(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> JetSpace:
    jets = JetSpace(equations, fields)
    if jets.degree != 1:
        raise ValueError(
            "solutions can be superposed for linear homogeneous equations only: "
            f"{' and '.join(map(str, equations))} = 0 is {'nonlinear' if jets.degree is None else 'inhomogeneous'}"
        )
    return jets


def _constant(jets: JetSpace) -> bool:
    free = set().union(*(jets.differential_ring.expression(e).free_symbols for e in jets.equations))
    return not free & set(jets.coordinates)


def _names(jets: JetSpace, n: int) -> list[str]:
    taken = {s.name for s in (*jets.parameters, *jets.symbols.values(), *jets.coordinates)}
    letter = next(c for c in ("k", "q", "kappa", "wavenumber") if c not in taken)
    return [letter] if n == 1 else [f"{letter}{i + 1}" for i in range(n)]


def _symbol(jets: JetSpace, rates: Sequence[sp.Expr]) -> sp.Matrix:
    """The equations on p exp(rates . x), as a matrix that acts on p."""
    P = sp.zeros(len(jets.equations), len(jets.fields))
    for row, equation in enumerate(jets.equations):
        for (a, J), gen in jets.u.items():
            c = equation.diff(gen)
            if c:
                P[row, a] += jets.differential_ring.expression(c) * sp.Mul(
                    *(r**j for r, j in zip(rates, J, strict=True))
                )
    return P.applyfunc(lambda e: sp.expand(e.xreplace(jets.constants)))


def _roots(symbol: sp.Expr, w: sp.Symbol) -> list[sp.Expr]:
    """Roots of linear and quadratic factors."""
    found = []
    for factor, _ in sp.factor_list(symbol, w)[1] if symbol.has(w) else ():
        if 1 <= sp.degree(factor, w) <= 2:
            found += sp.roots(sp.Poly(factor, w))
        elif sp.degree(factor, w) == 4 and not any(sp.Poly(factor, w).all_coeffs()[i] for i in (1, 3)):
            found += sp.roots(sp.Poly(factor, w))
    return found


def _branches(
    jets: JetSpace, rates: Sequence[sp.Expr], w: sp.Symbol, k: Sequence[sp.Symbol]
) -> Iterator[tuple[str, tuple[sp.Expr, ...], tuple[sp.Expr, ...]]]:
    """Real and imaginary parts of p exp(rates . x + w t) for all roots w, with a condition where w is a square root."""
    *space, time = jets.coordinates
    phase = sum((r * x for r, x in zip(rates, space, strict=True)), sp.S.Zero)
    a, b = _parts(phase)
    P = _symbol(jets, [*rates, w])
    found = [regime for root in _roots(sp.expand(P.det()), w) for regime in _regimes(sp.expand(root))]
    for (real, imaginary), domain in found:
        grow, swing = sp.exp(a + real * time), sp.expand(b + imaginary * time)
        one = [(sp.S.One, sp.S.Zero)] if P.rows == 1 else _polarization(P.subs(w, real + sp.I * imaginary))
        if swing == 0:
            yield "exponential", tuple(grow * p for p, _ in one), domain
            continue
        name = "travelling wave" if b != 0 and imaginary != 0 else "oscillation"
        yield name, tuple(grow * (p * sp.cos(swing) - q * sp.sin(swing)) for p, q in one), domain
        if P.rows == 1 and b != 0 and imaginary != 0 and ((real, sp.expand(-imaginary)), domain) in found:
            for c in (sp.cos, sp.sin):
                yield "standing wave", (grow * sp.cos(b) * c(imaginary * time),), domain


def _polarization(P: sp.Matrix) -> list[tuple[sp.Expr, sp.Expr]]:
    """Real and imaginary parts of a vector p with P p = 0."""
    adjugate = P.adjugate().applyfunc(sp.expand)
    column = next((adjugate[:, j] for j in range(P.cols) if any(adjugate[:, j])), sp.eye(P.rows)[:, 0])
    divisor = sp.gcd_list(list(column))
    return [_parts(sp.cancel(e / divisor)) for e in column]


def _regimes(root: sp.Expr) -> Iterator[tuple[tuple[sp.Expr, sp.Expr], tuple[sp.Expr, ...]]]:
    """(real, imaginary) part of p + q sqrt(D) for D > 0 and for D < 0; once where D has a known sign."""
    radicals = [a for a in root.atoms(sp.Pow) if a.exp == sp.Rational(1, 2) and a.free_symbols]
    if not radicals:
        yield _parts(root), ()
        return
    if len(radicals) > 1:
        return
    radical = radicals[0]
    D = sp.factor(radical.base)
    square = sp.powdenest(sp.sqrt(sp.factor(D)), force=True)
    opposite = sp.powdenest(sp.sqrt(sp.factor(-D)), force=True)
    for sign, other in ((1, square), (-1, opposite)):
        plain = not any(a.exp == sp.Rational(1, 2) for a in other.atoms(sp.Pow))
        if plain and not other.has(sp.I):
            yield _parts(root.xreplace({radical: other if sign == 1 else sp.I * other})), ()
            return
    for sign in (1, -1):
        r = sp.Symbol("_r", real=True)
        real, imaginary = _parts(root.xreplace({radical: r if sign == 1 else sp.I * r}))
        inside = sp.expand(sign * D)
        put = {r: sp.sqrt(inside)}
        known = _sign(inside)
        if known != -1:
            domain = () if known == 1 else (inside,)
            yield tuple(sp.expand(e.xreplace(put)) for e in (real, imaginary)), domain


def _sign(e: sp.Expr) -> int | None:
    """1 or -1 for sums of even powers with coefficients of one sign, else None; parameters are real."""
    e = e.xreplace({s: sp.Dummy(s.name, real=True) for s in e.free_symbols})
    signs = {1 if t.is_nonnegative else -1 if t.is_nonpositive else None for t in sp.Add.make_args(e)}
    return signs.pop() if len(signs) == 1 else None


def _parts(e: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    e = sp.expand(e)
    real = e.xreplace({sp.I: sp.S.Zero})
    return real, sp.expand((e - real) / sp.I)


def _harmonic(w: sp.Expr, coordinates: Sequence[sp.Symbol]) -> Iterator[Seed]:
    """log(z) and 1/z for z = x + w y with imaginary w."""
    x, y = coordinates
    real, imaginary = _parts(w)
    a, b = x + real * y, imaginary * y
    yield Seed("logarithm", (sp.log(a**2 + b**2),), (), (a**2 + b**2,))
    yield Seed("dipole", (a / (a**2 + b**2),), (), (a**2 + b**2,))
    yield Seed("dipole", (b / (a**2 + b**2),), (), (a**2 + b**2,))


def _distinct(found: list[Seed]) -> list[Seed]:
    """The seeds without those that are another's negative or repeat it."""
    kept: dict[tuple, Seed] = {}
    for seed in found:
        negative = tuple(-e for e in seed.solution)
        if seed.solution not in kept and negative not in kept:
            kept[seed.solution] = seed
    return list(kept.values())
