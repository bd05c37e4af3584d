"""A problem in DeepXDE's words has the residuals, the loss and the gradient that it has in pinnkit."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import DeepXDEProblem, deepxde_precision, import_deepxde, to_deepxde
from problems.burgers import burgers

TOLERANCE = 1e-12
NET = pk.MLP(2, 12, 12, 1)
x, y, t = pk.coordinates("x y t")
u = pk.field("u", x, t)


def heat(*conditions: object) -> pk.Problem:
    """u_t = u_xx with a source, measured from the left wall, and whatever is given at the walls."""
    return pk.Problem(
        "heat", u, u.diff(t) - sp.Symbol("a") * u.diff(x, 2) - sp.cos(x), pk.Box(x=(0, 2), t=(0, 1)),
        [pk.Initial(u, sp.exp(-x)), *conditions], parameters={"a": 0.3},
    )  # fmt: skip


def neumann() -> pk.Problem:
    return heat(pk.Neumann(u, sp.sin(t), on="x_min", weight=3.0), pk.Dirichlet(u, sp.exp(-2) - t, on="x_max"))


def robin() -> pk.Problem:
    return heat(pk.Robin(u, 2, 1, t, on="x_min"), pk.Robin(u, x + 1, 4, t, on="x_max"))


def periodic() -> pk.Problem:
    return heat(pk.Periodic(u, "x", order=2), pk.Operator("flux", u.diff(x) ** 2 - u, on="x_min"))


def korteweg_de_vries() -> pk.Problem:
    return pk.Problem(
        "kdv", u, u.diff(t) + 6 * u * u.diff(x) + u.diff(x, 3) + u.diff(x, 2, t), pk.Box(x=(-1, 1), t=(0, 1)),
        [pk.Initial(u, 1 / sp.cosh(x)), pk.Periodic(u, "x")],
    )  # fmt: skip


def wave() -> pk.Problem:
    return pk.Problem(
        "wave", u, u.diff(t, 2) - 4 * u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, sp.sin(sp.pi * x)), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip


def inverse() -> pk.Problem:
    X = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    data = [pk.Observations(u, X, X[:, 0]), pk.Observations(u.diff(x), X, X[:, 1], name="slope")]
    return replace(heat(*data), parameters={}, unknowns={"a": 0.7})


def poisson() -> pk.Problem:
    v = pk.field("v", x, y)
    disk = import_deepxde().geometry.Disk([0.0, 0.0], 1.0)
    laplacian = v.diff(x, 2) + v.diff(y, 2) + 1
    return pk.Problem(
        "poisson", v, laplacian, pk.Geometry(disk, ("x", "y"), parts={"right": lambda p: p[:, 0] > 0}),
        [pk.Dirichlet(v, x * y, on="rest"), pk.Neumann(v, y, on="right")],
    )  # fmt: skip


def kovasznay() -> pk.Problem:
    """Navier-Stokes for (u, v, p), the exact profile on the whole boundary."""
    a, b, p = (pk.field(name, x, y) for name in "uvp")
    nu, box = sp.Rational(1, 40), pk.Box(x=(-0.5, 1.0), y=(-0.5, 1.5))
    k = 1 / (2 * nu) - sp.sqrt(1 / (4 * nu**2) + 4 * sp.pi**2)
    turn = 2 * sp.pi * y
    walls = {a: 1 - sp.exp(k * x) * sp.cos(turn), b: k / (2 * sp.pi) * sp.exp(k * x) * sp.sin(turn)}
    return pk.Problem(
        "kovasznay", (a, b, p),
        {
            "momentum x": a * a.diff(x) + b * a.diff(y) + p.diff(x) - nu * (a.diff(x, 2) + a.diff(y, 2)),
            "momentum y": a * b.diff(x) + b * b.diff(y) + p.diff(y) - nu * (b.diff(x, 2) + b.diff(y, 2)),
            "continuity": a.diff(x) + b.diff(y),
        },
        box, [pk.Dirichlet(w, value) for w, value in walls.items()],
    )  # fmt: skip


PROBLEMS = [
    (burgers, True), (burgers, False), (kovasznay, True), (kovasznay, False), (neumann, True),
    (neumann, False), (wave, True), (wave, False), (robin, False), (periodic, False),
    (korteweg_de_vries, False), (inverse, False), (poisson, False),
]  # fmt: skip


def network(problem: pk.Problem) -> pk.MLP:
    return pk.MLP(2, 12, 12, len(problem.fields))


def errors(twin: DeepXDEProblem, model: object) -> list[torch.Tensor]:
    """What DeepXDE squares and averages, term by term."""
    inputs = torch.as_tensor(twin.data.train_x).requires_grad_()
    return twin.data.losses(None, model.net(inputs), lambda _, error: error, inputs, model)


def compare(twin: DeepXDEProblem, points: pk.Points, hard: bool) -> None:
    """Residuals, losses and gradient of both at the same points with the same weights."""
    problem = twin.problem
    joined = pk.Model(problem, network(problem), hard)
    theta = joined.initial(3)
    stack = joined.stack(points)
    model = twin.model(network(problem), theta)
    model.compile("adam", lr=1e-3, verbose=0, **twin.settings)
    assert set(twin.terms) == set(stack.terms)
    order = [twin.terms.index(name) for name in stack.terms]

    found = [errors(twin, model)[i].detach().reshape(-1) for i in order]
    wanted = stack.values(theta)
    assert (torch.cat(found) - wanted).abs().max() <= TOLERANCE * wanted.abs().max()

    _, losses = model.outputs_losses_train(twin.data.train_x, None, None)
    losses.sum().backward()
    unknowns = [v.grad.reshape(-1) for v in twin.unknowns.values()]
    gradient = torch.cat([p.grad.reshape(-1) for p in model.net.parameters()] + unknowns)
    expected, slope = stack.loss_and_gradient(theta)
    assert torch.allclose(losses[order], expected, rtol=TOLERANCE, atol=0)
    assert (gradient - slope).norm() <= TOLERANCE * slope.norm()


@pytest.mark.parametrize(("state", "hard"), PROBLEMS)
def test_given_points_give_the_same_rows(state, hard: bool) -> None:
    problem = state()
    points = pk.sample(problem, {"pde": 50}, seed=1)
    with deepxde_precision():
        compare(to_deepxde(problem, points, hard=hard), points, hard)


def drawn(twin: DeepXDEProblem) -> pk.Points:
    """The points that DeepXDE drew, as pinnkit's; those of several conditions on one set must agree."""
    data, problem, sets = twin.data, twin.problem, {}
    starts = np.cumsum([0, *data.num_bcs])
    keys = {r.name: r.key for r in problem.residuals}
    conditions = twin.terms[len(twin.terms) - len(data.bcs) :]
    for term, start, end in zip(conditions, starts[:-1], starts[1:], strict=True):
        X, key, columns, image = torch.as_tensor(data.train_x[start:end]), keys[term], {}, None
        if key.startswith("periodic_"):
            X, image = X.chunk(2)
        elif key in ("data", "slope"):
            columns = problem.sample(key, 1).columns
        elif key != "initial":
            normals = torch.as_tensor(data.geom.boundary_normal(X.numpy()))
            columns = {f"n_{name}": normals[:, i] for i, name in enumerate(problem.domain.names)}
        assert key not in sets or torch.equal(sets[key].X, X)
        sets[key] = pk.PointSet(X, columns, image)
    return pk.Points(sets | {"pde": pk.PointSet(torch.as_tensor(data.train_x_all))})


