"""A residual: what vanishes, where, and what it comes from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from pinnkit.domain.box import Domain

from .place import Place

Kind = Literal["equation", "initial", "dirichlet", "neumann", "robin", "periodic", "operator", "data", "interface"]


@dataclass(frozen=True)
class Residual:
    """An expression that vanishes at a place; with ``image`` its value at the points' images is subtracted.

    ``kind`` says what it comes from, and ``order`` which derivative of a field an initial or periodic condition is of.
    """

    name: str
    expression: sp.Expr
    place: Place
    image: bool = False
    kind: Kind = "equation"
    order: int = 0

    @property
    def key(self) -> str:
        """The name of the point set that it is evaluated at."""
        return str(self.place)


class StatedCondition(ABC):
    """A condition: what a problem states beside its equations, as residuals."""

    @abstractmethod
    def residuals(self, domain: Domain) -> list[Residual]:
        """What vanishes where the condition holds.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: a place that the domain does not have: a part of the boundary, a pair of faces, the initial
                time, or points outside.
        """
