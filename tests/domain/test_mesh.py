"""Meshes: areas, holes, corners, grids of boxes, and what is refused."""

import math

import numpy as np
import pytest

import pinnkit as pk
from pinnkit.domain.mesh import Mesh, mesh
from pinnkit.output.deepxde.to_deepxde import import_deepxde

shapes = import_deepxde().geometry


def volume(found: Mesh) -> float:
    corners = found.X[found.cells]
    edges = corners[:, 1:] - corners[:, :1]
    return float(np.abs(np.linalg.det(edges)).sum() / math.factorial(found.X.shape[1]))


def holes(found: Mesh) -> int:
    """1 - (nodes - edges + triangles)."""
    pairs = found.cells[:, [0, 1]], found.cells[:, [1, 2]], found.cells[:, [2, 0]]
    edges = np.unique(np.sort(np.concatenate(pairs), 1), axis=0)
    assert len(np.unique(found.cells)) == len(found.X)
    return 1 - (len(found.X) - len(edges) + len(found.cells))


BODIES = {
    "disk": (lambda: shapes.Disk([0, 0], 1), math.pi, 0),
    "corner that points inwards": (lambda: shapes.Polygon([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]), 3.0, 0),
    "two holes": (
        lambda: shapes.Rectangle([0, 0], [3, 1]) - shapes.Disk([1, 0.5], 0.2) - shapes.Rectangle([2, 0.3], [2.4, 0.6]),
        3 - 0.04 * math.pi - 0.12, 2,
    ),
    "a hole smaller than its cells": (
        lambda: shapes.Rectangle([0, 0], [1, 1]) - shapes.Disk([0.5, 0.5], 0.01), 1 - 1e-4 * math.pi, 1,
    ),
    "two disks together": (lambda: shapes.Disk([0, 0], 1) | shapes.Disk([1, 0], 1), math.pi * 4 / 3 + 3**0.5 / 2, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_covered_and_its_holes_stay_holes(name: str) -> None:
    make, area, count = BODIES[name]
    domain = pk.Geometry(make())
    found = mesh(domain, 1000)
    assert found.kind == "triangle" and holes(found) == count
    assert volume(found) == pytest.approx(area, rel=3e-3)
    assert domain.inside(found.X, tol=1e-9).all() and domain.inside(found.X[found.cells].mean(1)).all()
    assert 500 < len(found.X) < 3000


def test_the_cylinder_in_its_channel_is_round_and_in_time_the_same() -> None:
    body = shapes.Rectangle([0, 0], [22, 4.1]) - shapes.Disk([2, 2], 0.5)
    found = mesh(pk.Geometry(body), 3000)
    ring = np.abs(np.hypot(*(found.X - 2).T) - 0.5) < 1e-12
    assert holes(found) == 1 and ring.sum() >= 40
    for corner in ([0, 0], [22, 0], [22, 4.1], [0, 4.1]):
        assert np.abs(found.X - corner).max(1).min() < 1e-9
    moving = mesh(pk.Geometry(body, time=(0, 3)), 3000)
    assert np.array_equal(moving.X, found.X) and np.array_equal(moving.cells, found.cells)


def test_a_shell_in_space_keeps_its_cavity() -> None:
    domain = pk.Geometry(shapes.Sphere([0, 0, 0], 1) - shapes.Sphere([0, 0, 0], 0.4))
    found = mesh(domain, 2000)
    assert found.kind == "tetra" and volume(found) == pytest.approx(domain.measure(), rel=0.04)
    assert np.linalg.norm(found.X[found.cells].mean(1), axis=1).min() > 0.37


@pytest.mark.parametrize(
    ("box", "kind", "corners"),
    [
        (pk.Box(x=(0, 2)), "line", 2),
        (pk.Box(x=(0, 1), t=(0, 4)), "quad", 4),
        (pk.Box(x=(0, 1), y=(-1, 1), t=(0, 4)), "quad", 4),
        (pk.Box(x=(0, 1), y=(-1, 1), z=(0, 1)), "hexahedron", 8),
    ],
)
def test_boxes_get_grids(box: pk.Box, kind: str, corners: int) -> None:
    found = mesh(box, 200)
    names = box.names if len(box.space) == 1 else box.space
    assert found.kind == kind and found.cells.shape[1] == corners and found.X.shape[1] == len(names)
    assert 100 < len(found.X) < 400 and np.array_equal(np.unique(found.cells), np.arange(len(found.X)))
    ends = box.bounds[:, [box.names.index(n) for n in names]]
    assert np.array_equal(np.stack([found.X.min(0), found.X.max(0)]), ends)
    corners_of = found.X[found.cells]
    assert np.ptp(np.ptp(corners_of, 1), axis=0).max() < 1e-12  # all cells are alike, and none stands twice
    assert len(np.unique(corners_of.mean(1).round(12), axis=0)) == len(found.cells)


def test_what_cannot_be_meshed_is_said() -> None:
    with pytest.raises(ValueError, match="nodes=3: give at least 8"):
        mesh(pk.Box(x=(0, 1), y=(0, 1)), 3)
    with pytest.raises(ValueError, match="at most three dimensions, the domain has a, b, c, d"):
        mesh(pk.Box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 1)))
