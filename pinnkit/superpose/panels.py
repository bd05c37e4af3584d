"""Gauss points on panels, and panels that resolve given data."""

from collections.abc import Callable

import numpy as np

ORDER = 16  # Gauss points in a panel
DEPTH = 14  # bisections of a panel at most
SMOOTH = 1e-13  # of the last Legendre coefficients of resolved data, relative to the largest value

Data = Callable[[np.ndarray], np.ndarray]  # positions (m,) -> values (rows, m)


def panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes and weights on the panels between the edges."""
    node, weight = np.polynomial.legendre.leggauss(ORDER)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()


def resolve(data: Data, edges: np.ndarray) -> np.ndarray:
    """Edges of panels on which the data are polynomials of degree below ORDER to nearly machine precision."""
    node, weight = np.polynomial.legendre.leggauss(ORDER)
    degrees = np.arange(ORDER)
    transform = np.polynomial.legendre.legvander(node, ORDER - 1).T * weight * (degrees[:, None] + 0.5)
    kept, left, right, size = [], edges[:-1], edges[1:], 1e-300
    for depth in range(DEPTH + 1):
        half = (right - left)[:, None] / 2
        values = data((left[:, None] + half * (1 + node)).ravel())
        values = values.reshape(len(values), -1, ORDER)
        size = max(size, float(np.abs(values).max(initial=0.0)))
        tail = np.abs(values @ transform.T)[:, :, -2:].max(axis=(0, 2), initial=0.0)
        rough = (tail > SMOOTH * size) & (depth < DEPTH)
        kept.append(left[~rough])
        middle = (left[rough] + right[rough]) / 2
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        if not len(left):
            break
    return np.append(np.sort(np.concatenate(kept)), edges[-1])
