"""Fields of fewer coordinates: k(x) beside u(x, t), found from readings, with a band."""

import pytest
import sympy as sp
import torch

import pinnkit as pk

x, y, t = pk.coordinates("x y t")
u, k = pk.field("u", x, t), pk.field("k", x)
BOX = pk.Box(x=(0, 1), t=(0, 1))
K = 1 + x / 2 + sp.sin(2 * sp.pi * x) / 4
U = sp.exp(-t) * (sp.sin(sp.pi * x) + x) + x
SOURCE = sp.expand(U.diff(t) - (K * U.diff(x)).diff(x))
KNOWN = [pk.Initial(u, U.subs(t, 0)), pk.Dirichlet(u, U, on="x")]


def readings(n=50, noise=1e-4):
    generator = torch.Generator().manual_seed(1)
    X = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    return pk.Observations(u, X, pk.Exact({u: U})(X)[:, 0] + noise * torch.randn(n, generator=generator).double())


def inverse(flux=None, *more):
    flux = k * u.diff(x) if flux is None else flux
    conditions = [*KNOWN, readings(), *more]
    return pk.Problem("inverse", (u, k), u.diff(t) - flux.diff(x) - SOURCE, BOX, conditions, reference={u: U, k: K})


def test_it_is_looked_at_in_one_place():
    problem = inverse()
    assert problem.fields[1] == pk.field("k", x, t) and str(problem.outputs["k"]) == "k(x, 0.0)"
    found = problem.verify()
    assert max(v for name, v in found.items() if name != "data") < 1e-14
    held = pk.Problem("held", (u, k), u.diff(t) - pk.divergence(k, u) - SOURCE, BOX, [*KNOWN, readings()])
    assert sp.expand(list(held.equations.values())[0] - list(problem.equations.values())[0]) == 0


def test_found_from_readings_with_a_band():
    settings = {"stages": [pk.LevenbergMarquardt(40)], "resample": None, "progress": False}
    solution = pk.solve(inverse(), pk.MLP(2, 12, 12, 2), 200, **settings)
    assert solution.errors()["k"]["relative_l2"] < 1e-2
    X = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    here, there = (solution.jet(torch.stack([X, torch.full_like(X, at)], 1), "k") for at in (0.1, 0.8))
    assert torch.equal(here, there)
    band = pk.uncertainty(solution, of=pk.at("k", x=X.tolist(), t=0.5)).interval()
    true = pk.Exact({u: K})(torch.stack([X, X], 1))[:, 0]
    assert ((band[:, 0] <= true) & (true <= band[:, 1])).double().mean() > 0.8
    assert (band[:, 1] - band[:, 0]).max() < 0.1


def test_conditions_on_it():
    at, values = torch.tensor([[0.25], [0.5]], dtype=torch.float64), [1.0, 1.25]
    known = pk.Operator("known", k - 1, "x_min")
    problem = inverse(None, known, pk.Observations(k, at, values, "samples"))
    assert problem.sample("samples", 2).X.tolist() == [[0.25, 0.0], [0.5, 0.0]]
    assert {r.name: r.key for r in problem.residuals}["known"] == "x_min"
    with pytest.raises(ValueError, match="k on x_min.*has fewer coordinates.*Operator"):
        inverse(None, pk.Dirichlet(k, 1, on="x_min"))


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"depends on \(y\), the domain has"):
        pk.Problem("other", (u, pk.field("k", y)), u.diff(t) - pk.field("k", y) * u, BOX, KNOWN)
