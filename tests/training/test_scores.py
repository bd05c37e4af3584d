"""Scores against dense references: the Jacobian and the inverse written out, on one equation, a system, all sets."""

import gc
import math
from dataclasses import replace

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import pinnkit as pk
from benchmarks.training import published_resampling as published_study
from benchmarks.training import resampling as study
from pinnkit import scores
from pinnkit.model.published_curvature import published_curvature
from pinnkit.tools.serialise import decode, encode
from pinnkit.training.resampling.scores import candidates as rows

POINTS, SEED = 90, 3
CASES = [("burgers", None, "pde"), ("burgers", False, "initial"), ("burgers", False, "x"), ("kovasznay", False, "pde"),
         ("kovasznay", False, "boundary"), ("drift_diffusion", False, "periodic_x")]  # fmt: skip


def trained(name: str, hard: bool | None) -> pk.Solution:
    problem = pk.problem(name)
    network = pk.MLP(2, 6, 6, len(problem.fields))
    weights = {problem.residuals[0].name: 2.5}
    return pk.solve(problem, network, {"pde": 60}, stages=[pk.SSBroyden(15)], resample=None, hard=hard, weights=weights,
                    progress=False, validation=20)  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def case(request) -> tuple[pk.Solution, str, pk.PointSet]:
    name, hard, key = request.param
    solution = trained(name, hard)
    return solution, key, solution.problem.sample(key, 37, method="random", seed=9)


def dense_rows(solution: pk.Solution, key: str, points: pk.PointSet) -> tuple[Tensor, Tensor, Tensor]:
    """w (R,), r (R, n) and J (R, n, P), column by column from forward derivatives."""
    names = solution.model.programs[key].names
    eye, h = torch.eye(len(solution.theta), dtype=torch.float64), 1e-6

    def values(theta: Tensor) -> Tensor:
        return replace(solution, theta=theta).rows(key, points)

    J = torch.stack([(values(solution.theta + h * e) - values(solution.theta - h * e)) / (2 * h) for e in eye], -1)
    w = torch.tensor([solution.term_weights[n] for n in names], dtype=torch.float64)
    return w, values(solution.theta), J


def dense(solution: pk.Solution, key: str, points: pk.PointSet) -> dict[str, Tensor]:
    """All that the scores are made of, from explicit matrices."""
    P = len(solution.theta)
    fresh = rows.fresh(solution, POINTS, SEED)
    G, b = torch.zeros(P, P, dtype=torch.float64), torch.zeros(P, dtype=torch.float64)
    for other in fresh:
        w, r, J = dense_rows(solution, other, fresh[other])
        a = w / len(fresh[other])
        G += torch.einsum("k,knp,knq->pq", a, J, J)
        b += torch.einsum("k,kn,knp->p", a, r, J)
    inverse = torch.linalg.inv(G + rows.DAMPING * G.trace() * torch.eye(P, dtype=torch.float64))
    w, r, J = dense_rows(solution, key, points)
    g = torch.einsum("k,kn,knp->np", w, r, J)
    return {"inverse": inverse, "w": w, "r": r, "J": J, "g": g, "step": -inverse @ b}


def close(a: Tensor, b: Tensor, rtol: float = 2e-3) -> None:
    """Equal but for what finite differences and an inverse of condition 1e10 leave."""
    assert a.shape == b.shape and float((a - b).norm() / b.norm()) < rtol


# ------------------------------------------------------------------------------------------- definitions


def test_leverage_and_self_influence(case):
    solution, key, points = case
    d = dense(solution, key, points)
    leverage = torch.einsum("k,knp,pq,knq->n", d["w"], d["J"], d["inverse"], d["J"])
    own = torch.einsum("np,pq,nq->n", d["g"], d["inverse"], d["g"]).sqrt()
    settings = {"points": POINTS, "probes": 0, "seed": SEED}
    close(scores.Leverage(**settings)(solution, key, points), leverage)
    close(scores.SelfInfluence(**settings)(solution, key, points), own)
    close(scores.SelfInfluence(levered=True, **settings)(solution, key, points), own * leverage.sqrt())
    if len(d["r"]) == 1:
        close(own, (d["w"].sqrt() * d["r"][0].abs() * leverage.sqrt()))


def test_probes_estimate_the_form(case):
    solution, key, points = case
    exact, rough = (scores.Leverage(points=POINTS, probes=n, seed=SEED)(solution, key, points) for n in (0, 4000))
    assert float((rough / exact - 1).abs().max()) < 0.15


def test_influence_on_the_fields(case):
    solution, key, points = case
    d = dense(solution, key, points)
    at = rows.fresh(solution, 12, SEED + 1)["pde"]
    eye, h = torch.eye(len(solution.theta), dtype=torch.float64), 1e-6
    ahead, back = ([replace(solution, theta=solution.theta + s * h * e)(at.X) for e in eye] for s in (1, -1))
    Ju = torch.stack([(a - b) / (2 * h) for a, b in zip(ahead, back, strict=True)], -1)  # (12, fields, P)
    expected = torch.einsum("yfp,pq,nq->nyf", Ju, d["inverse"], d["g"]).square().sum((1, 2)).div(12).sqrt()
    close(scores.ErrorWeighted(points=POINTS, probes=12, seed=SEED)(solution, key, points), expected)


