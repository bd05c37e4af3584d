"""A bound: a number that a norm of the error does not exceed, and the theorem that says so."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from .misfit import Misfits
from .proof import BarrierProof

LARGEST = 700.0  # of what is exponentiated


@dataclass(frozen=True)
class Bound:
    """An upper bound ``value`` of the error in ``norm``, by a theorem.

    Where a barrier gave it ``proof`` is there, and ``least``: the norm is no less than that, up to rounding. ``apart``
    is by how much, in that norm, the function that the proof is about may differ from the solution.
    """

    norm: str
    value: float
    theorem: str
    proof: BarrierProof | None = field(default=None, compare=False, repr=False)
    least: float = field(default=0.0, compare=False, repr=False)
    apart: float = field(default=0.0, compare=False, repr=False)

    def to_dict(self) -> dict[str, str | float]:
        """Norm, value and theorem."""
        return {"norm": self.norm, "value": self.value, "theorem": self.theorem}


Theorem = Callable[[Misfits], list[Bound]]


def integral_of_decay(rate: float, T: float) -> float:
    """int_0^T e^{-rate s} ds, for a rate of any sign."""
    if abs(rate * T) < 1e-12:
        return T
    return math.inf if -rate * T > LARGEST else -math.expm1(-rate * T) / rate


def grown(exponent: float) -> float:
    """e^exponent, infinite where that is no float: then there is no bound, which `certify` says."""
    return math.inf if exponent > LARGEST else math.exp(exponent)
