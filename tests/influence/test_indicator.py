"""Indicators on constructed effects whose values are known, and of trained models side by side."""

import io
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import pinnkit as pk
from pinnkit.influence import indicator as ind

SETTINGS = {"stages": [pk.Adam(30), pk.SSBroyden(30)], "resample": None, "progress": False, "validation": 50}
K, N = 7, 40
X, Z = (torch.rand(n, 2, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (K, N))


def effects(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def soft() -> pk.Influence:
    counts = {"pde": 80, "initial": 20, "x": 20}
    problem = pk.problem("burgers")
    return pk.Influence(pk.solve(problem, pk.MLP(2, 6, 1), counts, hard=False, **SETTINGS), "gauss-newton")


# ------------------------------------------------------------------------------------------------ where it comes from


def test_equal_effects_give_the_baselines() -> None:
    signs = torch.where(effects(K, N) > 0, 3.0, -3.0).double()
    test, train = X[:, 1], Z[:, 1]
    expected = torch.tensor([sum(float(z) <= float(x) for z in train) / N for x in test], dtype=torch.float64)
    assert torch.allclose(ind.directionality_baseline(test, train), expected, rtol=0, atol=1e-15)
    assert torch.allclose(ind.directionality(signs, test, train), expected, rtol=0, atol=1e-14)
    near = ind.nearness(X, Z, sigma=0.3, kernel="gaussian")
    assert torch.allclose(ind.proximity(signs, X, Z, sigma=0.3, kernel="gaussian"), near.mean(1), rtol=0, atol=1e-14)
    inside = Z[:, 0] < 0.5
    assert torch.allclose(ind.region_fraction(signs, inside), inside.double().mean().expand(K), rtol=0, atol=1e-14)
    assert torch.allclose(ind.participation(signs), torch.ones(K).double(), rtol=0, atol=1e-14)


def test_a_single_source_counts_alone() -> None:
    E, j = torch.zeros(K, N, dtype=torch.float64), 11
    E[:, j] = -2e-9
    earlier = (Z[j, 1] <= X[:, 1]).double()
    assert torch.equal(ind.directionality(E, X[:, 1], Z[:, 1]), earlier) and 0 < earlier.sum() < K
    assert torch.equal(ind.region_fraction(E, torch.arange(N) == j), torch.ones(K, dtype=torch.float64))
    assert torch.equal(ind.region_fraction(E, torch.arange(N) != j), torch.zeros(K, dtype=torch.float64))
    kernel = torch.exp(-(X - Z[j]).norm(dim=1) / 2)
    assert torch.allclose(ind.proximity(E, X, Z), kernel, rtol=1e-13)
    assert torch.allclose(ind.participation(E), torch.full((K,), 1 / N).double(), rtol=1e-13)


def test_the_kernels_are_as_stated() -> None:
    x, z = torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[3.0, 4.0]]).double()
    assert float(ind.nearness(x, z)) == pytest.approx(math.exp(-5 / 2), rel=1e-14)
    assert float(ind.nearness(x, z, sigma=2.0)) == pytest.approx(math.exp(-5 / 8), rel=1e-14)
    assert float(ind.nearness(x, z, sigma=2.0, kernel="gaussian")) == pytest.approx(math.exp(-25 / 8), rel=1e-14)
    scaled = ind.nearness(x, z, scale=torch.tensor([3.0, 2.0]))
    assert float(scaled) == pytest.approx(math.exp(-math.hypot(1, 2) / 2), rel=1e-14)
    with pytest.raises(ValueError, match="kernel='box': choose one of distance, gaussian"):
        ind.nearness(x, z, kernel="box")
    with pytest.raises(ValueError, match="sigma=0: give a positive width"):
        ind.nearness(x, z, sigma=0)


def test_no_effect_at_all_is_not_a_number() -> None:
    E = effects(2, N)
    E[1] = 0
    found = ind.directionality(E, X[:2, 1], Z[:, 1])
    assert torch.isfinite(found[0]) and torch.isnan(found[1])
    assert ind.bootstrap(found).mean == float(found[0])


def test_coordinates_by_name_radius_or_function() -> None:
    P = torch.tensor([[3.0, 4.0], [0.0, -2.0]]).double()
    assert ind.coordinate(P, ("x", "t"), "t").tolist() == [4.0, -2.0]
    assert ind.coordinate(P, ("x", "y"), "radius").tolist() == [5.0, 2.0]
    assert ind.coordinate(P, ("x", "y"), lambda p: p[:, 0] - p[:, 1]).tolist() == [-1.0, 2.0]
    with pytest.raises(ValueError, match="along='z': choose one of x, y, 'radius', or give a function"):
        ind.coordinate(P, ("x", "y"), "z")
    with pytest.raises(ValueError, match=r"expected \(2,\), got \(2, 2\)"):
        ind.coordinate(P, ("x", "y"), lambda p: p)


