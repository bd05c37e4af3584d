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
from pinnkit.tools.preset import preset
from pinnkit.tools.renamed import renamed
from pinnkit.tools.serialise import register

from .scores import SCORES, ReducibleResidual, Score


@register
@checked
def residual_score(solution: Solution, key: str, candidates: PointSet) -> Tensor:
    """s(x) = sqrt(sum_k w_k r_k(x)^2), the weighted size of all residuals at a point.

    Args:
        solution: the solution so far.
        key: name of the point set, such as "pde".
        candidates: n points of that set.

    Returns:
        Scores (n,), at least 0.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.residual_score(u, "pde", u.problem.sample("pde", 10)).shape
        torch.Size([10])
    """
    r = solution.rows(key, candidates)
    names = solution.model.program_of(key).names
    w = r.new_tensor([solution.term_weights[name] for name in names])
    square = (w[:, None] * r * r).sum(0)
    return (square if candidates.weights is None else square * candidates.weights).sqrt()


@register
def uniform_score(solution: Solution, key: str, candidates: PointSet) -> Tensor:
    """1 everywhere: a fresh uniform draw."""
    return torch.ones_like(candidates.X[:, 0])


class Resampler(Protocol):
    """Whatever makes new points from a solution."""

    @property
    def every(self) -> int:
        """The number of iterations between two draws."""

    @property
    def after(self) -> int:
        """The iteration from which on points are drawn."""

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
@renamed(most="max_points")
@checked
@dataclass(frozen=True)
class Resample:
    """New points drawn from fresh candidates with probability p ~ score^k / mean(score^k) + c.

    Args:
        score: function (solution, point set, candidates) -> (n,), at least 0. Default: the size of the residuals.
        k: exponent of the score. Larger: more points where the score is large.
        c: share that does not depend on the score. 0: none; large: nearly uniform.
        how: "systematic" (default: spreads the points along a space-filling curve), "random", or "top" for the largest
            scores.
        add: number of points that each round adds. Default 0: a round replaces the points.
        growth: factor by which a replacing round multiplies the number of points. Default 1.
        max_points: the largest number of points that ``growth`` reaches.
        candidates: number of fresh uniform points that are scored in a round.
        keys: point sets that are drawn anew. Default: the interior.
        every: iterations between two rounds.
        after: iteration of the first round.
        warm_up: number of first rounds whose draw is uniform. Default 2: scores of an untrained network mislead.
        seed: seed of the draws.
        weights: True: points get weights ~ 1/p in the loss, which then still estimates a mean over the domain. Default
            False.

    Raises:
        ValueError: an unknown ``how``, weights for "top", a number out of range.

    Source:
        Wu, Zhu, Tan, Kartha, Lu, Comput. Methods Appl. Mech. Eng. 403 (2023).

    Example:
        >>> import pinnkit as pk
        >>> rule = pk.Resample(k=2.0, every=5, candidates=200)
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(12)], resample=rule, progress=False)
        >>> sorted(u.rounds)
        [0, 5, 10]
    """

    score: Score = residual_score
    k: NotNegative = 1.0
    c: NotNegative = 1.0
    how: str = "systematic"
    add: Whole = 0
    growth: Positive = 1.0
    max_points: Whole = 0
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
            n = self.add or max(len(old), min(self.max_points, math.ceil(len(old) * self.growth)))
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
    """Keep the points whose residual exceeds the mean, and draw all others anew, uniformly.

    Args:
        keys: point sets that are drawn anew. Default: the interior.
        every: iterations between two rounds.
        after: iteration of the first round.
        seed: seed of the draws.

    Raises:
        ValueError: ``every`` below 1.

    Source:
        Daw, Bu, Wang, Perdikaris, Karpatne, ICML (2023), algorithm 1.

    Example:
        >>> import pinnkit as pk
        >>> pk.R3(every=100).keys
        ('pde',)
    """

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


@renamed(most="max_points")
@preset(Resample)
def uniform() -> Resample:
    """Uniform resampling: every round replaces all points by fresh uniform ones.

    Returns:
        The rule, for ``solve(resample=...)``.

    Example:
        >>> import pinnkit as pk
        >>> pk.uniform(every=200).every
        200
    """
    return Resample(uniform_score)


@renamed(most="max_points")
@preset(Resample)
def rad() -> Resample:
    """RAD, residual-based adaptive distribution: every round draws all points with p ~ |r|^k / mean(|r|^k) + c.

    Returns:
        The rule, for ``solve(resample=...)``.

    Source:
        Wu, Zhu, Tan, Kartha, Lu, Comput. Methods Appl. Mech. Eng. 403 (2023), algorithm 2.

    Example:
        >>> import pinnkit as pk
        >>> pk.rad(every=500, weights=True).k
        1.0
    """
    return Resample()


@renamed(most="max_points")
@preset(Resample)
def rar_d() -> Resample:
    """RAR-D, residual-based adaptive refinement with distribution: every round adds points with p ~ |r|^2.

    Returns:
        The rule, for ``solve(resample=...)``.

    Source:
        Wu, Zhu, Tan, Kartha, Lu, Comput. Methods Appl. Mech. Eng. 403 (2023), algorithm 3.

    Example:
        >>> import pinnkit as pk
        >>> pk.rar_d(add=20).c
        0.0
    """
    return Resample(k=2.0, c=0.0, add=50, warm_up=0)


@renamed(most="max_points")
@preset(Resample)
def rar_g() -> Resample:
    """RAR-G, greedy adaptive refinement: every round adds the candidates with the largest residual.

    Returns:
        The rule, for ``solve(resample=...)``.

    Source:
        Lu, Meng, Mao, Karniadakis, SIAM Rev. 63 (2021), procedure 2.2.

    Example:
        >>> import pinnkit as pk
        >>> pk.rar_g().how
        'top'
    """
    return Resample(how="top", add=50, warm_up=0)


@preset(Resample)
def by_influence() -> Resample:
    """All points drawn by the part of the residual that a Gauss-Newton step can remove, with importance weights.

    Where the residual is largest the model may be at its limit (a shock), and points there are spent in vain.
    """
    return Resample(ReducibleResidual(), weights=True)


BY_SCORE: dict[str, Callable[..., Resampler]] = {name: partial(Resample, score=s) for name, s in SCORES.items()}
RESAMPLERS: dict[str, Callable[..., Resampler]] = {
    "uniform": uniform, "rad": rad, "rar-d": rar_d, "rar-g": rar_g, "r3": R3, "influence": by_influence,
    "weighted-rad": partial(rad, weights=True), **BY_SCORE,
}  # fmt: skip
