"""Complementarity: the smooth equation, its ladder of smoothings, and a string over an obstacle."""

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.statement import problem_file
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.complementarity import LADDER
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.training.recipe import default_recipe

(x,) = pk.coordinates("x")
u = pk.field("u", x)
END, PSI = 2 - sp.sqrt(3), 1 - x**2
EXACT = sp.Piecewise((PSI, sp.Abs(x) <= END), (2 * END * (2 - sp.Abs(x)), True))
A, B = -u.diff(x, 2), u - PSI


def obstacle(law=None):
    law = pk.Complementarity(A, B) if law is None else law
    return pk.Problem("obstacle", u, law, pk.Box(x=(-2, 2)), pk.Dirichlet(u, 0), reference=EXACT)


def test_zeros_are_those_of_the_inequalities():
    """At a, b > 0 with a b = e^2 / (2 s) it vanishes; at others it does not, and has the sign of the lesser."""
    a, b, e, s = 0.3, 0.02, 1e-3, 2.0
    value = pk.Complementarity(sp.Float(a), sp.Float(e**2 / (2 * s * a)), e, s).doit()
    assert abs(float(value)) < 1e-15
    assert float(pk.Complementarity(sp.Float(a), sp.Float(b), e, s).doit()) > 0.01
    assert float(pk.Complementarity(sp.Float(-a), sp.Float(b), e, s).doit()) < -0.3


def test_the_string_meets_it_nearly():
    row = Residual("r", pk.Complementarity(A, B, 1e-9), INTERIOR)
    program = ResidualProgram([row], [u], {u: (EXACT, sp.S.Zero)}, {})
    points = pk.PointSet(torch.linspace(-1.9, 1.9, 40, dtype=torch.float64)[:, None])
    N = torch.zeros(len(program.channels), 40, 1, dtype=torch.float64)
    assert program.values(N, points, N.new_zeros(0)).abs().max() < 1e-6


def test_training_goes_down_the_ladder():
    problem = obstacle()
    assert len(problem.softened) == len(LADDER) and not problem.softened[0].softened
    solution = pk.solve(problem, pk.MLP(1, 16, 16, 1), 300, stages=[pk.LevenbergMarquardt(50)], progress=False)
    assert solution.errors()["u"]["relative_l2"] < 1.5e-3  # without the ladder 2e-3


def test_all_steps_of_the_ladder_have_the_points_of_the_recipe():
    """The smoothed problems are no inequalities: by their own recipes they would get fewer points."""
    solution = pk.solve(obstacle(), pk.MLP(1, 4, 1), stages=[pk.LevenbergMarquardt(1)], progress=False)
    assert len(solution.points["pde"]) == default_recipe(obstacle()).points["pde"] == 300


def test_it_is_kept_in_files(tmp_path):
    assert "lacking" not in problem_file.contents(obstacle(pk.Complementarity(A, B, 1e-2)))
    solution = pk.solve(obstacle(), pk.MLP(1, 3, 1), 10, stages=[pk.Adam(2)], progress=False)
    pk.save(solution, tmp_path / "run.h5")
    assert pk.load(tmp_path / "run.h5").problem.equations == solution.problem.equations


@pytest.mark.parametrize("numbers", [{"smoothing": 0}, {"scale": -1}, {"smoothing": x}])
def test_numbers_that_are_not_positive(numbers):
    with pytest.raises(ValueError, match="expected a positive number"):
        pk.Complementarity(A, B, **numbers)


def test_a_climb_to_a_tolerance_is_refused():
    with pytest.raises(ValueError, match="obstacle has an inequality.*leave tolerance out"):
        pk.solve(obstacle(), tolerance=1e-3)
