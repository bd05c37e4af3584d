"""Correct and Restart as stages, and the climb to a tolerance: same bits as by hand, the best model kept, resumed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import sympy as sp
import torch

import pinnkit as pk
import problems
from pinnkit.error.verdict import REACH
from pinnkit.network.linearised import Linearised
from pinnkit.training import remodel
from pinnkit.training.ladder import EVERY, climb
from pinnkit.training.recipe import default_recipe

QUIET = {"progress": False, "validation": 50, "resample": None}
SHORT = [pk.Adam(40), pk.SSBroyden(30)]
NET = pk.MLP(2, 8, 1)


def test_a_stage_corrects_as_correct_does():
    by_hand = pk.correct(pk.solve(problems.diffusion(), NET, 150, stages=SHORT, **QUIET))
    staged = pk.solve(problems.diffusion(), NET, 150, stages=[*SHORT, pk.Correct()], **QUIET)
    assert isinstance(staged.network, Linearised) and torch.equal(staged.theta, by_hand.theta)
    assert staged.progress.done and staged.progress.total == 71
    assert staged.stops[-1].startswith("Correct: correction in the tangent space")
    assert staged.history["error:u"][-1] < 0.1 * staged.history["error:u"][-2]


def test_training_goes_on_after_a_correction():
    staged = pk.solve(problems.diffusion(), NET, 150, stages=[*SHORT, pk.Correct(), pk.SSBroyden(5)], **QUIET)
    assert isinstance(staged.network, Linearised) and staged.progress.total == 76


def test_a_restart_is_another_network_from_its_initial_parameters():
    other = pk.MLP(2, 6, 6, 1)
    found = pk.solve(
        problems.diffusion(), NET, 150, stages=[pk.Adam(3), pk.Restart(other, {"pde": 60})], seed=5, **QUIET
    )
    assert found.network == other and len(found.points["pde"]) == 60
    assert torch.equal(found.theta, other.initial(found.problem.domain, 5))
    stays = pk.solve(problems.diffusion(), NET, 150, stages=[pk.Adam(3), pk.Restart(other)], seed=5, **QUIET)
    assert len(stays.points["pde"]) == 150


def test_the_best_model_comes_back_and_not_the_last():
    good = [*SHORT, pk.Correct(1e-15)]
    worse = [pk.Restart(pk.MLP(2, 2, 1)), pk.Adam(1), pk.Correct(1e-15)]
    best = pk.solve(problems.diffusion(), NET, 150, stages=good, **QUIET)
    found = pk.solve(problems.diffusion(), NET, 150, stages=good + worse, **QUIET)
    assert torch.equal(found.theta, best.theta) and len(found.stops) == 6
    assert found.progress.done and found.progress.aside is None
    assert "the tolerance 1e-15 is not reached" in found.notes[-1]


STAGES = [pk.Adam(4), pk.Correct(1e-15), pk.Restart(pk.MLP(2, 5, 1)), pk.Adam(3), pk.Correct(1e-15)]


@pytest.fixture(scope="module")
def whole() -> pk.Solution:
    return pk.solve(problems.diffusion(), NET, 60, stages=STAGES, log_every=1, **QUIET)


@pytest.mark.parametrize("stop", [0, 4, 5, 6, 8, 9])
def test_resumed_at_any_step_it_ends_in_the_same_bits(whole: pk.Solution, stop: int, tmp_path: Path):
    settings = {"stages": STAGES, "log_every": 1, **QUIET}

    def interrupt(solution: pk.Solution) -> None:
        if solution.progress.total == stop:
            raise KeyboardInterrupt

    path = tmp_path / "run.h5"
    part = pk.solve(problems.diffusion(), NET, 60, **settings, checkpoint=path, observe=interrupt)
    again = pk.load(path)
    assert torch.equal(again.theta, part.theta)
    end = part if part.progress.done else pk.resume(again, checkpoint=path, progress=False)
    assert torch.equal(end.theta, whole.theta) and end.model.count == whole.model.count
    assert torch.equal(pk.load(path).theta, whole.theta)
    assert (end.history["loss"] == whole.history["loss"]).all()


def test_while_a_later_model_is_trained_the_best_one_is_shown(tmp_path: Path):
    path = tmp_path / "run.h5"
    first = pk.solve(problems.diffusion(), NET, 60, stages=STAGES[:2], **QUIET)

    def interrupt(solution: pk.Solution) -> None:
        if solution.progress.total == 7:
            assert isinstance(solution.network, pk.MLP)  # hooks see the model in training
            raise KeyboardInterrupt

    part = pk.solve(
        problems.diffusion(), NET, 60, stages=STAGES, log_every=1, checkpoint=path, observe=interrupt, **QUIET
    )
    for found in (part, pk.load(path)):
        assert torch.equal(found.theta, first.theta) and found.progress.aside.shown
        assert found.progress.aside.solution.network == pk.MLP(2, 5, 1)


def test_a_tolerance_is_reached_and_true():
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    exact = sp.exp(x) * sp.sin(3 * y)
    equation = u.diff(x, 2) + u.diff(y, 2) - exact.diff(x, 2) - exact.diff(y, 2)
    problem = pk.Problem("poisson", u, equation, pk.Box(x=(0, 1), y=(0, 1)), [pk.Dirichlet(u, exact)], reference=exact)
    found = pk.solve(problem, pk.MLP(2, 12, 12, 1, bandwidth=2), {"pde": 300}, tolerance=1e-6, progress=False)
    assert found.errors()["u"]["relative_l2"] < 1e-6 and found.notes == () and "estimated error" in found.stops[-1]


def test_the_climb_ends_in_the_recipe_and_moves_points_on_every_rung():
    problem = problems.burgers()
    recipe = default_recipe(problem)
    path = climb(pk.Model(problem, recipe.network), recipe, 1e-6, None, None, seed=0)
    judged = [s for s in path.stages if isinstance(s, pk.Correct)]
    assert len(judged) >= 4 and all(s.tolerance == 1e-6 for s in judged) and path.stages[-1] is judged[-1]
    assert path.stages[-len(recipe.stages) - 1 : -1] == tuple(recipe.stages)
    assert path.resample == replace(recipe.resample, after=EVERY, every=EVERY)
    assert [s.screen for s in judged] == [False] + [True] * (len(judged) - 2) + [False]  # the last one always judges
    own = climb(pk.Model(problem, NET), recipe, 1e-6, NET, {"pde": 70}, seed=0)
    assert own.network == NET and own.points == {"pde": 70}
    assert all(s.network == NET and s.points is None for s in own.stages if isinstance(s, pk.Restart))


def test_without_a_tolerance_what_is_dear_need_not_be_near_rounding():
    problem = problems.burgers()
    path = climb(pk.Model(problem, NET), default_recipe(problem), None, None, None, seed=0)
    goals = [s.tolerance for s in path.stages if isinstance(s, pk.Correct)]
    assert goals == sorted(goals) and goals[0] <= 1e-10 and goals[-1] == 1e-4


def test_a_run_of_which_nothing_is_said_climbs_and_says_what_it_reached():
    found = pk.solve(problems.diffusion(), progress=False)
    assert isinstance(found.network, Linearised) and found.errors()["u"]["relative_l2"] < 1e-9 and not found.notes
    assert found.history["error:u"][-1] < 1e-9 and "estimated error" in found.stops[-1]


@pytest.mark.parametrize("settings", [{"dtype": torch.float32}, {"balance": None}, {"stages": SHORT}])
def test_what_is_said_of_the_training_is_done(settings: dict):
    """No climb, but these stages, or the recipe's."""
    found = pk.solve(problems.diffusion(), NET, 60, **QUIET | {"time_limit": 0} | settings)
    wanted = settings.get("stages", default_recipe(problems.diffusion()).stages)
    assert tuple(found.progress.plan.stages) == tuple(wanted)


