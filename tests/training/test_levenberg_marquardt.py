"""Levenberg-Marquardt: its step is the damped least-squares one, it converges quadratically, and says why it stops."""

import math

import pytest
import torch
from objectives import (
    Rows,
    run,
    small,
    vector,
)

import pinnkit as pk
from pinnkit.training.optim.levenberg_marquardt import _Dual, _Primal

pytestmark = pytest.mark.portable


def test_primal_and_dual_steps_of_levenberg_marquardt_agree():
    model, theta = small()
    stack = model.stack(pk.sample(model.problem, {"pde": 40}))
    a, b = _Primal(stack, theta).solve(1e-3), _Dual(stack, theta).solve(1e-3)
    assert (a[0] - b[0]).norm() <= 1e-8 * a[0].norm()
    assert math.isclose(a[1], b[1], rel_tol=1e-8)


def test_levenberg_marquardt_is_the_damped_least_squares_step():
    model, theta = small()
    stack = model.stack(pk.sample(model.problem, {"pde": 40}))
    J, a = stack.jacobian(theta), stack.row_weights
    damped = J.T @ (a[:, None] * J) + 0.1 * torch.eye(len(theta), dtype=theta.dtype)
    expected = -torch.linalg.solve(damped, J.T @ (a * stack.values(theta)))
    torch.testing.assert_close(_Primal(stack, theta).solve(0.1)[0], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("extra", [0, 3], ids=["primal", "dual"])
def test_levenberg_marquardt_converges_quadratically_where_the_residual_vanishes(extra):
    def residuals(x):
        return torch.cat([10 * (x[1:2] - x[:1] ** 2), 1 - x[:1] + 0 * x.sum()])

    theta = torch.cat([vector(-1.2, 1), torch.zeros(extra, dtype=torch.float64)])
    stage, objective = pk.LevenbergMarquardt(60), Rows(residuals).fit(theta)
    state, errors, reason = stage.start(theta, objective), [], None
    for _ in range(60):
        theta, state, step = stage.step(theta, state, objective)
        errors.append(float((theta[:2] - 1).norm()))
        if step.stop is not None:
            reason = step.stop
            break
    assert reason.startswith("converged") and len(errors) < 30 and errors[-1] < 1e-12
    tail = [(a, b) for a, b in zip(errors, errors[1:], strict=False) if 1e-7 < a < 1e-2]
    assert tail and all(b <= 20 * a**1.7 for a, b in tail)


def test_levenberg_marquardt_says_why_it_stops():
    def stop(r, *theta):
        start = vector(*theta)
        end, _, reason = run(pk.LevenbergMarquardt(50), Rows(r).fit(start), start, 50)
        assert torch.isfinite(end).all()
        return reason

    assert "not finite" in stop(lambda x: x / 0.0, 1.0, 2.0)
    assert "largest entry" in stop(lambda x: x - 1.0, 0.0, 2.0)
    assert "converged" in stop(lambda x: torch.cat([x - 1.0, x + 1.0]), 0.3, 2.0)

    class Wrong(Rows):
        def normal(self, theta):
            A, right = super().normal(theta)
            return A, -right

    start = vector(1.0, 2.0)
    assert "no damping" in run(pk.LevenbergMarquardt(5), Wrong(lambda x: x).fit(start), start, 5)[2]
