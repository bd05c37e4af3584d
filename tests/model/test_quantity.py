"""Functionals: their values, gradients against finite differences, and refusals."""

from dataclasses import replace

import pytest
import sympy as sp
import torch
from trained import functionals

import pinnkit as pk
from pinnkit.model.quantity.base import curve_of


def test_functionals_have_the_gradients_of_their_values(solution):
    v = torch.randn(len(solution.theta), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-6
    up, down = (replace(solution, theta=solution.theta + s * step * v) for s in (1, -1))
    for f in functionals(solution):
        values, gradients = f.linearise(solution)
        assert values.shape == (len(f.names),) and gradients.shape == (len(f.names), len(v))
        slope = (f.linearise(up)[0] - f.linearise(down)[0]) / (2 * step)
        torch.testing.assert_close(gradients @ v, slope, rtol=1e-5, atol=1e-7)


def test_functionals_have_the_values_they_say(burgers):
    theta, X = burgers.theta, torch.tensor([[0.2, 0.3], [0.2, 0.9]], dtype=torch.float64)
    torch.testing.assert_close(pk.at("u", t=[0.3, 0.9], x=0.2).linearise(burgers)[0], burgers(X)[:, 0])
    assert float(pk.Loss().linearise(burgers)[0]) == pytest.approx(float(burgers.stack.losses(theta).sum()))
    assert float(pk.Error().linearise(burgers)[0]) == pytest.approx(burgers.errors()["u"]["relative_l2"])
    x, t = burgers.problem.variables
    exact = pk.integral(burgers.problem, x**2 * t, n=2048).linearise(burgers)[0]
    assert float(exact) == pytest.approx(1 / 3, rel=1e-3)
    line = pk.integral(burgers.problem, x**2 + t, n=2048, t=0.5).linearise(burgers)[0]
    assert float(line) == pytest.approx(5 / 3, 1e-3)
    n_x = sp.Symbol("n_x", real=True)
    assert float(pk.integral(burgers.problem, n_x * x, "x", n=64).linearise(burgers)[0]) == pytest.approx(2.0)


def test_functionals_refuse_with_a_sentence(burgers, system):
    for f, sentence in [
        (pk.at("w", x=0.0, t=0.0), "the fields are u"), (pk.at("u", x=0.0), "a point of burgers has x, t"),
        (pk.Loss(term="no"), "the terms are"), (pk.Unknown("D"), "unknown coefficients are none"),
        (pk.Error("v"), "the fields are u"), (pk.Field(sp.Symbol("q"), torch.zeros(1, 2)), "contains q"),
        (pk.Function("two", lambda f: f, [pk.at("u", x=[0.1, 0.2], t=0.0)]), "expected one number"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=sentence):
            f.linearise(burgers)
    with pytest.raises(ValueError, match="no reference"):
        pk.Error().linearise(system)
    with pytest.raises(TypeError, match="expected a functional"):
        pk.Influence(burgers).attribute("u")
    with pytest.raises(ValueError, match="no functional"):
        pk.Influence(burgers).attribute([])
    with pytest.raises(ValueError, match="no coordinate"):
        pk.integral(burgers.problem, 1, z=0.0)


def test_inherited_methods_check_what_they_are_given(burgers):
    with pytest.raises(TypeError, match="curve: solution is 3: expected a pinnkit.Solution"):
        pk.Unknown("a").curve(3)
    with pytest.raises(TypeError, match="residuals: domain is 3: expected a domain"):
        pk.Dirichlet(burgers.problem.fields[0], 0).residuals(3)
    with pytest.raises(ValueError, match="expected vectors over the rows, .K, 100"):
        burgers.stack.by_key(torch.tensor(3.0))


def test_classes_that_subclass_nothing_are_functionals_with_the_same_effects(burgers):
    class Plain:
        def __init__(self, of):
            self.of, self.names = of, of.names

        def linearise(self, solution):
            return self.of.linearise(solution)

    class Curved(Plain):
        def curve(self, solution):
            return self.of.curve(solution)

    influence, loss = pk.Influence(burgers, "gauss-newton", 1e-3), pk.Loss()
    expected = influence.attribute(loss).joint["pde"]
    assert torch.equal(influence.attribute(Curved(loss)).joint["pde"], expected)
    linear = influence.attribute(Plain(loss)).joint["pde"]
    assert not torch.equal(linear, expected) and curve_of(Plain(loss), burgers) is None
    assert curve_of(pk.at("u", x=0.2, t=0.5), burgers) is None
