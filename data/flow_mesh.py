"""Meshes of quadrilaterals for the flow references: a tensor grid, in it a ring that ends exactly on a circle.

The ring fills a square |dx|, |dy| <= half around the circle's centre. It has four sectors, each the image of
a rectangle (r, s) in [0, 1] x [-1, 1]: the point lies on the ray of slope s, and r runs along that ray from
the circle to the square. On the square's side the map is linear in s, so that the ring fits the tensor grid.
All cells of a mesh are rectangles of such parameters, so points are located and mapped in closed form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

try:
    from skfem import MeshQuad
    from skfem.element import ElementH1, ElementQuad1
    from skfem.mapping import MappingIsoparametric
    from skfem.refdom import RefQuad
except ImportError as error:
    raise ImportError("flow references are computed with scikit-fem: pip install '.[fem]' in the checkout") from error

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

GRID, EAST, NORTH, WEST, SOUTH = range(5)


def lobatto(degree: int) -> Array:
    """Gauss-Lobatto-Legendre nodes on [0, 1]."""
    inner = np.polynomial.legendre.Legendre.basis(degree).deriv().roots().real
    return (np.concatenate([[-1.0], np.sort(inner), [1.0]]) + 1) / 2


def lagrange(nodes: Array, x: Array) -> tuple[Array, Array]:
    """Values and derivatives (n, degree + 1) of the Lagrange polynomials of these nodes at points x (n,)."""
    n = len(nodes)
    values, slopes = np.ones((len(x), n)), np.zeros((len(x), n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        scale = np.prod(nodes[i] - nodes[others])
        values[:, i] = np.prod(x[:, None] - nodes[others], axis=1) / scale
        for j in others:
            rest = [k for k in others if k != j]
            slopes[:, i] += np.prod(x[:, None] - nodes[rest], axis=1) / scale
    return values, slopes


class QuadLagrange(ElementH1):
    """Tensor-product Lagrange element; its degrees of freedom are the values at Gauss-Lobatto nodes, `doflocs`.

    Two cells that share an edge must run along it in the same direction; the meshes of this file do.
    """

    nodal_dofs = 1
    refdom = RefQuad

    def __init__(self, degree: int):
        inner = degree - 1
        self.degree, self.maxdeg = degree, 2 * degree
        self.facet_dofs, self.interior_dofs = inner, inner**2
        self.dofnames = (1 + inner + inner**2) * ["u"]
        edge = range(1, degree)
        # The place (i, j) of every degree of freedom in the grid of nodes: vertices, edges, interior.
        self.place = np.array(
            [(0, 0), (degree, 0), (degree, degree), (0, degree)]
            + [(k, 0) for k in edge]
            + [(degree, k) for k in edge]
            + [(k, degree) for k in edge]
            + [(0, k) for k in edge]
            + [(i, j) for i in edge for j in edge]
        )
        self.nodes = lobatto(degree)
        self.doflocs = self.nodes[self.place]

    def lbasis(self, X: Array, i: int) -> tuple[Array, Array]:
        """Value and gradient of basis function i at local points X (2, ...)."""
        shape = X.shape[1:]
        (fx, gx), (fy, gy) = (lagrange(self.nodes, x.ravel()) for x in X)
        a, b = self.place[i]
        gradient = np.array([gx[:, a] * fy[:, b], fx[:, a] * gy[:, b]])
        return (fx[:, a] * fy[:, b]).reshape(shape), gradient.reshape((2, *shape))


@dataclass(frozen=True)
class Ring:
    """A circle in the square of half-width `half`, with cells between these fractions of the way outwards."""

    centre: tuple[float, float]
    radius: float
    half: float
    layers: tuple[float, ...]
    sides: int

    @property
    def slopes(self) -> Array:
        """Slopes of the rays between the cells of one sector: equal angles."""
        return np.tan(np.pi / 4 * np.linspace(-1, 1, self.sides + 1))


class Blocks:
    """The cells between the lines xs and ys, with those in the ring's square replaced by the ring."""

    def __init__(self, xs: Array, ys: Array, ring: Ring | None = None):
        self.xs, self.ys, self.ring = np.asarray(xs, float), np.asarray(ys, float), ring
        boxes = [(GRID, *pair) for pair in _pairs(self.xs, self.ys)]
        if ring is not None:
            boxes = [(k, a, b) for k, a, b in boxes if not self._in_square(np.mean(a), np.mean(b))]
            radial, along = np.asarray(ring.layers), ring.slopes
            boxes += [(k, a, b) for k in (EAST, WEST) for a, b in _pairs(radial, along)]
            boxes += [(k, a, b) for k in (NORTH, SOUTH) for a, b in _pairs(along, radial)]
        self.kind = np.array([k for k, _, _ in boxes])
        self.low = np.array([(a[0], b[0]) for _, a, b in boxes]).T
        self.high = np.array([(a[1], b[1]) for _, a, b in boxes]).T
        self._order = {
            (k, round(x, 9), round(y, 9)): i
            for i, (k, (x, y)) in enumerate(zip(self.kind.tolist(), self.low.T.tolist(), strict=True))
        }
        corners = self.map(np.arange(len(boxes)), np.array([[0.0, 1, 1, 0], [0, 0, 1, 1]]))
        flat = corners.transpose(1, 2, 0).reshape(-1, 2)
        _, first, where = np.unique(np.round(flat, 9), axis=0, return_index=True, return_inverse=True)
        self.mesh = MeshQuad(flat[first].T.copy(), where.reshape(-1, 4).T.copy())
        self.mapping = BlockMapping(self)

    def _in_square(self, x: Array | float, y: Array | float) -> NDArray[np.bool_]:
        (cx, cy), half = self.ring.centre, self.ring.half
        return np.maximum(np.abs(np.asarray(x) - cx), np.abs(np.asarray(y) - cy)) <= half + 1e-12

    def map(self, cells: Integers, X: Array) -> Array:
        """Points (2, cells, n) of local points X, (2, n) for all cells or (2, cells, n)."""
        a, b = self._parameters(cells, X)
        if self.ring is None:
            return np.array([a, b])
        kind = self.kind[cells][:, None]
        flat = (kind == EAST) | (kind == WEST)
        s, sign = np.where(flat, b, a), np.where((kind == WEST) | (kind == SOUTH), -1, 1)
        g = self._distance(np.where(flat, a, b), s)
        (cx, cy), grid = self.ring.centre, kind == GRID
        along, across = sign * g, s * g
        return np.array(
            [
                np.where(grid, a, cx + np.where(flat, along, across)),
                np.where(grid, b, cy + np.where(flat, across, along)),
            ]
        )

    def jacobian(self, cells: Integers, X: Array) -> Array:
        """Derivatives (2, 2, cells, n) of `map` by the local coordinates."""
        a, b = self._parameters(cells, X)
        size = (self.high - self.low)[:, cells][:, :, None]
        one, zero = np.ones_like(a), np.zeros_like(a)
        if self.ring is None:
            return np.array([[size[0] * one, zero], [zero, size[1] * one]])
        kind = self.kind[cells][:, None]
        flat = (kind == EAST) | (kind == WEST)
        r, s = np.where(flat, a, b), np.where(flat, b, a)
        sign = np.where((kind == WEST) | (kind == SOUTH), -1, 1)
        root = np.sqrt(1 + s**2)
        g, g_r = self._distance(r, s), self.ring.half - self.ring.radius / root
        g_s = -(1 - r) * self.ring.radius * s / root**3
        along, across = (sign * g_r, sign * g_s), (s * g_r, g + s * g_s)  # by r and by s
        rows = [
            [np.where(flat, along[0], across[1]), np.where(flat, along[1], across[0])],
            [np.where(flat, across[0], along[1]), np.where(flat, across[1], along[0])],
        ]
        grid = kind == GRID
        unit = [[one, zero], [zero, one]]
        return np.array([[np.where(grid, unit[i][j], rows[i][j]) * size[j] for j in range(2)] for i in range(2)])

    def locate(self, x: Array, y: Array) -> tuple[Integers, Array]:
        """The cell of each point (n,) and the local coordinates (2, n) there; points on the circle belong."""
        kind, a, b = np.full(len(x), GRID), x.copy(), y.copy()
        breaks = {GRID: (self.xs, self.ys)}
        if self.ring is not None:
            radial, along = np.asarray(self.ring.layers), self.ring.slopes
            breaks |= {EAST: (radial, along), WEST: (radial, along), NORTH: (along, radial), SOUTH: (along, radial)}
            dx, dy = x - self.ring.centre[0], y - self.ring.centre[1]
            inside, flat = self._in_square(x, y), np.abs(dx) >= np.abs(dy)
            g, other = np.where(flat, np.abs(dx), np.abs(dy)), np.where(flat, dy, dx)
            s = other / np.where(g > 0, g, 1)
            wall = self.ring.radius / np.sqrt(1 + s**2)
            if (inside & (g < wall - 1e-9)).any():
                raise ValueError("a point lies inside the circle")
            r = np.maximum(g - wall, 0) / (self.ring.half - wall)
            kind[inside] = np.where(flat, np.where(dx > 0, EAST, WEST), np.where(dy > 0, NORTH, SOUTH))[inside]
            a, b = np.where(inside, np.where(flat, r, s), x), np.where(inside, np.where(flat, s, r), y)
        cell, local = np.zeros(len(x), dtype=int), np.zeros((2, len(x)))
        for k, (first, second) in breaks.items():
            chosen = np.flatnonzero(kind == k)
            i, u = _interval(first, a[chosen])
            j, v = _interval(second, b[chosen])
            names = zip(np.round(first[i], 9).tolist(), np.round(second[j], 9).tolist(), strict=True)
            cell[chosen] = [self._order[k, p, q] for p, q in names]
            local[:, chosen] = u, v
        return cell, local

    def _parameters(self, cells: Integers, X: Array) -> Array:
        low, size = self.low[:, cells][:, :, None], (self.high - self.low)[:, cells][:, :, None]
        return low + size * (X if X.ndim == 3 else X[:, None])

    def _distance(self, r: Array, s: Array) -> Array:
        return (1 - r) * self.ring.radius / np.sqrt(1 + s**2) + r * self.ring.half