def test_the_step(case):
    solution, key, points = case
    d = dense(solution, key, points)
    moved = torch.einsum("knp,p->kn", d["J"], d["step"])
    settings = {"points": POINTS, "seed": SEED}
    close(scores.ReducibleResidual(**settings)(solution, key, points), (d["w"][:, None] * moved**2).sum(0).sqrt())
    expected = (d["w"][:, None] * d["r"] * moved).sum(0).abs()
    close(scores.TestLossInfluence(**settings)(solution, key, points), expected)
    h = 1e-6
    ahead, back = (replace(solution, theta=solution.theta + s * h * d["step"])(points.X) for s in (1, -1))
    close(scores.PredictedError(**settings)(solution, key, points), ((ahead - back) / (2 * h)).norm(dim=1))


def test_gradients_alone(case):
    solution, key, points = case
    g = dense(solution, key, points)["g"]
    close(scores.LossGradient()(solution, key, points), g.norm(dim=1), 1e-6)
    tests = rows.fresh(solution, 20, SEED)["pde"]
    w, r, J = dense_rows(solution, "pde", tests)
    left = torch.einsum("k,kn,knp->np", w, r, J)
    close(scores.GradientDot(points=20, seed=SEED)(solution, key, points), (g @ left.T).abs().sum(1), 1e-6)
    names = solution.problem.field_names
    slopes = solution.jet(points.X, " ".join(f"{u}_{x}" for u in names for x in solution.problem.domain.names))
    close(scores.OutputGradient()(solution, key, points), torch.stack(slopes).norm(dim=0), 1e-12)


def test_the_published_score(case):
    """With all of a spectrum above the threshold Arnoldi's inverse is the inverse: compare on what it keeps."""
    solution, key, points = case
    tests = solution.problem.sample("pde", 25, method="random", seed=SEED)
    H = published_curvature(solution, {"pde": tests}, dim=30, keep=6)
    _, r, J = dense_rows(solution, "pde", tests)
    left = 2 * torch.einsum("kn,knp->np", r, J)
    _, r, J = dense_rows(solution, key, points)
    right = 2 * torch.einsum("kn,knp->np", r, J)
    inverse = H.V @ torch.diag(1 / H.eigenvalues) @ H.V.T
    score = scores.PublishedInfluence(points=25, dim=30, keep=6, seed=SEED)
    close(score(solution, key, points), (right @ inverse @ left.T).abs().sum(1), 1e-5)


def test_an_unknown_set_is_named(case):
    solution, _, points = case
    for ask in (scores.ReducibleResidual(points=20).moved, scores.TestLossInfluence(points=20), pk.residual_score):
        with pytest.raises(ValueError, match="nowhere"):
            ask(solution, "nowhere", points)


# --------------------------------------------------------------------------------------------- as values

QUICK = {
    name: replace(score, **{k: v for k, v in {"points": 80, "dim": 30, "keep": 9}.items() if hasattr(score, k)})
    for name, score in scores.SCORES.items()
}


@pytest.mark.parametrize("score", QUICK.values(), ids=QUICK)
def test_a_score_depends_on_its_arguments_alone(score):
    solution, other = trained("burgers", None), trained("burgers", None)
    other = replace(other, theta=other.theta + 0.01 * torch.sin(torch.arange(len(other.theta)).double()))
    points = solution.problem.sample("pde", 600, seed=4)  # more than one block
    first = score(solution, "pde", points)
    score(other, "pde", points)
    assert first.shape == (600,) and bool((first >= 0).all()) and bool(torch.isfinite(first).all())
    assert torch.equal(first, score(replace(solution), "pde", points))  # nothing kept for this one
    assert not torch.equal(first, score(other, "pde", points))
    torch.testing.assert_close(first[:50], score(solution, "pde", points[:50]), rtol=1e-8, atol=0)


def test_the_curvature_is_kept_as_long_as_its_solution():
    solution = trained("burgers", None)
    assert rows.newton(solution, 0, 0) is rows.newton(solution, 0, 0)
    assert rows.newton(solution, 0, 0) is not rows.newton(solution, 0, 1)
    gc.collect()
    kept = len(rows._kept)
    del solution
    gc.collect()
    assert len(rows._kept) == kept - 1


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(scores.SCORES)), st.integers(0, 99))
def test_scores_are_saved_with_their_settings(name, seed):
    score = scores.SCORES[name]
    if hasattr(score, "seed"):
        score = replace(score, seed=seed)
    plan = pk.Resample(score=score, weights=True)
    assert decode(encode(plan)) == plan


