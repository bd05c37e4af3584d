"""Problems solved as the heat equation: errors against known solutions, walls, files, coordinates in any order."""

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.exact.superposition.box_conditions import face_pairs
from pinnkit.exact.superposition.chart import charts
from pinnkit.exact.superposition.family import Family, Range
from pinnkit.exact.superposition.linear_operator import operator

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
u_t, u_x, u_xx = pk.derivatives(u, "t", "x", "xx")
SPRING = u_t - u_xx / 2 - sp.diff(x * u, x)
OPTION = u_t - x**2 * u_xx / 8 - x * u_x / 20 + u / 20
IN, AROUND = pk.Box(x=(1, 2), t=(0, 1)), pk.Box(x=(-3, 3), t=(0, 3))


def stated(equation, box, exact, *walls):
    if not walls:
        ends = zip(box.faces, box.bounds[:, 0], strict=True)
        walls = [pk.Dirichlet(u, exact.subs(x, sp.Rational(float(end))), on=face) for face, end in ends]
    start = pk.Initial(u, exact.subs(t, 0))
    return pk.Problem("p", u, equation, box, [start, *walls], reference=pk.Exact({u: exact}))


def own(problem):
    return charts(problem, operator(problem), face_pairs(problem))


bell = sp.exp(-((x - sp.exp(-t)) ** 2) / (1 - sp.exp(-2 * t) / 2)) / sp.sqrt(1 - sp.exp(-2 * t) / 2)
modes = sp.exp(-(x**2)) * (1 + x * sp.exp(-t) + (2 * x**2 - 1) * sp.exp(-2 * t))


@pytest.mark.parametrize(
    "equation, box, exact, most",
    [
        pytest.param(SPRING, AROUND, modes, 15, id="Hermite modes, in the inner coordinate"),
        pytest.param(SPRING, AROUND, sp.exp(t), 1, id="flat, in the outer coordinate"),
        pytest.param(OPTION, IN, x + sp.exp(-t / 20), 25, id="a share and a bond"),
        pytest.param(u_t - u_xx - 2 * u_x / x, IN, sp.exp(-t) * sp.sin(x) / x + 1, 40, id="radial"),
    ],
)
def test_known_solutions_are_found(equation, box, exact, most):
    solution = pk.solve_lie(stated(equation, box, exact), modes=80)
    assert solution.errors()["u"]["relative_l2"] < 1e-8
    assert solution.model.count <= most
    found = pk.report(solution, estimate=False)
    assert found.exact == ("pde",) and found.residuals["pde"] < 1e-8


@pytest.mark.parametrize("name", ["ornstein_uhlenbeck", "black_scholes"])
def test_problems_of_the_catalogue(name, tmp_path):
    solution = pk.solve_lie(pk.problem(name))
    ((field, errors),) = solution.errors().items()
    assert errors["relative_l2"] < 1e-8 and "(within 1.0e-08)" in solution.stops[0]
    found = pk.report(solution, estimate=False)
    assert found.exact == ("pde",) and found.residuals["pde"] < 1e-8
    pk.save(solution, tmp_path / "run.h5")
    loaded = pk.load(tmp_path / "run.h5")
    X = solution.problem.domain.sample(2, seed=2)
    assert [f.form for f in loaded.network.families] == [f.form for f in solution.network.families]
    assert torch.allclose(loaded(X), solution(X), rtol=1e-12)
    e = pk.closed_form(solution)
    for place, value in zip(X.tolist(), solution(X)[:, 0].tolist(), strict=True):
        at = dict(zip(solution.problem.variables, place, strict=True))
        assert float(e.subs(at)) == pytest.approx(value, abs=1e-11), field


def test_a_barrier_option_has_separated_solutions_and_their_walls():
    k = sp.pi / sp.log(2)
    m = sp.Rational(1, 2) - sp.Rational(8, 20) / 2  # x^m removes the slope by ln x
    rate = k**2 / 8 + m**2 / 8 + sp.Rational(1, 20)
    exact = x**m * sp.sin(k * sp.log(x)) * sp.exp(-rate * t)
    solution = pk.solve_lie(stated(OPTION, IN, exact, pk.Dirichlet(u, 0, on="x")))
    assert str(solution.network) == "superposition of 1 separated"
    assert solution.errors()["u"]["relative_l2"] < 1e-12


