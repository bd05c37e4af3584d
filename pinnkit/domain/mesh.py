"""Meshes of a domain to look at solutions on: grids of boxes, triangles and tetrahedra of bodies with their holes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pinnkit.tools.checked import checked
from pinnkit.tools.memory import afford
from pinnkit.tools.sequences import unit_points

from .base import BOUNDARY, Domain, Patch

NODES = {1: 1000, 2: 20_000, 3: 40_000}  # unless told otherwise, by dimension
NODE = 400  # bytes that a node takes with its cells while a mesh is made, at least
ROUND, STRAIGHT = 48, 4  # parts of a boundary curve and of a straight side, at least: small holes stay round
GROWTH = 1.3  # from one layer of nodes to the next, away from a finely divided boundary
CORNER = 0.5  # radians between neighbouring normals, from which there is a corner
FACETS: dict[str, list[tuple[int, ...]]] = {
    "line": [(0,), (1,)],
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "quad": [(0, 1), (1, 2), (2, 3), (3, 0)],
    "tetra": [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)],
    "hexahedron": [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)],
}
FACET_KINDS = {1: "vertex", 2: "line", 3: "triangle", 4: "quad"}  # by the number of nodes


@checked
@dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh of nodes and cells of one kind.

    Args:
        X: nodes (n, d).
        cells: numbers of the nodes of each cell, (m, nodes of a cell).
        kind: line, quad, hexahedron, triangle or tetra.

    Example:
        >>> import pinnkit as pk
        >>> import numpy as np
        >>> corner = pk.Mesh(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([[0, 1, 2]]), "triangle")
        >>> corner.cells.shape
        (1, 3)
    """

    X: np.ndarray
    cells: np.ndarray
    kind: str


def mesh(domain: Domain, nodes: int | None = None) -> Mesh:
    """A mesh of the domain's space, with about so many nodes; of space and time where space has one dimension.

    Boxes get a grid. Other bodies get the Delaunay triangulation of nodes on their boundary, corners included, in
    layers along it, and on a staggered grid, less the cells outside: a hole stays a hole.

    Raises:
        ValueError: fewer than 8 nodes, space of more than three dimensions; MemoryError: too many nodes.
    """
    flat = len(domain.space) < 2
    names = domain.names if flat else domain.space
    if len(names) > 3:
        raise ValueError(f"a mesh has at most three dimensions, the domain has {', '.join(names)}")
    nodes = NODES[len(names)] if nodes is None else nodes
    if nodes < 8:
        raise ValueError(f"nodes={nodes}: give at least 8")
    afford(NODE * nodes, f"a mesh of about {nodes} nodes", "give fewer, as nodes=20000")
    box = domain.bounds[:, [domain.names.index(n) for n in names]]
    full = math.isclose(domain.measure(), float(np.prod(np.ptp(domain.bounds, axis=0))), rel_tol=1e-12)
    return _grid(box, nodes) if flat or full else _delaunay(_Body(domain), box, nodes)


def boundary_mesh(grid: Mesh) -> Mesh:
    """The facets that belong to one cell only: ends of lines, edges of a plane mesh, the faces of a mesh in space.

    Nodes keep their order; those inside are left out. ValueError for cells that have no facets.
    """
    if grid.kind not in FACETS:
        raise ValueError(f"cells of the kind {grid.kind!r} have no facets: expected {', '.join(FACETS)}")
    facets = np.concatenate([grid.cells[:, list(facet)] for facet in FACETS[grid.kind]])
    _, first, times = np.unique(np.sort(facets, axis=1), axis=0, return_index=True, return_counts=True)
    facets = facets[np.sort(first[times == 1])]
    used, numbers = np.unique(facets, return_inverse=True)
    return Mesh(grid.X[used], numbers.reshape(facets.shape), FACET_KINDS[facets.shape[1]])


