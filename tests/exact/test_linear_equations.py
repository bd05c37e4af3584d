"""solve_lie() beyond scalar evolution: equations without time, systems, a user's own equation, what is ill-posed."""

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.exact.superposition.boundary_arcs import arcs, points
from pinnkit.exact.superposition.system import system
from pinnkit.output.deepxde.to_deepxde import import_deepxde

x, y, t = pk.coordinates("x y t")
u, v = (pk.field(name, x, t) for name in "uv")
w = pk.field("w", x, y)
LAPLACE = w.diff(x, 2) + w.diff(y, 2)
SQUARE = pk.Box(x=(0, 1), y=(0, 1))
HARMONIC = sp.exp(x) * sp.cos(y) + sp.log((x - 2) ** 2 + y**2)
WAVES = sp.cos(5 * x) + sp.sin(3 * x + 4 * y)


def error(solution):
    return max(e["relative_l2"] for e in solution.errors().values())


def around(e, kind=pk.Dirichlet):
    """Conditions of one kind on the faces of the unit square."""
    found = []
    for s in (x, y):
        for at, n, end in ((0, -1, "min"), (1, 1, "max")):
            slope, on = (n * e.diff(s)).subs(s, at), f"{s}_{end}"
            if kind is pk.Dirichlet:
                found.append(pk.Dirichlet(w, e.subs(s, at), on=on))
            elif kind is pk.Neumann:
                found.append(pk.Neumann(w, slope, on=on))
            else:
                found.append(pk.Robin(w, 1, 2, e.subs(s, at) + 2 * slope, on=on))
    return found


def steady(equation, e, conditions, domain=SQUARE):
    return pk.Problem("p", w, equation, domain, conditions, reference=pk.Exact({w: e}))


def shape(name):
    g = import_deepxde().geometry
    if name == "disk":
        return pk.Geometry(g.Disk([0, 0], 1))
    if name == "ring":
        return pk.Geometry(g.Disk([0, 0], 1) - g.Disk([0.2, 0], 0.3))
    return pk.Geometry(g.Polygon([[0, 0], [1, 0], [1, 1], [-1, 1], [-1, -1], [0, -1]]))


@pytest.mark.parametrize("kind", [pk.Dirichlet, pk.Robin])
@pytest.mark.parametrize("equation, e", [(LAPLACE, HARMONIC), (LAPLACE + 25 * w, WAVES)], ids=["Laplace", "Helmholtz"])
def test_a_square(equation, e, kind):
    solution = pk.solve_lie(steady(equation, e, around(e, kind)), tolerance=1e-10)
    assert error(solution) < 1e-9
    assert pk.report(solution, estimate=False).residuals["pde"] < 1e-7  # of second derivatives near 1e3


def test_slopes_on_three_faces():
    conditions = [*around(HARMONIC, pk.Neumann)[:3], pk.Dirichlet(w, HARMONIC.subs(y, 1), on="y_max")]
    assert error(pk.solve_lie(steady(LAPLACE, HARMONIC, conditions))) < 1e-7


@pytest.mark.parametrize(
    "name, e", [("disk", HARMONIC), ("ring", sp.log((x - sp.Rational(1, 5)) ** 2 + y**2) + x), ("L", HARMONIC)]
)
def test_other_domains(name, e):
    assert error(pk.solve_lie(steady(LAPLACE, e, [pk.Dirichlet(w, e)], shape(name)))) < 1e-7


def test_a_hot_plate_has_jumps_in_its_corners():
    problem = pk.Problem(
        "plate", w, LAPLACE, SQUARE, [pk.Dirichlet(w, 1, on="y_max"), pk.Dirichlet(w, 0, on=("x", "y_min"))]
    )
    solution = pk.solve_lie(problem, tolerance=1e-6)
    X = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.9, 0.8]], dtype=torch.float64)
    n = np.arange(1, 400, 2)[:, None] * np.pi
    series = 4 / n * np.sin(n * X[:, 0].numpy()) * np.exp(n * (X[:, 1].numpy() - 1))
    series *= (1 - np.exp(-2 * n * X[:, 1].numpy())) / (1 - np.exp(-2 * n))
    assert solution(X)[:, 0].numpy() == pytest.approx(series.sum(0), abs=1e-5)


