"""Taylor models on overlapping boxes of one size, made where they are first asked for; restricted to smaller cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch

from pinnkit.certificate.theorem.misfit import Breaks
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.certificate.validated.interval_arithmetic import UNIT
from pinnkit.certificate.validated.taylor_model import Space

from .cell_polynomials import BATCH, Model, converted, ends, half_widths, of_model, shape

WIDER = 1.02  # times are boxes made as wide: cells are a little larger than half of them at most
SMALL = 0.5  # of a box may a cell within it be: |middle - middle| + half <= 0.5 + 0.5


@dataclass(eq=False)
class Patches:
    """A function by its Taylor models on boxes of half widths ``half``, whose middles start at ``low`` (dim,).

    Boxes that may be asked for later lie within ``sides`` (dim,) from there.
    """

    model: Model
    low: np.ndarray
    half: np.ndarray
    sides: np.ndarray
    _known: dict[tuple[int, ...], int] = field(init=False, default_factory=dict)
    _series: list[tuple[np.ndarray, float]] = field(init=False, default_factory=list)
    _space: Space = field(init=False)

    def on(self, breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
        """The function as polynomials on the cells of a grid, with fixed coordinates where ``low`` has them."""
        low, high = ends(breaks)
        middle = (low + high) / 2
        h = half_widths(low, high)
        moving = [i for i, b in enumerate(breaks) if len(b) > 1]
        if not moving:
            return of_model(self.model, breaks, degrees, self.half)
        parts = [_halvings(h[:, i].max() / (SMALL * self.half[i])) if i in moving else 1 for i in range(len(breaks))]
        if max(parts) > 1:
            finer = tuple(_split(b, n) if n > 1 else b for b, n in zip(breaks, parts, strict=True))
            return joined(self.on(finer, degrees), breaks, parts)
        number = np.zeros(middle.shape, int)
        number[:, moving] = np.rint((middle - self.low)[:, moving] / self.half[moving])
        self._make(sorted({tuple(row) for row in number.tolist()} - set(self._known)), moving)
        place = [self._known[tuple(row)] for row in number.tolist()]
        c = np.stack([self._series[k][0] for k in place], 1)
        rest = np.array([self._series[k][1] for k in place])
        centre = self._middle(number)
        wide = np.tile(self.half * WIDER, (len(h), 1))
        if (np.abs(middle - centre) + h > wide * (1 - 1e-6))[:, moving].any():
            raise ValueError("a cell reaches beyond its box")
        found = [
            converted(self._space, c[:, k], rest[k], tuple(degrees), middle[k], h[k], centre[k], wide[k], moving)
            for k in (slice(i, i + BATCH) for i in range(0, len(middle), BATCH))
        ]
        coefficients, radius = (np.concatenate([p[k] for p in found]) for k in range(2))
        cells = shape(breaks)
        return Enclosure(
            tuple(np.array(b) for b in breaks), coefficients.reshape(*cells, *(d + 1 for d in degrees)),
            radius.reshape(cells),
        )  # fmt: skip

    def _middle(self, number: np.ndarray) -> np.ndarray:
        """Of boxes that do not leave the domain: of a cell in one |middle - middle| + half <= the box's half width."""
        inner = np.where(self.sides >= 2 * self.half, self.half, 0.0)
        found = self.low + number * self.half
        return np.where(self.sides > 0, np.clip(found, self.low + inner, self.low + self.sides - inner), found)

    def _make(self, missing: list[tuple[int, ...]], moving: list[int]) -> None:
        missing = self._more(missing, moving[-1]) if missing else []
        for k in range(0, len(missing), BATCH):
            numbers = np.array(missing[k : k + BATCH])
            half = np.tile(self.half * WIDER, (len(numbers), 1))
            with torch.no_grad():
                f = self.model(torch.as_tensor(self._middle(numbers).T.copy()), torch.as_tensor(half.T.copy()))
            for i in set(range(len(self.half))) - set(moving):
                f = f.at_zero(i)
            self._space = f.space
            for j, row in enumerate(numbers.tolist()):
                self._known[tuple(row)] = len(self._series)
                self._series.append((f.c[:, j].numpy().copy(), float(f.rest[j])))

    def _more(self, missing: list[tuple[int, ...]], i: int) -> list[tuple[int, ...]]:
        """Those boxes, and as many that follow along a coordinate as are made at no more cost."""
        found, last = dict.fromkeys(missing), int(np.rint(self.sides[i] / self.half[i]))
        for step in range(1, last + 1):
            following = [(*row[:i], row[i] + step, *row[i + 1 :]) for row in missing if row[i] + step <= last]
            following = [row for row in following if row not in found and row not in self._known]
            if not following or len(found) + len(following) > BATCH:
                break
            found |= dict.fromkeys(following)
        return list(found)


