"""Conditions on parts of the boundary: values, normal derivatives, both, or any operator (of the interior too)."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp
from typing_extensions import override

from pinnkit.domain.box import Domain
from pinnkit.tools.checked import NotNegative, checked, checked_but
from pinnkit.tools.sympy_types import AppliedUndef

from .condition_checks import check_face, check_weight, settle
from .expression import as_expression
from .place import faces
from .residual import Kind, Residual, StatedCondition

On = str | tuple[str, ...]  # parts of the boundary


@checked
def normals(*variables: sp.Symbol) -> tuple[sp.Symbol, ...]:
    """The components of the outward unit normal n as symbols: ``n_x, n_y = normals(x, y)``.

    Args:
        variables: the space coordinates.

    Returns:
        A symbol for every coordinate.

    Example:
        >>> import pinnkit as pk
        >>> pk.normals(*pk.coordinates("x y"))
        (n_x, n_y)
    """
    return tuple(sp.Symbol(f"n_{v.name}", real=True) for v in variables)


@checked_but("value")
@dataclass(frozen=True)
class Valued(StatedCondition):
    """trace = value on a part of the boundary, where the trace is a linear function of u and its gradient there."""

    title: ClassVar[str]  # of the trace, with {u} for the field
    kind: ClassVar[Kind]
    u: AppliedUndef
    value: sp.Expr = 0.0  # of a number, an expression or a function of the coordinates
    on: On = "boundary"
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        settle(self, "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.title.format(u=self.u.func)} on {faces(self.on)}"

    @abstractmethod
    def trace(self, domain: Domain) -> sp.Expr:
        """What has the value there.

        Args:
            domain: the domain.
        """

    @override
    def residuals(self, domain: Domain) -> list[Residual]:
        check_face(self, domain)
        return [Residual(self.name, self.trace(domain) - self.value, faces(self.on), kind=self.kind)]


@checked_but("u", "value", "weight")
@dataclass(frozen=True)
class Dirichlet(Valued):
    """u = value on a part of the boundary.

    Args:
        u: the field.
        value: an expression of the coordinates, a number, or a torch function of them. Default 0.
        on: parts of the boundary: a face, a coordinate for both its faces, or "boundary" (default) for all.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field, or a value of the wrong kind.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> pk.Dirichlet(pk.field("u", x, t), 0.0, "x_min").name
        'u on x_min'
    """

    title: ClassVar[str] = "{u}"
    kind: ClassVar[Kind] = "dirichlet"

    @override
    def trace(self, domain: Domain) -> sp.Expr:
        return self.u


@checked_but("u", "value", "weight")
@dataclass(frozen=True)
class Neumann(Valued):
    """n . grad u = value on a part of the boundary, n the outward unit normal.

    Args:
        u: the field.
        value: the normal derivative, in any form that :class:`Dirichlet` takes. Default 0: a symmetric or sealed wall.
        on: parts of the boundary where it holds, as for :class:`Dirichlet`. Default: all.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field, or a slope of the wrong kind.

    Example:
        >>> import pinnkit as pk
        >>> x, y = pk.coordinates("x y")
        >>> pk.Neumann(pk.field("u", x, y), 1.0, "x_max").on
        'x_max'
    """

    title: ClassVar[str] = "d{u}/dn"
    kind: ClassVar[Kind] = "neumann"

    @override
    def trace(self, domain: Domain) -> sp.Expr:
        return _normal_derivative(self.u, domain)


@checked_but("u", "a", "b", "value", "weight")
@dataclass(frozen=True)
class Robin(StatedCondition):
    """a u + b n . grad u = value on a part of the boundary, n the outward unit normal.

    Args:
        u: the field.
        a: coefficient of u, as ``value``.
        b: coefficient of n . grad u, as ``value``.
        value: the right-hand side, in any form that :class:`Dirichlet` takes. Default 0.
        on: parts of the boundary where it holds, as for :class:`Dirichlet`. Default: all.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field, or a coefficient of the wrong kind.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> pk.Robin(pk.field("u", x, t), 1.0, 0.5, on="x_max").name
        'u Robin on x_max'
    """

    u: AppliedUndef
    a: sp.Expr
    b: sp.Expr
    value: sp.Expr = 0.0  # of a number, an expression or a function of the coordinates
    on: On = "boundary"
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        settle(self, "a", "b", "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} Robin on {faces(self.on)}"

    @override
    def residuals(self, domain: Domain) -> list[Residual]:
        check_face(self, domain)
        row = self.a * self.u + self.b * _normal_derivative(self.u, domain) - self.value
        return [Residual(self.name, row, faces(self.on), kind="robin")]


@checked_but("expression", "weight")
@dataclass(frozen=True)
class Operator(StatedCondition):
    """expression = 0 on the boundary, in the interior or at the initial time.

    Args:
        name: name of the term.
        expression: an expression in fields, derivatives, coordinates and normals.
        on: parts of the boundary (default: all), "pde" for the interior, or "initial".
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no expression.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> u = pk.field("u", x, t)
        >>> pk.Operator("radiation", u.diff(x) + u**4, "x_max").on
        'x_max'
    """

    name: str
    expression: sp.Expr
    on: On = "boundary"
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        check_weight(self)
        object.__setattr__(self, "expression", as_expression(self.expression, self.name))

    @override
    def residuals(self, domain: Domain) -> list[Residual]:
        if self.on == "initial" and domain.time is None:
            raise ValueError(f"{self.name}: the domain has no time coordinate: use a part of the boundary")
        if self.on not in ("pde", "initial"):
            check_face(self, domain)
        return [Residual(self.name, self.expression, faces(self.on), kind="operator")]


Boundary = Dirichlet | Neumann | Robin | Operator  # the conditions that hold ``on`` something


def _normal_derivative(u: AppliedUndef, domain: Domain) -> sp.Expr:
    space = [v for v in u.args if v.name != domain.time]
    return sum(n * u.diff(v) for n, v in zip(normals(*space), space, strict=True))
