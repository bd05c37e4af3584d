"""The step that L-BFGS and the dense quasi-Newton methods share: direction, line search, reason to stop."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .line_search import Trial, strong_wolfe
from .stage import Objective, State, Step


def evaluate(objective: Objective, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Losses by term and gradient."""
    losses, gradient = objective.loss_and_gradient(theta)
    return losses.detach(), gradient.detach()


def descend(
    theta: Tensor,
    state: State,
    objective: Objective,
    direction: Callable[[Tensor], Tensor],
    tolerance: float,
    first: float = 1.0,
) -> tuple[Tensor, dict[str, Any], Step]:
    """Go along ``direction(gradient)`` to a point that meets the strong Wolfe conditions.

    Returns the new parameters, {losses, gradient, s, y, alpha, Hg} (s and y absent where no step was made), and the
    step's account.
    """
    if "gradient" in state:
        losses, gradient = state["losses"], state["gradient"]
    else:
        losses, gradient = evaluate(objective, theta)
    here = {"losses": losses, "gradient": gradient}
    loss = float(losses.sum())
    if not math.isfinite(loss) or not bool(torch.isfinite(gradient).all()):
        return theta, here, Step(losses, "the loss or its gradient is not finite at the stage's start")
    if float(gradient.abs().max()) <= tolerance:
        return theta, here, Step(losses, f"converged: largest gradient entry below {tolerance:.0e}")
    Hg = direction(gradient)
    slope = -float(gradient @ Hg)
    if not slope < 0:
        return theta, here, Step(losses, "the search direction does not descend")

    def trial(a: float) -> Trial:
        terms, g = evaluate(objective, theta - a * Hg)
        return Trial(a, float(terms.sum()), -float(g @ Hg), terms, g)

    found, reason = strong_wolfe(trial, Trial(0.0, loss, slope, losses, gradient), first)
    if found is None:
        return theta, here, Step(losses, reason)
    s, y = -found.step * Hg, found.gradient - gradient
    result = {"losses": found.losses, "gradient": found.gradient, "s": s, "y": y, "alpha": found.step, "Hg": Hg}
    return theta + s, result, Step(found.losses)
