"""B-splines of one coordinate as polynomials on their elements: exact matrices from coefficients to Bernstein's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache, reduce

import numpy as np
import scipy.sparse as ss

ORDERS = 5  # derivatives that are known, from 0 on
FACTORED = 3  # the same with a factor
BATCH = 4096  # points at which splines are evaluated at once
Rational = list[Fraction]  # the coefficients of a polynomial on [0, 1], by powers


@dataclass(frozen=True)
class SplineAxis:
    """Splines of degree ``degree`` with simple knots at ``breaks``, looked at on ``split`` cells in every element."""

    breaks: tuple[float, ...]
    degree: int
    periodic: bool = False
    split: int = 1

    @property
    def elements(self) -> int:
        """The number of elements."""
        return max(len(self.breaks) - 1, 1)

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return self.elements if self.periodic else self.elements + self.degree

    @cached_property
    def cells(self) -> tuple[float, ...]:
        """The breaks of the cells."""
        k, found = self.split, []
        for a, b in zip(self.breaks[:-1], self.breaks[1:], strict=True):
            found += [a + (b - a) * j / k for j in range(k)]
        return (*found, self.breaks[-1])

    def rows(self, derivative: int, factor: int | None = None) -> ss.csr_matrix:
        """From coefficients to Bernstein's of a derivative on every cell, cell by cell.

        Of degree ``degree``; with ``factor`` 0 or 1 of degree + 1, multiplied by 1 - s or s, s the cell's own
        coordinate in [0, 1].
        """
        return _matrices(self.breaks, self.degree, self.periodic, self.cells, factor is None)[derivative, factor]

    def end(self, high: bool, derivative: int) -> ss.csr_matrix:
        """The same at one end of the axis: a single row."""
        return self.rows(derivative)[[-1 if high else 0]]


@lru_cache(maxsize=128)
def _matrices(
    breaks: tuple[float, ...], p: int, periodic: bool, cells: tuple[float, ...], plain: bool
) -> dict[tuple[int, int | None], ss.csr_matrix]:
    """All matrices of an axis, ``plain`` or with a factor, formed in rational numbers and rounded once."""
    z, n = [Fraction(v) for v in breaks], len(breaks) - 1
    period = z[-1] - z[0]
    t = ([z[(j - p) % n] + (j - p) // n * period for j in range(n + 2 * p + 1)] if periodic
         else [z[0]] * p + z + [z[-1]] * p)  # fmt: skip
    kinds = _kinds(plain)
    entries: dict = {kind: ([], [], []) for kind in kinds}
    split = (len(cells) - 1) // n
    for cell in range(n * split):
        e = cell // split
        h = z[e + 1] - z[e]
        near = tuple((t[j + 1] - t[j]) / h for j in range(e, e + 2 * p + 1))  # all that the functions there depend on
        inside = tuple((Fraction(cells[cell + j]) - z[e]) / h for j in range(2))
        for (i, k, v), values in _element(near, p, inside, plain).items():
            scale = float(1 / h**k)
            rows, columns, known = entries[k, v]
            for j, value in enumerate(values):
                if value:
                    rows.append(cell * (p + 1 + (v is not None)) + j)
                    columns.append((e + i) % n if periodic else e + i)
                    known.append(value * scale)
    found = {}
    for (k, v), (rows, columns, values) in entries.items():
        size = n * split * (p + 1 + (v is not None)), n if periodic else n + p
        found[k, v] = ss.coo_matrix((values, (rows, columns)), size).tocsr()
    return found


def _kinds(plain: bool) -> list[tuple[int, int | None]]:
    return [(k, None) for k in range(ORDERS)] if plain else [(k, v) for k in range(FACTORED) for v in (0, 1)]


@lru_cache(maxsize=4096)
def _element(
    near: tuple[Fraction, ...], p: int, inside: tuple[Fraction, Fraction], plain: bool
) -> dict[tuple[int, int, int | None], list[float]]:
    """Of the functions 0 ... p that do not vanish on an element, by distances of knots in its widths; on a part."""
    t, found = [Fraction(0)], {}
    a, b = inside
    for step in near:
        t.append(t[-1] + step)
    for i, q in _pieces(t, p, p).items():
        for k in range(ORDERS if plain else FACTORED):
            here = _moved(q, a, b - a) if inside != (0, 1) else q
            for v in (None,) if plain else (0, 1):
                r = here if v is None else _times(here, Fraction(1 - v), Fraction(2 * v - 1))
                found[i, k, v] = [float(value) for value in _bernstein(r, p + (v is not None))]
            q = [j * a for j, a in enumerate(q)][1:] or [Fraction(0)]
    return found


def _pieces(t: Rational, m: int, p: int) -> dict[int, Rational]:
    """The B-splines that do not vanish on [t_m, t_{m+1}] as polynomials of s, by the recurrence of Cox and de Boor."""
    x, h, N = t[m], t[m + 1] - t[m], {m: [Fraction(1)]}
    for d in range(1, p + 1):
        new: dict[int, Rational] = {}
        for i in range(m - d, m + 1):
            total = [Fraction(0)] * (d + 1)
            if i in N:
                w = t[i + d] - t[i]
                total = [a + b for a, b in zip(total, _times(N[i], (x - t[i]) / w, h / w), strict=True)]
            if i + 1 in N:
                w = t[i + d + 1] - t[i + 1]
                total = [a + b for a, b in zip(total, _times(N[i + 1], (t[i + d + 1] - x) / w, -h / w), strict=True)]
            new[i] = total
        N = new
    return N


def _moved(q: Rational, a: Fraction, h: Fraction) -> Rational:
    """q(a + h s), by Horner's rule."""
    out = [q[-1]]
    for c in q[-2::-1]:
        out = _times(out, a, h)
        out[0] += c
    return out


