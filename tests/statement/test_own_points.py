"""Points of a caller's own: normals, images and weights that are not given are those of points that are drawn."""

import deepxde as dde
import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.statement.own_points import completed

x, y, t = pk.coordinates("x y t")
u, v = pk.field("u", x, y), pk.field("v", x, y, t)
SQUARE = pk.Box(x=(0, 2), y=(-1, 1))
QUIET = {"progress": False, "validation": 30, "resample": None}


def flux(domain: pk.Box | pk.Geometry, field=u, on="boundary", **settings) -> pk.Problem:
    """Laplace's or the heat equation, with the flux of x y on a part of the boundary."""
    rate = field.diff(t) if field is v else 0
    equation = field.diff(x, 2) + field.diff(y, 2) - rate - field
    conditions = [pk.Neumann(field, x + y, on=on)]
    if field is v:
        conditions += [pk.Initial(v, 0), pk.Dirichlet(v, 0, on="y")]
    return pk.Problem("flux", field, equation, domain, conditions, **settings)


def plate() -> pk.Geometry:
    """A rectangle with a round hole."""
    return pk.Geometry(dde.geometry.Rectangle([0, 0], [3, 2]) - dde.geometry.Disk([1, 1], 0.5))


DOMAINS = {
    "box": SQUARE,
    "disk": pk.Geometry(dde.geometry.Disk([1, 0], 2)),
    "ellipse": pk.Geometry(dde.geometry.Ellipse([0, 0], 2, 1)),
    "polygon": pk.Geometry(dde.geometry.Polygon([[0, 0], [2, 0], [3, 2], [0, 1]])),
    "hole": plate(),
    "union": pk.Geometry(dde.geometry.Disk([0, 0], 1) | dde.geometry.Disk([1, 0], 1)),
}


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_normals_are_those_of_points_that_are_drawn(name: str, dtype: torch.dtype) -> None:
    problem = flux(DOMAINS[name])
    drawn = problem.sample("boundary", 200)
    own = completed(problem, "boundary", pk.PointSet(drawn.X.to(dtype)))
    assert set(own.columns) == {"n_x", "n_y"} and torch.equal(own.X, drawn.X.to(dtype))
    for component in own.columns:
        torch.testing.assert_close(own.columns[component].double(), drawn.columns[component], atol=1e-5, rtol=0)


def test_normals_in_time_and_of_some_faces() -> None:
    problem = flux(pk.Box(x=(0, 2), y=(-1, 1), t=(0, 1)), v, on="x")
    drawn = problem.sample("x", 60)
    own = completed(problem, "x", pk.PointSet(drawn.X))
    assert all(torch.equal(own.columns[n], drawn.columns[n]) for n in ("n_x", "n_y"))
    corner = pk.PointSet([[2.0, 1.0, 0.5]])  # of the faces of x and y: only one of them is meant
    assert [float(c) for c in completed(problem, "x", corner).columns.values()] == [1.0, 0.0]


def test_normals_that_are_given_stay() -> None:
    given = pk.PointSet([[2.0, 0.0]], {"n_x": torch.tensor([0.6]), "n_y": torch.tensor([0.8])})
    assert completed(flux(SQUARE), "boundary", given) is given


def test_partners_of_periodic_points() -> None:
    problem = pk.Problem(
        "wave", v, v.diff(t) + v.diff(x) - v.diff(y, 2), pk.Box(x=(0, 2), y=(-1, 1), t=(0, 1)),
        [pk.Initial(v, sp.sin(sp.pi * x)), pk.Periodic(v, "x"), pk.Dirichlet(v, 0, on="y")],
    )  # fmt: skip
    own = completed(problem, "periodic_x", pk.PointSet([[0.0, 0.5, 0.5], [2.0, 0.25, 1.0]]))
    assert own.image is not None and own.image.tolist() == [[2.0, 0.5, 0.5], [0.0, 0.25, 1.0]]


def test_the_weight_of_the_equations_counts() -> None:
    problem = flux(SQUARE, weight=x)
    drawn = problem.sample("pde", 50)
    own = completed(problem, "pde", pk.PointSet(drawn.X))
    assert drawn.weights is not None and own.weights is not None and torch.equal(own.weights, drawn.weights)


