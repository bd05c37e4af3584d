"""Adam (Kingma, Ba 2015) with an exponentially falling step size: the first thousand steps of most runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pinnkit.tools.checked import Below1, Positive, Whole, checked
from pinnkit.tools.serialise import register

from .stage import Objective, State, Step, usable


@register
@checked
@dataclass(frozen=True)
class Adam:
    """Adam; the step size falls from ``lr`` to ``lr * decay`` over the stage."""

    iterations: Whole = 1000
    lr: Positive = 1e-3
    decay: Positive = 1.0
    beta1: Below1 = 0.9
    beta2: Below1 = 0.999
    epsilon: Positive = 1e-8

    def start(self, theta: Tensor, objective: Objective | None) -> State:
        """Zero moments."""
        return {"m": torch.zeros_like(theta), "v": torch.zeros_like(theta), "steps": 0}

    def renew(self, state: Mapping[str, Any]) -> State:
        """Moments stay."""
        return dict(state)

    def step(self, theta: Tensor, state: State, objective: Objective) -> tuple[Tensor, State, Step]:
        """One step; the losses are those at the parameters before it."""
        losses, g = objective.loss_and_gradient(theta)
        if not usable(losses, g):
            return state.get("before", theta), state, Step(losses, "the loss or its gradient is not finite")
        n = state["steps"] + 1
        m = self.beta1 * state["m"] + (1 - self.beta1) * g
        v = self.beta2 * state["v"] + (1 - self.beta2) * g * g
        lr = self.lr * self.decay ** (min(n - 1, self.iterations) / max(1, self.iterations))
        ratio = (m / (1 - self.beta1**n)) / ((v / (1 - self.beta2**n)).sqrt() + self.epsilon)
        return theta - lr * ratio, {"m": m, "v": v, "steps": n, "before": theta}, Step(losses)
