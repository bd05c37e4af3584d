"""The spline c that comes nearest to L c = f for zero conditions, and rigorous norms of c and of what it leaves.

L has constant coefficients, on a box of one space coordinate and time or of two space coordinates. With knots that are
repeated at the ends c = C_0, c' = p (C_1 - C_0) / h_1 and c'' = p (p - 1) ((C_2 - C_1) / (h_1 + h_2) - (C_1 - C_0) /
h_1) / h_1 there, C_k the first coefficients, h_k the first elements' widths, p the degree. So c = 0 if C_0 = 0, c' = 0
if C_0 = C_1, c = c'' = 0 if C_0 = 0 and C_2 = (2 + h_2 / h_1) C_1, which floats meet nearly: ``at_end`` says exactly
what they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import scipy.sparse as ss
from scipy.sparse.linalg import splu

from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.statement.symbolic.channels import Index

from .spline_norms import UP, largest_of, squared
from .splines import SplineAxis

U = 2.0**-53
SHIFT = 1e-15  # of the diagonal, added to the normal equations
TURNS = 3  # of the solution by them
Zeros = tuple[tuple[int, ...], tuple[int, ...]]  # orders of the derivatives that vanish at either end


@dataclass(frozen=True)
class DefectAxis:
    """Splines of one coordinate whose derivatives of the orders ``zeros`` vanish at its ends."""

    spline: SplineAxis
    zeros: Zeros

    @cached_property
    def basis(self) -> np.ndarray:
        """From the free coefficients to all.

        Raises:
            ValueError: conditions of another kind.
        """
        n, b = self.spline.size, self.spline.breaks
        Z = np.eye(n)
        gone = set()
        for high in (False, True):
            orders = sorted(self.zeros[high])
            first, second, third = (n - 1 - k if high else k for k in range(3))
            if orders == [1]:
                Z[first, second] = 1.0
                gone.add(first)
            elif orders == list(range(len(orders))):
                gone |= {n - 1 - k if high else k for k in orders}
            elif orders == [0, 2]:
                h = np.diff(b)[::-1] if high else np.diff(b)
                Z[third, second] = 2 + h[1] / h[0]
                gone |= {first, third}
            else:
                raise ValueError(f"no spline is made for derivatives of the orders {orders} that vanish")
        return Z[:, [k for k in range(n) if k not in gone]]

    def rows(self, k: int) -> ss.csr_matrix:
        """From coefficients to Bernstein's of derivative k on all elements."""
        return self.spline.rows(k)

    def at_nodes(self, k: int) -> np.ndarray:
        """From coefficients to values of derivative k in Gauss points, times the roots of their weights."""
        return self.quadrature @ self.rows(k).toarray()

    @cached_property
    def quadrature(self) -> np.ndarray:
        """From Bernstein coefficients on all elements to those values: sums of their squares are integrals."""
        p, n = self.spline.degree, self.spline.elements
        x, w = np.polynomial.legendre.leggauss(p + 1)
        at = (x + 1) / 2
        bernstein = np.stack([math.comb(p, j) * at**j * (1 - at) ** (p - j) for j in range(p + 1)], 1)
        scale = np.sqrt(np.outer(np.diff(self.spline.breaks), w / 2))
        return ss.block_diag([scale[e][:, None] * bernstein for e in range(n)]).tocsr()

    def at_end(self, C: np.ndarray, high: bool, order: int) -> list[Fraction]:
        """The derivative of that order, 0 to 2, at an end, exactly: by the coefficients C (n, others) one by others."""
        p, b = self.spline.degree, [Fraction(v) for v in self.spline.breaks]
        h = [b[-1] - b[-2], b[-2] - b[-3]] if high else [b[1] - b[0], b[2] - b[1]]
        rows = zip(*(C[-1 - k] if high else C[k] for k in range(3)), strict=True)
        found = []
        for values in rows:
            a, m, z = (Fraction(float(v)) for v in values)
            slope = (m - a) / h[0]
            bend = (p - 1) * ((z - m) / (h[0] + h[1]) - slope) / h[0]
            found.append((a, p * slope * (-1 if high else 1), p * bend)[order])
        return found

    def lifted(self, given: Mapping[tuple[bool, int], np.ndarray], others: int) -> np.ndarray:
        """Coefficients C (n, others) of a spline with ``given`` derivatives, by (whether high, order), at its ends."""
        n, p, b = self.spline.size, self.spline.degree, np.diff(self.spline.breaks)
        C, zero = np.zeros((n, others)), np.zeros(others)
        for high in (False, True):
            h, sign = (b[::-1], -1) if high else (b, 1)
            first, second, third = (n - 1 - k if high else k for k in range(3))
            value, slope, bend = (given.get((high, k), zero) for k in range(3))
            C[first] = value
            if self.zeros[high] == (1,):
                C[first] = -sign * slope * h[0] / p
            elif self.zeros[high] == (0, 1):
                C[second] = value + sign * slope * h[0] / p
            elif self.zeros[high] == (0, 2):
                C[second] = value
                C[third] = value + bend * h[0] * (h[0] + h[1]) / (p * (p - 1))
        return C


