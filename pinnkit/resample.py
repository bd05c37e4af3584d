"""Adaptive collocation: score candidates, select, and return new points (Wu et al. 2023; Daw et al. 2023 for R3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .condition import PointSet
from .hilbert import hilbert_order
from .points import Points
from .solution import Solution

Score = Callable[[Solution, str, PointSet], Tensor]  # (solution, point set, n candidates) -> (n,), higher is chosen


def residual_score(solution: Solution, key: str, candidates: PointSet) -> Tensor:
    """The root of the weighted sum of squares of all residuals at a point: one number also for systems."""
    r = solution.rows(key, candidates)
    names = solution.model.readouts[key].names
    w = r.new_tensor([solution.term_weights[name] for name in names])
    return (w[:, None] * r * r).sum(0).sqrt()


def uniform_score(solution: Solution, key: str, candidates: PointSet) -> Tensor:
    """1 everywhere: a fresh uniform draw."""
    return torch.ones_like(candidates.X[:, 0])


def probability(score: Tensor, k: float = 1.0, c: float = 1.0) -> np.ndarray:
    """p ~ score^k / mean(score^k) + c, shape (n,) (Wu et al. 2023, eq. 6); uniform where all scores vanish.

    Raises:
        ValueError: scores that are negative or not finite.
    """
    s = score.detach().cpu().double().numpy()
    if not np.isfinite(s).all() or (s < 0).any():
        raise ValueError("scores must be finite and not negative: check the residuals, or score with abs()")
    s = (s / s.max()) ** k if s.max() > 0 else np.ones_like(s)
    p = s / s.mean() + c
    return p / p.sum()


def draw(
    candidates: PointSet,
    score: Tensor,
    n: int,
    *,
    k: float = 1.0,
    c: float = 1.0,
    how: str = "systematic",
    seed: int = 0,
) -> PointSet:
    """n of the candidates: "random" by probability, "top" scores, or "systematic" along a space-filling curve.

    The systematic draw has the same inclusion probabilities as the random one but spreads the points: it walks the
    candidates along a Hilbert curve and takes one in every n-th of the total probability.

    Raises:
        ValueError: more points than candidates, an unknown ``how``, or scores that are no numbers.
    """
    if n > len(candidates):
        raise ValueError(f"cannot draw {n} points from {len(candidates)} candidates: raise the number of candidates")
    rng = np.random.default_rng(seed)
    if how == "top":
        rows = torch.topk(score, n).indices.cpu().numpy()
    elif how == "random":
        rows = rng.choice(len(candidates), n, replace=False, p=probability(score, k, c))
    elif how == "systematic":
        rows = _systematic(candidates.X.cpu().double().numpy(), probability(score, k, c), n, rng)
    else:
        raise ValueError(f"how={how!r}: choose one of random, top, systematic")
    return candidates[torch.as_tensor(rows, device=candidates.X.device)]


def _systematic(X: np.ndarray, p: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    order = hilbert_order(X)
    share, capped = p[order], np.zeros(len(p), bool)
    inclusion = np.ones(len(p))
    while True:  # a candidate can be drawn only once: what exceeds 1 is shared among the others
        free = ~capped
        inclusion[free] = share[free] * (n - capped.sum()) / share[free].sum()
        over = free & (inclusion > 1)
        if not over.any():
            break
        inclusion[over], capped = 1.0, capped | over
    total = np.cumsum(inclusion)
    picks = np.searchsorted(total, (np.arange(n) + rng.random()) * total[-1] / n)
    return order[np.unique(np.minimum(picks, len(order) - 1))]


class Resampler(Protocol):
    """Whatever makes new points from a solution."""

    every: int
    after: int

    def __call__(self, solution: Solution, round: int) -> Points:
        """The points of the next round; rounds are numbered from 0 and seed the draw."""


@dataclass(frozen=True)
class Resample:
    """Replace the points of the sets ``keys`` by a draw from fresh candidates, or add to them.

    Every ``every`` iterations from iteration ``after`` on; until ``warm_up`` rounds have passed the draw is uniform,
    because a score of a network that knows nothing yet leads into wrong basins. ``add`` = 0 replaces; then the number
    of points is multiplied by ``growth`` in every round up to ``most``: few points are quick at first, many are needed
    by a strong optimiser in the end.
    """

    score: Score = residual_score
    k: float = 1.0
    c: float = 1.0
    how: str = "systematic"
    add: int = 0
    growth: float = 1.0
    most: int = 0
    candidates: int = 10_000
    keys: tuple[str, ...] = ("pde",)
    every: int = 300
    after: int = 0
    warm_up: int = 2
    seed: int = 0

    def __call__(self, solution: Solution, round: int) -> Points:
        """New points for every set of ``keys``."""
        points = solution.points
        for i, key in enumerate(self.keys):
            old = points[key]
            seed = int(np.random.SeedSequence([self.seed, round, i]).generate_state(1)[0])
            n = self.add or max(len(old), min(self.most, math.ceil(len(old) * self.growth)))
            pool = solution.problem.sample(key, max(self.candidates, n), method="random", seed=seed).to(old.X)
            score = uniform_score if round < self.warm_up else self.score
            new = draw(pool, score(solution, key, pool), n, k=self.k, c=self.c, how=self.how, seed=seed)
            points = points.add(**{key: new}) if self.add else points.replace(**{key: new})
        return points


@dataclass(frozen=True)
class R3:
    """Retain the points whose residual exceeds the mean, release the others and redraw them (Daw et al. 2023)."""

    keys: tuple[str, ...] = ("pde",)
    every: int = 300
    after: int = 0
    seed: int = 0

    def __call__(self, solution: Solution, round: int) -> Points:
        """Retained points and fresh uniform ones, as many as before."""
        points = solution.points
        for i, key in enumerate(self.keys):
            old = points[key]
            seed = int(np.random.SeedSequence([self.seed, round, i]).generate_state(1)[0])
            score = residual_score(solution, key, old)
            kept = old[score > score.mean()]
            fresh = len(old) - len(kept)
            if fresh:
                new = solution.problem.sample(key, fresh, method="random", seed=seed).to(old.X)
                points = points.replace(**{key: kept.join(new)})
        return points


def uniform(**settings) -> Resample:
    """All points drawn anew, uniformly."""
    return Resample(**{"score": uniform_score, **settings})


def rad(**settings) -> Resample:
    """RAD: all points drawn with p ~ |r|^k / mean + c, k = c = 1 (Wu et al. 2023)."""
    return Resample(**settings)


def rar_d(**settings) -> Resample:
    """RAR-D: points added with p ~ |r|^2, k = 2, c = 0 (Wu et al. 2023)."""
    return Resample(**{"k": 2.0, "c": 0.0, "add": 50, "warm_up": 0, **settings})


def rar_g(**settings) -> Resample:
    """RAR-G: the candidates with the largest residual added (Lu et al. 2021)."""
    return Resample(**{"how": "top", "add": 50, "warm_up": 0, **settings})


RESAMPLERS: dict[str, Callable[..., Resampler]] = {
    "uniform": uniform, "rad": rad, "rar-d": rar_d, "rar-g": rar_g, "r3": R3,
}  # fmt: skip
