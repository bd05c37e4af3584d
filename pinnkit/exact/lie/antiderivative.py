"""Integrals from 0 to s in closed form, on the branch that vanishes at s = 0, and exponentials of constant matrices."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import lcm

import sympy as sp


@dataclass(frozen=True)
class Antiderivative:
    """regular + sum c log(h), with h = 1 at s = 0; it exists while every h stays positive."""

    regular: sp.Expr
    logs: tuple[tuple[sp.Expr, sp.Expr], ...] = field(default=())

    @property
    def domain(self) -> tuple[sp.Expr, ...]:
        """What must stay positive."""
        return tuple(h for _, h in self.logs)

    @property
    def value(self) -> sp.Expr:
        """The integral as an expression."""
        return self.regular + sum((c * sp.log(h) for c, h in self.logs), sp.S.Zero)

    @property
    def exponential(self) -> sp.Expr:
        """exp of the integral, with its logarithms as powers."""
        return sp.exp(self.regular) * sp.Mul(*(h**c for c, h in self.logs))


def integral(f: sp.Expr, s: sp.Symbol) -> Antiderivative | None:
    """The integral of f from 0 to s: powers of linear functions, h'/h, hyperbolic functions, else term by term.

    None where no closed form that is regular at 0 is known.
    """
    f = sp.expand(f)
    if not f.has(s):
        return Antiderivative(sp.expand(f * s))
    f, back = _without_roots(f, s)
    if any(a.has(s) and a.exp.is_Rational and not a.exp.is_Integer for a in f.atoms(sp.Pow)):
        f = sp.factor(f)  # roots may cancel
    found = (_rational(f, s) if f.is_rational_function(s) else _hyperbolic(f, s)) or _by_terms(f, s)
    if found is None or not back:
        return found
    return Antiderivative(found.regular.subs(back), tuple((c.subs(back), h.subs(back)) for c, h in found.logs))


def _without_roots(f: sp.Expr, s: sp.Symbol) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """f with z = r^q for every other symbol z under a q-th root, so that it may be rational; what the r stand for."""
    roots = {a for a in f.atoms(sp.Pow) if a.base.is_Symbol and a.exp.is_Rational and not a.exp.is_Integer}
    back = {}
    for z in {a.base for a in roots} - {s}:
        q, r = lcm(*(int(a.exp.q) for a in roots if a.base == z)), sp.Dummy("r", positive=True)
        f, back[r] = f.subs(z, r**q), z ** sp.Rational(1, q)
    return f, back


def _by_terms(f: sp.Expr, s: sp.Symbol) -> Antiderivative | None:
    total = sp.S.Zero
    logs: list[tuple[sp.Expr, sp.Expr]] = []
    for term in sp.Add.make_args(f):
        part = _rational(term, s) if term.is_rational_function(s) else _direct(term, s)
        if part is None:
            return None
        total += part.regular
        logs += part.logs
    return Antiderivative(total, tuple(logs))


def _rational(f: sp.Expr, s: sp.Symbol) -> Antiderivative | None:
    """Polynomials over powers of one linear function L, by powers of L, and c h'/h."""
    num, den = sp.fraction(sp.together(f))
    den = sp.factor(den)
    factors = [a.as_base_exp() for a in sp.Mul.make_args(den) if a.has(s)]
    if not factors:
        return Antiderivative(sp.expand(sp.integrate(num, s) / den))
    (base, power), *others = factors
    start = base.subs(s, 0)
    if others or sp.expand(start) == 0:
        return None
    if power == 1:
        c = sp.cancel(num / (den / base) / sp.diff(base, s))
        if not c.has(s):
            return Antiderivative(sp.S.Zero, ((c, sp.expand(sp.cancel(base / start))),))
    if sp.degree(base, s) != 1 or not power.is_Integer:
        return None
    q, p = sp.Poly(base, s).all_coeffs()
    L, rest = sp.Dummy("L"), sp.cancel(den / base**power)
    h = 1 + sp.cancel(q / p) * s
    regular, logs = sp.S.Zero, []
    for (k,), c in sp.Poly(sp.expand(num.subs(s, (L - p) / q)), L).terms():
        n = k - power + 1
        c = sp.cancel(c / rest)
        if n == 0:
            logs.append((sp.cancel(c / q), h))
        else:
            regular += sp.cancel(c * p**n / (q * n)) * (h**n - 1)
    return Antiderivative(sp.factor(regular), tuple(logs))


def _hyperbolic(f: sp.Expr, s: sp.Symbol) -> Antiderivative | None:
    """Rational functions of exp(c s) that are c h'/h, or that `_rational` can do by y = exp(4 c s) - 1."""
    if not f.has(sp.cosh, sp.sinh, sp.exp):
        return None
    num, h = sp.fraction(sp.together(f))
    ratio = sp.cancel(_exponentials(num / sp.diff(h, s))) if h.has(s) else s
    if not ratio.has(s):
        return Antiderivative(sp.S.Zero, ((ratio, h / h.subs(s, 0)),))
    slopes = {sp.diff(a.args[0], s) for a in f.atoms(sp.cosh, sp.sinh)}
    rates = {-c if c.could_extract_minus_sign() else c for c in slopes}
    if len(rates) != 1 or (rate := rates.pop()).has(s):
        return None
    y, P = sp.Symbol("_y", real=True), sp.Dummy("P", positive=True)
    own = {sp.exp(rate * s): sp.sqrt(P), sp.exp(-rate * s): 1 / sp.sqrt(P)}
    inner = sp.cancel(_exponentials(f).xreplace(own) / (2 * rate * P))
    found = _rational(sp.expand(inner.subs(P, 1 + y)), y) if inner.is_rational_function(P) else None
    if found is None or found.logs:
        return None
    return Antiderivative(_centred(found.regular.subs(y, P - 1), P, rate * s))


