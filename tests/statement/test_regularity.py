"""Where expressions and callables are not smooth: order, surface and jump against what they were made from."""

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.statement.singular.one_sided import breaks
from pinnkit.statement.singular.regularity import order, singularities
from pinnkit.statement.symbolic.torch_program import function

x, y, t = pk.coordinates("x y t")
a = sp.Symbol("a", real=True)
LINE, PLANE = pk.Box(x=(-1, 1)), pk.Box(x=(-1, 1), t=(0, 1))
third = sp.Rational(1, 3)


def facts(e, variables=(x,), domain=LINE, parameters=None):
    """(order, surface, jump) of every singularity."""
    return [(s.order, s.surface, s.jump) for s in singularities(e, variables, domain, parameters)]


@pytest.mark.parametrize(
    ("e", "expected"),
    [
        (sp.Abs(x), [(1, x, 2)]),
        (sp.Max(x - third, 0), [(1, x - third, 1)]),
        (sp.Min(2 * x, 1 - 2 * x), [(1, x - sp.Rational(1, 4), -4)]),
        (sp.Max(x, -2), []),
        (x * sp.Abs(x), [(2, x, 4)]),
        (sp.Abs(x) ** 2, []),
        (sp.cos(sp.Abs(x)), []),
        (sp.exp(-sp.Abs(x)), [(1, x, -2)]),
        (sp.Heaviside(x - third) * sp.exp(x), [(0, x - third, sp.exp(third))]),
        (sp.sign(x) * x**3, [(3, x, 12)]),
        (sp.Piecewise((x**2, x < 0), (0, True)), [(2, x, -2)]),
        (sp.Piecewise((sp.sin(x), x < 0), (x - x**3 / 6, True)), [(5, x, -1)]),
        (sp.floor(2 * x), [(0, x - sp.S.Half, 1), (0, x, 1), (0, x + sp.S.Half, 1)]),
        (sp.Mod(x, 1), [(0, x, -1)]),
        (sp.Abs(sp.Abs(x) - third), [(1, x, -2), (1, x + third, 2), (1, x - third, 2)]),
        (sp.DiracDelta(2 * x - 1) * sp.cos(x), [(-1, x - sp.S.Half, sp.cos(sp.S.Half) / 2)]),
        (sp.DiracDelta(1 - 3 * x, 1), [(-2, x - third, sp.Rational(-1, 9))]),
        (x * sp.DiracDelta(x), []),
        (x * sp.DiracDelta(x, 1), [(-1, x, -1)]),
        (sp.DiracDelta(x, 1), [(-2, x, 1)]),
        (sp.Abs(x).diff(x), [(0, x, 2)]),
        (sp.Abs(x).diff(x, 2), [(-1, x, 2)]),
    ],
)
def test_on_a_line(e, expected):
    found = facts(e)
    assert {f[:2] for f in found} == {f[:2] for f in expected} and len(found) == len(expected)
    jumps = {f[:2]: f[2] for f in expected}
    assert all(sp.simplify(j - jumps[k, s]) == 0 for k, s, j in found)


@pytest.mark.parametrize(
    ("e", "places", "jump"),
    [
        (sp.Abs(sp.sin(2 * sp.pi * x)), [-sp.S.Half, 0, sp.S.Half], 4 * sp.pi),
        (sp.Max(sp.exp(x) - 2, 0), [sp.log(2)], 2),
        (sp.Abs(x**2 - sp.Rational(1, 9)), [-third, third], sp.Rational(4, 3)),
    ],
)
def test_zeros_of_a_curve_are_places(e, places, jump):
    """|f(x)| kinks where f = 0: a rational zero is found as one, another to rounding; the jump is 2 |f'| or so."""
    found = singularities(e, (x,), LINE)
    for s, place in zip(sorted(found, key=lambda s: s.at), places, strict=True):
        (name, at), rational = s.place((x,)), sp.sympify(place).is_rational
        assert name == x and s.order == 1 and (at == place if rational else abs(at - place) < 1e-14)
        assert abs(s.jump - jump) < 1e-12


def test_in_the_plane():
    assert facts(sp.Max(x - t, 0), (x, t), PLANE) == [(1, x - t, sp.sqrt(2))]
    assert {f[:2] for f in facts(sp.Max(x, t, sp.S.Half), (x, t), PLANE)} == {
        (1, x - t), (1, x - sp.S.Half), (1, t - sp.S.Half),
    }  # fmt: skip
    ((level, surface, jump),) = facts(sp.Abs(x**2 + t**2 - third), (x, t), PLANE)
    assert level == 1 and sp.expand(surface - x**2 - t**2 + third) == 0
    on = {x: sp.sqrt(third) * sp.cos(1), t: sp.sqrt(third) * sp.sin(1)}
    assert abs(float(jump.subs(on)) - 4 * 3**-0.5) < 1e-12  # 2 |grad (x^2 + t^2)|
    assert facts(t * sp.Max(x, 0), (x, t), PLANE) == [(1, x, t)]


