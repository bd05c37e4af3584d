"""Certificates hold for closed forms: what floating point adds is said, here against arithmetic with 60 digits."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.certificate.rounding import evaluation_error
from pinnkit.superpose.modes import travelling
from pinnkit.superpose.network import Superposition
from pinnkit.superpose.operator import operator

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


def exactly(e, X):
    """Values of an expression with 60 digits."""
    with mpmath.workdps(60):
        f = sp.lambdify((x, t), e, "mpmath")
        return [f(*map(mpmath.mpf, row)) for row in X.tolist()]


def cancelling(size):
    """Amplitudes of that size which cancel; the approximation is off by 1e-10 of a third member."""
    box = pk.Box(x=(0, 1), t=(0, 1))
    equation = u.diff(t) - u.diff(x, 2) / 10
    start = pk.Problem("start", u, equation, box, [pk.Initial(u, 0), pk.Dirichlet(u, 0)])
    waves = [3.0, 3.0 * (1 + 1 / size), 1.0]
    family, theta = travelling(operator(start), box, [(np.array([1j * k]), complex(-0.1 * k * k)) for k in waves])
    model = Superposition((family,), tuple((0, tuple(row)) for row in theta.tolist()))
    per = len(theta) // len(waves)  # cosine and sine of a wave
    amplitudes = torch.cat([torch.full((per,), v, dtype=torch.float64) for v in (size, -size, 0.7)])
    e = model.expression(amplitudes.tolist())
    conditions = [pk.Initial(u, e.subs(t, 0)), *(pk.Dirichlet(u, e.subs(x, v), on=f"x_{n}") for n, v in
                                                 (("min", 0), ("max", 1)))]  # fmt: skip
    problem = pk.Problem("cancelling", u, equation, box, conditions)
    off = amplitudes + torch.tensor([0.0] * 2 * per + [1e-10] * per, dtype=torch.float64)
    return pk.Solution(pk.Model(problem, model, False, frozenset({"pde"})), off, pk.Points({})), e


@pytest.mark.parametrize("size", [1e3, 1e9])
def test_the_closed_form_obeys_the_bound_and_its_evaluation_adds_what_is_said(size):
    solution, truth = cancelling(size)
    found, said = pk.certify(solution, enclosed=True), evaluation_error(solution)
    assert found.rigorous and f"{said:.0e}" in found.evaluation and "closed form" in found.evaluation
    X = solution.problem.domain.sample(60, method="random", seed=3).double()
    form, true = exactly(solution.network.expression(solution.theta.tolist()), X), exactly(truth, X)
    computed = [mpmath.mpf(v) for v in solution(X)[:, 0].tolist()]
    with mpmath.workdps(60):
        assert max(abs(a - b) for a, b in zip(form, true, strict=True)) <= found["sup"]
        added = max(abs(a - b) for a, b in zip(computed, form, strict=True))
        assert said / 1000 <= added <= said
    assert size < 1e6 or added > 1e-8  # large terms cancel: far above the rounding of values


def test_the_evaluation_of_a_cole_hopf_map_is_estimated():
    problem = pk.Problem(
        "viscous", u, u.diff(t) + u * u.diff(x) - u.diff(x, 2) / 10, pk.Box(x=(-1, 1), t=(0, sp.Rational(1, 2))),
        [pk.Initial(u, -sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    solution = pk.solve_lie(problem, tolerance=1e-3)
    X = problem.domain.sample(10, method="random", seed=3).double()
    form = exactly(solution.network.expression(solution.theta.tolist()), X)
    added = max(abs(float(a - b)) for a, b in zip(solution(X)[:, 0].tolist(), form, strict=True))
    assert added <= evaluation_error(solution) < 1e-10
    net = pk.MLP(2, 4, 1)
    other = pk.Solution(pk.Model(problem, net, False), net.initial(problem.domain, 0), pk.Points({}))
    with pytest.raises(ValueError, match="is no superposition"):
        evaluation_error(other)
