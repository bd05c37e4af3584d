"""Do the residuals of measurements look like white noise: tests for an offset, correlation and a size that changes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.01  # of each of the three tests: white noise is called something else in 3 % of the cases
DRAWS = 999  # of signs or orders under which the tests look for their own chance
NEIGHBOURS = (1, 4, 12)
FEWEST = 8  # readings of a set below which it is not looked at alone
SEEN = 0.02  # the share of an offset that the model must leave, or else nobody can see it
CLIP = 3.0  # standard deviations at which outliers are cut where neighbours are compared
CHUNK = 2**22  # numbers drawn at a time


@dataclass(frozen=True, eq=False)
class StandardisedResiduals:
    """n residuals z = (y - f) / sigma of measurements, as they stand after the fit.

    A fit moves f by a combination of the columns of E: z = e - E c for the noise e, so that P z = P e, where P projects
    on the complement of E. All tests look at P z only, whatever the fit was. ``term`` (n,) numbers the ``names`` of the
    sets, ``X`` (n, d) are coordinates in units of the domain, ``sizes`` are what the noise's size may depend on.
    """

    names: tuple[str, ...]
    coordinates: tuple[str, ...]
    term: NDArray[np.int64]
    X: Array
    z: Array
    E: Array
    sizes: Mapping[str, Array]

    @cached_property
    def sets(self) -> Array:
        """The indicators (n, sets)."""
        return (self.term[:, None] == np.arange(len(self.names))).astype(float)

    def without(self, *more: Array) -> Array:
        """An orthonormal basis Q (n, q) of E and of more columns."""
        columns = np.column_stack([self.E, *more])
        U, s, _ = np.linalg.svd(columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300), full_matrices=False)
        return U[:, s > 1e-6 * max(s.max(initial=0.0), 1e-300)]


def off(Q: Array, V: Array) -> Array:
    """P V = V - Q Q^T V."""
    return V - Q @ (Q.T @ V)


@dataclass(frozen=True)
class Whiteness:
    """What the residuals of measurements show, by set: the probabilities of as much by chance, and what was found.

    ``offset`` holds the constant offset of a set, in its standard deviations, where it is significant;
    ``correlated`` the mean product of neighbouring residuals relative to their square; ``changing`` what their size
    follows, with Spearman's rank correlation. ``chance`` holds every test's probability, for each set that can be
    tested.
    """

    chance: Mapping[str, float]
    offset: Mapping[str, float]
    correlated: Mapping[str, float]
    changing: Mapping[str, tuple[str, float]]


def whiteness(readings: StandardisedResiduals, seed: int = 0) -> Whiteness:
    """Test the residuals at 1 % each for offsets, correlation and a size that changes from place to place.

    Offset: the score of a parameter added to one set's readings, with Student's distribution and the larger of the
    usual and White's variance (Rao 1948; White 1980). Correlation: Moran's I over 1, 4 and 12 nearest neighbours, over
    neighbours in the order of the rows and of every coordinate, under random signs of the residuals, which keep their
    sizes (Moran 1950; Wu 1986). Size: Spearman's rank correlation of |residual| with the value, the coordinates and
    the sensitivities, under random orders. The largest of many statistics is compared with the largest under chance
    (Westfall, Young 1993). Where residuals are correlated their sizes are too: then no changing size is looked for.
    """
    rng = np.random.default_rng(seed)
    chance, offset = offsets(readings)
    Q = readings.without(readings.sets)
    more, correlated = _correlation(readings, Q, rng)
    chance |= more
    changing: dict[str, tuple[str, float]] = {}
    if not correlated:
        more, changing = _sizes(readings, Q, rng)
        chance |= more
    return Whiteness(chance, offset, correlated, changing)


def offsets(readings: StandardisedResiduals) -> tuple[dict[str, float], dict[str, float]]:
    """The chance of every set's offset, and those found, in standard deviations: the clearest first, then the others
    beside it, since a model that follows one set's offset leaves its trace in all.
    """
    chance: dict[str, float] = {}
    found: dict[str, float] = {}
    while len(found) < len(readings.names):
        Q = readings.without(*(readings.sets[:, readings.names.index(k)] for k in found))
        every = {name: _score(readings, Q, i) for i, name in enumerate(readings.names) if name not in found}
        scores = {name: s for name, s in every.items() if s is not None}
        chance |= {f"offset of {name}": min(1.0, p * len(scores)) for name, (_, p) in scores.items()}
        if not scores:
            break
        name = min(scores, key=lambda k: scores[k][1])
        if scores[name][1] * len(scores) > LEVEL:
            break
        found[name] = scores[name][0]
    return chance, found


def _score(readings: StandardisedResiduals, Q: Array, i: int) -> tuple[float, float] | None:
    """The offset b of a set by least squares beside E, and the chance of so large a one; None where none is seen."""
    from scipy.special import stdtr

    v = off(Q, readings.sets[:, i])
    own, share = readings.term == i, float(v @ v)
    n, q = len(v), Q.shape[1]
    if share < SEEN * own.sum() or n - q < 4:
        return None
    b = float(v @ readings.z) / share
    rest = off(Q, readings.z) - b * v
    usual = float(rest @ rest) / (n - q - 1) / share
    white = float((v * v) @ (rest * rest)) * n / (n - q - 1) / share**2
    t = abs(b) / math.sqrt(max(usual, white, 1e-300))
    return b, 2 * float(stdtr(n - q - 1, -t))


# ------------------------------------------------------------------------------------------------- correlation


def graphs(X: Array, term: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Pairs (2, m) of neighbours within the same set, by what makes them neighbours."""
    from scipy.spatial import cKDTree

    found: dict[str, list[Array]] = {}
    for i in np.unique(term):
        own = np.flatnonzero(term == i)
        if len(own) < 3:
            continue
        most = min(max(NEIGHBOURS), (len(own) - 1) // 2)
        near = cKDTree(X[own]).query(X[own], most + 1)[1]
        near = np.stack([row[row != j][:most] for j, row in enumerate(near)])  # of coincident readings any, not itself
        for k in NEIGHBOURS:
            if k <= most:
                pairs = np.stack([np.repeat(own, k), own[near[:, :k].ravel()]])
                found.setdefault(f"{k} nearest", []).append(pairs)
        orders = {"rows": np.arange(len(own))} | {f"coordinate {j}": X[own, j].argsort(kind="stable") for j in
                                                 range(X.shape[1])}  # fmt: skip
        for name, order in orders.items():
            found.setdefault(name, []).append(np.stack([own[order[:-1]], own[order[1:]]]))
    return {name: np.concatenate(pairs, 1) for name, pairs in found.items()}


def _moran(Y: Array, pairs: Mapping[str, NDArray[np.int64]], sets: Array) -> Array:
    """Moran's I of the columns of Y (n, B), by graph and set: (graphs, sets, B)."""
    from scipy.sparse import csr_matrix

    n, squares, counts = len(Y), sets.T @ (Y * Y), sets.sum(0)[:, None]
    found = []
    for i, j in pairs.values():
        W = csr_matrix((np.ones(len(i)), (i, j)), shape=(n, n))
        ends = sets.T @ np.bincount(i, minlength=n)
        found.append(sets.T @ (Y * (W @ Y)) / np.maximum(ends[:, None], 1) / np.maximum(squares / counts, 1e-300))
    return np.stack(found)


def _judged(shown: Array, chances: Array) -> tuple[NDArray[np.intp], Array]:
    """The best row of ``shown`` (rows, sets) for every set, and the chance of so large a largest of all."""
    mean, sd = chances.mean(2), chances.std(2)
    usable = sd > 1e-12
    sd = np.where(usable, sd, 1.0)
    seen = np.where(usable, (shown - mean) / sd, -np.inf)
    largest = np.where(usable[..., None], (chances - mean[..., None]) / sd[..., None], -np.inf).max((0, 1))
    best = seen.argmax(0)
    top = seen[best, np.arange(seen.shape[1])]
    p = (1 + (largest[None] >= top[:, None] - 1e-12).sum(1)) / (1 + len(largest))
    return best, np.where(np.isfinite(top), p, np.nan)


def _grouped(readings: StandardisedResiduals) -> tuple[list[str], Array]:
    """The sets that are large enough to be looked at, and all together where there are several: names, columns."""
    many = readings.sets.sum(0) >= FEWEST
    names = [name for name, enough in zip(readings.names, many, strict=True) if enough]
    columns = [readings.sets[:, many]]
    if len(readings.names) > 1 and len(readings.z) >= FEWEST:
        names, columns = [*names, "all readings"], [*columns, np.ones((len(readings.z), 1))]
    return names, np.column_stack(columns)


def _clipped(readings: StandardisedResiduals, y: Array) -> Array:
    """y with outliers cut at three robust standard deviations of their set."""
    scale = 1.4826 * np.array([np.median(np.abs(y[readings.term == i])) for i in range(len(readings.names))])
    most = CLIP * np.maximum(scale, 1e-300)[readings.term]
    return np.clip(y, -most, most)


def _correlation(
    readings: StandardisedResiduals, Q: Array, rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, float]]:
    names, groups = _grouped(readings)
    pairs = graphs(readings.X, readings.term)
    if not names or not pairs or len(readings.z) - Q.shape[1] < 4:
        return {}, {}
    y = _clipped(readings, off(Q, readings.z))
    shown = _moran(off(Q, y)[:, None], pairs, groups)[..., 0]
    chances = [
        _moran(off(Q, y[:, None] * rng.choice([-1.0, 1.0], (len(y), size))), pairs, groups)
        for size in _chunks(len(y))
    ]  # fmt: skip
    best, p = _judged(shown, np.concatenate(chances, 2))
    found = {name: float(shown[b, k]) for k, (name, b) in enumerate(zip(names, best, strict=True)) if p[k] <= LEVEL}
    if len(found) > 1:
        found.pop("all readings", None)
    return {f"correlation of {name}": float(q) for name, q in zip(names, p, strict=True)}, found


