"""Gauss points on panels, and panels that resolve given data."""

from collections.abc import Callable

import numpy as np

ORDER = 16  # Gauss points in a panel
DEPTH = 14  # bisections of a panel at most
MANY = 24  # places at which data are followed
NOISE = 1e-7  # of the largest value, below which roughness may be rounding: of sqrt|x| where x is near 0
SMOOTH = 1e-13  # of the last Legendre coefficients of resolved data, relative to the largest value

Data = Callable[[np.ndarray], np.ndarray]  # positions (m,) -> values (rows, m)


def gauss_panels(edges: np.ndarray, order: int = ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes and weights on the panels between the edges, so many in each."""
    node, weight = np.polynomial.legendre.leggauss(order)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()


def resolve(data: Data, edges: np.ndarray) -> np.ndarray:
    """Edges of panels on which the data are polynomials of degree below ORDER to nearly machine precision.

    Or to their own rounding: both halves of a panel are as rough as the whole.
    """
    kept, left, right, size, before = [], edges[:-1], edges[1:], 1e-300, None
    for depth in range(DEPTH + 1):
        tail, size = _tail(data, left, right, size)
        rough = (tail > SMOOTH * size) & (depth < DEPTH)
        if before is not None:
            both = np.minimum(*np.split(tail, 2))
            rough &= ~np.tile((both > 0.1 * before) & (both < NOISE * size), 2)
        kept.append(left[~rough])
        middle, before = (left[rough] + right[rough]) / 2, tail[rough]
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        if not len(left):
            break
    return np.append(np.sort(np.concatenate(kept)), edges[-1])


def narrow(data: Data, edges: np.ndarray) -> list[tuple[float, float]]:
    """Places where the data are no polynomial of degree below ORDER on panels halved DEPTH times, and their doubt.

    Each is followed by further halving until rounding ends it. Empty where there are more than MANY.
    """
    left, right, size = edges[:-1], edges[1:], 1e-300
    for _ in range(DEPTH):
        tail, size = _tail(data, left, right, size)
        rough = tail > SMOOTH * size
        middle = (left[rough] + right[rough]) / 2
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        if not len(left) or len(left) > 4 * MANY:
            return []
    found: list[tuple[float, float]] = []
    for a, b in _joined(left, right):
        width = b - a
        while b - a > 1e-15 * max(abs(a), abs(b), 1e-3):
            middle = (a + b) / 2
            (one, other), _ = _tail(data, np.array([a, middle]), np.array([middle, b]), size)
            if max(one, other) <= SMOOTH * size or 2 * min(one, other) > max(one, other):
                break
            a, b = (a, middle) if one > other else (middle, b)
        found.append(((a + b) / 2, width))
    return found


def _joined(left: np.ndarray, right: np.ndarray) -> list[tuple[float, float]]:
    """Panels that are next to each other as one: around a strong singularity several are rough."""
    joined: list[tuple[float, float]] = []
    for a, b in sorted(zip(left.tolist(), right.tolist(), strict=True)):
        if joined and a - joined[-1][1] < 8 * (b - a):
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _tail(data: Data, left: np.ndarray, right: np.ndarray, size: float) -> tuple[np.ndarray, float]:
    """The last Legendre coefficients of data on panels, and the largest value so far."""
    node, weight = np.polynomial.legendre.leggauss(ORDER)
    degrees = np.arange(ORDER)
    transform = np.polynomial.legendre.legvander(node, ORDER - 1).T * weight * (degrees[:, None] + 0.5)
    half = (right - left)[:, None] / 2
    values = data((left[:, None] + half * (1 + node)).ravel())
    values = values.reshape(len(values), -1, ORDER)
    size = max(size, float(np.abs(values).max(initial=0.0)))
    return np.abs(values @ transform.T)[:, :, -2:].max(axis=(0, 2), initial=0.0), size
