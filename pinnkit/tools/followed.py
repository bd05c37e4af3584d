"""Who is watching: whether autograd, torch.func, a trace or an export follows what is computed with a tensor."""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def followed(X: Tensor) -> bool:
    """Whether what is computed from X must be torch operations, which somebody differentiates or writes down."""
    return (
        (X.requires_grad and torch.is_grad_enabled())
        or written_down()
        or torch._C._functorch.is_functorch_wrapped_tensor(X)
        or forward_ad.unpack_dual(X).tangent is not None
    )


def written_down() -> bool:
    """Whether a trace or an export, for points of any number, is being made."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()
