"""Losses on the training points and on fresh ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor
from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import Points, sample
from pinnkit.statement.problem import Problem
from pinnkit.tools.checked import Count, Whole, checked

from .base import Curve, Functional, gram, square


@checked
@dataclass(frozen=True, eq=False)
class Loss(Functional):
    """f = sum_m a_m r_m^2, the loss of all terms or of one.

    Args:
        points: points at which it is taken. Default None: the training points.
        term: the term. Default None: all.
        name: name of the result. Default "": made from the rest.

    Example:
        >>> import pinnkit as pk
        >>> pk.Loss(term="pde").names
        ('pde loss',)
    """

    points: Points | None = None
    term: str | None = None
    name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (self.name or f"{self.term or 'total'} loss",)

    def _rows(self, solution: Solution) -> tuple[Stack, Tensor]:
        """The rows, and their weights (M,); raises ValueError for a term that is not in the loss."""
        stack = solution.stack
        if self.points is not None:
            stack = solution.model.stack(self.points.to(solution.theta.dtype, solution.theta.device), solution.weights)
        if self.term is not None and self.term not in stack.terms:
            raise ValueError(f"there is no term {self.term!r}: the terms are {', '.join(stack.terms)}")
        w = stack.row_weights.clone()
        for name, part in stack.by_term(w).items():
            if self.term not in (None, name):
                part.zero_()
        return stack, w

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        stack, w = self._rows(solution)
        r = stack.values(solution.theta)
        return (w * r * r).sum()[None], stack.vjp(solution.theta, 2 * w * r)[None]

    @override
    def curve(self, solution: Solution) -> Curve:
        # the change sum a (J d)^2 beyond first order, for rows that move by J d
        stack, w = self._rows(solution)
        return partial(square, gram(stack, solution.theta, w))


@checked
def test_loss(
    problem: Problem, n: Count | Mapping[str, Count] = 2000, *, term: str | None = None, seed: Whole = 12345
) -> Loss:
    """f = sum_m a_m r_m^2, the loss on fresh points.

    Args:
        problem: the problem.
        n: number of interior points (other sets get a fifth of it), or numbers by set name.
        term: the term. Default None: all.
        seed: seed of the points.

    Returns:
        A functional.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> len(pk.measure(u, pk.test_loss(u.problem, 100)))
        1
    """
    return Loss(sample(problem, n, seed=seed), term, f"{term or 'total'} loss on fresh points")


test_loss.__test__ = False  # type: ignore[attr-defined]  # not for pytest
