"""Certificates of enclosed networks hold, and refusals say why."""

import math

import pytest
import sympy as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pinnkit as pk
from benchmarks.certificate import certificates as cases
from pinnkit.certificate.misfits import enclosed as enclosed_network
from pinnkit.certificate.misfits import sampled
from pinnkit.certificate.misfits.enclosed import EnclosedMisfits
from pinnkit.certificate.theorems import theorems
from pinnkit.network.linearised import Linearised

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
u_t, u_xx = pk.derivatives(u, "t", "xx")
BOX = pk.Box(x=(-1, 1), t=(0, 1))


@pytest.fixture
def few_points(monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 5_000)


ENCLOSED = [
    cases.beam, cases.telegraph, cases.klein_gordon, cases.linear_kdv, cases.advection, cases.slope_and_value,
    cases.laplace, cases.drifting, cases.helmholtz,
]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*ENCLOSED, "heat 1", "wave 1", "heat 2", "wave 2"]), st.integers(0, 10**6))
def test_bounds_of_waves_beams_and_others_hold(few_points, make, seed):
    kind = make.split() if isinstance(make, str) else None
    solution = cases.heat_or_wave(kind[0], int(kind[1]), "network", seed) if kind else cases.other(make, seed)
    slopes = kind is None or kind[1] == "1"
    found, seen = (pk.certify(solution, enclosed=e, slopes=slopes, corrected=False) for e in (True, False))
    assert found.rigorous and [b.norm for b in found.bounds] == [b.norm for b in seen.bounds]
    for b in found.bounds:
        assert found.errors[b.norm] <= b.value <= 1.1 * seen[b.norm]


def test_what_a_wave_misses_at_its_walls_is_differentiated():
    """Neumann ends with data: the energy needs their first and second derivatives by time."""
    ends = [pk.Neumann(u, sp.sin(3 * t), on="x_max"), pk.Dirichlet(u, 0, on="x_min")]
    problem = pk.Problem("rope", u, u.diff(t, 2) - u_xx, BOX, [pk.Initial(u, 0), pk.Initial(u, 0, order=1), *ends])
    found = pk.certify(unsolved(problem, pk.MLP(2, 5, 1)), enclosed=True, corrected=False)
    assert {"t", "tt"} <= {n.partition(" by ")[2] for n in found.misfits if "x_max" in n}
    seen = pk.certify(unsolved(problem, pk.MLP(2, 5, 1)), corrected=False)
    for name, n in found.misfits.items():
        assert n.sup == pytest.approx(seen.misfits[name].sup, rel=0.06)


def trained(problem):
    return pk.solve(
        problem, pk.MLP(2, 8, 8, 1), {"pde": 300}, stages=[pk.SSBroyden(150)], progress=False, resample=None
    )


def test_a_trained_network_is_certified_rigorously():
    solution = trained(pk.problem("diffusion"))
    found, sampled = pk.certify(solution, enclosed=True, corrected=False), pk.certify(solution, corrected=False)
    assert found.rigorous and "enclosed by Taylor models" in str(found) and not found.violations
    assert {b.norm for b in found.bounds} == {b.norm for b in sampled.bounds}
    for b in found.bounds:
        assert found.errors[b.norm] <= b.value <= 1.3 * sampled[b.norm]
    for name, n in found.misfits.items():
        assert n.sup == 0 or name == "pde"  # the ansatz is proved to meet the data
    model = pk.Model(solution.problem, Linearised(solution.network, solution.theta))
    tangent = pk.Solution(model, 1e-3 * torch.ones_like(solution.theta), pk.Points({}))
    moved = pk.certify(tangent, enclosed=True, corrected=False)
    assert not moved.violations and moved["sup"] <= 1.3 * pk.certify(tangent, corrected=False)["sup"]


def test_soft_conditions_and_single_precision_are_enclosed():
    problem = pk.problem("advection_diffusion")
    net = pk.MLP(2, 6, 1)
    soft = pk.Solution(pk.Model(problem, net, False), net.initial(BOX, 3, torch.float32), pk.Points({}))
    found = pk.certify(soft, enclosed=True, corrected=False)
    assert found.rigorous and not found.violations
    assert all(n.sup > 0 for n in found.misfits.values())


def test_slopes_on_walls_are_enclosed():
    conditions = [pk.Initial(u, 0), pk.Robin(u, 2.0, 0.5, sp.exp(-t), on="x_min"), pk.Neumann(u, sp.sin(t), on="x_max")]
    problem = pk.Problem("rod", u, u_t - u_xx, BOX, conditions)
    net = pk.MLP(2, 5, 5, 1)
    solution = pk.Solution(pk.Model(problem, net, False), net.initial(BOX, 0), pk.Points({}))
    found, sampled = pk.certify(solution, enclosed=True, corrected=False), pk.certify(solution, corrected=False)
    for name, n in found.misfits.items():
        assert n.sup == pytest.approx(sampled.misfits[name].sup, rel=0.06)


