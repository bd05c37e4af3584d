"""Points as users give them: rows, names, NumPy's; what lies outside is said."""

import warnings

import numpy as np
import pytest
import torch

import pinnkit as pk


@pytest.fixture(scope="module")
def trained():
    return pk.solve(pk.problem("burgers"), pk.MLP(2, 6, 1), 30, stages=[pk.Adam(1)], progress=False)


def test_names_are_the_columns_and_shapes_are_kept(trained):
    x, t = np.linspace(-1, 1, 5)[:, None], np.linspace(0, 1, 4)
    found = trained(x=x, t=t)
    assert isinstance(found, np.ndarray) and found.shape == (5, 4, 1)
    rows = np.stack([np.repeat(x[:, 0], 4), np.tile(t, 5)], 1)
    assert np.array_equal(found.reshape(20, 1), trained(rows))
    assert np.array_equal(trained(t=t, x=x), found)
    assert torch.equal(trained(x=0.5, t=torch.tensor([0.25])), trained(torch.tensor([[0.5, 0.25]])))
    u, u_x = trained.jet({"x": x, "t": t}, "u u_x")
    assert np.array_equal(u, found[..., 0]) and u_x.shape == (5, 4)


def test_numpy_in_numpy_out_and_tensors_in_tensors_out(trained):
    rows = np.array([[0.1, 0.2], [0.3, 0.4]])
    assert isinstance(trained(rows), np.ndarray) and isinstance(trained.jet(rows, "u_x"), np.ndarray)
    assert isinstance(trained(torch.tensor(rows)), torch.Tensor)
    assert np.array_equal(trained(rows), trained(torch.tensor(rows)).numpy())
    assert trained(rows.tolist()).shape == (2, 1)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda u: u(), TypeError, r"give points \(n, 2\), or all coordinates by name: x=..., t=..."),
        (lambda u: u(np.zeros((1, 2)), x=1), TypeError, "or all coordinates by name"),
        (lambda u: u(x=1), TypeError, "the coordinate 't' is missing"),
        (lambda u: u(x=1, tt=2), TypeError, "there is no coordinate 'tt'.*did you mean 't'"),
        (lambda u: u(x=np.zeros(2), t=np.zeros(3)), ValueError, r"do not go together: x \(2,\), t \(3,\)"),
        (lambda u: u(x="a", t=1), TypeError, "x is 'a': expected a number or an array"),
        (lambda u: u("a"), TypeError, "Solution: X is"),
        (lambda u: u(np.zeros(3)), ValueError, r"expected points \(n, d\)"),
        (lambda u: u(x=1j * np.ones(1), t=0), (TypeError, ValueError), "x is|complex"),
        (lambda u: u.jet({"x": 0}, "u"), TypeError, "Solution.jet: the coordinate 't' is missing"),
    ],
)
def test_what_is_no_place_is_refused(trained, call, error, said):
    with pytest.raises(error, match=said):
        call(trained)


def test_points_outside_are_said_once():
    trained = pk.solve(pk.problem("burgers"), pk.MLP(2, 6, 1), 30, stages=[pk.Adam(1)], progress=False)
    trained(torch.tensor([[1.0, 1.0], [-1.0, 0.0]]).float())  # the edge, rounded
    with pytest.warns(
        UserWarning, match="1 of 2 points lie outside the domain, the first at x = 1.01, t = 0.5: nothing"
    ):
        trained(torch.tensor([[0.0, 0.5], [1.01, 0.5]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(x=2.0, t=0.5)
        trained.jet({"x": 2.0, "t": 0.5}, "u_x")


def test_the_inside_of_a_body_is_outside():
    trained = pk.solve(pk.problem("cylinder"), pk.MLP(2, 6, 3), 30, stages=[pk.Adam(1)], progress=False)
    box = trained.problem.domain.bounds
    mesh = np.stack(np.meshgrid(*(np.linspace(a, b, 60) for a, b in box.T)), -1).reshape(-1, 2)
    body = mesh[~trained.problem.domain.inside(mesh)]
    with pytest.warns(UserWarning, match=f"{len(body)} of {len(mesh)} points lie outside"):
        trained(mesh)
