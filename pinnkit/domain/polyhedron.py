"""Bodies whose boundary is a closed surface of triangles."""

from itertools import combinations

import numpy as np

from .shapes import Piece

NEAREST, BLOCK = 16, 2**14  # triangles that are looked at first; pairs of a point and a triangle at once


class Polyhedron:
    """The body in a closed, outward oriented surface of triangles: vertices (V, 3), triangles (T, 3) of their numbers.

    Raises:
        ValueError: a surface that is not closed, or that is not oriented alike everywhere.

    Source:
        Baerentzen, Aanaes, IEEE Trans. Vis. Comput. Graph. 11 (2005): signs of distances by pseudonormals.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    volume: float

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        from scipy.spatial import cKDTree  # which changes the filters of warnings when it is loaded

        self.vertices, self.triangles = np.asarray(vertices, float), np.asarray(triangles, int)
        edges = _check_closed(self.triangles)
        corners = self.vertices[self.triangles]  # (T, 3, 3)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        volume = float((corners[:, 0] * cross).sum() / 6)
        if volume < 0:
            self.triangles = self.triangles[:, ::-1]
            corners, cross, volume = corners[:, ::-1], -cross, -volume
            edges = {(b, a): k for (a, b), k in edges.items()}
        self.volume, self.lower, self.upper = volume, self.vertices.min(0), self.vertices.max(0)
        twice = np.linalg.norm(cross, axis=1)
        self._corners, self._areas, self._faces = corners, twice / 2, cross / twice[:, None]
        self._edges, self._points = self._pseudonormals(edges)
        self._tree = cKDTree(corners.mean(1))
        self._reach = float(np.linalg.norm(corners - corners.mean(1, keepdims=True), axis=2).max())
        self.pieces: tuple[Piece, ...] = (Piece(float(self._areas.sum()), 2, self._chart),)

    def _pseudonormals(self, edges: dict[tuple[int, int], int]) -> tuple[np.ndarray, np.ndarray]:
        """Normals of the edges opposite to each corner (T, 3, 3) and of the corners (T, 3, 3)."""
        opposite = np.empty_like(self._corners)
        for t, (a, b, c) in enumerate(self.triangles.tolist()):
            for k, (p, q) in enumerate(((b, c), (c, a), (a, b))):
                opposite[t, k] = self._faces[t] + self._faces[edges[q, p]]
        at = np.zeros_like(self.vertices)
        for k in range(3):
            one, other = (self._corners[:, (k + j) % 3] - self._corners[:, k] for j in (1, 2))
            cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
            angle = np.arccos(np.clip(cosine, -1, 1))
            np.add.at(at, self.triangles[:, k], angle[:, None] * self._faces)
        return opposite, at[self.triangles]

    def level(self, x: np.ndarray) -> np.ndarray:
        """The signed distance to the surface: (n, 3) -> (n,)."""
        t, weights, gap = self._nearest(x)
        return np.where((gap * self._pseudonormal(t, weights)).sum(1) < 0, -1.0, 1.0) * np.linalg.norm(gap, axis=1)

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The normal of the nearest triangle, edge or corner: (n, 3) -> (n, 3)."""
        t, weights, _ = self._nearest(x)
        found = self._pseudonormal(t, weights)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def _pseudonormal(self, t: np.ndarray, weights: np.ndarray) -> np.ndarray:
        zero = weights == 0
        found = self._faces[t]
        edge, corner = zero.sum(1) == 1, zero.sum(1) == 2
        found[edge] = self._edges[t[edge], zero[edge].argmax(1)]
        found[corner] = self._points[t[corner], weights[corner].argmax(1)]
        return found

    def _nearest(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest triangle (n,), the barycentric weights there (n, 3), and the way from there (n, 3)."""
        T = len(self.triangles)
        first = min(NEAREST, T)
        far, which = self._tree.query(x, first)
        far, which = far.reshape(len(x), first), which.reshape(len(x), first)
        t, weights, gap = self._best(x, which)
        rows = np.flatnonzero((np.linalg.norm(gap, axis=1) > far[:, -1] - self._reach) & (first < T))
        if len(rows):  # of these another triangle may be nearer
            t[rows], weights[rows], gap[rows] = self._best(x[rows], np.broadcast_to(np.arange(T), (len(rows), T)))
        return t, weights, gap

    def _best(self, x: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        t, weights, gap = np.empty(len(x), int), np.empty((len(x), 3)), np.empty((len(x), 3))
        size = max(1, BLOCK // which.shape[1])
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            corners, here = self._corners[which[part]], np.arange(len(x[part]))
            all_weights = closest(x[part, None], *np.moveaxis(corners, 2, 0))
            gaps = x[part, None] - (all_weights[..., None] * corners).sum(2)
            best = (gaps**2).sum(2).argmin(1)
            t[part], weights[part], gap[part] = which[part][here, best], all_weights[here, best], gaps[here, best]
        return t, weights, gap

    def _chart(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reached = np.concatenate(([0.0], np.cumsum(self._areas)))
        place = u[:, 0] * reached[-1]
        t = np.clip(np.searchsorted(reached, place, side="right") - 1, 0, len(self._areas) - 1)
        s, v = np.sqrt(np.clip((place - reached[t]) / self._areas[t], 0, 1)), u[:, 1]
        weights = np.stack([1 - s, s * (1 - v), s * v], 1)
        return (weights[..., None] * self._corners[t]).sum(1), self._faces[t]


def closest(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Barycentric weights (..., 3) of the points of triangles a b c that are closest to p; exactly 0 on their rims.

    Source: Ericson, Real-Time Collision Detection (2005), section 5.1.5.
    """
    ab, ac = b - a, c - a
    d1, d2, d3, d4, d5, d6 = ((side * (p - end)).sum(-1) for end in (a, b, c) for side in (ab, ac))
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    none, one = np.zeros_like(d1), np.ones_like(d1)
    with np.errstate(divide="ignore", invalid="ignore"):
        v, w, e = d1 / (d1 - d3), d2 / (d2 - d6), (d4 - d3) / (d4 - d3 + d5 - d6)
        total = va + vb + vc
        regions = [
            ((d1 <= 0) & (d2 <= 0), (one, none, none)),
            ((d3 >= 0) & (d4 <= d3), (none, one, none)),
            ((vc <= 0) & (d1 >= 0) & (d3 <= 0), (1 - v, v, none)),
            ((d6 >= 0) & (d5 <= d6), (none, none, one)),
            ((vb <= 0) & (d2 >= 0) & (d6 <= 0), (1 - w, none, w)),
            ((va <= 0) & (d4 >= d3) & (d5 >= d6), (none, 1 - e, e)),
        ]
        inner = (va / total, vb / total, vc / total)
    masks = [mask for mask, _ in regions]
    return np.stack([np.select(masks, [w[k] for _, w in regions], inner[k]) for k in range(3)], -1)


def _check_closed(triangles: np.ndarray) -> dict[tuple[int, int], int]:
    """The triangle of every directed edge; ValueError where one lacks its opposite, or comes twice."""
    edges: dict[tuple[int, int], int] = {}
    for t, (a, b, c) in enumerate(triangles.tolist()):
        for edge in ((a, b), (b, c), (c, a)):
            if edge in edges:
                raise ValueError(
                    f"the surface is not oriented alike at the edge of the vertices {edge[0]} and {edge[1]}: "
                    "turn triangles so that all normals point outwards (in most mesh tools: fix normals)"
                )
            edges[edge] = t
    lone = sum((b, a) not in edges for a, b in edges)
    if lone or not edges:
        raise ValueError(f"the surface of {len(triangles)} triangles is not closed: {lone} edges have one side only")
    return edges


def skin(cells: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The triangles (T, 3) of tetrahedra (C, 4) that belong to one of them alone, oriented outwards."""
    seen: dict[frozenset[int], tuple[int, int, int] | None] = {}
    for cell in cells.tolist():
        for face in combinations(range(4), 3):
            a, b, c = (cell[i] for i in face)
            other = cell[6 - sum(face)]
            out = np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a]) @ (vertices[other] - vertices[a]) < 0
            key = frozenset((a, b, c))
            seen[key] = None if key in seen else ((a, b, c) if out else (a, c, b))
    return np.array([face for face in seen.values() if face is not None])
