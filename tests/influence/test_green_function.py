"""The response to sources: a self-adjoint equation answers both ways alike, one that carries things along does not."""

import math

import pytest
import torch

import pinnkit as pk
from pinnkit.influence import green_function as response


def trained(drift: float, points: int = 400) -> pk.Solution:
    """u'' - drift u' = -1 on [0, 1]^2 with u = 0 around, hardly trained: a linear equation's response needs no more."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    u_x, u_xx, u_yy = pk.derivatives(u, "x", "xx", "yy")
    problem = pk.Problem(
        name="drift", fields=u, equations=u_xx + u_yy - drift * u_x + 1, domain=pk.Box(x=(0, 1), y=(0, 1)),
        conditions=[pk.Dirichlet(u, 0)],
    )  # fmt: skip
    network, stages = pk.MLP(2, 20, 20, 1), [pk.Adam(100)]
    return pk.solve(problem, network, {"pde": points}, stages=stages, resample=None, progress=False, seed=0)


def test_reciprocity_tells_diffusion_from_drift() -> None:
    still, carried = (pk.response(trained(drift), places=60, width=0.12, points=900) for drift in (0.0, 30.0))
    assert still.answered.all() and int(carried.answered.sum()) > 50
    assert still.reciprocity > 0.99 > 0.7 > carried.reciprocity
    assert still.directionality("x") == pytest.approx(0.5, abs=0.01) and carried.directionality("x") > 0.6
    assert still.kernel.shape == (60, 60) and bool((still.kernel.diagonal() < 0).all())  # Laplace u = -1
    told = "reciprocity 1.00 of u to sources in pde (1: a self-adjoint operator), 60 of 60 sources answered"
    assert str(still) == told


def test_points_that_hold_no_source_do_not_make_an_operator_look_another() -> None:
    influence = pk.Influence(trained(0.0, 25), "gauss-newton")
    assert float(response.uptake(influence, width=0.12).quantile(0.9)) > 5  # 25 points leave the equation free
    found = pk.response(influence, places=60, width=0.12, points=900)
    assert found.answered.all() and found.reciprocity > 0.98


def test_the_kernel_is_the_greens_function() -> None:
    """u'' = s on [0, 1], u = 0 at both ends: G(x, y) = -min(x, y) (1 - max(x, y)), weighted by Gaussians twice."""
    (x,) = pk.coordinates("x")
    u = pk.field("u", x)
    u_xx = pk.derivatives(u, "xx")
    problem = pk.Problem(
        name="string", fields=u, equations=u_xx + 1, domain=pk.Box(x=(0, 1)), conditions=[pk.Dirichlet(u, 0)]
    )  # fmt: skip
    solution = pk.solve(
        problem, pk.MLP(1, 20, 20, 1), {"pde": 200}, stages=[pk.Adam(200)], resample=None, progress=False, seed=0
    )
    found = pk.response(solution, places=25, width=0.1, points=1000)
    y = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    s = torch.exp(-(found.places - y).square() / (2 * 0.1**2))
    s /= s.sum(1, keepdim=True)
    exact = s @ -(torch.minimum(y[:, None], y) * (1 - torch.maximum(y[:, None], y))) @ s.T
    assert float((found.kernel - exact).norm() / exact.norm()) < 5e-3


def test_single_numbers_are_those_of_the_definitions() -> None:
    n = response.ENOUGH
    K = 9 * torch.eye(n, dtype=torch.float64)
    K[0, 1], K[1, 0] = 1.0, 3.0
    X, ones = torch.arange(n, dtype=torch.float64)[:, None], torch.ones(n, dtype=torch.float64)
    found = pk.Response("u", "pde", X, K, 0 * ones, ("x",))
    assert found.reciprocity == pytest.approx(6 / 10) and found.directionality("x") == pytest.approx(3 / 4)
    misfit = torch.where(X[:, 0] == 1, 0.9, 0.1)
    lost = pk.Response("u", "pde", X, K, misfit, ("x",))
    assert int(lost.answered.sum()) == n - 1 and math.isnan(lost.reciprocity) and math.isnan(lost.directionality("x"))
    told = f"no reciprocity of u to sources in pde: the network answers {n - 1} of {n} sources, {n} are needed"
    assert str(lost) == told


def test_wrong_input_is_refused() -> None:
    solution = pk.solve(
        pk.problem("burgers"), pk.MLP(2, 4, 1), {"pde": 20}, stages=[pk.Adam(2)], resample=None, progress=False
    )
    with pytest.raises(ValueError, match="there is no equation 'mass'"):
        pk.response(solution, equation="mass")
    with pytest.raises(ValueError, match="width is 0"):
        pk.response(solution, width=0)


def test_an_equation_that_holds_by_construction_answers_nothing() -> None:
    superposed = pk.solve_lie(pk.problem("heat", initial="sine"))
    with pytest.raises(ValueError, match="heat: this solution keeps its equation by construction.*a trained network"):
        pk.response(superposed)
