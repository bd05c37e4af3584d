"""A bound: a number that a norm of the error does not exceed, and the theorem that says so."""

from collections.abc import Callable
from dataclasses import dataclass

from .misfit import Misfits


@dataclass(frozen=True)
class Bound:
    """An upper bound ``value`` of the error in ``norm``, by a theorem."""

    norm: str
    value: float
    theorem: str


Theorem = Callable[[Misfits], list[Bound]]


def integral_of_decay(rate: float, T: float) -> float:
    """int_0^T e^{-rate s} ds, for a rate of any sign."""
    from math import expm1

    return T if abs(rate * T) < 1e-12 else -expm1(-rate * T) / rate
