"""The flows' benchmarks: forms are compared at the same CPU time, responses with finite elements."""

import importlib.util

import pytest
import torch

import pinnkit as pk
from benchmarks.error.inverse import flow_page
from benchmarks.flow import cylinder, flow_forms
from pinnkit.model.history import History


def history(step: float) -> History:
    """Ten rows, ``step`` seconds each, errors 1 / row."""
    found = History()
    for i in range(1, 11):
        errors = {f"error:{name}": 1 / i for name in "uvp"}
        found = found.append(iteration=100 * i, cpu_s=step * i, loss=1.0, lambda1=1 + 1 / i, **errors)
    return found


def test_forms_are_compared_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, form: str, kept: object) -> pk.Solution:
        problem = pk.problem("taylor_green", form=form)
        model = pk.Model(problem, pk.MLP(3, 4, len(problem.fields)))
        return pk.Solution(model, model.initial(0), pk.Points({}), {}, history(1.0 if form == "velocity" else 2.0))

    monkeypatch.setattr(flow_forms, "trained", run)
    found = flow_forms.compared("Taylor-Green, Re = 10, t <= 1")
    assert found["common_cpu_s"] == 10
    assert [found[f]["end"]["cpu_s"] for f in flow_forms.FORMS] == [10, 20]
    assert found["stream"]["common"] == {
        "iteration": 500, "cpu_s": 10, "errors": {"u": 1 / 5, "v": 1 / 5, "p": 1 / 5, "lambda1": pytest.approx(1 / 5)},
    }  # fmt: skip
    lines = flow_forms.page({"vortices": found}).splitlines()
    assert lines[-2].startswith("| vortices | velocity | 31 | 1000 | 10 | u 1.0e-01, ")
    assert lines[-1].endswith("p 2.0e-01, lambda1 2.0e-01 (10 s) |")


def test_intervals_that_miss_are_counted() -> None:
    def value(corrected: float, half: float) -> dict:
        return {"trained": corrected, "corrected": corrected, "interval": [corrected - half, corrected + half]}

    run = {
        "values": {"lambda1": value(1.0004, 3e-4), "lambda2": value(0.01001, 1e-4)}, "errors": {"u": 1e-3},
        "parameters": 9, "iterations": 5, "train_cpu_s": 1.0, "train_wall_s": 2.0, "cpu_s": 3.0,
    }  # fmt: skip
    text, verdicts = flow_page({"0.01 #1": run}, {"lambda1": 1.0})
    assert "| 1% noise, seed 1 | lambda1 | 1.0004 | 1.0004 | +- 0.030% | 0.040% | 1.33 | 0.10% |" in text
    assert "1 of 2 intervals hold the truth" in text and "1.33 half widths" in text
    assert len(verdicts) == 2 and all(v.endswith("reached") for v in verdicts)


@pytest.mark.skipif(importlib.util.find_spec("skfem") is None, reason="needs the extra fem")
def test_sources_answer_both_ways_alike_without_convection() -> None:
    places = torch.tensor([[4.0, 1.0], [8.0, 2.0], [12.0, 3.0], [1.0, 1.5]], dtype=torch.float64)
    still, carried = (cylinder.by_elements(places, convection) for convection in (0.0, 1.0))
    assert still == pytest.approx({"reciprocity": 1.0, "directionality": 0.5}, abs=1e-9)
    assert carried["reciprocity"] < 0.9 and carried["directionality"] > 0.6


def test_other_seeds_have_a_table() -> None:
    errors = dict.fromkeys(("u", "v", "p", "drag", "lift", "pressure difference"), 1e-4)
    page = cylinder._others({"1": {"cpu_s": 199.4, "errors": errors | {"lift": 5e-3}}})
    assert page.splitlines()[-1] == "| 1 | 199 | 1.0e-04 | 1.0e-04 | 1.0e-04 | 1.0e-04 | 5.0e-03 | 1.0e-04 |"