def _grid(box: np.ndarray, nodes: int) -> Mesh:
    """A grid of cells that are nearly cubes."""
    d, width = box.shape[1], np.ptp(box, axis=0)
    if d == 2:  # of a plane of space and time, whose units differ, as many parts either way
        width = width if width.max() < 30 * width.min() else np.ones(2)
    h = (width.prod() / nodes) ** (1 / d)
    counts = [max(2, round(w / h) + 1) for w in width]
    axes = [np.linspace(low, high, n) for low, high, n in zip(*box, counts, strict=True)]
    X = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], 1)
    number = np.arange(len(X)).reshape(counts)
    corners: dict[int, list[tuple[int, ...]]] = {
        1: [(0,), (1,)],
        2: [(0, 0), (1, 0), (1, 1), (0, 1)],
        3: [(i, j, k) for k in (0, 1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))],
    }
    parts = [number[tuple(slice(c, n - 1 + c) for c, n in zip(at, counts, strict=True))].ravel() for at in corners[d]]
    return Mesh(X, np.stack(parts, 1), {1: "line", 2: "quad", 3: "hexahedron"}[d])


class _Body:
    """The domain's body in space: what lies in it, and its boundary."""

    def __init__(self, domain: Domain) -> None:
        self.domain, self.d = domain, len(domain.space)

    def inside(self, x: np.ndarray) -> np.ndarray:
        """The mask (n,) of points x (n, d) of space."""
        if self.domain.time is None:
            return self.domain.inside(x)
        i = self.domain.names.index(self.domain.time)
        return self.domain.inside(np.insert(x, i, self.domain.bounds[0, i], axis=1))

    def boundary(self, h: float) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Nodes, outward normals and their spacing, at most h, for every piece of the boundary."""
        for patch in self.domain.patches(BOUNDARY):
            _, normals = patch.piece.chart(unit_points(8, patch.piece.params))
            parts = ROUND if np.ptp(normals, axis=0).max() > 1e-9 else STRAIGHT
            step = min(h, patch.piece.measure / parts if self.d == 2 else math.sqrt(patch.piece.measure) / parts * 4)
            x, normals = (_curve if self.d == 2 else _surface)(patch, step)
            if len(x):
                yield x, normals, step


def _curve(patch: Patch, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced nodes of a curve's kept part, its ends and corners among them."""
    u = np.linspace(0, 1, math.ceil(patch.piece.measure / step) + 1)
    middle = (u[1:] + u[:-1]) / 2
    kept, normals = _kept(patch, middle)
    turned = (normals[1:] * normals[:-1]).sum(1) < math.cos(CORNER)
    change = np.flatnonzero((kept[1:] != kept[:-1]) | (turned & kept[1:] & kept[:-1]))
    low, high = middle[change].copy(), middle[change + 1].copy()
    before, direction = kept[change], normals[change]
    for _ in range(50):
        half = (low + high) / 2
        now, facing = _kept(patch, half)
        same = (now == before) & ((facing * direction).sum(1) > math.cos(CORNER / 2))
        low, high = np.where(same, half, low), np.where(same, high, half)
    padded = np.concatenate([kept[-1:], kept, kept[:1]])
    u = np.concatenate([low, high, u[padded[1:] | padded[:-1]]])  # breaks first: near them others give way
    return patch.piece.chart(np.clip(u, 0, 1 - 1e-16)[:, None])


