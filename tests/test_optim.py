"""Optimisers on functions whose minimum is known, against dense textbook updates, and their reasons to stop."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.optim.lbfgs import two_loops
from pinnkit.optim.line_search import Trial, strong_wolfe
from pinnkit.optim.ssbroyden import coefficients, inverse_hessian


class Function:
    """f with its gradient as an objective of one term."""

    def __init__(self, f):
        self.f, self.evaluations = f, 0

    def loss_and_gradient(self, theta):
        self.evaluations += 1
        leaf = theta.clone().requires_grad_()
        value = self.f(leaf)
        return value.detach()[None], torch.autograd.grad(value, leaf)[0]


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def powell(x):
    a, b, c, d = x
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


def quadratic(n: int = 12, condition: float = 1e6):
    Q, _ = torch.linalg.qr(torch.randn(n, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    A = Q @ torch.diag(torch.logspace(0, math.log10(condition), n, dtype=torch.float64)) @ Q.T
    return A, lambda x: 0.5 * x @ (A @ x)


def run(stage, f, x0, steps):
    objective, theta = Function(f), torch.tensor(x0, dtype=torch.float64)
    state = stage.start(theta, objective)
    states, reason = [], None
    for _ in range(steps):
        theta, state, step = stage.step(theta, state, objective)
        states.append((theta, state))
        if step.stop is not None:
            reason = step.stop
            break
    return theta, states, reason


NEWTON_LIKE = [pk.SSBroyden(tolerance=1e-9), pk.SSBroyden(scaled=False, tolerance=1e-9), pk.LBFGS(tolerance=1e-9)]
STARTS = [(rosenbrock, [-1.2, 1.0], 1e-7), (rosenbrock, [-1.2, 1.0] * 5, 1e-7), (powell, [3.0, -1.0, 0.0, 1.0], None)]


@pytest.mark.parametrize("stage", NEWTON_LIKE)
@pytest.mark.parametrize(("f", "x0", "near"), STARTS)
def test_minima_are_found(stage, f, x0, near):
    theta, _, reason = run(stage, f, x0, 400)
    assert reason is not None and "converged" in reason
    assert float(f(theta)) < 1e-9
    if near is not None:
        assert (theta - 1).abs().max() < near


@pytest.mark.parametrize("stage", NEWTON_LIKE)
def test_an_ill_conditioned_quadratic(stage):
    _, f = quadratic()
    theta, _, _ = run(stage, f, [1.0] * 12, 400)
    assert float(f(theta)) < 1e-12


@pytest.mark.parametrize("scaled", [True, False])
def test_delayed_updates_are_the_textbook_update(scaled):
    """H after every step equals the dense formula of the self-scaled Broyden family (arXiv 2405.04230)."""
    n = 6
    theta = torch.linspace(-1.2, 1.0, n, dtype=torch.float64)
    objective, stage = Function(rosenbrock), pk.SSBroyden(scaled=scaled, tolerance=1e-300)
    state, H = stage.start(theta, objective), torch.eye(n, dtype=torch.float64)
    gradient = objective.loss_and_gradient(theta)[1]
    for k in range(30):
        new, state, step = stage.step(theta, state, objective)
        assert step.stop is None
        s, g = new - theta, objective.loss_and_gradient(new)[1]
        y = g - gradient
        sy = s @ y
        if k == 0:
            H = H * sy / (y @ y)
        Hy = H @ y
        yHy = y @ Hy
        b, h = float(s @ torch.linalg.solve(H, s) / sy), float(yHy / sy)
        tau, phi = coefficients(b, h, n) if scaled else (1.0, 1.0)
        v = s / sy - Hy / yHy
        H = (H - torch.outer(Hy, Hy) / yHy + phi * yHy * torch.outer(v, v)) / tau + torch.outer(s, s) / sy
        got = inverse_hessian(state)
        assert (got - H).abs().max() <= 1e-7 * H.abs().max()
        assert torch.allclose(got, got.T, rtol=1e-8, atol=1e-12) and torch.linalg.eigvalsh(got + got.T).min() > 0
        assert torch.allclose(got @ y, s, rtol=1e-6, atol=1e-9)  # the secant equation
        theta, gradient, H = new, g, got


def test_two_loops_are_bfgs_with_the_same_pairs():
    generator = torch.Generator().manual_seed(1)
    A, _ = quadratic(7, 50.0)
    S = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    Y, g = S @ A, torch.randn(7, generator=generator, dtype=torch.float64)
    H = torch.eye(7, dtype=torch.float64) * (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y in zip(S, Y, strict=True):
        V = torch.eye(7, dtype=torch.float64) - torch.outer(y, s) / (s @ y)
        H = V.T @ H @ V + torch.outer(s, s) / (s @ y)
    torch.testing.assert_close(two_loops(S, Y, g), H @ g, rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 20), st.floats(-3, 3), st.floats(0, 2), st.floats(0.01, 30))
def test_accepted_steps_meet_the_strong_wolfe_conditions(curve, centre, wiggle, first):
    def f(a):
        return curve * (a - abs(centre) - 0.1) ** 2 + wiggle * math.sin(3 * a)

    def slope(a):
        return 2 * curve * (a - abs(centre) - 0.1) + 3 * wiggle * math.cos(3 * a)

    def trial(a):
        return Trial(a, f(a), slope(a), torch.tensor([f(a)]), torch.tensor([slope(a)]))

    start = trial(0.0)
    if start.slope >= -1e-3:
        return
    found, reason = strong_wolfe(trial, start, first)
    assert found is not None, reason
    assert found.loss <= start.loss + 1e-4 * found.step * start.slope + 1e-12 * (1 + abs(start.loss))


def inverse_free():
    problem = pk.problem("diffusion")
    model = pk.Model(problem, pk.MLP(2, 6, 6, 1))
    return model, model.initial(0)


def test_primal_and_dual_steps_of_levenberg_marquardt_agree():
    from pinnkit.optim.levenberg_marquardt import _Dual, _Primal

    model, theta = inverse_free()
    stack = model.stack(pk.sample(model.problem, {"pde": 40}))
    a, b = _Primal(stack, theta).solve(1e-3), _Dual(stack, theta).solve(1e-3)
    torch.testing.assert_close(a[0], b[0], rtol=1e-7, atol=1e-8)
    assert math.isclose(a[1], b[1], rel_tol=1e-7)


@pytest.mark.parametrize("stage", [pk.LevenbergMarquardt(8), pk.SOAP(60), pk.Adam(60, lr=1e-2)])
@pytest.mark.parametrize("points", [30, 150])
def test_the_loss_falls(stage, points):
    model, theta = inverse_free()
    stack = model.stack(pk.sample(model.problem, {"pde": points}))
    before, state = float(stack.losses(theta).sum()), stage.start(theta, stack)
    for _ in range(stage.iterations):
        theta, state, step = stage.step(theta, state, stack)
        assert step.stop is None
    assert float(stack.losses(theta).sum()) < 0.8 * before


def test_reasons_to_stop():
    for stage in (*NEWTON_LIKE, pk.Adam(5)):
        theta, _, reason = run(stage, lambda x: (x / 0.0).sum(), [1.0, 2.0], 3)
        assert "not finite" in reason and torch.equal(theta, torch.tensor([1.0, 2.0], dtype=torch.float64))
    for stage in NEWTON_LIKE:
        assert "converged" in run(stage, lambda x: (x * x).sum(), [0.0, 0.0], 3)[2]
