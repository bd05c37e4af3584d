"""Adaptive collocation: score candidates, select, and return new points (Wu et al. 2023; Daw et al. 2023 for R3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.draw import check_how, draw
from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.statement.points import Points
from pinnkit.tools.checked import Count, NotNegative, Positive, Whole, checked
from pinnkit.tools.serialise import register

from .scores import SCORES, ReducibleResidual

Score = Callable[[Solution, str, PointSet], Tensor]  # (solution, point set, n candidates) -> (n,), higher is chosen


@register
@checked
def residual_score(solution: Solution, key: str, candidates: PointSet) -> Tensor:
    """The root of the weighted sum of squares of all residuals at a point: one number also for systems."""
    r = solution.rows(key, candidates)
    names = solution.model.readouts[key].names
    w = r.new_tensor([solution.term_weights[name] for name in names])
    square = (w[:, None] * r * r).sum(0)
    return (square if candidates.weights is None else square * candidates.weights).sqrt()


@register
def uniform_score(solution: Solution, key: str, candidates: PointSet) -> Tensor:
    """1 everywhere: a fresh uniform draw."""
    return torch.ones_like(candidates.X[:, 0])


class Resampler(Protocol):
    """Whatever makes new points from a solution."""

    every: int
    after: int

    def __call__(self, solution: Solution, round: int) -> Points:
        """The points of the next round; rounds are numbered from 0 and seed the draw."""


def _check_every(every: int) -> None:
    if every < 1:
        raise ValueError(f"every={every}: give the number of iterations between two draws, at least 1")


def _seed(*numbers: int) -> int:
    """One seed that stands for several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _old(solution: Solution, key: str) -> PointSet:
    """The points of one set, if it is trained on."""
    if key not in solution.points:
        raise ValueError(
            f"there are no points {key!r} to resample: {solution.problem.name} is trained on "
            f"{', '.join(solution.points)} (what holds by construction needs none)"
        )
    return solution.points[key]


def _fresh(solution: Solution, key: str, n: int, seed: int) -> PointSet:
    """n new uniform points of one set."""
    points = solution.problem.sample(key, n, method="random", seed=seed)
    if len(points) != n:
        raise ValueError(f"the points {key!r} are measurements: they cannot be drawn anew, take them out of keys")
    return points.to(solution.points[key].X)


@register
@checked
@dataclass(frozen=True)
class Resample:
    """Replace the points of the sets ``keys`` by a draw from fresh candidates, or add to them.

    Every ``every`` iterations from iteration ``after`` on; until ``warm_up`` rounds have passed the draw is uniform
    whatever the score and the draw, because a score of a network that knows nothing yet leads into wrong basins.
    ``add`` = 0 replaces; then the number of points is multiplied by ``growth`` in every round up to ``most``: few
    points are quick at first, many are needed by a strong optimiser in the end. ``weights`` undoes the draw's
    preference in the loss (see :func:`draw`).
    """

    score: Score = residual_score
    k: NotNegative = 1.0
    c: NotNegative = 1.0
    how: str = "systematic"
    add: Whole = 0
    growth: Positive = 1.0
    most: Whole = 0
    candidates: Count = 10_000
    keys: tuple[str, ...] = ("pde",)
    every: Count = 300
    after: Whole = 0
    warm_up: Whole = 2
    seed: Whole = 0
    weights: bool = False

    def __post_init__(self) -> None:
        check_how(self.how, self.weights)
        _check_every(self.every)

    def __call__(self, solution: Solution, round: int) -> Points:
        """New points for every set of ``keys``; raises ValueError for a set that is not trained on or is measured."""
        points = solution.points
        for i, key in enumerate(self.keys):
            old, seed = _old(solution, key), _seed(self.seed, round, i)
            n = self.add or max(len(old), min(self.most, math.ceil(len(old) * self.growth)))
            pool = _fresh(solution, key, max(self.candidates, n), seed)
            if round < self.warm_up:
                new = draw(pool, uniform_score(solution, key, pool), n, seed=seed)
            else:
                score = self.score(solution, key, pool)
                new = draw(pool, score, n, k=self.k, c=self.c, how=self.how, seed=seed, weights=self.weights)
            points = points.add(**{key: new}) if self.add else points.replace(**{key: new})
        return points


@register
@checked
@dataclass(frozen=True)
class R3:
    """Retain the points whose residual exceeds the mean, release the others and redraw them (Daw et al. 2023)."""

    keys: tuple[str, ...] = ("pde",)
    every: Count = 300
    after: Whole = 0
    seed: Whole = 0

    def __post_init__(self) -> None:
        _check_every(self.every)

    def __call__(self, solution: Solution, round: int) -> Points:
        """Retained points and fresh uniform ones, as many as before."""
        points = solution.points
        for i, key in enumerate(self.keys):
            old, seed = _old(solution, key), _seed(self.seed, round, i)
            score = residual_score(solution, key, old)
            kept = old[score > score.mean()]
            fresh = len(old) - len(kept)
            if fresh:
                points = points.replace(**{key: kept.join(_fresh(solution, key, fresh, seed))})
        return points


@checked
def uniform(**settings) -> Resample:
    """All points drawn anew, uniformly."""
    return Resample(**{"score": uniform_score, **settings})


@checked
def rad(**settings) -> Resample:
    """RAD: all points drawn with p ~ |r|^k / mean + c, k = c = 1 (Wu et al. 2023)."""
    return Resample(**settings)


@checked
def rar_d(**settings) -> Resample:
    """RAR-D: points added with p ~ |r|^2, k = 2, c = 0 (Wu et al. 2023)."""
    return Resample(**{"k": 2.0, "c": 0.0, "add": 50, "warm_up": 0, **settings})


@checked
def rar_g(**settings) -> Resample:
    """RAR-G: the candidates with the largest residual added (Lu et al. 2021)."""
    return Resample(**{"how": "top", "add": 50, "warm_up": 0, **settings})


def by_influence(**settings) -> Resample:
    """All points drawn by the part of the residual that a Gauss-Newton step can remove, with importance weights.

    Where the residual is largest the model may be at its limit (a shock), and points there are spent in vain.
    """
    return Resample(**{"score": ReducibleResidual(), "weights": True, **settings})


RESAMPLERS: dict[str, Callable[..., Resampler]] = {
    "uniform": uniform, "rad": rad, "rar-d": rar_d, "rar-g": rar_g, "r3": R3, "influence": by_influence,
    "weighted-rad": partial(rad, weights=True),
} | {name: partial(Resample, score=score) for name, score in SCORES.items()}  # fmt: skip
