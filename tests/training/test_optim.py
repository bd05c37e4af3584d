"""Optimisers on functions whose minimum is known, against dense textbook updates, and their reasons to stop."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import scipy.optimize
import torch
from objectives import (
    BFGS,
    LBFGS,
    NEWTON_LIKE,
    SSBROYDEN,
    Function,
    matrix,
    powell,
    quadratic,
    rosenbrock,
    run,
    small,
    vector,
)

import pinnkit as pk
from pinnkit.training.optim.lbfgs import two_loops
from pinnkit.training.optim.ssbroyden import multiply

pytestmark = pytest.mark.portable
# function, start, most steps of each, how near the minimiser
CASES = [
    (rosenbrock, vector(-1.2, 1), (50, 60, 60), 1e-7),
    (rosenbrock, vector(*[-1.2, 1] * 5), (150, 140, 120), 1e-7),
    (powell, vector(3, -1, 0, 1), (90, 130, 90), None),
    (quadratic, torch.ones(12, dtype=torch.float64), (110, 210, 150), None),
]


def inverse_hessian(state):
    """H as a dense matrix (P, P)."""
    return multiply(state, torch.eye(len(state["H"]), dtype=state["H"].dtype))


@pytest.mark.parametrize("which", range(3), ids=["SSBroyden", "BFGS", "LBFGS"])
@pytest.mark.parametrize(("f", "start", "most", "near"), CASES)
def test_minima_are_found(which, f, start, most, near):
    objective = Function(f)
    theta, states, reason = run(NEWTON_LIKE[which], objective, start, most[which])
    assert reason is not None and reason.startswith("converged")
    assert float(f(theta)) < 1e-15
    assert objective.evaluations < 2 * len(states)
    assert near is None or (theta - 1).abs().max() < near


def test_adam_goes_downhill():
    theta, _, reason = run(pk.Adam(1000, lr=0.1, decay=0.5), rosenbrock, vector(-1.2, 1), 1000)
    assert reason is None and float(rosenbrock(theta)) < 1e-2


def textbook(H, s, y, g, alpha, scaled):
    """H+ of Al-Baali's self-scaled Broyden family (Urban, Stefanou, Pons 2024), or BFGS; g is the old gradient."""
    n, sy, Hy = len(s), s @ y, H @ y
    yHy = y @ Hy
    tau = phi = 1.0
    if scaled:
        b, h = -alpha * (s @ g) / sy, yHy / sy
        a = b * h - 1
        c = torch.sqrt(a / (a + 1))
        rho_minus = min(1.0, h * (1 - c))
        theta_minus, theta_plus = (rho_minus - 1) / a, 1 / rho_minus
        theta = max(theta_minus, min(theta_plus, (1 - b) / b))
        sigma, rho = 1 + a * theta, min(1.0, 1 / b)
        s1 = abs(sigma) ** (-1 / (n - 1))
        tau = rho * min(s1, sigma) if theta <= 0 else rho * min(s1, 1 / theta)
        phi = (1 - theta) / (1 + a * theta)
    v = s / sy - Hy / yHy
    return (H - torch.outer(Hy, Hy) / yHy + phi * yHy * torch.outer(v, v)) / tau + torch.outer(s, s) / sy


@pytest.mark.parametrize("scaled", [True, False])
def test_the_delayed_update_is_the_textbook_one(scaled):
    """The inverse Hessian over 30 steps, kept as a low-rank sum, against the dense formulas from the same steps."""
    stage, objective = pk.SSBroyden(scaled=scaled, tolerance=0), Function(rosenbrock)
    theta = torch.linspace(-1.2, 1.0, 10, dtype=torch.float64)
    state, H = stage.start(theta, objective), torch.eye(10, dtype=torch.float64)
    gradient = objective.loss_and_gradient(theta)[1]
    for k in range(30):
        new, state, step = stage.step(theta, state, objective)
        assert step.stop is None and state["resets"] == 0
        s, g = new - theta, objective.loss_and_gradient(new)[1]
        y = g - gradient
        alpha = s.norm() / (H @ gradient).norm()
        if k == 0:  # Nocedal and Wright, eq. 6.20
            scale = (s @ y) / (y @ y)
            H, alpha = H * scale, alpha / scale
        H = textbook(H, s, y, gradient, alpha, scaled)
        got = inverse_hessian(state)
        assert (got - H).abs().max() <= 1e-10 * H.abs().max()
        assert (got - got.T).abs().max() <= 1e-12 * H.abs().max()
        assert torch.linalg.eigvalsh(0.5 * (got + got.T)).min() > 0
        assert (got @ y - s).norm() <= 1e-9 * s.norm()  # the secant equation
        assert (state["Hg"] - got @ g).norm() <= 1e-9 * state["Hg"].norm()
        theta, gradient = new, g


