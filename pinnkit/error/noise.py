"""What the residuals of measurements say of their noise, in words, and the robust covariance where it is not white."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from .noise_covariance import by_correlation, by_sizes
from .whiteness import FEWEST, LEVEL, Array, StandardisedResiduals, Whiteness, off, whiteness


@dataclass(frozen=True, eq=False)
class NoiseAnalysis:
    """A robust ``covariance`` (K, K) with the degrees of freedom (K,) of its diagonal, None if the noise looks white;
    ``bias`` (K,), by how far the offsets that were found move f; ``notes`` in words, ``chance`` by test.
    """

    covariance: Tensor | None = None
    freedom: Tensor | None = None
    bias: Tensor | None = None
    notes: tuple[str, ...] = ()
    chance: Mapping[str, float] = field(default_factory=dict)


def judged(readings: StandardisedResiduals, b: Array, freedom: float, seed: int = 0) -> NoiseAnalysis:
    """Whether the residuals look like the noise that was estimated or given, and the covariance of f if they do not.

    b (K, n): how far f moves by noise of one standard deviation in every reading; ``freedom``, the degrees of freedom
    of the standard deviations, is infinite if they were given.
    """
    found = whiteness(readings, seed)
    correlated = readings.names if "all readings" in found.correlated else tuple(found.correlated)
    found = _beside_correlation(readings, found, correlated, seed)
    chance = dict(found.chance)
    scale, more = _variances(readings, chance) if math.isinf(freedom) else (np.ones(len(readings.names)), ())
    covariance: Array | None = None
    effective: Array | None = None
    bias: Array | None = None
    if found.offset:
        sets = _sets(readings, found.offset)
        moved = (b @ sets) @ _regressed(readings, found.offset)
        bias, b = abs(moved @ readings.z), b - moved
        readings = replace(readings, E=np.column_stack([readings.E, sets]))
    if found.offset or correlated or found.changing or bool((scale != 1).any()):
        covariance, effective = _covariance(readings, b, correlated, found.changing, scale, freedom, seed)
    return NoiseAnalysis(
        _tensor(covariance), _tensor(effective), _tensor(bias), (*_words(readings, found), *more), chance,
    )  # fmt: skip


def _tensor(values: Array | None) -> Tensor | None:
    return None if values is None else torch.as_tensor(values)


def _sets(readings: StandardisedResiduals, names: Collection[str]) -> Array:
    """The indicators (n, q) of some sets."""
    return readings.sets[:, [readings.names.index(k) for k in names]]


def _regressed(readings: StandardisedResiduals, names: Collection[str]) -> Array:
    """The rows c (q, n) whose products with z are the offsets of these sets, by least squares beside E."""
    return np.asarray(np.linalg.pinv(off(readings.without(), _sets(readings, names))), dtype=np.float64)


def _beside_correlation(
    readings: StandardisedResiduals, found: Whiteness, correlated: Collection[str], seed: int
) -> Whiteness:
    """The findings without the offsets that smooth noise explains as well."""
    from scipy.special import stdtr

    names = [name for name in found.offset if name in correlated]
    if not names:
        return found
    rows = _regressed(readings, names)
    alike = np.ones(len(readings.names))
    variance, freedom = _covariance(readings, rows, correlated, (), alike, math.inf, seed)
    chance, offset = dict(found.chance), dict(found.offset)
    for name, row, v, f in zip(names, rows, variance.diagonal(), freedom, strict=True):
        t = abs(float(row @ readings.z)) / math.sqrt(max(v, 1e-300))
        chance[f"offset of {name}"] = p = 2 * float(stdtr(f, -t))
        if p > LEVEL:
            del offset[name]
    return replace(found, chance=chance, offset=offset)


def _covariance(
    readings: StandardisedResiduals, b: Array, correlated: Collection[str], changing: Collection[str], scale: Array,
    freedom: float,
    seed: int,
) -> tuple[Array, Array]:  # fmt: skip
    """The sum over the sets, which are independent, and the degrees of freedom (Satterthwaite 1946)."""
    rng, parts = np.random.default_rng(seed), []
    for i, name in enumerate(readings.names):
        enough = int((readings.term == i).sum()) - readings.E.shape[1] >= FEWEST
        if name in correlated and enough:
            parts.append(by_correlation(readings, b, name, rng))
        elif name in changing:
            parts.append(by_sizes(readings, b, name))
        else:
            own = scale[i] * b[:, readings.term == i]
            parts.append((own @ own.T, np.full(len(b), freedom)))
    total = sum((c for c, _ in parts), np.zeros((len(b), len(b))))
    uncertain = sum((c.diagonal() ** 2 / f for c, f in parts), np.zeros(len(b)))
    return total, np.divide(total.diagonal() ** 2, uncertain, out=np.full(len(b), math.inf), where=uncertain > 0)


def _variances(readings: StandardisedResiduals, chance: dict[str, float]) -> tuple[Array, tuple[str, ...]]:
    """How many times larger than given the noise is, by set, where it is so significantly, with notes."""
    from scipy.special import ndtr

    Q = readings.without(readings.sets)
    left, y = 1 - (Q * Q).sum(1), off(Q, readings.z)
    scale, notes = np.ones(len(readings.names)), []
    for i, name in enumerate(readings.names):
        own = readings.term == i
        free = float(left[own].sum())
        if free < 4:
            continue
        ratio = float(y[own] @ y[own]) / free
        heavy = max(0.0, float((y[own] ** 4).mean()) / ratio**2 - 3)
        # Wilson, Hilferty 1931: the cube root of a mean square is nearly normal, also of few
        spread = (2 + heavy) / (9 * free)
        p = 2 * float(ndtr(-abs(ratio ** (1 / 3) - 1 + spread) / math.sqrt(spread)))
        chance[f"size of {name}"] = p
        if p * len(readings.names) <= LEVEL:
            size = math.sqrt(ratio)
            scale[i] = max(1.0, size)
            notes.append(
                f"the residuals of {name} are {size:.2g} times as large as the noise that was given: "
                + ("error bars are widened" if size > 1 else "error bars may be too wide")
            )
    return scale, tuple(notes)


def _words(readings: StandardisedResiduals, found: Whiteness) -> tuple[str, ...]:
    """The findings, one sentence each."""
    p = found.chance
    notes = [
        f"{name} has a constant offset of {size:+.2g} standard deviations (p = {p[f'offset of {name}']:.1g}), or the "
        "model lacks something: error bars are widened by what it moves"
        for name, size in found.offset.items()
    ]
    notes += [
        f"the residuals of {name} are correlated between neighbours ({size:+.2f}, "
        f"p = {p[f'correlation of {name}']:.1g}): noise that is not white, or a model that does not fit; error bars "
        "are widened for it"
        for name, size in found.correlated.items()
    ]
    return (*notes, *(
        f"the noise of {name} is heteroscedastic: it {'grows' if rank > 0 else 'falls'} with {cause} (rank correlation "
        f"{rank:+.2f}, p = {p[f'changing size of {name}']:.1g}); error bars are those of unequal noise"
        for name, (cause, rank) in found.changing.items()
    ))  # fmt: skip
