"""What the scores share: fresh points, the Gauss-Newton factor and step on them, rows of candidates in blocks."""

import math
from collections.abc import Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.gauss_newton import GaussNewton
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import Points, counts_of
from pinnkit.tools.damped_solve import Primal

DAMPING = 1e-10  # of the curvature's trace: below it the directions are rounding, and scores do not change with it


def stack(solution: Solution, points: Points | dict[str, PointSet]) -> Stack:
    """The solution's rows, with its term weights, at other points of some of its point sets."""
    points = {key: of.to(solution.theta) for key, of in points.items()}
    programs = {key: solution.model.program_of(key) for key in points}
    return Stack(solution.model, points, solution.weights, programs=programs)


def term_weights(solution: Solution, key: str) -> Tensor:
    """w_k of the terms of one point set, shape (R,)."""
    weights = solution.term_weights
    return solution.theta.new_tensor([weights[name] for name in solution.model.program_of(key).names])


def blocks(solution: Solution, key: str, candidates: PointSet) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Blocks of candidates: their numbers (b,), residuals (R, b) and rows dr/dtheta (R, b, P)."""
    rows, parts = stack(solution, {key: candidates}), []
    for numbers, r, J in rows.jacobian_blocks(solution.theta):
        parts.append((numbers, r, J))
        if len(parts) == len(rows.terms):
            yield parts[0][0], torch.stack([p[1] for p in parts]), torch.stack([p[2] for p in parts])
            parts = []


def gradients(
    solution: Solution, key: str, candidates: PointSet, weights: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of candidates: their numbers (b,) and g_x = sum_k w_k r_k(x) dr_k/dtheta (b, P), half loss gradients."""
    w = term_weights(solution, key) if weights is None else weights
    for numbers, r, J in blocks(solution, key, candidates):
        g = (w[0] * r[0])[:, None] * J[0]
        for k in range(1, len(r)):
            g.addcmul_((w[k] * r[k])[:, None], J[k])
        yield numbers, g


def fresh(solution: Solution, n: int, seed: int) -> Points:
    """n new points of the interior, n/5 of every other set that is trained on; measurements as they are."""
    sets = {}
    for i, (key, count) in enumerate(counts_of(solution.model.keys, n).items()):
        sets[key] = solution.problem.sample(key, count, seed=seed + 7919 * i).to(solution.theta)
    return Points(sets)


class Newton(NamedTuple):
    """On fresh points: the factor of the Gauss-Newton matrix G + lam I, and the step -(G + lam I)^-1 J^T A r (P,)."""

    factor: Primal
    step: Tensor


_kept: WeakKeyDictionary[Solution, dict[tuple[int, int], Newton]] = WeakKeyDictionary()


def newton(solution: Solution, points: int, seed: int) -> Newton:
    """The factor and step of a solution, made once for all point sets that are scored with it: a solution is a value.

    ``points`` = 0 takes so many that there is a row for every parameter; lam is ``DAMPING`` times the trace of G.
    """
    made = _kept.setdefault(solution, {})
    if (points, seed) not in made:
        R = len(solution.model.programs["pde"].names)
        n = points or math.ceil(len(solution.theta) / R)
        found = GaussNewton.of(stack(solution, fresh(solution, n, seed)), solution.theta)
        factor = found.factor(DAMPING * float(found.matrix.trace()))
        made[points, seed] = Newton(factor, -factor.solve(found.gradient))
    return made[points, seed]
