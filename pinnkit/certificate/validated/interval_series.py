"""Taylor series with interval coefficients: an expression's derivatives, enclosed, on many cells at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import sympy as sp

from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.tools.deadline import turn

from .interval_arithmetic import UNIT, Interval

# Every number of an expression stands for an interval of this relative half-width, in which the exact one lies: the
# root of the dispersion relation that a rate is, the rational coefficient of a polynomial solution. Near a double root,
# where a rate is not known so well, it is the wave number's interval that holds the one which belongs to the rate.
WIDTH = 2.0**-48
Series = Interval  # of shape (p + 1, n): coefficients of h^0 ... h^p, or (1, n) for a constant


def enclosed_series(
    e: sp.Expr, values: Mapping[sp.Symbol, Series], known: dict[sp.Expr, Series] | None = None
) -> Series:
    """The Taylor coefficients of an expression, given those of its symbols; ``known`` keeps those of its parts.

    Where a coefficient is not known, as of |x| around 0, it is NaN; the first one, the value, always is.

    Raises:
        ValueError: a function that has no enclosure.
    """
    known = {} if known is None else known
    if e in values:
        return values[e]
    if e not in known:
        turn()
        known[e] = _make(e, next(iter(values.values())).low.shape[1], lambda a: enclosed_series(a, values, known))
    return known[e]


def _make(e: sp.Expr, n: int, visit: Callable[[sp.Expr], Series]) -> Series:
    if (number := _number(e)) is not None:
        return Interval.point(number[0], n, number[1])[None]
    if isinstance(e, sp.Abs):
        a = visit(e.args[0])
        return _extreme(a, -a, True)
    if isinstance(e, sp.Add):
        return total([visit(a) for a in e.args])
    if isinstance(e, sp.Mul):
        out = visit(e.args[0])
        for a in e.args[1:]:
            out = multiply(out, visit(a))
        return out
    if isinstance(e, sp.Pow) and e.exp.is_Rational and sp.Rational(float(e.exp)) == e.exp:
        return _power(visit(e.base), e.exp)
    if isinstance(e, sp.Pow):
        return _exp(multiply(visit(e.exp), _log(visit(e.base))))
    if e.func in _FUNCTIONS:
        return _FUNCTIONS[e.func](visit(e.args[0]))
    if isinstance(e, (sp.Max, sp.Min)) and len(e.args) == 2:
        first, second = (visit(arg) for arg in e.args)
        return _extreme(first, second, isinstance(e, sp.Max))
    raise ValueError(f"{e.func.__name__} has no enclosure by intervals: use elementary functions")


@lru_cache(maxsize=4096, typed=True)  # SymPy takes long, and the same expression is enclosed on cells again and again
def _number(e: sp.Expr) -> tuple[float, float] | None:
    """The value of a constant and its relative half-width."""
    if e.is_Float or e.is_Rational or e is sp.pi:
        exactly = e.is_Integer and abs(int(e)) < 2**53
        return float(e), 0.0 if exactly else WIDTH
    if e.is_number and e.is_real and not e.has(sp.Heaviside, sp.DiracDelta, Opaque):
        return float(sp.N(e, 25)), WIDTH
    return None


def total(parts: list[Series]) -> Series:
    """The sum of series."""
    out = parts[0]
    for part in parts[1:]:
        if len(out.low) < len(part.low):
            out, part = part, out
        k = len(part.low)
        head = out[:k] + part
        out = head if k == len(out.low) else _joined(head, out[k:])
    return out


def _joined(*parts: Interval) -> Interval:
    return Interval(np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts]))


def multiply(a: Series, b: Series) -> Series:
    """The product of two series."""
    p, q = len(a.low), len(b.low)
    if p == 1 or q == 1:
        return a * b
    pairs = Interval(a.low[:, None], a.high[:, None]) * Interval(b.low[None], b.high[None])  # (p, p, n)
    terms = np.stack([pairs.low, pairs.high, pairs.size])
    sums = np.zeros((3, *a.low.shape))
    for j in range(p):
        sums[:, j:] += terms[:, j, : p - j]
    low, high, bound = sums
    pad = UNIT * (p + 2) * bound
    return Interval(np.nextafter(low - pad, -np.inf), np.nextafter(high + pad, np.inf))


def _dot(weighted: Series, w: Series, k: int) -> Interval:
    """sum_{j=1}^k weighted_j w_{k-j}."""
    return (weighted[1 : k + 1] * w[k - 1 :: -1]).sum()


def _weighted(u: Series, factors: np.ndarray) -> Series:
    """u_j times numbers."""
    column = factors[:, None]
    return u * Interval(column, column)


def _started(first: Interval, order: int) -> Series:
    """Room for a series, of which the first coefficient is known."""
    low, high = np.zeros((2, order, len(first.low)))
    low[0], high[0] = first.low, first.high
    return Interval(low, high)


def _put(w: Series, k: int, found: Interval) -> None:
    w.low[k], w.high[k] = found.low, found.high


def _derived(u: Series, first: Interval, slope: Callable[[Series], Series]) -> Series:
    """w with w' = s u', where the coefficients of s below k follow from those of w below k."""
    order = len(u.low)
    w, du = _started(first, order), _weighted(u, np.arange(order, dtype=float))
    for k in range(1, order):
        _put(w, k, _dot(du, slope(w[:k]), k).divided(k))
    return w


def _exp(u: Series) -> Series:
    return _derived(u, u[0].exp(), lambda w: w)


def _sin_cos(u: Series) -> tuple[Series, Series]:
    order = len(u.low)
    s, c = _started(u[0].sin(), order), _started(u[0].cos(), order)
    du = _weighted(u, np.arange(order, dtype=float))
    for k in range(1, order):
        _put(s, k, _dot(du, c, k).divided(k))
        _put(c, k, -_dot(du, s, k).divided(k))
    return s, c


def _tanh(u: Series) -> Series:
    one = Interval.point(1.0, u.low.shape[1])

    def slope(w: Series) -> Series:
        square = multiply(w, w)
        return _joined((one - square[0])[None], -square[1:])

    return _derived(u, u[0].tanh(), slope)


def _gauss(u: Series, first: Interval, sign: float) -> Series:
    bell = multiply(_exp(-multiply(u, u)), Interval.point(sign * 2 / np.sqrt(np.pi), u.low.shape[1], WIDTH)[None])
    return _derived(u, first, lambda w: bell)


def _log(u: Series) -> Series:
    inverse = _inverse(u)
    return _derived(u, u[0].log(), lambda w: inverse)


def _inverse(u: Series) -> Series:
    first = u[0].reciprocal()
    w = _started(first, len(u.low))
    for k in range(1, len(u.low)):
        _put(w, k, -(_dot(u, w, k) * first))
    return w


def _power(u: Series, exponent: sp.Rational) -> Series:
    """u to a power that is a binary fraction."""
    if exponent.is_Integer:
        n = int(exponent)
        if n < 0:
            return _power(_inverse(u), sp.Integer(-n))
        out, times, base = None, n, u
        while times:
            if times & 1:
                out = base if out is None else multiply(out, base)
            times >>= 1
            base = multiply(base, base) if times else base
        assert out is not None  # SymPy has made 1 of a power of 0
        if n % 2 == 0:  # an even power is not negative
            value = Interval(np.maximum(out.low[:1], 0.0), out.high[:1])
            out = _joined(value, out[1:])
        return out
    a = float(exponent)
    w, inverse, j = _started(u[0].power(a), len(u.low)), u[0].reciprocal(), np.arange(len(u.low))
    for k in range(1, len(u.low)):
        _put(w, k, (_dot(_weighted(u, a * j - (k - j)), w, k) * inverse).divided(k))
    return w


def _full(u: Series, order: int) -> Series:
    zeros = np.zeros((order - len(u.low), u.low.shape[1]))
    return _joined(u, Interval(zeros, zeros)) if len(zeros) else u


def _extreme(a: Series, b: Series, largest: bool) -> Series:
    order = max(len(a.low), len(b.low))
    a, b = _full(a, order), _full(b, order)
    gap = a[0] - b[0] if largest else b[0] - a[0]
    first, second = gap.low >= 0, gap.high <= 0
    f = np.maximum if largest else np.minimum
    value = Interval(f(a[0].low, b[0].low), f(a[0].high, b[0].high))
    rest, unknown = a[1:].where(first, b[1:]), np.where(first | second, 0.0, np.nan)
    return _joined(value[None], Interval(rest.low + unknown, rest.high + unknown))


def _heaviside(u: Series) -> Series:
    first, second = u[0].low > 0, u[0].high < 0
    value = Interval(np.where(first, 1.0, 0.0), np.where(second, 0.0, 1.0))
    unknown = np.broadcast_to(np.where(first | second, 0.0, np.nan), (len(u.low) - 1, len(first)))
    return _joined(value[None], Interval(unknown, unknown))


def _nothing(u: Series) -> Series:
    """A derivative of a jump: 0 almost everywhere, and our jumps start in corners, outside the open interval."""
    return Interval.point(0.0, u.low.shape[1])[None]


def _half(a: Series, b: Series) -> Series:
    return total([a, b]).divided(2.0)


_FUNCTIONS: dict[type, Callable[[Series], Series]] = {
    sp.exp: _exp,
    sp.sin: lambda u: _sin_cos(u)[0],
    sp.cos: lambda u: _sin_cos(u)[1],
    sp.tanh: _tanh,
    sp.erf: lambda u: _gauss(u, u[0].erf(), 1.0),
    sp.erfc: lambda u: _gauss(u, u[0].erfc(), -1.0),
    sp.log: _log,
    sp.Heaviside: _heaviside,
    sp.DiracDelta: _nothing,
    sp.sinh: lambda u: _half(_exp(u), -_exp(-u)),
    sp.cosh: lambda u: _half(_exp(u), _exp(-u)),
}