def test_bfgs_is_that_of_scipy():
    reference = scipy.optimize.BFGS(exception_strategy="skip_update", init_scale="auto")
    reference.initialize(5, "inv_hess")
    stage, objective = pk.SSBroyden(scaled=False), Function(rosenbrock)
    theta = torch.linspace(-1, 1, 5, dtype=torch.float64)
    state = stage.start(theta, objective)
    for _ in range(20):
        gradient = objective.loss_and_gradient(theta)[1]
        new, state, _ = stage.step(theta, state, objective)
        reference.update((new - theta).numpy(), (state["gradient"] - gradient).numpy())
        H = reference.get_matrix()
        np.testing.assert_allclose(inverse_hessian(state).numpy(), H, rtol=0, atol=1e-10 * np.abs(H).max())
        theta = new


@pytest.mark.parametrize("scaled", [True, False])
def test_the_inverse_hessian_of_a_quadratic_is_found(scaled):
    """Its linear part changes like points that are redrawn; what was learnt stays and leads to A^-1."""
    A, generator = matrix(6, 30.0), torch.Generator().manual_seed(1)
    stage, theta = pk.SSBroyden(scaled=scaled), torch.ones(6, dtype=torch.float64)
    state = stage.start(theta, None)
    for _ in range(300):
        b = torch.randn(6, generator=generator, dtype=torch.float64)
        theta, state, _ = stage.step(theta, stage.renew(state), Function(lambda x, b=b: 0.5 * x @ (A @ x) - b @ x))
    torch.testing.assert_close(inverse_hessian(state), torch.linalg.inv(A), rtol=0, atol=1e-6)