@pytest.mark.parametrize(("state", "hard"), PROBLEMS)
def test_own_conditions_of_deepxde_give_the_same_rows(state, hard: bool) -> None:
    problem = state()
    num = {"domain": 40, "boundary": 21} | ({"initial": 17} if problem.domain.time else {})
    with deepxde_precision():
        twin = to_deepxde(problem, num=num, hard=hard)
        compare(twin, drawn(twin), hard)


def test_conditions_are_those_of_deepxde_where_it_has_them() -> None:
    num = {"domain": 20, "boundary": 20, "initial": 20}

    def kinds(problem: pk.Problem) -> list[str]:
        return [type(bc).__name__ for bc in to_deepxde(problem, num=num, hard=False).data.bcs]

    assert kinds(neumann()) == ["IC", "NeumannBC", "DirichletBC"]
    assert kinds(robin()) == ["IC", "RobinBC", "PointCondition"]
    assert kinds(periodic()) == ["IC", "PeriodicBC", "PeriodicBC", "PointCondition", "OperatorBC"]
    assert kinds(wave()) == ["IC", "OperatorBC", "DirichletBC"]
    assert kinds(inverse()) == ["IC", "PointSetBC", "PointCondition"]


@pytest.mark.parametrize("features", [pk.Fourier(4), pk.Harmonics(("x",), 2)])
@pytest.mark.parametrize("activation", ["sin", "silu", "gelu", "softplus"])
def test_networks_are_the_same(features: object, activation: str) -> None:
    problem, net = burgers(), pk.MLP(2, 8, 1, activation=activation, features=features)
    joined = pk.Model(problem, net, True)
    theta, points = joined.initial(0), pk.sample(problem, 30)
    with deepxde_precision():
        twin = to_deepxde(problem, points, hard=True)
        model = twin.model(net, theta)
        assert torch.equal(twin.theta(model), theta)
        values = model.net(points["pde"].X).detach()
    solution = pk.Solution(joined, theta, points)
    assert (values - solution(points["pde"].X)).abs().max() < TOLERANCE