def test_poisson_is_certified():
    box, (a, b) = pk.Box(x=(0, 1), y=(0, 1)), pk.coordinates("x y")
    w, exact = pk.field("w", a, b), sp.sin(sp.pi * a) * sp.sin(sp.pi * b)
    equation = w.diff(a, 2) + w.diff(b, 2) + 2 * sp.pi**2 * exact
    problem = pk.Problem("poisson", w, equation, box, [pk.Dirichlet(w, 0)], reference=pk.Exact({w: exact}))
    net = pk.MLP(2, 6, 1)
    solution = pk.Solution(pk.Model(problem, net), net.initial(box, 0), pk.Points({}))
    found = pk.certify(solution, enclosed=True, corrected=False)
    assert not found.violations and found.rigorous and set(found.errors) == {"sup", "L2"}


def test_data_that_the_ansatz_rounds_are_not_called_exact():
    """x_max = float(pi) is not pi: sin x is 1.2e-16 there, and no proof says 0."""
    box = pk.Box(x=(0, math.pi), t=(0, 1))
    problem = pk.Problem("rod", u, u_t - u_xx, box, [pk.Initial(u, sp.sin(x)), pk.Dirichlet(u, 0, on="x")])
    problem = pk.Problem(
        "rod", u, u_t - u_xx, box, problem.conditions, ansatz={u: (sp.sin(x), t * sp.sin(x))},
        reference=pk.Exact({u: sp.exp(-t) * sp.sin(x)}),
    )  # fmt: skip
    net = pk.MLP(2, 4, 1)
    solution = pk.Solution(pk.Model(problem, net), net.initial(box, 0), pk.Points({}))
    found = pk.certify(solution, enclosed=True)
    assert not found.violations
    assert found.misfits["u initial"].sup == 0
    assert 0 < found.misfits["u on x (x = 3.14159)"].sup < 1e-10


def unsolved(problem, net=None, hard=False):
    net = net or pk.MLP(len(problem.domain.names), 4, 1)
    return pk.Solution(pk.Model(problem, net, hard), net.initial(problem.domain, 0), pk.Points({}))


def test_refusals_say_why():
    still = [pk.Initial(u, 0), pk.Dirichlet(u, 0)]
    kinked = pk.Problem("kink", u, u_t - u_xx, BOX, [pk.Initial(u, 0), pk.Dirichlet(u, sp.Abs(t - 0.5))])
    found = pk.certify(unsolved(kinked, hard=False), enclosed=True, corrected=False).misfits
    seen = pk.certify(unsolved(kinked, hard=False), corrected=False).misfits
    assert found.keys() == seen.keys()
    for name, norm in seen.items():
        assert norm.sup * (1 - 1e-6) <= found[name].sup <= 1.1 * norm.sup, name
    stepped = pk.Problem("step", u, u_t - u_xx, BOX, [pk.Initial(u, 0), pk.Dirichlet(u, sp.sign(t - 0.5))])
    with pytest.raises(ValueError, match="sign has no"):
        pk.certify(unsolved(stepped), enclosed=True)
    called = pk.Problem("call", u, u_t - u_xx, BOX, [pk.Initial(u, lambda x, t: torch.sin(math.pi * x)), still[1]])
    for hard in (False, None):
        with pytest.raises(ValueError, match="has no (Taylor model|enclosure)"):
            pk.certify(unsolved(called, hard=hard), enclosed=True)
    layers = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    with pytest.raises(ValueError, match="not made of linear layers"):
        pk.certify(unsolved(pk.problem("diffusion"), pk.Module(layers, backend="autograd"), None), enclosed=True)
    coordinates = pk.coordinates("x y z t")
    v = pk.field("v", *coordinates)
    cube, equation = pk.Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1)), v.diff(coordinates[3])
    equation -= sum(v.diff(s, 2) for s in coordinates[:3])
    solid = pk.Problem("solid", v, equation, cube, [pk.Initial(v, 0), pk.Dirichlet(v, 0)])
    with pytest.raises(ValueError, match="4 coordinates, more than 3"):
        pk.certify(unsolved(solid), enclosed=True)
    X, Y, T = pk.coordinates("x y t")
    w = pk.field("w", X, Y, T)
    tube = pk.Problem("tube", w, w.diff(T) - w.diff(X, 2) - w.diff(Y, 2), pk.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
                      [pk.Initial(w, 0), pk.Dirichlet(w, 0, on="y"), pk.Periodic(w, "x")])  # fmt: skip
    with pytest.raises(ValueError, match="periodic conditions are enclosed in one space dimension only"):
        pk.certify(unsolved(tube), enclosed=True)


def test_a_poor_budget_is_said(monkeypatch):
    monkeypatch.setattr(enclosed_network, "MOST", 20)
    problem = pk.Problem("heat", u, u_t - u_xx, BOX, [pk.Initial(u, 0), pk.Dirichlet(u, 0)])
    solution = unsolved(problem, pk.MLP(2, 6, 1))
    found = EnclosedMisfits(solution, theorems(problem)[0], 1.0)
    found.residual()
    assert found.tight or "too few" in found.evaluation
    monkeypatch.setattr(enclosed_network, "DEGREE", 3)
    steep = pk.Solution(solution.model, 30 * solution.theta, pk.Points({}))
    with pytest.raises(ValueError, match="could not be enclosed"):
        EnclosedMisfits(steep, theorems(problem)[0], 1.0).residual()
