"""Adam (Kingma, Ba 2015) with an exponentially falling step size: the first thousand steps of most runs."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.tools.checked import Below1, Positive, Vector, Whole, checked
from pinnkit.tools.serialise import register

from .stage import Objective, Optimiser, State, Step, back, usable
from .state_layout import Layout, array, count

LAYOUT = Layout({
    "m": array("P", finite=True), "v": array("P", finite=True), "steps": count(), "before": array("P", needed=False),
})  # fmt: skip
HELD = LAYOUT.rule


@register
@checked
@dataclass(frozen=True)
class Adam(Optimiser[Objective]):
    """theta <- theta - lr m / (sqrt(v) + epsilon), with running means m of the gradient and v of its square.

    When the points change, m and v stay.

    Args:
        iterations: the largest number of steps.
        lr: step size at the first iteration.
        decay: the step size falls geometrically to lr * decay at the last iteration. Default 1: constant.
        beta1: memory of m, from 0 to below 1.
        beta2: memory of v, from 0 to below 1.
        epsilon: a small number that keeps the denominator from 0.

    Source:
        Kingma, Ba, ICLR (2015), algorithm 1.

    Example:
        >>> import pinnkit as pk
        >>> pk.Adam(500, lr=3e-3, decay=0.1)
        Adam(iterations=500, lr=0.003, decay=0.1, beta1=0.9, beta2=0.999, epsilon=1e-08)
    """

    layout = LAYOUT
    iterations: Whole = 1000
    lr: Positive = 1e-3
    decay: Positive = 1.0
    beta1: Below1 = 0.9
    beta2: Below1 = 0.999
    epsilon: Positive = 1e-8

    @override
    def start(self, theta: Vector, objective: Objective | None) -> State:
        return {"m": torch.zeros_like(theta), "v": torch.zeros_like(theta), "steps": 0}

    @override
    def step(self, theta: Vector, state: Annotated[State, HELD], objective: Objective) -> tuple[Tensor, State, Step]:
        losses, g = objective.loss_and_gradient(theta)
        if not usable(losses, g):
            return back(theta, state, losses)
        n = state["steps"] + 1
        m = self.beta1 * state["m"] + (1 - self.beta1) * g
        v = self.beta2 * state["v"] + (1 - self.beta2) * g * g
        lr = self.lr * self.decay ** (min(n - 1, self.iterations) / max(1, self.iterations))
        ratio = (m / (1 - self.beta1**n)) / ((v / (1 - self.beta2**n)).sqrt() + self.epsilon)
        return theta - lr * ratio, {"m": m, "v": v, "steps": n, "before": theta}, Step(losses)
