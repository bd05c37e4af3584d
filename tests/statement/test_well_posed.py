"""What a count can see: orders and conditions, inflow, parameters as coordinates, unknowns that are paid for."""

import math

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import to_deepxde
from pinnkit.statement.well_posed import surplus

x, y, t, a = pk.coordinates("x y t a")
u, v = pk.field("u", x, t), pk.field("v", x, t)
w, o, q = pk.field("w", x, y), pk.field("o", x), pk.field("q", x)
f = pk.field("f", x, t, a)
BAR, SQUARE, LINE = pk.Box(x=(0, 1), t=(0, 1)), pk.Box(x=(0, 1), y=(0, 1)), pk.Box(x=(0, 1))
FAMILY = pk.Box(x=(0, 1), t=(0, 0.5), a=(0.1, 1))
E, K = sp.symbols("E K")


def flow(speed, *on):
    return pk.Problem(
        "flow", u, u.diff(t) + speed * u.diff(x), BAR, [pk.Initial(u, 0), *(pk.Dirichlet(u, 0, on=s) for s in on)]
    )


def evolving(equation, *conditions):
    return pk.Problem("evolving", u, equation, BAR, [pk.Initial(u, 0), *conditions])


def two(first, second, *conditions):
    start = [pk.Initial(u, 0), pk.Initial(v, 0)]
    return pk.Problem("two", (u, v), {"one": first, "two": second}, BAR, [*start, *conditions])


def steady(equation, *on):
    return pk.Problem("steady", w, equation, SQUARE, [pk.Dirichlet(w, 0, on=on)])


def beam(*conditions):
    return pk.Problem("beam", o, o.diff(x, 4) - 1, LINE, [pk.Dirichlet(o, 0, on="x"), *conditions])


def chain(*conditions):
    return pk.Problem("chain", (o, q), {"one": o.diff(x, 2) - q, "two": q.diff(x, 2) - 1}, LINE, conditions)


def well(*conditions):
    equations = {"s": o.diff(x, 2) / 2 + E * o, "n": q.diff(x) - o**2}
    return pk.Problem("well", (o, q), equations, LINE, [pk.Dirichlet(o, 0), *conditions], unknowns={"E": 4})


def family(equation, **on):
    return pk.Problem("family", f, equation, FAMILY, [pk.Initial(f, sp.sin(sp.pi * x)), pk.Dirichlet(f, 0, **on)])


HEATS = f.diff(t) - a * f.diff(x, 2)
EXCHANGE = u.diff(t) + u.diff(x) - (v - u), v.diff(t) - v.diff(x) - (u - v)
STRING = u.diff(t) + v.diff(x), v.diff(t) + u.diff(x)
MOMENT = pk.Operator("moment", o.diff(x, 2), on="x_min")

