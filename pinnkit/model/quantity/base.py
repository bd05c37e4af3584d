"""What every quantity is: numbers of a solution with their gradients; expressions as rows, several in a row."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.symbolic.place import data
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.checked import checked
from pinnkit.tools.memory import afford

Expression: TypeAlias = sp.Expr | str | float  # "u_x" stands for the derivative of that name
Curve = Callable[[Tensor], Tensor]  # moves (P, n) -> what f changes by along them beyond first order, (K, n)


@checked
class Functional(ABC):
    """K numbers f(theta) that are asked about; any class with ``names`` and ``linearise`` is one."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """What each of the numbers is called."""

    @abstractmethod
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """The values and their gradients by the parameters.

        Args:
            solution: the solution.

        Returns:
            f (K,) and df/dtheta (K, P).

        Raises:
            ValueError: the solution has no such quantity.
        """

    def curve(self, solution: Solution) -> Curve | None:
        """The change beyond first order as the fields move linearly, for what is far from linear in them, as squares.

        Args:
            solution: the solution.

        Returns:
            A function of the change of parameters, or None: there is no such change.
        """
        return None

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        return True if cls is Functional and hasattr(other, "linearise") else NotImplemented


def rows_of(solution: Solution, expression: Expression, points: PointSet) -> Stack:
    """An expression in fields, their derivatives, coordinates and the points' columns as rows (n,) of the solution."""
    e = solution.derivative(expression) if isinstance(expression, str) else sp.sympify(expression, strict=True)
    program = solution.model.program([Residual("f", e, data("f"))])
    absent = [s.name for s in program.columns if s.name not in points.columns]
    if absent:
        raise ValueError(
            f"{e} contains {absent[0]}, which is neither a coordinate, a field, a parameter nor given with the points"
        )
    return solution.model.rows({"f": points.to(solution.theta)}, {"f": program})


@dataclass(frozen=True, eq=False)
class Several(Functional):
    """Functionals in a row."""

    parts: tuple[Functional, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(n for part in self.parts for n in part.names)

    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Values (K,) and gradients (K, P)."""
        values, gradients = zip(*(part.linearise(solution) for part in self.parts), strict=True)
        return torch.cat(values), torch.cat(gradients)

    def curve(self, solution: Solution) -> Curve | None:
        """What those change by that have a curve, beyond first order; None where none has."""
        found = [curve_of(part, solution) for part in self.parts]
        counts = [len(part.names) for part in self.parts]
        if not any(found):
            return None

        def rest(moves: Tensor) -> Tensor:
            parts = [
                moves.new_zeros(n, moves.shape[1]) if curve is None else curve(moves)
                for curve, n in zip(found, counts, strict=True)
            ]
            return torch.cat(parts)

        return rest


def curve_of(of: Functional, solution: Solution) -> Curve | None:
    """What a functional changes by beyond first order; of a class that subclasses nothing here, where it says so."""
    if Functional in type(of).__mro__:
        return of.curve(solution)
    own = getattr(of, "curve", None)
    return None if own is None else own(solution)


def several(of: Functional | Sequence[Functional]) -> Functional:
    """One functional of one or many."""
    if isinstance(of, (list, tuple)):
        if not of:
            raise ValueError("no functional is given: ask about a field, a loss, an integral ...")
        return of[0] if len(of) == 1 else Several(tuple(of))
    if isinstance(of, Sequence) or not isinstance(of, Functional):
        raise TypeError(f"expected a functional such as pinnkit.at('u', x=0.2, t=0.5), got {type(of).__name__}")
    return of


def gram(stack: Stack, theta: Tensor, w: Tensor) -> Tensor:
    """J^T diag(w) J (P, P), without ever holding J."""
    P = len(theta)
    instead = "ask about fields, or use a smaller network"
    afford(theta.element_size() * P * P, f"the matrix of an error or loss for {P} parameters", instead, theta.device)
    matrix = theta.new_zeros(P, P)
    for numbers, _, J in stack.jacobian_blocks(theta):
        matrix.addmm_((J * w[numbers, None]).T, J)
    return matrix


def square(matrix: Tensor, moves: Tensor) -> Tensor:
    """d^T matrix d of every column d of moves (P, n), shape (1, n)."""
    return (moves * (matrix @ moves)).sum(0)[None]
