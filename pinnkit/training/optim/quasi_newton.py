"""The step that L-BFGS and the dense quasi-Newton methods share: first step length, line search, reason to stop."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .line_search import LinePoint, strong_wolfe
from .stage import Objective, State
from .state_layout import array, number

# What a state holds of the parameters at which the last step ended, until the points change.
EVALUATED = {
    "losses": array("terms", needed=False), "gradient": array("P", needed=False), "gain": number(needed=False),
}  # fmt: skip


@dataclass(frozen=True)
class Descent:
    """What a search along -Hg has come to: theta + s and the gradient's change y there, or why it did not move.

    ``misled`` says that another direction might still descend.
    """

    theta: Tensor
    losses: Tensor
    gradient: Tensor
    s: Tensor | None = None
    y: Tensor | None = None
    alpha: float = 0.0
    gain: float = 0.0
    stop: str | None = None
    misled: bool = False

    @property
    def values(self) -> State:
        """What the next step needs of this one."""
        return {"losses": self.losses, "gradient": self.gradient, "gain": self.gain}

    @property
    def curved(self) -> bool:
        """Whether s.y > 0, beyond rounding: the step tells of a curvature that is positive."""
        if self.s is None or self.y is None:
            return False
        least = 10 * torch.finfo(self.s.dtype).eps * float(self.s.norm() * self.y.norm())
        return float(self.s @ self.y) > least


def evaluated(state: Mapping[str, Any], theta: Tensor, objective: Objective) -> State:
    """The state with losses and gradient at theta."""
    if "gradient" in state:
        return dict(state)
    losses, gradient = objective.loss_and_gradient(theta)
    return dict(state) | {"losses": losses, "gradient": gradient}


def first_step(state: Mapping[str, Any], Hg: Tensor, learnt: bool) -> float:
    """The step length to try first: what would lower the loss as much as the last step did, at most 1.

    The minimiser of the parabola with the slope at hand and that decrease (Nocedal, Wright, eq. 3.60). A self-scaled
    H is often too large by two, so that starting at 1 costs 1.8 evaluations a step and this 1.04. Right after the
    points have changed the most that a sum of squares can fall stands in for the last decrease. Before any curvature
    is known the step's length is at most 1.
    """
    gradient = state["gradient"]
    if not learnt:
        return min(1.0, 1.0 / max(1e-300, float(gradient.abs().sum())))
    loss, slope = float(state["losses"].sum()), float(gradient @ Hg)
    gain, rounding = state.get("gain", loss), torch.finfo(gradient.dtype).eps * abs(loss)
    return min(1.0, 2.02 * gain / slope) if gain > 10 * rounding and slope > 0 else 1.0


def descend(
    theta: Tensor, state: Mapping[str, Any], objective: Objective, Hg: Tensor, tolerance: float, first: float
) -> Descent:
    """Go along -Hg from theta, whose losses and gradient are in ``state``, to a point with the Wolfe conditions."""
    losses, gradient = state["losses"], state["gradient"]
    start = LinePoint(0.0, float(losses.sum()), -float(gradient @ Hg), losses, gradient)

    def stay(reason: str | None, misled: bool = False) -> Descent:
        return Descent(theta, losses, gradient, stop=reason, misled=misled)

    if not math.isfinite(start.loss) or not bool(torch.isfinite(gradient).all()):
        return stay("the loss or its gradient is not finite at the start")
    if float(gradient.abs().max()) <= tolerance:
        return stay(f"converged: the gradient's largest entry is below {tolerance:.0e}")
    if not start.slope < 0:
        return stay("the search direction does not descend", misled=True)
    if -start.slope <= 1e-3 * start.rounding:
        return stay("converged: no step lowers the loss by more than its rounding")

    def trial(a: float) -> LinePoint:
        terms, g = objective.loss_and_gradient(theta - a * Hg)
        return LinePoint(a, float(terms.sum()), -float(g @ Hg), terms, g)

    found, reason = strong_wolfe(trial, start, first)
    if found is None:
        return stay(reason, misled=True)
    s, gain = -found.step * Hg, start.loss - found.loss
    return Descent(theta + s, found.losses, found.gradient, s, found.gradient - gradient, found.step, gain)