def test_arcs_end_at_corners_and_measure_the_boundary():
    whole = arcs(shape("L"))
    assert len(whole) == 6 and sum(a.length for a in whole) == pytest.approx(8, abs=1e-9)
    assert [a.closed for a in arcs(shape("ring"))] == [True, True]
    at = points(shape("ring"), "boundary", lambda p: p.X[:, 0].sin()[None].numpy(), 4)
    mean = float((at.weights * at.X[:, 0] ** 2).mean())
    exact = (np.pi + 0.3 * np.pi * (0.09 + 2 * 0.04)) / (2.6 * np.pi)
    assert mean == pytest.approx(exact, abs=1e-12)


# Systems


def packet(k):
    """A plane wave of the free Schroedinger equation, u + i v."""
    phase = k * x - sp.Rational(k**2) * t / 2
    return sp.cos(phase), sp.sin(phase)


SCHROEDINGER = {"re": u.diff(t) + v.diff(x, 2) / 2, "im": v.diff(t) - u.diff(x, 2) / 2}


def pair(equations, exact, conditions, T=1, X=1):
    initial = [pk.Initial(f, e.subs(t, 0)) for f, e in zip((u, v), exact, strict=True)]
    box = pk.Box(x=(0, X), t=(0, T))
    reference = pk.Exact(dict(zip((u, v), exact, strict=True)))
    return pk.Problem("pair", (u, v), equations, box, [*initial, *conditions], reference=reference)


def held(exact):
    found = []
    for f, e in zip((u, v), exact, strict=True):
        found += [pk.Dirichlet(f, e.subs(x, at), on=f"x_{end}") for at, end in ((0, "min"), (1, "max"))]
    return found


def test_schroedinger_with_driven_walls_and_with_periods(tmp_path):
    exact = [a + b for a, b in zip(packet(2), packet(-3), strict=True)]
    problem = pair(SCHROEDINGER, exact, held(exact))
    solution = pk.solve_lie(problem, tolerance=1e-6, modes=60)
    assert error(solution) < 1e-5
    pk.save(solution, tmp_path / "run.h5")
    X = solution.problem.domain.sample(6)
    assert torch.equal(pk.load(tmp_path / "run.h5", problem)(X), solution(X)) and solution(X).shape == (6, 2)
    for e, column in zip(pk.closed_form(solution), solution(X).T, strict=True):
        assert float(e.subs(dict(zip((x, t), X[0].tolist(), strict=True)))) == pytest.approx(float(column[0]), abs=1e-9)
    around_circle = pair(SCHROEDINGER, packet(2), [pk.Periodic(u, "x"), pk.Periodic(v, "x")], X=sp.pi)
    solution = pk.solve_lie(around_circle)
    assert error(solution) < 1e-12 and solution.model.count <= 2
    found = pk.report(solution, estimate=False)
    assert set(found.exact) == {"re", "im"}


def test_a_first_order_system_and_a_coupled_one():
    sound = {"mass": u.diff(t) + 2 * v.diff(x), "momentum": v.diff(t) + u.diff(x) / 2}
    exact = (sp.cos(3 * (x - t)) + (x + t) ** 2, (sp.cos(3 * (x - t)) - (x + t) ** 2) / 2)
    ends = [pk.Dirichlet(u, exact[0].subs(x, at), on=f"x_{end}") for at, end in ((0, "min"), (1, "max"))]
    assert error(pk.solve_lie(pair(sound, exact, ends))) < 1e-7
    coupled = {"u": u.diff(t) - u.diff(x, 2) / 5 - v, "v": v.diff(t) - v.diff(x, 2) / 5 - u}
    k = sp.exp(-(sp.pi**2) * t / 5) * sp.sin(sp.pi * x)
    solution = pk.solve_lie(pair(coupled, (k * sp.cosh(t), k * sp.sinh(t)), held((sp.S.Zero, sp.S.Zero))))
    assert error(solution) < 1e-12 and solution.model.count <= 4


