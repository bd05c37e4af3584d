"""The benchmark of influence compares like with like: all ways give the same numbers before they are timed."""

import pytest
import torch

import pinnkit as pk
from benchmarks.influence import influence_speed as speed
from benchmarks.speed.loss_gradient import Case
from problems.burgers import burgers
from problems.kovasznay import kovasznay

SMALL = (
    Case("Burgers", burgers, pk.MLP(2, 6, 5, 1), True, {}),
    Case("Kovasznay", kovasznay, pk.MLP(2, 6, 5, 3), False, {}),
)


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    monkeypatch.setattr(speed, "CASES", SMALL)
    monkeypatch.setattr(speed, "BATCHES", (8, 16))
    start = {case.name: speed.Interior(case.problem(), case.network, case.hard).initial(1) for case in SMALL}
    monkeypatch.setattr(speed, "trained", start.get)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_all_ways_give_the_same(case):
    found = speed.candidates(case, 40, 1)
    assert found["gap"] < 1e-9 and set(found["times"]) == set(speed.LABELS)
    assert speed.rows(case, 17, 1)["gap"] < 1e-12


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning:captum")
def test_curvature_and_exact_solves():
    assert speed.factors(30, 1)["published_rank"] <= 50
    assert speed.exact(60, 1)["gap"] < 1e-8


def test_different_numbers_are_not_compared():
    a = torch.ones(3)
    with pytest.raises(ValueError, match="captum and pinnkit differ by 1.0e-03"):
        speed.same("captum", 1.001 * a.double(), a.double())


def test_several_functionals():
    assert list(speed.several(50, 1, (1, 4))) == ["1", "4"]
