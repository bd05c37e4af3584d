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
    """sum_k w_k J_k (G + lam)^-1 J_k^T, how much a point's residuals can move the model (Cohen, Migliorati 2017).

    G is the Gauss-Newton matrix on ``points`` fresh interior points (0: as many as give a row for every parameter).
    ``probes`` random directions estimate the form within sqrt(2 / probes); 0 evaluates it.
    """

    points: Whole = 0
    probes: Whole = 32
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """Shape (n,)."""
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

    As a sampling density it is that of least variance of a weighted least-squares fit in the norm of G (Wang, Zhu, Ma
    2018, for linear regression). With ``levered`` it is times sqrt(leverage): |r| leverage. Settings as for leverage.
    """

    levered: bool = False
    points: Whole = 0
    probes: Whole = 32
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """Shape (n,)."""
        W = newton(solution, self.points, self.seed).factor.roots(self.probes, self.seed)
        out = _lengths(solution, key, candidates, W)
        return out * _leverage(solution, key, candidates, W).sqrt() if self.levered else out


@register
@checked
@dataclass(frozen=True)
class ErrorWeighted:
    """sqrt(mean_y |J_u(y) (G + lam)^-1 g_x|^2), |r| G(x) of one residual: how far a point moves the fields.

    The mean goes over ``probes`` points y of the interior: a dual-weighted residual (Becker, Rannacher 2001) whose dual
    solution is the root mean square over goals u(y). Settings as for leverage.
    """

    points: Whole = 0
    probes: Count = 32
    seed: Whole = 0

    def __call__(self, solution: Solution, key: str, candidates: PointSet) -> Tensor:
        """Shape (n,)."""
        K = newton(solution, self.points, self.seed).factor
        at = fresh(solution, self.probes, self.seed + 1)["pde"]
        J = fields_at(solution, at).jacobian(solution.theta) / math.sqrt(self.probes)
        return _lengths(solution, key, candidates, K.solve(J.T))


def fields_at(solution: Solution, points: PointSet) -> Stack:
    """The fields themselves as rows."""
    names = zip(solution.problem.field_names, solution.problem.fields, strict=True)
    program = solution.model.program([Residual(name, u, data("at")) for name, u in names])
    return Stack(solution.model, {"at": points.to(solution.theta)}, programs={"at": program})
