"""Bounds of slopes hold: true errors of derivatives, by closed forms, over random problems."""

import math

import pytest
import sympy as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pinnkit as pk
from benchmarks.certificate.certificates import beam, compared, heat_or_wave, klein_gordon, other, telegraph
from pinnkit.certificate.misfits import sampled
from pinnkit.certificate.theorem.corner_compatibility import agreement
from pinnkit.certificate.theorem.jumps import refuse
from pinnkit.certificate.theorems import theorems
from pinnkit.exact.superposition.family import Family
from pinnkit.exact.superposition.superposition import Superposition
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

x, y, t = pk.coordinates("x y t")
u, v = pk.field("u", x, t), pk.field("v", x, y, t)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [beam, klein_gordon, telegraph, "superposition", "network"])
def test_bounds_of_slopes_hold(make, seed, monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 5_000)
    solution = heat_or_wave("wave", 1, make, seed) if isinstance(make, str) else other(make, seed)
    found = compared(solution)
    norm = "H2(t)" if make is beam else "H1(t)"
    bound, true = found[norm]
    assert 0 < true <= bound


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["heat 1", "heat 2", "wave 2"]),
    st.sampled_from(["superposition", "network"]),
    st.integers(0, 10**6),
)
def test_gradients_are_bounded_on_boxes(monkeypatch, kind, how, seed):
    monkeypatch.setattr(sampled, "POINTS", 5_000)
    name, d = kind.split()
    bound, true = compared(heat_or_wave(name, int(d), how, seed))["H1(t)"]
    assert 0 < true <= bound


@pytest.mark.parametrize("names, order, c", [("x y z t", 2, -2), ("x y t", 1, -2), ("x y t", 1, 3)])
def test_gradients_are_bounded_in_three_dimensions_and_with_decay(names, order, c, monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 2_000)
    *space, time = variables = pk.coordinates(names)
    w = pk.field("w", *variables)
    equation = w.diff(time, order) - sum(w.diff(s, 2) for s in space) - c * w
    box = pk.Box(**{s.name: (0, 1 - i / 10) for i, s in enumerate(space)}, t=(0, 0.5))
    start = [pk.Initial(w, 0, order=k) for k in range(order)]
    problem = pk.Problem("p", w, equation, box, [*start, pk.Dirichlet(w, 0)], reference=pk.Exact({w: sp.S.Zero}))
    net = pk.MLP(len(variables), 5, 1)
    found = pk.certify(pk.Solution(pk.Model(problem, net, False), net.initial(box, 2), pk.Points({})), slopes=True)
    assert 0 < found.errors["H1(t)"] <= found["H1(t)"] <= 100 * found.errors["H1(t)"]


@pytest.mark.slow
def test_the_gradient_of_a_mode_is_bounded_by_its_start():
    """e0 = sin(pi x) sin(pi y) decays: nothing is lost."""
    plate = pk.Problem("p", v, v.diff(t) - v.diff(x, 2) - v.diff(y, 2), pk.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
                       [pk.Initial(v, sp.sin(sp.pi * x) * sp.sin(sp.pi * y)), pk.Dirichlet(v, 0)])  # fmt: skip
    net = pk.MLP(3, 2, 1)
    still = pk.Solution(pk.Model(plate, net, False), 0 * net.initial(plate.domain, 0), pk.Points({}))
    assert pk.certify(still, enclosed=True, slopes=True)["H1(t)"] == pytest.approx(math.pi / math.sqrt(2), rel=1e-4)


def conditions(start, low, high):
    return [pk.Initial(u, start), pk.Dirichlet(u, low, on="x_min"), pk.Dirichlet(u, high, on="x_max")]


@pytest.mark.parametrize(
    "start, high, proved",
    [
        (x**2, 1 + t, True), (sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, 0, False),
        (sp.exp(0.1 * x) - 1, math.exp(0.1) - 1, False),        (x**2, 1.0001, None), (lambda x, t: x, 1, False),
    ],
)  # fmt: skip
def test_data_that_contradict_each_other_have_no_slopes(start, high, proved):
    problem = pk.Problem("p", u, u.diff(t) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)), conditions(start, 0, high))
    f, known = theorems(problem, slopes=True)
    walls = [(c, face) for face, (c,) in f.held.items()]
    if proved is None:
        with pytest.raises(ValueError, match="contradict each other where t = 0 on x_max, by 1.0e-04"):
            agreement(f, walls)
        assert len(known) == len(theorems(problem)[1])
    else:
        assert agreement(f, walls) is proved
        assert len(known) == len(theorems(problem)[1]) + 1