ILL = {
    "outflow": (lambda: flow(1, "x_max"), "u flows in through x_min.*move the condition on x_max there"),
    "outflow to the left": (lambda: flow(-1 - x, "x_min"), "u flows in through x_max"),
    "outflow, the other sign of the equation": (
        lambda: pk.Problem("flow", u, -u.diff(t) - u.diff(x), BAR, [pk.Initial(u, 0), pk.Dirichlet(u, 0, on="x_max")]),
        "through x_min"),
    "outflow of one of two": (
        lambda: two(*EXCHANGE, pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(v, 0, on="x_min")),
        "v flows in through x_max"),
    "two waves, both data at one end": (
        lambda: two(*STRING, pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(v, 0, on="x_min")),
        "more of u and v flows in through x_max"),
    "steady, across": (lambda: steady(w.diff(x) + 2 * w.diff(y), "x_min", "y_max"), "w flows in through y_min"),
    "diffusion along the other coordinate": (
        lambda: steady(w.diff(x) - w.diff(y, 2), "x_max", "y"), "w flows in through x_min"),
    "fourth order, three conditions": (lambda: beam(MOMENT), "order 4 in x, so it needs 4 .* got 3"),
    "a system of fourth order, three conditions": (
        lambda: chain(pk.Dirichlet(o, 0), pk.Dirichlet(q, 0, on="x_min")), "together order 4 in x.* got 3"),
    "both data of heat at one wall": (
        lambda: evolving(u.diff(t) - u.diff(x, 2), pk.Dirichlet(u, 0, on="x_min"), pk.Neumann(u, 0, on="x_min")),
        "1 condition must stand on x_max, .* got 0"),
    "three of four data at one wall": (
        lambda: evolving(u.diff(t) + u.diff(x, 4), pk.Dirichlet(u, 0, on="x"), pk.Neumann(u, 0, on="x_min"),
                         pk.Operator("moment", u.diff(x, 2), on="x_min")),
        "2 conditions must stand on x_max, .* got 1"),
    "third order, the slope at the wrong wall": (
        lambda: evolving(u.diff(t) + u * u.diff(x) + u.diff(x, 3), pk.Dirichlet(u, 0), pk.Neumann(u, 0, on="x_min")),
        "2 conditions must stand on x_max, .* got 1"),
    "third order to the left, the slope at the wrong wall": (
        lambda: evolving(-u.diff(t) + u.diff(x, 3), pk.Dirichlet(u, 0), pk.Neumann(u, 0, on="x_max")),
        "2 conditions must stand on x_min, .* got 1"),
    "inflow at both walls, no condition": (
        lambda: flow(sp.Rational(1, 2) - x), "there is no boundary condition"),
    "two unknowns, one condition": (
        lambda: pk.Problem("rate", q, q.diff(x) - E * q - K, LINE, [pk.Dirichlet(q, 1)], unknowns={"E": 1, "K": 0}),
        "unknowns E, K need observations .* 2 conditions beyond .* is 1"),
    "an unknown that nothing pays for": (lambda: well(pk.Dirichlet(q, 0, on="x_min")), "unknowns E need observations"),
    "data where nothing is differentiated": (
        lambda: pk.Problem("decay", u, u.diff(t) + x * u, BAR, [pk.Initial(u, 1), pk.Dirichlet(u, 0)]),
        "no equation differentiates by x, so nothing can be asked there"),
    "a coordinate of the data alone": (
        lambda: family(f.diff(t) - f.diff(x, 2)), "no equation depends on a.*give on= the faces of the other"),
}  # fmt: skip


def trained(problem):
    network = pk.MLP(len(problem.domain.names), 3, len(problem.fields))
    return pk.solve(problem, network, 8, stages=[pk.Adam(1)], resample=None, progress=False)


@pytest.mark.parametrize("case", ILL)
def test_an_ill_posed_statement_is_refused(case):
    call, words = ILL[case]
    with pytest.raises(ValueError, match=words) as caught:
        trained(call())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


