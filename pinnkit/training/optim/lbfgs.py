"""L-BFGS: curvature from the last few steps (Liu, Nocedal 1989); for more parameters than a dense H can hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.tools.checked import Count, NotNegative, Vector, Whole, checked
from pinnkit.tools.serialise import register

from .quasi_newton import EVALUATED, descend, evaluated, first_step
from .stage import Objective, Optimiser, State, Step, drop
from .state_layout import Layout, array

LAYOUT = Layout({"S": array("pairs", "P"), "Y": array("pairs", "P"), **EVALUATED})
HELD = LAYOUT.rule


@register
@checked
@dataclass(frozen=True)
class LBFGS(Optimiser[Objective]):
    """Limited-memory BFGS: theta <- theta - alpha H g, with H from the last pairs of steps and gradient changes.

    The step alpha satisfies the strong Wolfe conditions.

    Pairs stay when the points change, since they describe the curvature of the loss; where H gives no descent they are
    dropped and theta stays.

    Args:
        iterations: the largest number of steps.
        memory: number of pairs kept. Default 50: more than usual, since the loss is ill-conditioned.
        tolerance: the stage ends when the largest entry of the gradient is below it.

    Source:
        Liu, Nocedal, Math. Program. 45 (1989), algorithm 2.1.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LBFGS(30)], progress=False)
        >>> u.stops
        ('LBFGS: all 30 iterations done (iteration 30)',)
    """

    layout = LAYOUT
    iterations: Whole = 1000
    memory: Count = 50
    tolerance: NotNegative = 1e-14

    @override
    def start(self, theta: Vector, objective: Objective | None) -> State:
        empty = theta.new_empty(0, len(theta))
        return {"S": empty, "Y": empty}

    @override
    def renew(self, state: Annotated[Mapping[str, Any], HELD]) -> State:
        return drop(state, "losses", "gradient", "gain")

    @override
    def step(self, theta: Vector, state: Annotated[State, HELD], objective: Objective) -> tuple[Tensor, State, Step]:
        state = evaluated(state, theta, objective)
        S, Y = state["S"], state["Y"]
        Hg = two_loops(S, Y, state["gradient"])
        found = descend(theta, state, objective, Hg, self.tolerance, first_step(state, Hg, len(S) > 0))
        if found.misled and len(S):
            return theta, state | {"S": S[:0], "Y": Y[:0]}, Step(found.losses)
        if found.curved and found.s is not None and found.y is not None:
            S, Y = torch.cat([S, found.s[None]])[-self.memory :], torch.cat([Y, found.y[None]])[-self.memory :]
        return found.theta, found.values | {"S": S, "Y": Y}, Step(found.losses, found.stop)


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