@dataclass(frozen=True, eq=False)
class Defect:
    """L c = sum of ``terms`` a_J D^J c, coefficients known to a relative 2^-50, and f on the elements' cells.

    ``f`` has the degrees of the splines. ``time`` is the number of the axis that is time, if any is. c is ``part``
    (coefficients; None: 0), which may meet other conditions, and a spline that meets those of the axes.
    """

    axes: tuple[DefectAxis, DefectAxis]
    terms: Mapping[Index, float]
    f: Enclosure
    time: int | None
    part: np.ndarray | None = None

    @cached_property
    def data(self) -> np.ndarray:
        """The Bernstein coefficients of f, by coordinate those of one element after the other."""
        (n, m, p, q) = self.f.coefficients.shape
        return self.f.coefficients.transpose(0, 2, 1, 3).reshape(n * p, m * q)

    @cached_property
    def solution(self) -> np.ndarray:
        """c: the coefficients C (N_1, N_2), by least squares in L2."""
        a, b = self.axes
        maps = {J: (a.at_nodes(J[0]) @ a.basis, b.at_nodes(J[1]) @ b.basis) for J in self.terms}
        N = sum(
            v * w * ss.kron(ss.csr_matrix(maps[J][0].T @ maps[K][0]), ss.csr_matrix(maps[J][1].T @ maps[K][1]))
            for J, v in self.terms.items() for K, w in self.terms.items()
        )  # fmt: skip
        scale = 1 / np.sqrt(N.diagonal())
        N = (ss.diags(scale) @ N @ ss.diags(scale)).tocsc()
        factor = splu(N + SHIFT * ss.eye(N.shape[0], format="csc"))
        C = np.zeros((a.spline.size, b.spline.size))
        part = C if self.part is None else self.part
        for _ in range(TURNS):
            left = a.quadrature @ (self.data - self.applied(part + C)) @ b.quadrature.T
            g = sum(v * (maps[J][0].T @ left @ maps[J][1]) for J, v in self.terms.items())
            z = scale * factor.solve(scale * g.ravel())
            C = C + a.basis @ z.reshape(g.shape) @ b.basis.T
        return part + self._exactly(C)

    def _exactly(self, C: np.ndarray) -> np.ndarray:
        """Coefficients that are to be 0, or those of their neighbours, are."""
        for i, axis in enumerate(self.axes):
            C = np.moveaxis(C, i, 0)
            for high in (False, True):
                orders = axis.zeros[high]
                if 0 in orders:
                    C[-1 if high else 0] = 0.0
                if 1 in orders:
                    C[-1 if high else 0] = C[-2 if high else 1] = 0.0 if 0 in orders else C[-2 if high else 1]
            C = np.moveaxis(C, 0, i)
        return C

    def applied(self, C: np.ndarray) -> np.ndarray:
        """L c as Bernstein coefficients."""
        a, b = self.axes
        return sum(v * (a.rows(J[0]) @ C @ b.rows(J[1]).T) for J, v in self.terms.items())

    @cached_property
    def left(self) -> Norm:
        """Bounds of f - L c."""
        C, (a, b) = self.solution, self.axes
        size = sum(abs(v) * (abs(a.rows(J[0])) @ np.abs(C) @ abs(b.rows(J[1])).T) for J, v in self.terms.items())
        p, q = a.spline.degree, b.spline.degree
        rounding = (np.abs(self.data) + size) * (4 * (p + q + len(self.terms) + 8) * U + 2.0**-50)
        rest = self.data - self.applied(C)
        lost = self._cells(rounding).max((1, 3)) + self.f.radius
        top = self._cells(np.abs(rest)).max((1, 3)) + lost
        square = self._cells((a.quadrature @ rest @ b.quadrature.T) ** 2).sum((1, 3))
        volume = np.outer(np.diff(a.spline.breaks), np.diff(b.spline.breaks))
        each = np.sqrt(square) * UP + np.sqrt(volume) * lost
        return Norm(
            float(top.max()) * UP, math.sqrt(float((each**2).sum())) * UP, float((each * np.sqrt(volume)).sum()) * UP
        )

    def _cells(self, rows: np.ndarray) -> np.ndarray:
        (a, b) = self.axes
        return rows.reshape(a.spline.elements, a.spline.degree + 1, b.spline.elements, b.spline.degree + 1)

    def size(self, norm: str) -> float:
        """A bound of c in a norm, by the names of certificates.

        Raises:
            ValueError: a norm that is not known here.
        """
        C, (a, b) = self.solution, self.axes
        if norm == "sup":
            return float(np.abs(a.rows(0) @ C @ b.rows(0).T).max()) * UP
        if norm in ("L2", "L2(Q)"):
            return math.sqrt(float(((a.quadrature @ a.rows(0) @ C @ (b.quadrature @ b.rows(0)).T) ** 2).sum())) * UP
        k = {"L2(t)": 0, "L2(T)": 0, "H1(t)": 1, "H2(t)": 2}.get(norm)
        if k is None or self.time is None:
            raise ValueError(f"the {norm} norm of a spline is not known")
        if self.time == 0:
            C, a, b = C.T, b, a
        at = a.quadrature @ a.rows(k) @ C @ b.rows(0).T  # nodes in space, Bernstein coefficients in time
        if norm == "L2(T)":
            return math.sqrt(float((at[:, -1] ** 2).sum())) * UP
        m = b.spline.degree + 1
        return max(largest_of([squared(at[:, j : j + m].T)]) for j in range(0, at.shape[1], m)) * UP


def zeros_of(orders: Sequence[Sequence[int]]) -> Zeros:
    """Of both ends, sorted."""
    low, high = (tuple(sorted(v)) for v in orders)
    return low, high
