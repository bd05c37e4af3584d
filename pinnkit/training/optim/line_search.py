"""A line search for the strong Wolfe conditions (Nocedal, Wright, Numerical Optimization, algorithms 3.5 and 3.6)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LinePoint:
    """One evaluation along the line: step length, loss, slope, losses by term and gradient."""

    step: float
    loss: float
    slope: float
    losses: Tensor
    gradient: Tensor

    @property
    def finite(self) -> bool:
        """Whether loss and slope are numbers."""
        return math.isfinite(self.loss) and math.isfinite(self.slope)

    @property
    def rounding(self) -> float:
        """How far the loss can be trusted: a few units in its last place."""
        return 10 * torch.finfo(self.gradient.dtype).eps * abs(self.loss)


def strong_wolfe(
    evaluate: Callable[[float], LinePoint],
    start: LinePoint,
    first: float = 1.0,
    *,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    most: int = 25,
) -> tuple[LinePoint | None, str | None]:
    """A step a with f(a) <= f(0) + decrease a f'(0) and |f'(a)| <= curvature |f'(0)|, or None and the reason.

    Where f(a) and f(0) differ by no more than their rounding, slopes decide instead of values: the first condition is
    then f'(a) <= (2 decrease - 1) f'(0) (Hager, Zhang 2005). If the second condition is not met within ``most``
    evaluations, the best point that meets the first is returned.
    """

    def enough(trial: LinePoint) -> bool:
        lower = trial.loss <= start.loss + decrease * trial.step * start.slope
        same = abs(trial.loss - start.loss) <= start.rounding
        return lower or (same and trial.slope <= (2 * decrease - 1) * start.slope)

    low, high, best, a = start, None, None, first
    for _ in range(most):
        trial = evaluate(a)
        if not trial.finite or not enough(trial) or (low.step and trial.loss > low.loss + start.rounding):
            high = trial
        else:
            if trial.loss < (start if best is None else best).loss:
                best = trial
            if abs(trial.slope) <= -curvature * start.slope:
                return trial, None
            if trial.slope * (1 if high is None else high.step - low.step) >= 0:
                high = low
            low = trial
        if high is None:
            a = min(10 * low.step, 4 * low.step + _beyond(start, low))
        else:
            width = high.step - low.step
            if abs(width) <= 1e-12 * abs(high.step):
                break
            a = low.step + min(max(_interpolate(low, high), 0.02), 0.9) * width
    if best is not None:
        return best, None
    return None, f"the line search found no lower loss in {most} evaluations (slope {start.slope:.1e})"


def _beyond(start: LinePoint, low: LinePoint) -> float:
    """How far beyond ``low`` the line's slope vanishes if it goes on changing linearly."""
    change = low.slope - start.slope
    return max(0.0, -low.slope * (low.step - start.step) / change) if change > 0 else 6 * low.step


def _interpolate(low: LinePoint, high: LinePoint) -> float:
    """The minimiser of the cubic through both trials, as a fraction of the way from low to high."""
    width = high.step - low.step
    if not high.finite:
        return 0.2
    d1 = low.slope + high.slope - 3 * (high.loss - low.loss) / width
    square = d1 * d1 - low.slope * high.slope
    if not square >= 0:
        return 0.5
    d2 = math.copysign(math.sqrt(square), width)
    bottom = high.slope - low.slope + 2 * d2
    return 0.5 if bottom == 0 else 1 - (high.slope + d2 - d1) / bottom
