"""The row stack against plain autograd of the written-out equations: values, five operations, blocks, memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import elsewhere_cases
import pytest
import sympy as sp
import torch
from elsewhere_cases import d
from plain_network import plain

import pinnkit as pk
from pinnkit.model import rows as residual
from pinnkit.network.jets.tape import Tape

pytestmark = pytest.mark.portable

x, y, t = pk.coordinates("x y t")
u, v, w = pk.field("u", x, t), pk.field("v", x, t), pk.field("w", x, y)
u_t, u_x, u_xx, u_xt = pk.derivatives(u, "t", "x", "xx", "xt")
v_t, v_x, v_xx = pk.derivatives(v, "t", "x", "xx")
w_x, w_xx, w_yy = pk.derivatives(w, "x", "xx", "yy")
k, m = sp.symbols("k m")
BOX, SQUARE = pk.Box(x=(-1, 1), t=(0, 1)), pk.Box(x=(0, 1), y=(0, 2))
SINE, pi = sp.sin(sp.pi * x), math.pi


@dataclass
class Case:
    """A problem, and its rows once more in plain torch: rows[term](fields, X, points, unknowns) -> (B,)."""

    problem: pk.Problem
    rows: dict[str, Callable]
    hard: bool | None = False
    fields: Callable = lambda N, X: N  # what becomes of the network's outputs (B, n)
    weights: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"pde": 13})
    weighted: bool = False


def value(index=0):
    return lambda f, X, points, c: f(X)[:, index]


def heat_rows(f, X, points, c):
    return d(f(X)[:, 0], X, 1) - 0.3 * d(f(X)[:, 0], X, 0, 0) - torch.exp(-X[:, 1]) * torch.sin(X[:, 0])


def heat(*conditions):
    source = sp.exp(-t) * sp.sin(x)
    return pk.Problem("heat", u, u_t - k * u_xx - source, BOX, [pk.Initial(u, SINE), *conditions], {"k": 0.3})


START = {"u initial": lambda f, X, p, c: f(X)[:, 0] - torch.sin(pi * X[:, 0])}


def burgers_rows(f, X, points, c):
    a = f(X)[:, 0]
    return d(a, X, 1) + a * d(a, X, 0) - 0.1 * d(a, X, 0, 0)


def system_a(f, X, points, c):
    a, b = f(X).unbind(1)
    return d(a, X, 1) - a * d(b, X, 0) + torch.exp(b / 2)


def system_b(f, X, points, c):
    a, b = f(X).unbind(1)
    return d(b, X, 1) - d(a, X, 0, 0) - d(b, X, 0, 0) * a


def image(*axes):
    def row(f, X, points, c):
        Y = points.image.clone().requires_grad_()
        return d(f(X)[:, 0], X, *axes) - d(f(Y)[:, 0], Y, *axes)

    return row


def poisson_rows(f, X, points, c):
    a = f(X)[:, 0]
    return d(a, X, 0, 0) + d(a, X, 1, 1) + a**3 - X[:, 0] * X[:, 1]


def normal(f, X, points):
    a = f(X)[:, 0]
    return points.columns["n_x"] * d(a, X, 0) + points.columns["n_y"] * d(a, X, 1)


def strong_rows(f, X, points, c):
    a = f(X)[:, 0]
    return d(a, X, 0, 0) ** 2 * d(a, X, 1) - torch.exp(d(a, X, 0)) * a + torch.tanh(d(a, X, 0, 1)) * X[:, 0]


def inverse_rows(f, X, points, c):
    a = f(X)[:, 0]
    return d(a, X, 1) - c[0] * d(a, X, 0, 0) - c[1] ** 2 * a + c[0] * c[1]


X_DATA = torch.tensor([[0.2, 0.3], [-0.5, 0.9], [0.9, 0.1]], dtype=torch.float64)
CASES = {
    "heat": Case(
        heat(pk.Dirichlet(u, t, on="x", weight=5)),
        {"pde": heat_rows, **START, "u on x": lambda f, X, p, c: f(X)[:, 0] - X[:, 1]},
        weights={"pde": 0.5},
    ),
    "hard Burgers": Case(
        pk.Problem("burgers", u, u_t + u * u_x - u_xx / 10, BOX, [pk.Initial(u, -SINE), pk.Dirichlet(u, 0, on="x")]),
        {"pde": burgers_rows}, hard=True,
        fields=lambda N, X: -torch.sin(pi * X[:, :1]) + X[:, 1:] * (1 - X[:, :1] ** 2) * N,
    ),
    "system": Case(
        pk.Problem(
            "system", (u, v), {"a": u_t - u * v_x + sp.exp(v / 2), "b": v_t - u_xx - v_xx * u}, BOX,
            [pk.Initial(u, SINE), pk.Initial(v, 0), pk.Dirichlet(u, 0, on="x_min"), pk.Dirichlet(v, 1, on="x_max")],
        ),
        {"a": system_a, "b": system_b, **START, "v initial": value(1), "u on x_min": value(0),
         "v on x_max": lambda f, X, p, c: f(X)[:, 1] - 1},
    ),
    "periodic": Case(
        pk.Problem("ring", u, u_t + u * u_x - u_xx / 10, BOX, [pk.Initial(u, SINE), pk.Periodic(u, "x", weight=3)]),
        {"pde": burgers_rows, **START, "u periodic in x": image(), "u periodic in x (d1)": image(0)},
    ),
    "Neumann and Robin": Case(
        pk.Problem(
            "poisson", w, w_xx + w_yy + w**3 - x * y, SQUARE,
            [pk.Neumann(w, y, on="x"), pk.Robin(w, 2, sp.exp(y), x, on="y_min"),
             pk.Operator("law", w**2 - w_x, "y_max")],
        ),
        {"pde": poisson_rows, "dw/dn on x": lambda f, X, p, c: normal(f, X, p) - X[:, 1],
         "w Robin on y_min": lambda f, X, p, c: 2 * f(X)[:, 0] + torch.exp(X[:, 1]) * normal(f, X, p) - X[:, 0],
         "law": lambda f, X, p, c: f(X)[:, 0] ** 2 - d(f(X)[:, 0], X, 0)},
    ),
    "strongly nonlinear": Case(
        pk.Problem(
            "strong", u, u_xx**2 * u_t - sp.exp(u_x) * u + sp.tanh(u_xt) * x, BOX,
            [pk.Initial(u, SINE), pk.Dirichlet(u, 0, on="x")]),
        {"pde": strong_rows}, hard=True,
        fields=lambda N, X: torch.sin(pi * X[:, :1]) + X[:, 1:] * (1 - X[:, :1] ** 2) * N,
    ),
    "unknown coefficients": Case(
        pk.Problem(
            "inverse", u, u_t - k * u_xx - m**2 * u + k * m, BOX,
            [pk.Initial(u, SINE), pk.Robin(u, k, m, 0, on="x"), pk.Observations(u * u, X_DATA, [0.1, 0.2, 0.3])],
            unknowns={"k": 0.7, "m": -0.4},
        ),
        {"pde": inverse_rows, **START,
         "u Robin on x": lambda f, X, p, c: c[0] * f(X)[:, 0] + c[1] * p.columns["n_x"] * d(f(X)[:, 0], X, 0),
         "data": lambda f, X, p, c: f(X)[:, 0] ** 2 - p.columns["data_value"]},
    ),
    "weighted points": Case(
        heat(pk.Periodic(u, "x", order=0)), {"pde": heat_rows, **START, "u periodic in x": image()}, weighted=True,
    ),
}  # fmt: skip
CASES |= {name: Case(p, rows, None, fields) for name, (p, rows, fields) in elsewhere_cases.CASES.items()}


@dataclass
class Setup:
    """A case with its points and parameters, and its rows as a function of them."""

    case: Case
    model: pk.Model
    stack: pk.Stack
    theta: torch.Tensor

    def rows(self, theta):
        """r (M,) in plain torch."""
        network, c = self.model.split(theta)
        out = []
        for key, program in self.model.programs.items():
            points = self.stack.points[key]
            X = points.X.clone().requires_grad_()
            for name in program.names:

                def fields(Z):
                    return self.case.fields(plain(self.model.tape, network, Z), Z)

                out.append(self.case.rows[name](fields, X, points, c))
        return torch.cat(out)

    @property
    def weights(self):
        """a (M,) written out."""
        parts = []
        for key, program in self.model.programs.items():
            points = self.stack.points[key]
            own = torch.ones(len(points)).double() if points.weights is None else points.weights
            for name in program.names:
                w = self.case.weights.get(name, self.case.problem.weights[name])
                parts.append(w * own / len(points))
        return torch.cat(parts)


def setup(name, counts=None):
    case = CASES[name]
    n = len(case.problem.fields)
    model = pk.Model(case.problem, pk.MLP(2, 5, 4, n), case.hard)
    points = pk.sample(case.problem, counts or case.counts, method="random", seed=3)
    if case.weighted:
        points = points.replace(**{
            key: s.weighted(0.5 + torch.rand(len(s), generator=torch.Generator().manual_seed(1), dtype=s.X.dtype))
            for key, s in points.items()
        })  # fmt: skip
    return Setup(case, model, model.stack(points, case.weights), model.initial(4) * 1.5)


@pytest.fixture(params=CASES)
def made(request):
    return setup(request.param)


@pytest.fixture
def dense(made):
    """r (M,), J (M, P) and the loss's Hessian (P, P) by autograd."""
    theta = made.theta.clone().requires_grad_()
    r = made.rows(theta)
    J = torch.stack([torch.autograd.grad(v, theta, retain_graph=True)[0] for v in r])
    gradient = torch.autograd.grad((made.weights * r**2).sum(), theta, create_graph=True)[0]
    H = torch.stack([torch.autograd.grad(g, theta, retain_graph=True)[0] for g in gradient])
    return r.detach(), J, H


