"""Forces, fluxes, pressure differences, vorticity and dissipation against closed forms; quadrature along curves."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.domain.boundary_quadrature import along_boundary, along_line
from pinnkit.model.quantity import fluid
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from problems import cylinder, kovasznay

shape = import_deepxde().geometry
x, y, z, t = pk.coordinates("x y z t")


def on_exact(of, exact, parameters):
    """An integral of closed forms: its own expression, points and weights."""
    e = of.expression.subs(exact).doit()
    e = e.subs({s: parameters[s.name] for s in e.free_symbols if s.name in parameters})
    symbols = (x, y, *pk.normals(x, y))
    normal = [of.points.columns[s.name].numpy() if s.name in of.points.columns else None for s in symbols[2:]]
    values = sp.lambdify(symbols, e, "numpy")(*of.points.X.numpy().T, *normal)
    return float((of.q * torch.as_tensor(values) * torch.ones_like(of.q)).sum())


def annulus(exact, reynolds=20.0):
    """A Stokes problem around a disk of radius 1/2 at (2, 2), with the closed forms of u, v, p."""
    problem = cylinder(reynolds, convection=0.0)
    return problem, dict(zip(problem.fields, exact, strict=True))


def test_stokeslet():
    """A point force F inside the disk: the fluid pushes the disk by -F (Pozrikidis 1992, eq. 2.6.17)."""
    F, nu = sp.Matrix([3, -2]), sp.Rational(1, 20)
    r = sp.Matrix([x - sp.Float("2.1"), y - sp.Float("1.95")])
    r2 = (r.T * r)[0]
    u = [(-F[i] * sp.log(r2) / 2 + r[i] * (F.T * r)[0] / r2) / (4 * sp.pi * nu) for i in (0, 1)]
    problem, exact = annulus((*u, (F.T * r)[0] / (2 * sp.pi * r2)))
    found = [on_exact(of(problem, "cylinder", n=128), exact, problem.parameters) for of in (pk.drag, pk.lift)]
    assert found == pytest.approx([-3, 2], abs=1e-12)
    across = pk.force(problem, "cylinder", (-1, -1), scale=2.0)
    assert on_exact(across, exact, problem.parameters) == pytest.approx(2 * (3 - 2) / np.sqrt(2), abs=1e-12)
    assert on_exact(pk.flux(problem, "cylinder"), exact, problem.parameters) == pytest.approx(0, abs=1e-12)


def test_buoyancy_and_shear():
    """A pressure gradient pushes a body against itself; a wall is dragged along by the fluid above it."""
    problem, exact = annulus((sp.S.Zero, sp.S.Zero, 3 * x - y))
    area = np.pi / 4
    assert on_exact(pk.drag(problem, "cylinder"), exact, problem.parameters) == pytest.approx(-3 * area, rel=1e-13)
    assert on_exact(pk.lift(problem, "cylinder"), exact, problem.parameters) == pytest.approx(area, rel=1e-13)
    shear = dict(zip(problem.fields, (7 * y, sp.S.Zero, sp.S.Zero), strict=True))
    walls = pk.Geometry(shape.Rectangle([0, 0], [3, 2]), parts={"floor": lambda X: np.isclose(X[:, 1], 0)})
    channel = _channel(walls, problem)
    assert on_exact(pk.drag(channel, "floor"), shear, problem.parameters) == pytest.approx(7 / 20 * 3, rel=1e-13)


def _channel(domain, like):
    u, _, p = like.fields
    return pk.Problem(
        "shear", like.fields, like.equations, domain,
        [pk.Dirichlet(u, 0, on="floor"), pk.Operator("rest", p, on="rest")], like.parameters,
    )  # fmt: skip


def test_kovasznay_flow():
    problem = kovasznay()
    exact = {u: problem.reference.expression(u) for u in problem.fields}
    k = 20 - np.sqrt(400 + 4 * np.pi**2)
    names = problem.parameters
    assert on_exact(pk.flux(problem, "x_max"), exact, names) == pytest.approx(2, abs=1e-13)
    assert on_exact(pk.flux(problem, "x_min"), exact, names) == pytest.approx(-2, abs=1e-12)
    assert on_exact(pk.flux(problem, "boundary", n=512), exact, names) == pytest.approx(0, abs=1e-12)
    line = pk.flux(problem, line=((0, 0), (0, 0.25)))
    assert on_exact(line, exact, names) == pytest.approx(0.25 - 1 / (2 * np.pi), abs=1e-13)
    down = pk.flux(problem, line=((0.5, 0.25), (0, 0.25)))  # to the right of this direction is up
    assert on_exact(down, exact, names) == pytest.approx((np.exp(k / 2) - 1) / (2 * np.pi), abs=1e-13)
    drop = pk.pressure_difference(problem, (0, 0), (1, 0), scale=2)
    assert on_exact(drop, exact, names) == pytest.approx(np.exp(2 * k) - 1, abs=1e-14)
    X = {x: 0.3, y: 0.7}
    vorticity = fluid.vorticity(problem).subs(exact).doit().subs(X)
    by_hand = (k**2 - 4 * np.pi**2) / (2 * np.pi) * np.exp(0.3 * k) * np.sin(1.4 * np.pi)
    assert float(vorticity) == pytest.approx(by_hand, rel=1e-12)
    a, b = (problem.fields[0], problem.fields[1])
    ux, uy, vx, vy = (exact[f].diff(s) for f in (a, b) for s in (x, y))
    expected = (2 * ux**2 + 2 * vy**2 + (uy + vx) ** 2).subs(X) / 40
    found = fluid.dissipation(problem).subs(exact).doit().subs(X).subs(sp.Symbol("Re", real=True), 40)
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    assert float(pk.dissipation(problem, viscosity=2).subs(exact).doit().subs(X)) == pytest.approx(80 * float(expected))


def test_values_and_gradients_of_a_solution():
    """Functionals of a trained model: values as by its jets, gradients as by finite differences."""
    problem = cylinder()
    points, adam = {"pde": 20, "outflow": 5}, [pk.Adam(2)]
    solution = pk.solve(problem, pk.MLP(2, 6, 3), points, stages=adam, resample=None, progress=False)
    flow = pk.flux(problem, "inflow")
    assert pk.measure(solution, flow) == {"flux through inflow": pytest.approx(-4.1, abs=1e-12)}  # hard, so known
    drag = pk.drag(problem, "cylinder", scale=2)
    X, n = drag.points.X, drag.points.columns
    u_x, u_y, v_x, p = solution.jet(X, "u_x u_y v_x p")
    by_jet = float((drag.q * (-p * -n["n_x"] + (2 * u_x * -n["n_x"] + (u_y + v_x) * -n["n_y"]) / 20)).sum())
    value, gradient = drag.linearise(solution)
    assert float(value) == pytest.approx(by_jet, rel=1e-12)
    v = torch.randn(len(solution.theta), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = [pk.measure(replace(solution, theta=solution.theta + s * v), drag)["drag"] for s in (1e-5, -1e-5)]
    assert float(gradient[0] @ v) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_no_slip_and_inflow_hold_at_every_point():
    for problem in (cylinder(), cylinder(convection=0)):
        model = pk.Model(problem, problem.recipe.network, True)
        assert model.keys == ("pde", "outflow")
        theta = torch.randn(model.count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        solution = pk.Solution(model, theta, pk.sample(problem, {"pde": 5, "outflow": 5}))
        X, _ = problem.domain.sample_boundary(999, ("walls", "cylinder"))
        assert solution(X)[:, :2].abs().max() < 1e-12
        X, _ = problem.domain.sample_boundary(50, "inflow")
        inflow = 6 * X[:, 1] * (4.1 - X[:, 1]) / 4.1**2
        assert torch.allclose(solution(X)[:, 0], inflow, atol=1e-12) and solution(X)[:, 1].abs().max() < 1e-12
    assert cylinder().reference is not None and cylinder(convection=0).reference is None


def test_three_dimensions():
    u, v, w, p = (pk.field(n, x, y, z) for n in "uvwp")
    equations = {"a": u.diff(x) + v.diff(y) + w.diff(z), "b": u - y + p, "c": v, "d": w}
    conditions = [pk.Dirichlet(u, 0, on="x")]
    problem = pk.Problem("flow", (u, v, w, p), equations, pk.Box(x=(0, 1), y=(0, 1), z=(0, 1)), conditions)
    rotation = {u: -2 * y, v: 2 * x, w: x * y}
    assert [c.subs(rotation).doit() for c in fluid.vorticity(problem)] == [x, -y, 4]
    with pytest.raises(ValueError, match="neither a parameter Re nor nu"):
        fluid.dissipation(problem)


QUADRATURES = {
    "disk": (shape.Disk([2, 2], 0.5), lambda X: np.exp(X[:, 0]), np.pi * float(sp.besseli(0, 0.5)) * np.exp(2)),
    "square": (shape.Rectangle([0, 0], [1, 1]), lambda X: X[:, 0] ** 3 + X[:, 1], 0.5 + 2 + 1),
    "triangle": (shape.Triangle([0, 0], [3, 0], [0, 4]), lambda X: X[:, 0], 4.5 + 7.5),
    "disk and a corner": (shape.Disk([0, 0], 1) - shape.Rectangle([0, 0], [2, 2]), lambda X: X[:, 0], -1 + 0.5),
}


@pytest.mark.parametrize("name", QUADRATURES)
def test_quadrature_along_a_boundary(name):
    body, f, expected = QUADRATURES[name]
    points, q = along_boundary(pk.Geometry(body), n=96)
    assert float((q.numpy() * f(points.X.numpy())).sum()) == pytest.approx(expected, abs=1e-10)
    n = torch.stack([points.columns["n_x"], points.columns["n_y"]], 1)
    assert torch.allclose((q[:, None] * n).sum(0), torch.zeros(2, dtype=q.dtype), atol=1e-10)  # a closed curve
    area = float((q * (points.X * n).sum(1)).sum() / 2)
    assert area == pytest.approx(pk.Geometry(body).measure(), abs=1e-3 if "corner" in name else 1e-9)


def test_a_line_and_its_normal():
    points, q = along_line((0, 0), (3, 4), n=40)
    assert float(q.sum()) == pytest.approx(5) and 40 <= len(q) < 60
    assert points.columns["n_x"][0] == pytest.approx(0.8) and points.columns["n_y"][0] == pytest.approx(-0.6)


def test_one_sentence_for_what_makes_no_sense():
    problem = cylinder()
    heat = pk.problem("heat")
    for call, words in (
        (lambda: pk.drag(heat, "x"), "flows are two- or three-dimensional"),
        (lambda: pk.drag(problem, "cilinder"), "unknown: expected one of .*cylinder"),
        (lambda: pk.force(problem, "cylinder", (0, 0)), "the two components of a direction"),
        (lambda: pk.flux(problem), "give one of the two"),
        (lambda: pk.pressure_difference(problem, (2, 2), (0, 0)), "expected two points of the domain"),
        (lambda: along_line((0, 0), (0, 0)), "two different points"),
        (lambda: along_boundary(problem.domain, "cylinder", 0), "at least 1"),
        (lambda: along_boundary(heat.domain), "needs a domain of the plane"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
