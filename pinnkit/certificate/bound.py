"""A bound: a number that a norm of the error does not exceed, and the theorem that says so."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from .misfit import Misfits

LARGEST = 700.0  # of what is exponentiated


@dataclass(frozen=True)
class Bound:
    """An upper bound ``value`` of the error in ``norm``, by a theorem."""

    norm: str
    value: float
    theorem: str


Theorem = Callable[[Misfits], list[Bound]]


def integral_of_decay(rate: float, T: float) -> float:
    """int_0^T e^{-rate s} ds, for a rate of any sign."""
    if abs(rate * T) < 1e-12:
        return T
    return math.inf if -rate * T > LARGEST else -math.expm1(-rate * T) / rate


def grown(exponent: float) -> float:
    """e^exponent, infinite where that is no float: then there is no bound, which `certify` says."""
    return math.inf if exponent > LARGEST else math.exp(exponent)
