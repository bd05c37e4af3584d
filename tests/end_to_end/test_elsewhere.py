"""Equations that look at other points: integrals, memory, places, total masses; solved, corrected, kept in files."""

import numpy as np
import pytest
import sympy as sp
import torch
from mpmath import mp
from scipy.special import erfcx

import pinnkit as pk
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

x, t, s = pk.coordinates("x t s")
u, v, y = pk.field("u", x), pk.field("v", x, t), pk.field("y", t)
LINE, TIME = pk.Box(x=(0, 1)), pk.Box(t=(0, 1))
LM = {"stages": [pk.LevenbergMarquardt(40)], "progress": False, "resample": None}


def fredholm():
    """u - 1/2 int_0^1 e^(x s) u(s) ds = f with u = e^x."""
    right = sp.exp(x) - (sp.exp(x + 1) - 1) / (2 * (x + 1))
    return pk.Problem(
        "Fredholm", u, u - sp.Integral(sp.exp(x * s) * u.subs(x, s), (s, 0, 1)) / 2 - right, LINE, reference=sp.exp(x)
    )


def volterra():
    """y = 1 + int_0^t (t - s) y ds, of cosh."""
    return pk.Problem("Volterra", y, y - 1 - pk.Integral((t - s) * y.subs(t, s), (s, 0, t)), TIME, reference=sp.cosh(t))


def green():
    """A kernel with a kink that moves, min(x, s)(1 - max(x, s)), whose sine is 1/pi^2 of it."""
    kernel = sp.Min(x, s) * (1 - sp.Max(x, s))
    right = sp.sin(sp.pi * x) * (1 - 1 / sp.pi**2)
    return pk.Problem(
        "Green", u, u - pk.Integral(kernel * u.subs(x, s), (s, 0, 1)) - right, LINE, reference=sp.sin(sp.pi * x)
    )


def mass():
    """-u'' = pi^2 cos with insulated ends, which a total mass alone fixes."""
    exact = sp.cos(sp.pi * x) + 1
    return pk.Problem(
        "mass", u, u.diff(x, 2) - exact.diff(x, 2), LINE,
        [pk.Neumann(u), pk.Operator("mass", pk.Integral(u, (x, 0, 1)) - 1)], reference=exact,
    )  # fmt: skip


@pytest.mark.parametrize("state", [fredholm, volterra, green, mass])
def test_solved_and_corrected(state):
    problem = state()
    assert max(problem.verify().values()) < 1e-14
    solution = pk.solve(problem, pk.MLP(1, 10, 10, 1), 40, **LM)
    (name,) = solution.errors()
    assert solution.errors()[name]["relative_l2"] < 1e-4
    assert pk.correct(solution).errors()[name]["relative_l2"] < 1e-11


def test_a_value_at_a_wall():
    x0 = sp.Rational(1, 2)
    problem = pk.Problem("wall", u, u.diff(x) - 2 * x * u.subs(x, x0), LINE, pk.Dirichlet(u, 3, on="x_min"))
    solution = pk.solve(problem, pk.MLP(1, 10, 1), 40, **LM)
    X = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    assert (solution(X) - (3 + 4 * X**2)).abs().max() < 1e-4  # u(1/2) = 3 + u(1/2) / 4


def mittag_leffler(a, z):
    """sum z^k / Gamma(a k + 1)."""
    return float(mp.nsum(lambda k: mp.mpf(z) ** k / mp.gamma(a * k + 1), [0, mp.inf]))


