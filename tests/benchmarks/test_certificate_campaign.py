"""A few problems of the campaign: bounds hold, results are kept and not made again; truths against closed forms."""

import json
import math

import numpy as np
import pytest

from benchmarks.certificate import campaign, draws
from benchmarks.certificate.truths import End, Flow, Line, Nonlinear, integral_of_squares


@pytest.mark.parametrize("number", [3, 7, 27, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 4, 20, 40))])
def test_bounds_of_the_campaign_hold(number):
    r = campaign.measured(number)
    rows = r["rows"]
    assert len(rows) >= 2 and all(true <= bound * (1 + 1e-3) for _, _, bound, true in rows)
    assert not r.get("faults")


def test_results_are_kept_for_one_code(tmp_path, monkeypatch):
    file, made = tmp_path / "campaign.jsonl", []
    monkeypatch.setattr(campaign, "measured", lambda n: made.append(n) or {"seed": n, "rows": []})
    for count in (2, 3, 1):
        found = [r["seed"] for r in campaign.results(count, file)]
        assert found == list(range(max(count, len(made))))
    assert made == [0, 1, 2] and json.loads(file.read_text().splitlines()[0]) == {"code": campaign.code()}
    monkeypatch.setattr(campaign, "code", lambda: "another")
    assert [r["seed"] for r in campaign.results(1, file)] == [0] and made == [0, 1, 2, 0]


def test_the_table_names_what_is_violated():
    row = {"kind": "heat", "walls": "ring", "miss": "initial", "plane": False, "rows": [["sup", "a theorem", 1.0, 2.0]]}
    text = campaign.table([{"seed": 9} | row, {"seed": 10} | row | {"rows": [["sup", "a theorem", 8.0, 1.0]]}])
    assert "1 violated: heat initial sup of problem 9: 0.5000" in text and "| a theorem | ring | 2 | 1 |" in text
    assert "50% of all" in text and "a theorem (ring) 2" in text


def test_every_stratum_is_drawn_once_in_a_turn():
    several = draws.strata()
    found = [draws.drawn(len(several) + n) for n in range(len(several))]
    assert sorted((c["kind"], tuple(k for _, k, *_ in c["ends"]), c["miss"], c["plane"]) for c in found) == sorted(
        several
    )


def test_truths_are_those_of_closed_forms():
    flow = Flow(0.5, 0.0, 1.0, 2.0).errors(np.zeros_like, np.zeros_like, lambda x, t: 1 + 0 * x)
    assert flow["sup"] == pytest.approx(2) and flow["L2(T)"] == pytest.approx(2 / math.sqrt(3))
    line = Line(0, [0.0, 0.0, 2.0, 0, 0], 1.0, 1.0, [End(0, {0: 1.0}), End(1, {0: 1.0})], degree=12)
    assert line.steady([0.0, 0.0], lambda x: 4 + 0 * x)["sup"] == pytest.approx(0.25)  # x (1 - x)
    free = Nonlinear(0.1, 1.0, 2.0, (0, 0), lambda e: 0.3 * e, degree=24)
    found = free.errors(lambda x: np.sin(np.pi * x), lambda t: np.zeros(2), None)
    rate = 0.1 * math.pi**2 - 0.3
    assert found["L2(T)"] == pytest.approx(math.exp(-2 * rate) / math.sqrt(2), rel=1e-6)
    decay = integral_of_squares(np.array([[-300.0]]), np.ones((1, 1)), 50.0)
    assert decay == pytest.approx(1 / 600, rel=1e-7)
