"""Periodic conditions, enclosed: the lifts' jumps are exact, bounds hold for networks that jump much or by rounding."""

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from benchmarks.certificate.certificates import RINGS, ring
from pinnkit.certificate.enclosure.periodic_jump import PeriodicJump
from pinnkit.certificate.theorem.misfit import Norm

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


def test_lifts_jump_in_one_derivative_only():
    lifted = PeriodicJump(0, x, -0.5, 1.0, 4)
    for k in range(4):
        for j in range(4):
            assert sp.expand(lifted.lift(k).diff(x, j) - lifted.lift(k, j)) == 0
            jump = lifted.lift(k, j).subs(x, 1) - lifted.lift(k, j).subs(x, -sp.Rational(1, 2))
            assert jump == (k == j)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 7), st.integers(0, 3), st.sampled_from(["sup", "L2(t)", "L1(t)", "H1(t)", "H2(t)", "L2(Q)"]))
def test_norms_of_lifts_are_bounded(L, k, norm):
    lifted, derivative = PeriodicJump(0, x, 0.0, L, 4), {"H1(t)": 1, "H2(t)": 2}.get(norm, 0)
    jumps = [Norm(3.0, 2.0, 1.0) if j == k else Norm() for j in range(4)]
    s = np.linspace(0, L, 4001)
    v = np.abs(sp.lambdify(x, lifted.lift(k, derivative))(s) * np.ones(4001))
    true = {"sup": v.max(), "L1(t)": np.trapezoid(v, s)}.get(norm, math.sqrt(np.trapezoid(v**2, s)))
    true *= 2.0 if norm == "L2(Q)" else 3.0
    assert true * (1 - 1e-6) <= lifted.added(jumps, norm) <= 2 * true + 1e-15


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.slow) if k == "allen_cahn" else k for k in RINGS])
def test_bounds_hold_for_networks_that_jump(kind):
    solution = ring(kind, 0)  # of Allen-Cahn's equation barriers for several reaches are tried: a minute
    with pytest.raises(ValueError, match="enclosed=True"):
        pk.certify(solution)
    found = pk.certify(solution, enclosed=True, slopes=True, corrected=False)
    assert found.rigorous and found.misfits["u periodic in x"].sup > 0.01
    for b in found.bounds:
        assert found.errors[b.norm] <= b.value


@pytest.mark.parametrize("kind", [pytest.param("diffusion", marks=pytest.mark.slow), "advection", "wave"])
def test_periodic_networks_jump_by_rounding(kind):
    solution = ring(kind, 1, pk.Harmonics(("x",)))
    found, seen = (pk.certify(solution, enclosed=e, slopes=True, corrected=False) for e in (True, False))
    assert not found.violations and 0 < found.misfits["u periodic in x"].sup < 1e-11
    assert "periodic ends" in found.evaluation
    for b in found.direct:  # a barrier, which knows the residual's signs, is lower
        assert b.value == pytest.approx(seen[b.norm], rel=0.06) or (b.proof and b.value < seen[b.norm])
    assert found.misfits["pde"].sup == pytest.approx(seen.misfits["pde"].sup, rel=0.06)


def test_hard_initial_values_on_a_ring():
    """What the ansatz meets exactly is met but for the lifts, which are of the size of rounding."""
    box = pk.Box(x=(0, 1), t=(0, 1))
    exact = sp.cos(2 * sp.pi * t) * sp.sin(2 * sp.pi * x)
    conditions = [pk.Initial(u, exact.subs(t, 0)), pk.Initial(u, 0, order=1), pk.Periodic(u, "x")]
    equation = u.diff(t, 2) - u.diff(x, 2)
    problem = pk.Problem("ring", u, equation, box, conditions, reference=pk.Exact({u: exact}))
    net = pk.MLP(2, 6, 1, features=pk.Harmonics(("x",)))
    solution = pk.Solution(pk.Model(problem, net), net.initial(box, 0), pk.Points({}))
    found = pk.certify(solution, enclosed=True, corrected=False)
    assert not found.violations and found.misfits["u initial"].sup < 1e-11 < found.misfits["pde"].sup


@pytest.mark.parametrize("kind", ["heat", "wave"])
def test_superpositions_on_a_ring_are_enclosed(kind):
    box, start = pk.Box(x=(0, 1.3), t=(0, 0.5)), sp.exp(sp.cos(2 * sp.pi * x / sp.Rational(1.3)))
    equation = u.diff(t) - u.diff(x, 2) / 10 if kind == "heat" else u.diff(t, 2) - u.diff(x, 2)
    still = [pk.Initial(u, 0, order=1)] if kind == "wave" else []
    problem = pk.Problem(kind, u, equation, box, [pk.Initial(u, start), *still, pk.Periodic(u, "x")])
    solution = pk.solve_lie(problem, tolerance=1e-6)
    found, seen = pk.certify(solution, enclosed=True), pk.certify(solution)
    assert found.rigorous and 0 < found.misfits["u periodic in x"].sup < 1e-10
    for b in found.bounds:
        assert seen[b.norm] / 1.1 <= b.value <= 1.1 * seen[b.norm] + 1e-9