def test_readings_are_trained_by_the_recipe():
    found = pk.solve(pk.problem("heat_inverse"), **QUIET | {"time_limit": 0})
    assert found.progress.plan.stages == tuple(default_recipe(found.problem).stages)


def test_a_screen_lets_pass_what_a_correction_helps_and_nothing_else():
    """A trained network loses most of its residual to one linear step; a tiny one at its start cannot."""
    trained = pk.solve(problems.diffusion(), NET, 150, stages=SHORT, **QUIET)
    screened = pk.Correct(screen=True).apply(trained, 0)
    assert isinstance(screened.solution.network, Linearised) and screened.error is None
    poor = pk.solve(problems.burgers(), pk.MLP(2, 2, 1), 60, stages=[pk.Adam(1)], **QUIET)
    left = pk.Correct(1e-6, screen=True).apply(poor, 0)
    assert left.solution is poor and left.error is None and "would only go from" in left.said


def test_a_correction_that_cannot_be_made_costs_no_run(monkeypatch: pytest.MonkeyPatch):
    def refuses(*_, **__):
        raise ValueError("the residuals are not finite")

    monkeypatch.setattr(remodel, "error_map", refuses)
    found = pk.solve(problems.diffusion(), NET, 60, stages=[pk.Adam(3), pk.Correct(1e-6)], **QUIET)
    assert found.network == NET and found.stops[-1].startswith("Correct: not corrected: the residuals are not finite")


def test_the_best_model_so_far_ends_a_run_as_well():
    """The second model is worse than its tolerance, the first one better than that: it is enough."""
    stages = [*SHORT, pk.Correct(1e-15), pk.Restart(pk.MLP(2, 2, 1)), pk.Correct(3e-3), pk.Restart(NET), pk.Adam(50)]
    found = pk.solve(problems.diffusion(), NET, 150, stages=stages, **QUIET)
    assert found.progress.total == 73 and isinstance(found.network, Linearised) and found.network.network == NET


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"stages": SHORT}, "leave stages out"),
        ({"dtype": torch.float32}, "leave dtype out"),
        ({"tolerance": 0.0}, "positive"),
    ],
)
def test_settings_that_leave_nothing_to_choose_are_refused(settings: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        pk.solve(problems.diffusion(), **({"tolerance": 1e-6} | settings))


def test_a_start_beside_a_tolerance_is_refused():
    start = pk.solve(problems.diffusion(), NET, 60, stages=[pk.Adam(1)], **QUIET)
    with pytest.raises(ValueError, match="no start"):
        pk.solve(start=start, tolerance=1e-6)


@pytest.mark.parametrize("left, distrusted", [(0.2, True), (1e-3, False)])
def test_what_a_large_error_leaves_is_distrusted(left: float, distrusted: bool, monkeypatch: pytest.MonkeyPatch):
    u = pk.solve(problems.diffusion(), NET, 60, stages=[pk.Adam(1)], **QUIET)
    found = SimpleNamespace(trusted=True, parts={"u": {"seen": 0.9, "left": left}})
    monkeypatch.setattr(remodel, "error_map", lambda *_, **__: found)
    monkeypatch.setattr(remodel, "corrected", lambda *_: (replace(u), "corrected"))
    judged = pk.Correct(1e-6).apply(u, seed=0)
    assert judged.error == (int(distrusted), pytest.approx(REACH * left))