def test_data_without_a_value_where_faces_meet_have_no_slopes():
    """sin(x) / x is 1 in the limit, the wall 2: comparisons with NaN are not to say that they agree."""
    problem = pk.Problem("p", u, u.diff(t) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)),
                         conditions(sp.sin(x) / x, 2, sp.sin(1)))  # fmt: skip
    f, _ = theorems(problem)
    with pytest.raises(ValueError, match="contradict each other where t = 0 on x_min"):
        agreement(f, [(c, face) for face, (c,) in f.held.items()])


def test_a_rope_plucked_where_it_is_held_has_no_bound_of_its_slope():
    for start, bounded in ((sp.sin(sp.pi * x), True), (sp.cos(x), False)):
        problem = pk.Problem("rope", u, u.diff(t, 2) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)),
                             [pk.Initial(u, start), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0)])  # fmt: skip
        net = pk.MLP(2, 3, 1)
        found = pk.certify(pk.Solution(pk.Model(problem, net, False), net.initial(problem.domain, 0), pk.Points({})),
                           slopes=True)  # fmt: skip
        assert ("H1(t)" in [b.norm for b in found.bounds]) == bounded


half = sp.Rational(1, 2)
JUMPS = [
    (1, sp.Heaviside(x - half), 0, 1), (1, sp.Piecewise((0, x < half), (1, True)), 0, 1),
    (1, 0, sp.Heaviside(t - half), 0),
    (1, 0, sp.floor(t + half), 0), (2, 0, sp.Max(t - half, 0), 0), (2, 0, sp.Abs(t - half) - half, 0),
    (2, sp.Heaviside(x - half), 0, 1),
]  # fmt: skip


@pytest.mark.parametrize("order, start, low, high", JUMPS)
def test_data_that_jump_have_no_slopes(order, start, low, high, monkeypatch):
    """Of heat from a step the slope's norm grows like t^{-1/4} towards the start: no number bounds it."""
    monkeypatch.setattr(sampled, "POINTS", 500)
    still = [pk.Initial(u, 0, order=1)] if order == 2 else []
    problem = pk.Problem("p", u, u.diff(t, order) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)),
                         [*conditions(start, low, high), *still])  # fmt: skip
    net = pk.MLP(2, 2, 1)
    solution = pk.Solution(pk.Model(problem, net, False), net.initial(problem.domain, 0), pk.Points({}))
    norms = [b.norm for b in pk.certify(solution, slopes=True).bounds]
    assert "L2(t)" in norms and "H1(t)" not in norms


def test_kinks_in_the_start_of_heat_have_slopes():
    problem = pk.Problem("p", u, u.diff(t) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)),
                         conditions(half - abs(x - half), 0, 0))  # fmt: skip
    net = pk.MLP(2, 2, 1)
    zero = pk.Solution(pk.Model(problem, net, False), 0 * net.initial(problem.domain, 0), pk.Points({}))
    assert pk.certify(zero, slopes=True)["H1(t)"] == pytest.approx(1, rel=1e-2)


@pytest.mark.parametrize(
    "front, by, face, refused",
    [
        (sp.Heaviside(t - x), "t", "x", True), (sp.Max(t - x, 0), "t", "x", False), (sp.Max(t - x, 0), "tt", "x", True),
        (sp.Max(t - x - 2, 0), "tt", "x", False), (sp.Heaviside(t - x + 1), "t", "x", False),  # never and always there
        (sp.Heaviside(t - x), "x", "t", True), (sp.Max(t - x, 0) - sp.Max(t - 2 + x, 0), "tt", "x", False),
    ],
)  # fmt: skip
def test_fronts_of_a_closed_form_are_seen_where_they_pass(front, by, face, refused):
    problem = pk.Problem("p", u, u.diff(t, 2) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 2)),
                         [*conditions(0, 0, 0), pk.Initial(u, 0, order=1)])  # fmt: skip
    model = Superposition((Family("front", front, (x, t)),), ((0, ()),))
    one = pk.Solution(pk.Model(problem, model, False, frozenset({"pde"})), torch.ones(1).double(), pk.Points({}))
    fixed = {"x": 1.0} if face == "x" else {"t": 0.0}
    if refused:
        with pytest.raises(ValueError, match="has no norm"):
            refuse(one, Residual("u", u, INTERIOR), tuple(by), fixed)
    else:
        refuse(one, Residual("u", u, INTERIOR), tuple(by), fixed)
