"""Values of compiled residuals in torch operations alone, for autograd, torch.func, traces and exports."""

import torch
from torch import Tensor

from .residual_program import ResidualProgram
from .symbolic.lowering import image_coordinate


def followed_values(program: ResidualProgram, output: Tensor, X: Tensor, unknowns: Tensor) -> Tensor:
    """r at points X (B, d) that bring nothing else, from the network's channels (C, B, n), shape (B, R)."""
    given = {image_coordinate(v, 0): x for v, x in zip(program.variables, X.unbind(1), strict=True)}
    rows = program._values(given | program._channels(output, X.shape[0], unknowns))
    return torch.stack([r if isinstance(r, Tensor) else torch.full_like(X[:, 0], r) for r in rows], 1)
