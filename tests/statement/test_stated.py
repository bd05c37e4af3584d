"""What a problem may state beside its equations: an ansatz of its own, derived quantities, a weight."""

import math
from dataclasses import replace

import pytest
import sympy as sp
import torch

import pinnkit as pk
import problems
from pinnkit.statement.ansatz.stated import met

X, Y = pk.coordinates("x y")
U = pk.field("u", X, Y)


def laplace(**more):
    settings = {
        "name": "laplace", "fields": U, "equations": U.diff(X, 2) + U.diff(Y, 2), "domain": pk.Box(x=(0, 1), y=(0, 1)),
        "conditions": [
            pk.Dirichlet(U, sp.sin(X), on="y_max"), pk.Neumann(U, 0, on="x_min"), pk.Dirichlet(U, on="x_max"),
            pk.Neumann(U, 0, on="y_min"),
        ],
    }  # fmt: skip
    return pk.Problem(**settings | more)


def test_an_ansatz_meets_what_it_meets():
    slope = {U: (sp.S.Zero, X**2 * (1 - X))}
    assert met(laplace(), slope) == {"du/dn on x_min", "u on x_max"}
    assert met(laplace(), {U: (sp.sin(X), 1 - Y)}) == {"u on y_max"}
    assert met(laplace(), {U: (sp.sin(X) + 1e-6 * X, 1 - Y)}) == set()
    model = pk.Model(laplace(ansatz=slope), pk.MLP(2, 4, 1))
    assert model.exact_terms == {"du/dn on x_min", "u on x_max"} and set(model.keys) == {"pde", "y_max", "y_min"}
    assert model.ansatz == slope
    assert set(pk.Model(laplace(ansatz=slope), pk.MLP(2, 4, 1), False).keys) == {
        "pde",
        "y_max",
        "y_min",
        "x_min",
        "x_max",
    }


def test_an_ansatz_with_parameters():
    a = sp.Symbol("a")
    problem = laplace(parameters={"a": 2.0}, equations=U.diff(X, 2) + a * U.diff(Y, 2),
                      ansatz={U: (a * sp.sin(X) / 2, 1 - Y)})  # fmt: skip
    assert pk.Model(problem, pk.MLP(2, 4, 1)).exact_terms == {"u on y_max"}


def test_an_ansatz_with_an_unknown_constant():
    """u = c on one side with slope 0 there, c trained: its slopes and curvature are those of the loss."""
    c = sp.Symbol("c")
    held = laplace(
        equations=U.diff(X, 2) + U**2 - Y,
        conditions=[
            pk.Dirichlet(U, c, on="x_min"),
            pk.Neumann(U, 0, on="x_min"),
            pk.Dirichlet(U, sp.cos(Y), on="x_max"),
        ],
        unknowns={"c": 0.3},
        ansatz={U: (c * (1 - X**2) + sp.cos(Y) * X**2, X**2 * (1 - X))},
    )
    model = pk.Model(held, pk.MLP(2, 5, 1))
    assert model.exact_terms == {"u on x_min", "du/dn on x_min", "u on x_max"} and model.keys == ("pde",)
    stack, theta = model.stack(pk.sample(held, 30)), model.initial(0)
    assert float(theta[-1]) == 0.3
    e = torch.zeros_like(theta)
    e[-1] = 1e-5
    ahead, behind = (stack.values(theta + s * e) for s in (1, -1))
    assert torch.allclose(stack.jacobian(theta)[:, -1], (ahead - behind) / 2e-5, atol=1e-8)
    gradients = [stack.loss_and_gradient(theta + s * e)[1] for s in (1, -1)]
    curved = stack.hvp(theta, e / 1e-5)
    assert torch.allclose(curved, (gradients[0] - gradients[1]) / 2e-5, rtol=1e-6, atol=1e-7)
    with pk.deepxde_precision():
        twin = pk.to_deepxde(held, pk.sample(held, 30))
        made = twin.model(pk.MLP(2, 5, 1), theta)
        made.compile("adam", lr=1e-3, **twin.settings)
        losses = made.train(iterations=0, verbose=0)[0].loss_train[0]
    assert losses[: len(stack.terms)] == pytest.approx(stack.losses(theta).tolist(), rel=1e-10)
    bent = replace(held, ansatz={U: (c**2 * (1 - X), X)})
    with pytest.raises(ValueError, match="not linear in the unknown coefficient c"):
        pk.Model(bent, pk.MLP(2, 5, 1), True).stack(pk.sample(bent, 9))


def test_derived_quantities_are_measured():
    problem = problems.kovasznay(form="stream")
    solution = pk.solve(problem, pk.MLP(2, 4, 2), 40, stages=[pk.Adam(3)], progress=False, validation=20)
    assert list(solution.errors()) == ["psi", "p", "u", "v"] and "error:v" in solution.history
    axes, predicted, values = solution.on_grid()
    assert predicted.shape == values.shape == (*(len(a) for a in axes.values()), 4)
    points = problem.sample("pde", 20).X
    assert torch.allclose(solution.evaluate([problem.outputs["u"]], points)[:, 0], solution.jet(points, "psi_y"))
    assert {"psi:error", "u:prediction", "v:error"} <= set(solution.grid_arrays())


