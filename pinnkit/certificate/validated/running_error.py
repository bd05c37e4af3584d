"""Running error analysis: by how much an expression evaluated in floating point differs from what it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from .interval_arithmetic import Interval

FUNCTION = 16  # units of the precision by which elementary functions may be wrong, as in `interval`
Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Rounded:
    """Numbers on many cells: ``value`` holds the exact ones, ``error`` and ``relative`` bound what is wrong.

    At every point of a cell what is computed differs from the exact number by at most ``error``, and by at most
    ``relative`` of its size there; infinite or NaN where nothing is known. A rounding is at most ``eps``.
    """

    value: Interval
    error: Array
    relative: Array
    eps: float

    @staticmethod
    def exact(low: Array, high: Array, eps: float, relative: float = 0.0) -> Rounded:
        """What is given exactly, or with a relative error."""
        value = Interval(low, high)
        return Rounded(value, relative * value.size, np.full_like(low, relative), eps)

    @staticmethod
    def of(value: Interval, error: Array, relative: Array, eps: float) -> Rounded:
        """Either bound improved by the other."""
        size, least = value.size, value.least
        error = _within(size, np.fmin(error, relative * size) * (1 + 1e-12), eps)  # fmin passes over NaN
        relative = np.fmin(relative, np.where(least > 0, error / np.where(least > 0, least, 1.0), np.inf))
        return Rounded(value, error, relative * (1 + 1e-12), eps)

    @property
    def top(self) -> Array:
        """The largest size of what is computed."""
        return self.value.size + self.error


def rounded(e: sp.Expr, values: Mapping[sp.Symbol, Rounded], known: dict[sp.Expr, Rounded] | None = None) -> Rounded:
    """An expression of numbers that may be wrong, whatever the order of its sums and products; ``known`` keeps parts.

    The standard model: a sum, product or quotient has a relative error of at most ``eps``, an elementary function of
    16 ``eps`` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 2.2 and 3.3). Where a sum, a product or
    a part of one may overflow nothing is known; underflow counts in exp and erfc, in sums and products it is left out.

    Raises:
        ValueError: a function for which there is no rule.
    """
    known = {} if known is None else known
    if e in values:
        return values[e]
    if e not in known:
        like = next(iter(values.values()))
        known[e] = _make(e, like, lambda a: rounded(a, values, known))
    return known[e]


def _make(e: sp.Expr, like: Rounded, visit: Callable[[sp.Expr], Rounded]) -> Rounded:
    if not e.free_symbols:
        value = np.full_like(like.error, float(e))
        wrong = 0.0 if e.is_Integer and abs(int(e)) < 2**24 else 4 * like.eps
        pad = np.abs(value) * wrong
        return Rounded.exact(value - pad, value + pad, like.eps, wrong)
    if isinstance(e, sp.Add):
        return total([visit(a) for a in e.args])
    if isinstance(e, sp.Mul):
        return product([visit(a) for a in e.args])
    if isinstance(e, sp.Pow):
        base, exponent = e.args
        if exponent.free_symbols or (exponent.is_number and sp.Rational(float(exponent)) != exponent):
            return _exp(product([visit(exponent), _log(visit(base))]))
        return _power(visit(base), exponent)
    if e.func in _FUNCTIONS:
        return _FUNCTIONS[e.func](visit(e.args[0]))
    raise ValueError(f"there is no rule for what rounding does to {e.func.__name__}")


def _precision(eps: float) -> np.finfo:
    return np.finfo(np.float32 if eps > 1e-15 else np.float64)


def _within(size: Array, error: Array, eps: float) -> Array:
    """The error where numbers of that size do not overflow, elsewhere infinite."""
    return np.where(size + error <= float(_precision(eps).max), error, np.inf)


def total(parts: list[Rounded]) -> Rounded:
    """The sum."""
    eps, n = parts[0].eps, len(parts)
    value, error, size = parts[0].value, parts[0].error, parts[0].top
    for p in parts[1:]:
        value, error, size = value + p.value, error + p.error, size + p.top
    same = np.all([p.value.low >= 0 for p in parts], 0) | np.all([p.value.high <= 0 for p in parts], 0)
    relative = np.where(same, _grown(np.max([p.relative for p in parts], 0), (n + 1) * eps), np.inf)
    if n == 2 and not any(p.error.any() for p in parts):
        relative = np.full_like(error, eps)  # two numbers that are exact: one rounding, of the sum itself
    relative = _within(size, relative, eps)
    return Rounded.of(value, _within(size, error + (n + 1) * eps * size, eps), relative, eps)


def _grown(a: Array, b: Array | float) -> Array:
    """(1 + a) (1 + b) - 1."""
    return a + b + a * b


def product(factors: list[Rounded]) -> Rounded:
    """The product."""
    first, *others = factors
    value, error, relative, eps = first.value, first.error, first.relative, first.eps
    for f in others:
        with np.errstate(invalid="ignore"):  # 0 times infinity
            error = np.nan_to_num(error * f.top, nan=np.inf) + np.nan_to_num(value.size * f.error, nan=np.inf)
        value, relative = value * f.value, _grown(relative, f.relative)
    n, most = len(factors) + 1, np.prod([np.maximum(f.top, 1.0) for f in factors], 0)  # of the factors in any order
    error, relative = (_within(most, v, eps) for v in (error + n * eps * (value.size + error), relative))
    return Rounded.of(value, error, _grown(relative, n * eps), eps)


def _power(a: Rounded, exponent: sp.Expr) -> Rounded:
    p = float(exponent)
    if exponent.is_Integer:
        value = _integer(a.value if p > 0 else a.value.reciprocal(), abs(int(p)))
    else:
        value = a.value.power(p)
    wrong = (abs(p) + 2 if exponent.is_Integer and abs(p) <= 4 else FUNCTION) * a.eps
    safe = np.minimum(a.relative, 0.5)
    relative = np.where(a.relative < 0.5, _grown(np.expm1(-abs(p) * np.log1p(-safe)), wrong), np.inf)
    error = np.full_like(a.error, np.inf)
    if exponent.is_Integer and p > 0:
        error = p * a.top ** (p - 1) * a.error + wrong * a.top**p
    return Rounded.of(value, error, relative, a.eps)


def _integer(a: Interval, n: int) -> Interval:
    out = a
    for _ in range(n - 1):
        out = out * a
    return out if n % 2 else Interval(np.maximum(out.low, 0.0), out.high)


def _exp(a: Rounded) -> Rounded:
    """Its error is that of a times e^a, and |a| e^a is bounded where a < 0."""
    value, low, high = a.value.exp(), a.value.low, a.value.high
    wrong = FUNCTION * a.eps
    steep = np.maximum(np.abs(low) * np.exp(low), np.abs(high) * np.exp(high))
    steep = np.where((low < -1) & (high > -1), np.maximum(steep, math.exp(-1)), steep)
    most = a.relative * a.value.size
    small = np.where(most <= 1, a.relative * steep * np.exp(np.minimum(most, 1.0)), np.inf)
    error = np.fmin(value.size * np.expm1(a.error), small)
    relative = _above(low, np.expm1(a.error), a.eps)
    return Rounded.of(value, error + wrong * (value.size + error) + _tiny(a.eps), _grown(relative, wrong), a.eps)


def _tiny(eps: float) -> float:
    """What underflow changes at most."""
    return float(_precision(eps).tiny)


def _above(low: Array, relative: Array, eps: float) -> Array:
    """The relative error of an exponential of numbers from ``low`` on, infinite where it may underflow."""
    return np.where(low > math.log(_tiny(eps)) + 1, relative, np.inf)


def _lipschitz(
    f: Callable[[Interval], Interval], slope: float, along: float = math.inf, homogeneous: bool = False
) -> Callable[[Rounded], Rounded]:
    """f with |f'| <= slope and |a f'(b)| <= along for b near a; ``homogeneous`` where |a f'(a)| <= |f(a)| as well."""

    def rule(a: Rounded) -> Rounded:
        value, wrong = f(a.value), FUNCTION * a.eps
        with np.errstate(invalid="ignore"):
            error = np.fmin(slope * a.error, np.where(a.relative < 0.01, along * a.relative, np.inf))
        relative = (
            np.where(a.relative < 0.01, 1.02 * a.relative, np.inf) if homogeneous else np.full_like(error, np.inf)
        )
        return Rounded.of(value, error + wrong * (value.size + error), _grown(relative, wrong), a.eps)

    return rule


