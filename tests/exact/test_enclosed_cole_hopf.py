"""Enclosed certificates of Burgers' equation: misfits of a Cole-Hopf map against arithmetic with 40 digits."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.certificate.theorems import theorems
from pinnkit.exact.superposition.enclosed_misfits import EnclosedSuperposition


@pytest.fixture(scope="module")
def solution():
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    problem = pk.Problem(
        "viscous", u, u.diff(t) + u * u.diff(x) - u.diff(x, 2) / 10, pk.Box(x=(-1, 1), t=(0, sp.Rational(1, 2))),
        [pk.Initial(u, -sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    return pk.solve_lie(problem)


def test_misfits_of_a_cole_hopf_map_are_enclosed(solution):
    form, _ = theorems(solution.problem)
    found = EnclosedSuperposition(solution, form, 1.0).initial()
    x, t = solution.problem.variables
    family = solution.network.phi.families[0]
    symbols = [r.symbol for r in family.ranges]
    terms = [sp.lambdify((x, t, *symbols), e, "mpmath") for e in (family.expression, family.expression.diff(x))]
    with mpmath.workdps(40):

        def misfit(at):
            value = slope = mpmath.mpf(0)
            for a, (_, theta) in zip(solution.theta.tolist(), solution.network.phi.members, strict=True):
                for c, sign, shift in family.images:
                    value += a * c * terms[0](sign * at + shift, mpmath.mpf(0), *map(mpmath.mpf, theta))
                    slope += a * c * sign * terms[1](sign * at + shift, mpmath.mpf(0), *map(mpmath.mpf, theta))
            return -2 * mpmath.mpf(solution.network.nu) * slope / value + mpmath.sin(mpmath.pi * at)

        nodes, weights = np.polynomial.legendre.leggauss(60)
        values = np.array([float(misfit(mpmath.mpf(v))) for v in nodes])
    assert np.abs(values).max() <= found.sup <= 1.5 * np.abs(values).max()
    assert np.sqrt(weights @ values**2) <= found.l2 * 1.001 and weights @ np.abs(values) <= found.l1 * 1.01
    total = np.concatenate([[0.0], np.cumsum(weights * values)])
    assert np.ptp(total) / 2 <= 1.2 * found.swing and found.swing <= found.l1 / 2


def test_the_bound_of_burgers_equation_is_enclosed(solution):
    sampled, enclosed = pk.certify(solution), pk.certify(solution, enclosed=True)
    assert enclosed.rigorous and enclosed["sup"] <= 1.3 * sampled["sup"]
    assert all(n.sup < 1e-20 for name, n in enclosed.misfits.items() if "initial" not in name)  # by images
    nu, y = 0.1, np.linspace(-12, 12, 20_001)
    for at, time in ((0.03, 0.5), (0.4, 0.25), (-0.7, 0.1)):
        weight = np.exp(-((at - y) ** 2) / (4 * nu * time) - np.cos(np.pi * y) / (2 * np.pi * nu))
        true = (weight * (at - y) / time).sum() / weight.sum()
        error = abs(float(solution(torch.tensor([[at, time]], dtype=torch.float64))) - true)
        assert error <= enclosed["sup"] + 1e-14
