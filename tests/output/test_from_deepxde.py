"""A model that DeepXDE trained, under pinnkit's influence: the same loss, points and weights."""

import numpy as np
import pytest
import torch

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import deepxde_precision, import_deepxde


@pytest.fixture(scope="module")
def dde():
    return import_deepxde()


def equation(x, t, nu=0.01 / np.pi):
    u = pk.field("u", x, t)
    return u, u.diff(t) + u * u.diff(x) - nu * u.diff(x, 2)


def burgers():
    import sympy as sp

    x, t = pk.coordinates("x t")
    u, e = equation(x, t)
    return pk.Problem(
        "burgers", u, e, pk.Box(x=(-1, 1), t=(0, 1)), [pk.Initial(u, -sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")]
    )


def trained(dde, hard=False, weights=None, iterations=30):
    def pde(x, y):
        u_x, u_t = (dde.grad.jacobian(y, x, i=0, j=j) for j in (0, 1))
        return u_t + y * u_x - 0.01 / np.pi * dde.grad.hessian(y, x, i=0, j=0)

    geom = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    bc = dde.icbc.DirichletBC(geom, lambda x: 0, lambda _, on: on)
    ic = dde.icbc.IC(geom, lambda x: -np.sin(np.pi * x[:, 0:1]), lambda _, on: on)
    data = dde.data.TimePDE(geom, pde, [] if hard else [ic, bc], num_domain=80, num_boundary=20, num_initial=20)
    net = dde.nn.FNN([2, 8, 8, 1], "tanh", "Glorot normal")
    if hard:
        net.apply_output_transform(lambda x, y: -torch.sin(np.pi * x[:, 0:1]) + (1 - x[:, 0:1] ** 2) * x[:, 1:2] * y)
    model = dde.Model(data, net)
    model.compile("adam", lr=1e-2, loss_weights=weights, verbose=0)
    model.train(iterations=iterations, verbose=0, display_every=iterations)
    return model


@pytest.mark.parametrize(("hard", "weights"), [(False, None), (False, [1.0, 5.0, 2.0]), (True, None)])
def test_a_deepxde_model_keeps_its_loss_and_gets_influences(dde, hard, weights):
    with deepxde_precision():
        dde.config.set_random_seed(1)
        model = trained(dde, hard, weights)
    solution = pk.from_deepxde(burgers(), model)
    assert not solution.notes, solution.notes
    assert set(solution.stack.terms) == ({"pde"} if hard else {"pde", "u initial", "u on x"})
    assert float(solution.stack.losses(solution.theta).sum()) == pytest.approx(float(sum(model.train_state.loss_train)))
    X = torch.rand(5, 2, dtype=torch.float64)
    with deepxde_precision():
        torch.testing.assert_close(solution(X), torch.as_tensor(model.predict(X.numpy())))
    found = pk.Influence(solution, "gauss-newton", 1e-2).attribute(pk.at("u", x=0.2, t=0.5))
    assert found.joint["pde"].shape == (1, len(model.data.train_x_all))
    assert float(found.joint["pde"].abs().max()) > 0


def test_what_does_not_fit_is_said(dde):
    with deepxde_precision():
        model = trained(dde, iterations=1)
    x, t = pk.coordinates("x t")
    u, e = equation(x, t, nu=0.5)
    other = pk.Problem("other", u, e, pk.Box(x=(-1, 1), t=(0, 1)), [pk.Initial(u, x), pk.Dirichlet(u, 0, on="x")])
    assert "influences are those of the statement" in pk.from_deepxde(other, model).notes[0]
    with pytest.raises(TypeError, match="expected a deepxde.Model"):
        pk.from_deepxde(other, model.net)
    with pytest.raises(ValueError, match="heat_inverse has the unknown D"):
        pk.from_deepxde(pk.problem("heat_inverse"), model)
    with pytest.raises(ValueError, match="DeepXDE's points have shape"):
        pk.from_deepxde(_three(), model)


def _three():
    x, y, t = pk.coordinates("x y t")
    u = pk.field("u", x, y, t)
    domain = pk.Box(x=(0, 1), y=(0, 1), t=(0, 1))
    return pk.Problem(
        "three", u, u.diff(t) - u.diff(x, 2) - u.diff(y, 2), domain, [pk.Initial(u, 0), pk.Dirichlet(u, 0)]
    )