def _erfc(a: Rounded) -> Rounded:
    value, least = a.value.erfc(), np.maximum(a.value.low - a.error, 0.0)
    slope = 2 / math.sqrt(math.pi) * np.exp(-(np.minimum(least, 30.0) ** 2))
    along = np.where(a.relative < 0.01, 0.5 * a.relative, np.inf)  # 2 / sqrt(pi) a e^(-a^2) <= 0.485
    error = np.fmin(slope * a.error, along)
    wrong = FUNCTION * a.eps * (1 + np.minimum(np.maximum(a.value.high, 0.0), 30.0) ** 2 / 8)
    error += wrong * (value.size + error) + _tiny(a.eps)
    return Rounded.of(value, error, np.full_like(error, np.inf), a.eps)


def _log(a: Rounded) -> Rounded:
    value = a.value.log()
    error = np.where(a.relative < 0.5, -np.log1p(-np.minimum(a.relative, 0.5)), np.inf)
    wrong = FUNCTION * a.eps
    return Rounded.of(value, error + wrong * (value.size + error), np.full_like(error, np.inf), a.eps)


def _hyperbolic(f: Callable[[Interval], Interval]) -> Callable[[Rounded], Rounded]:
    def rule(a: Rounded) -> Rounded:
        error = np.cosh(a.top) * a.error
        wrong = FUNCTION * a.eps
        value = f(a.value)
        return Rounded.of(value, error + wrong * (value.size + error), np.full_like(error, np.inf), a.eps)

    return rule


def _cosh(v: Interval) -> Interval:
    return (v.exp() + (-v).exp()).divided(2.0)


def _sinh(v: Interval) -> Interval:
    return (v.exp() - (-v).exp()).divided(2.0)


_FUNCTIONS: dict[type, Callable[[Rounded], Rounded]] = {
    sp.exp: _exp, sp.log: _log, sp.erfc: _erfc, sp.sinh: _hyperbolic(_sinh), sp.cosh: _hyperbolic(_cosh),
    sp.sin: _lipschitz(Interval.sin, 1.0), sp.cos: _lipschitz(Interval.cos, 1.0),
    sp.tanh: _lipschitz(Interval.tanh, 1.0, 0.46, True),
    sp.erf: _lipschitz(Interval.erf, 2 / math.sqrt(math.pi), 0.5, True),
    sp.atan: _lipschitz(lambda v: v.rising(np.arctan), 1.0, 0.51, True),
}  # fmt: skip
