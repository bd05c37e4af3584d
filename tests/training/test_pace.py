"""Marches whose windows are corrected, of given lengths or as long as the verdict allows."""

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.integrate import solve_ivp

import pinnkit as pk
import problems
from pinnkit.network.linearised import Linearised
from pinnkit.training import pace
from pinnkit.training.recipe import default_recipe

QUIET = {"progress": False, "validation": 20}
(t,) = pk.coordinates("t")
y = pk.field("y", t)


def oscillator(end: float = 6.0, stiffness: float = 4.0) -> pk.Problem:
    """Van der Pol's, whose fast turns ask for shorter windows than what lies between."""
    equation = y.diff(t, 2) - stiffness * (1 - y**2) * y.diff(t) + y
    start = [pk.Initial(y, 2), pk.Initial(y, 0, order=1)]
    return pk.Problem("van der pol", y, equation, pk.Box(t=(0, end)), start)


def truth(problem: pk.Problem, times: np.ndarray, stiffness: float = 4.0) -> np.ndarray:
    def rates(_: float, u: np.ndarray) -> list[float]:
        return [u[1], stiffness * (1 - u[0] ** 2) * u[1] - u[0]]

    end = problem.domain.bounds[1, 0]
    return solve_ivp(rates, (0, end), (2.0, 0.0), "DOP853", t_eval=times, rtol=1e-13, atol=1e-14).y[0]


@pytest.fixture(scope="module")
def marched() -> pk.March:
    return pk.march(oscillator(), correct=True, **QUIET)


def test_windows_are_as_long_as_the_verdict_allows(marched: pk.March) -> None:
    lengths = np.diff(marched.edges)
    assert marched.edges[0] == 0 and marched.edges[-1] == 6 and lengths.max() > 2 * lengths.min()
    assert all(isinstance(s.network, Linearised) for s in marched.windows)
    times = np.linspace(0, 6, 400)
    found = marched(torch.as_tensor(times[:, None]))[:, 0].numpy()
    assert np.abs(found - truth(marched.problem, times)).max() < 1e-7


def test_iterations_and_time_are_counted_through(marched: pk.March) -> None:
    history, at = marched.history, marched.progress
    for name in ("iteration", "cpu_s", "wall_s"):
        assert (np.diff(history[name]) > 0).all()
    assert history["iteration"][-1] == at.total and history["cpu_s"][-1] <= at.cpu_s
    assert at.total > sum(s.progress.plan.stages[0].iterations for s in marched.windows) / 10


def test_windows_of_given_lengths_are_corrected() -> None:
    problem, settings = problems.diffusion(), {"points": 120, "stages": [pk.SSBroyden(150)], "resample": None, **QUIET}
    plain = pk.march(problem, 2, pk.MLP(2, 10, 10, 1), **settings)
    better = pk.march(problem, 2, pk.MLP(2, 10, 10, 1), correct=True, **settings)
    assert better.edges == plain.edges and better.errors()["u"]["max"] < 1e-2 * plain.errors()["u"]["max"]
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)
    X = torch.stack([x, torch.full_like(x, better.edges[1])], 1)
    before, after = better.windows
    assert (before(X) - after(X)).abs().max() < 1e-12  # what is handed over is corrected


def test_a_march_goes_on_where_it_was_ended(tmp_path) -> None:
    class Ends:
        runs = 0

        def on_start(self, solution: pk.Solution) -> object:
            self.runs += 1
            return pk.STOP if self.runs == 4 else None

    problem = oscillator(2.0)
    whole = pk.march(problem, correct=True, **QUIET)
    begun = pk.march(problem, correct=True, folder=tmp_path, callbacks=[Ends()], **QUIET)
    assert "stopped by Ends" in begun.windows[-1].stops[-1] and len(begun.windows) <= len(whole.windows)
    ended = pk.march(problem, correct=True, folder=tmp_path, **QUIET)
    X = torch.linspace(0, 2, 50, dtype=torch.float64)[:, None]
    assert ended.edges[-1] == 2 and (ended(X) - whole(X)).abs().max() < 1e-8
    assert len(list(tmp_path.glob("window_*.h5"))) == len(ended.windows)
    read = pk.march(problem, correct=True, folder=tmp_path, **QUIET)
    assert read.edges == ended.edges and torch.equal(read(X), ended(X))


def test_where_no_window_is_trusted_the_march_ends(monkeypatch) -> None:
    monkeypatch.setattr(pace, "SHORTEST", 0.05)
    blow_up = pk.Problem("blow-up", y, y.diff(t) - y**2, pk.Box(t=(0, 1.5)), [pk.Initial(y, 1)])  # 1 / (1 - t)
    found = pk.march(blow_up, correct=True, **QUIET)
    assert 0.5 < found.edges[-2] < 1 and found.edges[-1] < 1.5
    assert "the march ends here: no window from t = " in found.windows[-1].notes[-1]
    times = np.linspace(0, found.edges[-2], 50)
    gap = found(torch.as_tensor(times[:, None]))[:, 0].numpy() * (1 - times) - 1
    assert np.abs(gap).max() < 1e-6


def test_a_tolerance_beyond_reach_is_said(monkeypatch) -> None:
    monkeypatch.setattr(pace, "FIRST", 1 / 2)
    monkeypatch.setattr(pace, "HELPS", 0.0)  # as if a half left as much as the whole
    decay = pk.Problem("decay", y, y.diff(t) + y, pk.Box(t=(0, 4)), [pk.Initial(y, 1)], reference=sp.exp(-t))
    found = pk.march(decay, None, pk.MLP(1, 3, 1), correct=True, tolerance=1e-13, **QUIET)
    assert found.edges[-1] == 4 and len(found.windows) == 4 and found.errors()["y"]["max"] < 1e-3
    assert any("a shorter window leaves no less" in note for note in found.notes)


def test_a_tolerance_below_rounding_is_met() -> None:
    decay = pk.Problem("decay", y, y.diff(t) + y, pk.Box(t=(0, 1)), [pk.Initial(y, 1)], reference=sp.exp(-t))
    found = pk.march(decay, correct=True, tolerance=1e-30, **QUIET)
    assert len(found.windows) <= 8 and not found.notes and found.errors()["y"]["max"] < 1e-12


def test_ordinary_equations_have_settings_of_their_own() -> None:
    problem = oscillator(1.0)
    solution = pk.solve(problem, stages=default_recipe(problem).stages, **QUIET)
    assert type(solution.progress.plan.stages[0]) is pk.LevenbergMarquardt and len(solution.theta) == 321
    times = np.linspace(0, 1, 30)
    assert np.abs(solution(torch.as_tensor(times[:, None]))[:, 0].numpy() - truth(problem, times)).max() < 1e-4
