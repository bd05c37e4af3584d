"""Normal forms: maps from the heat equation, put into the equation they are for, exactly and in many digits."""

import re

import mpmath
import pytest
import sympy as sp
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pinnkit.exact.lie.heat_normal_form import NormalForm, normal_forms

x, t = sp.symbols("x t", real=True)
third = sp.Rational(1, 3)
RIGHT = (1, 0), (2, 1)  # lower and upper corner
AROUND = (-3, 0), (3, 1)


def forms(a, b, c, box=RIGHT):
    found, why = normal_forms(sp.sympify(a), sp.sympify(b), sp.sympify(c), (x, t), box)
    assert bool(found) != bool(why)
    return found


def left(form, v, a, b, c):
    """What the equation leaves of the map of v."""
    u = form(v)
    return sp.simplify((u.diff(t) - a * u.diff(x, 2) - b * u.diff(x) - c * u) / sp.exp(form.gauge))


def test_black_scholes_is_the_heat_equation_in_the_logarithm():
    sigma, r = sp.Rational(3, 10), sp.Rational(1, 20)
    a, b, c = sigma**2 * x**2 / 2, r * x, -r
    (form,) = forms(a, b, c)
    assert sp.exp(form.space).subs(x, 2) == 2 and form.time == sigma**2 * t / 2
    k = r / sigma**2 - sp.Rational(1, 2)  # Black and Scholes' own substitution: x^{-k} e^{-(k^2 sigma^2 / 2 + r) t}
    assert sp.expand(form.gauge.subs({x: 2, t: 3}) + k * sp.log(2) + 3 * (k**2 * sigma**2 / 2 + r)) == 0
    for v in (sp.S.One, x**2 + 2 * t, sp.exp(-(x**2) / (4 * t + 1)) / sp.sqrt(4 * t + 1)):
        assert left(form, v, a, b, c) == 0
    assert left(form, x**2 + t, a, b, c) != 0


def test_ornstein_uhlenbeck_is_the_heat_equation_twice():
    theta, D = third, sp.Rational(2, 7)
    out, inwards = forms(D, theta * x, theta, AROUND)
    assert out.space == x * sp.exp(theta * t) and out.gauge == theta * t
    assert sp.expand(out.time - D * (sp.exp(2 * theta * t) - 1) / (2 * theta)) == 0
    assert inwards.space == x * sp.exp(-theta * t)
    end = D / (2 * theta)  # where that clock stops: Hermite modes are polynomials of the heat equation before it
    mode = x**2 + 2 * (t - end)
    u = sp.simplify(inwards(mode) * sp.exp(theta * x**2 / (2 * D)) * sp.exp(2 * theta * t))
    assert not u.has(t) and u.diff(x, 3) == 0
    for form in (out, inwards):
        assert left(form, x**3 + 6 * x * t, D, theta * x, theta) == 0


@pytest.mark.parametrize(
    "a, b, c, place",
    [
        (1, 0, x, x + t**2),  # a constant force
        (1, 0, t * x, x + t**3 / 3),
        (1, 2 / x, 0, x),  # radial, in space
        (x, sp.Rational(3, 2) - x, 0, 2 * sp.sqrt(x) * sp.exp(t / 2)),  # Cox, Ingersoll and Ross, in three dimensions
        ((1 + t) / 2, x * (1 + t), 1 + t, x * sp.exp(t + t**2 / 2)),  # a heat bath that warms up
        (sp.exp(-2 * x), -sp.exp(-2 * x), 0, sp.exp(x)),
        ((3 - x) ** 2, x - 3, 0, -sp.log(3 - x)),
    ],
)
def test_other_equations(a, b, c, place):
    form, *_ = forms(a, b, c)
    assert sp.simplify(form.space - place) == 0
    assert left(form, x**2 + 2 * t, a, b, c) == 0
    assert form.space.diff(x).subs({x: 1.5, t: 0.5}) > 0 and form.time.subs(t, 0) == 0


def test_a_repelling_potential_has_a_map_for_short_times():
    (form,) = forms(1, 0, x**2 / 4 + x, AROUND)
    at = {x: 0.3, t: 0.7}
    assert max(abs(complex(e.subs(at))) for e in form.defects(sp.S.One, sp.S.Zero, x**2 / 4 + x)) < 1e-14
    assert not forms(1, 0, 4 * x**2, AROUND)
    assert "for times up to 0.7 only" in normal_forms(sp.S.One, sp.S.Zero, 4 * x**2, (x, t), AROUND)[1]