def _kept(patch: Patch, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, normals = patch.piece.chart(u[:, None])
    return (np.ones(len(u), bool) if patch.keep is None else patch.keep(x, normals)), normals


def _surface(patch: Patch, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of a surface's kept part, its chart's rim among them."""
    n = max(3, math.ceil(math.sqrt(patch.piece.measure) / step))
    u = np.stack([a.ravel() for a in np.meshgrid(*[np.linspace(0, 1, n + 1)] * patch.piece.params)], 1)
    x, normals = patch.piece.chart(u)
    if patch.keep is not None:
        kept = patch.keep(*patch.piece.chart(0.5 + (u - 0.5) * (1 - 1e-6)))
        x, normals = x[kept], normals[kept]
    return x, normals


def _delaunay(body: _Body, box: np.ndarray, nodes: int) -> Mesh:
    from scipy.spatial import Delaunay  # slow to import

    d = body.d
    volume = body.domain.measure() / (np.prod(np.ptp(body.domain.bounds, axis=0)) / np.prod(np.ptp(box, axis=0)))
    h = (volume / nodes * (2 / math.sqrt(3) if d == 2 else 1)) ** (1 / d)
    pieces = list(body.boundary(h))
    X = np.empty((0, d))
    for x, _, step in pieces:
        X = _joined(X, x, 0.6 * step)
    outer = len(X)
    for x, normals, step in pieces:
        away = 0.0
        for _ in range(40):
            away, X = away + step, _joined(X, _within(body, x - (away + step) * normals), 0.6 * step)
            if step >= h:
                break
            step = min(h, step * GROWTH)
    X = _joined(X, _within(body, _staggered(box, h)), 0.75 * h, among=False)
    if d == 3:  # four nodes in a plane make flat cells, whose neighbours do not meet: inner nodes leave it by a little
        X[outer:] += 0.01 * h * np.random.default_rng(0).uniform(-1, 1, X[outer:].shape)
    found = Delaunay(X)
    cells, outside = found.simplices, np.zeros(len(found.simplices), bool)
    near = np.full((d + 1, d + 1), 1 / 3 / d) + np.eye(d + 1) * (2 / 3 - 1 / 3 / d)  # of a corner, well inside a cell
    for weights in (np.full(d + 1, 1 / (d + 1)), *near):
        kept = np.flatnonzero(~outside)
        outside[kept] = ~body.inside(np.einsum("k,mkd->md", weights, X[cells[kept]]))
    used, cells = np.unique(cells[~_peeled(outside, _flat(X, cells), found.neighbors)], return_inverse=True)
    return Mesh(X[used], cells.reshape(-1, d + 1), "triangle" if d == 2 else "tetra")


def _joined(X: np.ndarray, new: np.ndarray, least: float, among: bool = True) -> np.ndarray:
    """X, and those of the new nodes that keep the distance from it and (``among``) from each other, the first first."""
    from scipy.spatial import cKDTree

    if len(X):
        new = new[cKDTree(X).query(new)[0] > least]
    if among and len(new):
        dropped = np.zeros(len(new), bool)
        for i, j in cKDTree(new).query_pairs(least, output_type="ndarray"):
            dropped[max(i, j)] |= not dropped[min(i, j)]
        new = new[~dropped]
    return np.concatenate([X, new])


def _within(body: _Body, x: np.ndarray) -> np.ndarray:
    return x[body.inside(x)]


def _staggered(box: np.ndarray, h: float) -> np.ndarray:
    """Nodes at a distance h from their neighbours: of equilateral triangles in the plane, of cubes in space."""
    steps = [h, h * math.sqrt(3) / 2] if box.shape[1] == 2 else [h] * box.shape[1]
    axes = [np.arange(lo + h / 2, hi, step) for (lo, hi), step in zip(box.T, steps, strict=True)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    if box.shape[1] == 2:
        nodes[:, ::2, 0] += h / 2
    return nodes.reshape(-1, box.shape[1])


def _flat(X: np.ndarray, cells: np.ndarray) -> np.ndarray:
    edges = X[cells[:, 1:]] - X[cells[:, :1]]
    return np.abs(np.linalg.det(edges)) <= 1e-6 * np.linalg.norm(edges, axis=2).max(1) ** X.shape[1]


def _peeled(outside: np.ndarray, flat: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """The cells outside, and the flat ones on them: Delaunay's triangulation makes such on straight sides.

    A flat cell between others stays, since without it those would not meet.
    """
    outside = np.append(outside, True)  # the last one, of number -1, is beyond the hull
    while (more := flat & ~outside[:-1] & outside[neighbours].any(1)).any():
        outside[:-1] |= more
    return outside[:-1]
