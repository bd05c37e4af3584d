"""The error to the reference."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.tools.checked import checked

from .base import Curve, Functional, gram, rows_of, square


@checked
@dataclass(frozen=True, eq=False)
class Error(Functional):
    """f = |u - u*| / |u*|, the relative L2 error over the grid of the reference.

    Args:
        field: the field. Default None: all fields together.

    Example:
        >>> import pinnkit as pk
        >>> pk.Error("u").names
        ('relative L2 error of u',)
    """

    field: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (f"relative L2 error{f' of {self.field}' if self.field else ''}",)

    def _gaps(self, solution: Solution) -> tuple[list[tuple[Stack, Tensor]], Tensor]:
        """Rows of every field and u - u* on the grid, and |u*|^2; raises ValueError where there is no reference."""
        problem = solution.problem
        if problem.reference is None:
            raise ValueError(f"{problem.name} has no reference: ask about test_loss, or about a field at a point")
        known = problem.field_names
        if self.field not in (None, *known):
            raise ValueError(f"there is no field {self.field!r}: the fields are {', '.join(known)}")
        _, X, mask, exact = problem.reference.on_grid(problem.domain, known)
        kept, exact = X[mask].to(solution.theta), exact[mask].to(solution.theta)
        pairs, norm = [], solution.theta.new_zeros(())
        for i, name in enumerate(known):
            if self.field in (None, name):
                rows = rows_of(solution, name, PointSet(kept))
                pairs.append((rows, rows.values(solution.theta) - exact[:, i]))
                norm = norm + exact[:, i] @ exact[:, i]
        return pairs, norm

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        pairs, norm = self._gaps(solution)
        total = sum(gap @ gap for _, gap in pairs)
        gradient = sum(rows.vjp(solution.theta, gap) for rows, gap in pairs)
        return (total / norm).sqrt()[None], (gradient / (total * norm).sqrt())[None]

    @override
    def curve(self, solution: Solution) -> Curve:
        # the change |e + J d| - |e| - e J d / |e| beyond first order, for fields that move by J d
        pairs, norm = self._gaps(solution)
        none = torch.zeros_like(norm)
        total = sum((gap @ gap for _, gap in pairs), none)
        slope = sum((rows.vjp(solution.theta, gap) for rows, gap in pairs), none)
        matrix = sum((gram(rows, solution.theta, torch.ones_like(gap)) for rows, gap in pairs), none)

        def rest(moves: Tensor) -> Tensor:
            first = slope @ moves
            squared = (total + 2 * first + square(matrix, moves)[0]).clamp_min(0)
            return ((squared.sqrt() - total.sqrt() - first / total.sqrt()) / norm.sqrt())[None]

        return rest
