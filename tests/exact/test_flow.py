"""Flows: the group law, solutions moved to solutions, domains, numerical flows."""

import random

import numpy as np
import pytest
import sympy as sp
import torch
from lie_found import flows, found
from lie_residual import residual

import pinnkit as pk
from benchmarks.lie.lie_defects import defects
from benchmarks.lie.lie_equations import system
from pinnkit.exact.lie.interval_range import interval_range

LINEAR = [
    "heat 1D", "heat 2D", "wave 1D", "Laplace 2D", "Helmholtz 2D", "Klein-Gordon", "Airy (linear KdV)",
    "Euler-Bernoulli beam", "telegraph", "advection-diffusion", "Black-Scholes", "Ornstein-Uhlenbeck",
    "free Schroedinger",
]  # fmt: skip
LINEAR += [
    pytest.param(name, marks=pytest.mark.slow) for name in ("heat 3D", "wave 2D", "Laplace 3D", "coupled diffusion")
]
x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
alpha = sp.Symbol("alpha")


@pytest.mark.parametrize("name", LINEAR)
def test_flows_move_solutions_to_solutions(name: str) -> None:
    equations, fields = system(name)
    start = [s for s in pk.seeds(equations, fields, degree=2) if not s.name.startswith("poly")] or pk.seeds(
        equations, fields, degree=2
    )
    assert len(flows(name)) >= 3
    for k, f in enumerate(flows(name)):
        seed = start[k % len(start)]
        solution = dict(zip(fields, f(seed.solution, sp.Float("0.14", 40)), strict=True))
        assert residual(equations, solution, k) < 1e-30, (f.generator, seed)


@pytest.mark.parametrize("name", ["wave 2D", "Fisher-KPP", "KdV", "porous medium u^m", "Liouville", "Euler 2D"])
def test_flows_have_closed_forms(name: str) -> None:
    assert flows(name) and None not in flows(name)


def test_burgers_solutions_move() -> None:
    equations, fields = system("Burgers")
    (field,), nu = fields, sp.Symbol("nu")
    X, T = field.args
    front = 1 - sp.tanh((X - T) / (2 * nu))  # travels with speed 1
    assert residual(equations, {field: front}, 0) < 1e-30
    for k, f in enumerate(flows("Burgers")):
        (moved,) = f([front], sp.Float("0.2", 40))
        assert residual(equations, {field: moved}, k) < 1e-30


@pytest.mark.parametrize("name", ["heat 1D", "Klein-Gordon", "telegraph", "Airy (linear KdV)", "advection-diffusion"])
def test_group_law_and_residual_in_double_precision(name: str) -> None:
    """T^a T^b = T^(a + b) on seeds, and moved seeds solve the equation, both to 1e-12 of their terms."""
    (equation,), (field,) = system(name)
    free = sorted(equation.free_symbols - set(field.args), key=str)
    numbers = {s: sp.Rational(7 + k, 10) for k, s in enumerate(free)}
    start = next(s for s in pk.seeds([equation], [field], degree=2) if s.parameters and not s.domain)
    seed = [e.subs(numbers).subs(dict.fromkeys(start.parameters, sp.Rational(3, 5))) for e in start.solution]
    X = torch.rand(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).numpy()
    for v, f in zip(found(name), flows(name), strict=True):
        f = f.subs(numbers)
        (once,), (twice,) = f(seed, 0.07), f(f(seed, 0.03), 0.04)
        a, b = (np.broadcast_to(sp.lambdify(field.args, e, "numpy")(*X), X[0].shape) for e in (once, twice))
        assert (abs(a - b) <= 1e-12 * abs(a).max()).all(), v
        terms = [e.subs(field, once).doit() for e in sp.Add.make_args(equation.subs(numbers).expand())]
        values = np.stack([np.broadcast_to(sp.lambdify(field.args, e, "numpy")(*X), X[0].shape) for e in terms])
        assert (abs(values.sum(0)) <= 1e-12 * abs(values).sum(0).max()).all(), v


@pytest.mark.parametrize(
    "name",
    [
        "harmonic oscillator", "KdV", "fast diffusion u^(-4/3)", "nonlinear wave u^(-4/3)", "Harry Dym", "Boussinesq",
        "cubic Klein-Gordon",
    ],
)  # fmt: skip
def test_flows_of_systems_and_nonlinear_equations_in_double_precision(name: str) -> None:
    for v, f, worst in defects(name, found(name)[-3:]):
        assert f is not None and worst.inside > 20, v
        assert worst.residual <= 1e-12 and worst.law <= 1e-12, v


