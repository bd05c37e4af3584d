"""The response to sources: a self-adjoint equation answers both ways alike, one that carries things along does not."""

import pytest
import torch

import pinnkit as pk


def trained(drift: float) -> pk.Solution:
    """u'' - drift u' = -1 on [0, 1]^2 with u = 0 around, by few steps: the linear equation's response needs no more."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    u_x, u_xx, u_yy = pk.derivatives(u, "x", "xx", "yy")
    problem = pk.Problem(
        name="drift", fields=u, equations=u_xx + u_yy - drift * u_x + 1, domain=pk.Box(x=(0, 1), y=(0, 1)),
        conditions=[pk.Dirichlet(u, 0)],
    )  # fmt: skip
    stages = [pk.Adam(100), pk.SSBroyden(200)]
    return pk.solve(problem, pk.MLP(2, 16, 16, 1), {"pde": 900}, stages=stages, resample=None, progress=False, seed=0)


def test_reciprocity_tells_diffusion_from_drift() -> None:
    still, carried = (pk.response(trained(drift), places=60, width=0.12, points=900) for drift in (0.0, 30.0))
    assert still.held.sum() > 10 and carried.held.sum() > 10
    assert still.reciprocity > 0.95 > 0.7 > carried.reciprocity
    assert still.directionality("x") == pytest.approx(0.5, abs=0.05) and carried.directionality("x") > 0.6
    assert still.kernel.shape == (60, 60) and bool((still.kernel.diagonal()[still.held] < 0).all())  # Laplace u = -1


def test_single_numbers_are_those_of_the_definitions() -> None:
    K = torch.tensor([[9.0, 1.0], [3.0, 9.0]], dtype=torch.float64)
    X = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    found = pk.Response("u", "pde", X, K, torch.ones(2, dtype=torch.float64), ("x",))
    assert found.reciprocity == pytest.approx(6 / 10) and found.directionality("x") == pytest.approx(3 / 4)
    lost = pk.Response("u", "pde", X, K, torch.tensor([1.0, 1e5], dtype=torch.float64), ("x",))
    assert lost.held.tolist() == [True, False] and lost.reciprocity != lost.reciprocity  # NaN: nothing to compare


def test_wrong_input_is_refused() -> None:
    solution = pk.solve(
        pk.problem("burgers"), pk.MLP(2, 4, 1), {"pde": 20}, stages=[pk.Adam(2)], resample=None, progress=False
    )
    with pytest.raises(ValueError, match="there is no equation 'mass'"):
        pk.response(solution, equation="mass")
    with pytest.raises(ValueError, match="width=0"):
        pk.response(solution, width=0)
