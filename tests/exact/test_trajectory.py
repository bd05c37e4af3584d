"""Trajectories and primitives in closed form, against their differential equations and a numerical integration."""

import pytest
import sympy as sp
import torch

from pinnkit.exact.lie.antiderivative import integral, matrix_exponential
from pinnkit.exact.lie.generator import Generator
from pinnkit.exact.lie.numerical_flow import NumericalFlow
from pinnkit.exact.lie.trajectory import trajectory

x, t, u, s, a, b = sp.symbols("x t u s a b", real=True)
AT = {x: sp.Rational(2, 5), t: sp.Rational(7, 10), u: sp.Rational(3, 5), a: sp.Rational(4, 5), b: sp.Rational(1, 2)}
HALF = sp.Rational(1, 2)

FIELDS = {
    "constant": {x: a, t: sp.S.One, u: b},
    "scaling": {x: x, t: 2 * t, u: -u},
    "rotation": {x: a * t, t: -a * x, u: u},
    "boost": {x: t, t: b * x, u: x * u},
    "shear": {x: t, t: sp.S.One, u: x * u},
    "affine": {x: t + a, t: x + b, u: sp.S.Zero},
    "projective": {x: 4 * a * t * x, t: 4 * a * t**2, u: -(x**2 + 2 * a * t) * u},
    "conformal": {x: x**2 - t**2, t: 2 * x * t, u: -x * u},
    "quadratic": {x: 1 + x**2, t: a - b * t**2, u: u**2},
    "exponential": {x: sp.exp(-t) * x, t: sp.S.One, u: sp.exp(t) * u},
    "waves": {x: sp.cos(2 * x), t: b * sp.cos(t) - sp.sin(t), u: -sp.sin(2 * x) * u},
    "powers": {x: x ** sp.Rational(3, 2), t: a * sp.sqrt(t), u: u**-2},
    "exponent of itself": {x: a * sp.exp(-2 * x), t: sp.S.One, u: sp.exp(-2 * x) * u},
    "moving roots": {x: sp.sqrt(t) * x, t: 2 * t ** sp.Rational(3, 2), u: x / sp.sqrt(t) - 2 * sp.sqrt(t) * u},
    "commuting matrices": {x: sp.exp(-u) * t + x, t: t - sp.exp(-u) * x, u: sp.S.One},
}


@pytest.mark.parametrize("name", FIELDS)
def test_trajectories_solve_their_equations(name: str) -> None:
    field = FIELDS[name]
    found = trajectory(field, s)
    assert found is not None
    assert all(sp.simplify(d.subs(s, 0) - 1) == 0 for d in found.domain)
    now = sp.Rational(1, 7)
    assert all(d.subs(AT).subs(s, now) > 0 for d in found.domain)
    moved = {z: sp.sympify(e).subs(AT).subs(s, now).evalf(30) for z, e in found.values.items()}
    for z, e in found.values.items():
        assert abs(e.subs(AT).subs(s, 0).evalf(30) - AT[z]) < 1e-25
        speed = field[z].subs(AT | moved, simultaneous=True).evalf(30)
        assert abs(sp.diff(e, s).subs(AT).subs(s, now).evalf(30) - speed) < 1e-20 * (1 + abs(speed)), z
    flow = NumericalFlow(Generator((x, t, u), (), tuple(field.values()), ()), {a: 0.8, b: 0.5}, steps=2)
    there = flow.point(torch.tensor([float(AT[z]) for z in (x, t, u)], dtype=torch.float64), float(now))
    assert max(abs(float(moved[z]) - float(w)) for z, w in zip((x, t, u), there, strict=True)) < 1e-13


def test_no_closed_form_is_said() -> None:
    assert trajectory({x: x**3 + x + 1}, s) is None
    assert trajectory({x: t**2 * x, t: sp.exp(-(t**2))}, s) is None


INTEGRANDS = [
    a * s**2 + b, 1 / (1 + a * s), s**2 / (1 + a * s) ** 3, (2 * s + a) / (1 + a * s + s**2), sp.exp(a * s) * s,
    sp.tanh(a * s), 1 / sp.cosh(a * s) ** 2, sp.sin(a * s) * b, x / (1 - s * sp.sqrt(x)) ** 2,
    t**HALF / (x ** sp.Rational(1, 3) + s), sp.exp(s) / (1 + sp.exp(s)),
]  # fmt: skip


@pytest.mark.parametrize("f", INTEGRANDS)
def test_integrals_vanish_at_0_and_have_the_integrand_for_derivative(f: sp.Expr) -> None:
    found = integral(f, s)
    at, now = AT | {x: sp.Rational(9, 10)}, sp.Rational(1, 3)
    assert abs(found.value.subs(at).subs(s, 0).evalf(30)) < 1e-25
    assert abs((sp.diff(found.value, s) - f).subs(at).subs(s, now).evalf(30)) < 1e-25
    assert abs((found.exponential - sp.exp(found.value)).subs(at).subs(s, now).evalf(30)) < 1e-25
    assert all(sp.simplify(h.subs(s, 0) - 1) == 0 for h in found.domain)


def test_what_is_singular_at_0_has_no_integral() -> None:
    assert integral(1 / s, s) is None
    assert integral(1 / (s * (1 + s)), s) is None
    assert integral(sp.exp(-1 / s), s) is None


@pytest.mark.parametrize(
    "rows",
    [
        [[a, 0], [0, b]], [[0, a], [0, 0]], [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, a], [0, 0, 0, 0]], [[0, a], [-b, 0]],
        [[0, 1, 2], [-1, 0, a], [-2, -a, 0]], [[b, 1], [1, b]], [[1, a], [0, 1]],
    ],
)  # fmt: skip
def test_matrix_exponentials(rows: list) -> None:
    N = sp.Matrix(rows)
    E = matrix_exponential(N, s)
    assert E.subs(s, 0).applyfunc(sp.simplify) == sp.eye(N.rows)
    at = AT | {s: sp.Rational(1, 3)}
    assert max(abs(e) for e in (E.diff(s) - N * E).subs(at).evalf(30)) < 1e-25


def test_matrices_with_different_rates_have_no_simple_exponential() -> None:
    assert matrix_exponential(sp.Matrix([[0, 1, 0], [0, 0, 1], [1, 2, a]]), s) is None
