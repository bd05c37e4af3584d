"""Units: what is trained does not depend on the user's, problems that are scaled well stay as they are."""

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.error.amplification import stepped
from pinnkit.statement.units import Units, natural, units

x, y, t = pk.coordinates("x y t")
SHORT = {"stages": [pk.Adam(20), pk.SSBroyden(60)], "resample": None, "progress": False}


def bar(length=1, time=1, size=1, offset=0, factor=1, source=1):
    """u_t = u_xx / 4 + source of a bar, in units of one's choice; ``factor`` multiplies the equation."""
    u = pk.field("u", x, t)
    X, T = x / length, t / time
    exact = offset + size * (sp.cos(sp.pi * X) * sp.exp(-T) + source * X**2 * T)
    heat = factor / size * (time * u.diff(t) - length**2 * u.diff(x, 2) / 4)
    heat -= heat.subs(u, exact).doit()
    box = pk.Box(x=(0, length), t=(0, time))
    ends = [pk.Dirichlet(u, exact.subs(x, 0), on="x_min"), pk.Neumann(u, exact.diff(x).subs(x, length), on="x_max")]
    return pk.Problem("bar", u, heat, box, [pk.Initial(u, exact.subs(t, 0)), *ends], reference=exact)


def relative(solution, offset, size):
    X = solution.problem.domain.sample(200, seed=5)
    return (solution(X) - solution.problem.reference(X)) / size, (solution(X) - offset) / size


@pytest.mark.parametrize("hard", [True, False])
def test_what_is_trained_does_not_depend_on_units(hard):
    """Lengths, times, fields and equations times any numbers: the same losses, parameters and relative errors."""
    found = []
    for length, time, size, offset, factor in (
        (sp.Rational(1, 50), 700, 90, 1000, 10**7), (5e-8, 3e8, 1e-12, 1.1e-11, sp.Float(1e-9)),
    ):  # fmt: skip
        problem = bar(length, time, size, offset, factor)
        solution = pk.solve(problem, pk.MLP(2, 8, 1), 60, hard=hard, **SHORT)
        assert solution.model.units is not None and solution.notes[-1].startswith("units: trained as u = ")
        found.append((solution.history["loss"][-1], solution.theta, relative(solution, float(offset), float(size))[1]))
    (loss, theta, u), (other, at, v) = found
    assert abs(loss - other) < 1e-3 * loss
    assert float((theta - at).abs().max()) < 1e-3 and float((u - v).abs().max()) < 1e-3


def test_a_problem_that_is_scaled_well_stays_as_it_is():
    problem = bar()
    solution = pk.solve(problem, pk.MLP(2, 4, 1), 30, stages=[pk.Adam(2)], resample=None, progress=False)
    assert units(problem) is None and solution.model.units is None and not solution.notes
    assert solution.term_weights == {name: 1.0 for name in solution.stack.terms}
    assert solution.model.ansatz == pk.Model(problem, pk.MLP(2, 4, 1)).ansatz


def test_scales_come_from_data_and_offsets_from_their_mean():
    found = natural(bar(size=100, offset=1000))
    offset, scale = found.fields["u"]
    assert abs(offset - 1000) < 20 and 90 < scale < 250
    assert found.terms["u initial"] == pytest.approx(scale) and found.terms["u on x_min"] == pytest.approx(scale)
    assert found.terms["du/dn on x_max"] == pytest.approx(2 * scale)  # over the half width 1/2


def test_a_field_without_data_takes_its_scale_from_the_source_and_its_length():
    """-k u'' = k (20 pi)^2 sin(20 pi x): u is of size 1, not (20 pi)^2 / 8."""
    u, wave = pk.field("u", x), 20 * sp.pi
    for k in (1, sp.Float(2e11)):
        force = k * wave**2 * sp.sin(wave * x)
        problem = pk.Problem("rod", u, k * u.diff(x, 2) + force, pk.Box(x=(0, 1)), [pk.Dirichlet(u, 0)])
        assert 0.3 < natural(problem).fields["u"][1] < 3


