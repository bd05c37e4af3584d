"""Solutions of model equations from ramps as data: heat kernels' integrals, and logarithms in a half-plane."""

import math
from collections.abc import Callable
from functools import cache

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.symbolic.torch_program import Opaque


class NumericalFunction(Opaque):
    """A function by its values, whose derivatives are functions of the same kind."""

    derivatives: tuple[Callable, ...]  # by argument: gives (factor, function) when called

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument, in closed form."""
        factor, function = type(self).derivatives[argindex - 1]()
        return factor * function(*self.args)


Derivative = Callable[[], tuple[int, type[Opaque]]]


def _known(name: str, call: Callable[..., Tensor], *derivatives: Derivative) -> type[Opaque]:
    members = {"call": staticmethod(call), "slopes": {}, "derivatives": derivatives}
    return type(name, (NumericalFunction,), members)


def ramp(n: int, x: sp.Expr) -> sp.Expr:
    """x_+^n / n!, the n-fold integral of the unit step, and its derivatives, point masses, for n < 0."""
    if n < 0:
        return sp.DiracDelta(x, -1 - n)
    return sp.Heaviside(x) if n == 0 else sp.Max(x, 0) ** n / sp.factorial(n)


@cache
def heat_ramp(n: int) -> type[Opaque]:
    """E_n(x, s) with E_s = E_xx and E_n(x, 0) = x_+^n / n!; a kernel's derivative for n < 0.

    dE_n/dx = E_(n-1). E_0 = erfc(-x / 2 sqrt s) / 2, and n E_n = x E_(n-1) + 2 s E_(n-2): the repeated integrals of the
    complementary error function (Abramowitz, Stegun 1964, 7.2). Where s <= 0 it is the ramp, for n < 0 zero.
    """

    def call(x: Tensor, s: Tensor) -> Tensor:
        late = s > 0
        s = torch.where(late, s, torch.ones_like(s))
        value = _smoothed(n, x, s)
        start = x.clamp(min=0) ** n / math.factorial(n) if n > 0 else (x > 0).to(x) if n == 0 else torch.zeros_like(x)
        return torch.where(late, value, start)

    name = f"heat_ramp_{n}" if n >= 0 else f"heat_kernel_{-1 - n}"
    return _known(name, call, lambda: (1, heat_ramp(n - 1)), lambda: (1, heat_ramp(n - 2)))


def _smoothed(n: int, x: Tensor, s: Tensor) -> Tensor:
    root = s.sqrt()
    before, value = torch.exp(-((x / root) ** 2) / 4) / (2 * math.sqrt(math.pi) * root), None
    if n >= 0:
        value = torch.special.erfc(-x / (2 * root)) / 2
        for k in range(1, n + 1):
            before, value = value, (x * value + 2 * s * before) / k
        return value
    after, value = None, before
    for k in range(-1, n, -1):  # E_(k-1) from E_k and E_(k+1)
        after, value = value, -(x * value) / (2 * s) if after is None else ((k + 1) * after - x * value) / (2 * s)
    return value


def corner(n: int, imaginary: bool = True) -> type[Opaque]:
    """The imaginary or real part of the n-fold integral of log z, z = p + i q with q >= 0, as a function of (p, q).

    L_n = z^n (log z - 1 - 1/2 - ... - 1/n) / n!, and L_(n-1) is its derivative. Im L_n is harmonic, 0 for q = 0, p > 0
    and pi p^n / n! for q = 0, p < 0: a jump (n = 0) or kink of the data on the side of a half-plane. At z = 0 it is 0.
    """
    return _corner(n, imaginary)


@cache
def _corner(n: int, imaginary: bool) -> type[Opaque]:
    def call(p: Tensor, q: Tensor) -> Tensor:
        q = torch.where(q > 0, q, torch.zeros_like(q))
        r = torch.hypot(p, q)
        away, angle = r > 0, torch.atan2(q, p)
        r = torch.where(away, r, torch.ones_like(r))
        c, s = torch.cos(n * angle), torch.sin(n * angle)
        if n < 0:
            size = (-1) ** (1 - n) * math.factorial(-1 - n) * r**n
            value = size * (s if imaginary else c)
        else:
            size, log = r**n / math.factorial(n), torch.log(r) - sum(1 / k for k in range(1, n + 1))
            value = size * (s * log + angle * c if imaginary else c * log - angle * s)
        return torch.where(away, value, torch.zeros_like(value))

    turned = (1, lambda: corner(n - 1, False)) if imaginary else (-1, lambda: corner(n - 1, True))
    name = f"{'im' if imaginary else 're'}_log_{n}" if n >= 0 else f"{'im' if imaginary else 're'}_power_{-n}"
    return _known(name, call, lambda: (1, corner(n - 1, imaginary)), lambda: (turned[0], turned[1]()))
