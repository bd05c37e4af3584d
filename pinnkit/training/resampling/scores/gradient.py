"""Scores from gradients alone: of a point's loss, of the fields in space, and inner products of gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import Count, Whole, checked
from pinnkit.tools.serialise import register

from .candidates import fresh, gradients


@register
@checked
@dataclass(frozen=True)
class LossGradient:
    """|g_x|, the length of the gradient g_x = sum_k w_k r_k J_k of half a point's loss by the parameters.

    Source:
        Katharopoulos, Fleuret, ICML (2018).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.LossGradient()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        out = solution.theta.new_empty(len(candidates))
        for numbers, g in gradients(solution, key, candidates):
            out[numbers] = g.norm(dim=1)
        return out


@register
@checked
@dataclass(frozen=True)
class OutputGradient:
    """|grad_x u(x)|, the length of the fields' gradient by the coordinates, time among them.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.OutputGradient()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        p = solution.problem
        slopes = [u.diff(x) for u in p.fields for x in p.variables]
        return solution.evaluate(slopes, candidates.X).norm(dim=1)


@register
@checked
@dataclass(frozen=True)
class GradientDot:
    """sum_i |g_i . g_x| over fresh interior points i: influence with the identity for a curvature.

    Args:
        points: number of fresh interior points.
        seed: seed of the fresh points.

    Source:
        Pruthi, Liu, Kale, Sundararajan, NeurIPS (2020).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.GradientDot()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    points: Count = 1000
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        tests = fresh(solution, self.points, self.seed)["pde"]
        W = torch.cat([g for _, g in gradients(solution, "pde", tests)]).T.contiguous()
        out = solution.theta.new_empty(len(candidates))
        for numbers, g in gradients(solution, key, candidates):
            out[numbers] = (g @ W).abs().sum(1)
        return out
