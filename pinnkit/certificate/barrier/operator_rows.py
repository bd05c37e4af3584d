"""What an operator makes of a spline on a part of a box, as Bernstein coefficients with all that rounding may take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as ss

from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.statement.symbolic.channels import Index

from .splines import SplineGrid, kron

U = 2.0**-53


@dataclass(frozen=True, eq=False)
class BoxPart:
    """A box, or with ``ends`` (coordinate number -> whether its high end) a face of it."""

    grid: SplineGrid
    ends: Mapping[int, bool]

    @property
    def breaks(self) -> tuple[tuple[float, ...], ...]:
        """The cells' breaks by coordinate, of a fixed one its value."""
        return tuple((a.breaks[-1 if self.ends[i] else 0],) if i in self.ends else a.cells
                     for i, a in enumerate(self.grid.axes))  # fmt: skip

    @property
    def cells(self) -> tuple[int, ...]:
        """The number of cells by coordinate."""
        return tuple(1 if i in self.ends else len(a.cells) - 1 for i, a in enumerate(self.grid.axes))

    def matrix(self, J: Index, factors: Sequence[int | None]) -> ss.csr_matrix:
        """From coefficients to Bernstein's of D^J, by coordinate times 1 - s (0) or s (1), or as it is (None)."""
        return kron([a.end(self.ends[i], J[i]) if i in self.ends else a.rows(J[i], v)
                     for i, (a, v) in enumerate(zip(self.grid.axes, factors, strict=True))])  # fmt: skip


@dataclass(frozen=True, eq=False)
class OperatorRows:
    """A = sum_J a_J D^J from a spline's coefficients to Bernstein's on all cells of a part.

    ``terms`` hold (J, a_J), a_J multilinear on cells (or constant) within its radius. ``degrees`` are those of the
    polynomials, by coordinate that of the spline, or 1 more where an a_J varies.
    """

    part: BoxPart
    terms: tuple[tuple[Index, Enclosure], ...]

    @cached_property
    def rising(self) -> tuple[bool, ...]:
        """By which coordinates some a_J varies on cells."""
        d = len(self.part.cells)
        found = [any(np.ptp(f.coefficients, axis=d + i).any() for _, f in self.terms) for i in range(d)]
        return tuple(v and i not in self.part.ends for i, v in enumerate(found))

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """Of the polynomials."""
        return tuple(0 if i in self.part.ends else a.degree + r
                     for i, (a, r) in enumerate(zip(self.part.grid.axes, self.rising, strict=True)))  # fmt: skip

    @cached_property
    def matrix(self) -> ss.csr_matrix:
        """A."""
        total = ss.csr_matrix((int(np.prod(self._split)), int(np.prod(self.part.grid.shape))))
        for J, f in self.terms:
            corners = f.coefficients.reshape(*self.part.cells, *f.coefficients.shape[len(self.part.cells) :])
            if np.ptp(corners) == 0:
                total = total + self._elevated(J) * float(corners.flat[0])
                continue
            for v in itertools.product(*((0, 1) if r else (None,) for r in self.rising)):
                at = corners[(..., *(-1 if k == 1 else 0 for k in v))]
                total = total + ss.diags(self.spread(at)) @ self.part.matrix(J, v)
        return total.tocsr()

    @cached_property
    def absolute(self) -> ss.csr_matrix:
        """|A|."""
        return abs(self.matrix)

    @cached_property
    def scale(self) -> np.ndarray:
        """1 over the largest entry of every row."""
        return 1 / np.maximum(self.absolute.max(1).toarray().ravel(), 1e-300)

    @cached_property
    def _doubts(self) -> list[tuple[np.ndarray, ss.csr_matrix]]:
        return [(f.radius, self._elevated(J)) for J, f in self.terms if f.radius.max() > 0]

    @property
    def _split(self) -> tuple[int, ...]:
        return tuple(n * (d + 1) for n, d in zip(self.part.cells, self.degrees, strict=True))

    @cached_property
    def _long(self) -> int:
        return int(np.diff(self.matrix.indptr).max()) + 40

    def _elevated(self, J: Index) -> ss.csr_matrix:
        """D^J with the degrees of these rows."""
        kinds = itertools.product(*((0, 1) if r else (None,) for r in self.rising))
        return sum((self.part.matrix(J, v) for v in kinds), start=ss.csr_matrix(
            (int(np.prod(self._split)), int(np.prod(self.part.grid.shape)))))  # fmt: skip

    def spread(self, cells: np.ndarray) -> np.ndarray:
        """One number for every row, from those of the cells."""
        out = np.asarray(cells).reshape(self.part.cells)
        for i, d in enumerate(self.degrees):
            out = np.repeat(out, d + 1, axis=i)
        return out.ravel()

    def largest(self, rows: np.ndarray) -> np.ndarray:
        """The largest number of every cell."""
        pairs = [k for n, d in zip(self.part.cells, self.degrees, strict=True) for k in (n, d + 1)]
        return rows.reshape(pairs).max(tuple(range(1, len(pairs), 2)))

    def data(self, f: Enclosure) -> np.ndarray:
        """The Bernstein coefficients of an enclosure on these cells and of these degrees, in the order of the rows."""
        d = len(self.part.cells)
        return f.coefficients.transpose([k for i in range(d) for k in (i, d + i)]).ravel()

    def lost(self, c: np.ndarray, f: np.ndarray | float = 0.0) -> np.ndarray:
        """What rounding and the radii of the a_J may take from A c - f."""
        out = self._long * 8 * U * (self.absolute @ np.abs(c) + np.abs(f))
        for radius, D in self._doubts:
            size = self.largest(np.abs(D @ c) + self._long * 8 * U * (abs(D) @ np.abs(c)))
            out = out + self.spread(radius * size * (1 + 1e-12))
        return out


def coarser(values: np.ndarray, cells: tuple[int, ...]) -> np.ndarray:
    """Of the values of fine cells the largest in every coarse one."""
    for i, n in enumerate(cells):
        split = values.shape[:i] + (n, values.shape[i] // n) + values.shape[i + 1 :]
        values = values.reshape(split).max(i + 1)
    return values
