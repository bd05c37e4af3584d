"""Weights by kernel traces and gradient norms against dense references, and what training makes of them."""

from dataclasses import replace

import pytest
import torch

import pinnkit as pk
import problems
from pinnkit.training.balance import gradient_norms, kernel_traces


@pytest.fixture(scope="module")
def parts():
    problem = problems.burgers()
    model = pk.Model(problem, pk.MLP(2, 6, 1), False)
    points = pk.sample(problem, {"pde": 40, "initial": 10, "x": 8}, seed=1)
    points = points.replace(pde=points["pde"].weighted(torch.linspace(0.5, 1.5, 40).double()))
    return model.stack(points, {"pde": 3.0, "u initial": 7.0}), model.initial(2)


def test_traces_are_those_of_the_jacobian(parts):
    stack, theta = parts
    unit = stack.model.stack(stack.points, dict.fromkeys(stack.terms, 1.0))
    squares = unit.row_weights * stack.jacobian(theta).square().sum(1)
    expected = {name: float(rows.sum()) for name, rows in stack.by_term(squares).items()}
    assert kernel_traces(stack, theta, 1000) == pytest.approx(expected, rel=1e-12)
    few = kernel_traces(stack, theta, 5)
    assert all(expected[n] / 4 < few[n] < 4 * expected[n] for n in expected)


def test_norms_are_those_of_the_gradients(parts):
    stack, theta = parts
    for name, found in gradient_norms(stack, theta).items():
        alone = stack.model.stack(stack.points, {n: float(n == name) for n in stack.terms})
        assert found == pytest.approx(float(alone.loss_and_gradient(theta)[1].norm()), rel=1e-12)


def test_weights_make_the_terms_alike(parts):
    stack, theta = parts
    weights = pk.ntk_balance(keep=0.0, points=1000)(stack, theta)
    sizes = kernel_traces(stack, theta, 1000)
    assert [weights[n] * s for n, s in sizes.items()] == pytest.approx([sum(sizes.values())] * len(sizes))
    half = pk.ntk_balance(keep=0.5, points=1000)(stack, theta)
    assert half["pde"] == pytest.approx((3 + weights["pde"]) / 2)


def test_a_term_without_gradient_gets_no_endless_weight():
    problem = problems.cavity(7, "regularised")  # no reference, so the gauge is 0 and met from the start
    model = pk.Model(problem, pk.MLP(2, 6, 3))
    theta = model.initial(0)
    assert float(gradient_norms(model.stack(pk.sample(problem, 50)), theta)["gauge"]) < 1e-12
    weights = pk.gradient_balance(keep=0.0, max_ratio=100)(model.stack(pk.sample(problem, 50)), theta)
    assert 100 <= weights["gauge"] <= 400


def test_weights_of_the_first_stage_reach_the_solution_and_survive_a_resume(tmp_path):
    settings = {
        "network": pk.MLP(2, 6, 1), "points": 60, "hard": False, "stages": [pk.Adam(40), pk.SSBroyden(10)],
        "resample": pk.uniform(every=15), "balance": pk.ntk_balance(every=10), "progress": False, "validation": 40,
    }  # fmt: skip
    whole = pk.solve(problems.burgers(), **settings)
    assert whole.term_weights["u on x"] > 1 and whole.weights == whole.term_weights
    again = pk.solve(problems.burgers(), **settings | {"time_limit": 0.0}, checkpoint=tmp_path / "run.h5")
    assert not again.progress.done
    plan = pk.load(tmp_path / "run.h5").progress.plan
    assert plan.balance == settings["balance"]
    at = pk.load(tmp_path / "run.h5")
    done = pk.resume(replace(at, progress=replace(at.progress, plan=replace(plan, time_limit=None))), progress=False)
    assert torch.equal(done.theta, whole.theta) and done.weights == whole.weights


@pytest.mark.parametrize(("call", "words"), [
    (lambda: pk.Balance("loss"), "no balance 'loss': choose one of ntk, gradient"),
    (lambda: pk.ntk_balance(every=0), "every is 0: expected a whole number of at least 1"),
    (lambda: pk.gradient_balance(keep=1.0), "keep is 1.0: expected a number of at least 0 and below 1"),
    (lambda: pk.Balance(max_ratio=0.5), "max_ratio is 0.5: expected a finite number of at least 1"),
])  # fmt: skip
def test_strange_settings(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_continuation_in_a_parameter():
    settings = {"stages": [pk.Adam(30)], "progress": False, "validation": 20, "resample": None}
    first = pk.solve(problems.burgers(nu=0.1), pk.MLP(2, 6, 1), 50, seed=3, **settings)
    second = pk.solve(problems.burgers(nu=0.05), start=first, **settings)
    assert second.problem.parameters["nu"] == 0.05 and second.network == first.network
    assert {k: len(s) for k, s in second.points.items()} == {"pde": 50} and second.progress.total == 60
    with pytest.raises(ValueError, match="no start for kovasznay"):
        pk.solve(problems.kovasznay(), start=first, **settings)


def test_a_problem_beside_the_start_brings_its_recipe():
    recipe = pk.Recipe(
        pk.MLP(2, 6, 1), {"pde": 50}, [pk.Adam(12)], pk.rad(every=5, candidates=100), balance=pk.ntk_balance(every=5)
    )
    settings = {"progress": False, "validation": 20}
    first = pk.solve(replace(problems.burgers(nu=0.1), recipe=recipe), stages=[pk.Adam(2)], resample=None, **settings)
    second = pk.solve(replace(problems.burgers(nu=0.05), recipe=recipe), start=first, **settings)
    plan = second.progress.plan
    assert (plan.stages, plan.resample, plan.balance) == ((pk.Adam(12),), recipe.resample, recipe.balance)
    assert second.progress.round == 2 and second.progress.total == 14
    onward = pk.solve(start=second, stages=[pk.Adam(9)], **settings)
    assert onward.progress.plan.resample is None is onward.progress.plan.balance
    assert torch.equal(onward.points["pde"].X, second.points["pde"].X)
    moved = pk.solve(start=second, points=first.points, stages=[pk.Adam(9)], **settings)
    assert torch.equal(moved.points["pde"].X, first.points["pde"].X)
    without = pk.solve(second.problem, start=first, stages=[pk.Adam(9)], resample=None, balance=None, **settings)
    assert without.progress.round == 0 and without.weights == first.weights


def test_from_the_shell(call):
    command = ["solve", "diffusion", "--stages", "adam:20", "--points", "pde=40", "--quiet", "--network", "4"]
    code, _, said = call(*command, "--out", "run.h5", "--balance", "ntk")
    assert code == 0, said
    assert pk.load("run.h5").progress.plan.balance == pk.ntk_balance()
    code, _, said = call(*command, "--out", "run.h5", "--balance", "luck", "--overwrite")
    assert code and "choose among ntk, gradient, none" in " ".join(said.split())
