"""VTK's XML files: meshes with columns of data, as PolyData (.vtp) or an unstructured grid (.vtu)."""

import base64
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from pinnkit.domain.mesh import Mesh
from pinnkit.tools.atomic_file import put

SECTIONS = {"vertex": "Verts", "line": "Lines", "triangle": "Polys", "quad": "Polys"}  # of a .vtp file
TYPES = {"vertex": 1, "line": 3, "triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}  # of a .vtu file's cells


def write_vtk(path: str | Path, grid: Mesh, data: Mapping[str, np.ndarray]) -> Path:
    """Write a mesh to a .vtp file (vertices, lines, triangles or quads) or a .vtu file, whole or not at all.

    Columns are real, (n,) or (n, k) for n nodes. As the VTK file formats have it (XML, version 1.0): every array in
    base64, its bytes counted by a UInt64 in front, little-endian.

    Raises:
        ValueError: cells that such a file does not hold, columns of another length; OSError: no such folder.
    """
    path, n = Path(path), len(grid.X)
    flat = path.suffix == ".vtp"
    kinds = SECTIONS if flat else TYPES
    if grid.kind not in kinds:
        other = ": write a .vtu file, or boundary_mesh()" if flat and grid.kind in TYPES else ""
        raise ValueError(f"a {path.suffix} file holds {', '.join(kinds)}, not {grid.kind}{other}")
    for name, values in data.items():
        if np.ndim(values) not in (1, 2) or len(values) != n:
            raise ValueError(f"the column {name!r} has shape {np.shape(values)}: expected ({n},) or ({n}, k)")
    places = np.pad(np.asarray(grid.X, np.float64), ((0, 0), (0, 3 - grid.X.shape[1])))
    root, counts, cells = (_poly_data if flat else _unstructured)(grid)
    lines = [
        '<?xml version="1.0"?>',
        f'<VTKFile type="{root}" version="1.0" byte_order="LittleEndian" header_type="UInt64">',
        f"<{root}>", f'<Piece NumberOfPoints="{n}" {counts}>',
        "<PointData>", *(_array(name, values) for name, values in data.items()), "</PointData>",
        "<Points>", _array("Points", places), "</Points>", *cells, "</Piece>", f"</{root}>", "</VTKFile>", "",
    ]  # fmt: skip
    put(path, lambda partial: partial.write_text("\n".join(lines), encoding="utf-8"))
    return path


def _poly_data(grid: Mesh) -> tuple[str, str, list[str]]:
    """The kind of file, how many cells of each section there are, and the cells."""
    used = SECTIONS[grid.kind]
    counts = (f'NumberOf{s}="{len(grid.cells) * (s == used)}"' for s in ("Verts", "Lines", "Strips", "Polys"))
    return "PolyData", " ".join(counts), [f"<{used}>", *_connected(grid), f"</{used}>"]


def _unstructured(grid: Mesh) -> tuple[str, str, list[str]]:
    types = _array("types", np.full(len(grid.cells), TYPES[grid.kind], np.uint8))
    cells = ["<Cells>", *_connected(grid), types, "</Cells>"]
    return "UnstructuredGrid", f'NumberOfCells="{len(grid.cells)}"', cells


def _connected(grid: Mesh) -> list[str]:
    """The nodes of all cells in a row, and where each cell ends."""
    m, nodes = grid.cells.shape
    return [_array("connectivity", np.ravel(grid.cells)), _array("offsets", np.arange(1, m + 1) * nodes)]


def _array(name: str, values: np.ndarray) -> str:
    values = np.asarray(values)
    kind, text = ("<i8", "Int64") if values.dtype.kind in "iub" else ("<f8", "Float64")
    if values.dtype == np.uint8:
        kind, text = "u1", "UInt8"
    content = np.ascontiguousarray(values).astype(kind).tobytes()
    width = "" if values.ndim == 1 else f' NumberOfComponents="{values.shape[1]}"'
    encoded = base64.b64encode(np.array(len(content), "<u8").tobytes() + content).decode()
    about = f'type="{text}" Name={quoteattr(name)}{width} format="binary"'
    return f"<DataArray {about}>{encoded}</DataArray>"
