"""Certificates: intervals, Taylor enclosures, theorems, and bounds against true errors."""

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.certificate.bounds import Misfits, Norm, Setting, bounds, setting, weights
from pinnkit.certificate.enclosure import norms
from pinnkit.certificate.interval import Interval
from pinnkit.certificate.series import enclose
from pinnkit.superpose.modes import travelling
from pinnkit.superpose.network import Superposition
from pinnkit.superpose.operator import operator

x, y, t = pk.coordinates("x y t")
u = pk.field("u", x, t)
finite = st.floats(-8, 8, allow_subnormal=False)


def interval(a, b):
    return Interval(np.array([min(a, b)]), np.array([max(a, b)]))


@settings(max_examples=60, deadline=None)
@given(finite, finite, finite, finite, st.floats(0, 1), st.floats(0, 1))
def test_intervals_hold_what_exact_arithmetic_finds(a, b, c, d, p, q):
    X, Y = interval(a, b), interval(c, d)
    with mpmath.workdps(50):
        v = mpmath.mpf(float(X.low[0])) + mpmath.mpf(p) * (mpmath.mpf(float(X.high[0])) - mpmath.mpf(float(X.low[0])))
        w = mpmath.mpf(float(Y.low[0])) + mpmath.mpf(q) * (mpmath.mpf(float(Y.high[0])) - mpmath.mpf(float(Y.low[0])))
        pairs = [(X + Y, v + w), (X - Y, v - w), (X * Y, v * w), (X.exp(), mpmath.exp(v)), (X.sin(), mpmath.sin(v))]
        pairs += [(X.cos(), mpmath.cos(v)), (X.tanh(), mpmath.tanh(v)), (X.erf(), mpmath.erf(v))]
        pairs += [(X.erfc(), mpmath.erfc(v)), (X.divided(3.0), v / 3)]
        pairs += [(X.reciprocal(), 1 / v)] if X.low[0] > 0 else []
        pairs += [(X.power(0.5), mpmath.sqrt(v)), (X.log(), mpmath.log(v))] if X.low[0] > 0 else []
        for found, exact in pairs:
            assert mpmath.mpf(float(found.low[0])) <= exact <= mpmath.mpf(float(found.high[0]))


@pytest.mark.parametrize(
    "e",
    [
        sp.exp(-3 * x) * sp.sin(5 * x) + x**3, sp.tanh(4 * x - 1), sp.erf(x / 3) * sp.cosh(x),
        sp.erfc(2 * x) * sp.sqrt(x + 1), 1 / (1 + x**2),
        sp.log(2 + x) / (3 - x), sp.sinh(x) * sp.cos(x) ** 2, sp.Max(x - sp.Rational(1, 4), 0) ** 2,
    ],
)  # fmt: skip
def test_taylor_coefficients_are_enclosed(e):
    order, at = 6, 0.375
    low, high = (np.zeros((order, 1)) for _ in range(2))
    low[0] = high[0] = at
    low[1] = high[1] = 1.0
    found = enclose(e, {x: Interval(low, high)})
    for k in range(order):
        exact = float((e.diff(x, k) if k else e).subs(x, sp.Rational(3, 8)).evalf(30) / math.factorial(k))
        if k < len(found.low):
            assert found.low[k, 0] - 1e-15 <= exact <= found.high[k, 0] + 1e-15
            assert found.high[k, 0] - found.low[k, 0] < 1e-10


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 40), st.floats(-2, 2), st.floats(0.1, 0.9))
def test_enclosed_norms_hold_and_are_tight(k, a, m):
    e = a * sp.sin(k * x) + sp.exp(-(((x - m) * 10) ** 2)) - sp.tanh(20 * (x - m)) / 3
    found = norms(e, x, (0.0, 1.0), {})
    s = np.linspace(0, 1, 20_001)
    values = sp.lambdify(x, e)(s)
    assert np.abs(values).max() <= found.norm.sup <= 1.1 * np.abs(values).max()
    true = math.sqrt(np.trapezoid(values**2, s))
    assert true * (1 - 1e-6) <= found.norm.l2 <= 1.2 * true


def random_problem(kind, d, seed):
    """A problem with a closed-form solution, and another exact solution of its equation as an approximation."""
    rng = np.random.default_rng([seed, d, len(kind)])
    names, number = ("x", "y")[:d], float(rng.uniform(0.1, 2))
    variables = pk.coordinates(" ".join((*names, "t")))
    field, order = pk.field("u", *variables), 1 if kind == "heat" else 2
    box = pk.Box(**{n: (0.0, float(rng.uniform(0.5, 2))) for n in names}, t=(0.0, float(rng.uniform(0.1, 2))))
    laplace = sum(field.diff(s, 2) for s in variables[:-1])
    equation = field.diff(variables[-1], order) - (number if kind == "heat" else number**2) * laplace
    still = [*(pk.Initial(field, 0, order=k) for k in range(order)), pk.Dirichlet(field, 0)]
    pairs = []
    for _ in range(int(rng.integers(1, 4))):
        wave = 1j * rng.normal(size=d) * rng.choice([1.0, 4.0])
        square = complex((wave * wave).sum())
        pairs.append((wave, number * square if kind == "heat" else number * np.sqrt(square + 0j)))
    family, theta = travelling(operator(pk.Problem("p", field, equation, box, still)), box, pairs)
    network = Superposition((family,), tuple((0, tuple(row)) for row in theta.tolist()))
    theta0, other = rng.normal(size=(2, len(theta)))
    exact = network.expression(other.tolist())
    conditions = [pk.Initial(field, exact.diff(variables[-1], k).subs(variables[-1], 0), order=k) for k in range(order)]
    for i, s in enumerate(variables[:-1]):
        for end, value in (("min", box.lower[i]), ("max", box.upper[i])):
            conditions.append(pk.Dirichlet(field, exact.subs(s, value), on=f"{names[i]}_{end}"))
    problem = pk.Problem(kind, field, equation, box, conditions, reference=pk.Exact({field: exact}))
    import torch

    model = pk.Model(problem, network, False, frozenset({"pde"}))
    return pk.Solution(model, torch.as_tensor(theta0), pk.Points({}))