def test_the_symbol_of_a_system():
    op = system(pair(SCHROEDINGER, packet(1), held(packet(1))))
    assert sorted(op.determinant.rates(np.array([2j])).imag) == pytest.approx([-2, 2])
    (p,) = op.kernel(np.array([2j, -2j]))
    assert p[1] / p[0] == pytest.approx(-1j)
    assert op.misfit(packet(3), {}) < 1e-30 < 0.01 < op.misfit(packet(3)[::-1], {})
    twice = {"u": u.diff(t) - u.diff(x, 2), "v": v.diff(t) - v.diff(x, 2)}
    op = system(pair(twice, packet(1), held(packet(1))))
    assert op.kernel(np.array([1.0, 1.0])).shape == (2, 2) and len(op.determinant.rates(np.array([1j]))) == 1


# A user's own equations


def evolving(equation, e, *walls, field=u, T=1, box=(0, 1)):
    order = 2 if equation.has(field.diff(t, 2)) else 1
    initial = [pk.Initial(field, sp.diff(e, t, k).subs(t, 0), order=k) for k in range(order)]
    domain = pk.Box(x=box, t=(0, T))
    return pk.Problem("own", field, equation, domain, [*initial, *walls], reference=pk.Exact({field: e}))


def own_equations():
    e = sp.exp(x + 2 * t - sp.pi**2 * t) * sp.sin(sp.pi * x)
    yield (
        "u_t = u_xx - 2 u_x + 3 u",
        evolving(u.diff(t) - u.diff(x, 2) + 2 * u.diff(x) - 3 * u, e, pk.Dirichlet(u, 0, on="x")),
        1e-12,
    )
    e = sp.sin(sp.pi * x) * sp.cos(sp.pi**2 * t)
    hinged = [pk.Dirichlet(u, 0, on="x"), pk.Operator("moment", u.diff(x, 2), on="x")]
    yield "u_tt + u_xxxx = 0", evolving(u.diff(t, 2) + u.diff(x, 4), e, *hinged), 1e-12
    e = x**2 + 2 * x * t  # u_t = x u_xx
    ends = [pk.Dirichlet(u, e.subs(x, k), on=f"x_{n}") for k, n in ((1, "min"), (2, "max"))]
    yield "u_t = x u_xx", evolving(u.diff(t) - x * u.diff(x, 2), e, *ends, box=(1, 2)), 1e-12
    e = sp.exp(-2 * t) * (x**2 - 1)  # Hermite's operator
    ends = [pk.Dirichlet(u, e.subs(x, k), on=f"x_{n}") for k, n in ((0, "min"), (1, "max"))]
    yield "u_t = u_xx - x u_x", evolving(u.diff(t) - u.diff(x, 2) + x * u.diff(x), e, *ends), 1e-12


@pytest.mark.parametrize("problem, tolerance", [pytest.param(p, e, id=name) for name, p, e in own_equations()])
def test_a_users_own_equation(problem, tolerance):
    assert error(pk.solve_lie(problem, tolerance=tolerance, max_parameters=60, pool=40)) < tolerance


# What is refused


