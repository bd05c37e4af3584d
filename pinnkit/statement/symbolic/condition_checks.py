"""What conditions check of their arguments: the field, the values, the weight, the part of the boundary."""

from typing import Any

from pinnkit.domain.box import Box, Domain
from pinnkit.tools.checked import NotNegative, fit
from pinnkit.tools.sympy_types import is_applied

from .expression import expression


def settle(condition: Any, *names: str) -> None:
    """Make the values expressions, once: a callable wrapped twice would be two functions."""
    if not is_applied(condition.u):
        raise TypeError(
            f"{type(condition).__name__} is on {condition.u}: expected a field such as u(x, t); for "
            "derivatives there are Neumann, Initial with an order, and Operator"
        )
    check_weight(condition)
    for name in names:
        value = expression(getattr(condition, name), condition.u.args, f"{name} of {condition.name!r}")
        object.__setattr__(condition, name, value)


def check_weight(condition: Any) -> None:
    """Make the weight a number; TypeError or ValueError for one that is not a finite number of at least 0."""
    weight = fit(NotNegative, condition.weight, f"{type(condition).__name__}: the weight of {condition.name!r}")
    object.__setattr__(condition, "weight", weight)


def check_face(condition: Any, domain: Domain) -> None:
    """ValueError for ``on`` that is no part of the domain's boundary."""
    kind = type(condition).__name__
    if not domain.space:
        raise ValueError(f"{kind} on {condition.on!r}: {domain!r} is time alone and has no boundary: use Initial")
    parts = (condition.on,) if isinstance(condition.on, str) else tuple(condition.on)
    if domain.time is not None and any(p in (domain.time, f"{domain.time}_min", "initial") for p in parts):
        raise ValueError(f"{kind} on {condition.on!r}: the initial time is no boundary: use Initial")
    try:
        measure = domain.measure(condition.on)
    except (ValueError, KeyError, TypeError):
        measure = 0.0
    if not measure > 0:
        pairs = domain.space if isinstance(domain, Box) else ()
        raise ValueError(
            f"{kind} on {condition.on!r} is not on the domain's boundary: choose among "
            f"{', '.join(('boundary', *pairs, *domain.faces))}"
        )
