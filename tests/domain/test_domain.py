"""Domains: exact measures, points on their boundaries, outward normals, numbers by measure."""

import math
import re
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnkit.domain.box import Box, Domain
from pinnkit.domain.geometry import Geometry
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from pinnkit.tools.sequences import METHODS, apportion, unit_points

dde = import_deepxde().geometry
pi = math.pi

RECTANGLE, DISK = dde.Rectangle([0, 0], [22, 4.1]), dde.Disk([2, 2], 0.5)
LENS = 2 * pi / 3 - math.sqrt(3) / 2
L_SHAPE = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]


class Odd(dde.Disk):
    """A geometry that is not known by heart."""


def cylinder(**options: Any) -> Geometry:
    """The channel of the DFG benchmark in units of 0.1 m."""
    parts = {"cylinder": DISK, "inlet": lambda X: X[:, 0] == 0, "outlet": lambda X: X[:, 0] == 22}
    return Geometry(RECTANGLE - DISK, parts=parts, **options)


# name: (domain, volume, measure of the boundary, relative accuracy)
EXACT = 1e-12
CASES = {
    "interval": (Box(x=(-1, 1)), 2, 2, EXACT),
    "box in time": (Box(x=(-1, 1), t=(0, 3)), 6, 6, EXACT),
    "box": (Box(x=(0, 2), y=(0, 3), z=(0, 4)), 24, 52, EXACT),
    "time first": (Box(t=(1, 3), x=(0, 2), y=(0, 3)), 12, 20, EXACT),
    "channel": (cylinder(), 22 * 4.1 - pi / 4, 52.2 + pi, EXACT),
    "channel in time": (cylinder(time=(0, 2)), 2 * (22 * 4.1 - pi / 4), 2 * (52.2 + pi), EXACT),
    "dde interval": (Geometry(dde.Interval(-1, 2), time=(0, 2)), 6, 4, EXACT),
    "disk": (Geometry(dde.Disk([1, 2], 3)), 9 * pi, 6 * pi, EXACT),
    "circle": (Geometry(dde.Ellipse([1, 2], 3, 3, 0.4)), 9 * pi, 6 * pi, EXACT),
    "ellipse": (Geometry(dde.Ellipse([0, 0], 2, 1, 0.5)), 2 * pi, 9.688448220547675, EXACT),
    "star": (Geometry(dde.StarShaped([1, 0], 2, [0.3, 0], [0, 0.2])), pi * (4 + 0.13 / 2), None, EXACT),
    "triangle": (Geometry(dde.Triangle([0, 0], [3, 0], [0, 4])), 6, 12, EXACT),
    "polygon": (Geometry(dde.Polygon(L_SHAPE[::-1])), 3, 8, EXACT),
    "cuboid": (Geometry(dde.Cuboid([0, 0, 0], [2, 3, 4])), 24, 52, EXACT),
    "sphere": (Geometry(dde.Sphere([1, 2, 3], 2)), 32 * pi / 3, 16 * pi, EXACT),
    "hypersphere": (Geometry(dde.Hypersphere([0, 0, 0, 0], 1), tuple("abcd")), pi**2 / 2, 2 * pi**2, EXACT),
    "hypercube": (Geometry(dde.Hypercube([0] * 4, [1] * 4), tuple("abcd")), 1, 8, EXACT),
    "hollow cube": (
        Geometry(dde.Cuboid([-1] * 3, [1] * 3) - dde.Sphere([0] * 3, 0.5)),
        8 - pi / 6,
        24 + pi,
        EXACT,
    ),
    "union": (Geometry(dde.Disk([0, 0], 1) | dde.Disk([1, 0], 1)), 2 * pi - LENS, 8 * pi / 3, 1e-4),
    "lens": (Geometry(dde.Disk([0, 0], 1) & dde.Disk([1, 0], 1)), LENS, 4 * pi / 3, 1e-3),
    "half ball": (
        Geometry(dde.Sphere([0] * 3, 1) - dde.Cuboid([-2, -2, -2], [2, 2, 0])),
        2 * pi / 3,
        3 * pi,
        1e-3,
    ),
    "islands": (Geometry(dde.Disk([0, 0], 1) | dde.Disk([9, 0], 1)), 2 * pi, 4 * pi, EXACT),
    "neighbours": (Geometry(dde.Rectangle([0, 0], [1, 1]) | dde.Rectangle([1, 0], [3, 1])), 3, 8, EXACT),
    "overlapping": (Geometry(dde.Rectangle([0, 0], [2, 1]) | dde.Rectangle([1, 0], [3, 1])), 3, 8, 1e-4),
    "frame in frame": (
        Geometry(dde.Rectangle([0, 0], [9, 9]) - (dde.Rectangle([1, 1], [8, 8]) - dde.Disk([4, 4], 1))),
        81 - (49 - pi),
        36 + 28 + 2 * pi,
        EXACT,
    ),
    "opaque": (Geometry(Odd([0.3, 0], 1)), pi, 2 * pi, 0.03),
    "opaque hole": (Geometry(dde.Rectangle([-2, -2], [2, 2]) - Odd([0.3, 0], 1)), 16 - pi, 16 + 2 * pi, 0.03),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Domain, float, float | None, float]:
    return CASES[request.param]