def test_only_what_lies_inside_counts():
    assert facts(sp.Max(x, 0), domain=pk.Box(x=(0, 1))) == []
    assert facts(sp.Abs(x - a), domain=LINE, parameters={"a": 2.0}) == []
    assert facts(sp.Abs(x - a), domain=LINE, parameters={"a": 0.25}) == [(1, x - a, 2)]
    assert facts(sp.Abs(x - a), domain=None) == [(1, x - a, 2)]
    assert facts(sp.Max(x + t - 3, 0), (x, t), PLANE) == []
    assert order(sp.Abs(x) + sp.sign(x), (x,)) == 0 and order(sp.sin(x), (x,)) is None


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ValueError, match="more than 64"):
        singularities(sp.floor(1000 * x), (x,), LINE)
    with pytest.raises(ValueError, match="jumps where the mass is"):
        singularities(sp.Heaviside(x) * sp.DiracDelta(x), (x,), LINE)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    st.integers(0, 5), st.fractions(-1, 1, max_denominator=20).filter(lambda f: abs(f) < 1),
    st.integers(-3, 3).filter(bool), st.lists(st.integers(-4, 4), min_size=1, max_size=4),
)  # fmt: skip
def test_a_ramp_of_any_power_is_found_wherever_it_stands(k, at, c, coefficients):
    at = sp.Rational(at.numerator, at.denominator)
    smooth = sum(b * x**i for i, b in enumerate(coefficients))
    ramp = c * (x - at) ** k
    forms = (
        smooth + ramp * sp.Heaviside(x - at),
        sp.Piecewise((smooth, x < at), (smooth + ramp, True)),
        smooth + ramp * (1 + sp.sign(x - at)) / 2,
    )
    for e in forms:
        assert facts(e) == [(k, x - at, c * sp.factorial(k))]
    assert facts(forms[0] - ramp * sp.Heaviside(x - at)) == []
    ((level, surface, jump),) = facts(sp.exp(forms[1] / 8))  # a smooth function of it: the same place and order
    assert (level, surface) == (k, x - at)
    if k:
        assert abs(float(jump - c * sp.factorial(k) / 8 * sp.exp(smooth.subs(x, at) / 8))) < 1e-12 * abs(float(jump))


CALLS = [
    (lambda x: torch.minimum(2 * x, 1 - 2 * x), 1, 0.25, -4),
    (lambda x: torch.where(x < 0.3, x**2, 1 + x), 0, 0.3, 1.21),
    (lambda x: torch.exp(-torch.abs(x - 0.1234567)), 1, 0.1234567, -2),
    (lambda x: torch.sin(9 * x) + torch.relu(x + 0.5) ** 2, 2, -0.5, 2),
    (lambda x: torch.as_tensor(np.interp(x.numpy(), [-1, 0.2, 1], [0, 1, -1])), 1, 0.2, -2.5 - 1 / 1.2),
]


@pytest.mark.parametrize(("call", "level", "place", "jump"), CALLS)
def test_callables_are_judged_by_their_values(call, level, place, jump):
    (found,) = singularities(function(call)(x), (x,), LINE)
    assert found.order == level and abs(float(x - found.surface) - place) < 1e-7
    assert abs(float(found.jump) - jump) < 1e-5 * abs(jump)


@pytest.mark.parametrize("call", [lambda x: torch.tanh(300 * x) + torch.sin(20 * x), lambda x: x**3, torch.ones_like])
def test_steep_callables_are_smooth(call):
    assert singularities(function(call)(x), (x,), LINE) == ()


def test_callables_of_several_coordinates():
    roof = function(lambda x, t: torch.minimum(2 * x, 2 - 2 * x))
    (found,) = singularities(roof(x, t), (x, t), pk.Box(x=(0, 1), t=(0, 1)))
    assert (found.order, found.surface) == (1, x - sp.S.Half) and abs(float(found.jump) + 4) < 1e-6
    (found,) = singularities(function(lambda x, t: torch.relu(x - t / 2) ** 2)(x, t), (x, t), PLANE)
    assert (found.order, found.surface) == (2, x - t / 2) and abs(float(found.jump) - 2.5) < 1e-4
    (found,) = singularities(function(lambda x, t: torch.abs(x**2 + t**2 - 0.5))(x, t), (x, t), PLANE)
    assert found.order == 1 and found.surface is None and abs(found.at[0] ** 2 + found.at[1] ** 2 - 0.5) < 1e-6


def test_a_place_and_its_words():
    ((found,),) = (singularities(sp.Max(2 * x - a, 0), (x,), None),)
    assert found.place((x,)) == (x, a / 2) and "kink" in str(found)
    (oblique,) = singularities(sp.Max(x - t, 0), (x, t), PLANE)
    assert oblique.place((x, t)) is None and str(oblique) == "a kink at x = t"


@pytest.mark.parametrize("place", [0.43, 0.5, 0.61])
def test_a_smooth_layer_of_a_callable_is_no_kink(place: float) -> None:
    """What stands out may lie at the end of what is looked at closely."""
    found = list(breaks(lambda X: np.tanh((X[:, 0] - place) / 0.004), np.array([[0.0, 1.0]])))
    assert not found


def test_a_kink_of_a_callable_is_found_anywhere() -> None:
    for place in (0.105, 0.43, 0.5, 0.61, 0.8999):
        ((order, _, jump, point),) = breaks(lambda X, a=place: abs(X[:, 0] - a), np.array([[0.0, 1.0]]))
        assert order == 1 and jump == pytest.approx(2) and point == pytest.approx((place,), abs=1e-8)
