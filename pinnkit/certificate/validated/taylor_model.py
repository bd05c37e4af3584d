"""Taylor polynomials in many cells at once, with bounds of their rounding and of all that follows them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .interval_arithmetic import UNIT

UP = 1 + 2.0**-40  # covers the rounding of thousands of sums and products of numbers that are not negative
TINY = 1e-290  # covers what is lost below the smallest number


@dataclass(frozen=True)
class Space:
    """Power series in ``dim`` local coordinates s, cut after ``degree``; tails are measured for |s_i| <= ``radius``.

    The norm of a tail is sum |f_a| radius^|a| over its terms, which is submultiplicative. Only with a radius beyond the
    cell (|s_i| <= 1) does it bound derivatives as well.
    """

    dim: int
    degree: int
    radius: float = 1.0

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
        the sum divided before, and as many again for what is of second order. (Higham 2002, lemma 3.1.)
        """
        terms = [max(math.prod(i + 1 for i in a) for a in self.exponents[block]) for block in self.blocks]
        return torch.tensor([(n + 4) * UNIT for n in terms], dtype=torch.float64)

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

    def convolve(self, out: Tensor, a: Tensor, b: Tensor, i: int, j: int) -> None:
        """Add the product of terms a of degree i and b of degree j to those of degree i + j."""
        if i > j:
            a, b, i, j = b, a, j, i
        for row, target in zip(a, self._targets[i, j], strict=True):
            if isinstance(target, slice):
                out[target].addcmul_(row, b)
            else:
                out[target] += row * b

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
    of computer-assisted proofs, as in Hungria, Lessard, Mireles James 2016.)
    """

    space: Space
    c: Tensor
    wrong: Tensor
    tail: Tensor

    @staticmethod
    def constant(space: Space, value: float, like: Tensor, exactly: bool) -> TaylorModel:
        """A number; unless it is exact, a real that a few roundings turned into it."""
        c = like.new_zeros(len(space.exponents), *like.shape)
        wrong = like.new_zeros(space.degree + 1, *like.shape)
        c[0] = value
        if not exactly:
            wrong[0] = 4 * UNIT * abs(value) + TINY
        return TaylorModel(space, c, wrong, torch.zeros_like(like))

    @staticmethod
    def coordinate(space: Space, i: int, middle: Tensor, half: Tensor) -> TaylorModel:
        """middle + half s_i, exactly."""
        found = TaylorModel.constant(space, 0.0, middle, True)
        found.c[0] = middle
        found.c[space.place[tuple(int(k == i) for k in range(space.dim))]] = half
        return found

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
        return TaylorModel(self.space, self.c[:, k], self.wrong[:, k], self.tail[k])

    def __neg__(self) -> TaylorModel:
        return TaylorModel(self.space, -self.c, self.wrong, self.tail)

    def __add__(self, other: TaylorModel) -> TaylorModel:
        c = self.c + other.c
        wrong = (self.wrong + other.wrong + UNIT * (self.phi + other.phi)) * UP + TINY
        return TaylorModel(self.space, c, wrong, (self.tail + other.tail) * UP)

    def __sub__(self, other: TaylorModel) -> TaylorModel:
        return self + (-other)

    def scaled(self, k: float, exactly: bool = True) -> TaylorModel:
        """k times the function, for a number that is exact or came of a few roundings."""
        wrong = (abs(k) * (self.wrong + (1 if exactly else 8) * UNIT * self.bound)) * UP + TINY
        return TaylorModel(self.space, k * self.c, wrong, (1 if exactly else 1 + 8 * UNIT) * abs(k) * self.tail * UP)

    def __mul__(self, other: TaylorModel) -> TaylorModel:
        space, a, b = self.space, self, other
        c = torch.zeros_like(a.c)
        for i, p in enumerate(space.blocks):
            for j, q in enumerate(space.blocks[: space.degree + 1 - i]):
                space.convolve(c[space.blocks[i + j]], a.c[p], b.c[q], i, j)
        wrong = torch.zeros_like(c[: space.degree + 1])
        for i in range(space.degree + 1):
            k = space.degree + 1 - i
            wrong[i:] += (a.phi + a.wrong)[i] * b.wrong[:k] + a.wrong[i] * b.phi[:k]
            wrong[i:] += column(space.rounding[i:], b.phi) * a.phi[i] * b.phi[:k]
        A, B = space.weighted(a.bound), space.weighted(b.bound)
        high = (A * along(space.above, B)).sum(0)
        tail = high + A.sum(0) * b.tail + a.tail * B.sum(0) + a.tail * b.tail
        return TaylorModel(space, c, wrong * UP + TINY, tail * UP + TINY)

    def linear(self, W: Tensor, b: Tensor | None = None) -> TaylorModel:
        """W f + b for a batch whose first axis are the components of f."""
        c, size = W @ self.c, W.abs()
        rounding = (W.shape[1] + 4) * UNIT / 2  # UNIT is two roundings
        wrong = size @ (self.wrong + rounding * self.phi)
        if b is not None:
            c[0] += b[:, None]
            wrong[0] += rounding * b.abs()[:, None]
        return TaylorModel(self.space, c, wrong * UP + TINY, (size @ self.tail) * UP + TINY)

    def derivative(self, index: Sequence[int], half: Tensor, space: Space) -> TaylorModel:
        """D^index f, ``half`` (dim, ...) being the cells' half widths, in a space of lower degree and radius."""
        q, own = sum(index), self.space
        if space.degree > own.degree - q:
            raise ValueError(f"a derivative of order {q} leaves the degree {own.degree - q}, not {space.degree}")
        scale = math.prod((1 / half[i]) ** k for i, k in enumerate(index))  # shape of a member of the batch
        scale = scale if isinstance(scale, Tensor) else torch.ones_like(self.tail)
        c = self.c.new_empty(len(space.exponents), *self.tail.shape)
        cut = torch.zeros_like(self.tail)
        for a, at in own.place.items():
            b = tuple(i - k for i, k in zip(a, index, strict=True))
            if min(b) < 0:
                continue
            factor = float(math.prod(math.perm(i, k) for i, k in zip(a, index, strict=True)))
            if sum(b) <= space.degree:
                c[space.place[b]] = self.c[at] * factor * scale
            else:
                cut += self.c[at].abs() * (factor * space.radius ** sum(b))
        falling = torch.tensor([float(math.perm(k + q, q)) for k in range(own.degree + 1 - q)], dtype=torch.float64)
        wrong = self.wrong[q:] * column(falling, self.wrong)
        radii = torch.tensor([space.radius**k for k in range(own.degree + 1 - q)], dtype=torch.float64)
        cut = cut + (wrong * column(radii, wrong))[space.degree + 1 :].sum(0)
        cut = cut + self.tail * worst(own, q, space.radius)
        kept = wrong[: space.degree + 1] * scale * (1 + 8 * (q + 1) * UNIT)
        rounding = 4 * (q + 1) * UNIT * space.norms(c)
        return TaylorModel(space, c, (kept + rounding) * UP + TINY, cut * scale * UP + TINY)

    def at_zero(self, i: int) -> TaylorModel:
        """The function where s_i = 0."""
        keep = torch.tensor([float(a[i] == 0) for a in self.space.exponents], dtype=torch.float64)
        return TaylorModel(self.space, self.c * column(keep, self.c), self.wrong, self.tail)


def worst(space: Space, q: int, radius: float) -> float:
    """max over k > degree of k! / (k - q)! radius^(k - q) / space.radius^k: what q derivatives make of a tail."""
    ratio = radius / space.radius
    if ratio > 1 or (q and ratio == 1):
        return math.inf
    first = space.degree + 1
    last = first if not q else max(first, math.ceil(q / (1 - ratio))) + 1  # from there on it falls
    return max(math.perm(k, q) * ratio ** (k - q) / space.radius**q for k in range(first, last + 1)) * UP
