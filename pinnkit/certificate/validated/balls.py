"""Elementary functions to twice the digits: pairs of floats with a radius, within which the true value lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import torch
from torch import Tensor

from . import pairs
from .pairs import EPS, Pair

UP = 1 + 2.0**-40
FAR = 600.0  # exponents beyond which exp is left to intervals
TERMS = 28  # of the Taylor series: 0.8^28 / 28! < 1e-32
LAST = 2 / float(math.factorial(TERMS))  # what follows them is at most this times |z|^28, for |z| < 1
PI = Fraction(int("314159265358979323846264338327950288419716939937510582097494459230781640628620899"), 10**80)
LN2 = Fraction(int("693147180559945309417232121458176568075500134360255254120680009493393621969694716"), 10**81)


@dataclass(frozen=True, eq=False)
class Ball:
    """high + low, up to ``radius``."""

    high: Tensor
    low: Tensor
    radius: Tensor

    @staticmethod
    def number(value: Fraction | int, like: Tensor) -> Ball:
        """A rational number, or one that is known to 70 digits by it."""
        high, low, radius = _rounded(Fraction(value))
        return Ball(*(torch.full_like(like, v) for v in (high, low, radius)))

    @property
    def pair(self) -> Pair:
        """Its middle."""
        return self.high, self.low

    @property
    def size(self) -> Tensor:
        """An upper bound of the absolute value."""
        return (self.high.abs() + self.radius) * UP

    def __neg__(self) -> Ball:
        return Ball(-self.high, -self.low, self.radius)

    def __add__(self, other: Ball) -> Ball:
        radius = self.radius + other.radius + EPS * (self.high.abs() + other.high.abs())
        return Ball(*pairs.add(self.pair, other.pair), radius * UP)

    def __sub__(self, other: Ball) -> Ball:
        return self + (-other)

    def __mul__(self, other: Ball) -> Ball:
        a, b = self.high.abs(), other.high.abs()
        radius = (self.radius * (b + other.radius) + a * other.radius + EPS * a * b) * UP + 1e-300
        return Ball(*pairs.multiply(self.pair, other.pair), radius)

    def times(self, k: Tensor | float) -> Ball:
        """k times the ball, k a power of two."""
        return Ball(self.high * k, self.low * k, self.radius * torch.as_tensor(k).abs())

    def widened(self, by: Tensor | float) -> Ball:
        """The same with a larger radius."""
        return Ball(self.high, self.low, (self.radius + by) * UP)

    def where(self, mask: Tensor, other: Ball) -> Ball:
        """This one where the mask holds, the other elsewhere."""
        return Ball(*(torch.where(mask, a, b) for a, b in zip(self._parts, other._parts, strict=True)))

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.high, self.low, self.radius

    def reciprocal(self) -> Ball:
        """1 / x, infinite where x may be 0.

        With t = fl(1 / h) and s = 1 - t x, 1 / x = t (1 + s + s^2 / (1 - s)), |s| <= 4 u for the middle x. That of x +
        d differs from it by at most |d| / (|x| (|x| - |d|)).
        """
        one, first = Ball.number(1, self.high), 1 / self.high
        t = Ball(first, torch.zeros_like(first), torch.zeros_like(first))
        x = Ball(self.high, self.low, torch.zeros_like(self.high))
        s = one - t * x
        found = (t * (one + s)).widened(2.0**-100 * first.abs())
        room = self.high.abs() * (1 - 2.0**-50) - self.radius
        spread = torch.where(room > 0, self.radius / (self.high.abs() * (1 - 2.0**-50) * room), torch.inf)
        return found.widened(spread)


@cache
def _rounded(value: Fraction) -> tuple[float, float, float]:
    high = float(value)
    low = float(value - Fraction(high))
    return high, low, abs(high) * 2.0**-104


def _series(z: Ball, first: int, step: int, sign: int) -> Ball:
    """sum_k sign^k z^(step k) / (first + step k)!, without its rest; for |z| < 1."""
    square = z if step == 1 else z * z
    ks = list(range(first, TERMS, step))
    out = Ball.number(0, z.high)
    for n, k in reversed(list(enumerate(ks))):
        out = out * square + Ball.number(Fraction(sign**n, math.factorial(k)), z.high)
    return out


def _reduced(z: Ball, unit: Fraction) -> tuple[Ball, Tensor]:
    """z - k unit with k the nearest integer to z / unit, and k."""
    k = torch.round(z.high / float(unit))
    zero = torch.zeros_like(k)
    return z - Ball(k, zero, zero) * Ball.number(unit, z.high), k


def exp(z: Ball) -> Ball:
    """e^z; known up to a factor where z is far from 0."""
    near = z.high.abs() + z.radius < FAR
    safe = z.where(near, Ball.number(0, z.high))
    r, k = _reduced(safe, LN2)
    out = _series(r, 0, 1, 1)
    small = r.size.clamp(max=0.5)
    out = out.widened(torch.where(r.size < 0.5, small**TERMS * LAST, torch.inf))
    power = torch.as_tensor(np.ldexp(1.0, k.numpy().astype(int)))
    tiny = torch.full_like(k, 1e-250)
    far = Ball(torch.zeros_like(k), torch.zeros_like(k), torch.where(z.high + z.radius < 0, tiny, torch.inf))
    return out.times(power).where(near, far)


def sin_cos(z: Ball) -> tuple[Ball, Ball]:
    """sin z and cos z."""
    near = z.high.abs() + z.radius < 2.0**20
    r, k = _reduced(z.where(near, Ball.number(0, z.high)), PI / 2)
    rest = torch.where(r.size < 0.9, r.size.clamp(max=0.9) ** TERMS * LAST, torch.inf)
    s = (r * _series(r, 1, 2, -1)).widened(rest)
    c = _series(r, 0, 2, -1).widened(rest)
    quarter = torch.remainder(k, 4)
    odd = torch.remainder(quarter, 2) == 1
    sine, cosine = c.where(odd, s), s.where(odd, c)
    sine = (-sine).where(quarter >= 2, sine)
    cosine = (-cosine).where((quarter == 1) | (quarter == 2), cosine)
    none = Ball(torch.zeros_like(k), torch.zeros_like(k), torch.ones_like(k))
    return sine.where(near, none), cosine.where(near, none)


def sin(z: Ball) -> Ball:
    """sin z."""
    return sin_cos(z)[0]


def cos(z: Ball) -> Ball:
    """cos z."""
    return sin_cos(z)[1]


def tanh(z: Ball) -> Ball:
    """tanh z = (1 - e) / (1 + e) with e = e^(-2 |z|), and its sign."""
    sign = torch.where(z.high < 0, -1.0, 1.0)
    one, e = Ball.number(1, z.high), exp(z.times(-2 * sign))
    return ((one - e) * (one + e).reciprocal()).times(sign)


def sigmoid(z: Ball) -> Ball:
    """1 / (1 + e^(-z))."""
    return (Ball.number(1, z.high) + exp(-z)).reciprocal()


def log(z: Ball) -> Ball:
    """ln z for z > 0: with l = fl(ln h) and y = z e^(-l) - 1, |y| << 1, it is l + y - y^2 / 2 up to |y|^3."""
    zero = torch.zeros_like(z.high)
    good = z.high > z.radius
    first = Ball(torch.log(torch.where(good, z.high, 1.0)), zero, zero)
    y = z * exp(-first) - Ball.number(1, z.high)
    out = first + y - (y * y).times(0.5)
    return out.widened(torch.where(good & (y.size < 0.1), y.size**3, torch.inf))


def softplus(z: Ball) -> Ball:
    """ln (1 + e^z) = max(z, 0) + ln (1 + e^(-|z|))."""
    above = z.high > 0
    zero, one = Ball.number(0, z.high), Ball.number(1, z.high)
    e = exp((-z).where(above, z))
    return z.where(above, zero) + log(one + e)