def test_projective_flow_makes_the_heat_kernel() -> None:
    f = flows("heat 1D")[4]
    a = f.parameter
    h = 1 + 4 * alpha * a * t
    (moved,) = f([sp.S.One])
    expected = sp.exp(-a * x**2 / h) / sp.sqrt(h)
    at = {x: 0.3, t: 0.2, a: 0.7, alpha: 1.1}
    assert abs(float((moved - expected).subs(at))) < 1e-15
    low, high = f.subs({alpha: 1}).interval({x: (0, 1), t: (0, sp.Rational(1, 10))})
    assert high == 1e6 and -2.5 < low < -2.49
    with pytest.raises(ValueError, match="give its value"):
        f.interval({x: (0, 1), t: (0, 1)})


def test_enclosures_enclose() -> None:
    from mpmath import iv

    e = sp.exp(-x * t) * sp.sin(x) + sp.sqrt(1 + x**2) / (2 + t) - sp.cosh(t) + sp.pi
    box = {x: iv.mpf([0.2, 0.4]), t: iv.mpf([-0.1, 0.3])}
    whole = interval_range(e, box)
    dice = random.Random(1)
    for _ in range(50):
        value = float(e.subs({x: dice.uniform(0.2, 0.4), t: dice.uniform(-0.1, 0.3)}))
        assert whole.a <= value <= whole.b
    with pytest.raises(ValueError, match="interval arithmetic"):
        interval_range(sp.erf(x), box)


def test_numerical_flows_agree_with_closed_ones() -> None:
    X = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def start(X: torch.Tensor) -> torch.Tensor:
        return torch.exp(-X[:, :1] + X[:, 1:])

    for v, f in zip(found("heat 1D"), flows("heat 1D"), strict=True):
        closed = f.subs({alpha: 1})
        exact = pk.Exact({u: closed([sp.exp(-x + t)], sp.Rational(3, 10))[0]})
        numerical = pk.NumericalFlow(v, {alpha: 1.0}, steps=2)
        assert torch.allclose(numerical(start, 0.3)(X), exact(X), rtol=1e-12, atol=1e-13)
        there = numerical(numerical(start, 0.1), 0.2)(X)
        assert torch.allclose(there, numerical(start, 0.3)(X), rtol=1e-12, atol=1e-13)


def test_numerical_flows_keep_solutions_and_have_derivatives() -> None:
    flow = pk.NumericalFlow(found("harmonic oscillator")[5], steps=1)

    def ground(X: torch.Tensor) -> torch.Tensor:  # exp(-x^2/2 - i t/2)
        size = torch.exp(-(X[..., 0] ** 2) / 2)
        return torch.stack([size * torch.cos(X[..., 1] / 2), -size * torch.sin(X[..., 1] / 2)], -1)

    def field(point: torch.Tensor) -> torch.Tensor:
        return flow(lambda X: ground(X), 0.2)(point[None])[0]

    in_x, in_t = torch.eye(2, dtype=torch.float64)
    for point in torch.rand(1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)):
        (p, q), (p_t, q_t) = torch.func.jvp(field, (point,), (in_t,))
        _, (p_xx, q_xx) = torch.func.jvp(lambda X: torch.func.jvp(field, (X,), (in_x,))[1], (point,), (in_x,))
        assert abs(p_t + q_xx / 2 - point[0] ** 2 * q / 2) < 1e-12
        assert abs(q_t - p_xx / 2 + point[0] ** 2 * p / 2) < 1e-12


def test_what_has_no_group_of_functions_is_refused() -> None:
    hodograph = [v for v in found("Hamilton-Jacobi") if not v.projectable]
    assert hodograph
    with pytest.raises(ValueError, match="values of the fields"):
        pk.flow(hodograph[0])
    with pytest.raises(ValueError, match="values of the fields"):
        pk.NumericalFlow(hodograph[0])
    v = found("heat 1D")[3]
    with pytest.raises(ValueError, match="needs a value for alpha"):
        pk.NumericalFlow(v)
