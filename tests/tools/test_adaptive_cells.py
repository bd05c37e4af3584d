"""Points that crowd where a function is large: a quadrature all the same, and no spike is missed."""

import math

import torch
from torch import Tensor

from pinnkit.tools.adaptive_cells import adaptive_cells

LOWER, UPPER = torch.tensor([-1.0, 0.0], dtype=torch.float64), torch.tensor([1.0, 3.0], dtype=torch.float64)


def corner(X: Tensor) -> Tensor:
    """1 / distance to a corner, to the power of 3/2: its integral converges, barely."""
    return (X - LOWER).norm(dim=1) ** -1.5


def test_it_is_a_quadrature() -> None:
    X, w = adaptive_cells(corner, LOWER, UPPER, 4000, seed=1)
    assert X.shape == (len(w), 2) and 4000 <= len(w) < 12_000
    assert math.isclose(float(w.sum()), 1, rel_tol=1e-12) and bool((w > 0).all())
    assert bool(((X >= LOWER) & (X <= UPPER)).all())
    x, t = X.T
    assert abs(float(w @ (x**2 * t)) - 0.5) < 0.01  # mean of x^2 is 1/3, of t 3/2
    assert abs(float(w @ torch.exp(x)) - math.sinh(1)) < 0.01


def test_it_finds_and_resolves_a_corner() -> None:
    X, w = adaptive_cells(corner, LOWER, UPPER, 4000, seed=2)
    reached = (X - LOWER).norm(dim=1).min()
    angle = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000 * math.pi / 2
    far = torch.minimum(2 / angle.cos(), 3 / angle.sin())
    exact = float((2 * far.sqrt()).mean() * math.pi / 2 / 6)  # of r^-3/2 r dr up to the sides, over the area
    assert reached < 1e-4
    assert abs(float(w @ corner(X)) / exact - 1) < 0.02


def test_nothing_to_crowd_at() -> None:
    X, w = adaptive_cells(lambda X: torch.zeros_like(X[:, 0]), LOWER, UPPER, 1000)
    assert torch.allclose(w, torch.full_like(w, 1 / len(w))) and len(w) == 1024
    assert torch.equal(adaptive_cells(corner, LOWER, UPPER, 100)[0], adaptive_cells(corner, LOWER, UPPER, 100)[0])