def _halvings(ratio: float) -> int:
    """The power of two by which cells are cut to be so many times smaller; a little more than 1 is none."""
    return 2 ** max(0, math.ceil(math.log2(max(ratio, 1.0)) - 0.02))


def _split(breaks: tuple[float, ...], n: int) -> tuple[float, ...]:
    inner = [a + (b - a) * j / n for a, b in itertools.pairwise(breaks) for j in range(n)]
    return (*inner, breaks[-1])


def joined(finer: Enclosure, breaks: Breaks, parts: Sequence[int]) -> Enclosure:
    """A function on cells that were cut into ``parts`` by each coordinate, as one polynomial on each whole cell.

    Of the polynomials p whose coefficients E p on the parts (E_j of part j are convex combinations) come near those
    that are known, one is taken; on every part the two differ by no more than their coefficients do. Parts begin and
    end where floats are, not at j / n: |p'| <= 2 degree max |p| on [0, 1].
    """
    d = len(breaks)
    degrees = [n - 1 for n in finer.coefficients.shape[d:]]
    cells = shape(breaks)
    split = [k for n, m in zip(cells, parts, strict=True) for k in (n, m)]
    c = finer.coefficients.reshape(*split, *(k + 1 for k in degrees))
    c = c.transpose(*range(0, 2 * d, 2), *(k for i in range(d) for k in (2 * i + 1, 2 * d + i)))
    c = c.reshape(*cells, *(m * (k + 1) for m, k in zip(parts, degrees, strict=True)))
    found = c
    for i, (m, k) in enumerate(zip(parts, degrees, strict=True)):
        found = _along(np.linalg.pinv(_parts(k, m)), found, d + i)
    back = found
    for i, (m, k) in enumerate(zip(parts, degrees, strict=True)):
        back = _along(_parts(k, m), back, d + i)
    last = tuple(range(d, 2 * d))
    top = np.abs(found).max(last)
    moving = [(k, m, b) for k, m, b in zip(degrees, parts, breaks, strict=True) if len(b) > 1]
    moved = sum(4 * k * UNIT * np.abs(b).max() * m / np.diff(b).min() for k, m, b in moving)
    radius = finer.radius.reshape(split).max(tuple(range(1, 2 * d, 2)))
    radius = (radius + np.abs(back - c).max(last) + top * (moved + 8 * (sum(degrees) + 4 * d) * UNIT)) * (1 + 1e-12)
    return Enclosure(tuple(np.array(b) for b in breaks), found, radius)


def _along(M: np.ndarray, c: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(np.tensordot(M, c, (1, axis)), 0, axis)


@lru_cache(maxsize=64)
def _parts(degree: int, n: int) -> np.ndarray:
    """From Bernstein coefficients on [0, 1] to those on its n parts, one part after the other."""
    z = [Fraction(j, n) for j in range(n + 1)]
    rows = [_blossom([z[j]] * (degree - k) + [z[j + 1]] * k) for j in range(n) for k in range(degree + 1)]
    return np.array([[float(v) for v in row] for row in rows])


def _blossom(at: list[Fraction]) -> list[Fraction]:
    """The weights of the Bernstein coefficients in the polar form at these arguments (de Casteljau)."""
    weights = [Fraction(1)]
    for t in at:
        weights = [(1 - t) * a + t * b for a, b in zip([*weights, Fraction(0)], [Fraction(0), *weights], strict=True)]
    return weights
