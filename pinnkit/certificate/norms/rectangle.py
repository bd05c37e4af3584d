"""Rigorous upper bounds of the norms of a function on a rectangle, by interpolation with an error bound."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import sympy as sp

from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.validated.interval_arithmetic import Interval
from pinnkit.certificate.validated.interval_series import Series, enclosed_series

from .interval import IntervalNorm, terms

NODES = 12  # of Chebyshev in a cell, by each coordinate
FINE = 6 * NODES  # at which the interpolant is looked at
CELLS = 4  # by each coordinate, at the start
SLABS = 12  # the same by the one whose envelope is kept
ROUNDS = 24  # of bisections
MOST = 4000  # cells in all
SHARE = 0.1  # of the mean of what is bounded, which the error of the interpolation may reach


def rectangle_norms(
    e: sp.Expr,
    variables: Sequence[sp.Symbol],
    ends: Sequence[tuple[float, float]],
    fixed: Mapping[sp.Symbol, float],
    floor: float = 1e-14,
    along: int | None = None,
) -> IntervalNorm:
    """Bounds of max |e|, of the L2 and the L1 norm of e over a rectangle of two variables, the others being numbers.

    On a cell |x_i - m_i| <= h_i the interpolant p of e in n x n Chebyshev nodes has |e - p| <= R_1 + Lambda R_2, where
    R_i = 2 (h_i / 2)^n |D_i^n e| / n! with the derivative enclosed over the cell, and Lambda is Lebesgue's constant; of
    a term whose derivative is worse than its plain interval width (1 + Lambda) / 2 times that. e is enclosed in the
    nodes; |p| between nodes by the inequality of Ehlich and Zeller (1964). Cells are halved where R is not small.
    ``along`` is the number of the variable, if any, by which the largest values are kept as an envelope.

    Raises:
        ValueError: a function that has no enclosure.
    """
    parts, area = terms(e), math.prod(b - a for a, b in ends)
    edges = [np.linspace(a, b, (SLABS if i == along else CELLS) + 1) for i, (a, b) in enumerate(ends)]
    cells = np.array([(*x, *y) for x in zip(edges[0][:-1], edges[0][1:], strict=True)
                      for y in zip(edges[1][:-1], edges[1][1:], strict=True)])  # fmt: skip
    done: list[np.ndarray] = []  # rows (four ends, area, bound, square, mean, seen)
    for turn in range(ROUNDS + 1):
        with np.errstate(all="ignore"):  # what overflows becomes infinite, and the cell is halved
            found, miss = _cells(parts, variables, cells, fixed)
        known = np.concatenate([*done, found])
        mean = math.sqrt(max(float(np.nansum(known[:, 8] ** 2 * known[:, 4])), 0.0) / area)
        rough = ~(miss.sum(1) <= max(SHARE * mean, floor))
        if turn == ROUNDS or len(known) + rough.sum() > MOST:
            rough[:] = False
        done.append(found[~rough])
        cells, which = cells[rough], miss[rough].argmax(1)
        if not len(cells):
            break
        middle = (cells[:, [0, 2]] + cells[:, [1, 3]]) / 2
        low, high, k = cells.copy(), cells.copy(), np.arange(len(cells))
        low[k, 2 * which + 1] = high[k, 2 * which] = middle[k, which]
        cells = np.concatenate([low, high])
    rows = np.concatenate(done)
    up = 1 + 1e-12  # for the rounding of these sums
    envelope = None
    if along is not None:
        first, last = rows[:, 2 * along] - ends[along][0], rows[:, 2 * along + 1] - ends[along][0]
        envelope = np.stack([first, last, rows[:, 5]], 1)
    norm = Norm(
        float(rows[:, 5].max()), math.sqrt(float(rows[:, 6].sum())) * up, float((rows[:, 7] * rows[:, 4]).sum()) * up,
        envelope,
    )  # fmt: skip
    seen = Norm(float(rows[:, 8].max()), math.sqrt(float((rows[:, 4] * rows[:, 8] ** 2).sum())))
    return IntervalNorm(norm, seen, len(rows))


@lru_cache(maxsize=1)
def _rules() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Nodes, the matrix to the fine points, to Gauss points, their weights, and Lebesgue's constant, on [-1, 1]."""
    nodes = np.cos((2 * np.arange(NODES) + 1) * math.pi / (2 * NODES))
    fine = np.cos((2 * np.arange(FINE) + 1) * math.pi / (2 * FINE))
    gauss, weights = np.polynomial.legendre.leggauss(NODES)

    def matrix(x: np.ndarray) -> np.ndarray:
        V = np.polynomial.chebyshev.chebvander(nodes, NODES - 1)
        return np.linalg.solve(V.T, np.polynomial.chebyshev.chebvander(x, NODES - 1).T).T

    constant = 2 / math.pi * math.log(NODES) + 1  # Rivlin: of Chebyshev nodes, from above
    return nodes, matrix(fine), matrix(gauss), weights / 2, constant


