"""Indicators: what the influence of all training points on many test points says of a model (arXiv 2409.08958).

Effects E (K, N) are those of N training points on K test points, as in ``Attribution``. Only |E| enters where nothing
else is said, so that no convention of sign or scale matters. A test point on which nothing has an effect gives NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Along = str | Callable[[Tensor], Tensor]  # a coordinate, "radius", or a function of points (n, d) -> (n,)
KERNELS = ("distance", "gaussian")


# ------------------------------------------------------------------------------------------- where it comes from


def share(effects: Tensor, chosen: Tensor) -> Tensor:
    """sum_j c_ij |E_ij| / sum_j |E_ij|, shape (K,): the part of influence that comes from chosen training points.

    ``chosen`` c is bool, or weights in [0, 1], of shape (N,) or (K, N). Equal |E| give mean_j c_ij, the baseline.
    """
    size = effects.abs()
    return (size * chosen).sum(1) / size.sum(1)


def directionality(effects: Tensor, test: Tensor, train: Tensor) -> Tensor:
    """D_i = sum_{j: c_j <= c_i} |E_ij| / sum_j |E_ij|, shape (K,): the part of influence from before, or upstream.

    ``test`` (K,) and ``train`` (N,) hold the points' values of one coordinate: time, the direction of the flow, a
    radius (see :func:`coordinate`). Above :func:`directionality_baseline` information flows forward.
    """
    return share(effects, before(test, train))


def directionality_baseline(test: Tensor, train: Tensor) -> Tensor:
    """The fraction of training points with c_j <= c_i, shape (K,): the directionality of equal effects."""
    return before(test, train).to(test).mean(1)


def before(test: Tensor, train: Tensor) -> Tensor:
    """Whether c_j <= c_i, shape (K, N)."""
    return train[None, :] <= test[:, None]


def region_fraction(effects: Tensor, inside: Tensor) -> Tensor:
    """sum_{j in A} |E_ij| / sum_j |E_ij|, shape (K,): influence from a region A, given as ``inside`` (N,) bool.

    Its uniform baseline is the fraction of training points in A.
    """
    return share(effects, inside)


def proximity(
    effects: Tensor, test: Tensor, train: Tensor, *, sigma: float = 1.0, scale: Tensor | None = None,
    kernel: str = "distance",
) -> Tensor:  # fmt: skip
    """sum_j k_ij |E_ij| / sum_j |E_ij|, shape (K,): how near influence comes from, by the kernel of :func:`nearness`.

    Its uniform baseline is mean_j k_ij.
    """
    return share(effects, nearness(test, train, sigma=sigma, scale=scale, kernel=kernel))


def nearness(
    test: Tensor, train: Tensor, *, sigma: float = 1.0, scale: Tensor | None = None, kernel: str = "distance"
) -> Tensor:
    """k_ij of points X (K, d) and Z (N, d), shape (K, N), with distances in units of ``scale`` (d,).

    "distance" is exp(-|x_i - z_j| / (2 sigma^2)), as published: the distance itself stands there, not its square, so
    that with the published sigma = 1 and the domain's extents for a scale no kernel in 2-D is below exp(-sqrt(2) / 2) =
    0.49. "gaussian" is exp(-|x_i - z_j|^2 / (2 sigma^2)), sharper for a sigma of 0.1 or so. Without a scale it is 1.

    Raises:
        ValueError: another kernel, a sigma that is not positive.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel={kernel!r}: choose one of {', '.join(KERNELS)}")
    if not sigma > 0:
        raise ValueError(f"sigma={sigma}: give a positive width, in units of the scale")
    scale = torch.ones_like(test[0]) if scale is None else scale.to(test)
    d = torch.cdist(test / scale, train / scale)
    return torch.exp(-(d if kernel == "distance" else d.square()) / (2 * sigma**2))


def participation(effects: Tensor) -> Tensor:
    """(sum_j |E_ij|)^2 / (N sum_j E_ij^2), shape (K,): 1 if all training points count alike, 1/N if only one does."""
    return effects.abs().sum(1).square() / (effects.shape[1] * effects.square().sum(1))


def coordinate(X: Tensor, names: Sequence[str], along: Along) -> Tensor:
    """The values of a coordinate at points X (n, d), shape (n,): by name, the "radius" from the origin, or a function.

    Raises:
        ValueError: a name that is not among the coordinates, a function that does not give one number for each point.
    """
    if callable(along):
        values = torch.as_tensor(along(X))
        if values.shape != (len(X),):
            raise ValueError(f"along gives one number for every point: expected ({len(X)},), got {tuple(values.shape)}")
        return values.to(X)
    if along in names:
        return X[:, list(names).index(along)]
    if along == "radius":
        return X.norm(dim=1)
    raise ValueError(f"along={along!r}: choose one of {', '.join(names)}, 'radius', or give a function of the points")


