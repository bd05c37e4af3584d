"""A network's value in ordinary differentiable torch operations: what fast passes are compared with."""

import torch

from pinnkit.network.jets.tape import Tape


def plain(tape: Tape, theta: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """The network's value (B, n) in ordinary differentiable torch operations."""
    features = tape.features
    z = X @ features.omega.T + features.phase
    values = [torch.where(features.wave, torch.sin(z), z)]
    for op in tape.operations:
        kind = type(op).__name__
        if kind == "Linear":
            W, b = op.weights(theta)
            values.append(values[op.source] @ W.T + b)
        elif kind == "Activate":
            values.append(FUNCTIONS[op.activation.name](values[op.source]))
        else:
            f, u, v = values[op.f], values[op.u], values[op.v]
            values.append(v + f * (u - v))
    return values[-1]


FUNCTIONS = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "silu": torch.nn.functional.silu,
    "softplus": torch.nn.functional.softplus,
    "gelu": torch.nn.functional.gelu,
}