@pytest.mark.parametrize("score", QUICK.values(), ids=QUICK)
def test_every_score_trains_and_resumes(score, tmp_path):
    plan = pk.Resample(score=score, every=4, warm_up=1, candidates=120, keys=("pde", "x"), weights=True)
    settings = {"stages": [pk.Adam(14)], "progress": False, "validation": 20, "hard": False, "resample": plan}
    whole = pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 5, 1), {"pde": 40, "x": 20}, **settings)

    def stop(solution: pk.Solution) -> None:
        raise KeyboardInterrupt

    part = pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 5, 1), {"pde": 40, "x": 20}, **settings, log_every=6,
                    observe=stop)  # fmt: skip
    assert part.progress.total == 6
    again = pk.resume(pk.load(pk.save(part, tmp_path / "run.h5")))
    assert torch.equal(again.theta, whole.theta) and torch.equal(again.points["x"].X, whole.points["x"].X)
    assert whole.points["pde"].weights is not None


# ----------------------------------------------------------------------------------------- the benchmarks

TINY = study.Part(
    ("burgers",), (study.Method("residual"), study.Method("leverage", weights=True, more={"candidates": 80})), (0, 1),
    seconds=0.2, hidden="5,5", points=40, every=10, adam=10, quasi_newton=20, log=5,
)  # fmt: skip


def test_the_study_resumes_and_reads_itself(tmp_path, capsys):
    part = replace(TINY, seeds=(0,))
    study.run_all(tmp_path, "tiny", part, jobs=1)
    files = sorted(tmp_path.rglob("*.h5"))
    assert len(files) == 2
    before = [f.stat().st_mtime_ns for f in files]
    study.run_all(tmp_path, "tiny", TINY, jobs=1)
    assert [f.stat().st_mtime_ns for f in files] == before and len(list(tmp_path.rglob("*.h5"))) == 4
    found = study.read(tmp_path, "tiny", TINY)
    assert set(found) == {"residual", "leverage weighted candidates=80"}
    assert all(e["error"] > 0 and 0 < e["share"] < 1 for seeds in found["residual"].values() for e in seeds.values())
    text = study.describe(TINY, found)
    assert "| residual |" in text and "| leverage weighted candidates=80 |" in text and "2 seeds" in text
    assert "residual" in capsys.readouterr().out


def test_the_study_starts_all_methods_from_the_same_warm_up():
    a, b = (study.warm_up(TINY, "burgers", seed=3) for _ in range(2))
    assert torch.equal(a.theta, b.theta) and torch.equal(a.points["pde"].X, b.points["pde"].X)
    state = a.progress.state["H"].clone()
    found = [study.train(TINY, a, method, seed=3) for method in TINY.methods]
    assert torch.equal(a.theta, b.theta) and torch.equal(a.progress.state["H"], state)
    assert found[0]["warm_error"] == found[1]["warm_error"] and all(f["rounds"] >= 1 for f in found)


def test_gains_are_paired_log_ratios():
    base = {0: {"error": 1.0}, 1: {"error": 4.0}, 2: {"error": 1.0}}
    other = {0: {"error": 0.5}, 1: {"error": 1.0}, 2: {"error": 1.0}, 3: {"error": 9.0}}
    logs = study.ratios(base, other)
    assert logs == pytest.approx([math.log(2), math.log(4), 0.0])
    one = study.gain([logs])
    interval = scipy.stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert (one.factor, one.wins, one.pairs) == (pytest.approx(2.0), 2, 3)
    assert (math.log(one.low), math.log(one.high)) == pytest.approx(tuple(interval))
    both = study.gain([logs, [0.0, 0.0, 0.0]])
    assert both.factor == pytest.approx(2**0.5) and both.pairs == 6


def test_the_published_comparison_resumes(tmp_path):
    protocol = published_study.Protocol(cycles=2, adam=3, lbfgs=3, candidates=60, hidden="4,4")
    for mode, way in (("add", "RAR"), ("replace", "Random"), ("add", "Static"), ("replace", "Loss-Grad")):
        job = ("diffusion", mode, way, 1)
        published_study.run(tmp_path, protocol, job)
        file = published_study.path(tmp_path, protocol, *job)
        before = file.stat().st_mtime_ns
        published_study.run(tmp_path, protocol, job)
        assert file.stat().st_mtime_ns == before
    jobs = published_study.jobs_of(["diffusion"], ["add", "replace"], [1])
    assert len(jobs) == 13 and ("diffusion", "replace", "Static", 1) not in jobs
    found = published_study.read(tmp_path, protocol, jobs)
    assert len(found) == 4
    text = published_study.describe(found, ["diffusion"], ["add", "replace"])
    assert "**replace, test loss of the equation**" in text and "2.9e-05" in text  # RAR, add, published
    assert published_study.published("replace", "error", "PINNfluence", "standing_wave") == pytest.approx(
        (2e-2, 2.1e-2)
    )
