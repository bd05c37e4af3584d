"""Conditions at the initial time and on periodic faces; the kinds of conditions that a problem may have."""

from dataclasses import dataclass

import sympy as sp
from typing_extensions import override

from pinnkit.domain.box import Box, Domain
from pinnkit.tools.checked import NotNegative, Whole, checked_but
from pinnkit.tools.sympy_types import AppliedUndef

from .boundary_conditions import Boundary
from .condition_checks import settle
from .observations import Observations
from .place import INITIAL, pair
from .residual import Residual, StatedCondition


@checked_but("u", "value", "weight")
@dataclass(frozen=True)
class Initial(StatedCondition):
    """d^order u / dt^order = value at the initial time.

    Args:
        u: the field.
        value: an expression of the space coordinates, a number, or a torch function of the coordinates.
        order: order of the derivative. Default 0: u itself.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field, or a value that is none of these.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> pk.Initial(pk.field("u", x, t), x * (1 - x)).name
        'u initial'
    """

    u: AppliedUndef
    value: sp.Expr  # of a number, an expression or a function of the coordinates
    order: Whole = 0
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        settle(self, "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} initial" + (f" (d{self.order}t)" if self.order else "")

    @override
    def residuals(self, domain: Domain) -> list[Residual]:
        if domain.time is None:
            raise ValueError(f"{self.name}: the domain has no time coordinate: use Dirichlet on a face")
        t = self.u.args[domain.names.index(domain.time)]
        u = self.u.diff(t, self.order) if self.order else self.u
        return [Residual(self.name, u - self.value, INITIAL, kind="initial", order=self.order)]


@checked_but("u", "weight")
@dataclass(frozen=True)
class Periodic(StatedCondition):
    """u and its first derivatives agree on the two faces of one coordinate of a box.

    Args:
        u: the field.
        coordinate: name of the coordinate.
        order: highest derivative that agrees. Default 1, for equations of second order.
        weight: weight of the terms in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> pk.Periodic(pk.field("u", x, t), "x").order
        1
    """

    u: AppliedUndef
    coordinate: str
    order: Whole = 1
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        settle(self)

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} periodic in {self.coordinate}"

    @override
    def residuals(self, domain: Domain) -> list[Residual]:
        if not isinstance(domain, Box):
            raise ValueError(f"{self.name}: only a Box has opposite faces, and the domain is {domain!r}")
        if self.coordinate not in domain.space:
            known = f"one of {', '.join(domain.space)}" if domain.space else f"and {domain!r} has none"
            raise ValueError(f"{self.name}: expected a space coordinate, {known}")
        variable = self.u.args[domain.names.index(self.coordinate)]
        place, rows = pair(self.coordinate), []
        for k in range(self.order + 1):
            name, slope = (f"{self.name} (d{k})", self.u.diff(variable, k)) if k else (self.name, self.u)
            rows.append(Residual(name, slope, place, image=True, kind="periodic", order=k))
        return rows


Condition = Initial | Boundary | Periodic | Observations