def test_pressure_takes_its_scale_from_what_balances_it():
    """Water, 1 mm/s between walls 1 mm apart, 1e5 Pa at the outlet: p is 1e5 and some 1e-3 Pa."""
    u, v, p = (pk.field(name, x, y) for name in "uvp")
    rho, mu, H = 1000, sp.Float(1e-3), sp.Float(1e-3)
    inlet = 4e-3 * y * (H - y) / H**2

    def along(f):
        return rho * (u * f.diff(x) + v * f.diff(y)) - mu * (f.diff(x, 2) + f.diff(y, 2))

    equations = {"x": along(u) + p.diff(x), "y": along(v) + p.diff(y), "mass": u.diff(x) + v.diff(y)}
    walls = [pk.Dirichlet(u, inlet, on=("x_min", "y")), pk.Dirichlet(v, 0, on=("x_min", "y"))]
    out = [pk.Neumann(u, 0, on="x_max"), pk.Dirichlet(v, 0, on="x_max"), pk.Dirichlet(p, 1e5, on="x_max")]
    problem = pk.Problem("channel", (u, v, p), equations, pk.Box(x=(0, 2e-3), y=(0, 1e-3)), [*walls, *out])
    found = natural(problem).fields
    assert found["u"][1] == pytest.approx(1e-3, rel=0.02) and 1e-4 < found["v"][1] < 2e-3
    assert found["p"][0] == 1e5 and 1e-3 < found["p"][1] < 0.1


def test_weights_that_are_given_are_kept():
    problem = bar(size=1e-6, factor=1e12)
    kept = pk.solve(problem, pk.MLP(2, 4, 1), 30, weights={"pde": 7.0}, hard=False, stages=[pk.Adam(1)],
                    resample=None, progress=False)  # fmt: skip
    assert kept.term_weights["pde"] == 7 and kept.term_weights["u initial"] == 1
    stated = bar(size=1e-6, factor=1e12)
    start = pk.Initial(stated.fields[0], stated.conditions[0].value, weight=9)
    twice = pk.Problem("bar", stated.fields, stated.equations, stated.domain, [start, *stated.conditions[1:]])
    sizes = natural(twice).terms
    free = pk.solve(twice, pk.MLP(2, 4, 1), 30, hard=False, stages=[pk.Adam(1)], resample=None, progress=False)
    assert free.term_weights["u initial"] == pytest.approx(9 / sizes["u initial"] ** 2)
    assert free.term_weights["pde"] == pytest.approx(1 / sizes["pde"] ** 2)


def test_units_are_in_the_file_and_follow_the_solution(tmp_path):
    problem = bar(sp.Rational(1, 50), 700, 90, 1000, 10**7)
    solution = pk.solve(problem, pk.MLP(2, 6, 1), 60, hard=False, **SHORT)
    pk.save(solution, tmp_path / "run.h5")
    back = pk.load(tmp_path / "run.h5", problem=problem)
    assert isinstance(back.model.units, Units) and back.model.units == solution.model.units
    X = problem.domain.sample(20)
    assert torch.equal(back(X), solution(X)) and back.term_weights == solution.term_weights
    more = pk.solve(start=back, stages=[pk.SSBroyden(5)], progress=False)
    assert more.model.units == solution.model.units and more.history["loss"][-1] <= solution.history["loss"][-1]
    better = pk.correct(solution)
    still, change = stepped(better, torch.zeros_like(better.theta), X, 0.005)
    assert change == 0.0 and still.model.units == solution.model.units
    assert torch.allclose(still(X), solution(X), rtol=1e-12)
    before, after = relative(solution, 1000, 90)[0], relative(better, 1000, 90)[0]
    assert float(after.norm()) < 0.2 * float(before.norm())


def test_sizes_are_those_of_the_terms():
    """3 u_xx - 5 u = 0 on (0, 4), u = 2 at the ends: 3 * 2 / 2^2 + 5 * 2."""
    u = pk.field("u", x)
    problem = pk.Problem("rod", u, 3 * u.diff(x, 2) - 5 * u, pk.Box(x=(0, 4)), [pk.Dirichlet(u, 2, on="x_min"),
                         pk.Dirichlet(u, -2, on="x_max")])  # fmt: skip
    found = natural(problem)
    assert found.fields["u"] == (0, 2) and found.terms["pde"] == pytest.approx(3 * 2 / 4 + 5 * 2)
    assert np.allclose([found.terms["u on x_min"], found.terms["u on x_max"]], 2)


