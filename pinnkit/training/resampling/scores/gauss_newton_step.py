"""Scores from one Gauss-Newton step on fresh points: what training there would change, where, and by which points."""

from dataclasses import dataclass

from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import Whole, checked
from pinnkit.tools.serialise import register

from .candidates import newton, stack, term_weights
from .leverage import fields_at


@checked
@dataclass(frozen=True)
class NewtonStep:
    """delta = -(G + lam)^-1 J^T A r, the Gauss-Newton step on ``points`` fresh interior points drawn by ``seed``."""

    points: Whole = 0
    seed: Whole = 0

    def step(self, solution: Solution) -> Tensor:
        """The step delta, shape (P,).

        Args:
            solution: the solution so far.
        """
        return newton(solution, self.points, self.seed).step

    def moved(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The change J_k delta of the residuals by the step, shape (R, n).

        Args:
            solution: the solution so far.
            key: the point set.
            candidates: n points of that set.

        Returns:
            A tensor (R, n), R the residuals of the set.
        """
        return stack(solution, {key: candidates}).jvp(solution.theta, self.step(solution)).view(-1, len(candidates))


@register
@checked
@dataclass(frozen=True)
class TestLossInfluence(NewtonStep):
    """|sum_k w_k r_k J_k delta|, the first-order change of the loss on fresh points when the point is added.

    Here delta = -(G + lam)^-1 J^T A r is the Gauss-Newton step at fresh points, and lam is 1e-10 of the trace of G.

    Args:
        points: number of fresh interior points: their loss is the one that changes. Default 0: as many as give a row
            for every parameter.
        seed: seed of the fresh points.

    Source:
        Koh, Liang, ICML (2017), equation 2, with the test loss on the left.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.TestLossInfluence()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    __test__ = False  # pytest

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        r, e = solution.rows(key, candidates), self.moved(solution, key, candidates)
        return (term_weights(solution, key)[:, None] * r * e).sum(0).abs()


@register
@checked
@dataclass(frozen=True)
class ReducibleResidual(NewtonStep):
    """sqrt(sum_k w_k (J_k delta)^2), the part of the residuals that the model can remove.

    Here delta = -(G + lam)^-1 J^T A r is the Gauss-Newton step at fresh points, and lam is 1e-10 of the trace of G.

    Args:
        points: number of fresh interior points whose residuals the step reduces. Default 0: as many as give a row for
            every parameter.
        seed: seed of their places.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.ReducibleResidual()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        e = self.moved(solution, key, candidates)
        return (term_weights(solution, key)[:, None] * e * e).sum(0).sqrt()


@register
@checked
@dataclass(frozen=True)
class PredictedError(NewtonStep):
    """|J_u(x) delta|, the error of the fields at the point as a Gauss-Newton step predicts it.

    Here delta = -(G + lam)^-1 J^T A r is the Gauss-Newton step at fresh points, and lam is 1e-10 of the trace of G.

    Args:
        points: number of fresh interior points at which the step is taken. Default 0: as many as give a row for every
            parameter.
        seed: seed of these points.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.PredictedError()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        return (
            fields_at(solution, candidates)
            .jvp(solution.theta, self.step(solution))
            .view(-1, len(candidates))
            .norm(dim=0)
        )
