"""The Gauss-Newton matrix of a row stack with the gradient of its loss, and its damped factors."""

from dataclasses import dataclass

from torch import Tensor

from pinnkit.tools.damped_solve import Primal

from .stack import Stack


@dataclass(frozen=True, eq=False)
class GaussNewton:
    """Of the loss |A^1/2 (r + J d)|^2: C = J^T A J (P, P), and half the gradient g = J^T A r (P,)."""

    matrix: Tensor
    gradient: Tensor

    @classmethod
    def of(cls, stack: Stack, theta: Tensor) -> "GaussNewton":
        """That of a row stack at theta."""
        return cls(*stack.normal(theta))

    def factor(self, damping: float) -> Primal:
        """C + damping I factored; ValueError where it is not positive definite."""
        return Primal.of(self.matrix, damping)
