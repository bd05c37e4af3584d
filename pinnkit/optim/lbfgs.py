"""L-BFGS: curvature from the last few steps (Liu, Nocedal 1989); for more parameters than a dense H can hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .quasi_newton import descend
from .stage import Objective, State, Step, drop


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with ``memory`` pairs and a strong-Wolfe line search."""

    iterations: int = 1000
    memory: int = 50
    tolerance: float = 1e-14

    def start(self, theta: Tensor, objective: Objective) -> State:
        """No pairs yet."""
        empty = theta.new_empty(0, len(theta))
        return {"S": empty, "Y": empty}

    def renew(self, state: Mapping[str, Any]) -> State:
        """Keep the pairs: they describe the loss, not the points."""
        return drop(state, "losses", "gradient")

    def step(self, theta: Tensor, state: State, objective: Objective) -> tuple[Tensor, State, Step]:
        """One step along -H g."""
        S, Y = state["S"], state["Y"]
        first = 1.0 if len(S) else min(1.0, 1.0 / max(1e-300, float(self._gradient_size(theta, state, objective))))
        theta, result, step = descend(
            theta, state, objective, lambda g: two_loops(S, Y, g), self.tolerance, first
        )
        if "s" in result:
            s, y = result["s"], result["y"]
            if float(s @ y) > 1e-14 * float(s.norm() * y.norm()):
                S, Y = torch.cat([S, s[None]])[-self.memory :], torch.cat([Y, y[None]])[-self.memory :]
        return theta, {"S": S, "Y": Y, "losses": result["losses"], "gradient": result["gradient"]}, step

    def _gradient_size(self, theta: Tensor, state: State, objective: Objective) -> Tensor:
        if "gradient" not in state:
            state["losses"], state["gradient"] = objective.loss_and_gradient(theta)
        return state["gradient"].abs().sum()


def two_loops(S: Tensor, Y: Tensor, g: Tensor) -> Tensor:
    """H g for the pairs s_i, y_i in the rows of S and Y, oldest first."""
    if not len(S):
        return g
    q, rho = g.clone(), 1 / (S * Y).sum(1)
    a = g.new_zeros(len(S))
    for i in reversed(range(len(S))):
        a[i] = rho[i] * (S[i] @ q)
        q -= a[i] * Y[i]
    q *= 1 / (rho[-1] * (Y[-1] @ Y[-1]))
    for i in range(len(S)):
        q += (a[i] - rho[i] * (Y[i] @ q)) * S[i]
    return q