coefficients = st.integers(-3, 3).map(lambda n: sp.Rational(n, 4))


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(
    st.sampled_from([sp.S.One, x**2, x, (x + 1) ** 2, sp.exp(-x)]), st.sampled_from([x, x**2, sp.log(x)]),
    coefficients, coefficients, st.integers(0, 3), coefficients, coefficients,
)  # fmt: skip
def test_every_disguise_is_seen_through(alpha, tilt, k, m, w, force, c):
    """v_s = v_yy + (c + force y - w^2 y^2) v for u = e^g v(y(x), t), y' = 1 / sqrt(alpha) and g = k tilt + m x."""
    positive = sp.Symbol("x", positive=True)
    y = sp.integrate(1 / sp.sqrt(alpha).subs(x, positive), positive).subs(positive, x)
    g = (k * tilt + m * x).diff(x)
    b = alpha.diff(x) / 2 - 2 * alpha * g
    c = c + force * y - w**2 * y**2 - alpha.diff(x) * g / 2 - alpha * g.diff(x) + alpha * g**2
    found = forms(alpha, b, c)
    assert len(found) == 1 + (w > 0)
    for form in found:
        assert _residual(form, alpha, b, c) < mpmath.mpf(10) ** -25


def _residual(form: NormalForm, a: sp.Expr, b: sp.Expr, c: sp.Expr) -> mpmath.mpf:
    """What a bell that spreads leaves of the equation, relative to its terms, by differences in 50 digits."""
    u = sp.lambdify((x, t), form(sp.exp(-((x - third) ** 2) / (4 * t + 2)) / sp.sqrt(4 * t + 2)), "mpmath")
    with mpmath.workdps(50):
        at = mpmath.mpf(5) / 4, mpmath.mpf(1) / 3
        factors = [mpmath.mpmathify(sp.sympify(e).subs({x: sp.Rational(5, 4)}).evalf(50)) for e in (a, b, c)]
        slopes = [mpmath.diff(u, at, J) for J in ((2, 0), (1, 0), (0, 0))]
        terms = [mpmath.diff(u, at, (0, 1)), *(-f * d for f, d in zip(factors, slopes, strict=True))]
        return abs(sum(terms)) / sum(map(abs, terms))


@pytest.mark.parametrize(
    "a, b, c, why",
    [
        (1, 1 / x, 0, "not quadratic"),  # radial, in the plane: four symmetries, not six
        (1, 0, -(x**4), "not quadratic"),
        (-1, 0, 0, "not positive"),
        (x - 1, 0, 0, "not positive"),
        (1 + t * x, 0, 0, "no product"),
        (1 + x**4 + sp.sin(x), 0, 0, "closed form"),
        (1, sp.Abs(x - sp.Rational(3, 2)), 0, "elementary"),
        (1, 0, sp.Piecewise((1, x > sp.Rational(3, 2)), (0, True)), "elementary"),
        (1, 0, sp.Function("q")(x), "elementary"),
        (sp.I, 0, 0, "elementary"),
        (1, 0, t * x**2, "not solved in closed form"),
        (1, 1 / (x - sp.Rational(3, 2)), sp.Rational(3, 4) / (x - sp.Rational(3, 2)) ** 2, "not quadratic|singular"),
    ],
)
def test_what_has_no_map_is_told_why(a, b, c, why):
    found, reason = normal_forms(sp.sympify(a), sp.sympify(b), sp.sympify(c), (x, t), RIGHT)
    assert not found and re.search(why, reason)


@pytest.mark.parametrize(
    "a, c, box",
    [
        (1, x**2 / 4 + t, ((1, 1), (2, 2))), (1, x**2 / 4 + t, ((1, 20), (2, 21))), (2, x**2 / 4 + t, RIGHT),
        (1, t * x - x**2 / 4, ((1, -2), (2, 1))), (2, t * x, RIGHT), (1 + t, x - x**2 + t, ((1, 2), (2, 3))),
    ],
)  # fmt: skip
def test_the_clock_starts_with_the_problem_where_coefficients_vary_in_time(a, c, box):
    a = sp.sympify(a)
    for form in forms(a, 0, c, box):
        start, end = box[0][1], box[1][1]
        assert form.time.subs(t, start) == 0 and float(form.time.subs(t, end)) > 0
        assert float(form.space.diff(x).subs({x: 1.5, t: end})) > 0
        at = {x: 1.3, t: start + 0.7 * (end - start)}
        assert max(abs(complex(e.subs(at))) for e in form.defects(a, sp.S.Zero, c)) < 1e-11


def test_a_map_in_words_and_in_latex():
    (form,) = forms(x**2, 0, 0)
    assert str(form) == "u = exp(-t/4 + log(x)/2) v(y, s), y = log(x), s = t"
    assert r"v(y, s), \quad y = \log{\left(x \right)}, \quad s = t" in form._repr_latex_()
    (form,) = forms(sp.Rational(0.3) * x**2, 0, 0)  # a float, exactly: a fraction of 16 digits
    assert str(form) == "u = exp(-0.075*t + log(x)/2) v(y, s), y = log(x), s = 0.3*t"
    assert form.time == sp.Rational(0.3) * t
