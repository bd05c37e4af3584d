"""Fresh points estimate means over the domain, whatever they were drawn by."""

import math

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.domain.point_set import PointSet
from pinnkit.error.fresh_points import FreshPoints
from pinnkit.error.settings import USUAL
from pinnkit.error.tangent_space import TangentSpace

(x,) = pk.coordinates("x")
u, v = pk.field("u", x), pk.field("v", x)


def fresh(weight: sp.Expr | None = None, two: bool = False) -> tuple[FreshPoints, TangentSpace]:
    """Of u'' = 50 e^(-50 x), whose residual is large on one side, and of v'' = 1 beside it."""
    equations = {"one": u.diff(x, 2) - 50 * sp.exp(-50 * x)} | ({"two": v.diff(x, 2) - 1} if two else {})
    fields = [u, v][: 1 + two]
    walls = [pk.Dirichlet(f, 0) for f in fields]
    problem = pk.Problem("layer", fields, equations, pk.Box(x=(0, 1)), walls, weight=weight)
    model = pk.Model(problem, pk.MLP(1, 4, len(fields)), True)
    space = TangentSpace(pk.Solution(model, model.initial(0), pk.sample(problem, 20)))
    return FreshPoints(space, 0, USUAL), space


def test_weights_of_drawn_points_make_means_over_the_domain() -> None:
    points, space = fresh()
    zero = torch.zeros_like(space.theta)
    pool = points.pool("pde", 4000, zero)
    drawn = points.drawn("pde", pool, 1500, zero)
    for some in (pool, drawn):
        assert float(some.weights.mean()) == pytest.approx(1.0, rel=1e-12)
        for k in (1, 2):
            assert float((some.weights * some.X[:, 0] ** k).mean()) == pytest.approx(1 / (k + 1), rel=0.1)
    assert float((drawn.X[:, 0] < 0.1).double().mean()) > 0.17  # a tenth of the domain, where the residual is


def test_more_points_where_the_equation_weighs_more_and_the_mean_is_that_of_the_weight() -> None:
    plain, weighted = (fresh(w)[0] for w in (None, 1 + 1000 * x**4))
    zero = torch.zeros_like(plain.zero)
    right = [float((p.pool("pde", 4000, zero).X[:, 0] > 0.9).double().mean()) for p in (plain, weighted)]
    assert right[1] > 2 * right[0]
    some = weighted.pool("pde", 4000, zero)
    share = float(some.weights[some.X[:, 0] > 0.9].sum() / some.weights.sum())
    assert share == pytest.approx((0.1 + 200 * (1 - 0.9**5)) / 201, rel=0.1)


def test_the_size_of_several_residuals_is_their_root_of_squares() -> None:
    points, space = fresh(two=True)
    zero, at = torch.zeros_like(space.theta), PointSet(torch.linspace(0.1, 0.9, 7).double()[:, None])
    r = space.residual({"pde": at}, zero).view(2, 7)
    assert torch.allclose(points._size("pde", at, zero), r.square().sum(0).sqrt())
    assert math.isclose(float(points.sample("pde", 100).X.mean()), 0.5, abs_tol=0.15)