def test_deepxde_trains_it_and_the_result_is_a_solution() -> None:
    problem = inverse()
    points = pk.sample(problem, 50)
    joined = pk.Model(problem, NET, False)
    with deepxde_precision():
        twin = to_deepxde(problem, points, hard=False)
        model = twin.model(NET, seed=0)
        model.compile("adam", lr=1e-2, verbose=0, **twin.settings)
        history, _ = model.train(iterations=30, verbose=0)
    solution = pk.Solution(joined, twin.theta(model), points)
    assert solution.stack.losses(solution.theta).sum() < sum(history.loss_train[0])
    assert solution.unknowns["a"] == twin.unknowns["a"].item() != 0.7


def test_precision_is_restored() -> None:
    config = import_deepxde().config
    before = torch.get_default_dtype(), config.real.precision
    with deepxde_precision(torch.float64):
        assert (torch.get_default_dtype(), config.default_float()) == (torch.float64, "float64")
        with pytest.raises(KeyError), deepxde_precision(torch.float16):
            raise KeyError
        assert to_deepxde(burgers()).data.train_x.dtype == np.float64
    assert (torch.get_default_dtype(), config.real.precision) == before
    with pytest.raises(ValueError, match="bfloat16"), deepxde_precision(torch.bfloat16):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": pk.Points({}), "num": {}}, "both points and num"),
        ({"points": pk.Points({})}, "no points for 'pde'"),
        ({"num": {"pde": 3}}, "num has 'pde'"),
        ({"num": {"domain": 9}, "hard": False}, "no point for 'u initial'"),
    ],
)
def test_what_cannot_be_is_said(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_deepxde(burgers(), **arguments)


def test_weighted_points_strange_domains_and_networks_are_refused() -> None:
    problem = burgers()
    points = pk.sample(problem, 10)
    weighted = points.replace(pde=points["pde"].weighted(torch.ones(10, dtype=torch.float64)))
    with pytest.raises(ValueError, match="weights of their own"):
        to_deepxde(problem, weighted, hard=True)
    with pytest.raises(TypeError, match="no counterpart of ModifiedMLP"):
        to_deepxde(problem, points).model(pk.ModifiedMLP(2, 8, 8, 1))
    with pytest.raises(ValueError, match="theta has shape"):
        to_deepxde(problem, points).model(NET, torch.zeros(3))
    w = pk.field("w", t, x)
    conditions = [pk.Initial(w, 0), pk.Dirichlet(w)]
    first = pk.Problem("first", w, w.diff(t) - w.diff(x, 2), pk.Box(t=(0, 1), x=(0, 1)), conditions)
    with pytest.raises(ValueError, match="state 't' last"):
        to_deepxde(first)
