"""Bodies from mesh files: the outline of a plane mesh, the surface of a solid one."""

import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from pinnkit.tools.hdf5_check import check_regular
from pinnkit.tools.optional import optional

from .csg import Leaf, Node, Tree
from .polyhedron import Polyhedron, skin
from .shapes import Polygon

SAME = 1e-9  # of the size: how close two vertices are that are one
_TETRAHEDRA = {
    "tetra": ((0, 1, 2, 3),),
    "hexahedron": ((0, 1, 2, 5), (0, 2, 3, 7), (0, 5, 7, 4), (2, 7, 5, 6), (0, 2, 7, 5)),
}
_SIDES = {"triangle": 3, "quad": 4}


def read_mesh(path: str | Path) -> Tree:
    """The body that a mesh file holds, as far as its straight sides go.

    Raises:
        ImportError: meshio is not installed.
        FileNotFoundError: there is no such file.
        ValueError: a file that meshio cannot read, or a mesh that encloses nothing.
    """
    meshio = optional("meshio", "fem", "Geometry.from_mesh")
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    check_regular(Path(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # meshio's own, of numbers that it only compares
            mesh = meshio.read(path)
    except (Exception, SystemExit) as error:  # readers of some thirty formats raise anything
        formats = "give .stl, .vtu, .msh or another format of meshio"
        raise ValueError(f"{path} cannot be read as a mesh ({error}): {formats}") from error
    vertices, cells = _merged(np.asarray(mesh.points, float), mesh.cells)
    try:
        return _body(vertices, cells)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _merged(points: np.ndarray, blocks: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Vertices, those in one place being one, and cells by kind."""
    step = SAME * float(np.ptp(points, axis=0).max() or 1.0)
    _, first, number = np.unique(np.round(points / step), axis=0, return_index=True, return_inverse=True)
    cells: dict[str, list] = defaultdict(list)
    for block in blocks:
        cells[block.type].append(number.reshape(-1)[np.asarray(block.data)])
    return points[first], {kind: np.concatenate(parts) for kind, parts in cells.items()}


def _body(vertices: np.ndarray, cells: dict[str, np.ndarray]) -> Tree:
    solid = [cells[kind][:, list(four)] for kind, parts in _TETRAHEDRA.items() if kind in cells for four in parts]
    if solid:
        return Leaf(Polyhedron(*_used(vertices, skin(np.concatenate(solid), vertices))))
    flat = vertices.shape[1] == 2 or np.ptp(vertices[:, 2]) <= 1e3 * SAME * np.ptp(vertices[:, :2], axis=0).max()
    sides = {kind: cells[kind] for kind in _SIDES if kind in cells}
    if flat and sides:
        return _plane(vertices[:, :2], _rim(sides))
    if flat and "line" in cells:
        return _plane(vertices[:, :2], [tuple(edge) for edge in cells["line"].tolist()])
    if sides:
        split = (("triangle", (0, 1, 2)), ("quad", (0, 1, 2)), ("quad", (0, 2, 3)))
        triangles = [sides[kind][:, list(three)] for kind, three in split if kind in sides]
        return Leaf(Polyhedron(*_used(vertices, np.concatenate(triangles))))
    raise ValueError(
        f"a mesh of {', '.join(cells) or 'no cells'} encloses nothing: give triangles, quads or tetrahedra"
    )


def _used(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept, number = np.unique(triangles, return_inverse=True)
    return vertices[kept], number.reshape(triangles.shape)


def _rim(sides: dict[str, np.ndarray]) -> list[tuple[int, int]]:
    """The edges that belong to one cell alone."""
    count: Counter = Counter()
    for kind, rows in sides.items():
        for row in rows.tolist():
            count.update(frozenset((row[i], row[(i + 1) % _SIDES[kind]])) for i in range(_SIDES[kind]))
    return [tuple(edge) for edge, n in count.items() if n == 1]


def _plane(vertices: np.ndarray, edges: list[tuple[int, int]]) -> Tree:
    """The body in closed outlines: those within another are its holes."""
    outlines = sorted((Polygon(_straight(vertices[loop])) for loop in _loops(edges)), key=lambda p: -p.volume)
    depth = [sum(bool(other.level(p.vertices[:1])[0] < 0) for other in outlines if other is not p) for p in outlines]
    bodies: list[Tree] = []
    for outer, level in zip(outlines, depth, strict=True):
        if level % 2:
            continue
        body: Tree = Leaf(outer)
        for hole, below in zip(outlines, depth, strict=True):
            if below == level + 1 and outer.level(hole.vertices[:1])[0] < 0:
                body = Node("difference", body, Leaf(hole))
        bodies.append(body)
    whole = bodies[0]
    for body in bodies[1:]:
        whole = Node("union", whole, body)
    return whole


def _loops(edges: list[tuple[int, int]]) -> list[list[int]]:
    beside: dict[int, list[int]] = defaultdict(list)
    for a, b in edges:
        beside[a].append(b)
        beside[b].append(a)
    odd = sum(len(others) != 2 for others in beside.values())
    if odd or not beside:
        raise ValueError(f"its outline is not closed, or touches itself, at {odd} vertices: expected closed outlines")
    loops, left = [], set(beside)
    while left:
        loop = [left.pop()]
        while following := [v for v in beside[loop[-1]] if v in left]:
            loop.append(following[0])
            left.discard(following[0])
        loops.append(loop)
    return loops


def _straight(corners: np.ndarray) -> np.ndarray:
    """The corners without those in the middle of a straight side."""
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return corners[np.abs(turn) > 1e-9 * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)]