class BlockMapping(MappingIsoparametric):
    """scikit-fem's mapping of the reference square to the cells, exact on the circle."""

    def __init__(self, blocks: Blocks):
        super().__init__(blocks.mesh, ElementQuad1())
        self.blocks = blocks

    def F(self, X: Array, tind: Integers | None = None) -> Array:
        """Points (2, cells, n)."""
        return self.blocks.map(self._cells(tind), X)

    def J(self, i: int, j: int, X: Array, tind: Integers | None = None) -> Array:
        """Derivative of coordinate i by local coordinate j, (cells, n)."""
        return self.blocks.jacobian(self._cells(tind), X)[i, j]

    def _cells(self, tind: Integers | None) -> Integers:
        return np.arange(len(self.blocks.kind)) if tind is None else np.asarray(tind)


def refine(lines: Array | list[float], times: int) -> Array:
    """Every interval halved, `times` times."""
    lines = np.asarray(lines, dtype=float)
    for _ in range(times):
        lines = np.sort(np.concatenate([lines, (lines[1:] + lines[:-1]) / 2]))
    return lines


def graded(start: float, stop: float, n: int, ratio: float) -> Array:
    """n intervals from start to stop, each `ratio` times as long as the one before."""
    steps = ratio ** np.arange(n)
    return start + (stop - start) * np.concatenate([[0], np.cumsum(steps) / steps.sum()])


def _pairs(first: Array, second: Array) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    along = list(zip(second[:-1], second[1:], strict=True))
    return [((a, b), pair) for a, b in zip(first[:-1], first[1:], strict=True) for pair in along]


def _interval(breaks: Array, x: Array) -> tuple[Integers, Array]:
    """The interval of each x between sorted breaks, and the place within it as a fraction."""
    i = np.clip(np.searchsorted(breaks, x, side="right") - 1, 0, len(breaks) - 2)
    return i, np.clip((x - breaks[i]) / (breaks[i + 1] - breaks[i]), 0, 1)
