"""solve(): seeds, values that go in and come out, history, notes, interrupts, inverse problems."""

import math
import re

import pytest
import torch

import pinnkit as pk
from pinnkit.model.recorder import validation_points
from pinnkit.training.recipe import default_recipe

SHORT = [pk.Adam(20, lr=1e-2), pk.SSBroyden(20)]
NET = pk.MLP(2, 8, 8, 1)
QUIET = {"resample": None, "progress": False, "validation": 100}


def short(**settings):
    settings = {"stages": SHORT, "log_every": 5, "best": False, **QUIET, **settings}
    return pk.solve(pk.problem("burgers"), NET, {"pde": 80}, **settings)


def tensors(tree):
    """All tensors in a state, cloned."""
    if isinstance(tree, torch.Tensor):
        return [tree.clone()]
    return [t for value in tree.values() for t in tensors(value)] if isinstance(tree, dict) else []


def same(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# ----------------------------------------------------------------------------------- values in and out


def test_seeds_reproduce_bit_for_bit():
    a, b, c = (short(seed=seed, resample=pk.rad(every=8, candidates=200)) for seed in (1, 1, 2))
    assert torch.equal(a.theta, b.theta) and not torch.equal(a.theta, c.theta)
    assert list(a.history["loss"]) == list(b.history["loss"])
    assert not torch.equal(pk.sample(a.problem, 50, seed=1)["pde"].X, pk.sample(a.problem, 50, seed=2)["pde"].X)


def test_a_start_is_not_changed_and_its_inverse_hessian_is_kept():
    first = short()
    before = [first.theta.clone(), *tensors(first.progress.state), first.points["pde"].X.clone()]
    second, again = (pk.solve(stages=[pk.SSBroyden(15)], start=first, progress=False) for _ in range(2))
    assert same([first.theta, *tensors(first.progress.state), first.points["pde"].X], before)
    assert torch.equal(second.theta, again.theta)
    assert second.progress.state["steps"] > first.progress.state["steps"]
    assert second.history["loss"][-1] < first.history["loss"][-1]
    fresh = pk.solve(stages=[pk.LBFGS(3)], start=first, progress=False)
    assert "H" not in fresh.progress.state


def test_new_points_keep_the_inverse_hessian_and_the_rounds_go_on():
    resample = pk.rad(every=10, candidates=200, warm_up=1)
    first = short(resample=resample)
    second = pk.solve(stages=[pk.SSBroyden(20)], start=first, **(QUIET | {"resample": resample}))
    assert first.progress.round == 3 and second.progress.round == 5
    assert second.progress.state["steps"] == first.progress.state["steps"] + 20
    fewer = first.points.replace(pde=second.points["pde"].X[:50])
    third = pk.solve(stages=[pk.SSBroyden(5)], start=second, points=fewer, progress=False)
    assert len(third.points["pde"]) == 50 and len(second.points["pde"]) == 80


def test_weights_by_name_change_the_loss():
    plain, heavy = (
        pk.solve(pk.problem("burgers"), NET, {"pde": 80}, hard=False, stages=[pk.Adam(1)], weights=weights, **QUIET)
        for weights in (None, {"u initial": 10.0})
    )
    at = plain.stack.terms.index("u initial")
    ratio = heavy.stack.losses(plain.theta) / plain.stack.losses(plain.theta)
    expected = torch.ones(len(ratio), dtype=torch.float64)
    expected[at] = 10.0
    torch.testing.assert_close(ratio, expected)
    assert heavy.term_weights["u initial"] == 10.0
    onward = pk.solve(stages=[pk.Adam(1)], start=heavy, **QUIET)
    assert onward.weights == heavy.weights
    with pytest.raises(ValueError, match="weights are given for"):
        short(weights={"nothing": 1.0})


def test_float32_follows_through():
    solution = short(dtype=torch.float32)
    assert solution.theta.dtype == torch.float32 and solution.points["pde"].X.dtype == torch.float32
    assert solution.progress.state["H"].dtype == torch.float32
    assert solution.history["loss"][-1] < solution.history["loss"][0]


def test_solve_says_what_is_missing():
    with pytest.raises(TypeError, match="needs a problem"):
        pk.solve()
    with pytest.raises(ValueError, match="no point set"):
        pk.solve(pk.problem("burgers"), NET, {"inside": 10}, progress=False)


def test_hard_constraints_that_cannot_be_are_refused():
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    box, equation = pk.Box(x=(0, 1), t=(0, 1)), u.diff(t) - u.diff(x, 2)
    flux = pk.Problem("flux", u, equation, box, [pk.Initial(u, 0), pk.Neumann(u, 1, on="x")])
    soft, mixed = (pk.solve(flux, NET, {"pde": 30}, stages=[pk.Adam(1)], hard=hard, **QUIET) for hard in (False, True))
    assert set(soft.points) == {"pde", "initial", "x"}
    assert set(mixed.points) == {"pde", "x"}  # a flux cannot hold by construction: it stays in the loss
    equation = u.diff(t) - (1 + u**2) * u.diff(x, 2)
    corner = pk.Problem("corner", u, equation, box, [pk.Initial(u, x), pk.Dirichlet(u, 1, on="x")])
    with pytest.raises(ValueError, match="corner"):
        pk.solve(corner, NET, {"pde": 30}, stages=[pk.Adam(1)], hard=True, **QUIET)


# --------------------------------------------------------------------------------- history and notes


def test_history():
    seen = []
    solution = short(observe=lambda s: seen.append((s.history["iteration"][-1], s.theta.clone())))
    history = solution.history
    wanted = {"iteration", "stage", "round", "wall_s", "cpu_s", "loss", "validation", "error:u"}
    assert wanted | {"train:pde", "validation:pde"} <= set(history.columns)
    assert [float(i) for i in history["iteration"]] == [5, 10, 15, 20, 25, 30, 35, 40] == [i for i, _ in seen]
    assert list(history["stage"]) == [0] * 4 + [1] * 4
    assert history["loss"][-1] < history["loss"][0] and (history["wall_s"][1:] > history["wall_s"][:-1]).all()
    assert math.isclose(history["loss"][-1], float(solution.stack.losses(solution.theta).sum()))
    assert torch.equal(seen[-1][1], solution.theta) and not torch.equal(seen[-2][1], solution.theta)
    assert history.row(2)["iteration"] == 15 and "loss" in history and len(history) == 8


def test_validation_points_are_fixed_and_never_trained_on():
    solution = short(resample=pk.rad(every=8, candidates=200))
    a, b = (validation_points(solution.model, 100, 0, solution.theta) for _ in range(2))
    assert torch.equal(a["pde"].X, b["pde"].X) and len(a["pde"]) == 100
    for points in (solution.points, *solution.rounds.values()):
        assert torch.cdist(a["pde"].X, points["pde"].X).min() > 0
    expected = float(solution.model.stack(a).losses(solution.theta).sum())
    assert math.isclose(solution.history["validation"][-1], expected)


def test_a_model_that_fits_its_points_and_not_the_equation_is_pointed_out():
    stages = [pk.Adam(100, lr=1e-2), pk.SSBroyden(200)]
    few = pk.solve(pk.problem("burgers"), NET, {"pde": 10}, stages=stages, resample=None, progress=False)
    assert any("fits points, not the equation" in note for note in few.notes)
    many = pk.solve(pk.problem("diffusion"), NET, {"pde": 300}, stages=stages, resample=None, progress=False)
    assert not many.notes and not short().notes


# --------------------------------------------------------------------------------------- ends of a run


class Stop:
    """An interrupt at the third log line."""

    def __init__(self):
        self.seen = 0

    def __call__(self, solution):
        self.seen += 1
        if self.seen == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stages", [SHORT, [pk.SSBroyden(40)]])
def test_an_interrupt_leaves_a_run_that_can_be_resumed(stages):
    cut = short(stages=stages, observe=Stop())
    assert not cut.progress.done and "interrupted (iteration 15)" in cut.stops[-1]
    assert torch.equal(pk.resume(cut, progress=False).theta, short(stages=stages).theta)


def test_what_observe_was_given_can_be_resumed_later():
    """Optimisers write in their state: a solution seen on the way has its own."""
    seen = []
    whole = short(stages=[pk.SSBroyden(40)], observe=seen.append)
    assert torch.equal(pk.resume(seen[2], progress=False).theta, whole.theta)


def test_all_iterations_and_the_time_limit_are_reasons_to_stop():
    assert short().stops == (
        "Adam: all 20 iterations done (iteration 20)", "SSBroyden: all 20 iterations done (iteration 40)",
    )  # fmt: skip
    solution = short(time_limit=0.0)
    assert "the time limit of 0 s is reached (iteration 0)" in solution.stops[-1]
    assert len(solution.history) == 1


def test_convergence_is_a_reason_to_stop():
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    problem = pk.Problem(
        "drift", u, u.diff(t) + u.diff(x), pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, x), pk.Dirichlet(u, -t, on="x_min")], reference=pk.Exact({u: x - t}),
    )  # fmt: skip
    solution = pk.solve(problem, pk.MLP(2, 4, 1), {"pde": 40}, stages=[pk.SSBroyden(2000, tolerance=1e-6)], **QUIET)
    assert "SSBroyden: converged: the gradient's largest entry is below 1e-06" in solution.stops[-1]
    assert solution.errors()["u"]["relative_l2"] < 1e-3


