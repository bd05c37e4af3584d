"""Quadrature along boundaries and lines of the plane: points, outward normals, weights."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pinnkit.tools.memory import afford

from .base import Domain, On, Patch
from .point_set import PointSet

CELLS = 2**12  # between which kinks and ends of a piece of boundary are sought
PANEL = 16  # Gauss nodes in a panel, at most
COPIES = 8  # numbers for each point of a rule: nodes, points, normals and what they are made of
CORNER = 0.05  # between the normals of neighbouring cells


def along_boundary(domain: Domain, on: On = "boundary", n: int = 256) -> tuple[PointSet, Tensor]:
    """About n points on parts of the boundary of a plane domain without time, with normals n_x, n_y; weights (n,).

    A closed smooth curve is cut into equal arcs: the trapezoidal rule, which converges faster than any power of 1/n
    (Trefethen, Weideman 2014). Other pieces are cut at their corners, and have Gauss-Legendre nodes.

    Raises:
        ValueError: a domain that is not two-dimensional, an unknown or empty part, no points.
    """
    if len(domain.names) != 2 or domain.time is not None:
        raise ValueError(f"quadrature along a boundary needs a domain of the plane, got {', '.join(domain.names)}")
    if n < 1:
        raise ValueError(f"n={n}: give the number of points, at least 1")
    patches = domain.patches(on)
    if not patches:
        raise ValueError(f"The boundary part {on!r} is empty, so nothing can be integrated over it.")
    total = sum(patch.measure for patch in patches)
    found = [_on_patch(patch, max(1, round(n * patch.measure / total))) for patch in patches]
    X, normals, q = (torch.as_tensor(np.concatenate(a)) for a in zip(*found, strict=True))
    return PointSet(X, {f"n_{name}": normals[:, i] for i, name in enumerate(domain.names)}), q


def along_line(
    a: Sequence[float], b: Sequence[float], names: tuple[str, ...] = ("x", "y"), n: int = 64
) -> tuple[PointSet, Tensor]:
    """About n Gauss-Legendre points from a to b, with the unit normal to the right of that direction; weights (n,).

    Raises:
        ValueError: two points that are the same, or that are not points of the plane.
    """
    start, end = np.asarray(a, float), np.asarray(b, float)
    if start.shape != (2,) or end.shape != (2,) or not (length := float(np.linalg.norm(end - start))):
        raise ValueError(f"a line from {a} to {b}: give two different points of the plane")
    s, w = _gauss(0.0, 1.0, n)
    X = torch.as_tensor(start + s[:, None] * (end - start))
    right = np.array([(end - start)[1], -(end - start)[0]]) / length
    columns = {f"n_{name}": torch.full_like(X[:, 0], c) for name, c in zip(names, right, strict=True)}
    return PointSet(X, columns), torch.as_tensor(w * length)


def _on_patch(patch: Patch, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    spans, closed = _spans(patch)
    if closed:
        u, w = (np.arange(n) + 0.5) / n, np.full(n, 1 / n)
    else:
        whole = sum(hi - lo for lo, hi in spans)
        parts = [_gauss(lo, hi, max(1, round(n * (hi - lo) / whole))) for lo, hi in spans]
        u, w = (np.concatenate(a) for a in zip(*parts, strict=True))
    return *patch.piece.chart(u[:, None]), w * patch.piece.measure


def _spans(patch: Patch) -> tuple[list[tuple[float, float]], bool]:
    """The parameters of the smooth arcs of a piece that are kept, and whether it is one closed smooth curve."""
    nodes = (np.arange(CELLS) + 0.5) / CELLS
    x, normals, keep = _look(patch, nodes)
    following = [np.roll(a, -1, axis=0) for a in (x, normals, keep)]
    turns = np.linalg.norm(following[1] - normals, axis=1) > CORNER
    ends = keep != following[2]
    joined = np.linalg.norm(following[0] - x, axis=1) < 2 * patch.piece.measure / CELLS
    if keep.all() and joined.all() and not turns.any():
        return [(0.0, 1.0)], True
    cuts = [_change(patch, nodes[k], nodes[k + 1], bool(ends[k])) for k in np.flatnonzero((turns | ends)[:-1])]
    cuts = [0.0, *cuts, 1.0]
    _, _, inside = _look(patch, [(lo + hi) / 2 for lo, hi in zip(cuts[:-1], cuts[1:], strict=True)])
    return [arc for arc, kept in zip(zip(cuts[:-1], cuts[1:], strict=True), inside, strict=True) if kept], False


def _look(patch: Patch, u: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and whether they are kept."""
    x, normals = patch.piece.chart(np.asarray(u, float)[:, None])
    return x, normals, np.ones(len(x), bool) if patch.keep is None else patch.keep(x, normals)


def _change(patch: Patch, low: float, high: float, end: bool) -> float:
    """Where what is kept ends, or the normal turns, between two parameters: by bisection."""
    _, (normal,), (kept,) = _look(patch, [low])
    for _ in range(50):
        middle = (low + high) / 2
        _, (here,), (same,) = _look(patch, [middle])
        before = same == kept if end else np.linalg.norm(here - normal) <= CORNER
        low, high = (middle, high) if before else (low, middle)
    return (low + high) / 2


def _gauss(low: float, high: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """At least n nodes and their weights, in equal panels of at most 16."""
    afford(8 * COPIES * n, f"a quadrature of {n} points", "give fewer points")
    panels = -(-n // PANEL)
    s, w = np.polynomial.legendre.leggauss(-(-n // panels))
    width = (high - low) / panels
    starts = low + width * np.arange(panels)
    return (starts[:, None] + width * (s + 1) / 2).ravel(), np.tile(w * width / 2, panels)
