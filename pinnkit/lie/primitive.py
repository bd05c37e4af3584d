"""Integrals from 0 to s in closed form, on the branch that vanishes at s = 0, and exponentials of constant matrices."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp


@dataclass(frozen=True)
class Integral:
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


def integral(f: sp.Expr, s: sp.Symbol) -> Integral | None:
    """The integral of f from 0 to s, for polynomials, exponentials, powers of linear functions of s; else None."""
    total, logs = sp.S.Zero, []
    f = sp.expand(f)
    if not f.has(s):
        return Integral(sp.expand(f * s))
    simple = _rational(f, s) if f.is_rational_function(s) else _hyperbolic(f, s)
    if simple is not None:
        return simple
    for term in sp.Add.make_args(f):
        part = _rational(term, s) if term.is_rational_function(s) else _direct(term, s)
        if part is None:
            return None
        total += part.regular
        logs += part.logs
    return Integral(total, tuple(logs))


def _rational(f: sp.Expr, s: sp.Symbol) -> Integral | None:
    """c s^n L^m and sums of them for one linear function L of s, by powers of L."""
    num, den = sp.fraction(sp.together(f))
    den = sp.factor(den)
    linear = [a.as_base_exp() for a in sp.Mul.make_args(den) if a.has(s)]
    if not linear:
        return Integral(sp.expand(sp.integrate(sp.Poly(num, s).as_expr(), s) / den))
    (base, power), *others = linear
    if power == 1 and not others:  # h'/h
        c = sp.cancel(num / (den / base) / sp.diff(base, s))
        if not c.has(s):
            return Integral(sp.S.Zero, ((c, sp.expand(sp.cancel(base / base.subs(s, 0)))),))
    if others or sp.degree(base, s) != 1 or not power.is_Integer:
        return None
    q, p = sp.Poly(base, s).all_coeffs()
    if sp.expand(p) == 0:
        return None
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
    return Integral(_merged(regular, h, s), tuple(logs))


def _merged(regular: sp.Expr, h: sp.Expr, s: sp.Symbol) -> sp.Expr:
    """A sum of powers of h that vanishes at s = 0, over one denominator."""
    return sp.factor(sp.together(regular)) if regular.has(s) else regular


def _hyperbolic(f: sp.Expr, s: sp.Symbol) -> Integral | None:
    """Rational functions of exp(c s) that are c h'/h, or that `_rational` can do by y = exp(4 c s) - 1."""
    if not f.has(sp.cosh, sp.sinh):
        return None
    num, h = sp.fraction(sp.together(f))
    ratio = sp.cancel(_exponentials(num / sp.diff(h, s))) if h.has(s) else s
    if not ratio.has(s):
        return Integral(sp.S.Zero, ((ratio, h / h.subs(s, 0)),))
    rates = {sp.Abs(sp.diff(a.args[0], s)) for a in f.atoms(sp.cosh, sp.sinh)}
    if len(rates) != 1 or (rate := rates.pop()).has(s):
        return None
    y, P = sp.Symbol("_y", real=True), sp.Dummy("P", positive=True)
    own = {sp.exp(rate * s): sp.sqrt(P), sp.exp(-rate * s): 1 / sp.sqrt(P)}
    inner = sp.cancel(_exponentials(f).xreplace(own) / (2 * rate * P))
    found = _rational(sp.expand(inner.subs(P, 1 + y)), y) if inner.is_rational_function(P) else None
    if found is None:
        return None
    if found.logs:
        return None
    return Integral(_centred(found.regular.subs(y, P - 1), P, rate * s))


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


def _direct(term: sp.Expr, s: sp.Symbol) -> Integral | None:
    """One term by SymPy, where the result is elementary and regular at 0."""
    found = sp.integrate(term, s).replace(sp.Piecewise, lambda first, *_: first[0])  # parameters are generic
    if found.has(sp.Integral, sp.Piecewise):
        return None
    start = found.subs(s, 0)
    if start.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        return None
    return Integral(found - start)


def matrix_exponential(N: sp.Matrix, s: sp.Symbol) -> sp.Matrix | None:
    """exp(s N) for N diagonal, or with N^3 = delta N: nilpotent, rotations, boosts, projections; else None."""
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