class Source:
    """A source that vanishes for ``good`` evaluations and is not a number then."""

    good = 10**9

    def __call__(self, x, t, u):
        self.good -= 1
        return 0 * u if self.good >= 0 else torch.full_like(u, math.nan)


def solve_heat(stage, good):
    x, t = pk.coordinates("x t")
    u, source = pk.field("u", x, t), Source()
    problem = pk.Problem(
        "broken", u, {"balance": u.diff(t) - u.diff(x, 2) + pk.function(source, "q")(x, t, u)},
        pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, x * (1 - x)), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    source.good = good
    return pk.solve(problem, NET, {"pde": 20}, stages=[stage], **(QUIET | {"log_every": 1000}))


@pytest.mark.parametrize("stage", [pk.Adam(50), pk.SOAP(50), pk.LBFGS(50), pk.SSBroyden(50), pk.LevenbergMarquardt(50)])
def test_a_loss_that_is_not_finite_from_the_start_names_the_term(stage):
    solution = solve_heat(stage, 0)
    assert torch.equal(solution.theta, solution.model.initial(0))
    text = r"the loss of 'balance' is not finite: the function q met u = \S+ at x = .* \(iteration 1\)"
    assert re.search(text, solution.stops[-1])


@pytest.mark.parametrize("stage", [pk.Adam, pk.SOAP])
def test_a_loss_that_turns_not_finite_names_term_and_step_and_keeps_the_last_good_parameters(stage):
    solution = solve_heat(stage(50, lr=1e-3), 24)
    assert "the loss of 'balance' is not finite: the function q " in solution.stops[-1]
    steps = int(solution.stops[-1].split("iteration ")[1].rstrip(")"))
    assert steps > 5 and torch.isfinite(solution.theta).all()
    assert torch.equal(solution.theta, solve_heat(stage(steps - 2, lr=1e-3), 10**9).theta)


