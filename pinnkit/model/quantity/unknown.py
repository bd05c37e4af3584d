"""Unknown coefficients of inverse problems."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked

from .base import Functional


@checked
@dataclass(frozen=True, eq=False)
class Unknown(Functional):
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

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        known = list(solution.problem.unknowns)
        if self.coefficient not in known:
            trained = ", ".join(known) or "none"
            raise ValueError(f"{self.coefficient!r} was not trained: the unknown coefficients are {trained}")
        gradient, model, k = torch.zeros_like(solution.theta), solution.model, known.index(self.coefficient)
        model.split(gradient)[1][k] = model.coefficient_scales[k]
        return model.coefficients(solution.theta)[k][None], gradient[None]
