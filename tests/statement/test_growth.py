"""Data from which short waves grow without bound are refused, and none from which they do not."""

import pytest
import sympy as sp
import torch

import pinnkit as pk

x, y, t = pk.coordinates("x y t")
u, v, w, q = pk.field("u", x, t), pk.field("v", x, t), pk.field("w", x, y), pk.field("q", x, y, t)
BAR, SQUARE = pk.Box(x=(0, 1), t=(0, 1)), pk.Box(x=(0, 1), y=(0, 1))
PRISM = pk.Box(x=(0, 1), y=(0, 1), t=(0, 1))
D = sp.Symbol("D")
READINGS = pk.Observations(u, torch.tensor([[0.2, 0.5], [0.7, 0.5]]), torch.tensor([0.1, 0.2]))
SIN = sp.sin(2 * sp.pi * x)


def bar(equation, *more, order=1, **known):
    """With u = 0 at both ends."""
    start = [pk.Initial(u, SIN), pk.Initial(u, 0, order=1)][:order]
    return pk.Problem("bar", u, equation, BAR, [*start, pk.Dirichlet(u, 0, on="x"), *more], **known)


def ring(equation, order=1, periods=3):
    start = [pk.Initial(u, SIN), pk.Initial(u, 0, order=1)][:order]
    return pk.Problem("ring", u, equation, BAR, [*start, pk.Periodic(u, "x", order=periods)])


def plate(equation):
    return pk.Problem("plate", q, equation, PRISM, [pk.Initial(q, 0), pk.Dirichlet(q, 0)])


def two(first, second):
    data = [pk.Initial(u, 0), pk.Initial(v, 0), pk.Periodic(u, "x"), pk.Periodic(v, "x")]
    return pk.Problem("two", (u, v), {"one": first, "two": second}, BAR, data)


def steady(equation, *conditions):
    return pk.Problem("steady", w, equation, SQUARE, conditions)


SIDES, LOW, SLOPE = pk.Dirichlet(w, 0, on="x"), pk.Dirichlet(w, 0, on="y_min"), pk.Neumann(w, SIN, on="y_min")
LAPLACE, BILAPLACE = w.diff(x, 2) + w.diff(y, 2), w.diff(x, 4) + 2 * w.diff(x, 2, y, 2) + w.diff(y, 4)

GROWS = {
    "heat backwards": lambda: bar(u.diff(t) + u.diff(x, 2)),
    "heat backwards, times -1": lambda: bar(-u.diff(t) - u.diff(x, 2)),
    "heat backwards in the plane": lambda: plate(q.diff(t) + q.diff(x, 2) + q.diff(y, 2)),
    "backwards along one coordinate": lambda: plate(q.diff(t) - q.diff(x, 2) + q.diff(y, 2) / 10),
    "backwards along a diagonal": lambda: plate(q.diff(t) - q.diff(x, 2) - q.diff(y, 2) - 3 * q.diff(x, y)),
    "a parameter": lambda: bar(u.diff(t) - D * u.diff(x, 2), parameters={"D": -1}),
    "in divergence form": lambda: bar(u.diff(t) + ((1 + x) * u.diff(x)).diff(x)),
    "a coefficient of the field": lambda: bar(u.diff(t) + (1 + u**2) * u.diff(x, 2)),
    "in a part of the domain": lambda: bar(u.diff(t) - (x - sp.Rational(1, 2)) * u.diff(x, 2)),
    "Burgers": lambda: bar(u.diff(t) + u * u.diff(x) + 0.01 * u.diff(x, 2)),
    "fourth order": lambda: ring(u.diff(t) - u.diff(x, 4)),
    "below a third order": lambda: ring(u.diff(t) + u.diff(x, 3) + 0.01 * u.diff(x, 2)),
    "Laplace from initial data": lambda: bar(u.diff(t, 2) + u.diff(x, 2), order=2),
    "the bad Boussinesq equation": lambda: ring(u.diff(t, 2) - u.diff(x, 2) - u.diff(x, 4), order=2),
    "Cauchy-Riemann": lambda: two(u.diff(t) - v.diff(x), v.diff(t) + u.diff(x)),
    "one of two": lambda: two(u.diff(t) + u.diff(x, 2) - v, v.diff(t) - v.diff(x, 2)),
    "Cauchy data": lambda: steady(LAPLACE, SIDES, LOW, SLOPE),
    "Cauchy data on top": lambda: steady(
        w.diff(x) - w.diff(x, 2) - 4 * w.diff(y, 2) + w, SIDES, pk.Dirichlet(w, 0, on="y_max"),
        pk.Operator("slope", w.diff(y) - x, on="y_max")),
    "Cauchy data, nonlinear": lambda: steady(LAPLACE - sp.exp(w), SIDES, LOW, SLOPE),
    "Cauchy data on a ring": lambda: steady(LAPLACE, pk.Periodic(w, "x"), LOW, SLOPE),
    "Cauchy data of fourth order": lambda: steady(
        BILAPLACE, SIDES, pk.Neumann(w, 0, on="x"), LOW, SLOPE, pk.Operator("2", w.diff(y, 2), on="y_min"),
        pk.Operator("3", w.diff(y, 3), on="y_min")),
}  # fmt: skip


