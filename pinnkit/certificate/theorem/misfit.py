"""What an approximate solution misses: norms of its misfits, which theorems ask for by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pinnkit.statement.symbolic.conditions import Condition, Periodic
from pinnkit.statement.symbolic.residual import Residual

from .proof import Enclosure

Breaks = tuple[tuple[float, ...], ...]  # of a grid by coordinate; one number where that is fixed


@dataclass(frozen=True, eq=False)
class Norm:
    """Upper bounds of the maximum, the L2 and the L1 norm of one misfit.

    ``envelope`` (n, 3) holds rows (from, to, maximum) of time, of a misfit on a wall, where they are known. ``swing``
    is half the oscillation of the antiderivative, of a misfit of initial values on an interval, where that is known.
    """

    sup: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    envelope: np.ndarray | None = None
    swing: float | None = None

    def to_dict(self) -> dict[str, float]:
        """The norms by name."""
        return {"sup": self.sup, "l2": self.l2, "l1": self.l1}


class Misfits(Protocol):
    """Norms of the misfits of one approximate solution, each of a function on a part of the domain.

    They are bounds where ``rigorous``; where ``signed``, ``cells`` gives the misfits themselves, cell by cell.
    """

    @property
    def rigorous(self) -> bool:
        """Whether the norms are upper bounds."""

    @property
    def signed(self) -> bool:
        """Whether the misfits are known with their signs."""

    @property
    def evaluation(self) -> str:
        """How the norms were found."""

    def named(self) -> dict[str, Norm]:
        """The norms that were asked for, by condition (and face)."""

    def initial(self, order: int = 0, by: tuple[str, ...] = ()) -> Norm:
        """Of the initial condition of that order, or of its derivative by the coordinates in ``by``, over space."""

    def wall(self, condition: Condition, face: str, by: tuple[str, ...] = ()) -> Norm:
        """Of a boundary condition on a face ("boundary" of other domains), over the face and time."""

    def residual(self) -> Norm:
        """Of the equation, over space and time, divided by the coefficient of the leading derivative."""

    def periodic(self, condition: Periodic) -> None:
        """Raises ValueError unless a condition of periodicity holds exactly."""

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Of the solution itself or a derivative, over space and time."""

    def apart(self, norm: str) -> float:
        """By how much, in that norm, the function that misses so much may differ from the solution."""

    def cells(self, residual: Residual, breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
        """A misfit as polynomials on the cells of a grid; ValueError where it has no enclosure."""
