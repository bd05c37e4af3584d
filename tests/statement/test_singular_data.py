"""Data that jump or kink never stand in an ansatz whose equation would lose that; what is left soft is said."""

import pytest
import sympy as sp
import torch

import pinnkit as pk

x, y, t = pk.coordinates("x y t")
u, w = pk.field("u", x, t), pk.field("w", x, y)
ROOF = sp.Min(3 * x, sp.Rational(3, 2) * (1 - x))  # a kink at x = 1/3
BOX = pk.Box(x=(0, 1), t=(0, 1))


def model(problem, hard=None):
    return pk.Model(problem, pk.MLP(2, 4, len(problem.fields)), hard)


def first_order(data, **rest):
    """A conservation law, which no singular part is known for."""
    return pk.Problem(
        "law", u, u.diff(t) + (u**2 / 2).diff(x), BOX, [pk.Initial(u, data), pk.Dirichlet(u, 0, on="x")], **rest
    )


def test_an_equation_takes_what_its_derivatives_can_bear():
    kink, jump = model(first_order(ROOF)), model(first_order(sp.Heaviside(x - sp.Rational(1, 3)) * (1 - x)))
    assert kink.exact_terms == jump.exact_terms == {"u on x"}
    (note,) = kink.notes  # u_x jumps in place, where the solution's kink moves away
    assert "u initial is trained softly" in note and "a kink at x = 1/3" in note and "moves it" in note
    (note,) = jump.notes
    assert "u initial is trained softly" in note and "a jump at x = 1/3" in note and "order 1" in note
    with pytest.raises(ValueError, match="'u initial' have a jump at x = 1/3.*hard=None"):
        _ = model(first_order(sp.Heaviside(x - sp.Rational(1, 3)) * (1 - x)), True).ansatz


def test_a_kink_that_a_varying_speed_moves_is_not_held_in_its_place():
    """u_t + (1 + x) u_x = 0 from |x - 3/10|: constant along (1 + x) e^-t; held in place the error is 2e-2."""
    walls = [
        pk.Initial(u, sp.Abs(x - sp.Rational(3, 10))),
        pk.Dirichlet(u, sp.Rational(13, 10) - sp.exp(-t), on="x_min"),
    ]
    exact = sp.Abs((1 + x) * sp.exp(-t) - sp.Rational(13, 10))
    problem = pk.Problem("stretched", u, u.diff(t) + (1 + x) * u.diff(x), BOX, walls, reference=exact)
    stages = [pk.Adam(100), pk.SSBroyden(150)]
    solution = pk.solve(problem, pk.MLP(2, 12, 12, 1), {"pde": 300}, stages=stages, progress=False)
    assert solution.errors()["u"]["relative_l2"] < 8e-3 and "moves it" in solution.notes[0]


def test_a_kink_outside_or_cancelled_is_none():
    for data in (sp.Max(x - 2, 0), x * sp.Abs(x) * (1 - x), sp.Abs(x - sp.S.Half) ** 2 - sp.Rational(1, 4)):
        assert not model(first_order(data)).notes


def test_one_clash_costs_only_those_that_clash():
    v = pk.field("v", x, t)
    problem = pk.Problem(
        "pair", (u, v), {"a": u.diff(t) - v.diff(x), "b": v.diff(t) - u.diff(x)}, BOX,
        [pk.Initial(u, sp.exp(x)), pk.Initial(v, x), pk.Dirichlet(v, 0, on="x_min"), pk.Dirichlet(v, 3, on="x_max"),
         pk.Neumann(u, 0, on="x")],
    )  # fmt: skip
    found = model(problem)
    assert found.exact_terms == {"u initial", "v on x_min"} and set(found.ansatz) == {u, v}
    (note,) = found.notes
    assert "v initial and v on x_max are trained softly" in note and "differ by 2" in note


def test_an_ansatz_of_ones_own_is_refused():
    g = sp.Heaviside(x - sp.S.Half) * (1 - x)
    with pytest.raises(ValueError, match="the ansatz of u has a jump at x = 1/2"):
        _ = model(first_order(g, ansatz={u: (g, t * x * (1 - x))})).ansatz


def test_a_solution_carries_the_notes():
    problem = first_order(sp.Heaviside(x - sp.Rational(1, 3)) * (1 - x))
    solution = pk.solve(problem, pk.MLP(2, 4, 1), {"pde": 40}, stages=[pk.Adam(2)], resample=None, progress=False)
    assert any("trained softly" in note for note in solution.notes)
    assert set(solution.points) == {"pde", "initial"}
    smooth = first_order(lambda x, t: torch.sin(3 * x) * (1 - x))
    assert not model(smooth).notes