@pytest.mark.parametrize("domain", ["box", "hole"])
def test_training_is_the_same_with_and_without_normals(domain: str) -> None:
    problem = flux(DOMAINS[domain])
    points = pk.sample(problem, 80)
    bare = {key: own.X.numpy() for key, own in points.items()}
    a, b, c = (
        pk.solve(problem, pk.MLP(2, 6, 1), given, stages=[pk.SSBroyden(10)], **QUIET)
        for given in (points, bare, points.replace(boundary=bare["boundary"]))
    )
    assert torch.allclose(a.theta, b.theta, rtol=1e-9) and torch.equal(b.theta, c.theta)
    assert torch.equal(b.points["boundary"].X, points["boundary"].X) and "n_x" in b.points["boundary"].columns


def test_points_of_a_resampler_and_of_an_influence() -> None:
    problem = flux(SQUARE)

    def rule(solution: pk.Solution, _: int) -> pk.Points:
        return solution.points.replace(boundary=solution.points["boundary"].X.flip(0))

    rule.every = rule.after = 5  # type: ignore[attr-defined]
    solution = pk.solve(problem, pk.MLP(2, 6, 1), 60, stages=[pk.Adam(12)], **QUIET | {"resample": rule})
    assert solution.progress.round == 2 and "n_y" in solution.points["boundary"].columns
    edge = torch.tensor([[2.0, 0.3]]).double()
    plain, full = pk.PointSet(edge), completed(problem, "boundary", pk.PointSet(edge))
    influence, of = pk.Influence(solution), pk.at("u", x=1.0, y=0.0)
    assert torch.equal(influence.add(of, "boundary", plain), influence.add(of, "boundary", full))


@pytest.mark.parametrize(
    ("key", "points", "says"),
    [
        ("boundary", [[1.0, 0.4]], "1 of 1 points 'boundary' do not lie on boundary"),
        ("boundary", [[3.0, 1.0], [1.2, 1.0]], "1 of 2 points .* number 1, x = 1.2"),
        ("pde", [[1.0, 1.0]], "do not lie in the domain"),  # in the hole
    ],
)
def test_points_that_are_elsewhere(key: str, points: list[list[float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pk.solve(flux(plate()), pk.MLP(2, 6, 1), {key: np.array(points)}, stages=[pk.Adam(1)], **QUIET)


def test_readings_without_values_and_sides_without_partners() -> None:
    (s,) = pk.coordinates("s")
    w = pk.field("w", s)
    readings = pk.Observations(w, [[0.5]], [1.0])
    problem = pk.Problem("read", w, w.diff(s, 2), pk.Box(s=(0, 1)), [pk.Dirichlet(w, 0, on="s"), readings])
    with pytest.raises(ValueError, match="'data' are measurements without values: leave them out"):
        completed(problem, "data", pk.PointSet([[0.5]]))
    load = pk.Problem("load", w, w.diff(s, 2) + sp.DiracDelta(s - sp.Rational(1, 2)), pk.Box(s=(0, 1)), pk.Dirichlet(w))
    (key,) = set(load.keys) - {"pde", "boundary"}
    with pytest.raises(ValueError, match="pairs beside an interface: give both sides"):
        completed(load, key, pk.PointSet([[0.5]]))
    inside = completed(load, "pde", pk.PointSet(torch.tensor([[0.5], [0.7]], dtype=torch.float64)))
    assert inside.X[1] == 0.7 and 0.5 < float(inside.X[0]) < 0.5 + 1e-12  # beside the load


@pytest.mark.parametrize(
    ("what", "given"),
    [("n_x", {"columns": {"n_x": torch.ones(4)}}), ("images", {"image": torch.ones(5, 3)}),
     ("weights", {"weights": torch.ones(5, 1)})],
)  # fmt: skip
def test_what_belongs_to_each_point_is_there_for_each(what: str, given: dict) -> None:
    with pytest.raises(
        ValueError, match=rf"a point set has {what} of shape .*: expected \(5, ?2?\), as it has 5 points"
    ):
        pk.PointSet(torch.zeros(5, 2), **given)
