"""Bodies from mesh files: what they enclose, where their boundary lies, what is refused."""

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

import pinnkit as pk

meshio = pytest.importorskip("meshio")


def ring(n=24):
    """A ring of quads between two regular polygons of n corners."""
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    points = np.array([[r * np.cos(a), r * np.sin(a), 0] for r in (0.3, 0.6, 1.0) for a in turn])
    beside = [(i * n + j, i * n + (j + 1) % n) for i in (0, 1) for j in range(n)]
    quads = [[a, b, b + n, a + n] for a, b in beside]
    return meshio.Mesh(points, [("quad", np.array(quads))])


def ball(n=60):
    """The convex hull of points on a sphere."""
    points = np.random.default_rng(0).normal(size=(n, 3))
    hull = ConvexHull(points / np.linalg.norm(points, axis=1, keepdims=True))
    a, b, c = hull.points[hull.simplices.T]
    turned = (np.cross(b - a, c - a) * a).sum(1) < 0
    triangles = np.where(turned[:, None], hull.simplices[:, ::-1], hull.simplices)
    return meshio.Mesh(hull.points, [("triangle", triangles)]), hull


@pytest.mark.parametrize("suffix", [".vtu", ".msh", ".vtk"])
def test_outlines_of_a_plane_mesh_with_a_hole(suffix, tmp_path):
    path = tmp_path / f"ring{suffix}"
    ring().write(path)
    domain = pk.Geometry.from_mesh(path, time=(0, 2))
    assert domain.names == ("x", "y", "t")
    assert domain.volume() == pytest.approx(12 * np.sin(2 * np.pi / 24) * (1 - 0.09), rel=1e-12)
    X = torch.tensor([[0.0, 0.0, 1.0], [0.5, 0.0, 1.0], [1.2, 0.0, 1.0]]).double()
    assert domain.inside(X).tolist() == [False, True, False]
    x, normals = domain.sample_boundary(40)
    assert domain.on_boundary(x, tol=1e-9).all()
    outward = ((x[:, :2] * normals[:, :2]).sum(1) > 0).sum()
    assert outward == pytest.approx(40 / 1.3, abs=2)  # those of the hole point inwards


def test_a_surface_of_triangles_encloses_its_body(tmp_path):
    mesh, hull = ball()
    mesh.write(tmp_path / "ball.stl")
    domain = pk.Geometry.from_mesh(tmp_path / "ball.stl")
    assert domain.volume() == pytest.approx(hull.volume, rel=1e-6)  # of a file in single precision
    assert domain.patches("boundary")[0].measure == pytest.approx(hull.area, rel=1e-6)
    Y = np.random.default_rng(1).uniform(-1.2, 1.2, size=(500, 3))
    heights = (hull.equations[:, :3] @ Y.T + hull.equations[:, 3:]).max(0)
    assert np.array_equal(domain.inside(Y, tol=0.0), heights <= 0)
    inner = heights < 0  # inside a convex body the distance is the smallest height
    assert np.allclose(domain.tree.level(Y[inner]), heights[inner], atol=1e-6)
    x, normals = domain.sample_boundary(50)
    heights = hull.equations[:, :3] @ x.numpy().T + hull.equations[:, 3:]
    assert np.allclose(heights.max(0), 0, atol=1e-6)
    assert np.allclose(hull.equations[heights.argmax(0), :3], normals, atol=1e-3)


def test_tetrahedra_and_boxes_have_a_skin(tmp_path):
    corners = np.array([[x, y, z] for x in (0, 1.0) for y in (0, 1.0) for z in (0, 1.0)])
    box = [[0, 4, 6, 2, 1, 5, 7, 3]]
    meshio.Mesh(corners, [("hexahedron", np.array(box))]).write(tmp_path / "box.vtu")
    domain = pk.Geometry.from_mesh(tmp_path / "box.vtu")
    assert domain.volume() == pytest.approx(1, rel=1e-12)
    assert domain.patches("boundary")[0].measure == pytest.approx(6, rel=1e-12)
    assert domain.inside(np.array([[0.5, 0.5, 0.99], [0.5, 0.5, 1.01]])).tolist() == [True, False]


def test_a_problem_on_a_mesh_is_kept_in_a_file(tmp_path):
    ring().write(tmp_path / "ring.vtu")
    domain = pk.Geometry.from_mesh(tmp_path / "ring.vtu")
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    walls = pk.Dirichlet(u, 1 - x**2 - y**2, on="boundary")
    problem = pk.Problem("ring", u, u.diff(x, 2) + u.diff(y, 2) + 4, domain, [walls])
    solution = pk.solve(
        problem, pk.MLP(2, 10, 1), {"pde": 200, "boundary": 100}, stages=[pk.LevenbergMarquardt(60)], progress=False
    )
    X = domain.sample(9)
    assert (solution(X)[:, 0] - 1 + (X**2).sum(1)).abs().max() < 0.05
    assert torch.equal(pk.load(pk.save(solution, tmp_path / "ring.h5"))(X), solution(X))


@pytest.mark.parametrize(
    ("mesh", "said"),
    [
        (meshio.Mesh(np.eye(3), [("triangle", np.array([[0, 1, 2]]))]), "not closed: 3 edges have one side only"),
        (meshio.Mesh(np.eye(3), [("vertex", np.array([[0]]))]), "a mesh of vertex encloses nothing"),
        (
            meshio.Mesh(np.array([[0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]]), [("line", np.array([[0, 1], [1, 2]]))]),
            "not closed, or touches itself, at 2 vertices",
        ),
    ],
)
def test_what_encloses_nothing_is_refused(mesh, said, tmp_path):
    path = tmp_path / "open.vtk"
    mesh.write(path)
    with pytest.raises(ValueError, match=said):
        pk.Geometry.from_mesh(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        pk.Geometry.from_mesh(tmp_path / "none.stl")
    (tmp_path / "text.vtu").write_text("no mesh")
    with pytest.raises(ValueError, match="cannot be read as a mesh"):
        pk.Geometry.from_mesh(tmp_path / "text.vtu")
