"""The flow references: stored files against published values and themselves, elements against a closed form."""

import importlib
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import pinnkit as pk

DATA = Path(__file__).parents[1] / "data"
sys.path.insert(0, str(DATA))
needs_fem = pytest.mark.skipif(importlib.util.find_spec("skfem") is None, reason="needs the extra fem")

DFG = {"drag": 5.57953523384, "lift": 0.010618948146, "pressure difference": 0.11752016697}


def fields(name):
    with h5py.File(DATA / name) as file:
        x, y = file["x"][:], file["y"][:]
        return x, y, *(file[n][:] for n in "uvp")


def derivatives(f, h, axis):
    """Fourth-order central differences of a table, two nodes short at both ends."""
    n = f.shape[axis]
    parts = [np.take(f, np.arange(k, n - 4 + k), axis) for k in range(5)]
    return (parts[0] - 8 * parts[1] + 8 * parts[3] - parts[4]) / (12 * h)


@pytest.fixture(scope="module")
def cylinder():
    return pk.Table("cylinder.h5")


def test_cylinder_quantities(cylinder):
    for name, value in DFG.items():
        assert abs(cylinder.quantities[name] - value) < 1e-8
        assert cylinder.quantities[f"{name} error"] < 1e-8
    assert set(cylinder.errors) == {"u", "v", "p"} and cylinder.error == max(cylinder.errors.values()) < 1e-5
    assert (DATA / "cylinder.h5").stat().st_size < 1_500_000


def test_cylinder_forces_from_the_stress_on_the_wall(cylinder):
    wall = cylinder.part("wall")
    normal = np.array([np.cos(wall["angle"]), np.sin(wall["angle"])])
    stress = np.array([wall["stress_x"], wall["stress_y"]])
    drag, lift = 2 * np.pi * (stress - wall["p"] * normal).mean(1)  # twice the integral, the radius is 1/2
    assert drag == pytest.approx(DFG["drag"], rel=1e-6) and lift == pytest.approx(DFG["lift"], rel=1e-5)
    assert np.abs((stress * normal).sum(0)).max() < 1e-4 * np.abs(stress).max()  # no normal part: div u = 0
    difference = wall["p"][128] - wall["p"][0]  # the back is at angle 0
    assert 0.04 * difference == pytest.approx(DFG["pressure difference"], abs=1e-8)
    with pytest.raises(ValueError, match="no part 'walls': its parts are wall"):
        cylinder.part("walls")


def test_cylinder_mask_and_walls(cylinder):
    x, y, u, v, p = fields("cylinder.h5")
    distance = np.hypot(x[:, None] - 2, y - 2)
    for f in (u, v, p):
        assert np.array_equal(np.isfinite(f), distance >= 0.5 - 1e-12)
    assert not u[:, [0, -1]].any() and not v[:, [0, -1]].any()
    assert not u[np.abs(distance - 0.5) < 1e-12].any()
    assert np.abs(u[0] - 6 * y * (4.1 - y) / 4.1**2).max() < 1e-13 and np.abs(v[0]).max() < 1e-13
    axes, X, mask, values = cylinder.on_grid(pk.Box(x=(0, 22), y=(0, 4.1)), ("p", "u"))
    assert tuple(axes) == ("x", "y") and mask.sum() == np.isfinite(u).sum()
    assert np.array_equal(values[mask].numpy(), np.stack([p, u], -1)[np.isfinite(u)])
    assert np.array_equal(X[mask].numpy()[:3], [[0, y[0]], [0, y[1]], [0, y[2]]])


