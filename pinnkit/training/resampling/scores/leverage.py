"""Scores from the curvature: leverage, self-influence, and the influence on the error of the fields."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.symbolic.place import data
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.checked import Count, Whole, checked
from pinnkit.tools.serialise import register

from .candidates import blocks, fresh, gradients, newton, term_weights


@register
@checked
@dataclass(frozen=True)
class Leverage:
    """sum_k w_k J_k (G + lam)^-1 J_k^T, how much a point's residuals can move the model.

    Here G = J^T A J is the Gauss-Newton matrix at fresh points, and lam is 1e-10 of its trace.

    Args:
        points: number of fresh interior points that make G. Default 0: as many as give a row for every parameter.
        probes: number of random directions that estimate the quadratic form, within sqrt(2 / probes). 0: it is
            evaluated.
        seed: seed of the fresh points.

    Source:
        Cohen, Migliorati, SMAI J. Comput. Math. 3 (2017).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.Leverage()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    points: Whole = 0
    probes: Whole = 32
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        W = newton(solution, self.points, self.seed).factor.roots(self.probes, self.seed)
        return _leverage(solution, key, candidates, W)


def _leverage(solution: Solution, key: str, candidates: PointSet, W: Tensor) -> Tensor:
    w, out = term_weights(solution, key), solution.theta.new_empty(len(candidates))
    for numbers, _, J in blocks(solution, key, candidates):
        out[numbers] = torch.einsum("k,kbm->b", w, (J @ W).square())
    return out


def _lengths(solution: Solution, key: str, candidates: PointSet, W: Tensor) -> Tensor:
    """|W^T g_x|, shape (n,)."""
    out = solution.theta.new_empty(len(candidates))
    for numbers, g in gradients(solution, key, candidates):
        out[numbers] = (g @ W).norm(dim=1)
    return out


@register
@checked
@dataclass(frozen=True)
class SelfInfluence:
    """sqrt(g_x^T (G + lam)^-1 g_x), |r| sqrt(leverage) of one residual: what a point does to its own prediction.

    Here G = J^T A J is the Gauss-Newton matrix at fresh points, and lam is 1e-10 of its trace.
    For linear regression it is the sampling density of least variance in the norm of G.

    Args:
        levered: True: times sqrt(leverage), |r| leverage of one residual. Default False.
        points: number of fresh interior points that make G. Default 0: as many as give a row for every parameter.
        probes: number of random directions that estimate the quadratic form, within sqrt(2 / probes). 0: it is
            evaluated.
        seed: seed of the fresh points.

    Source:
        Wang, Zhu, Ma, J. Amer. Statist. Assoc. 113 (2018), on optimal subsampling.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.SelfInfluence()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    levered: bool = False
    points: Whole = 0
    probes: Whole = 32
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        W = newton(solution, self.points, self.seed).factor.roots(self.probes, self.seed)
        out = _lengths(solution, key, candidates, W)
        return out * _leverage(solution, key, candidates, W).sqrt() if self.levered else out


@register
@checked
@dataclass(frozen=True)
class ErrorWeighted:
    """sqrt(mean_y |J_u(y) (G + lam)^-1 g_x|^2): how far a point moves the fields, in the mean over points y.

    It is a dual-weighted residual whose dual solution is the root mean square over goals u(y).
    Here G = J^T A J is the Gauss-Newton matrix at fresh points, and lam is 1e-10 of its trace.

    Args:
        points: number of fresh interior points that make G. Default 0: as many as give a row for every parameter.
        probes: number of interior points y.
        seed: seed of the fresh points.

    Source:
        Becker, Rannacher, Acta Numerica 10 (2001).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.scores.ErrorWeighted()(u, "pde", u.points["pde"]).shape
        torch.Size([50])
    """

    points: Whole = 0
    probes: Count = 32
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """The scores of n candidates, shape (n,)."""
        K = newton(solution, self.points, self.seed).factor
        at = fresh(solution, self.probes, self.seed + 1)["pde"]
        J = fields_at(solution, at).jacobian(solution.theta) / math.sqrt(self.probes)
        return _lengths(solution, key, candidates, K.solve(J.T))


def fields_at(solution: Solution, points: PointSet) -> Stack:
    """The fields themselves as rows."""
    names = zip(solution.problem.field_names, solution.problem.fields, strict=True)
    program = solution.model.program([Residual(name, u, data("at")) for name, u in names])
    return Stack(solution.model, {"at": points.to(solution.theta)}, programs={"at": program})
