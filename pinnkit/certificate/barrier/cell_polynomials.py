"""Functions on the cells of a grid as polynomials by Bernstein with a radius, from Taylor models and intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.certificate.enclosure.network_enclosure import Cells, evaluate
from pinnkit.certificate.theorem.misfit import Breaks
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.certificate.validated.interval_arithmetic import UNIT, Interval
from pinnkit.certificate.validated.interval_series import enclosed_series
from pinnkit.certificate.validated.taylor_model import Space, TaylorModel

DEGREE = 10  # of the Taylor polynomials
BATCH = 256  # cells at once


Model = Callable[[Tensor, Tensor], TaylorModel]  # (middle, half) (dim, cells) -> function


def shape(breaks: Breaks) -> tuple[int, ...]:
    """The number of cells by every coordinate."""
    return tuple(max(len(b) - 1, 1) for b in breaks)


def ends(breaks: Breaks) -> tuple[np.ndarray, np.ndarray]:
    """Low and high ends of all cells (cells, dim), the last coordinate running fastest."""
    pairs = [(b[:1], b[:1]) if len(b) == 1 else (b[:-1], b[1:]) for b in breaks]
    low, high = (np.array(list(itertools.product(*(p[k] for p in pairs)))) for k in range(2))
    return low, high


def of_model(model: Model, breaks: Breaks, degrees: Sequence[int], least: np.ndarray | None = None) -> Enclosure:
    """A function given by Taylor models, as polynomials of these degrees (0 where a coordinate is fixed).

    In Chebyshev's basis what is of higher degree is dropped, and its size goes into the radius. Models are made on
    boxes of half widths ``least`` (dim,) around cells that are smaller: derivatives there would only round more.
    """
    low, high = ends(breaks)
    middle = (low + high) / 2
    half = half_widths(low, high)
    fixed = [i for i, b in enumerate(breaks) if len(b) == 1]
    moving = [i for i in range(len(breaks)) if i not in fixed]
    wide = half if least is None else np.maximum(half, least)
    if least is None:
        for i in fixed:  # a fixed coordinate may be differentiated by: a width of the order of the others'
            wide[:, i] = half[:, moving].min(1) if moving else 2.0**-6
    parts = []
    with torch.no_grad():
        for k in range(0, len(low), BATCH):
            m, h, w = (v[k : k + BATCH] for v in (middle, half, wide))
            f = model(torch.as_tensor(m.T.copy()), torch.as_tensor(w.T.copy()))
            for i in fixed:
                f = f.at_zero(i)
            parts.append(converted(f.space, f.c.numpy(), f.rest.numpy(), tuple(degrees), m, h, m, w, moving))
    coefficients, radius = (np.concatenate([p[k] for p in parts]) for k in range(2))
    return Enclosure(
        tuple(np.array(b) for b in breaks),
        coefficients.reshape(*shape(breaks), *(d + 1 for d in degrees)),
        radius.reshape(shape(breaks)),
    )


def half_widths(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Of cells around their rounded middles, both ends included."""
    middle = (low + high) / 2
    return np.nextafter(np.maximum(high - middle, middle - low), np.inf)


