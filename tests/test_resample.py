"""Draws, the space-filling curve, and resampling through solve()."""

import numpy as np
import pytest
import torch
from scipy.stats import qmc

import pinnkit as pk
from pinnkit.hilbert import hilbert_order
from pinnkit.resample import probability

STAGES = [pk.Adam(12)]
NET = pk.MLP(2, 6, 6, 1)


def pool(n: int = 400, seed: int = 0) -> pk.PointSet:
    return pk.PointSet(torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def test_probability_is_the_published_formula():
    s = torch.tensor([1.0, 2.0, 4.0, 0.5], dtype=torch.float64)
    expected = s**2 / (s**2).mean() + 0.5
    torch.testing.assert_close(torch.as_tensor(probability(s, 2.0, 0.5)), expected / expected.sum())
    assert np.allclose(probability(torch.zeros(5)), 0.2)
    for bad in (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, -1.0])):
        with pytest.raises(ValueError, match="finite and not negative"):
            probability(bad)


@pytest.mark.parametrize("how", ["random", "systematic"])
def test_inclusion_is_proportional_to_the_score(how):
    candidates = pool(100)
    score = 0.1 + candidates.X[:, 0]
    count = torch.zeros(100)
    for seed in range(1500):
        picked = pk.draw(candidates, score, 10, k=1, c=0, how=how, seed=seed)
        assert len(picked) == 10 and len(torch.unique(picked.X, dim=0)) == 10
        count += (candidates.X[:, None] == picked.X).all(2).any(1)
    expected = 10 * score / score.sum()
    deviation = (count - 1500 * expected).abs() / (1500 * expected).sqrt()
    assert deviation.max() < (8.0 if how == "random" else 4.5)  # without replacement the first is bent a little


def test_a_systematic_draw_spreads_the_points():
    candidates = pool(4000)
    flat = torch.ones(4000, dtype=torch.float64)
    spread = {
        how: np.mean([qmc.discrepancy(pk.draw(candidates, flat, 128, how=how, seed=s).X.numpy()) for s in range(8)])
        for how in ("random", "systematic")
    }
    assert spread["systematic"] < 0.5 * spread["random"]


def test_scores_far_above_the_rest_are_drawn_once():
    candidates = pool(50)
    score = torch.ones(50, dtype=torch.float64)
    score[:5] = 1e6
    picked = pk.draw(candidates, score, 20, k=1, c=0)
    assert len(picked) == 20 and len(torch.unique(picked.X, dim=0)) == 20
    assert all((picked.X == x).all(1).any() for x in candidates.X[:5])


def test_top_and_refusals():
    candidates = pool(50)
    score = candidates.X[:, 1]
    assert torch.equal(pk.draw(candidates, score, 3, how="top").X, candidates.X[score.argsort(descending=True)[:3]])
    with pytest.raises(ValueError, match="cannot draw"):
        pk.draw(candidates, score, 51)
    with pytest.raises(ValueError, match="choose one of"):
        pk.draw(candidates, score, 5, how="best")


@pytest.mark.parametrize(("d", "side"), [(2, 16), (3, 8)])
def test_neighbours_on_the_curve_are_neighbours_in_space(d, side):
    cells = np.stack(np.meshgrid(*[np.arange(side)] * d, indexing="ij"), -1).reshape(-1, d)
    grid = np.concatenate([cells + 0.5, np.zeros((1, d)), np.full((1, d), side)])  # corners fix the bounding box
    order = [i for i in hilbert_order(grid) if i < len(cells)]
    assert sorted(order) == list(range(len(cells)))
    assert (np.abs(np.diff(cells[order], axis=0)).sum(1) == 1).all()


def solve(problem=None, **settings):
    given = {"stages": STAGES, "progress": False, "validation": 50, **settings}
    points = given.pop("points", {"pde": 60})
    return pk.solve(problem or pk.problem("burgers"), given.pop("network", NET), points, **given)


RESAMPLERS = [
    (pk.rad(every=4, candidates=300), 60), (pk.uniform(every=4, candidates=300), 60), (pk.R3(every=4), 60),
    (pk.rar_d(every=4, add=5, candidates=300), 70), (pk.rar_g(every=4, add=5, candidates=300), 70),
    (pk.rad(every=4, candidates=300, growth=1.5, most=100), 100),
]  # fmt: skip


@pytest.mark.parametrize(("resample", "count"), RESAMPLERS)
def test_counts_and_seeds(resample, count):
    solution = solve(resample=resample)
    assert solution.progress.round == 2 and len(solution.points["pde"]) == count
    assert torch.equal(solution.points["pde"].X, solve(resample=resample).points["pde"].X)
    assert solution.problem.domain.inside(solution.points["pde"].X).all()


def test_boundary_and_initial_sets_are_resampled_too():
    resample = pk.rad(every=4, candidates=200, keys=("pde", "initial", "x"), warm_up=0)
    solution = solve(resample=resample, hard=False)
    first = solution.rounds[0]
    assert all(not torch.equal(first[key].X, solution.points[key].X) for key in ("pde", "initial", "x"))
    assert solution.problem.domain.on_boundary(solution.points["x"].X).all()
    assert (solution.points["initial"].X[:, 1] == 0).all()


def test_a_system_is_scored_by_all_its_residuals():
    solution = solve(
        pk.problem("kovasznay"), network=pk.MLP(2, 6, 6, 3), resample=pk.rad(every=4, candidates=200, warm_up=0)
    )
    X = pk.PointSet(solution.problem.domain.sample(30, seed=5))
    rows = solution.rows("pde", X)
    torch.testing.assert_close(pk.residual_score(solution, "pde", X), (rows**2).sum(0).sqrt())


def test_r3_keeps_the_points_of_large_residual():
    solution = solve(resample=None)
    score = pk.residual_score(solution, "pde", solution.points["pde"])
    kept = solution.points["pde"].X[score > score.mean()]
    new = pk.R3()(solution, 0)["pde"].X
    assert len(new) == 60 and torch.equal(new[: len(kept)], kept)


def test_a_score_of_ones_own_is_one_function():
    def late(solution, key, candidates):
        return (candidates.X[:, 1] > 0.5).double()

    solution = solve(resample=pk.Resample(score=late, c=0.0, every=4, candidates=400, warm_up=0))
    assert (solution.points["pde"].X[:, 1] > 0.5).all()
