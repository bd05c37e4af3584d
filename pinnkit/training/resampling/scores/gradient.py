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
    """|g_x|, the length of the gradient of the point's loss by the parameters (Katharopoulos, Fleuret 2018)."""

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """Shape (n,)."""
        out = solution.theta.new_empty(len(candidates))
        for numbers, g in gradients(solution, key, candidates):
            out[numbers] = g.norm(dim=1)
        return out


@register
@checked
@dataclass(frozen=True)
class OutputGradient:
    """|grad_x u(x)|, the length of the fields' gradient by the coordinates, time among them."""

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """Shape (n,)."""
        p = solution.problem
        slopes = [u.diff(x) for u in p.fields for x in p.variables]
        return solution.evaluate(slopes, candidates.X).norm(dim=1)


@register
@checked
@dataclass(frozen=True)
class GradientDot:
    """sum_i |g_i . g_x| over ``points`` fresh interior points: influence with the identity for a curvature (TracIn)."""

    points: Count = 1000
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """Shape (n,)."""
        tests = fresh(solution, self.points, self.seed)["pde"]
        W = torch.cat([g for _, g in gradients(solution, "pde", tests)]).T.contiguous()
        out = solution.theta.new_empty(len(candidates))
        for numbers, g in gradients(solution, key, candidates):
            out[numbers] = (g @ W).abs().sum(1)
        return out
