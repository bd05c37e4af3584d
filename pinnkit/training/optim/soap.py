"""SOAP (Vyas et al. 2024) of the library pytorch-optimizer, the extra ``soap``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from torch import Tensor, nn, optim

from pinnkit.tools.checked import Count, NotNegative, Positive, Vector, Whole, checked
from pinnkit.tools.serialise import register

from .stage import Objective, State, Step, holds, usable
from .torch_optimizer import Live, cut, pack, unpack

HELD = holds(numbers=("steps",), trees=("optimiser",))


@register
@checked
@dataclass(frozen=True)
class SOAP:
    """Adam in the eigenbasis of Shampoo's preconditioner, on the matrices and vectors of the network.

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

    iterations: Whole = 1000
    lr: Positive = 3e-3
    precondition_frequency: Count = 2
    weight_decay: NotNegative = 0.0
    decay: Positive = 1.0

    def start(self, theta: Vector, objective: Objective | None) -> State:
        """The state before the first step: zero moments.

        Args:
            theta: parameters (P,).
            objective: the loss, which the stage may need to lay out its state.

        Returns:
            The state: tensors, numbers and texts by name, which a run file can hold.

        Raises:
            ImportError: the extra is not installed.
        """
        return {"optimiser": pack(Live(self._made, theta, objective).optimiser.state_dict()), "steps": 0}

    def renew(self, state: Annotated[Mapping[str, Any], HELD]) -> State:
        """The state after the points have changed: moments and eigenbases stay.

        Args:
            state: the state of this stage.

        Returns:
            The state to continue with.
        """
        return dict(state)

    def step(self, theta: Vector, state: Annotated[State, HELD], objective: Objective) -> tuple[Tensor, State, Step]:
        """One step of SOAP; the losses it returns are those before the step.

        Args:
            theta: parameters (P,).
            state: the state of this stage. It is used up: its tensors may be overwritten.
            objective: the loss, with its gradient or its rows.

        Returns:
            New parameters (P,), the new state, and a ``Step`` with the losses by term and, if the stage must end, the
            reason.
        """
        losses, g = objective.loss_and_gradient(theta)
        if not usable(losses, g):
            return state.get("before", theta), state, Step(losses, "the loss or its gradient is not finite")
        n, live = state["steps"], state.get("_live")
        if live is None or live.steps != n:
            live = Live(self._made, theta, objective)
            live.optimiser.load_state_dict(unpack(state["optimiser"]))
        lr = self.lr * self.decay ** (min(n, self.iterations) / max(1, self.iterations))
        live.optimiser.param_groups[0]["lr"] = lr
        new = live.step(cut(theta, objective), cut(g, objective))
        live.steps = n + 1
        packed = pack(live.optimiser.state_dict())
        return new, {"optimiser": packed, "steps": n + 1, "before": theta, "_live": live}, Step(losses)

    def _made(self, parameters: list[nn.Parameter]) -> optim.Optimizer:
        try:
            from pytorch_optimizer import SOAP as Library
        except ImportError as error:
            raise ImportError("the SOAP stage needs the extra: pip install 'pinnkit[soap]'") from error
        frequency, decay = self.precondition_frequency, self.weight_decay
        return Library(parameters, lr=self.lr, precondition_frequency=frequency, weight_decay=decay)
