"""Kinks and jumps of data on a curved boundary: what is carried solves the equation, and what is left is smooth."""

import deepxde as dde
import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.statement.symbolic.torch_program import Program

x, y = pk.coordinates("x y")
u = pk.field("u", x, y)
DISK = pk.Geometry(dde.geometry.Disk([0.5, -1], 2))


def model(value: sp.Expr, domain: pk.Geometry = DISK, equation: sp.Expr | None = None, hard: bool | None = None):
    equation = u.diff(x, 2) + u.diff(y, 2) if equation is None else equation
    problem = pk.Problem("body", u, equation, domain, pk.Dirichlet(u, value))
    return pk.Model(problem, pk.MLP(2, 6, 1), hard)


def values(e: sp.Expr, X: np.ndarray) -> np.ndarray:
    (found,) = Program([e], [x, y])({x: torch.as_tensor(X[:, 0]), y: torch.as_tensor(X[:, 1])})
    return np.broadcast_to(np.asarray(found), len(X))


def circle(angle: np.ndarray) -> np.ndarray:
    return np.stack([0.5 + 2 * np.cos(angle), -1 + 2 * np.sin(angle)], 1)


@pytest.mark.parametrize("value, order", [(sp.Abs(y + x / 2), 1), (sp.Heaviside(y - x / 3), 0), (sp.Max(x, 0) + y, 1)])
def test_what_is_left_of_the_data_is_smooth(value: sp.Expr, order: int):
    """Second differences along the circle stay bounded where those of the data grow as 1/h (a kink), 1/h^2 (a jump)."""
    found = model(value)
    part, d = found.ansatz[u]
    assert d == 1 and found.exact_terms == frozenset() and any("carried by logarithms" in n for n in found.notes)
    worst = []
    for h in (1e-2, 1e-3):
        angle = np.linspace(0, 2 * np.pi, 8192, endpoint=False) + 0.123
        left, data = (
            np.abs(sum(w * values(e, circle(angle + k * h)) for k, w in ((-1, 1), (0, -2), (1, 1)))) / h**2
            for e in (value - part, value)
        )
        worst.append((left.max(), data.max()))
    (coarse, before), (fine, after) = worst
    assert after > 5 * before and fine < 2.5 * coarse + 1
    inside = DISK.sample(200, method="random", seed=1).numpy()
    assert np.abs(values(part.diff(x, 2) + part.diff(y, 2), inside)).max() < 1e-9
    assert order == 0 or np.isfinite(values(part.diff(x, 2), inside)).all()


def test_a_dropped_curvature_would_be_seen():
    """Without it the trace on the circle has s^2 log s: second differences that grow with log h, here by a third."""
    part = model(sp.Abs(y + 1)).ansatz[u][0]
    angle = np.linspace(-0.02, 0.02, 401)
    h = 1e-4
    left = sum(w * values(sp.Abs(y + 1) - part, circle(angle + k * h)) for k, w in ((-1, 1), (0, -2), (1, 1))) / h**2
    assert np.ptp(left) < 0.5


def test_smooth_data_strict_models_and_other_equations_carry_nothing():
    assert all("carried" not in note for note in model(x**2 - y).notes)
    with pytest.raises(ValueError, match="kink"):
        _ = model(sp.Abs(y), hard=True).ansatz
    anisotropic = model(sp.Abs(y), equation=u.diff(x, 2) + 3 * u.diff(y, 2))
    assert u not in anisotropic.ansatz and "trained softly" in anisotropic.notes[0]


def test_a_trained_disk_is_right():
    """|y| on the unit circle: u = 2/pi - 4/pi sum r^2k cos(2 k theta) / (4 k^2 - 1), in closed form."""

    def exact(X: torch.Tensor) -> torch.Tensor:
        z = X[:, 0].numpy() + 1j * X[:, 1].numpy()
        z = np.clip(abs(z), 1e-9, 1 - 1e-12) * np.exp(1j * np.angle(z))
        return torch.as_tensor(2 / np.pi - 2 / np.pi * (1 - (1 - z**2) / z * np.arctanh(z)).real)[:, None]

    domain = pk.Geometry(dde.geometry.Disk([0, 0], 1))
    laplace = u.diff(x, 2) + u.diff(y, 2)
    problem = pk.Problem(
        "disk", u, laplace, domain, pk.Dirichlet(u, sp.Abs(y)), reference=pk.Computed(exact, error=1e-9)
    )
    stages = [pk.Adam(100), pk.SSBroyden(100), pk.Correct()]
    found = pk.solve(problem, pk.MLP(2, 14, 14, 1), 400, stages=stages, resample=None, progress=False)
    assert found.errors()["u"]["relative_l2"] < 1e-4
