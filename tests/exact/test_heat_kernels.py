"""Spreading Gaussians in several dimensions: the equation, the walls, and data that they are."""

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.exact.superposition.box_conditions import face_pairs
from pinnkit.exact.superposition.heat_kernels import heat_kernels
from pinnkit.exact.superposition.linear_operator import operator

half = sp.Rational(1, 2)
x, y, t = pk.coordinates("x y t")
u = pk.field("u", x, y, t)
u_t, u_xx, u_yy = pk.derivatives(u, "t", "xx", "yy")
SQUARE = pk.Box(x=(0, 1), y=(0, 2), t=(0, sp.Rational(1, 5)))
THETA = np.array([[0.3, 0.8, 0.4]])


def stated(equation, *conditions, box=SQUARE, exact=sp.S.One):
    return pk.Problem("p", u, equation, box, [pk.Initial(u, exact.subs(t, 0)), *conditions])


def families(problem, finest=0.05):
    return heat_kernels(operator(problem), face_pairs(problem), problem.domain, finest)


def test_they_solve_the_equation_and_keep_the_walls():
    problem = stated(
        u_t - u_xx / 5 - u_yy / 3 - u.diff(x) / 2 - u, pk.Dirichlet(u, 0, on="x"), pk.Neumann(u, 0, on="y")
    )
    (family,) = families(problem)
    assert [r.name for r in family.ranges] == ["a_x", "a_y", "w"] and family.ranges[2].lower == 0.05
    assert operator(problem).misfit(family.at(THETA[0]), {}) < 1e-12
    X = torch.tensor([[0, 0.7, 0.1], [1, 0.7, 0.1], [0.4, 0, 0.1], [0.4, 2, 0.1], [0.4, 0.7, 0.1]]).double()
    value, slope = family.values(THETA, X, [(0, 0, 0), (0, 1, 0)])[:, 0]
    assert float(value[:2].abs().max()) < 1e-9 and float(slope[2:4].abs().max()) < 1e-9
    assert float(value[4]) > 0.1 and abs(float(slope[4])) > 1e-3


def test_one_of_them_is_found():
    width = half + t / 5
    exact = sp.exp(-((x - 0.3) ** 2 + (y - 0.9) ** 2) / width) / width
    problem = stated(u_t - (u_xx + u_yy) / 20, pk.Dirichlet(u, exact), exact=exact)
    with_images, without = families(problem)
    assert len(sp.Add.make_args(sp.expand(with_images.expression))) > len(sp.Add.make_args(without.expression))
    solution = pk.solve_lie(problem, tolerance=1e-9, modes=6, pool=20, max_parameters=12)
    assert str(solution.network) == "superposition of 1 spreading Gaussian"


@pytest.mark.parametrize(
    "equation", [u_t - u_xx - u_yy - u.diff(x, y), u_t - x * u_xx - u_yy, u.diff(t, 2) - u_xx - u_yy]
)
def test_other_equations_have_none(equation):
    order = 2 if equation.has(u.diff(t, 2)) else 1
    start = [pk.Initial(u, 1, order=k) for k in range(order)]
    problem = pk.Problem("p", u, equation, SQUARE, [*start, pk.Dirichlet(u, 0)])
    assert families(problem) == []
