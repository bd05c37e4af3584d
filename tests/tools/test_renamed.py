"""Old names of public arguments and attributes work once more, with a warning that says the new one."""

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.model.quantity.loss import test_loss as fresh_loss
from pinnkit.tools.renamed import renamed
from pinnkit.tools.serialise import decode, encode

QUICK = {"stages": [pk.Adam(2)], "resample": None, "progress": False, "validation": 20}
x, t, u = sp.symbols("x t u", real=True)


@pytest.fixture(scope="module")
def solution() -> pk.Solution:
    return pk.solve(pk.problem("heat"), pk.MLP(2, 4, 1), 20, **QUICK)


def old(name: str, new: str):
    return pytest.warns(DeprecationWarning, match=rf"{name} is called {new} now: the old name goes")


def test_old_attributes_give_the_same_and_warn(solution: pk.Solution) -> None:
    bars = pk.uncertainty(pk.solve(pk.problem("heat_inverse"), pk.MLP(2, 4, 1), 40, **QUICK), n=50)
    influence = pk.Influence(solution)
    generator = pk.Generator((x, t), (u,), (x, 2 * t), (sp.S(0),))
    form = pk.NormalForm((x, t), x, t, sp.S(0))
    cases = [
        (solution.model, "readouts", "programs"), (solution.stack, "readouts", "programs"),
        (solution.model, "readout", "program"), (solution.stack, "claim", "check_memory"),
        (pk.error_map(solution), "doubt", "estimate_error"), (bars, "doubt", "sensitivity"),
        (bars, "freedom", "degrees_of_freedom"), (bars, "chance", "p_values"), (bars, "held", "ridge_share"),
        (influence.curvature, "freedom", "effective_parameters"), (influence.curvature, "top", "largest"),
        (pk.rad(), "most", "max_points"), (pk.Balance(), "most", "max_ratio"), (generator, "fibred", "projectable"),
        (form, "place", "space"), (form, "clock", "time"),
    ]  # fmt: skip
    for thing, before, now in cases:
        with old(rf"{type(thing).__name__}\.{before}", now):
            found = getattr(thing, before)
        mine = getattr(thing, now)
        assert torch.equal(found, mine) if isinstance(mine, torch.Tensor) else found == mine


def test_old_arguments_give_the_same_and_warn(solution: pk.Solution) -> None:
    points, programs = solution.points, solution.model.programs
    with old("Stack: the argument readouts", "programs"):
        assert pk.Stack(solution.model, points, readouts=programs).programs == programs
    with old("rad: the argument most", "max_points"):
        assert pk.rad(growth=1.5, most=100) == pk.rad(growth=1.5, max_points=100)
    with old("Balance: the argument most", "max_ratio"):
        assert pk.Balance(most=10) == pk.ntk_balance(max_ratio=10)
    with old("solve_lie: the argument most", "max_parameters"):
        few = pk.solve_lie(pk.problem("heat"), tolerance=1e-2, most=40, progress=False)
    assert len(few.theta) <= 40
    with old("certify: the argument twin", "corrected"):
        certificate = pk.certify(solution, twin=False)
    with old(r"Certificate\.twin", "corrected"):
        assert certificate.twin is certificate.corrected is None
    with old("validate: the argument plantings", "corruptions"):
        found = pk.validate(solution, fresh_loss(solution.problem, 50), points=1, groups=0, plantings=0, progress=False)
    with old(r"Validation\.planted", "corrupted"):
        assert found.planted is found.corrupted is None


def test_both_names_at_once_are_refused_and_unknown_ones_named() -> None:
    with pytest.raises(TypeError, match="rad: most is the old name of max_points: give one of them"):
        pk.rad(most=1, max_points=2)
    with pytest.raises(TypeError, match="there is no argument 'mosst'"):
        pk.Balance(mosst=1)


def test_files_of_before_are_read_without_a_warning() -> None:
    settings = encode(pk.rad(growth=1.5, max_points=100))
    settings["most"] = settings.pop("max_points")
    assert decode(settings) == pk.rad(growth=1.5, max_points=100)


def test_a_function_keeps_what_it_is() -> None:
    @renamed(a="b")
    def double(b: int) -> int:
        """Twice b."""
        return 2 * b

    assert (double.__name__, double.__doc__, double(2)) == ("double", "Twice b.", 4)
    with old("double: the argument a", "b"):
        assert double(a=3) == 6
