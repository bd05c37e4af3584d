"""Errors of marches: what is handed over is followed, what is unseen grows, a corrected march is right."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
import problems
from pinnkit import plot
from pinnkit.error import march_error
from pinnkit.model.march import window

QUIET = {"progress": False, "validation": 20, "resample": None}
(t,) = pk.coordinates("t")
y = pk.field("y", t)


def growing(end: float = 3.0) -> pk.Problem:
    """y' = y: an error at the beginning is e^t times as large later."""
    return pk.Problem("growth", y, y.diff(t) - y, pk.Box(t=(0, end)), [pk.Initial(y, 1)], reference=sp.exp(t))


@pytest.fixture(scope="module")
def marched() -> pk.March:
    """Three windows, the first of which is trained badly."""
    settings = {"points": 40, **QUIET}
    done: list[pk.Solution] = []
    for k, iterations in enumerate((5, 60, 60)):
        part = window(growing(), k, k + 1, done[-1] if done else None)
        done.append(pk.solve(part, pk.MLP(1, 10, 1), stages=[pk.LevenbergMarquardt(iterations)], **settings))
    return pk.March(growing(), tuple(done))


@pytest.fixture(scope="module")
def found(marched: pk.March):
    return pk.error_map(marched)


def test_what_is_handed_over_is_followed(marched: pk.March, found) -> None:
    X = torch.linspace(0, 3, 200, dtype=torch.float64)[:, None]
    true = marched(X) - torch.exp(X)
    assert true.abs().max() > 1e-4
    assert (found.error(X) - true).abs().max() < 1e-3 * true.abs().max()
    own = pk.error_map(marched.windows[2]).error(X[X[:, 0] > 2]).abs().max()
    assert own < 0.1 * true.abs().max()  # which the last window by itself does not see
    low, high = found.interval["y"]
    assert found.trusted and low <= marched.errors()["y"]["relative_l2"] <= high
    assert torch.allclose(found.corrected(X), torch.exp(X), rtol=1e-7)


def test_growth_is_that_of_the_equation(found) -> None:
    assert found.growth == pytest.approx((1.0, np.e, np.e), rel=1e-3)


def test_what_is_unseen_grows(monkeypatch, marched: pk.March) -> None:
    calls = iter([1e-6, 0.0, 0.0])
    monkeypatch.setattr(march_error, "_unseen", lambda *_: next(calls))
    grown = march_error.march_error_map(marched, pk.error_map)
    squares = [1e-12, (1e-6 * np.e) ** 2, (1e-6 * np.e**2) ** 2]
    low, high = grown.interval["y"]
    assert (high - low) / 2 == pytest.approx(march_error.REACH * np.sqrt(sum(squares) / 3), rel=1e-2)


def test_a_march_is_corrected(marched: pk.March) -> None:
    better = pk.correct(marched)
    assert isinstance(better, pk.March) and better.edges == marched.edges
    assert better.errors()["y"]["max"] < 1e-5 * marched.errors()["y"]["max"]


def test_a_march_in_space_and_time() -> None:
    settings = {"stages": [pk.SSBroyden(150)], **QUIET}
    march = pk.march(problems.diffusion(), 2, pk.MLP(2, 10, 10, 1), 120, **settings)
    found, true = pk.error_map(march), march.errors()["u"]["relative_l2"]
    assert found.relative_l2["u"] == pytest.approx(true, rel=0.3)
    assert all(0 < growth < 1.2 for growth in found.growth)  # diffusion makes changes smaller


def test_a_window_that_is_not_trusted_is_named(marched: pk.March) -> None:
    def mapped(window: pk.Solution) -> pk.ErrorMap:
        found = pk.error_map(window)
        return replace(found, verdict="doubtful because of this") if window.problem.domain.upper[0] == 2 else found

    found = march_error.march_error_map(marched, mapped)
    assert not found.trusted and found.verdict == "doubtful because of this (window 2, t = 1 to 2)"


def test_what_grows_too_far_is_not_trusted(monkeypatch, marched: pk.March) -> None:
    monkeypatch.setattr(march_error, "_unseen", lambda *_: 0.02)
    found = march_error.march_error_map(marched, pk.error_map)
    assert not found.trusted and "what the windows leave unseen grows to a relative error of 1." in found.verdict


def test_the_report_of_a_march(marched: pk.March, found, tmp_path) -> None:
    told = pk.report(marched)
    assert told.verdict == "trust" and told.estimate == pytest.approx(found.relative_l2, rel=1e-6)
    assert told.trained == 3 * 31 and told.residuals["pde"] > 0 and "in each of 3 windows" in told.network
    residual = pk.report(marched.windows[0], estimate=False).residuals["pde"]
    assert told.residuals["pde"] == pytest.approx(residual / 3**0.5, rel=0.05)  # of the first window, nearly all
    assert "3 windows, t = 0 to 3" in str(told)
    assert found.save(tmp_path / "map.h5").exists() and "verdict: trust" in str(found)
    assert len(plot.error_figure(found).axes) >= 2