def _centred(e: sp.Expr, P: sp.Symbol, half: sp.Expr) -> sp.Expr:
    """A rational function of P = exp(2 half) by cosh and sinh, which neither overflows nor cancels."""
    parts = [sp.Poly(p, P) for p in sp.fraction(sp.cancel(e))]
    n = max(p.degree() for p in parts)

    def hyperbolic(p: sp.Poly) -> sp.Expr:
        angles = [((2 * k - n) * half, c) for (k,), c in p.terms()]
        return sp.expand(sum(c * (sp.cosh(angle) + sp.sinh(angle)) for angle, c in angles))

    return sp.cancel(hyperbolic(parts[0]) / hyperbolic(parts[1]))


def _exponentials(e: sp.Expr) -> sp.Expr:
    """cosh and sinh by exp, and nothing else."""
    return e.replace(lambda a: isinstance(a, (sp.cosh, sp.sinh)), lambda a: a.rewrite(sp.exp))


def _direct(term: sp.Expr, s: sp.Symbol) -> Antiderivative | None:
    """One term by SymPy, where the result is elementary and regular at 0: powers times exponentials and waves."""
    if not all(_simple(a, s) for a in sp.Mul.make_args(term)):
        return None  # SymPy may search for minutes
    found = sp.integrate(term, s).replace(sp.Piecewise, lambda first, *_: first[0])  # parameters are generic
    if found.has(sp.Integral, sp.Piecewise):
        return None
    regular, logs = sp.S.Zero, []
    for e in sp.Add.make_args(sp.expand(found)):
        c, function = e.as_independent(s, as_Add=False)
        if isinstance(function, sp.log):
            logs.append((c, function.args[0] / function.args[0].subs(s, 0)))
        elif function.has(sp.log):
            return None  # the domain would be lost
        else:
            regular += e - e.subs(s, 0)
    if any(e.has(sp.nan, sp.zoo, sp.oo, -sp.oo) for e in (regular, *(h for _, h in logs))):
        return None
    return Antiderivative(regular, tuple(logs))


def _simple(factor: sp.Expr, s: sp.Symbol) -> bool:
    """Whether a factor is free of s, a function of a linear one of s, or a power of these."""
    if not factor.has(s):
        return True
    base, n = factor.as_base_exp()
    if base is sp.E:
        return sp.diff(n, s, 2) == 0
    inner = base.args[0] if isinstance(base, (sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh)) else base
    return not n.has(s) and sp.diff(inner, s, 2) == 0 and (n.is_nonnegative or inner is base)


def matrix_exponential(N: sp.Matrix, s: sp.Symbol) -> sp.Matrix | None:
    """exp(s N) for N diagonal, nilpotent (N^4 = 0) or with N^3 = delta N (rotations, boosts, projections); these plus
    a multiple of 1 as well. Else None.
    """
    if N.is_diagonal():
        return sp.diag(*(sp.exp(s * N[i, i]) for i in range(N.rows)))
    one, square = sp.eye(N.rows), (N * N).applyfunc(sp.expand)
    cube = (square * N).applyfunc(sp.expand)
    for power, order in ((square, 2), (cube, 3), ((cube * N).applyfunc(sp.expand), 4)):
        if power.is_zero_matrix:
            return one + sum((N**k * s**k / sp.factorial(k) for k in range(1, order)), sp.zeros(*N.shape))
    i = next(k for k, e in enumerate(N) if e != 0)
    delta = sp.cancel(cube[i] / N[i])
    if not (cube - delta * N).applyfunc(sp.cancel).is_zero_matrix:
        return _shifted(N, s)
    minus = delta.could_extract_minus_sign()
    root = sp.powdenest(sp.sqrt(sp.factor(-delta if minus else delta)), force=True).replace(sp.Abs, lambda e: e)
    sine, cosine = (sp.sin, sp.cos) if minus else (sp.sinh, sp.cosh)
    return (one + N * sine(root * s) / root + square * (cosine(root * s) - 1) / delta).applyfunc(sp.cancel)


def _shifted(N: sp.Matrix, s: sp.Symbol) -> sp.Matrix | None:
    """exp(s N) = exp(s c) exp(s (N - c)) with the mean c of the diagonal taken out, where that helps."""
    mean = sp.cancel(N.trace() / N.rows)
    if mean == 0:
        return None
    inner = matrix_exponential((N - mean * sp.eye(N.rows)).applyfunc(sp.cancel), s)
    return None if inner is None else inner * sp.exp(s * mean)