def test_measures(case: tuple) -> None:
    domain, volume, boundary, accuracy = case
    assert isinstance(domain, Domain)
    assert domain.measure() == pytest.approx(volume, rel=accuracy)
    if boundary is not None:
        assert domain.measure("boundary") == pytest.approx(boundary, rel=max(accuracy, 1e-12))
    if domain.faces:
        assert domain.measure(domain.faces) == pytest.approx(domain.measure("boundary"), rel=1e-12)
        assert sum(map(domain.measure, domain.faces)) == pytest.approx(domain.measure("boundary"), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_interior(case: tuple, method: str, dtype: torch.dtype) -> None:
    domain = case[0]
    X = domain.sample(100, method=method, seed=1, dtype=dtype)
    assert X.shape == (100, len(domain.names)) and X.dtype == dtype
    assert domain.inside(X).all() and not domain.on_boundary(X, tol=0).any()
    lower, upper = torch.as_tensor(domain.bounds)
    assert (X.double() > lower).all() and (X.double() < upper).all()


@pytest.mark.parametrize("method", METHODS)
def test_boundary(case: tuple, method: str) -> None:
    domain = case[0]
    X, normals = domain.sample_boundary(101, method=method, seed=1)
    assert X.shape == normals.shape == (101, len(domain.names))
    assert domain.on_boundary(X, tol=1e-12).all() and domain.inside(X).all()
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(101, dtype=torch.float64), rtol=0, atol=1e-12)
    step = 1e-5 * float(np.linalg.norm(np.ptp(domain.bounds, axis=0)))
    assert not domain.inside(X + step * normals).any()
    assert domain.inside(X - step * normals).all()
    assert not domain.on_boundary(X - step * normals).any()
    if domain.time:
        t = domain.names.index(domain.time)
        assert (normals[:, t] == 0).all()
        assert (X[:, t] >= domain.bounds[0, t]).all() and (X[:, t] <= domain.bounds[1, t]).all()


def test_seeds(case: tuple) -> None:
    domain = case[0]
    for draw in (domain.sample, lambda n, seed: torch.cat(domain.sample_boundary(n, seed=seed))):
        assert torch.equal(draw(20, seed=3), draw(20, seed=3))
        if len(domain.names) > 1:
            assert not torch.equal(draw(20, seed=3), draw(20, seed=4))
        generator = torch.Generator().manual_seed(0)
        first, second = draw(20, seed=generator), draw(20, seed=generator)
        assert torch.equal(draw(20, seed=torch.Generator().manual_seed(0)), first)
        assert len(domain.names) == 1 or not torch.equal(first, second)


def test_nothing_global_is_touched() -> None:
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    for domain, *_ in CASES.values():
        domain.sample_boundary(7)
        domain.sample(7, method="random")
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_points(case: tuple, n: int) -> None:
    assert len(case[0].sample(n)) == len(case[0].sample_boundary(n)[0]) == n


@pytest.mark.parametrize("name", ["union", "lens", "half ball", "ellipse", "polygon", "frame in frame"])
def test_boundary_points_are_spread_by_measure(name: str) -> None:
    """By Stokes, the mean of x . n over the boundary is d |V| / |S|, and that of n is 0."""
    domain, volume, surface, _ = CASES[name]
    X, normals = domain.sample_boundary(20_000)
    assert (X * normals).sum(dim=1).mean() == pytest.approx(X.shape[1] * volume / surface, rel=1e-3)
    torch.testing.assert_close(normals.mean(dim=0), torch.zeros(X.shape[1]).double(), rtol=0, atol=1e-3)


def test_boundary_points_of_a_random_draw_are_spread_by_measure() -> None:
    X, _ = CASES["union"][0].sample_boundary(4000, method="random", seed=5)
    angle = torch.atan2(X[:, 1], X[:, 0] - (X[:, 0] > 0.5).double())
    left = angle[X[:, 0] <= 0.5].abs()
    counts = np.histogram(left, bins=10, range=(pi / 3, pi))[0]
    expected = counts.sum() / 10
    assert ((counts - expected) ** 2 / expected).sum() < 21.7