def test_a_line_search_steps_back_from_what_is_not_finite():
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    edge = pk.function(lambda u: torch.where(u.abs() < 1.2, 0 * u, torch.full_like(u, math.nan)), "edge")
    problem = pk.Problem(
        "edge", u, u.diff(t) - u.diff(x, 2) - 40 + edge(u), pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, 0), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    solution = pk.solve(problem, NET, {"pde": 60}, stages=[pk.SSBroyden(60)], **QUIET)
    before = float(solution.stack.losses(solution.model.initial(0)).sum())
    assert torch.isfinite(solution.theta).all() and solution.history["loss"][-1] < 0.9 * before
    assert float(solution(solution.points["pde"].X).abs().max()) > 0.9  # the edge is what holds it
    assert "SSBroyden: the line search found no lower loss" in solution.stops[-1]


# ------------------------------------------------------------------------------------ inverse problems


def test_an_unknown_coefficient_is_recovered():
    problem = pk.problem("heat_inverse")
    solution = pk.solve(
        problem, pk.MLP(2, 12, 12, 1), {"pde": 300}, stages=[pk.Adam(200, lr=5e-3), pk.SSBroyden(200)], **QUIET
    )
    (value,) = solution.unknowns.values()
    assert abs(value - 0.3) < 3e-3
    assert solution.history["D"][-1] == value


def test_points_of_ones_own_stay_unless_a_resampler_is_given():
    X = pk.problem("burgers").domain.sample(40, seed=5)
    settings = {"stages": [pk.Adam(12)], "progress": False, "validation": 20}
    kept = pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 1), {"pde": X}, **settings)
    assert kept.progress.plan.resample is None and torch.equal(kept.points["pde"].X, X)
    asked = pk.rad(every=5, candidates=100)
    moved = pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 1), {"pde": X}, resample=asked, **settings)
    assert moved.progress.plan.resample is asked and not torch.equal(moved.points["pde"].X, X)


def test_points_move_by_the_recipes_rule_unless_another_is_given() -> None:
    problem, given = pk.problem("heat"), {"stages": [pk.Adam(2)], "progress": False, "validation": 10}
    usual = pk.solve(problem, pk.MLP(2, 4, 1), 30, **given)
    assert usual.progress.plan.resample == default_recipe(problem).resample is not None
    assert pk.solve(problem, pk.MLP(2, 4, 1), 30, resample=None, **given).progress.plan.resample is None
