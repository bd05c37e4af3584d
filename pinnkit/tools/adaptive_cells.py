"""Points of a box that crowd where a function is large, weighted as a quadrature: cells are halved over and over."""

from collections.abc import Callable

import torch
from torch import Tensor

PER = 4  # points in a cell
SWEEPS = 60  # halvings in a row, at most


def adaptive_cells(
    f: Callable[[Tensor], Tensor], lower: Tensor, upper: Tensor, n: int, even: float = 0.5, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """About n points X (m, d) of a box and weights w (m,), sum 1, so that sum w g is the mean of any g over the box.

    The box is halved into cells, across the coordinate that |f| (m,) varies with most, until no cell holds more than
    its share of the integral of |f| or, for the part ``even`` of the points, of the volume. A spike that no uniform
    draw would meet is found as soon as one point feels it, and is then resolved whatever its width.
    """
    generator = torch.Generator().manual_seed(seed)
    target = max(n // PER, 1)
    lo, hi = lower[None].clone(), upper[None].clone()
    X, v = _probe(f, lo, hi, generator)
    for _ in range(SWEEPS):
        volume = ((hi - lo) / (upper - lower)).prod(1)
        mass = volume * v.mean(1)
        total = mass.sum()
        share = (1 - even) * mass / total + even * volume if total > 0 else volume
        split = share > 1 / target
        if not bool(split.any()):
            break
        kept = ~split
        low, high, x, y = lo[split], hi[split], X[split], v[split]
        place = (x - low[:, None]) / (high - low)[:, None] - 0.5
        slope = (place * (y - y.mean(1, keepdim=True))[..., None]).sum(1).abs()
        ties = torch.rand(slope.shape, generator=generator, dtype=torch.float64).to(slope)
        slope = slope + 1e-3 * y.mean(1, keepdim=True) * ties
        axis = slope.argmax(1, keepdim=True)
        middle = (low + high) / 2
        left, right = high.scatter(1, axis, middle.gather(1, axis)), low.scatter(1, axis, middle.gather(1, axis))
        new_lo, new_hi = torch.cat([low, right]), torch.cat([left, high])
        new_X, new_v = _probe(f, new_lo, new_hi, generator)
        lo, hi = torch.cat([lo[kept], new_lo]), torch.cat([hi[kept], new_hi])
        X, v = torch.cat([X[kept], new_X]), torch.cat([v[kept], new_v])
    volume = ((hi - lo) / (upper - lower)).prod(1)
    return X.flatten(0, 1), (volume[:, None] / PER).expand(-1, PER).flatten()


def _probe(f: Callable[[Tensor], Tensor], lo: Tensor, hi: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """PER random points of every cell (C, PER, d) and |f| there."""
    u = torch.rand(len(lo), PER, lo.shape[1], generator=generator, dtype=torch.float64).to(lo)
    X = lo[:, None] + u * (hi - lo)[:, None]
    return X, f(X.flatten(0, 1)).abs().view(len(lo), PER)
