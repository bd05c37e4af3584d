"""What certificates ask of a network whose fields are closed forms that satisfy the equation by construction."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import sympy as sp
from torch import Tensor

from pinnkit.network.base import Network

from .misfit import Misfits

if TYPE_CHECKING:
    from pinnkit.model.solution import Solution

    from .form import Form

Enclosure = Callable[["Solution", "Form", float], Misfits]  # and the size of the solution's terms
Made = TypeVar("Made", bound=Enclosure)
ENCLOSURES: dict[type, Enclosure] = {}  # by the class of a network: how what it misses is bounded rigorously


class ClosedForm(Network):
    """A network whose fields satisfy the equation by construction: only its data can be missed."""

    def fronts(self, theta: Tensor) -> sp.Expr:
        """The part of the field with parameters theta (P,) that is not smooth."""
        del theta
        return sp.S.Zero

    def scale(self, solution: "Solution", X: Tensor) -> Tensor:
        """What the rounding of values at points X (n, d) is relative to, (n, ...): the values, or larger terms."""
        return solution(X).abs()


def encloses(*networks: type) -> Callable[[Made], Made]:
    """A class decorator: these misfits are rigorous bounds of what such networks miss."""

    def register(made: Made) -> Made:
        ENCLOSURES.update(dict.fromkeys(networks, made))
        return made

    return register