def test_unknown_coefficients_have_scales():
    """A diffusivity of 1e-9 m2/s found from 5e-9, with the error bar, the correction and the file in the same units."""
    u, K, D, size = pk.field("u", x, t), sp.Symbol("K"), sp.Float(1e-9), sp.Float(1e-3)
    exact = 40 * sp.exp(-D * sp.pi**2 * t / size**2) * sp.sin(sp.pi * x / size)
    box = pk.Box(x=(0, size), t=(0, 100))
    X = box.sample(40, seed=3)
    values = pk.Exact({u: exact})(X)[:, 0] + 0.1 * torch.sin(torch.arange(40) * 12.9)
    conditions = [pk.Initial(u, exact.subs(t, 0)), pk.Dirichlet(u, 0, on="x"), pk.Observations(u, X, values)]
    problem = pk.Problem("slab", u, u.diff(t) - K * u.diff(x, 2), box, conditions, unknowns={"K": 5e-9})
    solution = pk.solve(problem, pk.MLP(2, 6, 1), 80, stages=[pk.LevenbergMarquardt(40)], progress=False)
    assert solution.model.units.unknowns == {"K": 5e-9}
    assert float(solution.theta[-1]) == pytest.approx(solution.unknowns["K"] / 5e-9)
    assert solution.unknowns["K"] == solution.history["K"][-1] == pytest.approx(1e-9, rel=0.02)
    found = pk.uncertainty(solution).to_dict()["values"]["K"]
    low, high = found["interval"]
    assert 0 < low < found["trained"] < high < 2e-9 and high - low < 1e-10
    assert pk.error_map(solution, n=200).unknowns["K"] == pytest.approx(1e-9, rel=0.02)


def test_a_coefficient_that_starts_from_zero_has_the_size_of_its_term():
    """u_t = K u_xx: K is of size l^2 / T."""
    u, K = pk.field("u", x, t), sp.Symbol("K")
    box = pk.Box(x=(0, 2e-3), t=(0, 200))
    data = pk.Observations(u, box.sample(9), torch.linspace(1, 2, 9))
    problem = pk.Problem("slab", u, u.diff(t) - K * u.diff(x, 2), box, [data], unknowns={"K": 0})
    assert natural(problem).unknowns["K"] == pytest.approx(1e-3**2 / 100, rel=0.2)


def test_a_field_between_two_rows_is_of_the_size_that_balances_both():
    """Maxwell: eps E_t + H_x = 0, mu H_t + E_x = 0 with E alone given: H is of size E (eps / mu)^1/2."""
    E, H, eps, mu = pk.field("E", x, t), pk.field("H", x, t), sp.Float(8.854e-12), sp.Float(1.2566e-6)
    rows = {"ampere": eps * E.diff(t) + H.diff(x), "faraday": mu * H.diff(t) + E.diff(x)}
    conditions = [pk.Initial(E, 1e3 * sp.sin(10 * x)), pk.Initial(H, 0), pk.Dirichlet(E, 0, on="x")]
    problem = pk.Problem("line", (E, H), rows, pk.Box(x=(0, sp.pi / 10), t=(0, 1e-9)), conditions)
    assert natural(problem).fields["H"][1] == pytest.approx(1e3 * (8.854e-12 / 1.2566e-6) ** 0.5, rel=0.01)


def test_the_rows_of_a_point_load_have_sizes_too():
    """-E I u'' = F delta(x - L/2), 10 kN on a steel bar of 3 m: u(L/2) = F L / (4 E I), as well as in plain numbers."""
    u = pk.field("u", x)
    for stiffness, length, force in ((1, sp.Integer(1), 1), (sp.Float(2e7), sp.Integer(3), 10**4)):
        beam = stiffness * u.diff(x, 2) + force * sp.DiracDelta(x - length / 2)
        problem = pk.Problem("load", u, beam, pk.Box(x=(0, length)), [pk.Dirichlet(u, 0)])
        stages = [pk.Adam(50), pk.SSBroyden(150)]
        solution = pk.solve(problem, pk.MLP(1, 8, 8, 1), 100, stages=stages, resample=None, progress=False)
        found = float(solution(torch.tensor([[float(length) / 2]]).double())[0, 0])
        assert found == pytest.approx(float(force * length / stiffness / 4), rel=1e-4)


def test_an_offset_is_the_middle_of_the_data_and_the_scale_half_their_range():
    u = pk.field("u", x)
    ends = [pk.Dirichlet(u, 7, on="x_min"), pk.Dirichlet(u, 9, on="x_max")]
    assert natural(pk.Problem("rod", u, u.diff(x, 2), pk.Box(x=(0, 1)), ends)).fields["u"] == (8, 1)