WELL = {
    "inflow": lambda: flow(1, "x_min"),
    "both ends": lambda: flow(1, "x"),
    "a speed that changes its sign": lambda: flow(x - sp.Rational(1, 2), "x_min"),
    "a speed that the field decides": lambda: flow(u, "x_min"),
    "counterflow": lambda: two(*EXCHANGE, pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(v, 0, on="x_max")),
    "two waves, one at each end": lambda: two(*STRING, pk.Dirichlet(u, 0, on="x")),
    "steady, along": lambda: steady(w.diff(x) + 2 * w.diff(y), "x_min", "y_min"),
    "steady, against": lambda: steady(w.diff(x) + 2 * w.diff(y), "x_max", "y_max"),
    "diffusion backwards from the end": lambda: steady(-w.diff(x) - w.diff(y, 2), "x_max", "y"),
    "an ordinary equation from its end": lambda: pk.Problem(
        "o", o, o.diff(x) + o, LINE, [pk.Dirichlet(o, 1, on="x_max")]),
    "fourth order, four conditions": lambda: beam(MOMENT, pk.Operator("other", o.diff(x, 2), on="x_max")),
    "a system of fourth order": lambda: chain(pk.Dirichlet(o, 0), pk.Dirichlet(q, 0)),
    "an equation without derivatives beside one": lambda: pk.Problem(
        "flux", (o, q), {"one": o.diff(x) - q, "two": q - sp.sin(x)}, LINE, [pk.Dirichlet(o, 0, on="x_min")]),
    "derivatives that cancel: o' + o = sin x in the end": lambda: pk.Problem(
        "dae", (o, q), {"one": o.diff(x, 2) + q.diff(x, 2) + o.diff(x) + o, "two": o + q - sp.sin(x)}, LINE,
        [pk.Dirichlet(o, 0, on="x_min")]),
    "a periodic system": lambda: pk.Problem(
        "ring", (o, q), {"one": o.diff(x, 2) - o - q, "two": q.diff(x, 2) - q - sp.cos(2 * sp.pi * x)}, LINE,
        [pk.Periodic(o, "x"), pk.Periodic(q, "x")]),
    "an unknown that a condition pays for": lambda: well(
        pk.Dirichlet(q, 0, on="x_min"), pk.Dirichlet(q, 1, on="x_max")),
    "an unknown that a flux pays for": lambda: pk.Problem(
        "heat", u, u.diff(t) - E * u.diff(x, 2), BAR,
        [pk.Initial(u, x), pk.Dirichlet(u, x, on="x"), pk.Neumann(u, 1, on="x_max")], unknowns={"E": 1}),
    "third order": lambda: evolving(u.diff(t) + u * u.diff(x) + u.diff(x, 3), pk.Dirichlet(u, 0),
                                    pk.Neumann(u, 0, on="x_max")),
    "third order to the left": lambda: evolving(-u.diff(t) + u.diff(x, 3), pk.Dirichlet(u, 0),
                                                pk.Neumann(u, 0, on="x_min")),
    "outflow at both walls, no condition": lambda: flow(x - sp.Rational(1, 2)),
    "a diffusivity that vanishes at both walls": lambda: evolving(u.diff(t) - (x * (1 - x) * u.diff(x)).diff(x)),
    "two unknowns, two conditions": lambda: pk.Problem(
        "rate", q, q.diff(x) - E * q - K, LINE, [pk.Dirichlet(q, 1), pk.Neumann(q, 2, on="x_max")],
        unknowns={"E": 1, "K": 0}),
    "an ordinary equation at every x": lambda: pk.Problem("decay", u, u.diff(t) + u**2, BAR, [pk.Initial(u, 1 + x)]),
}  # fmt: skip


@pytest.mark.parametrize("case", WELL)
def test_a_well_posed_statement_is_accepted(case):
    assert trained(WELL[case]()).stops


def test_the_faces_of_a_parameter_are_left_out():
    default, named = family(HEATS), family(HEATS, on="x")
    assert [r.name for r in default.residuals] == [r.name for r in named.residuals] == ["pde", "f initial", "f on x"]
    X = default.sample("x", 64).X
    assert bool(((X[:, 0] == 0) | (X[:, 0] == 1)).all())
    model = pk.Model(default, pk.MLP(3, 4, 1), True)
    assert model.ansatz == pk.Model(named, pk.MLP(3, 4, 1), True).ansatz
    (g, d) = model.ansatz[f]
    assert d.subs({x: 0.5, t: 0.25, a: 0.1}) > 0  # N is free on the parameter's faces
    g = pk.field("g", x, a, t)
    box = pk.Box(x=(0, 1), a=(0.1, 1), t=(0, 0.5))
    last = pk.Problem("family", g, g.diff(t) - a * g.diff(x, 2), box, [pk.Initial(g, 0), pk.Dirichlet(g, 1)])
    theirs = to_deepxde(last, hard=False)
    X = theirs.data.bcs[-1].filter(theirs.data.train_x_all)
    assert theirs.terms[-1] == "g on x" and len(X) and all(row[0] in (0, 1) for row in X)
    both = pk.Problem("family", f, HEATS, FAMILY, [pk.Initial(f, 0), pk.Dirichlet(f, 0, on=("x", "a"))])
    assert both.conditions[1].on == ("x", "a")  # faces that are named stay