def refusals():
    """Statements, made when they are asked for: some are refused before there is a problem."""
    zero, one = pk.Dirichlet(w, 0, on="x"), pk.Dirichlet(w, sp.sin(x), on="y_min")
    both = [zero, one, pk.Neumann(w, 0, on="y_min")]
    yield "Cauchy data", lambda: steady(LAPLACE, x, both), "Cauchy data"
    yield "not elliptic", lambda: steady(w.diff(x, 2) - w.diff(y, 2), x + y, around(x + y)), "not elliptic"
    wave = sp.sin(sp.pi * x) * sp.sin(2 * sp.pi * y)
    yield (
        "resonance", lambda: steady(LAPLACE + 5 * sp.pi**2 * w, wave, [pk.Dirichlet(w, 0)]),
        "an eigenfunction of the box .* solves the equation with zero data",
    )  # fmt: skip
    ends = pk.Dirichlet(u, 0, on="x")
    backwards = "short waves grow without bound .*time runs backwards"
    yield "backward heat", lambda: evolving(u.diff(t) + u.diff(x, 2), sp.sin(x), ends), backwards
    elliptic = "short waves grow without bound .* or the equation is elliptic"
    yield "Laplace as an evolution", lambda: evolving(u.diff(t, 2) + u.diff(x, 2), sp.sin(x), ends), elliptic
    fisher = u.diff(t) - u.diff(x, 2) - u * (1 - u)
    yield "Fisher", lambda: evolving(fisher, sp.sin(x), ends), "not linear in u.*or a map to one"
    many = {**SCHROEDINGER, "more": u.diff(x) + v.diff(x)}
    yield "more equations", lambda: pair(many, packet(1), held(packet(1))), "as many equations as fields"
    yield "heat on a disk", heat_on_a_disk, "needs a pinnkit.Box, or a domain in the plane without time"


def heat_on_a_disk():
    g = import_deepxde().geometry
    f = pk.field("f", x, y, t)
    body = pk.Geometry(g.Disk([0, 0], 1), time=(0, 1))
    return pk.Problem("disk", f, f.diff(t) - f.diff(x, 2) - f.diff(y, 2), body, [pk.Initial(f, x), pk.Dirichlet(f, x)])


@pytest.mark.parametrize("problem, why", [pytest.param(p, why, id=name) for name, p, why in refusals()])
def test_what_is_refused(problem, why):
    with pytest.raises(ValueError, match=why):
        pk.solve_lie(problem())


# What the data do


@pytest.fixture(scope="module")
def coarse():
    """Few members, so that the data are missed and every point pulls."""
    return pk.solve_lie(steady(LAPLACE, HARMONIC, around(HARMONIC)), tolerance=3e-3)


def refit(solution, values=None, without=None):
    """u at the middle of the square after least squares with other data, or without a point."""
    stack, theta = solution.stack, solution.theta
    J, a = stack.jacobian(theta), stack.row_weights.clone()
    y = J @ theta - stack.values(theta) + (0 if values is None else values)
    if without is not None:
        a[without] = 0
    F = a.sqrt()[:, None] * J
    moved = torch.linalg.lstsq(F, a.sqrt() * y, driver="gelsd").solution
    return float(pk.at("w", x=0.5, y=0.5).linearise(solution)[1][0] @ moved)


def test_influence_of_boundary_points_is_that_of_fitting_again(coarse):
    middle = pk.at("w", x=0.5, y=0.5)
    effects = pk.Influence(coarse, damping=1e-13).attribute(middle)
    joint = torch.cat([effects.joint[key][0] for key in coarse.stack.programs])
    before = refit(coarse)
    for m in joint.abs().topk(3).indices.tolist():
        assert refit(coarse, without=m) - before == pytest.approx(float(joint[m]), rel=1e-3)


def test_response_to_the_data_is_that_of_fitting_again(coarse):
    response = pk.data_response(coarse, pk.at("w", x=0.5, y=0.5))
    flat = torch.cat([response[name][0] for name in response])
    values = torch.randn(len(flat), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert refit(coarse, values) - refit(coarse) == pytest.approx(float(flat @ values), rel=1e-8)
    assert float(flat.sum()) == pytest.approx(1, abs=1e-2)  # constants are harmonic
    with pytest.raises(ValueError, match="not linear in its parameters"):
        problem = coarse.problem
        model = pk.Model(problem, pk.MLP(2, 4, 1))
        pk.data_response(pk.Solution(model, model.initial(0), pk.sample(problem, 10)), pk.at("w", x=0.5, y=0.5))
