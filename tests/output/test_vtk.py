"""VTK files: read back, they hold what the solution says at their nodes; series, points, and what is refused."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.domain.mesh import mesh
from pinnkit.output.deepxde.to_deepxde import import_deepxde

meshio = pytest.importorskip("meshio")
UNTRAINED = {"stages": [], "progress": False, "validation": 10, "resample": None}


def solved(problem: pk.Problem, *sizes: int, **points: int) -> pk.Solution:
    return pk.solve(problem, pk.MLP(len(problem.domain.names), *sizes, len(problem.fields)), points, **UNTRAINED)


@pytest.fixture(scope="module")
def flow() -> pk.Solution:
    """Two fields in a channel with a hole, as random as a network is at first."""
    shapes = import_deepxde().geometry
    x, y = pk.coordinates("x y")
    u, v = pk.field("u", x, y), pk.field("v", x, y)
    domain = pk.Geometry(shapes.Rectangle([0, 0], [4, 1]) - shapes.Disk([1, 0.5], 0.2))
    u_x, v_y = u.diff(x), v.diff(y)
    problem = pk.Problem(
        name="channel", fields=(u, v), equations={"a": u_x + v_y, "b": u_x - v_y}, domain=domain,
        conditions=[pk.Dirichlet(u, 0), pk.Dirichlet(v, 0)],
    )  # fmt: skip
    return pk.solve(problem, pk.MLP(2, 6, 2), {"pde": 40, "boundary": 10}, hard=False, **UNTRAINED)


@pytest.fixture(scope="module")
def burgers() -> pk.Solution:
    counts = {"pde": 40, "initial": 10, "x": 8}
    return pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 1), counts, hard=False, **UNTRAINED)


def moving() -> pk.Problem:
    x, y, t = pk.coordinates("x y t")
    u = pk.field("u", x, y, t)
    return pk.Problem(
        name="moving", fields=u, equations=u.diff(t) + u.diff(x) + u.diff(y),
        domain=pk.Box(x=(0, 1), y=(0, 2), t=(0, 3)), conditions=[pk.Initial(u, 0), pk.Dirichlet(u, 0)],
    )  # fmt: skip


def test_fields_derivatives_and_vectors_are_those_of_the_solution(flow: pk.Solution, tmp_path: Path) -> None:
    path = pk.export_vtk(flow, tmp_path / "flow.vtu", "u_x, v_xy", vectors={"velocity": "u v"}, nodes=400)
    read = meshio.read(path)
    X = torch.as_tensor(read.points[:, :2])
    for name in ("u", "v", "u_x", "v_xy"):
        assert np.abs(read.point_data[name] - flow.jet(X, name).numpy()).max() < 1e-14
    velocity = np.stack([read.point_data["u"], read.point_data["v"], 0 * X[:, 0]], 1)
    assert np.array_equal(read.point_data["velocity"], velocity) and not read.points[:, 2].any()
    grid = mesh(flow.problem.domain, 400)
    assert np.array_equal(read.points[:, :2], grid.X) and np.array_equal(read.cells_dict["triangle"], grid.cells)
    assert [f.name for f in tmp_path.iterdir()] == ["flow.vtu"]


def test_a_mesh_of_ones_own_is_taken(flow: pk.Solution, tmp_path: Path) -> None:
    own = pk.Mesh(np.array([[0.1, 0.1], [0.3, 0.1], [0.1, 0.4]]), np.array([[0, 1, 2]]), "triangle")
    read = meshio.read(pk.export_vtk(flow, tmp_path / "own.vtu", on=own))
    assert np.abs(read.point_data["u"] - flow(torch.as_tensor(own.X))[:, 0].numpy()).max() < 1e-14
    with pytest.raises(ValueError, match="the mesh has 3 coordinates, the domain has x, y"):
        pk.export_vtk(flow, tmp_path / "own.vtu", on=pk.Mesh(np.zeros((3, 3)), own.cells, "triangle"))


def test_one_dimension_of_space_lies_beside_time(burgers: pk.Solution, tmp_path: Path) -> None:
    read = meshio.read(pk.export_vtk(burgers, tmp_path / "u.vtu", nodes=100))
    X = torch.as_tensor(read.points[:, :2])
    assert np.abs(read.point_data["u"] - burgers(X)[:, 0].numpy()).max() < 1e-14
    assert (X.amin(0).tolist(), X.amax(0).tolist()) == ([-1, 0], [1, 1]) and "quad" in read.cells_dict


def test_time_makes_a_series_that_a_list_names(tmp_path: Path) -> None:
    solution = solved(moving(), 4, pde=20, initial=10, boundary=10)
    path = pk.export_vtk(solution, tmp_path / "run.vtu", times=[0.0, 0.5, 3.0], nodes=30)
    assert path == tmp_path / "run.pvd"
    listed = re.findall(r'<DataSet timestep="([^"]*)" file="([^"]*)"/>', path.read_text())
    assert listed == [("0.0", "run-0000.vtu"), ("0.5", "run-0001.vtu"), ("3.0", "run-0002.vtu")]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["run-0000.vtu", "run-0001.vtu", "run-0002.vtu", "run.pvd"]
    for t, name in listed:
        read = meshio.read(tmp_path / name)
        X = torch.as_tensor(np.column_stack([read.points[:, :2], np.full(len(read.points), float(t))]))
        assert np.abs(read.point_data["u"] - solution(X)[:, 0].numpy()).max() < 1e-14
    assert pk.export_vtk(solution, tmp_path / "end.pvd", times=1, nodes=30) == tmp_path / "end.vtu"
    for times, message in (([4.0], "expected some between 0 and 3"), (0, "times is 0"), ([], "expected some")):
        with pytest.raises(ValueError, match=message):
            pk.export_vtk(solution, tmp_path / "run.vtu", times=times)


def test_the_predicted_error_comes_on_request(burgers: pk.Solution, tmp_path: Path) -> None:
    read = meshio.read(pk.export_vtk(burgers, tmp_path / "u.vtu", nodes=50, error=True))
    predicted = pk.error_map(burgers).error(torch.as_tensor(read.points[:, :2]))[:, 0]
    assert np.abs(read.point_data["predicted error of u"] - predicted.numpy()).max() < 1e-9


def test_points_come_with_residuals_and_influence(burgers: pk.Solution, tmp_path: Path) -> None:
    found = pk.Influence(burgers, "gauss-newton").attribute([pk.at("u", x=0.2, t=0.5), pk.test_loss(burgers.problem)])
    read = meshio.read(pk.export_points(burgers, tmp_path / "points.vtu", found))
    X = torch.cat([burgers.points[key].X for key in ("pde", "initial", "x")])
    assert np.array_equal(read.points[:, :2], X.numpy()) and len(read.cells_dict["vertex"]) == 58
    assert np.bincount(read.point_data["set"]).tolist() == [40, 10, 8]
    assert np.array_equal(read.point_data["t"], X[:, 1].numpy())
    for i, name in enumerate(found.names):
        joint = torch.cat([found.joint[key][i] for key in ("pde", "initial", "x")])
        assert np.array_equal(read.point_data[f"influence on {name}"], joint.numpy())
    residual = read.point_data["residual u initial"]
    inside = burgers.rows("initial", burgers.points["initial"])[0].numpy()
    assert np.isnan(residual[:40]).all() and np.isnan(residual[50:]).all()
    assert np.abs(residual[40:50] - inside).max() < 1e-14
    other = pk.solve(burgers.problem, pk.MLP(2, 5, 1), {"pde": 7}, hard=True, **UNTRAINED)
    with pytest.raises(TypeError, match="found is 'u': expected a pinnkit.Attribution"):
        pk.export_points(other, tmp_path / "other.vtu", "u")
    with pytest.raises(ValueError, match="the attribution is of other points"):
        pk.export_points(other, tmp_path / "points.vtu", found)


def test_derived_quantities_come_with_the_fields(tmp_path: Path) -> None:
    settings = {"stages": [pk.Adam(1)], "resample": None, "progress": False, "validation": 20}
    stream = pk.solve(pk.problem("kovasznay", form="stream"), pk.MLP(2, 4, 2), 20, **settings)
    found = meshio.read(pk.export_vtk(stream, tmp_path / "k.vtu", vectors={"velocity": "u v"}, nodes=30))
    assert set(found.point_data) == {"psi", "p", "u", "v", "velocity"}
    X = torch.as_tensor(found.points[:, :2])
    assert np.allclose(found.point_data["v"], -stream.jet(X, "psi_x"), atol=1e-13)
    assert torch.allclose(stream.jet(X, "v_y"), -stream.jet(X, "u_x"), atol=1e-13)


def test_what_cannot_be_written_is_said_and_leaves_nothing(
    flow: pk.Solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for settings, message in (
        ({"path": "flow.png"}, r"flow\.png: give a file that ends in \.vtu, \.vtp or \.pvd"),
        ({"names": "w"}, "'w': the fields are u, v"),
        ({"vectors": {"velocity": "u"}}, "the vector 'velocity' is 'u': give two or three"),
        ({"vectors": {"velocity": "u q"}}, "'q'"),
    ):
        with pytest.raises(ValueError, match=message):
            pk.export_vtk(flow, **{"path": tmp_path / "flow.vtu"} | settings)
    with pytest.raises(FileNotFoundError, match="the folder .* does not exist"):
        pk.export_vtk(flow, tmp_path / "no" / "flow.vtu")
    (tmp_path / "flow.vtu").write_text("before")

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space left"):
        patched.setattr(Path, "write_text", full)
        pk.export_vtk(flow, tmp_path / "flow.vtu", nodes=100)
    assert [f.name for f in tmp_path.iterdir()] == ["flow.vtu"] and (tmp_path / "flow.vtu").read_text() == "before"
    monkeypatch.setitem(sys.modules, "meshio", None)  # these files need no other package
    pk.export_vtk(flow, tmp_path / "flow.vtu", nodes=100)
    assert b"UnstructuredGrid" in (tmp_path / "flow.vtu").read_bytes()


def test_the_command_writes_fields_and_points(
    burgers: pk.Solution, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = pk.save(burgers, tmp_path / "run.h5")
    words = ["export", str(run), "--derivative", "u_x", "--nodes", "60", "--points", str(tmp_path / "points.vtu")]
    with pytest.raises(SystemExit) as left:
        main([*words, "--of", "u@x=0.2,t=0.5"])
    assert left.value.code == 0 and capsys.readouterr().out.split() == [
        str(tmp_path / "run.vtu"), str(tmp_path / "points.vtu"),
    ]  # fmt: skip
    assert set(meshio.read(tmp_path / "run.vtu").point_data) == {"u", "u_x"}
    assert "influence on u at x=0.2, t=0.5" in meshio.read(tmp_path / "points.vtu").point_data
    with pytest.raises(SystemExit) as left:
        main(["export", str(run), "--of", "error"])
    assert left.value.code == 2 and "name their file, as --points points.vtp" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["export", str(run), "--out", str(tmp_path / "flow.stl")])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "ends in .vtu, .vtp or .pvd" in said and not (tmp_path / "flow.stl").exists()