def test_cylinder_equations_by_differences(cylinder):
    x, y, u, v, p = (a[60:] if i != 1 else a for i, a in enumerate(fields("cylinder.h5")))  # x >= 3
    h, k = x[1] - x[0], y[1] - y[0]
    inner = (slice(2, -2), slice(2, -2))
    dx, dy = (lambda f: derivatives(f, h, 0)[:, 2:-2]), (lambda f: derivatives(f, k, 1)[2:-2])
    assert np.abs(dx(u) + dy(v)).max() < 2e-4
    u_x, u_y = derivatives(u, h, 0), derivatives(u, k, 1)
    laplace = derivatives(u_x, h, 0)[:, 4:-4] + derivatives(u_y, k, 1)[4:-4]
    convection = (u[inner] * dx(u) + v[inner] * dy(u) + dx(p))[2:-2, 2:-2]
    assert np.abs(convection - laplace / 20).max() < 2e-3 * np.abs(convection).max()


def test_cylinder_conserves_mass():
    x, y, u, _, _ = fields("cylinder.h5")
    flux = np.trapezoid(u[50:], y, axis=1) + (y[1] - y[0]) ** 2 / 12 * (
        derivatives(u[50:], y[1] - y[0], 1)[:, 0] - derivatives(u[50:], y[1] - y[0], 1)[:, -1]
    )
    assert np.abs(flux - 4.1).max() < 3e-3


@needs_fem
def test_elements_converge_to_kovasznay():
    fem, mesh = importlib.import_module("flow_fem"), importlib.import_module("flow_mesh")
    rate = 20 - np.sqrt(400 + 4 * np.pi**2)

    def exact(x, y):
        e, s = np.exp(rate * x), 2 * np.pi * y
        return 1 - e * np.cos(s), rate / (2 * np.pi) * e * np.sin(s), (1 - e**2) / 2

    grid = np.meshgrid(np.linspace(-0.49, 0.99, 40), np.linspace(-0.49, 1.49, 40))
    x, y = (a.ravel() for a in grid)
    found = []
    for n in (6, 12):
        space = fem.Space(mesh.Blocks(np.linspace(-0.5, 1, n + 1), np.linspace(-0.5, 1.5, n + 1)), 3)
        a, b = space.nodes
        wall = (np.abs(a - 0.25) > 0.75 - 1e-9) | (np.abs(b - 0.5) > 1 - 1e-9)
        given = fem.Dirichlet.on(space, (wall, lambda x, y: exact(x, y)[:2]), pressure=(0, exact))
        state, _ = fem.newton(space, 1 / 40, given)
        error = space.evaluate(state, x, y) - np.array(exact(x, y))
        found.append(np.sqrt((error**2).mean(1)))
    order = np.log2(found[0] / found[1])
    assert (order[:2] > 3.2).all() and order[2] > 2.5 and found[1].max() < 1e-3


@needs_fem
def test_ring_maps_exactly():
    mesh = importlib.import_module("flow_mesh")
    ring = mesh.Ring((2.0, 2.0), 0.5, 1.0, (0.0, 0.3, 1.0), 2)
    side = 2 + ring.slopes
    blocks = mesh.Blocks(np.concatenate([[0], side, [5]]), np.concatenate([[0], side, [4.1]]), ring)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 5, 500), rng.uniform(0, 4.1, 500)
    outside = np.hypot(x - 2, y - 2) > 0.5
    x, y = np.append(x[outside], [1.0, 3.0, 2.3, 1.5]), np.append(y[outside], [1.0, 2.0, 2.4, 2.0])
    cells, local = blocks.locate(x, y)
    assert np.abs(blocks.map(cells, local[:, :, None])[:, :, 0] - [x, y]).max() < 1e-14
    J, h = blocks.jacobian(cells, local[:, :, None])[..., 0], 1e-6
    for j in range(2):
        step = np.zeros((2, 1, 1))
        step[j] = h
        ahead, behind = (blocks.map(cells, local[:, :, None] + s * step)[:, :, 0] for s in (1, -1))
        assert np.abs(J[:, j] - (ahead - behind) / (2 * h)).max() < 1e-8
    basis = importlib.import_module("flow_fem").Space(blocks, 4).velocity
    assert basis.dx.sum() == pytest.approx(5 * 4.1 - np.pi / 4, abs=1e-9)
    with pytest.raises(ValueError, match="inside the circle"):
        blocks.locate(np.array([2.2]), np.array([2.1]))