@given(seed=st.integers(0, 10**6), factor=st.floats(1e-12, 1e12))
@settings(max_examples=30, deadline=None)
def test_neither_sign_nor_scale_matter_and_all_lies_between_0_and_1(seed: int, factor: float) -> None:
    E = effects(K, N, seed=seed)
    flipped = factor * torch.where(effects(K, N, seed=seed + 1) > 0, E, -E)
    for measure in (
        lambda e: ind.directionality(e, X[:, 1], Z[:, 1]),
        lambda e: ind.proximity(e, X, Z, sigma=0.5),
        lambda e: ind.participation(e),
        lambda e: ind.term_fractions({"a": e[:, :9], "b": e[:, 9:]})["b"],
    ):
        value = measure(E)
        assert torch.allclose(measure(flipped), value, rtol=1e-10) and bool(((value >= 0) & (value <= 1)).all())


# ----------------------------------------------------------------------------------------------------------- loss terms


def test_fractions_add_up_and_weigh_sets_of_any_size() -> None:
    sizes = {"pde": (30, -1.0), "initial": (5, 4.0), "x": (3, 0.0)}
    parts = {name: torch.full((K, n), e, dtype=torch.float64) for name, (n, e) in sizes.items()}
    found = ind.term_fractions(parts)
    assert {name: round(float(v[0]), 12) for name, v in found.items()} == {"pde": 0.6, "initial": 0.4, "x": 0.0}
    assert torch.allclose(sum(found.values()), torch.ones(K).double())