def _cells(
    parts: Sequence[sp.Expr], variables: Sequence[sp.Symbol], cells: np.ndarray, fixed: Mapping[sp.Symbol, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the cells, and what interpolation may miss by either variable (m, 2)."""
    nodes, fine, gauss, weights, constant = _rules()
    middle, m = (cells[:, [0, 2]] + cells[:, [1, 3]]) / 2, len(cells)
    radius = np.nextafter(np.maximum(cells[:, [1, 3]] - middle, middle - cells[:, [0, 2]]), np.inf)
    whole = [Interval(cells[:, 2 * i].copy(), cells[:, 2 * i + 1].copy()) for i in range(2)]
    miss = np.zeros((m, 2))
    for i in range(2):
        values = {variables[i]: _line(whole[i]), variables[1 - i]: whole[1 - i][None]}
        values |= {s: Interval.point(v, m)[None] for s, v in fixed.items()}
        known: dict = {}
        step = (2 * (radius[:, i] / 2) ** NODES) * (1 + 1e-13)
        for part in parts:
            u = enclosed_series(part, values, known)
            width = (1 + constant) / 2 * (u.high[0] - u.low[0])
            far = u[NODES].size * step if len(u.low) > NODES else np.zeros(m)
            miss[:, i] += np.where(far <= width, far, width)
    miss[:, 1] *= constant
    # nodes (m, n, n): the interpolant goes through the middles of enclosures there
    places = [middle[:, i, None] + radius[:, i, None] * nodes for i in range(2)]
    x = np.broadcast_to(places[0][:, :, None], (m, NODES, NODES)).ravel()
    y = np.broadcast_to(places[1][:, None, :], (m, NODES, NODES)).ravel()
    values = {variables[0]: _near(x)[None], variables[1]: _near(y)[None]}
    values |= {s: Interval.point(v, len(x))[None] for s, v in fixed.items()}
    known = {}
    at = Interval(np.zeros(len(x)), np.zeros(len(x)))
    for part in parts:
        at = at + enclosed_series(part, values, known)[0]
    v = ((at.low + at.high) / 2).reshape(m, NODES, NODES)
    spread = ((at.high - at.low) / 2).reshape(m, -1).max(1) + 1e-15 * np.abs(v).reshape(m, -1).max(1)
    seen = at.least.reshape(m, -1)
    rest = miss.sum(1) + constant**2 * spread * (1 + 1e-12)
    p = np.einsum("ai,mij,bj->mab", fine, v, fine)
    between = math.cos(math.pi * (NODES - 1) / (2 * FINE)) ** 2
    q = np.einsum("ai,mij,bj->mab", gauss, v, gauss)
    area = (cells[:, 1] - cells[:, 0]) * (cells[:, 3] - cells[:, 2])
    mean = np.sqrt(np.einsum("mab,a,b->m", q * q, weights, weights)) * (1 + 1e-12) + rest
    bound = np.abs(p).reshape(m, -1).max(1) / between + rest
    rows = np.column_stack([cells, area, bound, mean**2 * area, mean, np.nan_to_num(seen.max(1), posinf=0.0)])
    rows[:, 5:8] = np.where(np.isnan(rows[:, 5:8]), np.inf, rows[:, 5:8])
    return rows, np.where(np.isnan(miss), np.inf, miss)


def _near(x: np.ndarray) -> Interval:
    """Intervals that hold the exact nodes."""
    pad = 1e-15 * np.abs(x).max()
    return Interval(x - pad, x + pad)


def _line(x: Interval) -> Series:
    low, high = np.zeros((NODES + 1, len(x.low))), np.zeros((NODES + 1, len(x.low)))
    low[0], high[0], low[1], high[1] = x.low, x.high, 1.0, 1.0
    return Interval(low, high)
