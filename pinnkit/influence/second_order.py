"""Second-order changes of losses and errors by removals: the term in the square of the parameters' step."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.model.quantity.base import Curve
from pinnkit.model.stack import Stack
from pinnkit.tools.damped_solve import Factor


@dataclass(frozen=True)
class SecondOrder:
    """The second-order changes of a functional by single removals, by its ``curve``; steps are those of Gauss-Newton.

    Near a minimum they differ little from the Hessian's, and need no products for each of the points. ``totals`` holds
    every term's gradient (P,) where a removal changes the mean over the points, None where it changes the sum.
    """

    curve: Curve
    factor: Factor
    stack: Stack
    totals: Mapping[str, Tensor] | None

    def of(self, key: str, J: Tensor, own: Tensor, together: Tensor) -> tuple[Tensor, Tensor]:
        """For each term alone (K, R, m) and for the point (K, m): rows J (R, m, P), their steps' factors (R, m)."""
        U = torch.stack([self.factor.definite.solve(rows.T.contiguous()) for rows in J])
        steps, both = U * own[:, None], (U * together[:, None]).sum(0)
        if self.totals is not None:
            N, totals = len(self.stack.points[key]), torch.stack([self.totals[n] for n in self.stack.names(key)])
            steps = (N * steps - totals[..., None]) / max(N - 1, 1)
            both = (N * both - totals.sum(0)[:, None]) / max(N - 1, 1)
        return torch.stack([self.curve(step) for step in steps], 1), self.curve(both)