def _times(a: Rational, c0: Fraction, c1: Fraction) -> Rational:
    """(c0 + c1 s) times a polynomial."""
    return [c0 * (a[i] if i < len(a) else 0) + c1 * (a[i - 1] if i else 0) for i in range(len(a) + 1)]


def _bernstein(q: Rational, m: int) -> Rational:
    """The Bernstein coefficients of degree m."""
    return [sum((Fraction(math.comb(j, i), math.comb(m, i)) * q[i] for i in range(min(j + 1, len(q)))), Fraction(0))
            for j in range(m + 1)]  # fmt: skip


def kron(matrices: list[ss.csr_matrix]) -> ss.csr_matrix:
    """The tensor product of matrices."""
    return reduce(lambda a, b: ss.kron(a, b, format="csr"), matrices)


@dataclass(frozen=True)
class SplineGrid:
    """The axes of a tensor product spline, in the order of the box's coordinates."""

    axes: tuple[SplineAxis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the coefficients."""
        return tuple(a.size for a in self.axes)

    def at(self, coefficients: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, d), rounded."""
        parts = [self._at(coefficients, X[k : k + BATCH]) for k in range(0, len(X), BATCH)]
        return np.concatenate([np.empty(0), *parts])

    def _at(self, coefficients: np.ndarray, X: np.ndarray) -> np.ndarray:
        first, *others = (_functions(a, X[:, i]) for i, a in enumerate(self.axes))
        out = np.tensordot(first, coefficients, (1, 0))
        for functions in others:
            out = np.einsum("na,na...->n...", functions, out)
        return out


def _functions(a: SplineAxis, x: np.ndarray) -> np.ndarray:
    """The B-splines (n, size) at x (n,)."""
    e = np.clip(np.searchsorted(np.array(a.breaks), x, "right") - 1, 0, a.elements - 1)
    s, p = (x - np.array(a.breaks)[e]) / np.diff(a.breaks)[e], a.degree
    weights = np.stack([math.comb(p, j) * s**j * (1 - s) ** (p - j) for j in range(p + 1)], 1)
    dense = replace(a, split=1).rows(0).toarray().reshape(a.elements, p + 1, a.size)
    return np.einsum("nj,nja->na", weights, dense[e])


def even(low: float, high: float, n: int) -> tuple[float, ...]:
    """n + 1 breaks, n steps of a number of 20 bits as far as possible: elements that are alike are looked at once."""
    step = (high - low) / n
    unit = 2.0 ** (math.frexp(step)[1] - 20)
    step = math.floor(step / unit) * unit
    return (*(low + j * step for j in range(n)), high)
