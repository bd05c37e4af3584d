"""What the scores share: fresh points, the curvature on them, and the rows of candidates in blocks."""

import math
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import Points, counts_of
from pinnkit.tools.damped_solve import Primal

DAMPING = 1e-10  # of the curvature's trace: below it the directions are rounding, and scores do not change with it


def stack(solution: Solution, points: Points | dict[str, PointSet]) -> Stack:
    """The solution's rows, with its term weights, at other points of some of its point sets."""
    points = {key: of.to(solution.theta) for key, of in points.items()}
    readouts = {key: solution.model.readouts[key] for key in points}
    return Stack(solution.model, points, solution.weights, readouts=readouts)


def term_weights(solution: Solution, key: str) -> Tensor:
    """w_k of the terms of one point set, shape (R,)."""
    weights = solution.term_weights
    return solution.theta.new_tensor([weights[name] for name in solution.model.readouts[key].names])


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


class Curvature:
    """The Gauss-Newton matrix G = J^T A J and half the loss gradient J^T A r on fresh points, G + lam I factored.

    ``points`` = 0 takes so many that there is a row for every parameter; lam is ``DAMPING`` times the trace of G.
    """

    gradient: Tensor
    factor: Primal

    def __init__(self, solution: Solution, points: int, seed: int) -> None:
        R = len(solution.model.readouts["pde"].names)
        n = points or math.ceil(len(solution.theta) / R)
        G, self.gradient = stack(solution, fresh(solution, n, seed)).normal(solution.theta)
        self.factor = Primal.of(G, DAMPING * float(G.trace()))

    def roots(self, n: int, seed: int) -> Tensor:
        """n directions W (P, n) with E[W W^T] = (G + lam)^-1: |J_x W|^2 estimates J_x (G + lam)^-1 J_x^T.

        All P columns of an exact root with n = 0.
        """
        L = self.factor.L
        if n:
            # On the CPU, so that a seed means the same on every device.
            Z = torch.randn(len(L), n, dtype=L.dtype, generator=torch.Generator().manual_seed(seed)).to(L)
            Z /= math.sqrt(n)
        else:
            Z = torch.eye(len(L), dtype=L.dtype, device=L.device)
        return torch.linalg.solve_triangular(L.T, Z, upper=True)


_kept: WeakKeyDictionary[Solution, dict[tuple[int, int], Curvature]] = WeakKeyDictionary()


def curvature(solution: Solution, points: int, seed: int) -> Curvature:
    """The curvature of a solution, made once for all point sets that are scored with it: a solution is a value."""
    made = _kept.setdefault(solution, {})
    if (points, seed) not in made:
        made[points, seed] = Curvature(solution, points, seed)
    return made[points, seed]
