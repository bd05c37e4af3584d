"""The largest value of a polynomial of one variable, in rational arithmetic: its critical points are isolated."""

import math

import sympy as sp

DIGITS = 60  # to which coefficients that are no rational numbers are rounded
WIDTH = sp.Rational(1, 10**12)  # of the intervals that hold critical points, relative to where they may lie


def largest_value(p: sp.Poly) -> float:
    """An upper bound of max p(u) over all real u, p of even degree with a negative leading coefficient.

    Critical points are isolated by continued fractions (Vincent, Akritas; SymPy) in rational intervals, in which p
    is bounded by its expansion around the middle. Coefficients that are not rational are
    rounded, and what that changes where critical points may lie (Cauchy's bound) is added.

    Raises:
        ValueError: a polynomial without an upper bound.
    """
    u = p.gen
    if p.degree() < 1:
        return _up(_rational(p.eval(0)) + _doubt(p.eval(0)))
    if p.degree() % 2 or not p.LC() < 0:
        raise ValueError(f"the polynomial {p.as_expr()} has no upper bound")
    exact = sp.Poly.from_list([_rational(a) for a in p.all_coeffs()], u, domain="QQ")
    slope = exact.diff(u)
    reach = 1 + max(abs(a) for a in slope.all_coeffs()) / abs(slope.LC()) + 1  # 1 more: of rounded coefficients
    best = None
    for (low, high), _ in slope.intervals(eps=WIDTH * reach):
        middle, half = (low + high) / 2, (high - low) / 2
        around = exact.compose(sp.Poly(u + middle, u, domain="QQ"))  # p(m + s) <= p(m) + sum |c_k| h^k
        value = around.eval(0) + sum(abs(a) * half**k for (k,), a in around.terms() if k)
        best = value if best is None else max(best, value)
    return _up(best + sum(_doubt(a) * reach**k for (k,), a in p.terms()))


def _rational(a: sp.Expr) -> sp.Rational:
    return sp.Rational(a) if a.is_Rational or a.is_Float else sp.Rational(sp.N(a, DIGITS))


def _doubt(a: sp.Expr) -> sp.Rational:
    """By how much a rounded coefficient may be wrong."""
    if a.is_Rational or a.is_Float:
        return sp.S.Zero
    return (abs(_rational(a)) + 1) / sp.Integer(10) ** (DIGITS - 5)


def _up(value: sp.Rational) -> float:
    """The number, rounded up."""
    found = float(value)
    while sp.Rational(found) < value:
        found = math.nextafter(found, math.inf)
    return found