def _chunks(n: int) -> Sequence[int]:
    """The draws in parts that fit in memory."""
    most = max(1, CHUNK // max(n, 1))
    return [min(most, DRAWS - start) for start in range(0, DRAWS, most)]


# ------------------------------------------------------------------------------------------------- sizes


def _ranks(V: Array, groups: Array) -> Array:
    """Ranks of the columns of V (n, B) within the groups, of mean 0 and length 1 there."""
    from scipy.stats import rankdata

    out = np.zeros_like(V)
    for k in range(groups.shape[1]):
        own = groups[:, k] > 0
        r = rankdata(V[own], axis=0)
        r -= r.mean(0)
        out[own] = r / np.maximum(np.linalg.norm(r, axis=0), 1e-300)
    return out


def _sizes(
    readings: StandardisedResiduals, Q: Array, rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, tuple[str, float]]]:  # fmt: skip
    many = readings.sets.sum(0) >= FEWEST
    if not many.any() or len(readings.z) - Q.shape[1] < 4:
        return {}, {}
    groups = readings.sets[:, many]
    names = [name for name, enough in zip(readings.names, many, strict=True) if enough]
    means = readings.sets.T @ readings.X / readings.sets.sum(0)[:, None]
    middle = np.abs(readings.X - means[readings.term])
    sizes = dict(readings.sizes)
    for j, name in enumerate(readings.coordinates):
        sizes |= {name: readings.X[:, j], f"the distance from the middle in {name}": middle[:, j]}
    causes = _ranks(np.column_stack(list(sizes.values())), groups)
    left = np.sqrt(np.maximum(1 - (Q * Q).sum(1), 1e-3))
    y = off(Q, readings.z) / left

    def shown(Y: Array) -> Array:
        ranks = _ranks(np.abs(off(Q, Y)) / left[:, None], groups)
        return np.stack([causes[groups[:, k] > 0].T @ ranks[groups[:, k] > 0] for k in range(len(names))], 1)

    seen = shown(readings.z[:, None])[..., 0]
    chances = []
    for size in _chunks(len(y) * causes.shape[1]):
        Y = np.empty((len(y), size))
        for i in range(len(readings.names)):
            own = np.flatnonzero(readings.term == i)
            Y[own] = rng.permuted(np.repeat(y[own, None], size, 1), axis=0)
        chances.append(np.abs(shown(Y)))
    best, p = _judged(np.abs(seen), np.concatenate(chances, 2))
    labels = list(sizes)
    found = {
        name: (labels[b], float(seen[b, k])) for k, (name, b) in enumerate(zip(names, best, strict=True))
        if p[k] <= LEVEL
    }  # fmt: skip
    return {f"changing size of {name}": float(q) for name, q in zip(names, p, strict=True)}, found