def test_cylinder() -> None:
    channel = cylinder(time=(0, 2))
    assert channel.names == ("x", "y", "t") and channel.space == ("x", "y") and channel.time == "t"
    assert channel.faces == ("cylinder", "inlet", "outlet", "rest")
    assert channel.bounds.tolist() == [[0, 0, 0], [22, 4.1, 2]]
    assert [channel.measure(face) / 2 for face in channel.faces] == pytest.approx([pi, 4.1, 4.1, 44], rel=1e-12)
    X, normals = channel.sample_boundary(1000, "cylinder")
    radius = (X[:, :2] - 2).norm(dim=1)
    assert (radius - 0.5).abs().max() < 1e-14 and channel.on_boundary(X, "cylinder", tol=1e-12).all()
    torch.testing.assert_close(normals[:, :2], (2 - X[:, :2]) / 0.5)
    X, normals = channel.sample_boundary(100, "inlet")
    assert (X[:, 0] == 0).all() and (normals == torch.tensor([-1.0, 0, 0])).all()
    walls = channel.sample_boundary(100, "rest")[0]
    assert ((walls[:, 1] == 0) | (walls[:, 1] == 4.1)).all() and channel.on_boundary(walls, "rest").all()
    X = channel.sample_boundary(1000)[0]
    counts = [int(channel.on_boundary(X, face).sum()) for face in channel.faces]
    assert counts == apportion(1000, [pi, 4.1, 4.1, 44])
    assert len(channel.sample_boundary(90, ("inlet", "outlet"))[0]) == 90


def test_a_part_may_be_a_geometry_that_is_not_in_the_tree() -> None:
    domain = Geometry(RECTANGLE - DISK, parts={"cylinder": dde.Disk([2, 2], 0.5)})
    assert domain.measure("cylinder") == pytest.approx(pi, rel=1e-12)
    assert domain.measure("rest") == pytest.approx(52.2, rel=1e-12)


def test_the_first_of_two_parts_takes_a_point() -> None:
    parts = {"low": lambda X: X[:, 1] <= 0.5, "bottom or left": lambda X: (X[:, 1] == 0) | (X[:, 0] == 0)}
    square = Geometry(dde.Rectangle([0, 0], [1, 1]), parts=parts)
    assert [square.measure(face) for face in square.faces] == pytest.approx([2, 0.5, 1.5], abs=1e-9)


def test_a_wall_between_neighbours_is_no_boundary() -> None:
    domain = CASES["neighbours"][0]
    X = np.array([[1, 0.5], [1, 0], [0, 0.5], [0.5, 0.5], [3, 1]])
    assert domain.on_boundary(X).tolist() == [False, True, True, False, True]


def test_float32_coordinates_are_read_as_typed() -> None:
    domain = Geometry(dde.Rectangle([0.1, -0.3], [22, 4.1]))
    assert domain.bounds.tolist() == [[0.1, -0.3], [22, 4.1]]


def test_a_geometry_in_time_of_deepxde_brings_its_time() -> None:
    domain = Geometry(dde.GeometryXTime(dde.Interval(-1, 1), dde.TimeDomain(0, 0.99)), time_name="tau")
    assert domain.names == ("x", "tau") and domain.bounds.tolist() == [[-1, 0], [1, 0.99]]


def test_polygon_at_the_height_of_its_vertices() -> None:
    star = [[math.cos(k) * (1 + k % 2), math.sin(k) * (1 + k % 2)] for k in np.arange(10) * pi / 5]
    polygon = Geometry(dde.Polygon(star))
    heights = polygon.tree.shape.start[:, 1]
    X = np.stack(np.meshgrid(np.linspace(-3, 3, 41) + 0.01, heights), axis=-1).reshape(-1, 2)
    near = polygon.inside(X - [0, 1e-7]) | polygon.inside(X + [0, 1e-7])
    assert (polygon.inside(X) == near).all()


def test_points_in_float32() -> None:
    for name in ("channel in time", "ellipse", "time first"):
        domain = CASES[name][0]
        X, _ = domain.sample_boundary(500, dtype=torch.float32)
        assert X.dtype == torch.float32 and domain.on_boundary(X).all() and domain.inside(X).all()


