"""Taylor polynomials in many cells at once, with bounds of their rounding and of all that follows them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from . import pairs
from .interval_arithmetic import UNIT
from .pairs import Pair

UP = 1 + 2.0**-40  # covers the rounding of thousands of sums and products of numbers that are not negative
TINY = 1e-290  # covers what is lost below the smallest number


NOTHING = torch.zeros(())  # the lower halves of coefficients that are no pairs


@dataclass(frozen=True)
class Space:
    """Power series in ``dim`` local coordinates s, cut after ``degree``; tails are measured for |s_i| <= ``radius``.

    The norm of a tail is sum |f_a| radius^|a| over its terms, which is submultiplicative. Only with a radius beyond the
    cell (|s_i| <= 1) does it bound derivatives as well. ``paired`` coefficients are pairs of floats (`pairs`).
    """

    dim: int
    degree: int
    radius: float = 1.0
    paired: bool = False

    @property
    def unit(self) -> float:
        """The relative rounding of one or two operations."""
        return pairs.EPS if self.paired else UNIT

    @cached_property
    def exponents(self) -> list[tuple[int, ...]]:
        """The multi-indices, by degree."""
        cube = itertools.product(range(self.degree + 1), repeat=self.dim)
        return sorted((a for a in cube if sum(a) <= self.degree), key=lambda a: (sum(a), a))

    @cached_property
    def place(self) -> dict[tuple[int, ...], int]:
        """Where a multi-index stands."""
        return {a: i for i, a in enumerate(self.exponents)}

    @cached_property
    def blocks(self) -> list[slice]:
        """Where the terms of each degree stand."""
        ends = [math.comb(k + self.dim, self.dim) for k in range(-1, self.degree + 1)]
        return [slice(a, b) for a, b in itertools.pairwise(ends)]

    @cached_property
    def degrees(self) -> Tensor:
        """The degree of every term."""
        return torch.tensor([float(sum(a)) for a in self.exponents], dtype=torch.float64)

    @cached_property
    def weights(self) -> Tensor:
        """radius^k by degree k."""
        return torch.tensor([self.radius**k for k in range(self.degree + 1)], dtype=torch.float64)

    @cached_property
    def rounding(self) -> Tensor:
        """The relative rounding of a coefficient of a product, by its degree.

        It is a sum of at most prod (a_i + 1) products: so many roundings, three more where a factor was multiplied or
        the sum divided before, and as many again for what is of second order. (Higham 2002, lemma 3.1.) Of pairs it is
        (n + 4)^2 u^2 for the sum of n products (`pairs`), and no more than 32 u^2 for those three.
        """
        terms = [max(math.prod(i + 1 for i in a) for a in self.exponents[block]) for block in self.blocks]
        found = [((n + 8) * UNIT / 2) ** 2 if self.paired else (n + 4) * UNIT for n in terms]
        return torch.tensor(found, dtype=torch.float64)

    @cached_property
    def above(self) -> Tensor:
        """M_ij = 1 where terms of the degrees i and j have a product that is cut off."""
        k = torch.arange(self.degree + 1)
        return (k[:, None] + k[None, :] > self.degree).double()

    @cached_property
    def shares(self) -> Tensor:
        """j / (i + j) for the same terms, rows j."""
        k = torch.arange(self.degree + 1, dtype=torch.float64)
        return self.above * k[:, None] / (k[:, None] + k[None, :]).clamp(min=1)

    @cached_property
    def _targets(self) -> dict[tuple[int, int], list[slice | Tensor]]:
        found = {}
        for i in range(self.degree + 1):
            for j in range(i, self.degree + 1 - i):
                found[i, j] = [self._target(a, i, j) for a in self.exponents[self.blocks[i]]]
        return found

    def _target(self, a: tuple[int, ...], i: int, j: int) -> slice | Tensor:
        start = self.blocks[i + j].start
        rows = [self.place[tuple(p + q for p, q in zip(a, b, strict=True))] - start
                for b in self.exponents[self.blocks[j]]]  # fmt: skip
        whole = rows == list(range(rows[0], rows[0] + len(rows)))
        return slice(rows[0], rows[0] + len(rows)) if whole else torch.tensor(rows)

    @cached_property
    def _places(self) -> dict[tuple[int, int], Tensor]:
        def whole(target: slice | Tensor) -> Tensor:
            return torch.arange(target.start, target.stop) if isinstance(target, slice) else target

        return {key: torch.stack([whole(t) for t in rows]) for key, rows in self._targets.items()}

    def convolve(self, out: Pair, a: Pair, b: Pair, i: int, j: int) -> None:
        """Add the product of terms a of degree i and b of degree j to those of degree i + j; to be normalised."""
        if i > j:
            a, b, i, j = b, a, j, i
        if self.paired:
            pairs.convolve(out, a, b, self._places[i, j])
            return
        for row, target in zip(a[0], self._targets[i, j], strict=True):
            if isinstance(target, slice):
                out[0][target].addcmul_(row, b[0])
            else:
                out[0][target] += row * b[0]

    def norms(self, c: Tensor) -> Tensor:
        """sum |c_a| by degree, from above."""
        size = c.abs()
        return torch.stack([size[block].sum(0) for block in self.blocks]) * UP

    def weighted(self, norms: Tensor) -> Tensor:
        """Norms times radius^k."""
        return norms * column(self.weights, norms)


def column(v: Tensor, like: Tensor) -> Tensor:
    """A vector along the first axis."""
    return v.reshape(-1, *[1] * (like.ndim - 1))


def along(M: Tensor, v: Tensor) -> Tensor:
    """A matrix applied to the first axis."""
    return (M @ v.reshape(len(v), -1)).reshape(len(M), *v.shape[1:])


@dataclass(frozen=True, eq=False)
class TaylorModel:
    """f = sum_{|a| <= n} f_a s^a + (terms of higher degree) in a batch of cells: f_a is f's own Taylor coefficient.

    ``c`` (m, ...) are the coefficients in floating point, ``wrong`` (n + 1, ...) bounds sum |f_a - c_a| over the terms
    of each degree, ``tail`` (...) bounds the norm of the terms of higher degree. Because these are f's own, all three
    pass through sums, products and analytic functions, and a derivative of the series is that of f: no derivative has
    to be carried along. Infinite or NaN where nothing is known. (Makino, Berz 2003, on Taylor models; the norm is that
    of computer-assisted proofs, as in Hungria, Lessard, Mireles James 2016.) In a ``paired`` space coefficients are c +
    ``low``, normal pairs.
    """

    space: Space
    c: Tensor
    wrong: Tensor
    tail: Tensor
    low: Tensor = NOTHING

    @staticmethod
    def constant(space: Space, value: float, like: Tensor, exactly: bool, low: float = 0.0) -> TaylorModel:
        """A number; unless it is exact, a real that a few roundings turned into it, or into the pair with ``low``."""
        c = like.new_zeros(len(space.exponents), *like.shape)
        wrong = like.new_zeros(space.degree + 1, *like.shape)
        c[0] = value
        if not exactly:
            wrong[0] = 4 * space.unit * abs(value) + TINY
        if not space.paired:
            return TaylorModel(space, c, wrong, torch.zeros_like(like))
        below = torch.zeros_like(c)
        below[0] = low
        return TaylorModel(space, c, wrong, torch.zeros_like(like), below)

    @staticmethod
    def coordinate(space: Space, i: int, middle: Tensor, half: Tensor) -> TaylorModel:
        """middle + half s_i, exactly."""
        found = TaylorModel.constant(space, 0.0, middle, True)
        found.c[0] = middle
        found.c[space.place[tuple(int(k == i) for k in range(space.dim))]] = half
        return found

    @property
    def pair(self) -> Pair:
        """The coefficients, with their lower halves."""
        return self.c, self.low

    def single(self) -> TaylorModel:
        """The same with single floats as coefficients."""
        if not self.space.paired:
            return self
        space = replace(self.space, paired=False)
        return TaylorModel(space, self.c, (self.wrong + space.norms(self.low)) * UP, self.tail)

    @cached_property
    def phi(self) -> Tensor:
        """sum |c_a| by degree."""
        return self.space.norms(self.c)

    @property
    def bound(self) -> Tensor:
        """sum |f_a| by degree, from above."""
        return (self.phi + self.wrong) * UP

    @property
    def rest(self) -> Tensor:
        """By how much f and the polynomial in ``c`` differ where |s_i| <= radius."""
        return (self.space.weighted(self.wrong).sum(0) + self.tail) * UP

    def __getitem__(self, k: Any) -> TaylorModel:
        """Some members of the batch, by its first axis."""
        low = self.low[:, k] if self.space.paired else self.low
        return TaylorModel(self.space, self.c[:, k], self.wrong[:, k], self.tail[k], low)

    def __neg__(self) -> TaylorModel:
        return TaylorModel(self.space, -self.c, self.wrong, self.tail, -self.low)

    def __add__(self, other: TaylorModel) -> TaylorModel:
        c, low = pairs.add(self.pair, other.pair) if self.space.paired else (self.c + other.c, NOTHING)
        wrong = (self.wrong + other.wrong + self.space.unit * (self.phi + other.phi)) * UP + TINY
        return TaylorModel(self.space, c, wrong, (self.tail + other.tail) * UP, low)

    def __sub__(self, other: TaylorModel) -> TaylorModel:
        return self + (-other)

    def scaled(self, k: float, exactly: bool = True, low: float = 0.0) -> TaylorModel:
        """k times the function, for a number that is exact, or came (with ``low``, as a pair) of a few roundings."""
        unit, paired = self.space.unit, self.space.paired
        c, below = pairs.multiply(self.pair, (k, low)) if paired else (k * self.c, NOTHING)
        wrong = (abs(k) * (self.wrong + (1 if exactly else 8) * unit * self.bound)) * UP + TINY
        return TaylorModel(
            self.space, c, wrong, (1 if exactly else 1 + 8 * unit) * abs(k) * self.tail * UP + TINY, below
        )

    def __mul__(self, other: TaylorModel) -> TaylorModel:
        space, a, b = self.space, self, other
        c = torch.zeros_like(a.c)
        low = torch.zeros_like(a.c) if space.paired else NOTHING
        for i, p in enumerate(space.blocks):
            for j, q in enumerate(space.blocks[: space.degree + 1 - i]):
                out = _rows((c, low), space.blocks[i + j])
                space.convolve(out, _rows(a.pair, p), _rows(b.pair, q), i, j)
        if space.paired:
            pairs.normalise((c, low))
        wrong = torch.zeros_like(c[: space.degree + 1])
        for i in range(space.degree + 1):
            k = space.degree + 1 - i
            wrong[i:] += (a.phi + a.wrong)[i] * b.wrong[:k] + a.wrong[i] * b.phi[:k]
            wrong[i:] += column(space.rounding[i:], b.phi) * a.phi[i] * b.phi[:k]
        A, B = space.weighted(a.bound), space.weighted(b.bound)
        high = (A * along(space.above, B)).sum(0)
        tail = high + A.sum(0) * b.tail + a.tail * B.sum(0) + a.tail * b.tail
        return TaylorModel(space, c, wrong * UP + TINY, tail * UP + TINY, low)

    def linear(self, W: Tensor, b: Tensor | None = None) -> TaylorModel:
        """W f + b for a batch whose first axis are the components of f."""
        size, n = W.abs(), W.shape[1]
        c, low = pairs.linear(W, self.pair) if self.space.paired else (W @ self.c, NOTHING)
        rounding = ((n + 8) * UNIT / 2) ** 2 if self.space.paired else (n + 4) * UNIT / 2  # UNIT is two roundings
        wrong = size @ (self.wrong + rounding * self.phi)
        if b is not None:
            wrong[0] += rounding * b.abs()[:, None]
            if self.space.paired:
                s, r = pairs.two_sum(c[0], b[:, None])
                c[0], low[0] = s, low[0] + r
            else:
                c[0] += b[:, None]
        if self.space.paired:
            pairs.normalise((c, low))
        return TaylorModel(self.space, c, wrong * UP + TINY, (size @ self.tail) * UP + TINY, low)

    def derivative(self, index: Sequence[int], half: Tensor, space: Space) -> TaylorModel:
        """D^index f, ``half`` (dim, ...) being the cells' half widths, in a space of lower degree and radius."""
        q, own = sum(index), self.space
        if space.degree > own.degree - q:
            raise ValueError(f"a derivative of order {q} leaves the degree {own.degree - q}, not {space.degree}")
        scale = math.prod((1 / half[i]) ** k for i, k in enumerate(index))  # shape of a member of the batch
        scale = scale if isinstance(scale, Tensor) else torch.ones_like(self.tail)
        c = self.c.new_empty(len(space.exponents), *self.tail.shape)
        low = torch.empty_like(c) if own.paired else NOTHING
        cut = torch.zeros_like(self.tail)
        for a, at in own.place.items():
            b = tuple(i - k for i, k in zip(a, index, strict=True))
            if min(b) < 0:
                continue
            factor = float(math.prod(math.perm(i, k) for i, k in zip(a, index, strict=True)))
            if sum(b) <= space.degree:
                if not own.paired:
                    c[space.place[b]] = self.c[at] * factor * scale
                else:
                    here = pairs.multiply((self.c[at], self.low[at]), (factor, 0.0))
                    for i, k in enumerate(index):
                        for _ in range(k):
                            here = pairs.divide(here, half[i])
                    c[space.place[b]], low[space.place[b]] = here
            else:
                cut += self.c[at].abs() * (factor * space.radius ** sum(b))
        falling = torch.tensor([float(math.perm(k + q, q)) for k in range(own.degree + 1 - q)], dtype=torch.float64)
        wrong = self.wrong[q:] * column(falling, self.wrong)
        radii = torch.tensor([space.radius**k for k in range(own.degree + 1 - q)], dtype=torch.float64)
        cut = cut + (wrong * column(radii, wrong))[space.degree + 1 :].sum(0)
        cut = cut + self.tail * worst(own, q, space.radius)
        kept = wrong[: space.degree + 1] * scale * (1 + 8 * (q + 1) * UNIT)
        rounding = 4 * (q + 1) * space.unit * space.norms(c)
        return TaylorModel(space, c, (kept + rounding) * UP + TINY, cut * scale * UP + TINY, low)

    def at_zero(self, i: int) -> TaylorModel:
        """The function where s_i = 0."""
        keep = torch.tensor([float(a[i] == 0) for a in self.space.exponents], dtype=torch.float64)
        low = self.low * column(keep, self.c) if self.space.paired else self.low
        return TaylorModel(self.space, self.c * column(keep, self.c), self.wrong, self.tail, low)


def _rows(v: Pair, block: slice) -> Pair:
    return v[0][block], v[1][block] if v[1].ndim else v[1]


def worst(space: Space, q: int, radius: float) -> float:
    """max over k > degree of k! / (k - q)! radius^(k - q) / space.radius^k: what q derivatives make of a tail."""
    ratio = radius / space.radius
    if ratio > 1 or (q and ratio == 1):
        return math.inf
    first = space.degree + 1
    last = first if not q else max(first, math.ceil(q / (1 - ratio))) + 1  # from there on it falls
    return max(math.perm(k, q) * ratio ** (k - q) / space.radius**q for k in range(first, last + 1)) * UP
