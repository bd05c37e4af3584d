"""The body of a domain drawn: what lies outside it within the picture, and its boundary."""

import numpy as np
from matplotlib.axes import Axes

from pinnkit.domain.base import Domain
from pinnkit.domain.geometry import Geometry

NODES = 200_000  # of the grid on which the boundary is sought


def draw_body(ax: Axes, domain: Domain, zorder: float = 2.5) -> Axes:
    """Shade the bounding box outside a geometry of the plane and draw its boundary; other domains are left alone."""
    if not isinstance(domain, Geometry) or len(domain.names) != 2 or domain.time is not None:
        return ax
    low, high = domain.bounds
    h = float(np.sqrt(np.prod(high - low) / NODES))
    axes = [np.linspace(a, b, 2 + int((b - a) / h)) for a, b in zip(low, high, strict=True)]
    nodes = np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")], 1)
    level = domain.tree.level(nodes).reshape([len(a) for a in axes]).T
    if level.max() > h:
        ax.contourf(*axes, level, [0, np.inf], colors="0.8", zorder=zorder)
        ax.contour(*axes, level, [0], colors="0.25", linewidths=0.8, zorder=zorder)
    return ax