def test_bounding_boxes_hold_the_body() -> None:
    for name in ("ellipse", "star"):
        domain = CASES[name][0]
        X = domain.sample_boundary(4000)[0].numpy()
        assert (X >= domain.bounds[0] - 1e-12).all() and (X <= domain.bounds[1] + 1e-12).all()
    ellipse = CASES["ellipse"][0]
    np.testing.assert_allclose(ellipse.sample_boundary(4000)[0].max(dim=0)[0], ellipse.bounds[1], atol=1e-4)


@pytest.mark.parametrize("name", ["box in time", "time first", "channel in time", "dde interval"])
def test_initial(name: str) -> None:
    domain = CASES[name][0]
    X = domain.sample_initial(50)
    t = domain.names.index(domain.time)
    assert (X[:, t] == domain.bounds[0, t]).all() and domain.on_initial(X).all() and domain.inside(X).all()
    assert not domain.on_initial(domain.sample(50)).any()
    assert len(torch.unique(X, dim=0)) == 50


def test_box_faces() -> None:
    box = Box(x=(-1, 0.3), y=(0, sympy.pi), t=(0, 1))
    assert box.faces == ("x_min", "x_max", "y_min", "y_max") and box.space == ("x", "y")
    assert box.upper == (0.3, pi, 1.0)
    X, normals = box.sample_boundary(10, "y_max")
    assert (X[:, 1] == pi).all() and (normals == torch.tensor([0.0, 1, 0])).all()
    assert box.measure("x") == 2 * pi and box.measure(("x_min", "x")) == 2 * pi
    corner = np.array([[-1, 0, 0.5]])
    assert (
        box.on_boundary(corner, "x_min") and box.on_boundary(corner, "y_min") and not box.on_boundary(corner, "y_max")
    )
    low, high = box.face_pair("x", 20)
    assert (low[:, 0] == -1).all() and (high[:, 0] == 0.3).all() and torch.equal(low[:, 1:], high[:, 1:])
    assert Box(x=(0, 1)) == Box(x=(0.0, 1.0)) and hash(Box(x=(0, 1))) == hash(Box(x=(0.0, 1.0)))
    with pytest.raises(AttributeError):
        box.time = "x"


def test_box_of() -> None:
    box = Box.of({"x": (0, 1), "tau": (0, 2)}, time="tau")
    assert box.time == "tau" and box.faces == ("x_min", "x_max") and eval(repr(box)) == box
    assert Box.of({"x": (0, 1), "t": (0, 2)}, time=None).faces == ("x_min", "x_max", "t_min", "t_max")
    assert Box.of({"x": (0, 1), "t": (0, 2)}) == Box(x=(0, 1), t=(0, 2)) == eval(repr(Box(x=(0, 1), t=(0, 2))))


def test_grid() -> None:
    axes, X, mask = Box(x=(-1, 1), t=(0, 1)).grid((3, 2))
    assert {name: axis.tolist() for name, axis in axes.items()} == {"x": [-1, 0, 1], "t": [0, 1]}
    assert X.tolist() == [[-1, 0], [-1, 1], [0, 0], [0, 1], [1, 0], [1, 1]] and mask.all()
    _, X, mask = cylinder().grid((221, 42))
    assert X.shape == (221 * 42, 2) and mask.dtype == torch.bool
    assert torch.equal(mask, (X - 2).norm(dim=1) >= 0.5 - 1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "dim"), [(0, 2), (1, 1), (5, 0), (37, 1), (64, 2), (100, 3)])
def test_unit(method: str, n: int, dim: int) -> None:
    u = unit_points(n, dim, method, 0)
    assert u.shape == (n, dim) and (u >= 0).all() and (u < 1).all()
    if n > 30:
        assert np.abs(u.mean(axis=0) - 0.5).max() < 0.1
        assert len(np.unique(u, axis=0)) == n


def test_unit_without_a_seed() -> None:
    assert unit_points(4, 1, "sobol", None)[:, 0].tolist() == [0.125, 0.625, 0.875, 0.375]
    assert unit_points(3, 1, "halton", None)[:, 0].tolist() == [0.5, 0.25, 0.75]
    np.testing.assert_allclose(unit_points(2, 2, "hammersley", None), [[0.25, 0.5], [0.75, 0.25]])
    assert unit_points(3, 1, "grid", None)[:, 0].tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert unit_points(6, 2, "grid").shape == (6, 2) and len(np.unique(unit_points(6, 2, "grid")[:, 0])) == 3
    with pytest.raises(ValueError, match="is random: give it a seed"):
        unit_points(3, 1, "random", None)