def close(a, b, tolerance=1e-11):
    return (a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max()))


def vector(n, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_every_term_is_covered(made):
    stated = {r.name for r in made.case.problem.residuals}
    assert set(made.stack.terms) == set(made.case.rows) and set(made.case.rows) | made.model.exact_terms == stated


def test_values_and_losses(made, dense):
    r, _, _ = dense
    assert close(made.stack.values(made.theta), r)
    assert close(made.stack.row_weights, made.weights, 1e-15)
    losses = [s.sum() for s in (made.weights * r**2).split(list(made.stack.sizes.values()))]
    assert close(made.stack.losses(made.theta), torch.stack(losses))
    assert made.stack.rows == len(r)


def test_operations_equal_their_dense_selves(made, dense):
    r, J, H = dense
    a, stack, theta = made.weights, made.stack, made.theta
    P, M = len(theta), len(r)
    losses, gradient = stack.loss_and_gradient(theta)
    assert close(gradient, 2 * J.T @ (a * r)) and close(losses.sum(), (a * r**2).sum())
    assert close(stack.jacobian(theta), J)
    assert close(stack.jvp(theta, vector(P)), J @ vector(P))
    assert close(stack.vjp(theta, vector(M)), J.T @ vector(M))
    matrix, right = stack.normal(theta)
    assert close(matrix, J.T @ (a[:, None] * J)) and close(right, J.T @ (a * r))
    B = a.sqrt()[:, None] * J
    assert close(stack.gram(theta), B @ B.T)
    assert close(torch.stack([stack.hvp(theta, e) for e in torch.eye(P, dtype=theta.dtype)]), H, 1e-10)


def test_operations_agree_with_each_other(made):
    """Without any second implementation: adjoints, symmetry, and finite differences."""
    stack, theta = made.stack, made.theta
    p, q, s = vector(len(theta), 1), vector(len(theta), 2), vector(stack.rows, 3)
    assert stack.jvp(theta, p) @ s == pytest.approx(float(stack.vjp(theta, s) @ p), rel=1e-11)
    assert stack.hvp(theta, p) @ q == pytest.approx(float(stack.hvp(theta, q) @ p), rel=1e-9)
    h = 1e-5
    forward, back = theta + h * p, theta - h * p
    slope = (stack.values(forward) - stack.values(back)) / (2 * h)
    assert close(slope, stack.jvp(theta, p), 1e-6)
    bend = (stack.loss_and_gradient(forward)[1] - stack.loss_and_gradient(back)[1]) / (2 * h)
    assert close(bend, stack.hvp(theta, p), 1e-6)


def everything(stack, theta):
    p, s = vector(len(theta), 1), vector(stack.rows, 3)
    return {
        "values": stack.values(theta), "losses": stack.losses(theta), "gradient": stack.loss_and_gradient(theta)[1],
        "jvp": stack.jvp(theta, p), "vjp": stack.vjp(theta, s), "hvp": stack.hvp(theta, p),
        "jacobian": stack.jacobian(theta), "normal": stack.normal(theta)[0], "gram": stack.gram(theta),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["system", "periodic", "unknown coefficients", "weighted points", "elsewhere"])
def test_blocks_change_nothing(name, monkeypatch):
    made = setup(name, {"pde": 200})
    whole = everything(made.stack, made.theta)
    monkeypatch.setattr(residual, "BLOCK", 1)
    parts = everything(made.stack, made.theta)
    assert all(close(parts[key], whole[key], 1e-13) for key in whole)


def test_memory_is_bounded_by_the_block(monkeypatch):
    """However many points there are, no pass sees more than a block of them."""
    made, seen = setup("periodic", {"pde": 20_000, "periodic_x": 500}), []

    def spied(evaluate):
        def spy(tape, theta, X, channels, *rest):
            seen.append(len(X) * len(channels) * tape.width)
            return evaluate(tape, theta, X, channels, *rest)

        return spy

    monkeypatch.setattr(residual, "BLOCK", 2**12)
    monkeypatch.setattr(Tape, "run", spied(Tape.run))
    monkeypatch.setattr(Tape, "sweep", spied(Tape.sweep))
    stack, theta = made.stack, made.theta
    for call in (stack.loss_and_gradient, stack.values, lambda p: stack.hvp(p, p), stack.normal):
        seen.clear()
        call(theta)
        assert max(seen) <= 2**12 and sum(seen) >= 20_000 * 4 * 5


def test_what_is_kept_changes_nothing(made, monkeypatch):
    first, kept = everything(made.stack, made.theta), everything(made.stack, made.theta)
    monkeypatch.setattr(residual, "KEPT", 0)
    never = everything(made.model.stack(made.stack.points, made.case.weights), made.theta)
    assert all(torch.equal(kept[key], first[key]) and torch.equal(kept[key], never[key]) for key in never)


def counted():
    """A heat equation whose source lists the points that it is asked for."""
    calls = []

    def source(X):
        calls.append(len(X))
        return X.cos()

    p = pk.Problem("counted", u, u_t - u_xx - pk.function(source)(x), BOX, [pk.Initial(u, SINE), pk.Dirichlet(u)])
    model = pk.Model(p, pk.MLP(2, 4, 1), hard=True)
    calls.clear()
    return model, calls


def test_a_source_is_asked_once_for_a_set_of_points():
    model, calls = counted()
    theta, points = model.initial(0), pk.sample(model.problem, {"pde": 40})
    stack = model.stack(points)
    for _ in range(3):
        stack.loss_and_gradient(theta)
    assert calls == [40]
    model.stack(points.replace(pde=points["pde"].X.flip(0))).loss_and_gradient(theta)
    assert calls == [40, 40]


def test_nothing_is_kept_for_many_points_or_after_a_stack(monkeypatch):
    model, calls = counted()
    theta, points = model.initial(0), pk.sample(model.problem, {"pde": 40})
    stack, program = model.stack(points), model.programs["pde"]
    stack.values(theta)
    assert len(program._kept) == 1
    del stack
    assert len(program._kept) == 0
    monkeypatch.setattr(residual, "KEPT", 39)
    stack = model.stack(points)
    stack.values(theta), stack.values(theta)
    assert len(program._kept) == 0 and calls == [40] * 3


def test_single_precision():
    made = setup("system")
    points = made.stack.points.to(torch.float32)
    stack = made.model.stack(points)
    losses, gradient = stack.loss_and_gradient(made.theta.float())
    assert losses.dtype == gradient.dtype == torch.float32
    assert close(gradient.double(), made.stack.loss_and_gradient(made.theta)[1], 1e-3)


def test_the_loss_is_what_influence_needs():
    """Up-weighting one point by eps changes the loss by eps a r^2 of its rows."""
    made = setup("heat")
    n = len(made.stack.points["pde"])
    up = torch.ones(n, dtype=torch.float64)
    up[4] += 0.5
    heavier = made.model.stack(made.stack.points.replace(pde=made.stack.points["pde"].weighted(up)), made.case.weights)
    r = made.stack.values(made.theta)[4]
    change = heavier.losses(made.theta).sum() - made.stack.losses(made.theta).sum()
    assert change == pytest.approx(float(0.5 * made.stack.row_weights[4] * r**2), rel=1e-10)


def test_missing_points_and_strange_weights():
    model, points = (made := setup("heat")).model, made.stack.points
    with pytest.raises(ValueError, match="needs points for pde, initial, x; there are none for 'initial'"):
        model.stack(pk.Points({"pde": points["pde"]}))
    with pytest.raises(ValueError, match="weights are given for 'walls': the terms are pde"):
        model.stack(points, {"walls": 2})


def test_points_that_cannot_be_joined():
    points = setup("Neumann and Robin").stack.points
    assert len(points["x"].join(points["x"])) == 2 * len(points["x"])
    with pytest.raises(ValueError, match="same normals, data and image points"):
        points["x"].join(points["pde"])
