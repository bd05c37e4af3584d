"""Draws of points by their scores: at random, the highest, or systematically along a space-filling curve."""

import numpy as np
import torch
from torch import Tensor

from pinnkit.tools.checked import Count, NotNegative, Whole, checked
from pinnkit.tools.hilbert import hilbert_order

from .point_set import PointSet


def probability(score: Tensor, k: float = 1.0, c: float = 1.0) -> np.ndarray:
    """p ~ score^k / mean(score^k) + c, shape (n,) (Wu et al. 2023); uniform where all scores vanish.

    Raises:
        ValueError: scores that are negative or not finite.
    """
    s = score.detach().cpu().double().numpy()
    if not np.isfinite(s).all() or (s < 0).any():
        raise ValueError("scores must be finite and not negative: check the residuals, or score with abs()")
    s = (s / s.max()) ** k if s.max() > 0 else np.ones_like(s)
    p = s / s.mean() + c
    return p / p.sum()


@checked
def draw(
    candidates: PointSet,
    score: Tensor,
    n: Count,
    *,
    k: NotNegative = 1.0,
    c: NotNegative = 1.0,
    how: str = "systematic",
    seed: Whole = 0,
    weights: bool = False,
) -> PointSet:
    """n of the candidates, drawn with probability p ~ score^k / mean(score^k) + c.

    The systematic draw has the same probabilities as the random one but spreads the points: it takes one candidate in
    each n-th of the total probability along a Hilbert curve. Candidates of probability 0 are taken only when no others
    are left.

    Args:
        candidates: the points to choose from.
        score: scores (candidates,), at least 0.
        n: number of points to draw.
        k: exponent of the score.
        c: share that does not depend on the score.
        how: "systematic" (default), "random", or "top" for the largest scores.
        seed: seed of the draw.
        weights: True: points get weights ~ 1/p of mean 1, so that the loss still estimates the mean over the
            candidates. Default False.

    Returns:
        The n points.

    Raises:
        ValueError: no candidates or fewer than n, scores that are not finite, negative or of another number, an unknown
            ``how``, weights for "top".

    Source:
        Wu, Zhu, Tan, Kartha, Lu, Comput. Methods Appl. Mech. Eng. 403 (2023).

    Example:
        >>> import torch
        >>> import pinnkit as pk
        >>> X = pk.Box(x=(0, 1), y=(0, 1)).sample(100)
        >>> len(pk.draw(pk.PointSet(X), X[:, 0], 10))
        10
    """
    if not 0 < n <= len(candidates):
        raise ValueError(f"cannot draw {n} points from {len(candidates)} candidates: raise the number of candidates")
    if score.shape != (len(candidates),):
        raise ValueError(f"a score gives one number for every candidate: expected ({len(candidates)},), got "
                         f"{tuple(score.shape)}")  # fmt: skip
    check_how(how, weights)
    p = probability(score if how != "top" else score - score.min(), k, c)
    inclusion, rng = _inclusion(p, n), np.random.default_rng(seed)
    if how == "top":
        rows = torch.topk(score, n).indices.cpu().numpy()
    elif how == "random":
        rows = rng.choice(len(p), n, replace=False, p=np.maximum(p, 1e-300))
    else:
        rows = _systematic(candidates.X.cpu().double().numpy(), inclusion, rng)
    drawn = candidates[torch.as_tensor(rows, device=candidates.X.device)]
    if not weights:
        return drawn
    w = torch.as_tensor(1 / inclusion[rows]).to(candidates.X)
    w = w if drawn.weights is None else w * drawn.weights
    return drawn.weighted(w / w.mean())


def check_how(how: str, weights: bool) -> None:
    """Raises ValueError for a way to draw that is not known, or that has no weights."""
    if how not in ("random", "top", "systematic"):
        raise ValueError(f"how={how!r}: choose one of random, top, systematic")
    if how == "top" and weights:
        raise ValueError("how='top' draws nothing by chance, so that no weights make up for it: use systematic")


def _inclusion(p: np.ndarray, n: int) -> np.ndarray:
    """How likely each candidate is among n that are drawn without replacement, shape (N,): n p, but at most 1."""
    inclusion, capped = np.ones(len(p)), np.zeros(len(p), bool)
    while capped.sum() < n:  # what exceeds 1 is shared among the others
        free = ~capped
        share = p[free] if p[free].any() else np.ones(free.sum())
        inclusion[free] = share * (n - capped.sum()) / share.sum()
        over = free & (inclusion > 1)
        if not over.any():
            return inclusion
        inclusion[over], capped = 1.0, capped | over
    return np.where(capped, 1.0, 0.0)


def _systematic(X: np.ndarray, inclusion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One row of X (N, d) for every unit of inclusion along the curve, all different."""
    order = hilbert_order(X)
    total = np.cumsum(inclusion[order])
    n, N = round(total[-1]), len(order)
    picks, one = np.searchsorted(total, (np.arange(n) + rng.random()) * total[-1] / n), np.arange(n)
    picks = np.maximum.accumulate(picks - one) + one  # rounding may hit a candidate of inclusion 1 twice
    return order[np.minimum(picks, N - n + one)]
