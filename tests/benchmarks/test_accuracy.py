"""The benchmark of the catalogue's default settings: what is run again, what its tables say."""

import pytest

import pinnkit as pk
from benchmarks.training.accuracy import fingerprint, goal, missing, page, settings

RECIPE = pk.Recipe(pk.MLP(2, 4, 1), stages=[pk.Adam(10)], resample=pk.rad(every=5))


def test_a_run_is_done_again_when_the_recipe_changes() -> None:
    recipe = fingerprint(settings(pk.problem("laplace")))
    assert recipe == fingerprint(settings(pk.problem("laplace"))) != fingerprint(RECIPE) and len(recipe) == 8
    assert missing(None, "laplace", False) and missing({"recipe": "another"}, "laplace", False)
    found = {"recipe": recipe}
    assert not missing(found, "laplace", False) and missing(found, "laplace", True)
    assert not missing(found | {"corrected": {}}, "laplace", True)
    assert missing({}, "burgers", False)  # measured before recipes were kept with the figures


@pytest.mark.parametrize(("name", "aim"), [("laplace", 1e-5), ("telegraph", 1e-5), ("heat2d", 1e-4), ("wave3d", 1e-4)])
def test_goals(name: str, aim: float) -> None:
    assert goal(pk.problem(name)) == aim


def test_tables() -> None:
    known = {"relative_l2": {"u": 2e-6}, "cpu_s": 10.0, "wall_s": 20.0, "reference_error": 0.0}
    assert "Goals" not in page({"burgers 0": known})
    other = known | {"goal": 1e-5, "trained": 7}
    good = other | {"corrected": {"relative_l2": {"u": 3e-9}, "cpu_s": 2.0, "refused": False}}
    bad = other | {"relative_l2": {"u": 1e-9, "v": 2e-5}}
    text = page({"burgers 0": known, "laplace 10": other, "laplace 2": good, "telegraph 0": bad})
    assert "| burgers | 2e-05 | 2.0e-06 | 0e+00 | 10 | 20 | 1.6e-8 |" in text
    assert "| laplace | 1e-05 | 2.0e-06, 2.0e-06 | 3.0e-09 | 10 | 2.0 | 7 |" in text
    assert "| telegraph | 1e-05 | 2.0e-05 |  | 10 |  | 7 |" in text
    assert text.endswith("Goals missed as trained: telegraph (of 2).\n")