@settings(max_examples=16, deadline=None)
@given(st.sampled_from([("heat", 1), ("heat", 2), ("wave", 1), ("wave", 2)]), st.integers(0, 10**6))
def test_bounds_hold(kind, seed):
    found = pk.certify(random_problem(*kind, seed))
    for b in found.bounds:
        assert found.errors[b.norm] <= b.value * (1 + 1e-9), b


@pytest.mark.parametrize("kind, seed", [("heat", 3), ("wave", 4)])
def test_enclosed_bounds_hold_and_lie_above_the_sampled_ones(kind, seed):
    solution = random_problem(kind, 1, seed)
    sampled, enclosed = pk.certify(solution), pk.certify(solution, enclosed=True)
    assert enclosed.rigorous and not sampled.rigorous
    for b in enclosed.bounds:
        assert max(enclosed.errors[b.norm], sampled[b.norm] * (1 - 1e-3)) <= b.value <= 1.3 * sampled[b.norm]


def test_constants_of_the_theorems_are_reached_or_nearly():
    heat = Setting("heat", 2.0, (1.0,), 0.3)
    none = Norm()
    start = Misfits(Norm(1.0, math.sqrt(0.5)), none, ((none, none),), none)  # e0 = sin(pi x)
    by_norm = {b.norm: b.value for b in bounds(heat, start)}
    rate = 2 * math.pi**2
    assert by_norm["L2(Q)"] == pytest.approx(math.sqrt(0.5 * (1 - math.exp(-0.6 * rate)) / (2 * rate)))
    assert by_norm["L2(T)"] == pytest.approx(math.sqrt(0.5) * math.exp(-0.3 * rate))
    source = Misfits(none, none, ((none, none),), Norm(1.0, math.sqrt(0.3)))  # a source 1, steady state x(1-x)/4
    assert {b.norm: b.value for b in bounds(heat, source)}["sup"] == pytest.approx(1 / 16)
    wave = Setting("wave", 3.0, (2.0,), 5.0)
    start = Misfits(none, Norm(1.0, 1.0), ((none, none),), none)
    assert {b.norm: b.value for b in bounds(wave, start)}["L2(t)"] == pytest.approx(2 / (3 * math.pi))


def test_the_loss_bounds_the_error():
    solution = pk.solve_lie(pk.problem("heat", initial="gauss"), tolerance=1e-3)
    loss = float(solution.stack.losses(solution.theta).sum())
    bound = pk.certify(solution)["L2(Q)"]
    assert set(weights(solution.problem)) == set(solution.term_weights)
    assert bound <= math.sqrt(3 * loss) * 1.01 + 1e-12
    assert pk.certify(solution).errors["L2(Q)"] <= bound


def test_a_network_is_certified_with_its_residual():
    problem = pk.problem("heat", initial="gauss")
    solution = pk.solve(
        problem, pk.MLP(2, 8, 8, 1), {"pde": 200}, stages=[pk.SSBroyden(60)], progress=False, resample=None
    )
    found = pk.certify(solution)
    assert found.misfits.residual.sup > 0
    assert all(found.errors[b.norm] <= b.value for b in found.bounds)
    assert "sampled" in str(found) and "maximum principle" in str(found)
    with pytest.raises(ValueError, match="only a superposition"):
        pk.certify(solution, enclosed=True)


def refused(equation, *conditions, box=None):
    return pk.Problem("p", u, equation, box or pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, x), *conditions])


@pytest.mark.parametrize(
    "problem, why",
    [
        (refused(u.diff(t) + u * u.diff(x) - u.diff(x, 2), pk.Dirichlet(u, 0, on="x")), "not linear"),
        (refused(u.diff(t) - u.diff(x, 2), pk.Neumann(u, 0, on="x")), "only Dirichlet"),
        (refused(u.diff(t) - u.diff(x, 2) + u, pk.Dirichlet(u, 0, on="x")), "the theorems are for"),
        (refused(u.diff(t) - x * u.diff(x, 2), pk.Dirichlet(u, 0, on="x")), "the theorems are for"),
    ],
)
def test_what_has_no_theorem_is_refused(problem, why):
    with pytest.raises(ValueError, match=why):
        setting(problem)
    assert weights(problem) == {}
