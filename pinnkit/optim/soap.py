"""SOAP (Vyas et al. 2024) of the library pytorch-optimizer, the extra ``soap``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .stage import Objective, State, Step


@dataclass(frozen=True)
class SOAP:
    """SOAP on theta cut into matrices of ``shapes`` (each network layer's weights), else on theta as one vector."""

    iterations: int = 1000
    lr: float = 3e-3
    precondition_frequency: int = 2
    weight_decay: float = 0.0

    def start(self, theta: Tensor, objective: Objective) -> State:
        """Fresh moments; ImportError where the extra is not installed."""
        optimiser, _ = self._optimiser(theta, objective)
        return {"optimiser": _pack(optimiser.state_dict())}

    def renew(self, state: Mapping[str, Any]) -> State:
        """Moments and eigenbases stay."""
        return dict(state)

    def step(self, theta: Tensor, state: State, objective: Objective) -> tuple[Tensor, State, Step]:
        """One step; the losses are those at the parameters before it."""
        losses, g = objective.loss_and_gradient(theta)
        if not bool(torch.isfinite(losses).all() & torch.isfinite(g).all()):
            return theta, state, Step(losses, "the loss or its gradient is not finite")
        live = state.get("_live")
        optimiser, parameters = live if live is not None else self._optimiser(theta, objective)
        if live is None:
            optimiser.load_state_dict(_unpack(state["optimiser"]))
        with torch.no_grad():
            for p, value, slope in zip(parameters, _cut(theta, objective), _cut(g, objective), strict=True):
                p.copy_(value)
                p.grad = slope.clone()
        optimiser.step()
        new = torch.cat([p.detach().reshape(-1) for p in parameters])
        return new, {"optimiser": _pack(optimiser.state_dict()), "_live": (optimiser, parameters)}, Step(losses)

    def _optimiser(self, theta: Tensor, objective: Objective) -> tuple[torch.optim.Optimizer, list[Tensor]]:
        try:
            from pytorch_optimizer import SOAP as Library
        except ImportError as error:
            raise ImportError("the SOAP stage needs the extra: pip install 'pinnkit[soap]'") from error
        parameters = [torch.nn.Parameter(piece.clone()) for piece in _cut(theta, objective)]
        return Library(
            parameters, lr=self.lr, precondition_frequency=self.precondition_frequency, weight_decay=self.weight_decay
        ), parameters


def _cut(theta: Tensor, objective: Objective) -> list[Tensor]:
    """theta as views: every layer's matrix and bias, then the rest."""
    model = getattr(objective, "model", None)
    pieces, end = [], 0
    for op in getattr(getattr(model, "tape", None), "operations", ()):
        if hasattr(op, "weights"):
            pieces += list(op.weights(theta))
            end = op.offset + op.count
    return pieces + ([theta[end:]] if end < len(theta) else [])


def _pack(state: Mapping[str, Any]) -> dict[str, Any]:
    """A torch optimiser's state with text keys and lists as mappings, so that it can be written to a file."""

    def pack(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {"kind": "mapping"} | {f"k{k}": pack(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return {"kind": type(value).__name__} | {f"i{i}": pack(v) for i, v in enumerate(value)}
        return value

    return pack(state)


def _unpack(tree: Mapping[str, Any]) -> Any:
    def unpack(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        items = {k[1:]: unpack(v) for k, v in value.items() if k != "kind"}
        if value["kind"] == "mapping":
            return {int(k) if k.isdigit() else k: v for k, v in items.items()}
        made = [items[str(i)] for i in range(len(items))]
        return tuple(made) if value["kind"] == "tuple" else made

    return unpack(tree)
