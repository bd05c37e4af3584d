"""Planes on which a derivative of the solution jumps, and coordinates in which a flux crosses them smoothly."""

from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Domain


@dataclass(frozen=True)
class Plane:
    """The points x with normal . x = offset; the largest component of the normal is 1."""

    normal: tuple[float, ...]
    offset: float

    @classmethod
    def across(cls, i: int, d: int, at: float) -> "Plane":
        """The points of d coordinates of which the i-th one is ``at``."""
        return cls(tuple(float(k == i) for k in range(d)), at)

    def height(self, X: Tensor) -> Tensor:
        """normal . x - offset at points X (n, d), shape (n,)."""
        return X @ X.new_tensor(self.normal) - self.offset

    @property
    def support(self) -> tuple[int, ...]:
        """The coordinates by which one leaves the plane."""
        return tuple(i for i, w in enumerate(self.normal) if w)

    @property
    def main(self) -> int:
        """The coordinate of the normal's largest component."""
        return self.normal.index(1.0)

    def range(self, domain: Domain) -> tuple[float, float]:
        """The least and the largest height in the domain's bounding box."""
        lo, hi = domain.bounds.tolist()
        ends = [sorted((w * a, w * b)) for w, a, b in zip(self.normal, lo, hi, strict=True)]
        return sum(a for a, _ in ends) - self.offset, sum(b for _, b in ends) - self.offset

    def side(self, domain: Domain) -> int:
        """1 if the plane cuts the domain's bounding box, 0 if it touches it, -1 if it lies outside."""
        low, high = self.range(domain)
        edge = 1e-12 * (high - low)
        return int(low < -edge and high > edge) or -int(low > edge or high < -edge)


@dataclass(frozen=True)
class Kink:
    """Where the derivative of order ``power`` across a plane may jump.

    ``ratio`` is the flux coefficient above the plane over that below it: the slope of a function whose flux does not
    jump is that much smaller above. Where it is not ``needed``, the equation alone says what jumps.
    """

    plane: Plane
    power: int
    ratio: float = 1.0
    needed: bool = True


@dataclass(frozen=True)
class Stretch:
    """A piecewise linear map of one coordinate's interval to itself; a flux through all kinks bends no function of it.

    ``breaks`` are the ends of the pieces, ``slopes`` those of the map in them, ``values`` its values at the breaks.
    """

    coordinate: int
    breaks: tuple[float, ...]
    slopes: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope at coordinates x (n,), each (n,); at a break those of the upper side."""
        ends = x.new_tensor(self.breaks)
        piece = (torch.searchsorted(ends, x.contiguous(), right=True) - 1).clamp(0, len(self.slopes) - 1)
        slope = x.new_tensor(self.slopes)[piece]
        return x.new_tensor(self.values)[piece] + slope * (x - ends[piece]), slope

    def at(self, x: float) -> float:
        """The value at one coordinate."""
        return float(self(torch.tensor([x], dtype=torch.float64))[0])

    def formula(self, x: sp.Symbol) -> sp.Expr:
        """The map as an expression."""
        at = [sp.Float(v, 17) for v in self.breaks]
        turns = np.diff(self.slopes)
        steps = [sp.Float(turn, 17) * (x - a) * sp.Heaviside(x - a, 1) for turn, a in zip(turns, at[1:-1], strict=True)]
        return at[0] + sp.Float(self.slopes[0], 17) * (x - at[0]) + sum(steps)


def stretches(kinks: tuple[Kink, ...], domain: Domain) -> dict[int, Stretch]:
    """The maps of the coordinates across which a flux coefficient jumps on planes, by coordinate; none in time.

    Steady solutions vary along them by as much on either side; what changes in time has its own scale in every layer.
    """
    found: dict[int, Stretch] = {}
    if domain.time is not None:
        return found
    for i, (lo, hi) in enumerate(domain.bounds.T.tolist()):
        own = sorted((k.plane.offset, k.ratio) for k in kinks if k.plane.support == (i,))
        if not any(ratio != 1 for _, ratio in own):
            continue
        breaks = (lo, *(a for a, _ in own), hi)
        slopes = np.cumprod([1.0, *(1 / ratio for _, ratio in own)])
        slopes *= (hi - lo) / (slopes @ np.diff(breaks))
        values = lo + np.concatenate([[0.0], np.cumsum(slopes * np.diff(breaks))])
        found[i] = Stretch(i, breaks, tuple(slopes.tolist()), tuple(values.tolist()))
    return found
