"""Norms of what a barrier allows, by quadrature that is exact for splines, and its values in the middles of cells."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pinnkit.certificate.theorem.proof import BarrierProof, Spline

from .splines import SplineAxis, SplineGrid

UP = 1 + 1e-11  # for the rounding of these sums
HALVINGS = 3  # of slabs, for the largest norm at any time


def barrier_norms(proof: BarrierProof) -> dict[str, float]:
    """Upper bounds of the error's norms: the largest value, and by |e| <= |c| + w those of L2."""
    if proof.time is None:
        (slab,) = proof.slabs
        return {"sup": proof.bound, "L2": UP * sum(math.sqrt(_square(s)) for s in (slab.center, slab.width))}
    i = [v.name for v in proof.variables].index(proof.time)
    over, at_most, last = 0.0, 0.0, 0.0
    for slab in proof.slabs:
        pairs = [_in_time(s, i) for s in (slab.center, slab.width)]
        low, high = (slab.center.breaks[i][k] for k in (0, -1))
        mean = [math.sqrt(max(float(b.mean()), 0.0) * (high - low)) for b in pairs]
        over += sum(mean) ** 2
        at_most = max(at_most, largest_of(pairs))
        last = sum(math.sqrt(max(b[-1], 0.0)) for b in pairs)
    return {"sup": proof.bound, "L2(Q)": UP * math.sqrt(over), "L2(t)": UP * at_most, "L2(T)": UP * last}


def largest_of(pairs: list[np.ndarray]) -> float:
    """The largest |c(t)| + |w(t)| by the Bernstein coefficients of their squares, on halved slabs."""
    parts = [pairs]
    for _ in range(HALVINGS):
        split = [[_halves(b) for b in part] for part in parts]
        parts = [[h[k] for h in part] for part in split for k in range(2)]
    return max(sum(math.sqrt(max(float(b.max()), 0.0)) for b in part) for part in parts)


def _halves(b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Bernstein coefficients on both halves, by de Casteljau."""
    rows = [b]
    while len(rows[-1]) > 1:
        rows.append((rows[-1][1:] + rows[-1][:-1]) / 2)
    return np.array([r[0] for r in rows]), np.array([r[-1] for r in rows[::-1]])


def _square(s: Spline) -> float:
    """int s^2."""
    c = s.coefficients
    for k in range(c.ndim):
        c = np.moveaxis(np.tensordot(_root(s, k), c, (1, k)), 0, k)
    return float((c**2).sum())


def _in_time(s: Spline, time: int) -> np.ndarray:
    """The Bernstein coefficients in time, on one slab, of int s^2 over space."""
    c = np.moveaxis(s.coefficients, time, 0)
    others = [k for k in range(s.coefficients.ndim) if k != time]
    for place, k in enumerate(others, 1):
        c = np.moveaxis(np.tensordot(_root(s, k), c, (1, place)), 0, place)
    return squared(c.reshape(len(c), -1))


def squared(c: np.ndarray) -> np.ndarray:
    """The Bernstein coefficients of sum_a p_a^2, the polynomials p_a having the coefficients c (q + 1, a)."""
    q, products = len(c) - 1, c @ c.T
    out = np.zeros(2 * q + 1)
    for i in range(q + 1):
        for j in range(q + 1):
            out[i + j] += math.comb(q, i) * math.comb(q, j) / math.comb(2 * q, i + j) * products[i, j]
    return out


def _root(s: Spline, k: int) -> np.ndarray:
    """M with |M c|^2 = int (sum_j c_j B_j)^2 by coordinate k: values in Gauss points, times roots of weights."""
    axis, x, w = _axis(s, k), *np.polynomial.legendre.leggauss(s.degrees[k] + 1)
    at, p = (x + 1) / 2, s.degrees[k]
    bernstein = np.stack([math.comb(p, j) * at**j * (1 - at) ** (p - j) for j in range(p + 1)], 1)
    rows = axis.rows(0).toarray().reshape(axis.elements, p + 1, axis.size)
    values = np.einsum("gj,ejn->egn", bernstein, rows)
    scale = np.sqrt(np.outer(np.diff(axis.breaks), w / 2))
    return (values * scale[:, :, None]).reshape(-1, axis.size)


def _axis(s: Spline, k: int) -> SplineAxis:
    return SplineAxis(tuple(s.breaks[k].tolist()), s.degrees[k], s.periodic[k])


def middles(proof: BarrierProof) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """c and w in the middles and corners of the cells of c, slab by slab."""
    for slab in proof.slabs:
        points = [np.unique(np.concatenate([b, (b[1:] + b[:-1]) / 2])) for b in slab.center.breaks]
        X = np.stack([g.ravel() for g in np.meshgrid(*points, indexing="ij")], 1)
        c, w = (SplineGrid(tuple(_axis(s, k) for k in range(X.shape[1]))).at(s.coefficients, X)
                for s in (slab.center, slab.width))  # fmt: skip
        yield c, w
