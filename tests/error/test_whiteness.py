"""What is said of noise: against classical tests and dense formulas, and how often white noise is called otherwise."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from pinnkit.error import noise_covariance, whiteness
from pinnkit.error.noise import judged
from pinnkit.error.whiteness import StandardisedResiduals, offsets


def readings(z: np.ndarray, X: np.ndarray, E: np.ndarray, sets: int = 1, **sizes: np.ndarray) -> StandardisedResiduals:
    """What a fit of E to z leaves, in ``sets`` sets of equal size."""
    names = tuple(f"set {i}" for i in range(sets))
    coordinates = ("x", "y", "t")[: X.shape[1]]
    E = E / np.linalg.norm(E, axis=0)
    left = z - E @ np.linalg.lstsq(E, z, rcond=None)[0]
    return StandardisedResiduals(names, coordinates, np.arange(len(z)) * sets // len(z), X, left, E, sizes)


def plane(n: int, seed: int, d: int = 2) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Places in a unit box and what a model follows there: two smooth patterns."""
    rng = np.random.default_rng([n, seed, d])
    X = rng.uniform(size=(n, d))
    return X, np.stack([np.sin(math.pi * X[:, 0]) * np.exp(-2 * X[:, -1]), X[:, -1]], 1), rng


def smooth(X: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """A random field with a Gaussian correlation."""
    r2 = ((X[:, None] - X[None]) ** 2).sum(-1)
    return np.linalg.cholesky(np.exp(-r2 / (2 * length**2)) + 1e-8 * np.eye(len(X))) @ rng.normal(size=len(X))


def said(r: StandardisedResiduals) -> str:
    return " | ".join(judged(r, np.ones((1, len(r.z))), len(r.z) - 2.0).notes)


# ------------------------------------------------------------------------------------------ white noise is called white


CASES = ("plane", "few", "heavy tails", "two sets", "time series", "clusters", "three dimensions")


@pytest.mark.parametrize("case", CASES)
def test_white_noise_is_called_white(case: str) -> None:
    """Of 40 data sets at 3 % each, 6 or more are called something else with a probability of 0.1 %."""
    false = 0
    for seed in range(40):
        X, E, rng = plane(10 if case == "few" else 48, seed, 3 if case == "three dimensions" else 2)
        z = rng.standard_t(2, len(X)) if case == "heavy tails" else rng.normal(size=len(X))
        if case == "time series":  # four sensors, twelve times
            X[:] = np.stack([np.repeat([0.1, 0.4, 0.6, 0.9], 12), np.tile(np.linspace(0, 1, 12), 4)], 1)
        if case == "clusters":
            X[:] = X[np.arange(48) // 6] + 1e-3 * X
        r = readings(z, X, E, 2 if case == "two sets" else 1, level=E[:, 0])
        false += bool(said(r))
    assert false <= 5


# ------------------------------------------------------------------------------------------ what is not white is said


def kinds(kind: str, seed: int) -> StandardisedResiduals:
    """80 readings with noise of one kind."""
    X, E, rng = plane(80, seed)
    z = rng.normal(size=80)
    if kind == "offset":
        z += 2.5
    elif kind == "correlated in the plane":
        z = smooth(X, 0.3, rng)
    elif kind == "half correlated":
        z = 0.7 * z + 0.7 * smooth(X, 0.25, rng) * math.sqrt(2)
    elif kind == "correlated in the order of the rows":
        for i in range(1, 80):
            z[i] = 0.7 * z[i - 1] + math.sqrt(1 - 0.49) * z[i]
    elif kind == "common to all readings of a time":
        X[:, 1] = np.repeat(np.arange(16) / 16, 5)[rng.permutation(80)]
        z = 0.3 * z + rng.normal(size=16)[(16 * X[:, 1]).round().astype(int)]
    elif kind == "grows with the value":
        z *= 0.1 + 3 * np.abs(E[:, 0])
    elif kind == "grows in time":
        z *= 0.1 + 3 * X[:, 1] ** 2
    return readings(z, X, E, level=E[:, 0])


@pytest.mark.parametrize(("kind", "test"), [
    ("offset", "offset"), ("correlated in the plane", "correlated"), ("half correlated", "correlated"),
    ("correlated in the order of the rows", "correlated"), ("common to all readings of a time", "correlated"),
    ("grows with the value", "changing"), ("grows in time", "changing"),
])  # fmt: skip
def test_noise_that_is_not_white_is_called_by_its_name(kind: str, test: str) -> None:
    found = [whiteness.whiteness(kinds(kind, seed)) for seed in range(10)]
    seen = {name: sum(bool(getattr(f, name)) for f in found) for name in ("offset", "correlated", "changing")}
    assert seen.pop(test) >= 9
    if test != "correlated":  # smooth noise has a mean of its own: judged() compares it with the fitted correlation
        assert sum(seen.values()) <= 2


def test_the_mean_of_smooth_noise_is_no_offset() -> None:
    texts = [said(kinds("correlated in the plane", seed)) for seed in range(8)]
    assert all("correlated between neighbours" in text for text in texts)
    assert sum("constant offset" in text for text in texts) <= 1


def test_only_the_set_with_the_offset_is_blamed() -> None:
    """A model that follows an offset of one set leaves its trace in the others."""
    X, E, rng = plane(90, 3)
    z = rng.normal(size=90) + 2.0 * (np.arange(90) >= 60)
    r = readings(z, X, np.column_stack([E, 1 + 0.2 * X[:, 0]]), 3)
    _, found = offsets(r)
    assert list(found) == ["set 2"]
    B = np.column_stack([r.E, r.sets[:, 2]])
    assert found["set 2"] == pytest.approx(np.linalg.lstsq(B, z, rcond=None)[0][-1], rel=1e-9)


def test_an_offset_that_the_model_follows_is_not_looked_for() -> None:
    X, E, rng = plane(60, 0)
    chance, found = offsets(readings(rng.normal(size=60) + 5, X, np.column_stack([E, np.ones(60)])))
    assert chance == {} and found == {}


def test_the_chance_of_an_offset_is_that_of_a_t_test() -> None:
    X, _, rng = plane(30, 1)
    z = rng.normal(size=30) + 0.3
    r = replace(readings(z, X, X[:, :1]), E=np.zeros((30, 0)), z=z)
    chance, _ = offsets(r)
    own = ttest_1samp(z, 0).pvalue  # White's variance is (n - 1) / n of the usual one here
    assert chance["offset of set 0"] == pytest.approx(own, rel=1e-9)


def test_unequal_noise_is_no_offset() -> None:
    """Where readings that decide are the noisy ones the usual variance is too small, White's is not."""
    false = 0
    for seed in range(60):
        X, _, rng = plane(60, seed)
        g = X[:, :1] ** 0.25 - 0.9  # the score of an offset beside g is largest where x is small
        false += bool(offsets(readings(rng.normal(size=60) * np.where(X[:, 0] < 0.2, 6.0, 0.5), X, g + 1.0))[1])
    assert false <= 3


def test_morans_statistic_is_the_mean_product_of_neighbours() -> None:
    X, E, rng = plane(30, 2)
    r = readings(rng.normal(size=30), X, E, 2)
    pairs = whiteness.graphs(X, r.term)
    found = whiteness._moran(r.z[:, None], pairs, r.sets)[..., 0]
    for (name, edges), row in zip(pairs.items(), found, strict=True):
        assert (r.term[edges[0]] == r.term[edges[1]]).all() and (edges[0] != edges[1]).all(), name
        for i in (0, 1):
            own = edges[:, r.term[edges[0]] == i]
            products = (r.z[own[0]] * r.z[own[1]]).mean()
            assert row[i] == pytest.approx(products / (r.z[r.term == i] ** 2).mean(), rel=1e-12)
    nearest = pairs["1 nearest"]
    for i, j in nearest.T:
        distance = ((X[r.term == r.term[i]] - X[i]) ** 2).sum(1)
        assert ((X[j] - X[i]) ** 2).sum() == pytest.approx(np.sort(distance)[1])


# ------------------------------------------------------------------------------------------ robust covariances


def test_the_sandwich_is_that_of_dense_formulas() -> None:
    X, E, rng = plane(25, 4)
    r, b = readings(rng.normal(size=25), X, E), rng.normal(size=(2, 25))
    P = np.eye(25) - E @ np.linalg.solve(E.T @ E, E.T)
    e2 = (P @ r.z) ** 2 / P.diagonal()
    covariance, freedom = noise_covariance.by_sizes(r, b, "set 0")
    assert covariance == pytest.approx(b @ np.diag(e2) @ b.T, rel=1e-10)
    for k in range(2):
        M = P @ np.diag(b[k] ** 2 / P.diagonal())
        assert freedom[k] == pytest.approx(np.trace(M) ** 2 / np.trace(M @ M), rel=1e-10)


def test_few_readings_that_decide_have_few_degrees_of_freedom() -> None:
    X, E, rng = plane(40, 0)
    b = np.full((1, 40), 1e-3)
    b[0, :2] = 1.0
    _, freedom = noise_covariance.by_sizes(readings(rng.normal(size=40), X, E), b, "set 0")
    assert 1 < freedom[0] < 2.5


@pytest.mark.parametrize("kind", ["grows", "correlated", "offset"])
def test_robust_intervals_cover_where_plain_ones_do_not(kind: str) -> None:
    """One coefficient by least squares, 30 times: of 95 % intervals 24 or fewer cover with a probability of 0.3 %."""
    inside, plain = 0, 0
    for seed in range(30):
        X, E, rng = plane(60, seed)
        g = E[:, :1]
        if kind == "grows":
            e = rng.normal(size=60) * (0.1 + 3 * np.abs(g[:, 0]) ** 2)
        elif kind == "correlated":
            e = smooth(X, 0.3, rng)
        else:
            e = rng.normal(size=60) + 1.0
        b = np.linalg.pinv(g)
        rest = e - g @ (b @ e)
        sd = math.sqrt(rest @ rest / 59)
        r = readings(e / sd, X, g, level=g[:, 0])
        found = judged(r, b * sd, 59.0)
        error, usual = abs(float((b @ e)[0])), 2.0 * sd * float(np.linalg.norm(b))
        half = usual
        if found.covariance is not None:
            from scipy.special import stdtrit

            half = float(stdtrit(float(found.freedom[0]), 0.975)) * float(found.covariance[0, 0]) ** 0.5
        half += 0.0 if found.bias is None else float(found.bias[0])
        inside, plain = inside + (error <= half), plain + (error <= usual)
    assert inside >= 25 and plain <= 24


def test_small_sets_are_looked_at_together_and_flexible_models_leave_enough() -> None:
    X, E, rng = plane(35, 11)
    z = 0.1 * rng.normal(size=35) + np.repeat(rng.normal(size=7), 5)  # five readings at each of seven places
    X = np.repeat(X[:7], 5, 0) + 1e-3 * X
    found = judged(readings(z, X, E, 7), np.ones((1, 35)), 30.0)
    assert found.chance.keys() >= {"correlation of all readings"} and "correlation of set 0" not in found.chance
    assert any("all readings" in note for note in found.notes) or "offset" in " ".join(found.notes)
    assert np.isfinite(found.covariance.numpy()).all() and (found.freedom > 0).all()
    X, _, rng = plane(90, 12)
    follows = np.stack([np.cos(k * math.pi * X[:, 0]) * X[:, 1] ** (k % 3) for k in range(25)], 1)
    found = judged(readings(smooth(X, 0.1, rng), X, follows), np.ones((1, 90)), 60.0)
    assert "correlated" in found.notes[0] and 90 < float(found.covariance[0, 0]) < 9000 and found.freedom[0] >= 1


def test_given_noise_that_is_too_small_or_too_large_is_said() -> None:
    X, E, rng = plane(60, 7)
    z, b = rng.normal(size=60), np.ones((1, 60))
    assert not judged(readings(z, X, E), b, math.inf).notes
    low = judged(readings(2 * z, X, E), b, math.inf)
    assert "times as large as the noise that was given" in low.notes[0] and "widened" in low.notes[0]
    r = readings(2 * z, X, E)
    Q = r.without(r.sets)
    ratio = float(((r.z - Q @ (Q.T @ r.z)) ** 2).sum()) / (60 - Q.shape[1])
    assert float(low.covariance[0, 0]) == pytest.approx(60 * ratio, rel=1e-9)
    high = judged(readings(0.5 * z, X, E), b, math.inf)
    assert "may be too wide" in high.notes[0] and high.covariance is None
