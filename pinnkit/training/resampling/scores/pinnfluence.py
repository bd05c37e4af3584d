"""The published influence score, to compare with: the leading part of the Hessian of the unweighted sum of squares."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.published_curvature import published_curvature
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import Count, Positive, Whole, checked
from pinnkit.tools.serialise import register

from .candidates import gradients


@register
@checked
@dataclass(frozen=True)
class PublishedInfluence:
    """sum_i |g_i^T H^-1 g_x| over random interior points i, with H the Hessian of the plain sum of squares.

    Args:
        points: number of random interior points, which make H too.
        dim: number of Arnoldi steps.
        keep: number of eigenvectors that H keeps.
        damping: added to its eigenvalues.
        seed: seed of the fresh points.

    Source:
        arXiv 2506.16443.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.PublishedInfluence(points=40, dim=20, keep=5)(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    points: Count = 1000
    dim: Count = 200
    keep: Count = 50
    damping: Positive = 1e-3
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        tests = solution.problem.sample("pde", self.points, method="random", seed=self.seed).to(solution.theta)
        H = published_curvature(solution, {"pde": tests}, dim=self.dim, keep=self.keep, damping=self.damping)
        R = H.V / H.eigenvalues.sqrt()
        left = torch.cat([g @ R for _, g in gradients(solution, "pde", tests, _ones(solution, "pde"))]).T.contiguous()
        out = solution.theta.new_empty(len(candidates))
        for numbers, g in gradients(solution, key, candidates, _ones(solution, key)):
            out[numbers] = (g @ R @ left).abs().sum(1)
        return 4 * out  # g is half a gradient


def _ones(solution: Solution, key: str) -> Tensor:
    return solution.theta.new_ones(len(solution.model.program_of(key).names))