def test_sequences_are_drawn_silently(recwarn: pytest.WarningsRecorder) -> None:
    unit_points(37, 3, "sobol", 0)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: unit_points(3, 1, "sobel"),
            "The sampling method 'sobel' is unknown: expected one of sobol, halton",
        ),
        (lambda: unit_points(-1, 1), "Cannot draw -1 points"),
        (lambda: Box(x=(1, 1)), "Got the bounds (1, 1) for 'x': expected two finite numbers"),
        (lambda: Box(x=(0, float("nan"))), "for 'x'"),
        (lambda: Box(x=(0, 1, 2)), "for 'x'"),
        (lambda: Box(x=3), "Got the bounds 3 for 'x'"),
        (lambda: Box(x=(0, sympy.Symbol("a"))), "Got the bounds (0, a) for 'x'"),
        (lambda: Box(), "A box needs at least one coordinate, as in Box(x=(-1, 1), t=(0, 1))"),
        (
            lambda: Box.of({"x": (0, 1)}, time="tau"),
            "The time coordinate 'tau' is not among the coordinates x",
        ),
        (lambda: Box(x=(0, 1)).sample_initial(3), "sample_initial needs a time coordinate"),
        (lambda: Box(x=(0, 1)).sample(3, method="sobel"), "'sobel' is unknown"),
        (
            lambda: Box(x=(0, 1), t=(0, 1)).measure("t"),
            "'t' is unknown: expected one of x, boundary, x_min, x_max",
        ),
        (lambda: Box(x=(0, 1)).face_pair("y", 3), "no pair of faces 'y'"),
        (lambda: Box(x=(0, 1)).inside(np.zeros((3, 2))), "Got points of shape (3, 2): expected (n, 1) for x"),
        (lambda: Box(x=(0, 1)).grid((2, 2)), "Got the grid shape (2, 2)"),
        (lambda: Geometry("disk"), "Got 'disk': expected a DeepXDE geometry"),
        (lambda: Geometry(dde.PointCloud([[0, 0], [1, 1]])), "expected a DeepXDE geometry with an interior"),
        (lambda: Geometry(DISK, ("x",)), "expected 2 different names"),
        (lambda: Geometry(DISK, time=(1, 0)), "Got the bounds (1, 0) for 't'"),
        (lambda: Geometry(DISK, parts={"none": lambda X: X[:, 0] > 9}), "The boundary part 'none' is empty"),
        (lambda: Geometry(DISK, parts={"rest": DISK}), "The part name 'rest' has a meaning already"),
        (
            lambda: Geometry(DISK, parts={"odd": lambda X: X > 9}),
            "The predicate of the part 'odd' gave shape",
        ),
        (
            lambda: cylinder().sample_boundary(3, "wall"),
            "'wall' is unknown: expected one of boundary, cylinder",
        ),
        (lambda: Geometry(dde.Disk([0, 0], 1) & dde.Disk([5, 0], 1)).sample_boundary(3), "is empty"),
        (lambda: Geometry(DISK - dde.Rectangle([0, 0], [9, 9])).sample(3), "too few for 3 points"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


ends = st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@settings(deadline=None, max_examples=40)
@given(
    coordinates=st.dictionaries(st.sampled_from(["x", "y", "z", "t"]), ends, min_size=1).filter(
        lambda c: set(c) != {"t"}
    ),
    n=st.integers(1, 60),
    method=st.sampled_from(METHODS),
    seed=st.integers(0, 2**62),
)
def test_every_box(coordinates: dict[str, tuple[float, float]], n: int, method: str, seed: int) -> None:
    box = Box(**coordinates)
    X = box.sample(n, method=method, seed=seed)
    lower, upper = torch.as_tensor(box.bounds)
    assert len(X) == n and (X > lower).all() and (X < upper).all()
    B, normals = box.sample_boundary(n, method=method, seed=seed)
    assert len(B) == n and (normals.abs().sum(dim=1) == 1).all()
    assert (torch.where(normals < 0, lower, upper) == B)[normals != 0].all()
    assert box.measure() == pytest.approx(math.prod(hi - lo for lo, hi in box.bounds.T))
    assert box.measure("boundary") == pytest.approx(sum(map(box.measure, box.faces)))


@given(n=st.integers(0, 500), weights=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9))
def test_apportion(n: int, weights: list[float]) -> None:
    counts = apportion(n, weights)
    assert sum(counts) == n and min(counts) >= (n >= len(weights))
    quota = n * np.array(weights) / sum(weights)
    if min(quota) >= 1:
        assert (np.abs(np.array(counts) - quota) < 1 + 1e-9).all()
