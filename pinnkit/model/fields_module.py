"""A solution's fields and derivatives as a torch module: what autograd, torch.func, traces and exports follow."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from pinnkit.statement.followed_values import followed_values
from pinnkit.statement.residual_program import ResidualProgram

from .model import Model


class FieldsModule(torch.nn.Module):
    """Expressions of a solution as a torch module from points (n, d) to (n, expressions), of torch operations alone.

    Its one parameter is theta (P,). Points are not looked at.

    Raises:
        TypeError: a network that torch cannot follow.
    """

    theta: torch.nn.Parameter

    def __init__(self, model: Model, theta: Tensor, program: ResidualProgram) -> None:
        super().__init__()
        with _disable_current_modes():  # an export that is going on must not find its way into what is remembered
            self._tape, self._program, self._split = model.tape, program, model.tape.count
            self.theta = torch.nn.Parameter(theta.detach().clone(), requires_grad=False)
            with torch.no_grad():
                self(model.problem.domain.sample(1, method="random", seed=0))

    def forward(self, X: Tensor) -> Tensor:
        """The expressions at points X (n, d)."""
        X = X.to(self.theta)
        N, _ = self._tape.followed(self.theta[: self._split], X, self._program.channels)
        return followed_values(self._program, N, X, self.theta[self._split :])
