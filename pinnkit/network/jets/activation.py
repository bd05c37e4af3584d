"""Activation functions with all their derivatives, as polynomials in a few transcendental values."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

New = Callable[[Sequence[int]], Tensor]  # makes an uninitialised tensor of a shape
Monomial = tuple[str, ...]
Expression = dict[Monomial, float]  # a polynomial in named values


@dataclass(frozen=True)
class Activation:
    """sigma = a polynomial in ``values(z)``; ``rules`` gives each value's derivative as such a polynomial.

    ``simple`` lists values that are polynomials of the others: they are formed where they are used.
    """

    name: str
    values: Callable[[Tensor, New | None], tuple[Tensor, ...]]
    names: tuple[str, ...]
    sigma: tuple[tuple[Monomial, float], ...]
    rules: tuple[tuple[str, tuple[tuple[Monomial, float], ...]], ...]
    simple: tuple[tuple[str, tuple[tuple[Monomial, float], ...]], ...] = ()

    def __call__(self, z: Tensor) -> Tensor:
        """sigma(z), elementwise."""
        return self.derivatives_at(z, 0)[0]

    def derivatives(self, order: int) -> tuple[Expression, ...]:
        """sigma, sigma', ..., sigma^(order) as polynomials in the named values."""
        return _derivatives(self, order)

    def derivatives_at(self, z: Tensor, order: int, followed: bool = False) -> list[Tensor]:
        """The tensors sigma(z), ..., sigma^(order)(z); ``followed`` by autograd and exports where that is asked for."""
        named = dict(zip(self.names, self.values(z, None if followed else z.new_empty), strict=True))
        for name, expression in self.simple:
            named[name] = _evaluate(dict(expression), named, z)
        return [_evaluate(e, named, z) for e in self.derivatives(order)]


@cache
def _derivatives(activation: Activation, order: int) -> tuple[Expression, ...]:
    rules = {name: dict(expression) for name, expression in activation.rules}
    known = [dict(activation.sigma)]
    for _ in range(order):
        derived: defaultdict[Monomial, Any] = defaultdict(int)  # exact, as long as the rules are
        for monomial, k in known[-1].items():
            for i, name in enumerate(monomial):
                rest = monomial[:i] + monomial[i + 1 :]
                for factor, c in rules[name].items():
                    derived[tuple(sorted(rest + factor))] += k * c
        known.append({m: k for m, k in derived.items() if k})
    return tuple(known)


def _evaluate(expression: Expression, named: dict[str, Tensor], like: Tensor) -> Tensor:
    total = None
    for monomial, k in expression.items():
        factors = [named[name] for name in monomial]
        if not factors:
            total = torch.full_like(like, k) if total is None else total + k
            continue
        value = factors[0] if k == 1 else factors[0] * k
        for factor in factors[1:]:
            value = value * factor
        total = value if total is None else total + value
    return torch.zeros_like(like) if total is None else total


def _tanh(z: Tensor, new: New | None) -> tuple[Tensor]:
    """tanh by one exponential: an absolute error of 1e-16 is all that a jet needs, at half the time of tanh."""
    if new is None or z.device.type != "cpu":
        return (torch.tanh(z),)
    return (torch.mul(z, 2, out=new(z.shape)).exp_().add_(1).reciprocal_().mul_(-2).add_(1),)


def _gaussian(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _normal(z: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-z / math.sqrt(2))


TANH = Activation(
    "tanh", _tanh, ("a",),
    sigma=((("a",), 1.0),),
    rules=(("a", ((("s",), 1.0),)), ("s", ((("a", "s"), -2.0),))),
    simple=(("s", (((), 1.0), (("a", "a"), -1.0))),),
)  # fmt: skip
SIN = Activation(
    "sin", lambda z, _: (torch.sin(z), torch.cos(z)), ("s", "c"),
    sigma=((("s",), 1.0),),
    rules=(("s", ((("c",), 1.0),)), ("c", ((("s",), -1.0),))),
)  # fmt: skip
_SIGMOID = (("p", ((("q",), 1.0),)), ("q", ((("q",), 1.0), (("p", "q"), -2.0))))  # q = p(1 - p)
_Q = (("q", ((("p",), 1.0), (("p", "p"), -1.0))),)
SILU = Activation(
    "silu", lambda z, _: (z, torch.sigmoid(z)), ("z", "p"),
    sigma=((("p", "z"), 1.0),), rules=(("z", (((), 1.0),)), *_SIGMOID), simple=_Q,
)  # fmt: skip
SOFTPLUS = Activation(
    "softplus", lambda z, _: (torch.logaddexp(z, torch.zeros_like(z)), torch.sigmoid(z)), ("l", "p"),
    sigma=((("l",), 1.0),), rules=(("l", ((("p",), 1.0),)), *_SIGMOID), simple=_Q,
)  # fmt: skip
GELU = Activation(
    "gelu", lambda z, _: (z, _normal(z), _gaussian(z)), ("z", "n", "g"),
    sigma=((("n", "z"), 1.0),),
    rules=(("z", (((), 1.0),)), ("n", ((("g",), 1.0),)), ("g", ((("g", "z"), -1.0),))),
)  # fmt: skip

ACTIVATIONS: dict[str, Activation] = {a.name: a for a in (TANH, SIN, SILU, SOFTPLUS, GELU)}


def activation(name: str) -> Activation:
    """The activation of that name; ValueError lists the known ones."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is not known; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
