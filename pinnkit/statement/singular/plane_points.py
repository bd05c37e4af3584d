"""Points of planes, and on their two sides."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.tools.sequences import unit_points

from .kink import Plane

SHIFT = 2.0**-44  # of a coordinate's size: how far beside a plane its two sides are evaluated


def on_plane(plane: Plane, domain: Domain, n: int, method: str = "sobol", seed: Any = 0) -> Tensor:
    """n points of a plane in the domain, or the one where it is a point, shape (n, d); none where it misses it."""
    i, (lower, upper) = plane.main, domain.bounds
    others = [k for k in range(len(lower)) if k != i]
    total = n if others else 1
    while True:
        X = np.empty((total, len(lower)))
        X[:, others] = lower[others] + (upper - lower)[others] * unit_points(total, len(others), method, seed)
        X[:, i] = plane.offset - X[:, others] @ np.asarray(plane.normal)[others]
        X = X[(X[:, i] > lower[i]) & (X[:, i] < upper[i])]
        X = X[domain.inside(X, tol=0.0)] if len(X) else X
        if len(X) >= n or not others or total > 64 * n + 4096:
            return torch.as_tensor(X[:n])
        total *= 2


def beside(plane: Plane, X: Tensor, domain: Domain) -> tuple[Tensor, Tensor]:
    """Points X (n, d) of a plane moved by next to nothing to its upper and to its lower side."""
    step = torch.zeros_like(X)
    step[:, plane.main] = _shift(plane, domain)
    return X + step, X - step


def off(planes: Sequence[Plane], X: Tensor, domain: Domain) -> Tensor:
    """Points X (n, d), those on one of the planes moved by next to nothing to its upper side."""
    for plane in planes:
        near = plane.height(X).abs() < _shift(plane, domain) / 2
        if near.any():
            X = X.clone()
            X[near, plane.main] += _shift(plane, domain)
    return X


def _shift(plane: Plane, domain: Domain) -> float:
    return SHIFT * float(np.abs(domain.bounds[:, plane.main]).max())
