"""Causes: what is not finite is named with its place and its cure, and what cannot be stated with how it can."""

import json
import math
import re

import pytest
import sympy as sp
import torch

import pinnkit as pk

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
BOX = pk.Box(x=(0, 1), t=(0, 1))
HEAT = u.diff(t) - u.diff(x, 2)
START, WALLS = pk.Initial(u, 0), pk.Dirichlet(u, 0, on="x")
SHORT = {"stages": [pk.Adam(5), pk.SSBroyden(5)], "resample": None, "progress": False}


def heat(equation=HEAT, *conditions, **more):
    return pk.Problem("heat", u, equation, BOX, conditions or [START, WALLS], **more)


NEGATIVE = {
    "power": (u ** sp.Rational(6, 5) * u.diff(x, 2), r"u\*\*\(6/5\) met u = -"),
    "root of a slope": (sp.sqrt(u.diff(x)) * u, r"sqrt\(u_x\) met u_x = -"),
    "logarithm": (sp.log(x / 3 - u) * u.diff(x, 2), r"log\(-u \+ x/3\) met -u \+ x/3 = -"),
}


@pytest.mark.parametrize("case", NEGATIVE)
def test_a_nan_names_what_made_it(case):
    """The point is one where the named expression, evaluated by SymPy, is no real number; nothing more is tried."""
    term, words = NEGATIVE[case]
    solution = pk.solve(heat(u.diff(t) - term), pk.MLP(2, 8, 1), 300, hard=False, seed=1, **SHORT)
    assert len(solution.stops) == 1 and "'pde' is not finite" in solution.stops[0]
    assert "negative" in solution.stops[0] and solution.progress.done
    assert re.search(words, solution.stops[0]), solution.stops[0]
    place = torch.tensor([[float(v) for v in re.search(r"x = (\S+), t = ([^\s,]+)", solution.stops[0]).groups()]])
    value, slope = (float(v) for v in solution.jet(place.double(), "u u_x"))
    with pytest.raises(ValueError, match="residuals are not finite: .*negative"):
        pk.error_map(solution)
    met = float(re.search(r"met .*? = (-\S+) at", solution.stops[0]).group(1))
    expected = {"power": value, "root of a slope": slope, "logarithm": float(place[0, 0]) / 3 - value}[case]
    assert met == pytest.approx(expected, abs=2e-3) and met < 0


def test_a_quotient_by_zero_is_named():
    """1 / max(u - 0.15, 0) is infinite where u starts, and finite where it is larger: the statement is fair."""
    solution = pk.solve(heat(HEAT + 1 / sp.Max(u - 0.15, 0)), pk.MLP(2, 4, 1), 20, **SHORT)
    assert "a singularity" in solution.stops[0] and "= 0 at x" in solution.stops[0] and len(solution.stops) == 1


s = sp.Symbol("s", real=True)
STATED = {
    "points in one argument": (
        lambda: heat(HEAT, pk.Initial(u, lambda X: X[:, 0]), WALLS), r"lambda x, t: .*torch.stack"),
    "a function of one argument": (lambda: heat(HEAT - pk.function(lambda X: X, "q")(x, t)), "q does not take 2"),
    "the imaginary unit": (lambda: heat(sp.I * u.diff(t) - u.diff(x, 2)), "two fields"),
    "half a derivative": (lambda: heat(HEAT + sp.Derivative(u, (t, sp.Rational(1, 2)))), "order 1/2.*pk.Caputo"),
    "a delay": (lambda: heat(HEAT + u.subs(t, t - sp.Rational(1, 4))), "is taken at x = .*outside.*delay"),
    "an integral without an end": (lambda: heat(HEAT + sp.Integral(u, x)), "has no limits: write pk.Integral"),
    "two integrals": (
        lambda: heat(HEAT + sp.Integral(u * sp.Integral(u, (t, 0, 1)), (x, 0, 1))), "another integral.*of its own"),
    "two places": (lambda: heat(HEAT + sp.Integral(u * u.subs(x, 1 - x), (x, 0, 1))), "at several places"),
    "no integrable kernel": (lambda: heat(HEAT + sp.Integral(u.subs(t, s) / (t - s)**2, (s, 0, t))), "not integrable"),
}  # fmt: skip


@pytest.mark.parametrize("case", STATED)
def test_what_cannot_be_stated_is_told_how_it_can(case):
    call, words = STATED[case]
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_callables_with_other_signatures_are_taken():
    for value in (lambda *X: X[0], lambda a, b, c=1: a * c, torch.add):
        assert heat(HEAT, pk.Initial(u, value), pk.Periodic(u, "x")).residuals


def test_a_reference_that_is_zero_has_no_relative_error():
    solution = pk.solve(heat(reference=0 * x), pk.MLP(2, 4, 1), 20, **SHORT)
    errors, found = solution.errors()["u"], pk.report(solution, estimate=False)
    assert math.isnan(errors["relative_l2"]) and 0 < errors["max"] < 1
    assert "not defined: the reference is zero" in str(found) and "inf" not in str(found)
    assert "Infinity" not in json.dumps(found.to_dict())
    assert all(math.isnan(e) for e in solution.history["error:u"])


def test_every_field_has_its_references_own_error():
    class Known(pk.Exact):
        errors = {"u": 1e-3, "v": 2e-7}

    v = pk.field("v", x, t)
    both = pk.Problem("two", (u, v), {"a": HEAT, "b": v.diff(t) - v.diff(x, 2)}, BOX,
                      [START, WALLS, pk.Initial(v, 1), pk.Dirichlet(v, 1, on="x")],
                      reference=Known({u: 0.5 + 0 * x, v: 1 + 0 * x}, error=1e-3))  # fmt: skip
    found = pk.report(pk.solve(both, pk.MLP(2, 4, 2), 20, **SHORT), estimate=False)
    assert found.reference_errors == Known.errors
    rows = dict(found.rows())
    assert "own: 1.0e-03" in rows["relative L2 error of u"] and "own: 2.0e-07" in rows["relative L2 error of v"]
