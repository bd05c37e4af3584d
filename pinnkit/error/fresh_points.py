"""Fresh points that an error is estimated on, more of them where the residual is large."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.draw import draw
from pinnkit.domain.point_set import PointSet
from pinnkit.statement.points import counts_of
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.adaptive_cells import adaptive_cells

from .settings import Settings
from .tangent_space import TangentSpace


class FreshPoints:
    """Points of every set, drawn with seeds of their own, by the residual of u + J_u d."""

    space: TangentSpace
    settings: Settings
    problem: Problem
    keys: tuple[str, ...]
    zero: Tensor

    def __init__(self, space: TangentSpace, seed: int, settings: Settings) -> None:
        self.space, self.settings, self.problem = space, settings, space.model.problem
        self.keys, self.zero = space.model.keys, torch.zeros_like(space.theta)
        self._seeds: Iterator[int] = iter(np.random.SeedSequence([seed, 1_984]).generate_state(4096).tolist())

    def seed(self) -> int:
        """The next seed."""
        return next(self._seeds)

    def count(self, key: str, n: int) -> int:
        """n for the interior (or whatever comes first), a fifth for other sets."""
        return counts_of(self.keys, n, least=64, whole=self.keys[0])[key]

    def sample(self, key: str, n: int) -> PointSet:
        """n points, uniformly at random."""
        return self.problem.sample(key, n, method="random", seed=self.seed()).to(self.zero)

    def pool(self, key: str, n: int, now: Tensor) -> PointSet:
        """At least n points, in the interior graded towards where the residual of u + J_u now is large, weighted.

        Sets on the boundary are uniform; of observations, which cannot be drawn, there are those that there are.
        """
        if key != "pde":
            return self.sample(key, n)
        domain = self.problem.domain
        lower, upper = torch.as_tensor(domain.bounds).to(self.zero)

        def size(X: Tensor) -> Tensor:
            out, inside = X.new_zeros(len(X)), domain.inside(X)
            out[inside] = self._importance(X[inside]) * self._size(key, PointSet(X[inside]), now)
            return out

        X, w = adaptive_cells(size, lower, upper, n, seed=self.seed())
        inside = domain.inside(X)
        w = w[inside] * self._importance(X[inside])
        return PointSet(X[inside], weights=w / w.mean())

    def _importance(self, X: Tensor) -> Tensor:
        """The weight that the problem gives its equations at points X (n, d), shape (n,)."""
        one = torch.ones_like(X[:, 0])
        if self.problem.weight is None:
            return one
        (w,) = Program([self.problem.weight], self.problem.variables)(
            dict(zip(self.problem.variables, X.T, strict=True))
        )
        return w * one

    def _size(self, key: str, points: PointSet, d: Tensor) -> Tensor:
        """The root of the weighted sum of squares of all residuals of u + J_u d at every point, (n,)."""
        stack, at = self.space.stack({key: points}, d)
        w = at.new_tensor(list(stack.weights.values()))
        return (w[:, None] * stack.values(at).view(-1, len(points)).square()).sum(0).sqrt()

    def drawn(self, key: str, pool: PointSet, m: int, now: Tensor) -> PointSet:
        """m of the points, each as likely as its share of the integral of the residual, and some everywhere."""
        own = torch.ones_like(pool.X[:, 0]) if pool.weights is None else pool.weights
        size = self._size(key, pool, now)
        chance = own * (size / (own * size).mean().clamp_min(1e-300) + self.settings.even)
        bare = PointSet(pool.X, {**pool.columns, "own": own}, pool.image)
        drawn = draw(bare, chance, m, c=0.0, seed=self.seed(), weights=True)
        assert drawn.weights is not None  # they were asked for
        w = drawn.weights * drawn.columns["own"]
        return drawn.weighted(w / w.mean())
