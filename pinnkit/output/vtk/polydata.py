"""VTK's PolyData files (.vtp): points, curves or surfaces with columns of data, and the boundary of a mesh as such."""

import base64
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from pinnkit.domain.mesh import Mesh
from pinnkit.tools.atomic_file import put

SECTIONS = {"vertex": "Verts", "line": "Lines", "triangle": "Polys", "quad": "Polys"}
FACETS: dict[str, list[tuple[int, ...]]] = {
    "line": [(0,), (1,)],
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "quad": [(0, 1), (1, 2), (2, 3), (3, 0)],
    "tetra": [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)],
    "hexahedron": [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)],
}
KINDS = {1: "vertex", 2: "line", 3: "triangle", 4: "quad"}  # of a facet, by its number of nodes


def write_vtp(path: str | Path, grid: Mesh, data: Mapping[str, np.ndarray]) -> Path:
    """Write a mesh of vertices, lines, triangles or quads to a .vtp file, whole or not at all.

    Columns are real, (n,) or (n, k) for n nodes. As the VTK file formats have it (XML, version 1.0): every array in
    base64, its bytes counted by a UInt64 in front, little-endian.

    Raises:
        ValueError: cells with an interior of three dimensions, columns of another length; OSError: no such folder.
    """
    if grid.kind not in SECTIONS:
        raise ValueError(f"a .vtp file holds {', '.join(SECTIONS)}, not {grid.kind}: write a .vtu file, or boundary()")
    n, m = len(grid.X), len(grid.cells)
    for name, values in data.items():
        if np.ndim(values) not in (1, 2) or len(values) != n:
            raise ValueError(f"the column {name!r} has shape {np.shape(values)}: expected ({n},) or ({n}, k)")
    places = np.pad(np.asarray(grid.X, np.float64), ((0, 0), (0, 3 - grid.X.shape[1])))
    used = SECTIONS[grid.kind]
    counts = " ".join(f'NumberOf{s}="{m * (s == used)}"' for s in ("Verts", "Lines", "Strips", "Polys"))
    lines = [
        '<?xml version="1.0"?>',
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">',
        "<PolyData>", f'<Piece NumberOfPoints="{n}" {counts}>',
        "<PointData>", *(_array(name, values) for name, values in data.items()), "</PointData>",
        "<Points>", _array("Points", places), "</Points>",
        f"<{used}>", _array("connectivity", np.ravel(grid.cells)),
        _array("offsets", np.arange(1, m + 1) * grid.cells.shape[1]), f"</{used}>",
        "</Piece>", "</PolyData>", "</VTKFile>", "",
    ]  # fmt: skip
    path = Path(path)
    put(path, lambda partial: partial.write_text("\n".join(lines), encoding="utf-8"))
    return path


def boundary(grid: Mesh) -> Mesh:
    """The facets that belong to one cell only: ends of lines, edges of a plane mesh, the faces of a mesh in space.

    Nodes keep their order; those inside are left out. ValueError for cells that have no facets.
    """
    if grid.kind not in FACETS:
        raise ValueError(f"cells of the kind {grid.kind!r} have no facets: expected {', '.join(FACETS)}")
    facets = np.concatenate([grid.cells[:, list(facet)] for facet in FACETS[grid.kind]])
    _, first, times = np.unique(np.sort(facets, axis=1), axis=0, return_index=True, return_counts=True)
    facets = facets[np.sort(first[times == 1])]
    used, numbers = np.unique(facets, return_inverse=True)
    return Mesh(grid.X[used], numbers.reshape(facets.shape), KINDS[facets.shape[1]])


def _array(name: str, values: np.ndarray) -> str:
    values = np.asarray(values)
    kind, text = ("<i8", "Int64") if values.dtype.kind in "iub" else ("<f8", "Float64")
    content = np.ascontiguousarray(values).astype(kind).tobytes()
    width = 1 if values.ndim == 1 else values.shape[1]
    encoded = base64.b64encode(np.array(len(content), "<u8").tobytes() + content).decode()
    about = f'type="{text}" Name={quoteattr(name)} NumberOfComponents="{width}" format="binary"'
    return f"<DataArray {about}>{encoded}</DataArray>"