def converted(
    space: Space, c: np.ndarray, rest: np.ndarray, degrees: tuple[int, ...], m: np.ndarray, h: np.ndarray,
    centre: np.ndarray, w: np.ndarray, moving: list[int],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Bernstein coefficients (cells, terms) and radii (cells,) on cells of middles m and half widths h.

    ``c`` (terms, cells) are the Taylor coefficients on boxes around them, of middles ``centre`` and half widths w, up
    to ``rest`` (cells,).
    """
    kept, dropped, growth = _matrices(space, degrees)
    size = np.abs(c).sum(0)
    off = np.zeros(len(m))  # the cells' own coordinates are rounded
    for i in moving:
        by = np.array([a[i] for a in space.exponents], dtype=float)
        off += 8 * UNIT * (np.abs(m[:, i]) + h[:, i] + w[:, i]) / w[:, i] * (by @ np.abs(c))
    c = _moved(space, c, m, h, centre, w, moving)
    rest = (rest + np.abs(dropped @ c).sum(0) + off) * (1 + 1e-12)
    rounding = 4 * (len(space.exponents) + 40 + 8 * space.degree) * UNIT * growth * size
    radius = rest + rounding
    found = (kept @ c).T
    bad = ~(np.isfinite(radius) & np.isfinite(found).all(1))
    return np.where(bad[:, None], 0.0, found), np.where(bad, np.inf, radius)


def _moved(
    space: Space, c: np.ndarray, m: np.ndarray, h: np.ndarray, centre: np.ndarray, w: np.ndarray, moving: list[int]
) -> np.ndarray:
    """The coefficients of the polynomials in the cells' own coordinates z: s = (m - centre) / w + h / w z.

    |m - centre| + h <= w, so that no sum exceeds that of the |c| by more than rounding: 8 degree of it in all.
    """
    n = space.degree
    if (m == centre).all():
        for i in moving:
            by = np.array([a[i] for a in space.exponents], dtype=float)
            c = c * (h[:, i] / w[:, i]) ** by[:, None]
        return c
    binomial = np.array([[math.comb(j, k) for j in range(n + 1)] for k in range(n + 1)], dtype=float)
    falling = np.maximum(np.arange(n + 1)[None, :] - np.arange(n + 1)[:, None], 0)
    dense = np.zeros((len(m), *[n + 1] * space.dim))
    places: tuple[Any, ...] = (slice(None), *(np.array([a[i] for a in space.exponents]) for i in range(space.dim)))
    dense[places] = c.T
    for i in moving:
        step, scale = (v[:, i] / w[:, i] for v in (m - centre, h))
        M = binomial * step[:, None, None] ** falling * scale[:, None, None] ** np.arange(n + 1)[:, None]
        dense = np.moveaxis(np.einsum("ckj,cj...->ck...", M, np.moveaxis(dense, i + 1, 1)), 1, i + 1)
    return dense[places].T


@lru_cache(maxsize=64)
def _matrices(space: Space, degrees: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, float]:
    """From Taylor coefficients to Bernstein's of the terms that are kept, to Chebyshev's of the others, and by how much
    the first makes rounding grow."""
    n = space.degree
    chebyshev = np.zeros((n + 1, n + 1))  # s^k = sum_j chebyshev[j, k] T_j
    for k in range(n + 1):
        chebyshev[: k + 1, k] = np.polynomial.chebyshev.poly2cheb([0.0] * k + [1.0])
    place = list(itertools.product(*(range(n + 1) for _ in degrees)))
    whole = np.ones((len(place), len(space.exponents)))
    for column, a in enumerate(space.exponents):
        for row, b in enumerate(place):
            whole[row, column] = math.prod(chebyshev[i, j] for i, j in zip(b, a, strict=True))
    inside = np.array([all(i <= d for i, d in zip(b, degrees, strict=True)) for b in place])
    turn = np.ones((1, 1))
    for d in degrees:
        turn = np.kron(turn, _to_bernstein(d))
    used = np.abs(whole[~inside]).sum(1) > 0
    return turn @ whole[inside], whole[~inside][used], float(np.abs(turn).sum(1).max())


def _to_bernstein(m: int) -> np.ndarray:
    """From the coefficients of T_0 ... T_m (2 z - 1) to Bernstein's."""
    found = np.empty((m + 1, m + 1))
    z = sp.Symbol("z")
    for k in range(m + 1):
        q = [sp.Poly(sp.chebyshevt(k, 2 * z - 1), z).coeff_monomial(z**i) for i in range(m + 1)]
        found[:, k] = [float(sum(sp.Rational(math.comb(j, i), math.comb(m, i)) * q[i] for i in range(j + 1)))
                       for j in range(m + 1)]  # fmt: skip
    return found


def of_expression(e: sp.Expr, variables: Sequence[sp.Symbol], breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
    """An expression of the coordinates; where it is not analytic on a cell a constant with a radius.

    Raises:
        ValueError: an expression that has no enclosure, or is not bounded on a cell.
    """
    if not e.free_symbols:
        return constant(e, breaks, degrees)
    plain = _plain(e, variables, breaks, degrees)
    try:
        space = Space(len(breaks), DEGREE, 1.0)
        found = of_model(
            lambda m, h: evaluate(e, dict(zip(variables, Cells(space, m, h).coordinates(), strict=True))),
            breaks, degrees,
        )  # fmt: skip
    except ValueError:
        found = plain
    found = closer(plain, found)
    if not np.isfinite(found.radius).all():
        raise ValueError(f"{e} is not bounded on the domain")
    return found


def closer(a: Enclosure, b: Enclosure) -> Enclosure:
    """Of two enclosures on one grid that with the lesser radius, cell by cell."""
    better = b.radius <= a.radius
    spread = better.reshape(*better.shape, *[1] * (a.coefficients.ndim - better.ndim))
    return Enclosure(a.breaks, np.where(spread, b.coefficients, a.coefficients), np.where(better, b.radius, a.radius))


def constant(e: sp.Expr, breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
    """A number."""
    value = float(e)
    exactly = (e.is_Rational or e.is_Float) and sp.Rational(value) == sp.Rational(e)
    radius = 0.0 if exactly else abs(value) * 2.0**-50 + 1e-300
    cells = shape(breaks)
    return Enclosure(
        tuple(np.array(b) for b in breaks),
        np.full((*cells, *(d + 1 for d in degrees)), value),
        np.full(cells, radius),
    )


def between(low: np.ndarray, high: np.ndarray, breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
    """A function between two numbers on every cell (cells,)."""
    cells = shape(breaks)
    with np.errstate(invalid="ignore"):
        middle = np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2, 0.0)
        radius = np.nextafter(np.maximum(high - middle, middle - low), np.inf)
    radius = np.where(np.isnan(radius), np.inf, radius)
    coefficients = np.broadcast_to(
        middle.reshape(*cells, *[1] * len(degrees)), (*cells, *(d + 1 for d in degrees))
    ).copy()
    return Enclosure(tuple(np.array(b) for b in breaks), coefficients, radius.reshape(cells))


def _plain(e: sp.Expr, variables: Sequence[sp.Symbol], breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
    low, high = ends(breaks)
    values = {s: Interval(low[:, i].copy(), high[:, i].copy())[None] for i, s in enumerate(variables)}
    with np.errstate(all="ignore"):
        try:
            found = enclosed_series(e, values)[0]
        except ValueError:
            infinite = np.full(len(low), np.inf)
            return between(-infinite, infinite, breaks, degrees)
    return between(np.broadcast_to(found.low, len(low)), np.broadcast_to(found.high, len(low)), breaks, degrees)


def limits(f: Enclosure) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a function on every cell, of the shape of the grid."""
    axes = tuple(range(len(f.breaks), 2 * len(f.breaks)))
    return (np.nextafter(f.coefficients.min(axes) - f.radius, -np.inf),
            np.nextafter(f.coefficients.max(axes) + f.radius, np.inf))  # fmt: skip


def widened(f: Enclosure, by: np.ndarray) -> Enclosure:
    """The same with larger radii."""
    return Enclosure(f.breaks, f.coefficients, (f.radius + by) * (1 + 4 * UNIT))