def test_coherence_of_terms_that_agree_cancel_or_differ() -> None:
    e = effects(K, N)
    assert torch.allclose(ind.coherence(torch.stack([e, 2 * e])), torch.ones(K, N).double(), rtol=0, atol=1e-15)
    assert torch.equal(ind.coherence(torch.stack([e, -e])), torch.zeros(K, N).double())
    assert torch.allclose(ind.coherence(torch.stack([e, -3 * e])), torch.full((K, N), 0.5).double(), rtol=0, atol=1e-15)
    assert torch.equal(ind.coherence(e[None]), torch.ones(K, N).double())
    assert torch.equal(ind.coherence(torch.zeros(2, K, N)), torch.ones(K, N))
    half = torch.stack([e, torch.cat([-e[:, : N // 2], e[:, N // 2 :]], 1)])
    assert torch.allclose(ind.cancellation(half), torch.full((K,), 0.5).double(), rtol=0, atol=1e-14)


def test_tension_is_between_terms_as_wholes() -> None:
    pull = torch.ones(K, 10).double()
    balanced = torch.cat([pull, -pull], 1)
    assert torch.equal(ind.tension({"a": pull, "b": -2 * pull}), torch.ones(K).double())
    assert torch.equal(ind.tension({"a": balanced, "b": -balanced}), torch.zeros(K).double())
    assert torch.allclose(ind.tension({"a": pull, "b": balanced}), torch.full((K,), 1 / 3).double())


# ------------------------------------------------------------------------------------------------------------- averages


def test_bootstrap_covers_the_mean_and_follows_its_seed() -> None:
    v = effects(400)
    e = ind.bootstrap(v)
    se = float(v.std()) / 20
    assert e.mean == pytest.approx(float(v.mean()), abs=1e-15) and e == ind.bootstrap(v) != ind.bootstrap(v, seed=1)
    assert e.low == pytest.approx(e.mean - 1.96 * se, abs=0.4 * se)
    assert e.high == pytest.approx(e.mean + 1.96 * se, abs=0.4 * se)
    assert ind.bootstrap(torch.full((9,), 0.25)) == ind.Estimate(0.25, 0.25, 0.25)
    assert math.isnan(ind.bootstrap(torch.tensor([torch.nan])).mean)


def test_spread_over_trainings_is_the_sample_deviation() -> None:
    e = ind.spread([1.0, 2.0, 3.0])
    assert (e.mean, e.low, e.high) == (2.0, 1.0, 3.0) and math.isnan(ind.spread([1.0]).low)


def test_bins_hold_every_value_once() -> None:
    at = torch.linspace(0, 1, 101, dtype=torch.float64)
    found = ind.binned(2 * at, at, bins=4)
    assert found.centre.tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875]) and int(found.count.sum()) == 101
    assert torch.allclose(found.mean, 2 * found.centre, atol=0.02)
    assert bool((found.low < found.mean).all() and (found.mean < found.high).all())
    gap = ind.binned(torch.tensor([1.0, torch.nan, 5.0]), torch.tensor([0.0, 0.5, 1.0]), bins=10)
    assert gap.count.tolist() == [1, 1] and gap.mean.tolist() == [1.0, 5.0]
    assert ind.binned(torch.ones(3), torch.ones(3)).count.tolist() == [3]


# --------------------------------------------------------------------------------------------------------- whole models


def test_indicators_are_those_of_the_attribution(soft: pk.Influence) -> None:
    P = soft.solution.problem.sample("pde", 25, seed=3).X
    found = pk.indicators(soft, X=P, sigma=0.4, kernel="gaussian")
    a = soft.attribute(pk.Field("u", P), correct=False)
    E = torch.cat([a.joint[key] for key in ("pde", "initial", "x")], 1)
    T = torch.cat([soft.solution.points[key].X for key in ("pde", "initial", "x")])
    assert found.along == "t" and torch.equal(found.at, P[:, 1]) and torch.equal(found.X, P)
    assert torch.allclose(found.directionality, ind.directionality(E, P[:, 1], T[:, 1]))
    by_extent = torch.tensor([2.0, 1.0]).double()
    assert torch.allclose(found.proximity, ind.proximity(E, P, T, sigma=0.4, scale=by_extent, kernel="gaussian"))
    assert torch.allclose(found.terms["u on x"], ind.term_fractions(a.effects)["u on x"])
    assert torch.allclose(found.tension, ind.tension(a.effects)) and found.cancellation == {}
    assert found.error == soft.solution.errors()["u"]["relative_l2"]
    r = soft.stack.values(soft.solution.theta).abs() * soft.stack.row_weights.sqrt()
    h = torch.cat([soft.leverage[name] for name in soft.stack.terms])
    assert found.left_out == pytest.approx(float((r / (1 - h)).quantile(0.9) / r.quantile(0.9)), rel=1e-12)


def test_indicators_of_a_derivative_along_another_direction(soft: pk.Influence) -> None:
    found = pk.indicators(soft, "u_x", 20, along="x", correct=True)
    assert found.field == "u_x" and found.error is None and torch.equal(found.at, found.X[:, 0])
    a = soft.attribute(pk.Field("u_x", found.X))
    assert torch.allclose(found.participation, ind.participation(torch.cat(list(a.joint.values()), 1)))
    with pytest.raises(ValueError, match="the fields are u"):
        pk.indicators(soft, "w", 5)
    with pytest.raises(ValueError, match="along='y': choose one of x, t"):
        pk.indicators(soft, X=5, along="y")


def test_systems_have_a_cancellation() -> None:
    solution = pk.solve(pk.problem("kovasznay"), pk.MLP(2, 6, 3), 60, **SETTINGS)
    found = pk.indicators(solution, X=15)
    assert set(found.cancellation) == {"pde"} and found.along == "x"
    a = pk.Influence(solution, "gauss-newton").attribute(pk.Field("u", found.X), correct=False)
    terms = torch.stack([a.effects[name] for name, key in a.keys.items() if key == "pde"])
    assert len(terms) == 3 and torch.allclose(found.cancellation["pde"], ind.cancellation(terms), rtol=1e-6)
    assert "cancellation at points pde" in str(found)


def test_the_response_is_among_the_numbers_where_it_is_asked_for(soft: pk.Influence) -> None:
    found = pk.indicators(soft, X=5, response=True)
    own = pk.response(soft)
    assert torch.equal(found.response.kernel, own.kernel) and "reciprocity of the response" in str(found)
    assert found.numbers["reciprocity of the response"] == pytest.approx(own.reciprocity, nan_ok=True)
    assert "reciprocity" not in str(pk.indicators(soft, X=5))


def test_models_stand_side_by_side(soft: pk.Influence) -> None:
    a, b, c = (pk.indicators(soft, X=20, seed=seed) for seed in (1, 2, 3))
    table = str(pk.compare({"good": a, "poor": [b, c]}))
    head, *lines = table.splitlines()
    assert head.split() == ["good", "poor"]
    row = next(line for line in lines if line.startswith("directionality in t "))
    means = [float(m.directionality.mean()) for m in (a, b, c)]
    e = ind.spread(means[1:])
    assert f"{means[0]:.2f} [" in row and f"{e.mean:.2g} ± {e.high - e.mean:.1g}" in row
    assert "directionality in t" in str(a) and "mean leverage" in str(a)
    printed = io.StringIO()
    Console(file=printed, width=200).print(pk.compare({"good": a, "poor": b}))
    assert "poor" in printed.getvalue() and "mean leverage" in printed.getvalue()
