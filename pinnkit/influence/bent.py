"""What removals change losses and errors by beyond first order: the square of the step that they make."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .functional import Curve, Functional, curve_of

if TYPE_CHECKING:
    from .attribution import Influence


class Bent:
    """What single removals change functionals by beyond first order; the steps are those of Gauss-Newton.

    Near a minimum they differ little from the Hessian's, and they need no products for each of the points.
    """

    def __init__(self, influence: "Influence", one: Functional, convention: str) -> None:
        self.curve: Curve | None = curve_of(one, influence.solution)
        self._influence, self._shared = influence, convention == "mean"

    def of(self, key: str, J: Tensor, own: Tensor, together: Tensor) -> tuple[Tensor, Tensor]:
        """For each term alone (K, R, m) and for the point (K, m): rows J (R, m, P), their steps' factors (R, m)."""
        factor, stack = self._influence.curvature.factor, self._influence.stack
        U = torch.stack([getattr(factor, "base", factor).solve(rows.T.contiguous()) for rows in J])
        steps, both = U * own[:, None], (U * together[:, None]).sum(0)
        if self._shared:
            N, totals = len(stack.points[key]), torch.stack([self._influence.totals[n] for n in stack.names(key)])
            steps = (N * steps - totals[..., None]) / max(N - 1, 1)
            both = (N * both - totals.sum(0)[:, None]) / max(N - 1, 1)
        return torch.stack([self.curve(step) for step in steps], 1), self.curve(both)