def test_an_ordinary_equation_at_every_x_is_solved():
    """u_t = -u^2 from 1 + x^2: (1 + x^2) / (1 + t (1 + x^2))."""
    exact = (1 + x**2) / (1 + t * (1 + x**2))
    problem = pk.Problem("decay", u, u.diff(t) + u**2, BAR, [pk.Initial(u, 1 + x**2)], reference=exact)
    solution = pk.solve(problem, pk.MLP(2, 8, 1), 150, stages=[pk.LevenbergMarquardt(60)], progress=False)
    assert solution.errors()["u"]["relative_l2"] < 1e-3


def test_an_unknown_is_found_by_the_condition_that_pays_for_it():
    """q' = E q with q(0) = 1, q(1) = 2: E = log 2."""
    ends = [pk.Dirichlet(q, 1, on="x_min"), pk.Dirichlet(q, 2, on="x_max")]
    problem = pk.Problem("rate", q, q.diff(x) - E * q, LINE, ends, unknowns={"E": 0.3})
    solution = pk.solve(problem, pk.MLP(1, 6, 1), 60, stages=[pk.LevenbergMarquardt(60)], progress=False)
    assert abs(solution.unknowns["E"] - math.log(2)) < 1e-6


def test_what_flows_in_without_data_is_never_trusted():
    """u_t + u u_x = 0 with u about 1: it flows in at x_min, the condition stands at x_max."""
    exact = (1 + x) / (1 + t)
    for end, at in (("x_min", 0), ("x_max", 1)):
        conditions = [pk.Initial(u, 1 + x), pk.Dirichlet(u, exact.subs(x, at), on=end)]
        problem = pk.Problem("fan", u, u.diff(t) + u * u.diff(x), BAR, conditions, reference=exact)
        solution = pk.solve(problem, pk.MLP(2, 5, 1), 60, stages=[pk.LevenbergMarquardt(30)], progress=False)
        verdict = pk.error_map(solution, n=150).verdict
        if end == "x_min":
            assert not solution.notes and "flows" not in verdict
        else:
            assert "u flows in through x_min" in solution.notes[0] and "x_min" in verdict and verdict != "trust"
            again = pk.correct(solution, pk.error_map(solution, n=150))
            assert any("x_min" in note for note in again.notes)


def test_inflow_by_eigenvalues_of_a_system():
    """u_t + A u_x = 0 with A of eigenvalues 3 and 1: both fields enter at x_min, none at x_max."""
    A = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    one = u.diff(t) + 2 * u.diff(x) + v.diff(x), v.diff(t) + u.diff(x) + 2 * v.diff(x)
    assert bool((torch.linalg.eigvalsh(A) > 0).all())
    assert trained(two(*one, pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(v, 0, on="x_min"))).stops
    with pytest.raises(ValueError, match="flows in through x_min"):
        trained(two(*one, pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(v, 0, on="x_max")))


@pytest.mark.parametrize(("problem", "more"), [
    (lambda: flow(1, "x"), 1), (lambda: flow(1, "x_min"), 0), (lambda: flow(u, "x"), 0), (lambda: flow(x - 2, "x"), 1),
    (lambda: pk.Problem("o", o, o.diff(x, 2) - 1, LINE, [pk.Dirichlet(o, 0), pk.Neumann(o, 1, on="x_min")]), 1),
    (lambda: pk.Problem("o", o, o.diff(x, 2) - 1, LINE, [pk.Dirichlet(o, 0), pk.Dirichlet(o, 0, on="x_min")]), 0),
    (lambda: pk.Problem("o", o, x * o.diff(x, 2) + o.diff(x), LINE, [pk.Dirichlet(o, 1)]), 0),  # one would do
    (lambda: pk.Problem("o", o, o.diff(x, 2) - E, LINE, [pk.Dirichlet(o, 0), pk.Neumann(o, 1, on="x_min")],
                        unknowns={"E": 1}), 0),
    (lambda: evolving(u.diff(t) + u.diff(x), pk.Periodic(u, "x")), 0),
    (lambda: well(pk.Dirichlet(q, 0)), 0),
])  # fmt: skip
def test_conditions_beyond_those_that_are_asked_for(problem, more):
    said = surplus(problem())
    assert said.startswith(f"it has {more} condition") if more else not said
