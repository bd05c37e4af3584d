"""VTK's XML files: taken apart again by the rules of the format, they hold what went in; the boundary of a mesh."""

import base64
import re
import struct
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pytest

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.domain.mesh import boundary_mesh, mesh
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from pinnkit.output.vtk.xml_file import write_vtk

UNTRAINED = {"stages": [], "progress": False, "validation": 10, "resample": None}
CODES = {"Float64": "d", "Int64": "q"}


def values(array: xml.Element) -> np.ndarray:
    """The numbers of a <DataArray>: a count of bytes, then so many bytes, little-endian."""
    content = base64.b64decode(array.text, validate=True)
    (count,) = struct.unpack_from("<Q", content)
    assert count == len(content) - 8 and array.get("format") == "binary"
    numbers = struct.unpack(f"<{count // 8}{CODES[array.get('type')]}", content[8:])
    width = int(array.get("NumberOfComponents", "1"))
    return np.array(numbers) if width == 1 else np.array(numbers).reshape(-1, width)


def taken_apart(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, list[list[int]]]]:
    """Places, columns and cells by section."""
    root = xml.parse(path).getroot()
    assert root.tag == "VTKFile" and root.get("type") == "PolyData"
    assert (root.get("byte_order"), root.get("header_type")) == ("LittleEndian", "UInt64")
    piece = root.find("PolyData/Piece")
    places = values(piece.find("Points/DataArray"))
    assert len(places) == int(piece.get("NumberOfPoints")) and places.shape[1] == 3
    columns = {array.get("Name"): values(array) for array in piece.findall("PointData/DataArray")}
    assert all(len(column) == len(places) for column in columns.values())
    cells = {}
    for section in ("Verts", "Lines", "Strips", "Polys"):
        found = piece.find(section)
        arrays = {} if found is None else {array.get("Name"): values(array) for array in found}
        ends = arrays.get("offsets", np.empty(0, int))
        assert len(ends) == int(piece.get(f"NumberOf{section}"))
        if found is not None:
            assert arrays["connectivity"].max() < len(places) and ends[-1] == len(arrays["connectivity"])
            cells[section] = [part.tolist() for part in np.split(arrays["connectivity"], ends[:-1])]
    return places, columns, cells


@pytest.fixture(scope="module")
def channel() -> pk.Solution:
    """Two fields around a hole, as random as a network is at first."""
    shapes = import_deepxde().geometry
    x, y = pk.coordinates("x y")
    u, v = pk.field("u", x, y), pk.field("v", x, y)
    domain = pk.Geometry(shapes.Rectangle([0, 0], [4, 1]) - shapes.Disk([1, 0.5], 0.2))
    problem = pk.Problem(
        name="channel", fields=(u, v), equations={"a": u.diff(x) + v.diff(y), "b": u.diff(x) - v.diff(y)},
        domain=domain, conditions=[pk.Dirichlet(u, 0), pk.Dirichlet(v, 0)],
    )  # fmt: skip
    return pk.solve(problem, pk.MLP(2, 6, 2), {"pde": 40, "boundary": 10}, hard=False, **UNTRAINED)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grid = pk.Mesh(rng.normal(size=(5, 2)), np.array([[0, 1, 2], [2, 3, 4]]), "triangle")
    given = {
        'a <"&\'ü>': rng.normal(size=5), "set": np.arange(5), "flag": np.array([True, False, True, True, False]),
        "velocity": rng.normal(size=(5, 3)), "single": rng.normal(size=5).astype(np.float32),
        "odd": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]), "turned": rng.normal(size=(3, 5)).T,
    }  # fmt: skip
    path = write_vtk(tmp_path / "a.vtp", grid, given)
    places, columns, cells = taken_apart(path)
    assert np.array_equal(places, np.pad(grid.X, ((0, 0), (0, 1)))) and cells == {"Polys": grid.cells.tolist()}
    assert list(columns) == list(given)
    for name, column in given.items():
        assert np.array_equal(columns[name], column, equal_nan=True), name
    assert np.signbit(columns["odd"][3]) and columns["set"].dtype.kind == "i"
    for kind, nodes, section in (("vertex", 1, "Verts"), ("line", 2, "Lines"), ("quad", 4, "Polys")):
        other = pk.Mesh(grid.X, np.arange(nodes)[None], kind)
        assert taken_apart(write_vtk(path, other, {}))[2] == {section: [list(range(nodes))]}
    assert [file.name for file in tmp_path.iterdir()] == ["a.vtp"]


