"""Unknown coefficients of inverse problems."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked


@checked
@dataclass(frozen=True, eq=False)
class Unknown:
    """f = an unknown coefficient of an inverse problem.

    Args:
        coefficient: its name.

    Example:
        >>> import pinnkit as pk
        >>> pk.Unknown("k").names
        ('k',)
    """

    coefficient: str

    @property
    def names(self) -> tuple[str, ...]:
        """The coefficient."""
        return (self.coefficient,)

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The value and the gradient by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (1,) and df/dtheta (1, P).

        Raises:
            ValueError: a coefficient that was not trained.
        """
        known = list(solution.problem.unknowns)
        if self.coefficient not in known:
            trained = ", ".join(known) or "none"
            raise ValueError(f"{self.coefficient!r} was not trained: the unknown coefficients are {trained}")
        gradient, model, k = torch.zeros_like(solution.theta), solution.model, known.index(self.coefficient)
        model.split(gradient)[1][k] = model.coefficient_scales[k]
        return model.coefficients(solution.theta)[k][None], gradient[None]
