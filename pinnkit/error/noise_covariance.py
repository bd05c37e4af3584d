"""The covariance of linear estimates under noise that is not white: sandwich by sizes, or a fitted correlation."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .whiteness import Array, StandardisedResiduals, off

SUBSET, SUBSETS = 20, 16  # readings by which a correlation is fitted at a time, and how often
PAIRS = 1500  # readings of a set between which it is summed
LENGTHS = np.geomspace(0.05, 1.0, 7)  # in units of the readings' extent
NUGGETS = (1e-3, 0.03, 0.1, 0.3, 0.6, 0.9)  # shares of the variance that are not correlated
LEAST = 1e-3  # probability below which a model of the correlation is left out


def by_sizes(readings: StandardisedResiduals, b: Array, name: str) -> tuple[Array, Array]:
    """The covariance (K, K) of b z for b (K, n), of the readings of one set, and its diagonal's freedom (K,).

    Every reading has its own variance, estimated by its own squared residual over 1 - leverage (the sandwich of
    White 1980 as corrected by MacKinnon, White 1985, HC2). The degrees of freedom are those of Bell, McCaffrey (2002),
    by which few readings that decide alone are told.
    """
    Q = readings.without()
    left = np.maximum(1 - (Q * Q).sum(1), 1e-3)
    b = np.where(readings.term == readings.names.index(name), b, 0.0)
    freedom = np.empty(len(b))
    for k, row in enumerate(b):
        D = row**2 / left
        cross = Q.T @ (D[:, None] * Q)
        among = float((cross * cross).sum() + (D * D) @ (2 * left - 1))  # left^2 - (1 - left)^2 on the diagonal
        freedom[k] = float(row @ row) ** 2 / among if among > 0 else math.inf
    return (b * off(Q, readings.z) ** 2 / left) @ b.T, freedom


def by_correlation(
    readings: StandardisedResiduals, b: Array, name: str, rng: np.random.Generator
) -> tuple[Array, Array]:
    """The covariance (K, K) of b z for the readings of one set, correlated between places, and its freedom (K,).

    Noise of the covariance s^2 [(1 - nu) rho(|x - x'| / l) + nu I], rho exponential or Gaussian, in all coordinates,
    in one of them or in the order of the rows, is fitted to P z, to which the fit of the model is nothing: the
    restricted likelihood (Patterson, Thompson 1971), here its mean over small random subsets (a composite likelihood:
    Varin, Reid, Firth 2011), whose readings are far from each other. Of all readings together the likelihood is decided
    by the smoothness at the shortest distances, by which a wrong model is as sure of the long waves, the only ones that
    move f. The covariance is the mean over all models by their likelihood; the degrees of freedom give Student's
    quantile at 95 % the value that the mixture has.
    """
    own = np.flatnonzero(readings.term == readings.names.index(name))
    size = min(len(own), SUBSET + 2 * readings.E.shape[1])  # what a flexible model leaves must do, too
    subsets = [np.sort(rng.choice(own, size, replace=False)) for _ in range(SUBSETS)]
    frames = [_complement(readings.E[some]) for some in subsets]
    seen = [U.T @ readings.z[some] for U, some in zip(frames, subsets, strict=True)]
    models, scores = [], []
    for metric, length, shape in _models(readings.X.shape[1]):
        parts = []
        for U, some, z in zip(frames, subsets, seen, strict=True):
            s, W = np.linalg.eigh(U.T @ shape(_distance(readings.X, some, metric) / length) @ U)
            parts.append((np.maximum(s, 0), (W.T @ z) ** 2))
        for nu in NUGGETS:
            values = [((1 - nu) * s + nu, y) for s, y in parts]
            scale = float(np.mean([(y / v).mean() for v, y in values]))
            m = np.mean([len(y) for _, y in values])
            scores.append(-0.5 * (m * math.log(scale) + float(np.mean([np.log(v).sum() for v, _ in values]))))
            models.append((metric, length, shape, nu, scale))
    w = np.exp(np.array(scores) - max(scores))
    w /= w.sum()
    kept = np.flatnonzero(w >= LEAST * w.max())
    each = _under(readings, b, own, [models[i] for i in kept], rng)
    p = w[kept] / w[kept].sum()
    mean = np.tensordot(p, each, 1)
    sd = np.sqrt(np.maximum(np.einsum("mkk->mk", each), 1e-300))
    return mean, np.array([_freedom(p, sd[:, k]) for k in range(len(b))])


def _under(
    readings: StandardisedResiduals, b: Array, own: NDArray[np.int64], models: list[tuple], rng: np.random.Generator
) -> Array:  # fmt: skip
    """The covariance (models, K, K) of b z under every model, from the pairs of some readings if there are many."""
    many = np.sort(rng.choice(own, min(len(own), PAIRS), replace=False))
    white, ratio = b[:, own] @ b[:, own].T, len(own) / len(many)
    smooth: dict[tuple, Array] = {}
    found = []
    for *key, nu, scale in models:
        metric, length, shape = key
        if tuple(key) not in smooth:
            rho = shape(_distance(readings.X, many, metric) / length)
            np.fill_diagonal(rho, 0.0)
            smooth[tuple(key)] = ratio**2 * b[:, many] @ rho @ b[:, many].T
        found.append(scale * (white + (1 - nu) * smooth[tuple(key)]))
    return np.stack(found)


def _freedom(p: Array, sd: Array) -> float:
    """The degrees of freedom at which Student's 95 % interval, times the root mean square of sd, is the mixture's."""
    from scipy.optimize import brentq
    from scipy.special import ndtr, stdtrit

    root = math.sqrt(float(p @ sd**2))
    half = brentq(lambda h: float(p @ ndtr(-h / sd)) - 0.025, 0.0, 10 * float(sd.max()))
    widest, narrowest = (float(stdtrit(f, 0.975)) for f in (1.0, 1e6))
    if not narrowest < half / root < widest:
        return 1.0 if half / root >= widest else math.inf
    return float(brentq(lambda f: float(stdtrit(f, 0.975)) - half / root, 1.0, 1e6))


def _complement(E: Array) -> Array:
    """An orthonormal basis of what is orthogonal to the columns of E (n, k): (n, n - k)."""
    followed = _range(E)
    return np.linalg.qr(np.column_stack([followed, np.eye(len(E))]))[0][:, followed.shape[1] : len(E)]


def _range(E: Array) -> Array:
    """An orthonormal basis of the columns of E."""
    U, s, _ = np.linalg.svd(E, full_matrices=False)
    return U[:, s > 1e-8 * max(s.max(initial=0.0), 1e-300)]


def _exponential(r: Array) -> Array:
    return np.exp(-r)


def _gaussian(r: Array) -> Array:
    return np.exp(-0.5 * r * r)


def _models(dimension: int) -> Iterator[tuple]:
    """Metrics, lengths and shapes: None is the distance in all coordinates, -1 that in the order of the rows."""
    alone = range(dimension) if dimension > 1 else ()
    return itertools.product((None, *alone, -1), LENGTHS.tolist(), (_exponential, _gaussian))


def _distance(X: Array, rows: NDArray[np.int64], metric: int | None) -> Array:
    if metric is None:
        return np.sqrt(((X[rows, None] - X[rows]) ** 2).sum(-1))
    at = rows / len(X) if metric == -1 else X[rows, metric]
    return np.abs(at[:, None] - at)
