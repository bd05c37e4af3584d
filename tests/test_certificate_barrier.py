"""Bounds by supersolutions: extremal cases in which only one misfit is not zero, for every kind of wall."""

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.certificate.polynomial_range import largest_value

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


def constant(problem: pk.Problem, value: float = 0.0) -> pk.Solution:
    """A network that is a constant."""
    network = pk.MLP(len(problem.variables), 4, 1)
    theta = torch.zeros_like(network.initial(problem.domain, 0))
    theta[-1] = value
    return pk.Solution(pk.Model(problem, network, True), theta, pk.Points({}))


def heated(walls: list, T: float) -> pk.Problem:
    """u_t = u_xx + 1 from 0: the function 0 misses the equation by 1 and nothing else."""
    equation = u.diff(t) - u.diff(x, 2) - 1
    return pk.Problem("heated", u, equation, pk.Box(x=(0, 1), t=(0, T)), [pk.Initial(u, 0), *walls], ansatz={u: (0, t)})


@pytest.mark.parametrize("T", [2, 20])
def test_a_source_between_insulated_or_periodic_walls_is_not_bounded_by_a_steady_barrier(T):
    for walls in ([pk.Neumann(u, 0, on="x")], [pk.Periodic(u, "x")]):
        found = pk.certify(constant(heated(walls, T)), enclosed=True)
        assert T <= found["sup"] <= 3 * T  # u* = t


@pytest.mark.parametrize("shift", [0, 300])
def test_the_slope_of_a_reaction_survives_cancellation(shift):
    """(shift - u)^9 / 9 has the largest slope 0, whatever the size of the expanded coefficients."""
    v = sp.Symbol("v")
    assert 0 <= largest_value(sp.Poly(sp.expand(-((v - shift) ** 8)), v)) < 1e-6
    assert 0.25 <= largest_value(sp.Poly(sp.expand((v - shift) ** 2 - (v - shift) ** 4), v)) < 0.25 + 1e-6


def test_the_largest_value_with_coefficients_that_are_not_rational():
    v = sp.Symbol("v")
    found = largest_value(sp.Poly(sp.sqrt(2) * v - sp.pi * v**2, v))
    true = float(1 / (2 * sp.pi))
    assert true <= found < true * (1 + 1e-9)
    assert largest_value(sp.Poly(sp.Integer(-3), v)) == -3
    with pytest.raises(ValueError, match="no upper bound"):
        largest_value(sp.Poly(v**3, v))


def test_periodic_values_without_slopes_are_refused():
    with pytest.raises(ValueError, match="slopes"):
        pk.certify(constant(heated([pk.Periodic(u, "x", order=0)], 1)), enclosed=True)
