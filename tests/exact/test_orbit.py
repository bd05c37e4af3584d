"""Seeds and orbits: exact solutions, checked with many digits, evaluated in batches with all derivatives."""

import pytest
import sympy as sp
import torch
from lie_residual import residual

import pinnkit as pk
import problems
from benchmarks.lie.lie_equations import system
from pinnkit.exact.lie.orbit import TOLERANCE, verified

NAMES = [
    "heat 1D", "heat 2D", "wave 1D", "wave 2D", "Laplace 2D", "Helmholtz 2D", "Klein-Gordon", "Airy (linear KdV)",
    "Euler-Bernoulli beam", "telegraph", "advection", "advection-diffusion", "Black-Scholes", "Ornstein-Uhlenbeck",
    "free Schroedinger",
]  # fmt: skip
x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


@pytest.fixture(scope="module")
def heat() -> tuple[pk.Problem, list[pk.Orbit]]:
    problem = problems.heat()
    return problem, pk.orbits(problem)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_solve(name: str) -> None:
    equations, fields = system(name)
    found = pk.seeds(equations, fields, degree=3)
    assert len(found) > 2
    for k, seed in enumerate(found):
        assert residual(equations, dict(zip(fields, seed.solution, strict=True)), k) < 1e-30, seed


def test_heat_seeds_by_name() -> None:
    alpha, k = sp.Symbol("alpha"), sp.Symbol("k", real=True)
    found = {s.solution[0] for s in pk.seeds(u.diff(t) - alpha * u.diff(x, 2), u, degree=4)}
    assert {1, x, x**2 + 2 * alpha * t, x**4 + 12 * alpha * t * x**2 + 12 * alpha**2 * t**2} <= found
    assert sp.exp(-alpha * k**2 * t) * sp.cos(k * x) in found
    assert sp.erf(x / (2 * sp.sqrt(alpha * t))) in found


def test_dispersion_branches_have_conditions() -> None:
    a, c, k = sp.Symbol("a"), sp.Symbol("c"), sp.Symbol("k", real=True)
    found = pk.seeds(u.diff(t, 2) + 2 * a * u.diff(t) - c**2 * u.diff(x, 2), u)
    conditions = {s.domain for s in found}
    assert (c**2 * k**2 - a**2,) in conditions and (a**2 - c**2 * k**2,) in conditions


def test_nonlinear_equations_have_no_seeds() -> None:
    with pytest.raises(ValueError, match="nonlinear"):
        pk.seeds(u.diff(t) + u * u.diff(x), u)
    with pytest.raises(ValueError, match="inhomogeneous"):
        pk.seeds(u.diff(t) - u.diff(x, 2) - 1, u)


def test_orbits_of_heat_contain_the_kernel(heat: tuple[pk.Problem, list[pk.Orbit]]) -> None:
    problem, found = heat
    kernel = [o for o in found if o.name.startswith("constant") and len(o.parameters) == 2]
    assert len(kernel) == 1
    X = problem.sample("pde", 50).X
    theta = torch.tensor([[0.5, 0.3], [20.0, 0.6]], dtype=torch.float64)
    h = 1 + 4 * theta[:, :1] * X[:, 1]
    by_hand = torch.exp(-theta[:, :1] * (X[:, 0] - theta[:, 1:]) ** 2 / h) / h.sqrt()
    assert torch.allclose(kernel[0](X, theta)[..., 0], by_hand, rtol=1e-13)
    assert kernel[0].defined(X, theta).all()
    assert not kernel[0].defined(X, torch.tensor([[-9.0, 0.0]], dtype=torch.float64)).any()


def test_ranges_suit_the_box(heat: tuple[pk.Problem, list[pk.Orbit]]) -> None:
    problem, found = heat
    bounds = dict(zip(problem.variables, zip(problem.domain.lower, problem.domain.upper, strict=True), strict=True))
    X = problem.sample("pde", 64).X
    for orbit in found:
        ranges = orbit.ranges(bounds)
        assert len(ranges) == len(orbit.parameters) and all(low < high for low, high in ranges)
    (kernel,) = [o for o in found if o.name.startswith("constant") and len(o.parameters) == 2]
    (low, high), shift = kernel.ranges(bounds)
    assert -2.5 < low < -2.4 and high == 1e4 and shift == (-1.0, 1.0)
    assert kernel.defined(X, torch.tensor([[low, 0.5], [high, 0.5]], dtype=torch.float64)).all()


def test_rows_and_their_jacobian(heat: tuple[pk.Problem, list[pk.Orbit]]) -> None:
    problem, found = heat
    field = problem.fields[0]
    normal = sp.Symbol("n_x", real=True)
    rows = [field, normal * field.diff(problem.variables[0]) + 3 * field, field.diff(problem.variables[1])]
    X = problem.sample("u on x_min" if "u on x_min" in problem.keys else "initial", 7).X
    values = {problem.variables[0]: X[:, 0], problem.variables[1]: X[:, 1], normal: -torch.ones(7).double()}
    for orbit in found:
        k = len(orbit.parameters)
        theta = 0.3 + 0.5 * torch.rand(3, k, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        if not orbit.defined(X + 0.01, theta).all():
            continue
        values[problem.variables[1]] = X[:, 1] + 0.01
        full = orbit.rows(rows, jacobian=True)(values, theta)
        plain = orbit.rows(rows)
        assert full.shape == (3, 7, 3, 1 + k)
        assert torch.allclose(full[..., 0], plain(values, theta))
        for j in range(k):
            h = torch.zeros(k, dtype=torch.float64)
            h[j] = 1e-6
            slope = (plain(values, theta + h) - plain(values, theta - h)) / 2e-6
            assert torch.allclose(full[..., 1 + j], slope, rtol=1e-6, atol=1e-6 * float(slope.abs().max() + 1))


def test_orbits_keep_to_the_equation(heat: tuple[pk.Problem, list[pk.Orbit]]) -> None:
    problem, found = heat
    equations = [e.subs({s: 1 for s in e.free_symbols if s.name == "alpha"}) for e in problem.equations.values()]
    X = problem.sample("pde", 64, seed=3).X
    assert len(found) > 8
    assert all(verified(orbit, equations, X, seed=4) for orbit in found)
    wrong = pk.Orbit("wrong", (problem.fields[0],), (sp.exp(problem.variables[0] - problem.variables[1]),))
    assert float(wrong.residual(equations, X, torch.zeros(1, 0, dtype=torch.float64))) > TOLERANCE
    with pytest.raises(ArithmeticError, match="residual"):
        verified(wrong, equations, X)


def test_orbits_of_the_wave_equation() -> None:
    found = pk.orbits(problems.wave1d(), degree=2)
    pairs = [o for o in found if o.name.startswith("Gaussian pair")]
    assert len(pairs) == 1 and len(pairs[0].parameters) == 3
    assert r"\theta" in pairs[0].latex()
