"""Steps along a line: the strong Wolfe conditions, values that are not finite, few evaluations."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from objectives import (
    run,
    vector,
)

import pinnkit as pk
from pinnkit.training.optim.line_search import LinePoint, strong_wolfe

pytestmark = pytest.mark.portable


def along(f, slope):
    return lambda a: LinePoint(a, f(a), slope(a), vector(f(a)), vector(slope(a)))


@settings(max_examples=150, deadline=None)
@given(st.floats(0.05, 20), st.floats(-3, 3), st.floats(0, 2), st.floats(1, 9), st.floats(0.001, 1000))
def test_accepted_steps_meet_the_strong_wolfe_conditions(curve, centre, wiggle, pitch, first):
    trial = along(
        lambda a: curve * (a - centre) ** 2 + wiggle * math.sin(pitch * a),
        lambda a: 2 * curve * (a - centre) + pitch * wiggle * math.cos(pitch * a),
    )
    start = trial(0.0)
    assume(start.slope < -1e-3)
    found, reason = strong_wolfe(trial, start, first)
    assert found is not None, reason
    assert found.loss <= start.loss + 1e-4 * found.step * start.slope + start.rounding
    assert abs(found.slope) <= 0.9 * abs(start.slope)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.01, 5), st.floats(0.01, 100))
def test_values_that_are_not_finite_are_stepped_back_from(wall, first):
    def f(a):
        return -math.log(wall - a) - 2 * a / wall if a < wall else math.nan

    def slope(a):
        return 1 / (wall - a) - 2 / wall if a < wall else math.nan

    trial = along(f, slope)
    found, reason = strong_wolfe(trial, trial(0.0), first)
    assert reason is None and found.finite and found.loss < f(0.0)


def test_slopes_decide_where_values_are_equal_to_rounding():
    trial = along(lambda a: 1e6 + 1e-12 * (a - 1) ** 2, lambda a: 2e-12 * (a - 1))
    found, _ = strong_wolfe(trial, trial(0.0), 30.0)
    assert abs(found.slope) <= 0.9 * 2e-12


def test_one_evaluation_a_step_is_nearly_enough():
    """The first step length is right so often that a step costs little more than one evaluation; starting at 1, 1.8."""
    problem = pk.problem("burgers")
    model = pk.Model(problem, pk.MLP(2, 10, 10, 1))
    stack, count = model.stack(pk.sample(problem, {"pde": 200})), 0

    class Counted:
        def loss_and_gradient(self, theta):
            nonlocal count
            count += 1
            return stack.loss_and_gradient(theta)

        def parameter_groups(self, theta):
            return stack.parameter_groups(theta)

    theta, _, reason = run(pk.SSBroyden(), Counted(), model.initial(0), 150)
    assert reason is None and count <= 1.25 * 150