# -------------------------------------------------------------------------------------------------- loss terms


def term_fractions(effects: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """phi_k(i) = sum_j |E^k_ij| / sum_k' sum_j |E^k'_ij| of every loss term k, each (K,); they add up to 1."""
    size = {name: e.abs().sum(1) for name, e in effects.items()}
    total = sum(size.values())
    return {name: s / total for name, s in size.items()}


def coherence(effects: Tensor) -> Tensor:
    """|sum_k E^k_ij| / sum_k |E^k_ij| for the R terms of one point set, effects (R, K, N), shape (K, N).

    1: the terms at a training point push a prediction the same way. 0: they cancel. Where none has an effect nothing
    cancels: 1. A set with a single term has a coherence of 1 everywhere.
    """
    gross = effects.abs().sum(0)
    return torch.where(gross > 0, effects.sum(0).abs() / gross.clamp_min(torch.finfo(gross.dtype).tiny), 1.0)


def cancellation(effects: Tensor) -> Tensor:
    """kappa_i = 1 - mean_j coherence_ij, shape (K,), for effects (R, K, N): 1 if the terms at a point cancel."""
    return 1 - coherence(effects).mean(1)


def tension(effects: Mapping[str, Tensor]) -> Tensor:
    """sum_k |sum_j E^k_ij| / sum_k sum_j |E^k_ij|, shape (K,): how far loss terms pull a prediction apart as wholes.

    At a minimum the effects of all points add up to zero (but for the damping). They may do so within every term (0),
    or between terms, each pulling one way and held by the others (up to 1): conditions against the equation.
    """
    none = torch.zeros(())
    net = sum((e.sum(1).abs() for e in effects.values()), none)
    return net / sum((e.abs().sum(1) for e in effects.values()), none)


# --------------------------------------------------------------------------------------------------- averages


@dataclass(frozen=True)
class Estimate:
    """A mean and an interval around it."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.mean)} [{_short(self.low)}, {_short(self.high)}]"


def _short(value: float) -> str:
    return f"{value:.2f}" if value == 0 or 0.01 <= abs(value) < 100 else f"{value:.1e}"


def bootstrap(values: Tensor, *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Estimate:
    """The mean of values (n,) and its percentile bootstrap interval; NaN are left out.

    The interval says how far the mean depends on which test points were taken. Another training may differ by more:
    several seeds show that (:func:`spread`).
    """
    v = values[torch.isfinite(values)].detach().cpu().double()
    if not len(v):
        return Estimate(torch.nan, torch.nan, torch.nan)
    generator = torch.Generator().manual_seed(seed)
    means = torch.stack([v[torch.randint(len(v), (len(v),), generator=generator)].mean() for _ in range(draws)])
    low, high = means.quantile(torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=v.dtype)).tolist()
    return Estimate(float(v.mean()), low, high)


def spread(means: Sequence[float]) -> Estimate:
    """The mean over several trainings, and one standard deviation (n - 1) to either side; NaN for a single one."""
    v = torch.tensor(means, dtype=torch.float64)
    sd = float(v.std()) if len(v) > 1 else torch.nan
    return Estimate(float(v.mean()), float(v.mean()) - sd, float(v.mean()) + sd)


@dataclass(frozen=True, eq=False)
class Binned:
    """Values in bins of a coordinate: ``centre``, ``mean``, the 16th and 84th percentile ``low`` and ``high``, and
    ``count``, each (bins,)."""

    centre: Tensor
    mean: Tensor
    low: Tensor
    high: Tensor
    count: Tensor


def binned(values: Tensor, at: Tensor, bins: int = 20) -> Binned:
    """Values (n,) in bins of equal width of a coordinate ``at`` (n,); NaN and bins without values are left out."""
    keep = torch.isfinite(values)
    values, at = values[keep], at[keep]
    low, width = at.min(), (at.max() - at.min()).clamp_min(torch.finfo(at.dtype).tiny) / bins
    number = ((at - low) / width).long().clamp(0, bins - 1)
    chosen = number.unique()
    parts = [values[number == b] for b in chosen]
    return Binned(
        low + (chosen.to(at) + 0.5) * width,
        torch.stack([v.mean() for v in parts]),
        torch.stack([v.quantile(0.16) for v in parts]),
        torch.stack([v.quantile(0.84) for v in parts]),
        torch.tensor([len(v) for v in parts]),
    )
