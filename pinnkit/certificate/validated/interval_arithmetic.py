"""Arrays of intervals with outward rounding: every true value lies between ``low`` and ``high``.

Sums, products and quotients are rounded outwards. Elementary functions of NumPy and SciPy are taken to be right to
2^-48 relative to their value, more than ten times what their authors state; where the machine has numbers of 64 bits of
mantissa, NumPy's exp, log and tanh of these to 2^-58, again more than ten times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

SLACK = 2.0**-48
EXTENDED_SLACK = 2.0**-58
UNIT = 2.0**-52
EXTENDED = bool(np.finfo(np.longdouble).eps < 2.0**-62)
Array = np.ndarray


def _down(v: Array) -> Array:
    return np.nextafter(v, -np.inf)


def _up(v: Array) -> Array:
    return np.nextafter(v, np.inf)


@dataclass(frozen=True, eq=False)
class Interval:
    """[low, high], elementwise, of any shape."""

    low: Array
    high: Array

    @staticmethod
    def point(value: float, n: int, relative: float = 0.0) -> Interval:
        """n times the number, widened by ``relative`` of its size."""
        pad = abs(value) * relative
        return Interval(np.full(n, value - pad), np.full(n, value + pad))

    def __getitem__(self, k: Any) -> Interval:
        return Interval(self.low[k], self.high[k])

    @property
    def size(self) -> Array:
        """The largest absolute value."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def least(self) -> Array:
        """The smallest absolute value."""
        return np.where((self.low <= 0) & (self.high >= 0), 0.0, np.minimum(np.abs(self.low), np.abs(self.high)))

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        return Interval(_down(self.low + other.low), _up(self.high + other.high))

    def __sub__(self, other: Interval) -> Interval:
        return Interval(_down(self.low - other.high), _up(self.high - other.low))

    def __mul__(self, other: Interval) -> Interval:
        low, high = _extremes(self, other, np.multiply)
        if np.isnan(low).any():  # 0 times infinity
            low, high = _extremes(self, other, _product)
        return Interval(_down(low), _up(high))

    def sum(self) -> Interval:
        """The sum along the first axis, however NumPy orders it."""
        pad = UNIT * (len(self.low) + 2) * self.size.sum(0)
        return Interval(_down(self.low.sum(0) - pad), _up(self.high.sum(0) + pad))

    def divided(self, number: float) -> Interval:
        """The interval over a positive number."""
        return Interval(_down(self.low / number), _up(self.high / number))

    def reciprocal(self) -> Interval:
        """1 / x; everything where x may be 0."""
        through = (self.low <= 0) & (self.high >= 0)
        low, high = _down(1 / self.high), _up(1 / self.low)
        return Interval(np.where(through, -np.inf, low), np.where(through, np.inf, high))

    def where(self, mask: Array, other: Interval) -> Interval:
        """This interval where the mask holds, the other elsewhere."""
        return Interval(np.where(mask, self.low, other.low), np.where(mask, self.high, other.high))

    def rising(self, f: Callable[[Array], Array]) -> Interval:
        """f(x) for an increasing function f."""
        if EXTENDED and f in _EXTENDED:
            low, high = (f(v.astype(np.longdouble)) for v in (self.low, self.high))
            low, high = low - np.abs(low) * EXTENDED_SLACK, high + np.abs(high) * EXTENDED_SLACK
            return Interval(_down(low.astype(float)), _up(high.astype(float)))
        low, high = f(self.low), f(self.high)
        return Interval(_down(low - np.abs(low) * SLACK), _up(high + np.abs(high) * SLACK))

    def exp(self) -> Interval:
        """e^x."""
        found = self.rising(np.exp)
        return Interval(np.maximum(found.low, 0.0), found.high)

    def log(self) -> Interval:
        """ln x; NaN where x may not be positive."""
        return self._positive(np.log)

    def _positive(self, f: Callable[[Array], Array]) -> Interval:
        good = self.low > 0
        safe = Interval(np.where(good, self.low, 1.0), np.where(good, self.high, 1.0)).rising(f)
        return Interval(np.where(good, safe.low, np.nan), np.where(good, safe.high, np.nan))

    def power(self, a: float) -> Interval:
        """x^a for positive x, NaN elsewhere."""
        return self._positive(lambda v: v**a) if a >= 0 else self.reciprocal()._positive(lambda v: v**-a)

    def tanh(self) -> Interval:
        """tanh x."""
        return self.rising(np.tanh)

    def erf(self) -> Interval:
        """erf x."""
        from scipy.special import erf  # slow to import

        return self.rising(erf)

    def erfc(self) -> Interval:
        """erfc x; SciPy's relative error grows with x^2, by which its exponent is rounded, and is 16 SLACK at 26."""
        from scipy.special import erfc

        found = -(self.rising(lambda v: -erfc(v)))
        below, above = (SLACK * (1 + np.minimum(np.abs(v), 30.0) ** 2 / 8) for v in (self.high, self.low))
        return Interval(np.maximum(found.low * (1 - below) - 1e-300, 0.0), found.high * (1 + above) + 1e-300)

    def sin(self) -> Interval:
        """sin x, by the slope 1 around the middle."""
        return self._wave(np.sin)

    def cos(self) -> Interval:
        """cos x, by the slope 1 around the middle."""
        return self._wave(np.cos)

    def _wave(self, f: Callable[[Array], Array]) -> Interval:
        middle = (self.low + self.high) / 2
        reach = _up(np.maximum(_up(self.high - middle), _up(middle - self.low))) + SLACK
        finite = np.isfinite(reach)
        v = f(np.where(finite, middle, 0.0))
        reach = np.where(finite, reach, 2.0)
        return Interval(np.maximum(_down(v - reach), -1.0), np.minimum(_up(v + reach), 1.0))


_EXTENDED = (np.exp, np.log, np.tanh)


def _extremes(one: Interval, other: Interval, product: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """The least and the largest product of the ends; numbers have one end."""
    c, d = other.low, other.high
    ends = [one.low] if one.high is one.low else [one.low, one.high]
    products = [product(a, e) for a in ends for e in ((c,) if d is c else (c, d))]
    return reduce(np.minimum, products), reduce(np.maximum, products)


def _product(p: Array, q: Array) -> Array:
    return np.where((p == 0) | (q == 0), 0.0, p * q)