def test_every_kind_of_cell_is_read_by_another_package(tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio")
    rng = np.random.default_rng(1)
    for kind, nodes in (("vertex", 1), ("line", 2), ("triangle", 3), ("quad", 4), ("tetra", 4), ("hexahedron", 8)):
        grid = pk.Mesh(rng.normal(size=(8, 3)), np.stack([rng.permutation(8)[:nodes] for _ in range(3)]), kind)
        given = {"u": rng.normal(size=8), "velocity": rng.normal(size=(8, 3)), "set": np.arange(8)}
        read = meshio.read(write_vtk(tmp_path / f"{kind}.vtu", grid, given))
        assert np.array_equal(read.points, grid.X) and np.array_equal(read.cells_dict[kind], grid.cells)
        assert all(np.array_equal(read.point_data[name], column) for name, column in given.items())


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    grid = pk.Mesh(np.zeros((4, 3)), np.array([[0, 1, 2, 3]]), "tetra")
    with pytest.raises(ValueError, match="a .vtp file holds vertex, line, triangle, quad, not tetra"):
        write_vtk(tmp_path / "a.vtp", grid, {})
    with pytest.raises(ValueError, match="a .vtu file holds vertex, .*, hexahedron, not wedge"):
        write_vtk(tmp_path / "a.vtu", pk.Mesh(grid.X, grid.cells, "wedge"), {})
    flat = pk.Mesh(grid.X, grid.cells, "quad")
    for wrong in (np.zeros(3), np.float64(1), np.zeros((4, 2, 2))):
        with pytest.raises(ValueError, match=r"the column 'u' has shape .*: expected \(4,\) or \(4, k\)"):
            write_vtk(tmp_path / "a.vtp", flat, {"u": wrong})
    with pytest.raises(ValueError, match="cells of the kind 'vertex' have no facets"):
        boundary_mesh(pk.Mesh(grid.X, np.arange(4)[:, None], "vertex"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bounds", [{"x": (0, 1)}, {"x": (0, 1), "y": (0, 2)}, {"x": (0, 1), "y": (0, 2), "z": (0, 3)}])
def test_the_boundary_of_a_box(bounds: dict[str, tuple[float, float]]) -> None:
    grid = mesh(pk.Box(**bounds), 60)
    edge = boundary_mesh(grid)
    d = len(bounds)
    assert edge.kind == ("vertex", "line", "quad")[d - 1]
    low, high = np.array(list(bounds.values())).T
    on = lambda X: (np.isclose(X, low) | np.isclose(X, high)).any(-1)  # noqa: E731
    assert on(edge.X[edge.cells].mean(1)).all() and len(edge.X) == on(grid.X).sum()
    corners = edge.X[edge.cells]
    sizes = np.ones(len(corners)) if d == 1 else np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    if d == 3:
        a, b = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
        sizes = np.linalg.norm(np.cross(a, b), axis=1)
        outwards = np.cross(a, b) * (corners.mean(1) - (low + high) / 2)
        assert (outwards.sum(1) > 0).all()
    assert sizes.sum() == pytest.approx({1: 2, 2: 6, 3: 22}[d])


def closed(surface: pk.Mesh) -> bool:
    edges = np.sort(np.concatenate([surface.cells[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))]), 1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


def areas(surface: pk.Mesh) -> np.ndarray:
    a, b, c = surface.X[surface.cells].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def test_surfaces_of_bodies_are_closed() -> None:
    shapes = import_deepxde().geometry
    shell = boundary_mesh(mesh(pk.Geometry(shapes.Sphere([0, 0, 0], 1)), 600))
    assert shell.kind == "triangle" and np.abs(np.linalg.norm(shell.X, axis=1) - 1).max() < 0.02
    assert closed(shell) and areas(shell).sum() == pytest.approx(4 * np.pi, rel=0.04)
    body = shapes.Cuboid([-1, -1, -1], [1, 1, 1]) - shapes.Sphere([0, 0, 0], 0.5)
    both = boundary_mesh(mesh(pk.Geometry(body), 1500))
    outer = np.isclose(np.abs(both.X).max(1), 1)[both.cells].all(1)
    assert closed(both) and areas(both)[outer].sum() == pytest.approx(24)
    inner = both.X[np.unique(both.cells[~outer])]
    assert np.linalg.norm(inner, axis=1).max() < 0.7


def test_fields_along_the_walls(channel: pk.Solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "meshio", None)  # these files need no other package
    path = pk.export_vtk(channel, tmp_path / "walls.vtp", "u_x", vectors={"velocity": "u v"}, nodes=400)
    places, columns, cells = taken_apart(path)
    x, y, _ = places.T
    hole = np.isclose(np.hypot(x - 1, y - 0.5), 0.2)
    assert (hole | np.isclose(x % 4, 0) | np.isclose(y % 1, 0)).all() and hole.sum() > 20
    X = places[:, :2]
    assert np.abs(columns["u_x"] - channel.jet(X, "u_x")).max() < 1e-13
    assert np.array_equal(columns["velocity"][:, 1], columns["v"]) and set(cells) == {"Lines"}
    i, j = np.array(cells["Lines"]).T
    length = np.linalg.norm(places[i] - places[j], axis=1)
    assert length.sum() == pytest.approx(10 + 2 * np.pi * 0.2, rel=1e-3)
    assert pk.export_vtk(channel, tmp_path / "flow.vtu", nodes=50).exists()


def test_training_points_with_what_is_known_of_them(channel: pk.Solution, tmp_path: Path) -> None:
    found = pk.Influence(channel, "gauss-newton").attribute([pk.at("u", x=2.0, y=0.5)])
    places, columns, cells = taken_apart(pk.export_points(channel, tmp_path / "points.vtp", found))
    X = np.concatenate([channel.points[key].X.numpy() for key in ("pde", "boundary")])
    assert np.array_equal(places[:, :2], X) and cells == {"Verts": [[i] for i in range(50)]}
    assert np.bincount(columns["set"]).tolist() == [40, 10]
    joint = np.concatenate([found.joint[key][0].numpy() for key in ("pde", "boundary")])
    assert np.array_equal(columns[f"influence on {found.names[0]}"], joint)
    r = channel.stack.by_term(channel.stack.values(channel.theta))
    assert np.array_equal(columns["residual a"][:40], r["a"].numpy()) and np.isnan(columns["residual a"][40:]).all()
    moved = pk.solve(channel.problem, pk.MLP(2, 6, 2), {"pde": 40, "boundary": 10}, hard=False, seed=1, **UNTRAINED)
    with pytest.raises(ValueError, match="the attribution is of other points"):
        pk.export_points(moved, tmp_path / "moved.vtp", found)


def test_the_command_writes_series_and_points(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = pk.save(pk.solve(pk.problem("heat2d"), pk.MLP(3, 4, 1), {"pde": 20}, **UNTRAINED), tmp_path / "run.h5")
    words = ["--out", str(tmp_path / "rim.vtp"), "--points", str(tmp_path / "points.vtp"), "--nodes", "40"]
    with pytest.raises(SystemExit) as left:
        main(["export", str(run), "--times", "3", *words])
    assert left.value.code == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "rim.pvd"), str(tmp_path / "points.vtp")]
    listed = re.findall(r'file="([^"]*)"', (tmp_path / "rim.pvd").read_text())
    assert listed == [f"rim-{i:04d}.vtp" for i in range(3)]
    assert all(set(taken_apart(tmp_path / name)[2]) == {"Lines"} for name in listed)
    places, columns, _ = taken_apart(tmp_path / "points.vtp")
    assert np.array_equal(places[:, 2], columns["t"])  # time is up
