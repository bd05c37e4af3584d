"""Draws, the space-filling curve, and resampling through solve()."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import qmc

import pinnkit as pk
from pinnkit.domain.draw import probability
from pinnkit.tools.hilbert import hilbert_order
from pinnkit.training.resampling.resample import RESAMPLERS
from pinnkit.training.resampling.scores import SCORES

STAGES = [pk.Adam(12)]
NET = pk.MLP(2, 6, 6, 1)


def pool(n: int = 400, seed: int = 0, d: int = 2) -> pk.PointSet:
    return pk.PointSet(torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def chosen(candidates: pk.PointSet, picked: pk.PointSet) -> torch.Tensor:
    """Which candidates were drawn, shape (N,)."""
    return (candidates.X[:, None] == picked.X).all(2).any(1)


# --------------------------------------------------------------------------------------------- draws


def test_probability_is_the_published_formula():
    s = torch.tensor([1.0, 2.0, 4.0, 0.5], dtype=torch.float64)
    for k, c in ((1.0, 1.0), (2.0, 0.0), (0.5, 0.5), (2.0, 0.5)):
        expected = s**k / (s**k).mean() + c
        torch.testing.assert_close(torch.as_tensor(probability(s, k, c)), expected / expected.sum())
        assert np.allclose(probability(1e-200 * s, k, c), probability(s, k, c))
    assert np.allclose(probability(torch.zeros(5)), 0.2)
    for bad in (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, -1.0])):
        with pytest.raises(ValueError, match="finite and not negative"):
            probability(bad)


def test_both_draws_include_candidates_equally_often():
    """Monte Carlo: the systematic draw is n p exactly, the random one but for being without replacement."""
    candidates, trials = pool(60), 3000
    score = 0.2 + candidates.X[:, 0]
    count = {"random": torch.zeros(60), "systematic": torch.zeros(60)}
    for how, total in count.items():
        for seed in range(trials):
            picked = pk.draw(candidates, score, 6, k=1, c=0, how=how, seed=seed)
            total += chosen(candidates, picked)
        assert total.sum() == 6 * trials
    expected = 6 * trials * score / score.sum()
    noise = expected.sqrt()
    assert ((count["systematic"] - expected).abs() / noise).max() < 4
    assert ((count["random"] - count["systematic"]).abs() / noise).max() < 7
    correlation = np.corrcoef(count["random"], count["systematic"])[0, 1]
    assert correlation > 0.95


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 9), st.floats(0, 6), st.sampled_from(["random", "systematic"]))
def test_a_draw_is_exact_and_without_duplicates(n, seed, k, how):
    candidates = pool(40, seed)
    score = (10 * candidates.X[:, 0]).floor()  # some vanish, some are equal
    picked = pk.draw(candidates, score, n, k=k, c=0.0, how=how, seed=seed)
    assert len(picked) == n and int(chosen(candidates, picked).sum()) == n
    again = pk.draw(candidates, score, n, k=k, c=0.0, how=how, seed=seed)
    assert torch.equal(picked.X, again.X)


@pytest.mark.parametrize("how", ["random", "systematic"])
def test_scores_of_zero_come_last_and_high_ones_first(how):
    candidates = pool(50)
    score = torch.zeros(50, dtype=torch.float64)
    score[:8] = 1.0
    few, many = (pk.draw(candidates, score, n, c=0.0, how=how, seed=3) for n in (6, 20))
    assert chosen(candidates, few)[:8].sum() == 6 and chosen(candidates, many)[:8].all() and len(many) == 20
    score = torch.ones(50, dtype=torch.float64)
    score[:5] = 1e6
    picked = pk.draw(candidates, score, 20, c=0.0, how=how)
    assert chosen(candidates, picked)[:5].all() and int(chosen(candidates, picked).sum()) == 20


def test_a_systematic_draw_spreads_the_points():
    candidates = pool(4000)
    flat = torch.ones(4000, dtype=torch.float64)
    spread = {
        how: np.mean([qmc.discrepancy(pk.draw(candidates, flat, 128, how=how, seed=s).X.numpy()) for s in range(8)])
        for how in ("random", "systematic")
    }
    assert spread["systematic"] < 0.5 * spread["random"]


@pytest.mark.parametrize("how", ["random", "systematic"])
def test_weights_make_the_weighted_mean_that_of_all_candidates(how):
    candidates = pool(500)
    score, mean = candidates.X[:, 0] ** 2, float(candidates.X[:, 0].mean())
    means, plain = [], []
    for seed in range(300):
        drawn = pk.draw(candidates, score, 50, k=1, c=0.5, how=how, seed=seed, weights=True)
        assert torch.isclose(drawn.weights.mean(), torch.tensor(1.0, dtype=torch.float64))
        means.append(float((drawn.weights * drawn.X[:, 0]).mean()))
        plain.append(float(drawn.X[:, 0].mean()))
    assert abs(np.mean(means) - mean) < 0.01 and np.mean(plain) - mean > 0.1


def test_top_and_refusals():
    candidates = pool(50)
    score = candidates.X[:, 1]
    assert torch.equal(pk.draw(candidates, score, 3, how="top").X, candidates.X[score.argsort(descending=True)[:3]])
    for n, said in ((51, "cannot draw 51 points from 50 candidates"), (0, "n is 0: expected a whole number")):
        with pytest.raises(ValueError, match=said):
            pk.draw(candidates, score, n)
    with pytest.raises(ValueError, match="choose one of"):
        pk.draw(candidates, score, 5, how="best")
    with pytest.raises(ValueError, match="one number for every candidate"):
        pk.draw(candidates, score[:, None], 5)
    with pytest.raises(ValueError, match="finite"):
        pk.draw(candidates, torch.where(score > 0.5, torch.nan, score), 5, how="top")
    with pytest.raises(ValueError, match="no weights"):
        pk.draw(candidates, score, 5, how="top", weights=True)


# ----------------------------------------------------------------------------------------- the curve


@pytest.mark.parametrize(("d", "side"), [(2, 16), (3, 8)])
def test_neighbours_on_the_curve_are_neighbours_in_space(d, side):
    cells = np.stack(np.meshgrid(*[np.arange(side)] * d, indexing="ij"), -1).reshape(-1, d)
    grid = np.concatenate([cells + 0.5, np.zeros((1, d)), np.full((1, d), side)])  # corners fix the bounding box
    order = [i for i in hilbert_order(grid) if i < len(cells)]
    assert sorted(order) == list(range(len(cells)))
    assert (np.abs(np.diff(cells[order], axis=0)).sum(1) == 1).all()


def test_the_curve_in_one_dimension_is_the_order_and_flat_coordinates_do_no_harm():
    x = np.random.default_rng(0).random((50, 1))
    assert (hilbert_order(x) == np.argsort(x[:, 0])).all()
    both = hilbert_order(np.concatenate([x, np.ones((50, 1))], 1))
    assert sorted(both) == list(range(50))
    for d in (4, 7, 20):
        assert sorted(hilbert_order(np.random.default_rng(d).random((100, d)))) == list(range(100))


# ------------------------------------------------------------------------------------- through solve()


def solve(problem=None, **settings):
    given = {"stages": STAGES, "progress": False, "validation": 50, **settings}
    points = given.pop("points", {"pde": 60})
    return pk.solve(problem or pk.problem("burgers"), given.pop("network", NET), points, **given)


# who resamples, how many points there are after two rounds, whether the old ones are still there
WAYS = [
    (pk.rad(every=4, candidates=300, warm_up=1), 60, False),
    (pk.uniform(every=4, candidates=300), 60, False),
    (pk.R3(every=4), 60, False),
    (pk.rar_d(every=4, add=5, candidates=300), 70, True),
    (pk.rar_g(every=4, add=5, candidates=300), 70, True),
    (pk.rad(every=4, candidates=300, growth=1.5, max_points=100), 100, False),
    (pk.rad(every=4, candidates=300, add=7, how="random", warm_up=0), 74, True),
    (pk.rad(every=4, candidates=300, weights=True, warm_up=0), 60, False),
    (RESAMPLERS["influence"](every=4, candidates=300, warm_up=0), 60, False),
]


@pytest.mark.parametrize(("resample", "count", "grows"), WAYS)
def test_counts_and_seeds(resample, count, grows):
    solution = solve(resample=resample)
    points = solution.points["pde"]
    assert solution.progress.round == 2 and len(points) == count
    first = pk.sample(solution.problem, {"pde": 60})["pde"].X
    assert torch.equal(points.X[:60], first) == grows
    again = solve(resample=resample)
    assert torch.equal(points.X, again.points["pde"].X) and torch.equal(solution.theta, again.theta)
    assert solution.problem.domain.inside(points.X).all()
    assert (points.weights is not None) == getattr(resample, "weights", False)


def test_every_name_makes_a_resampler():
    assert set(RESAMPLERS) == {"uniform", "rad", "rar-d", "rar-g", "r3", "influence", "weighted-rad", *SCORES}
    for make in RESAMPLERS.values():
        assert make(every=7).every == 7


def test_the_round_and_the_seed_make_the_points():
    solution = solve(resample=None)
    a, b, c, d = (
        pk.rad(candidates=200, seed=seed, warm_up=0)(solution, round)["pde"].X
        for seed, round in ((0, 3), (0, 3), (1, 3), (0, 4))
    )
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, d)


def test_boundary_and_initial_sets_are_resampled_too():
    keys = ("pde", "initial", "x")
    for resample in (pk.rad(every=4, candidates=200, keys=keys, warm_up=0), pk.R3(every=4, keys=keys)):
        solution = solve(resample=resample, hard=False, points={"pde": 60, "initial": 20, "x": 30})
        first = solution.rounds[0]
        assert all(not torch.equal(first[key].X, solution.points[key].X) for key in keys)
        assert [len(solution.points[key]) for key in keys] == [60, 20, 30]
        assert solution.problem.domain.on_boundary(solution.points["x"].X).all()
        assert (solution.points["initial"].X[:, 1] == 0).all()
    grow = pk.rar_g(every=4, add=3, candidates=50, keys=("x",))
    grown = solve(resample=grow, hard=False, points={"pde": 60, "x": 30})
    assert len(grown.points["x"]) == 36 and len(grown.points["pde"]) == 60
    assert set(grown.points["x"].columns) == set(first["x"].columns)


def test_periodic_points_keep_their_images():
    problem = pk.problem("drift_diffusion")
    key = next(key for key in problem.keys if key.startswith("periodic"))
    solution = solve(problem, hard=False, resample=pk.rad(every=4, candidates=80, keys=(key,), warm_up=0))
    points = solution.points[key]
    space = [i for i, name in enumerate(problem.domain.names) if name != key.removeprefix("periodic_")]
    assert torch.equal(points.X[:, space], points.image[:, space]) and not torch.equal(points.X, points.image)


def test_a_system_is_scored_by_all_its_residuals():
    solution = solve(
        pk.problem("kovasznay"), network=pk.MLP(2, 6, 6, 3), resample=pk.rad(every=4, candidates=200, warm_up=0)
    )
    X = pk.PointSet(solution.problem.domain.sample(30, seed=5))
    rows = solution.rows("pde", X)
    assert len(rows) == 3
    torch.testing.assert_close(pk.residual_score(solution, "pde", X), (rows**2).sum(0).sqrt())


def test_term_weights_enter_the_score_and_point_weights_the_loss():
    heavy = solve(resample=None, weights={"pde": 9.0})
    X = pk.PointSet(heavy.problem.domain.sample(30, seed=5))
    torch.testing.assert_close(pk.residual_score(heavy, "pde", X), 3 * heavy.rows("pde", X)[0].abs())
    points = pk.rad(candidates=200, warm_up=0, weights=True)(heavy, 5)
    stack = heavy.model.stack(points, {"pde": 9.0})
    expected = 9 * (points["pde"].weights * stack.values(heavy.theta) ** 2).mean()
    torch.testing.assert_close(stack.losses(heavy.theta).sum(), expected)


def test_warm_up_rounds_are_uniform():
    solution = solve(resample=None)
    warm, score = pk.rad(candidates=2000, c=0.0, k=3.0, warm_up=2), pk.residual_score

    def mean(points):
        return float(score(solution, "pde", points["pde"]).mean())

    assert mean(warm(solution, 2)) > 1.3 * max(mean(warm(solution, 0)), mean(warm(solution, 1)))


@pytest.mark.parametrize("add", [0, 5])
def test_no_option_acts_on_the_warm_up(add):
    """A comparison of scores and draws is of nothing else: all start from the same points."""
    plain = pk.rad(every=4, candidates=300, warm_up=2, add=add)
    variants = [
        pk.Resample(score=score, k=k, c=0.3, how=how, weights=weights, every=4, candidates=300, warm_up=2, add=add)
        for score, k, how, weights in (
            (SCORES["self-influence"], 2.0, "random", True), (pk.residual_score, 0.5, "top", False),
            (SCORES["gradient-dot"], 1.0, "systematic", True),
        )
    ]  # fmt: skip
    expected = solve(resample=plain)
    assert expected.progress.round == 2
    for variant in variants:
        found = solve(resample=variant)
        assert torch.equal(found.theta, expected.theta)
        assert torch.equal(found.points["pde"].X, expected.points["pde"].X)
        assert found.points["pde"].weights is None
        assert not torch.equal(variant(expected, 2)["pde"].X, plain(expected, 2)["pde"].X)


def test_rar_g_adds_the_largest_residuals():
    solution = solve(resample=None)
    new = pk.rar_g(candidates=300, add=10)(solution, 0)["pde"]
    added = pk.residual_score(solution, "pde", new[slice(60, None)])
    fresh = pk.residual_score(solution, "pde", pk.PointSet(solution.problem.domain.sample(300, seed=77)))
    assert added.min() > fresh.quantile(0.9)


def test_r3_keeps_the_points_of_large_residual():
    solution = solve(resample=None)
    score = pk.residual_score(solution, "pde", solution.points["pde"])
    kept = solution.points["pde"].X[score > score.mean()]
    new = pk.R3()(solution, 0)["pde"].X
    assert len(new) == 60 and torch.equal(new[: len(kept)], kept) and 0 < len(kept) < 60
    assert not chosen(solution.points["pde"], pk.PointSet(new[len(kept) :])).any()


def test_a_score_of_ones_own_is_one_function():
    def late(solution, key, candidates):
        return (candidates.X[:, 1] > 0.5).double()

    solution = solve(resample=pk.Resample(score=late, c=0.0, every=4, candidates=400, warm_up=0))
    assert (solution.points["pde"].X[:, 1] > 0.5).all()


def test_what_cannot_be_resampled_is_said():
    solution = solve(resample=None)
    with pytest.raises(ValueError, match="no points 'initial' to resample: burgers is trained on pde"):
        pk.rad(keys=("initial",))(solution, 0)
    inverse = solve(pk.problem("heat_inverse"), points=None, resample=None)
    data = next(key for key in inverse.points if key not in ("pde", "initial", "x"))
    for resample in (pk.rad(keys=(data,), candidates=10_000), pk.R3(keys=(data,))):
        with pytest.raises(ValueError, match="measurements"):
            resample(inverse, 0)
    with pytest.raises(ValueError, match="every is 0"):
        pk.rad(every=0)
    with pytest.raises(ValueError, match="choose one of"):
        pk.rad(how="best")