@pytest.mark.parametrize("order", [0.5, 1.5])
def test_relaxation_is_mittag_lefflers_function(order):
    """Of order 1/2 it is exp(t) erfc(sqrt t), too."""
    start = [pk.Initial(y, 1)] + [pk.Initial(y, 0, order=1)] * (order > 1)
    solution = pk.solve(pk.Problem("relaxation", y, pk.Caputo(y, t, order) + y, TIME, start), points=60, **LM)
    T = np.linspace(0.0, 1.0, 9)
    exact = np.array([mittag_leffler(order, -(z**order)) for z in T])
    assert order != 0.5 or exact == pytest.approx(erfcx(np.sqrt(T)), abs=1e-12)
    assert solution(T[:, None])[:, 0] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize(("kernel", "value"), [
    (1 / sp.sqrt(t - s), 2 * sp.sqrt(t)),
    ((t - s) ** sp.Rational(-3, 10), t ** sp.Rational(7, 10) / sp.Rational(7, 10)),
    (sp.log(t - s), t * sp.log(t) - t),
    (sp.Abs(s - t / 3), sp.Rational(5, 18) * t**2),
    (sp.Piecewise((1, s < t / 4), (3, True)), sp.Rational(5, 2) * t),
    (sp.Heaviside(s - sp.Rational(1, 8)), sp.Max(t - sp.Rational(1, 8), 0)),
    (sp.exp(s), sp.exp(t) - 1),
])  # fmt: skip
def test_kernels_are_integrated_to_rounding(kernel, value):
    """int_0^t k(t, s) ds by the nodes of a field that is 1."""
    row = Residual("r", pk.Integral(kernel * y.subs(t, s), (s, 0, t)) - value, INTERIOR)
    program = ResidualProgram([row], [y], {y: (sp.S.One, sp.S.Zero)}, {})
    points = pk.PointSet(torch.linspace(0.1, 1, 10, dtype=torch.float64)[:, None])
    N = torch.zeros(len(program.channels), program.size(10), 1, dtype=torch.float64)
    assert program.values(N, points, N.new_zeros(0)).abs().max() < 1e-12


def test_an_integral_is_a_quantity_too():
    """It may be asked for at points, and its value is that of the functional."""
    solution = pk.solve(mass(), pk.MLP(1, 6, 1), 20, **LM)
    X = torch.rand(3, 1, dtype=torch.float64)
    found = solution.evaluate([pk.Integral(u**2, (x, 0, 1))], X)[:, 0]
    asked, _ = pk.integral(solution.problem, u**2, n=2**14).linearise(solution)
    assert found.numpy() == pytest.approx(asked.expand(3).numpy(), rel=1e-3)


def test_influence_is_what_training_again_gives():
    solution = pk.solve(fredholm(), pk.MLP(1, 4, 1), 20, **LM)
    done = pk.validate(solution, points=4, groups=0, corruptions=0, progress=False)
    assert done.trainings == (4, 4)
    assert done.trials[0].correlation("with leverage (default)") > 0.95


def test_a_run_goes_on_from_its_file(tmp_path):
    problem = pk.Problem(
        "memory", v, v.diff(t) - v.diff(x, 2) + pk.Integral(v.subs(t, s), (s, 0, t)) - v.diff(x).subs(x, 0),
        pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(v, sp.sin(sp.pi * x)), pk.Dirichlet(v), pk.Operator("m", pk.Integral(v, (x, 0, 1)) - t)],
    )  # fmt: skip
    settings = {"points": {"pde": 12, "m": 5}, "resample": pk.rad(every=2), "progress": False, "validation": 10}
    whole = pk.solve(problem, pk.MLP(2, 4, 1), stages=[pk.Adam(4), pk.SSBroyden(4)], **settings)
    path = tmp_path / "run.h5"
    cut = pk.solve(
        problem, pk.MLP(2, 4, 1), stages=[pk.Adam(4), pk.SSBroyden(4)], time_limit=0.0, checkpoint=path, **settings
    )
    assert not cut.progress.done
    found = pk.load(path)
    assert found.problem.equations == problem.equations
    assert torch.equal(pk.resume(found, progress=False, time_limit=60.0).theta, whole.theta)


@pytest.mark.parametrize("method", ["symmetries", "solve_lie", "to_deepxde", "certify"])
def test_methods_that_do_not_know_of_it_say_so(method):
    problem = fredholm()
    thing = (
        pk.solve(problem, pk.MLP(1, 3, 1), 5, stages=[pk.Adam(1)], progress=False) if method == "certify" else problem
    )
    try:
        found = getattr(pk, method)(thing)
    except ValueError as error:
        assert "not know of integrals" in str(error) and "\n" not in str(error)
    else:
        assert method == "certify" and "not know of integrals" in str(found)


def test_a_delay_is_told_how_it_can_be_solved():
    (s,) = pk.coordinates("t")
    y = pk.field("y", s)
    with pytest.raises(ValueError, match="outside the domain.*method of steps"):
        pk.Problem("delay", y, y.diff(s) + y.subs(s, s - 1), pk.Box(t=(0, 3)), [pk.Initial(y, 1)])


@pytest.mark.parametrize("domain", [None, object(), torch.zeros(3)])
def test_what_is_no_domain_is_told_so(domain):
    (s,) = pk.coordinates("t")
    y = pk.field("y", s)
    with pytest.raises(TypeError, match="expected a pinnkit.Box"):
        pk.Problem("p", y, y.diff(s), domain, [pk.Initial(y, 1)])
