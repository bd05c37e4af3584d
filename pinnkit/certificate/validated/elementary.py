"""Analytic functions of Taylor models: their series by the differential equations that they satisfy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor

from pinnkit.network.jets.activation import Activation

from . import balls, pairs
from .balls import Ball
from .interval_arithmetic import UNIT, Interval
from .pairs import Pair
from .taylor_model import NOTHING, TINY, UP, TaylorModel, along, column

TURNS = 8  # of the iteration for tails
ABSOLUTE = 2.0**-52  # slack where values near 0 are not right to a relative 2^-48: cephes rounds the x^2 of e^(-x^2)

Polynomial = tuple[tuple[tuple[str, ...], float], ...]  # ((names of factors), coefficient), ...


@dataclass(frozen=True)
class OdeSystem:
    """Functions y_i of one variable z with y_i' = p_i(y, z): ``start`` encloses them at numbers, ``rules`` holds p_i.

    ``simple`` are polynomials of the others that rules use by name, ``result`` the one that is wanted. ``closer`` has
    those that are known to twice the digits.
    """

    start: Callable[[Interval], Mapping[str, Interval]]
    rules: tuple[tuple[str, Polynomial], ...]
    result: Polynomial
    simple: tuple[tuple[str, Polynomial], ...] = ()
    closer: tuple[tuple[str, Callable[[Ball], Ball]], ...] = ()


def compose(system: OdeSystem, z: TaylorModel, more: tuple[Polynomial, ...] = ()) -> list[TaylorModel]:
    """The result of a system at z, and more polynomials of its functions.

    With D = s . grad a function y of z has D y = p(y, z) D z, so that its terms of degree k follow from those of lower
    degree: k y_k = sum_j j z_j p_{k-j}. The same recurrence bounds the terms beyond the degree n: their norm E meets
    E <= F(E) term by term, F increasing, so that by induction over the degree any E with F(E) <= E is a bound, and the
    series converge for |s_i| <= radius. Where none is found the tail is infinite: the cell is too large.
    """
    return _Composition(system, z, (system.result, *more)).models()


@dataclass(eq=False)
class _Series:
    """A series as it grows, degree by degree."""

    c: Tensor
    low: Tensor
    phi: Tensor
    wrong: Tensor
    weighted: Tensor = field(init=False)  # once it is grown
    total: Tensor = field(init=False)

    def block(self, block: slice) -> Pair:
        """The terms of one degree."""
        return self.c[block], self.low[block] if self.low.ndim else self.low


@dataclass(frozen=True)
class _Plan:
    """What follows from what: functions by their slopes, products, sums ((factor, name), ... and a constant)."""

    slopes: dict[str, str] = field(default_factory=dict)
    products: dict[str, tuple[str, str]] = field(default_factory=dict)
    sums: dict[str, tuple[tuple[tuple[float, str], ...], float]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


@cache
def _plan(system: OdeSystem, results: tuple[Polynomial, ...]) -> _Plan:
    plan, simple = _Plan(), dict(system.simple)
    own = {name for name, _ in system.rules} - {"z"} - set(simple)

    def factor(name: str) -> str:
        if name in simple and name not in plan.sums:
            total(simple[name], name)
        return name

    def product(names: tuple[str, ...]) -> str:
        if len(names) == 1:
            return factor(names[0])
        key = "*".join(names)
        if key not in plan.products:
            plan.products[key] = (product(names[:-1]), factor(names[-1]))
            plan.order.append(key)
        return key

    def total(p: Polynomial, name: str | None = None) -> str:
        if name is None and len(p) == 1 and p[0][1] == 1 and p[0][0]:
            return product(p[0][0])
        key = name or f"sum {p}"
        if key not in plan.sums:
            parts = tuple((k, product(m)) for m, k in p if m)
            plan.sums[key] = (parts, sum(k for m, k in p if not m))
            plan.order.append(key)
        return key

    for name, p in system.rules:
        if name in own:
            plan.slopes[name] = total(p)
    plan.results.extend(total(p) for p in results)
    return plan


class _Composition:
    def __init__(self, system: OdeSystem, z: TaylorModel, results: tuple[Polynomial, ...]) -> None:
        self.plan, self.z, self.space = _plan(system, results), z, z.space
        self.series = {"z": _Series(z.c, z.low, z.phi, z.wrong)}
        for name in (*self.plan.slopes, *self.plan.order):
            low = torch.zeros_like(z.low)
            self.series[name] = _Series(torch.zeros_like(z.c), low, torch.zeros_like(z.phi), torch.zeros_like(z.phi))
        degrees = torch.arange(self.space.degree + 1, dtype=torch.float64)
        by = column(self.space.degrees, z.c)
        moving = pairs.multiply(z.pair, (by, torch.zeros_like(by))) if self.space.paired else (z.c * by, NOTHING)
        self.moving = _Series(*moving, z.phi, z.wrong)  # j z_j
        k = column(degrees, z.phi)
        self.exact, self.wrong, self.size = k * z.bound * UP, k * z.wrong * UP, k * z.phi * UP
        self._start(system)
        for j in range(self.space.degree + 1):
            for name in self.plan.slopes if j else ():
                self._slope(name, j)
            for name in self.plan.order:
                (self._product if name in self.plan.products else self._sum)(name, j)

    def _start(self, system: OdeSystem) -> None:
        z = self.z
        reach = z.wrong[0] + z.low[0].abs() if self.space.paired else z.wrong[0]
        low, high = (np.nextafter((z.c[0] + sign * reach * UP).numpy(), sign * np.inf) for sign in (-1, 1))
        closer = dict(system.closer) if self.space.paired else {}
        with np.errstate(all="ignore"):
            started = system.start(Interval(low, high)) if set(self.plan.slopes) - set(closer) else {}
        for name in self.plan.slopes:
            series = self.series[name]
            if name in closer:
                b = closer[name](Ball(z.c[0], z.low[0], z.wrong[0]))
                series.c[0], series.low[0], series.wrong[0] = b.high, b.low, b.radius * UP + TINY
            else:
                v = started[name]
                middle = (v.low + v.high) / 2
                series.c[0] = torch.as_tensor(middle)
                series.wrong[0] = torch.as_tensor(np.maximum(v.high - middle, middle - v.low) * UP + TINY)
            series.phi[0] = series.c[0].abs()

    def _settle(self, name: str, k: int, wrong: Tensor) -> None:
        s = self.series[name]
        s.phi[k] = s.c[self.space.blocks[k]].abs().sum(0) * UP
        s.wrong[k] = wrong * UP + TINY

    def _slope(self, name: str, k: int) -> None:
        """y_k by k y_k = sum_j j z_j p_{k-j}."""
        blocks, p = self.space.blocks, self.series[self.plan.slopes[name]]
        out = self.series[name].block(blocks[k])
        for j in range(1, k + 1):
            self.space.convolve(out, self.moving.block(blocks[j]), p.block(blocks[k - j]), j, k - j)
        if self.space.paired:
            pairs.normalise(out)
            _put(out, pairs.divide(out, float(k)))
        else:
            out[0].div_(k)
        back = slice(1, k + 1)
        moved = self.wrong[back] + self.space.rounding[k] * self.size[back]
        wrong = (self.exact[back] * p.wrong[:k].flip(0) + moved * p.phi[:k].flip(0)).sum(0) / k
        self._settle(name, k, wrong)

    def _product(self, name: str, k: int) -> None:
        blocks, (first, second) = self.space.blocks, self.plan.products[name]
        a, b = self.series[first], self.series[second]
        out = self.series[name].block(blocks[k])
        if a is b:
            for i in range((k + 1) // 2):
                self.space.convolve(out, a.block(blocks[i]), a.block(blocks[k - i]), i, k - i)
            for half in out:
                half.mul_(2)
            if k % 2 == 0:
                self.space.convolve(out, a.block(blocks[k // 2]), a.block(blocks[k // 2]), k // 2, k // 2)
        else:
            for i in range(k + 1):
                self.space.convolve(out, a.block(blocks[i]), b.block(blocks[k - i]), i, k - i)
        if self.space.paired:
            pairs.normalise(out)
        to = slice(0, k + 1)
        wrong = (a.phi[to] + a.wrong[to]) * b.wrong[to].flip(0)
        wrong = wrong + (a.wrong[to] + self.space.rounding[k] * a.phi[to]) * b.phi[to].flip(0)
        self._settle(name, k, wrong.sum(0))

    def _sum(self, name: str, k: int) -> None:
        parts, constant = self.plan.sums[name]
        block, wrong = self.space.blocks[k], torch.zeros_like(self.z.tail)
        out, rounding = self.series[name].block(block), (2 * len(parts) + 2) * self.space.unit
        if k == 0:
            out[0].add_(constant)
            wrong += rounding * abs(constant)
        for factor, part in parts:
            p = self.series[part]
            if self.space.paired:
                _put(out, pairs.add(out, pairs.multiply(p.block(block), (factor, 0.0))))
            else:
                out[0].add_(p.c[block], alpha=factor)
            wrong += abs(factor) * (p.wrong[k] + rounding * p.phi[k])
        self._settle(name, k, wrong)

    def _tails(self) -> dict[str, Tensor]:
        """Bounds of the norms beyond the degree."""
        space = self.space
        for s in self.series.values():
            s.weighted = space.weighted((s.phi + s.wrong) * UP)
            s.total = s.weighted.sum(0) * UP
        Z, n = self.series["z"].weighted, space.degree
        ratio = torch.tensor([j / (j + n + 1) for j in range(n + 1)], dtype=torch.float64)
        gain = (Z * column(ratio, Z)).sum(0) * UP + self.z.tail
        high = {}
        for name, (a, b) in self.plan.products.items():
            p, q = self.series[a], self.series[b]
            high[name] = (p.weighted * along(space.above, q.weighted)).sum(0) * UP
        for name, slope in self.plan.slopes.items():
            p = self.series[slope]
            high[name] = ((Z * along(space.shares, p.weighted)).sum(0) + self.z.tail * p.total) * UP

        def follow(E: dict[str, Tensor]) -> dict[str, Tensor]:
            """Tails of products and sums, given those of the functions."""
            E = {"z": self.z.tail} | E
            for name in self.plan.order:
                if name in self.plan.products:
                    a, b = self.plan.products[name]
                    p, q = self.series[a].total, self.series[b].total
                    E[name] = (high[name] + p * E[b] + q * E[a] + E[a] * E[b]) * UP + TINY
                else:
                    parts, _ = self.plan.sums[name]
                    E[name] = sum((abs(k) * E[p] for k, p in parts), torch.zeros_like(self.z.tail)) * UP + TINY
            return E

        def step(E: dict[str, Tensor]) -> dict[str, Tensor]:
            E = follow(E)
            return {name: (high[name] + gain * E[p]) * UP + TINY for name, p in self.plan.slopes.items()}

        E = {name: torch.zeros_like(self.z.tail) for name in self.plan.slopes}
        for _ in range(TURNS):
            E = step(E)
        E = {name: 1.01 * v for name, v in E.items()}
        after, good = step(E), torch.ones_like(self.z.tail, dtype=torch.bool)
        for name in E:
            good &= after[name] <= E[name]
        nothing = torch.full_like(self.z.tail, torch.inf)
        return follow({name: torch.where(good, v, nothing) for name, v in E.items()})

    def models(self) -> list[TaylorModel]:
        """The wanted functions."""
        tails = self._tails()
        found = [self.series[name] for name in self.plan.results]
        return [TaylorModel(self.space, s.c, s.wrong, tails[name], s.low)
                for s, name in zip(found, self.plan.results, strict=True)]  # fmt: skip


def _put(total: Pair, value: Pair) -> None:
    for a, b in zip(total, value, strict=True):
        a.copy_(b)


def _constant(v: float, like: Interval) -> Interval:
    """A positive number that a few roundings led to."""
    return Interval(np.full_like(like.low, v * (1 - 4 * UNIT)), np.full_like(like.low, v * (1 + 4 * UNIT)))


def _padded(v: Interval) -> Interval:
    return Interval(np.nextafter(v.low - ABSOLUTE, -np.inf), np.nextafter(v.high + ABSOLUTE, np.inf))


def _bell(z: Interval, scale: float) -> Interval:
    """scale e^(-z^2)."""
    square = z * z
    return (-Interval(np.maximum(square.low, 0.0), square.high)).exp() * _constant(scale, z)


def _sigmoid(z: Interval) -> Interval:
    from scipy.special import expit  # slow to import

    return z.rising(expit)


def _normal(z: Interval) -> Interval:
    from scipy.special import ndtr

    return _padded(z.rising(ndtr))


def _scaled_bell(z: Interval) -> Interval:
    half = z.divided(math.sqrt(2) * (1 + 2 * UNIT)), z.divided(math.sqrt(2) * (1 - 2 * UNIT))
    near = Interval(np.minimum(half[0].low, half[1].low), np.maximum(half[0].high, half[1].high))
    return _bell(near, 1 / math.sqrt(2 * math.pi))


_AT: dict[str, Callable[[Interval], Interval]] = {  # the named values of activations
    "tanh a": Interval.tanh,
    "sin s": Interval.sin,
    "sin c": Interval.cos,
    "silu p": _sigmoid,
    "softplus l": lambda z: z.rising(lambda v: np.logaddexp(0.0, v)),
    "softplus p": _sigmoid,
    "gelu n": _normal,
    "gelu g": _scaled_bell,
}


_CLOSER: dict[str, Callable[[Ball], Ball]] = {
    "tanh a": balls.tanh, "sin s": balls.sin, "sin c": balls.cos, "silu p": balls.sigmoid,
    "softplus l": balls.softplus, "softplus p": balls.sigmoid,
}  # fmt: skip


@cache
def of_activation(sigma: Activation) -> tuple[OdeSystem, Polynomial]:
    """The system of an activation, and its slope sigma' in the same functions.

    Raises:
        ValueError: an activation whose values have no enclosure.
    """
    names = [n for n in sigma.names if n != "z"]
    missing = [n for n in names if f"{sigma.name} {n}" not in _AT]
    if missing:
        raise ValueError(f"the activation {sigma.name!r} has no enclosure: use samples")

    def start(z: Interval) -> dict[str, Interval]:
        return {n: _AT[f"{sigma.name} {n}"](z) for n in names}

    slope = tuple(sigma.derivatives(1)[1].items())
    closer = tuple((n, _CLOSER[f"{sigma.name} {n}"]) for n in names if f"{sigma.name} {n}" in _CLOSER)
    return OdeSystem(start, sigma.rules, sigma.sigma, sigma.simple, closer), slope


def _one(*names: str) -> Polynomial:
    return ((names, 1.0),)


_BACK = ("i", ((("i", "i"), -1.0),))  # i = 1 / z

_WAVES = ("s", balls.sin), ("c", balls.cos)
_OVER = ("i", Ball.reciprocal)

EXP = OdeSystem(lambda z: {"y": z.exp()}, (("y", _one("y")),), _one("y"), (), (("y", balls.exp),))
SIN = OdeSystem(
    lambda z: {"s": z.sin(), "c": z.cos()}, (("s", _one("c")), ("c", ((("s",), -1.0),))), _one("s"), (), _WAVES
)
COS = OdeSystem(SIN.start, SIN.rules, _one("c"), (), _WAVES)
INVERSE = OdeSystem(lambda z: {"i": z.reciprocal()}, (_BACK,), _one("i"), (), (_OVER,))
LOG = OdeSystem(
    lambda z: {"l": z.log(), "i": z.reciprocal()}, (("l", _one("i")), _BACK), _one("l"), (), (("l", balls.log), _OVER)
)
TANH = OdeSystem(
    lambda z: {"a": z.tanh()}, (("a", _one("s")),), _one("a"), (("s", (((), 1.0), (("a", "a"), -1.0))),),
    (("a", balls.tanh),),
)  # fmt: skip
ATAN = OdeSystem(
    lambda z: {"a": z.rising(np.arctan), "q": (_constant(1.0, z) + z * z).reciprocal()},
    (("a", _one("q")), ("q", ((("q", "q", "z"), -2.0),))), _one("a"),
)  # fmt: skip
ASIN = OdeSystem(  # i = (1 - z^2)^(-1/2), i' = z i^3
    lambda z: {"a": z.rising(np.arcsin), "i": (_constant(1.0, z) - z * z).power(-0.5)},
    (("a", _one("i")), ("i", _one("i", "i", "i", "z"))), _one("a"),
)  # fmt: skip
_TWO = 2 / math.sqrt(math.pi)


def _gauss(f: Callable[[Interval], Interval], sign: float) -> OdeSystem:
    rules = (("e", ((("g",), sign),)), ("g", ((("g", "z"), -2.0),)))
    return OdeSystem(lambda z: {"e": _padded(f(z)), "g": _bell(z, _TWO)}, rules, _one("e"))


ERF, ERFC = _gauss(Interval.erf, 1.0), _gauss(Interval.erfc, -1.0)


@cache
def power(a: float) -> OdeSystem:
    """z^a for z > 0: y' = a y / z."""
    rules = (("y", ((("i", "y"), a),)), _BACK)
    return OdeSystem(lambda z: {"y": z.power(a), "i": z.reciprocal()}, rules, _one("y"))