def test_two_loops_are_bfgs_with_the_same_pairs():
    generator, A = torch.Generator().manual_seed(1), matrix(7, 50.0)
    S = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    Y, g = S @ A, torch.randn(7, generator=generator, dtype=torch.float64)
    H = torch.eye(7, dtype=torch.float64) * (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y in zip(S, Y, strict=True):
        H = textbook(H, s, y, None, None, scaled=False)
    torch.testing.assert_close(two_loops(S, Y, g), H @ g, rtol=1e-10, atol=1e-12)
    assert two_loops(S[:0], Y[:0], g) is g


STAGES = [
    pk.Adam(40, lr=1e-2), pk.SOAP(40, decay=0.5), pk.Torch("LBFGS", 5, lr=0.5, settings={"max_iter": 4}),
    pk.Torch("AdamW", 40, lr=1e-2, schedule="CosineAnnealingLR"), pk.LBFGS(15), pk.SSBroyden(15),
    pk.LevenbergMarquardt(5),
]  # fmt: skip


def name(stage):
    return type(stage).__name__ + getattr(stage, "optimizer", "")


@pytest.mark.parametrize("stage", STAGES, ids=name)
@pytest.mark.parametrize("points", [30, 150])
def test_the_loss_falls(stage, points):
    model, theta = small()
    stack = model.stack(pk.sample(model.problem, {"pde": points}))
    before = float(stack.losses(theta).sum())
    theta, _, reason = run(stage, stack, theta, stage.iterations)
    assert reason is None and float(stack.losses(theta).sum()) < 0.8 * before


def plain(tree):
    """A copy of a state as a file gives it back: without what is only kept at hand."""
    if isinstance(tree, Mapping):
        return {key: plain(value) for key, value in tree.items() if not key.startswith("_")}
    assert tree is None or isinstance(tree, torch.Tensor | int | float | str | bool)
    return tree.clone() if isinstance(tree, torch.Tensor) else tree


@pytest.mark.parametrize("stage", STAGES, ids=name)
def test_steps_are_a_function_of_parameters_state_and_objective(stage):
    """From any state on, also one that went through a file, steps repeat bit for bit; states are plain values."""
    model, theta = small()
    stack = model.stack(pk.sample(model.problem, {"pde": 50}))
    state = stage.start(theta, stack)
    for _ in range(10):
        theta, state, _ = stage.step(theta, state, stack)
    kept = plain(state)
    ends = []
    for begin in (state, plain(kept), plain(kept)):
        end = theta
        for _ in range(10):
            end, begin, step = stage.step(end, begin, stack)
        ends.append((end, step.losses))
    assert all(torch.equal(a, b) for other in ends[1:] for a, b in zip(ends[0], other, strict=True))


@pytest.mark.parametrize("stage", [*NEWTON_LIKE, pk.Adam(5), pk.SOAP(5)], ids=name)
def test_a_loss_that_is_not_finite_at_the_start(stage):
    theta, _, reason = run(stage, lambda x: (x / 0.0).sum(), vector(1, 2), 3)
    assert "not finite" in reason and torch.equal(theta, vector(1, 2))


@pytest.mark.parametrize("stage", [pk.Adam(50, lr=0.3), pk.SOAP(50, lr=0.3)], ids=name)
def test_a_loss_that_becomes_not_finite_gives_the_last_good_parameters_back(stage):
    def cliff(x):
        return x.sum() if float(x.detach().min()) > -2 else x.sum() * math.inf

    theta, states, reason = run(stage, cliff, vector(0, 0.5), 50)
    assert "not finite" in reason and 2 < len(states) < 50
    assert math.isfinite(float(cliff(theta))) and theta.min() < -1


@pytest.mark.parametrize("stage", NEWTON_LIKE, ids=name)
def test_converged(stage):
    assert "gradient's largest entry" in run(stage, lambda x: (x * x).sum(), vector(0, 0), 3)[2]
    assert "rounding" in run(stage, lambda x: 1e20 + (x * x).sum(), vector(0.1, 0.2), 3)[2]


class Uphill(Function):
    """An objective whose gradient has the wrong sign."""

    def loss_and_gradient(self, theta):
        losses, gradient = super().loss_and_gradient(theta)
        return losses, -gradient


@pytest.mark.parametrize("stage", NEWTON_LIKE, ids=name)
def test_a_line_search_that_fails(stage):
    theta, states, reason = run(stage, Uphill(lambda x: (x * x).sum()), vector(1, 2), 10)
    assert "line search found no lower loss" in reason
    assert torch.equal(theta, vector(1, 2)) and len(states) == 1


def test_a_curvature_that_misleads_is_forgotten():
    """A direction that ascends is the end where H = I, and otherwise a reason to begin again from H = I."""
    objective, theta = Function(rosenbrock), vector(-1.2, 1)
    state = SSBROYDEN.start(theta, objective)
    _, _, step = SSBROYDEN.step(theta, state | {"H": -state["H"]}, objective)
    assert step.stop == "the search direction does not descend"

    for _ in range(20):
        theta, state, _ = SSBROYDEN.step(theta, state, objective)
    state = {k: v for k, v in state.items() if k != "Hg"} | {"H": -100 * state["H"] - torch.eye(2), "used": 0}
    same, state, step = SSBROYDEN.step(theta, state, objective)
    assert step.stop is None and torch.equal(same, theta)
    assert state["resets"] == 1 and torch.equal(inverse_hessian(state), torch.eye(2, dtype=torch.float64))
    for _ in range(60):
        theta, state, step = SSBROYDEN.step(theta, state, objective)
        if step.stop is not None:
            break
    assert step.stop.startswith("converged")

    bad = {"S": vector(1, 0)[None], "Y": vector(-1, 0)[None]}
    same, state, step = LBFGS.step(vector(-1.2, 1), bad, objective)
    assert step.stop is None and not len(state["S"]) and torch.equal(same, vector(-1.2, 1))


def test_a_step_of_negative_curvature_leaves_h_alone():
    """Along -cos x from near its top the first step may end where s.y < 0: no pair is learnt from it."""
    for stage in (SSBROYDEN, BFGS, LBFGS):
        objective, theta = Function(lambda x: -torch.cos(x).sum()), vector(3.1, 3.0)
        state, reason = stage.start(theta, objective), None
        while reason is None:
            theta, state, step = stage.step(theta, state, objective)
            reason = step.stop
            if "H" in state:
                assert torch.linalg.eigvalsh(inverse_hessian(state)).min() > 0
        assert reason.startswith("converged") and abs(float(torch.cos(theta).sum()) - 2) < 1e-12
