"""Functions of other quantities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked

from .base import Functional, Several


@checked
@dataclass(frozen=True, eq=False)
class Function(Functional):
    """f = F(g_1, g_2, ...), a function of other functionals.

    Args:
        name: name of the result.
        F: differentiable torch function of all values in one vector, with one number as value.
        of: the functionals g.

    Example:
        >>> import pinnkit as pk
        >>> a, b = pk.at("u", x=0.2, t=0.5), pk.at("u", x=0.8, t=0.5)
        >>> pk.Function("difference", lambda g: g[0] - g[1], [a, b]).names
        ('difference',)
    """

    name: str
    F: Callable[[Tensor], Tensor]
    of: Sequence[Functional]

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (self.name,)

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        values, gradients = Several(tuple(self.of)).linearise(solution)
        g = values.detach().requires_grad_()
        value = self.F(g)
        if value.numel() != 1:
            raise ValueError(f"{self.name}: F gave a tensor of shape {tuple(value.shape)}, expected one number")
        (slope,) = torch.autograd.grad(value.sum(), g)
        return value.detach().reshape(1), slope[None] @ gradients