@pytest.mark.parametrize("case", GROWS)
def test_data_from_which_short_waves_grow_are_refused(case):
    with pytest.raises(ValueError, match="ill-posed: short waves grow without bound from") as caught:
        GROWS[case]()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_the_start_of_an_unknown_is_named():
    with pytest.raises(ValueError, match="at the start D = -0.5 of the unknowns: give a start of the other sign"):
        bar(u.diff(t) - D * u.diff(x, 2), READINGS, unknowns={"D": -0.5})


STAYS = {
    "heat": lambda: bar(u.diff(t) - u.diff(x, 2)),
    "an unknown": lambda: bar(u.diff(t) - D * u.diff(x, 2), READINGS, unknowns={"D": 0.5}),
    "heat backwards with readings": lambda: bar(u.diff(t) + u.diff(x, 2), READINGS),  # they may make up for it
    "Kuramoto-Sivashinsky": lambda: ring(u.diff(t) + u * u.diff(x) + u.diff(x, 2) + u.diff(x, 4)),
    "Korteweg-de Vries": lambda: ring(u.diff(t) + 6 * u * u.diff(x) + u.diff(x, 3)),
    "Cahn-Hilliard, a thin interface": lambda: ring(u.diff(t) - (u**3 - u).diff(x, 2) + 1e-8 * u.diff(x, 4)),
    "Allen-Cahn": lambda: ring(u.diff(t) - 1e-4 * u.diff(x, 2) + 5 * (u**3 - u)),
    "porous medium": lambda: bar(u.diff(t) - (u**3).diff(x, 2)),
    "advection": lambda: ring(u.diff(t) + u.diff(x), periods=0),
    "Benjamin-Bona-Mahony": lambda: ring(u.diff(t) + u.diff(x) + u * u.diff(x) - u.diff(x, 2, t), periods=1),
    "anisotropic": lambda: plate(q.diff(t) - q.diff(x, 2) - q.diff(y, 2) - q.diff(x, y)),
    "Kolmogorov": lambda: plate(q.diff(t) + x * q.diff(y) - q.diff(x, 2)),
    "waves": lambda: bar(u.diff(t, 2) - u.diff(x, 2), order=2),
    "Klein-Gordon, unstable": lambda: bar(u.diff(t, 2) + u.diff(t) - u.diff(x, 2) - 5 * u, order=2),
    "telegraph with drift": lambda: bar(u.diff(t, 2) + 3 * u.diff(t) - u.diff(x, 2) + u.diff(x), order=2),
    "Kelvin-Voigt": lambda: bar(u.diff(t, 2) - u.diff(x, 2) - u.diff(x, 2, t), order=2),
    "a beam": lambda: ring(u.diff(t, 2) + u.diff(x, 4), order=2),
    "the good Boussinesq equation": lambda: ring(
        u.diff(t, 2) - u.diff(x, 2) + u.diff(x, 4) - (u**2).diff(x, 2), order=2),
    "growth at every x": lambda: pk.Problem(
        "growth", u, u.diff(t, 2) - 4 * u, BAR, [pk.Initial(u, 1 + x), pk.Initial(u, 0, order=1)]),
    "Schroedinger": lambda: two(u.diff(t) + v.diff(x, 2) / 2, v.diff(t) - u.diff(x, 2) / 2),
    "a string of two fields": lambda: two(u.diff(t) + v.diff(x), v.diff(t) + u.diff(x)),
    "a beam of two fields": lambda: two(u.diff(t) - v, v.diff(t) + u.diff(x, 4)),
    "FitzHugh-Nagumo": lambda: two(u.diff(t) - u.diff(x, 2) - u + u**3 + v, v.diff(t) - u + v),
    "Laplace": lambda: steady(LAPLACE, pk.Dirichlet(w, 0)),
    "a flux beside": lambda: steady(LAPLACE, pk.Dirichlet(w, 0), pk.Neumann(w, 0, on="x_max")),
    "waves from one side": lambda: steady(w.diff(x, 2) - w.diff(y, 2), SIDES, LOW, SLOPE),
}  # fmt: skip


@pytest.mark.parametrize("case", STAYS)
def test_what_does_not_grow_is_accepted(case):
    assert STAYS[case]().residuals