@pytest.mark.parametrize("kind", ["Neumann", "Robin"])
def test_walls_keep_their_meaning(kind):
    wall = pk.Neumann(u, 0, on="x") if kind == "Neumann" else pk.Robin(u, 2, 3, 0, on="x")
    (chart,) = own(stated(OPTION, IN, x, wall))
    (family, theta), *_ = [part for part in chart.first(6).parts if part[0].name == "separated"]
    ends = torch.tensor([[1.0, 0.3], [2.0, 0.3]], dtype=torch.float64)
    value, slope = family.values(theta, ends, [(0, 0), (1, 0)])
    normal = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    gap = normal * slope if kind == "Neumann" else 2 * value + 3 * normal * slope
    assert len(theta) == 6 and float(gap.abs().max()) < 1e-10 and float(value.abs().max()) > 0.1


def test_images_and_slopes_of_local_solutions():
    (chart,) = own(stated(OPTION, IN, x, pk.Dirichlet(u, 0, on="x")))
    X = IN.sample(5, seed=1)
    for family in chart.kernels(0.05):
        assert len(family.images) > 1
        theta = np.array([[0.3, 0.02]])
        (values,) = family.values(theta, X, [(0, 0)])
        e = family.at(theta[0])
        by_hand = [float(e.subs({x: a, t: b})) for a, b in X.tolist()]
        assert values[0].tolist() == pytest.approx(by_hand, abs=1e-14)
        slopes = family.slopes(theta, X, [(1, 0)])[0, :, 0]
        for j, h in enumerate((1e-5, 1e-6)):
            step = h * np.eye(2)[[j]]
            up, down = (family.values(theta + s, X, [(1, 0)])[0, 0] for s in (step, -step))
            assert torch.allclose(slopes[j], (up - down) / (2 * h), rtol=1e-5, atol=1e-5 * float(slopes.abs().max()))
    low, high = family.values(theta, torch.tensor([[1.0, 0.5], [2.0, 0.5]]).double(), [(0, 0)])[0, 0].tolist()
    assert abs(low) < 1e-12 and "step" in family.name


def test_time_may_come_first():
    w = pk.field("w", t, x)
    exact = sp.exp(-t) * (x + 1)
    equation = w.diff(t) - x**2 * w.diff(x, 2) + w
    ends = [pk.Dirichlet(w, exact.subs(x, k), on=f"x_{n}") for k, n in ((1, "min"), (2, "max"))]
    box = pk.Box(t=(0, 1), x=(1, 2))
    problem = pk.Problem(
        "p", w, equation, box, [pk.Initial(w, exact.subs(t, 0)), *ends], reference=pk.Exact({w: exact})
    )
    (form,), why = pk.heat_forms(problem)
    assert not why and form.coordinates == (x, t) and form.space == sp.log(x)
    assert pk.solve_lie(problem).errors()["w"]["relative_l2"] < 1e-8


def test_a_wrong_map_is_noticed():
    from dataclasses import replace

    (chart,) = own(stated(OPTION, IN, x))
    wrong = replace(chart, form=replace(chart.form, gauge=chart.form.gauge + x * t))
    with pytest.raises(ValueError, match="does not solve the equation"):
        wrong.first(6)
    with pytest.raises(ValueError, match="does not solve the equation"):
        wrong.kernels(0.05)
    assert Family("plain", x, (x, t), (Range("a", 0, 1),)).form is None


def test_other_problems_keep_their_coordinates():
    for equation, why in (
        (u_t - u_xx - u_x / x, "not quadratic"),
        (u_t + u.diff(x, 4), "u_t = a u_xx"),
    ):
        problem = stated(equation, IN, x, pk.Dirichlet(u, 0, on="x"), pk.Neumann(u, 0, on="x"))
        assert why in pk.heat_forms(problem)[1] and own(problem)[0].form is None
    assert pk.heat_forms(pk.problem("heat2d"))[1] == "the problem is not one of a box x, t"
    assert pk.heat_forms(pk.problem("heat"))[0][0].space == sp.Symbol("x", real=True)


def test_maps_that_are_real_left_of_zero_only():
    """Black and Scholes' equation mirrored, y = -log(-x): solutions are verified where the problem is posed."""
    box = pk.Box(x=(-2, -1), t=(0, 1))
    (chart,) = own(stated(u_t - x**2 * u_xx, box, x**2 * sp.exp(2 * t)))
    assert chart.form is not None and chart.places == {x: (-2.0, -1.0), t: (0.0, 1.0)}
    assert len(chart.special(20).parts) > 10 and chart.kernels(0.05)