def test_a_wrong_derived_quantity_is_found_by_its_closed_form():
    problem = problems.kovasznay(form="stream")
    wrong = pk.Problem(**{n: getattr(problem, n) for n in ("name", "fields", "equations", "domain", "conditions",
                                                           "parameters", "reference")},
                       derived={"u": -problem.outputs["u"], "v": problem.outputs["v"]})  # fmt: skip
    assert wrong.verify()["u"] > 0.1 and wrong.verify()["v"] < 1e-14


def test_a_weight_multiplies_the_squares():
    weight = X**2
    problem = laplace(weight=weight)
    points = problem.sample("pde", 500)
    assert torch.allclose(points.weights / points.weights.mean(), 3 * points.X[:, 0] ** 2, rtol=0.02)
    assert problem.sample("x_min", 10).weights is None
    model, plain = pk.Model(problem, pk.MLP(2, 4, 1)), pk.Model(laplace(), pk.MLP(2, 4, 1))
    theta, sets = model.initial(0), pk.sample(problem, 500)
    r = plain.stack(pk.sample(laplace(), 500)).values(theta)[:500]
    assert float(model.stack(sets).losses(theta)[0]) == pytest.approx(float((points.weights * r * r).mean()), rel=1e-12)


def test_a_draw_keeps_the_weight():
    problem = laplace(weight=X**2)
    solution = pk.Solution(pk.Model(problem, pk.MLP(2, 4, 1)), pk.Model(problem, pk.MLP(2, 4, 1)).initial(0),
                           pk.sample(problem, 100))  # fmt: skip
    pool = problem.sample("pde", 4000, method="random", seed=1)
    score = pk.residual_score(solution, "pde", pool)
    r = solution.rows("pde", pool)[0]
    assert torch.allclose(score, r.abs() * pool.weights.sqrt())
    drawn = pk.draw(pool, score, 400, weights=True)
    mean = float((drawn.weights * solution.rows("pde", drawn)[0] ** 2).mean())
    assert mean == pytest.approx(float((score**2).mean()), rel=0.15)


def test_the_scrapers_solve_stokes_at_the_corners():
    """Without a network the sharp lid's flow leaves residuals like 1/r; each of its terms is like 1/r^2."""
    problem = problems.cavity()
    model = pk.Model(problem, pk.MLP(2, 4, 3))
    flow = pk.Solution(model, torch.zeros(model.count, dtype=torch.float64), pk.sample(problem, 10))
    sizes = []
    for r in (1e-3, 1e-4):
        near = torch.tensor([[0.8 * r, 1 - 0.6 * r], [1 - 0.6 * r, 1 - 0.8 * r]], dtype=torch.float64)
        rows = flow.rows("pde", pk.PointSet(near))
        sizes.append(float(rows[:2].abs().max()) * r)
        assert rows[2].abs().max() < 1e-9 / r
        assert flow.jet(near, "u_yy").abs().max() * r**2 > 0.1
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)
    corner = flow(torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.5, 1.0], [0.0, 0.5]], dtype=torch.float64))
    assert torch.allclose(corner[:, 0], torch.tensor([1.0, 1.0, 1.0, 0.0]).double(), atol=1e-12)


@pytest.mark.parametrize("lid", ["sharp", "regularised"])
@pytest.mark.parametrize("form", ["velocity", "stream"])
def test_the_cavity_is_held_on_all_walls(lid, form):
    problem = problems.cavity(lid=lid, form=form)
    model = pk.Model(problem, pk.MLP(2, 4, len(problem.fields)))
    assert set(model.keys) == {"pde", "gauge"}
    flow = pk.Solution(model, model.initial(3), pk.sample(problem, 10))
    walls = problem.sample("boundary", 200, seed=2).X
    u, v = flow.evaluate([problem.outputs["u"], problem.outputs["v"]], walls).T
    x, lids = walls[:, 0], walls[:, 1] == 1
    speed = torch.ones_like(x) if lid == "sharp" else 16 * x**2 * (1 - x) ** 2
    assert v.abs().max() < 1e-12 and torch.allclose(u, torch.where(lids, speed, 0 * x), atol=1e-12)


@pytest.mark.parametrize(("more", "says"), [
    ({"derived": {"u": U.diff(X)}}, "the derived quantity u has the name of a field"),
    ({"ansatz": {pk.field("v", X, Y): (sp.S.Zero, X)}}, r"the ansatz of v\(x, y\) is for none of the fields"),
    ({"weight": U**2}, "expected an expression of the coordinates x, y alone"),
    ({"weight": sp.Symbol("q") * X}, "expected an expression of the coordinates x, y alone"),
])  # fmt: skip
def test_what_is_refused(more, says):
    with pytest.raises(ValueError, match=says):
        laplace(**more)


def test_the_square_of_the_period():
    """The vortices decay by exp(-2 t / Re); the closed form holds on the whole square."""
    problem = problems.taylor_green(5)
    found = problem.reference(torch.tensor([[0.0, math.pi / 2, 0.0], [0.0, math.pi / 2, 1.0]], dtype=torch.float64))
    assert float(found[1, 0] / found[0, 0]) == pytest.approx(math.exp(-0.4))
