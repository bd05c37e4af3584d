"""The spline that fits data best (least squares), and the least one that covers what is missed (linear program)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as ss
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import linprog

from pinnkit.tools.deadline import turn

from .operator_rows import OperatorRows
from .splines import SplineGrid

MARGIN = 1e-8  # by which constraints are met with more than equality, relative to the data
LARGEST = 10.0  # what w's largest coefficient weighs beside the mean
TURNS = 6  # of enlarging margins where rounding takes more than that
INFEASIBLE = (
    "no spline on these cells is a supersolution: the zero-order term may be at or beyond the first eigenvalue, where "
    "no maximum principle holds"
)


def fitted(
    rows: Sequence[OperatorRows],
    data: Sequence[np.ndarray],
    weights: Sequence[float],
    grid: SplineGrid,
    time: int | None,
    held: np.ndarray | None,
) -> np.ndarray:
    """c with A c close to the data of every group, flat; at the first time ``held`` where given.

    By normal equations with a small shift and refinement: c need not be exact, as what it misses is covered.
    """
    c = np.zeros(grid.shape)
    if not any(f.any() for f in data) and (held is None or not held.any()):
        return c.ravel()
    M = ss.vstack([w * r.matrix for w, r in zip(weights, rows, strict=True)]).tocsc()
    b = np.concatenate([w * f for w, f in zip(weights, data, strict=True)])
    free = np.ones(grid.shape, bool)
    if held is not None and time is not None:
        np.moveaxis(c, time, 0)[0] = held
        np.moveaxis(free, time, 0)[0] = False
    flat, free = c.ravel().copy(), free.ravel()
    b = b - M @ flat
    flat[free] = _least_squares(M[:, np.flatnonzero(free)].tocsr(), b)
    return flat


def _least_squares(M: ss.csr_matrix, b: np.ndarray) -> np.ndarray:
    scale = 1 / np.sqrt(np.maximum(np.asarray(M.multiply(M).sum(0)).ravel(), 1e-300))
    M = M @ ss.diags(scale)
    N = (M.T @ M).toarray()
    x, shift = np.zeros(len(N)), 1e-13
    while True:
        turn()
        try:
            factor = cho_factor(N + shift * np.eye(len(N)))
            break
        except LinAlgError:
            shift *= 10
    for _ in range(4):
        x = x + cho_solve(factor, M.T @ (b - M @ x))
    return x * scale


def least(
    rows: Sequence[OperatorRows],
    data: Sequence[np.ndarray],
    grid: SplineGrid,
    time: int | None,
    before: np.ndarray | None,
) -> np.ndarray:
    """w > 0 with A w > data (>= 0, by cell) in every group, flat; at the first time at least ``before``.

    Raises:
        ValueError: there is none, or it could not be verified.
    """
    f = [r.spread(m) for r, m in zip(rows, data, strict=True)]
    size = max(max(float((r.scale * m).max()) for r, m in zip(rows, f, strict=True)), 1e-200)
    if before is not None:
        size = max(size, float(before.max()))
    A = ss.vstack([ss.diags(r.scale) @ r.matrix for r in rows]).tocsr()
    N = A.shape[1]  # one more unknown, above all coefficients: what counts is the largest as well as the mean
    A = ss.vstack([ss.hstack([-A, ss.csr_matrix((A.shape[0], 1))]), ss.hstack([ss.eye(N), -np.ones((N, 1))])]).tocsr()
    cost, low = np.ones(grid.shape), np.full(grid.shape, MARGIN)
    if time is not None:  # what matters is mostly where the slab ends
        np.moveaxis(cost, time, 0)[:-1] *= 0.1
        if before is not None:
            first = np.moveaxis(low, time, 0)
            first[0] = np.maximum(first[0], before / size)
    extra = [np.full(len(m), MARGIN) for m in f]
    for _ in range(TURNS):
        turn()
        b = [-m * r.scale / size - e for r, m, e in zip(rows, f, extra, strict=True)]
        found = linprog(
            np.append(cost.ravel() / cost.sum(), LARGEST), A_ub=A, b_ub=np.concatenate([*b, np.zeros(N)]),
            bounds=np.stack([np.append(low.ravel(), 0.0), np.full(N + 1, np.inf)], 1), method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-9},
        )  # fmt: skip
        if found.x is None:
            raise ValueError(INFEASIBLE if found.status == 2 else f"the linear program says: {found.message}")
        w = np.maximum(found.x[:N].reshape(grid.shape), MARGIN / 2) * size
        if before is not None and time is not None:
            first = np.moveaxis(w, time, 0)
            first[0] = np.maximum(first[0], before)
        w = w.ravel()
        left = [r.scale * (r.matrix @ w - m - r.lost(w, m)) / size for r, m in zip(rows, f, strict=True)]
        if min(float(v.min()) for v in left) > 0 and w.min() > 0:
            return w
        extra = [e + 1.5 * np.maximum(0, -v) + MARGIN * (v <= 0) for e, v in zip(extra, left, strict=True)]
    raise ValueError("the least supersolution could not be verified: rounding takes more than its margin")
