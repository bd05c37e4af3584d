"""SOAP (Vyas et al. 2024) of the library pytorch-optimizer, the extra ``soap``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from torch import Tensor, nn, optim
from typing_extensions import override

from pinnkit.tools.checked import Count, NotNegative, Positive, Vector, Whole, checked
from pinnkit.tools.serialise import register

from .stage import Objective, Optimiser, State, Step, back, usable
from .state_layout import Layout, array, count, tree
from .torch_optimizer import Live, at_hand, cut, pack, try_on

LAYOUT = Layout({"optimiser": tree(), "steps": count(), "before": array("P", needed=False)})
HELD = LAYOUT.rule


@register
@checked
@dataclass(frozen=True)
class SOAP(Optimiser[Objective]):
    """Adam in the eigenbasis of Shampoo's preconditioner, on the matrices and vectors of the network.

    Moments and eigenbases stay when the points change.

    Args:
        iterations: the largest number of steps.
        lr: step size at the first iteration.
        precondition_frequency: steps between two updates of the eigenbasis.
        weight_decay: rate at which parameters shrink towards 0. Default 0: not at all.
        decay: the step size falls geometrically to lr * decay at the last iteration. Default 1: constant.

    Raises:
        ImportError: at the start of the stage, if the extra is not installed: ``pip install 'pinnkit[soap]'``.

    Source:
        Vyas et al., arXiv:2409.11321 (2024), algorithm 3, as in the library pytorch-optimizer.

    Example:
        >>> import pinnkit as pk
        >>> pk.SOAP(200).lr
        0.003
    """

    layout = LAYOUT
    iterations: Whole = 1000
    lr: Positive = 3e-3
    precondition_frequency: Count = 2
    weight_decay: NotNegative = 0.0
    decay: Positive = 1.0

    @override
    def start(self, theta: Vector, objective: Objective | None) -> State:
        return {"optimiser": pack(Live(self._made, theta, objective).optimiser.state_dict()), "steps": 0}

    @override
    def step(self, theta: Vector, state: Annotated[State, HELD], objective: Objective) -> tuple[Tensor, State, Step]:
        losses, g = objective.loss_and_gradient(theta)
        if not usable(losses, g):
            return back(theta, state, losses)
        n, live = state["steps"], at_hand(state, lambda: Live(self._made, theta, objective))
        lr = self.lr * self.decay ** (min(n, self.iterations) / max(1, self.iterations))
        live.optimiser.param_groups[0]["lr"] = lr
        new = live.step(cut(theta, objective), cut(g, objective))
        live.steps = n + 1
        packed = pack(live.optimiser.state_dict())
        return new, {"optimiser": packed, "steps": n + 1, "before": theta, "_live": live}, Step(losses)

    @override
    def check(self, theta: Tensor, state: Mapping[str, Any], objective: Any) -> None:
        super().check(theta, state, objective)
        try_on(state, lambda: Live(self._made, theta, objective), theta, objective)

    def _made(self, parameters: list[nn.Parameter]) -> optim.Optimizer:
        try:
            from pytorch_optimizer import SOAP as Library
        except ImportError as error:
            raise ImportError("the SOAP stage needs the extra: pip install 'pinnkit[soap]'") from error
        frequency, decay = self.precondition_frequency, self.weight_decay
        return Library(parameters, lr=self.lr, precondition_frequency=frequency, weight_decay=decay)
