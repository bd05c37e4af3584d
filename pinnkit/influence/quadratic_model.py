"""The loss near a solution as a quadratic: rows, curvature and leverage, and what responds to a change."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.curvature import Curvature, curvature
from pinnkit.model.published_curvature import published_curvature, unweighted
from pinnkit.model.quantity.base import Functional, several
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.tools.checked import Damping

from .attribution import Stationarity
from .identity_curvature import IdentityCurvature

BASELINES = ("published", "gradient-dot")  # methods to compare with: their own objective, nothing corrected
MANY = 8  # from this number of functionals on, rows and one matrix product cost less than a tangent pass for each
Asked = Functional | Sequence[Functional]


class QuadraticModel:
    """sum_m a_m (r_m + J_m d)^2 + d^T (C - J^T A J) d + damping |d|^2 of the parameters' change d."""

    solution: Solution

    def __init__(self, solution: Solution, kind: str | Curvature, damping: Damping) -> None:
        self.solution, self._kind, self._damping = solution, kind, damping

    @cached_property
    def curvature(self) -> Curvature:
        """The factored curvature; computed once."""
        if not isinstance(self._kind, str):
            return self._kind
        if self._kind in BASELINES:
            own = published_curvature(self.solution) if self._kind == "published" else IdentityCurvature()
            return own  # type: ignore[return-value]  # what is only compared with has no leverage and no rule
        return curvature(self.stack, self.solution.theta, self._kind, self._damping)

    @cached_property
    def stack(self) -> Stack:
        """The rows that were trained on, with their weights (ones for the methods to compare with)."""
        return unweighted(self.solution) if self.baseline else self.solution.stack

    @property
    def baseline(self) -> bool:
        """Whether this is a method to compare with."""
        return isinstance(self._kind, str) and self._kind in BASELINES

    @cached_property
    def stationarity(self) -> Stationarity:
        """How far the model is from a minimum."""
        losses, gradient = self.stack.loss_and_gradient(self.solution.theta)
        loss, half = float(losses.sum()), gradient / 2
        gain = float(half @ self.curvature.solve(half)) / max(loss, 1e-300)
        return Stationarity(float(gradient.norm()), loss, gain)

    @property
    def described(self) -> str:
        """The curvature in a line."""
        return str(self.curvature) if isinstance(self.curvature, Curvature) else self.curvature.name

    def response(self, functional: Asked) -> tuple[Tensor, Tensor]:
        """f (K,) and S = (C + damping)^-1 df/dtheta^T (P, K)."""
        values, gradients = several(functional).linearise(self.solution)
        return values, self.curvature.solve(gradients.T.contiguous())

    def by_point(self, stack: Stack) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
        """Point set, row numbers (R, m), r (R, m) and J (R, m, P) of blocks of points."""
        for key, numbers, r, rows in stack.jacobian_by_point(self.solution.theta):
            yield key, numbers, r, torch.stack(list(rows))

    def coupling(self, J: Tensor, a: Tensor, present: bool = True) -> Tensor:
        """A_z^1/2 J_z (C + damping)^-1 J_z^T A_z^1/2 of the R rows of each point, shape (m, R, R).

        For ``present`` points, where all others have curvature of their own, it is at most t / (t + damping),
        t = tr A J J^T. An indefinite Hessian can break this bound, and with it the sign of a removal: it is enforced.
        """
        most = (a * J.square().sum(2)).sum(0)
        most = most / (most + self.curvature.damping) if present else torch.full_like(most, torch.inf)
        if len(J) == 1:
            return (self.curvature.leverage(J[0]) * a[0]).clamp(max=most)[:, None, None]
        solved = torch.stack([self.curvature.solve(rows.T.contiguous()).T for rows in J])
        root = a.T.sqrt()
        B = torch.einsum("rmp,smp->mrs", J, solved) * root[:, :, None] * root[:, None, :]
        s, U = torch.linalg.eigh((B + B.mT) / 2)
        return (U * s.clamp(max=most[:, None])[:, None, :]) @ U.mT

    @cached_property
    def leverage(self) -> dict[str, Tensor]:
        """h_m = a_m J_m (C + damping)^-1 J_m^T of every row, by loss term, (N,): 0 superfluous, 1 fitted exactly."""
        h = torch.empty_like(self.stack.row_weights)
        for numbers, _, J in self.stack.jacobian_blocks(self.solution.theta):
            a = self.stack.row_weights[numbers][None]
            h[numbers] = self.coupling(J[None], a)[:, 0, 0]
        return self.stack.by_term(h)

    @cached_property
    def totals(self) -> dict[str, Tensor]:
        """(C + damping)^-1 of the half gradient of every term, (P,)."""
        theta = self.solution.theta
        g, found = self.stack.row_weights * self.stack.values(theta), {}
        for name in self.stack.terms:
            alone = torch.zeros_like(g)
            self.stack.by_term(alone)[name].copy_(self.stack.by_term(g)[name])
            found[name] = self.curvature.solve(self.stack.vjp(theta, alone))
        return found

    def first_order_totals(self, S: Tensor) -> dict[str, Tensor]:
        """The sum of all first-order effects by point set, (K,)."""
        theta = self.solution.theta
        ar = self.stack.row_weights * self.stack.values(theta)
        moved = torch.stack([self.stack.jvp(theta, s.contiguous()) for s in S.T])
        none = torch.zeros(())
        return {
            key: sum((e.sum(1) for e in rows.unbind(1)), none) for key, rows in self.stack.by_key(ar * moved).items()
        }

    def rows_at(self, chosen: Mapping[str, tuple[PointSet, Tensor | None]]) -> tuple[Tensor, Tensor, Tensor]:
        """a, r and J of some points; with their numbers they have their training weights, without w / N."""
        parts = []
        for key, (points, rows) in chosen.items():
            sub = self.solution.model.rows({key: points.to(self.solution.theta)})
            R, n = len(sub.names(key)), len(points)
            if rows is None:
                w = [self.stack.weights[name] / len(self.stack.points[key]) for name in sub.names(key)]
                a = sub.like.new_tensor(w)[:, None].expand(R, n)
            else:
                a = self.stack.rows_of(key, self.stack.row_weights)[:, rows]
            parts.append((a.reshape(-1), sub.values(self.solution.theta), sub.jacobian(self.solution.theta)))
        a, r, J = (torch.cat(p) for p in zip(*parts, strict=True))
        return a, r, J


def solve_each(B: Tensor, a: Tensor, r: Tensor, sign: float) -> Tensor:
    """(I + sign A^-1/2 B A^1/2)^-1 r for every point: r (R, m), B (m, R, R)."""
    root = a.T.sqrt()
    moved = torch.linalg.solve(torch.eye(len(r)).to(B) + sign * B, (root * r.T)[:, :, None])[..., 0]
    return (moved / root.clamp_min(1e-300)).T
