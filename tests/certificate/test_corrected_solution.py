"""Bounds through a corrected solution: nearly the error itself, distances enclosed, what is none refused."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.certificate.corrected_solution import distances, parts, seen
from pinnkit.certificate.misfits import sampled
from pinnkit.network.linearised import Linearised

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
BOX = pk.Box(x=(0, 2), t=(0, 1))


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 5_000)


def rod(kind="heat", hard=None):
    order = 2 if kind == "wave" else 1
    equation = u.diff(t, order) - u.diff(x, 2) / 4
    start = [pk.Initial(u, 0, order=k) for k in range(order)]
    problem = pk.Problem(kind, u, equation, BOX, [*start, pk.Dirichlet(u, 0)], reference=pk.Exact({u: sp.S.Zero}))
    net = pk.MLP(2, 8, 1)
    return pk.Solution(pk.Model(problem, net, hard), net.initial(BOX, 1), pk.Points({}))


def moved(solution, delta):
    stays = isinstance(solution.network, Linearised)
    at = solution.network.at if stays else solution.theta
    base = solution.network.network if stays else solution.network
    model = pk.Model(solution.problem, Linearised(base, at), solution.model.hard)
    return pk.Solution(model, delta + (solution.theta if stays else 0), pk.Points({}))


def test_the_bound_is_nearly_the_error_itself():
    solution = rod("wave", hard=False)
    for enclosed in (False, True):
        found = pk.certify(solution, enclosed=enclosed, slopes=True)
        assert {b.norm for b in found.bounds} == {"sup", "L2(t)", "L2(Q)", "H1(t)"} and not found.violations
        for b, direct in zip(found.bounds, found.direct, strict=True):
            assert found.errors[b.norm] <= b.value <= min(1.06 * found.errors[b.norm], direct.value), b
            assert b.theorem.endswith("through the corrected solution") and "corrected" not in direct.theorem
        assert "its distance is" in str(found) and found.to_dict()["corrected"]["distances"]["sup"] == pytest.approx(
            found["sup"], rel=1e-3
        )
        X = BOX.sample(50, method="random", seed=0)
        estimate, radius = found.pointwise(X)
        assert float((estimate + solution(X)[:, 0]).abs().max()) <= radius < 1e-4 * found["sup"]


@pytest.mark.parametrize("hard", [False, True])
def test_distances_are_enclosed_in_every_norm(hard):
    solution = rod("heat", hard=hard)
    seed = torch.Generator().manual_seed(3)
    other = moved(solution, 0.1 * torch.randn(len(solution.theta), generator=seed, dtype=torch.float64))
    norms = ["sup", "L2(Q)", "L2(t)", "L2(T)", "L1(t)", "H1(t)", "H2(t)"]
    found, looked = distances(solution, other, norms, 1.0), seen(solution, other, norms)
    a, b = np.linspace(0, 2, 401), np.linspace(0, 1, 101)
    X = torch.cartesian_prod(torch.as_tensor(a), torch.as_tensor(b))
    true = {}
    for name, norm in (("u", "L2(t)"), ("u_x", "H1(t)"), ("u_xx", "H2(t)")):
        v = (other.jet(X, name) - solution.jet(X, name)).reshape(401, 101).numpy()
        mean = np.sqrt(np.trapezoid(v**2, a, axis=0))
        true[norm] = mean.max()
        if name == "u":
            true |= {"sup": np.abs(v).max(), "L2(Q)": math.sqrt(np.trapezoid(mean**2, b)), "L2(T)": mean[-1]}
            true["L1(t)"] = np.trapezoid(np.abs(v), a, axis=0).max()
    for norm in norms:
        assert true[norm] * (1 - 1e-4) <= found[norm] <= (1.5 if norm == "L1(t)" else 1.05) * true[norm], norm
        assert true[norm] * (1 - 1e-3) <= looked[norm] <= 1.05 * true[norm], norm


def test_the_second_correction_differs_by_exact_parts():
    first = moved(rod(), 1e-3 * torch.ones(33, dtype=torch.float64))
    second = moved(first, 1e-9 * torch.arange(33, dtype=torch.float64) / 7)
    whole = parts(first, second)
    for k in range(33):
        total = sum(sp.Rational(float(p[k])) for p in whole)
        assert total == sp.Rational(float(second.theta[k])) - sp.Rational(float(first.theta[k]))
    large = moved(first, 1e6 / 7 * torch.ones(33, dtype=torch.float64))
    assert len(parts(first, large)) == 2


def test_a_bad_correction_does_no_harm_and_what_is_none_is_refused():
    solution = rod(hard=False)
    direct = pk.certify(solution, corrected=False)
    assert direct.corrected is None and direct.bounds == direct.direct and "corrected solution" not in str(direct)
    with pytest.raises(ValueError, match="there is no bound at single points"):
        direct.pointwise(BOX.sample(3))
    bad = pk.certify(solution, enclosed=True, corrected=moved(solution, 10 * torch.ones(33, dtype=torch.float64)))
    assert bad.bounds == bad.direct and bad.corrected.through("sup").value > bad["sup"]
    own = next(b.value for b in bad.corrected.bounds if b.norm == "sup")
    distance = bad.corrected.distances["sup"]
    assert bad.corrected.through("sup").value == distance + own and own > distance / 2
    other = pk.Solution(solution.model, 2 * solution.theta, pk.Points({}))
    for wrong in (solution, moved(other, torch.zeros(33, dtype=torch.float64))):
        with pytest.raises(ValueError, match="not in the tangent space of the solution"):
            pk.certify(solution, enclosed=True, corrected=wrong)
    with pytest.raises(ValueError, match="is of another problem"):
        pk.certify(solution, corrected=rod("wave"))


def test_why_there_is_no_correction_is_said():
    exact = pk.solve_lie(pk.problem("heat", initial="sine"), tolerance=1e-3)
    found = pk.certify(exact)
    assert found.corrected is None and "none: a superposition of exact solutions is certified directly" in str(found)
    solution = rod("wave", hard=False)
    single = pk.Solution(solution.model, solution.theta.float(), pk.Points({}))
    assert "cannot be corrected to a certificate: expected float64" in pk.certify(single, enclosed=True).note
