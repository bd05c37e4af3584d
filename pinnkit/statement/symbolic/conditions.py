"""Conditions that make an equation a problem: initial, boundary, periodic, any operator, measured data."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

from pinnkit.domain.box import Box, Domain
from pinnkit.domain.point_set import PointSet, real
from pinnkit.tools.checked import NotNegative, Whole, checked, checked_but, fit

from .expression import as_expression, expression
from .place import INITIAL, Place, data, faces, pair

__all__ = [
    "Boundary", "Condition", "Dirichlet", "Initial", "Neumann", "Observations", "Operator", "Periodic", "PointSet",
    "Residual", "Robin", "normals",
]  # fmt: skip

On = str | tuple[str, ...]


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


@checked_but("u", "value", "weight")
@dataclass(frozen=True)
class Initial:
    """d^order u / dt^order = value at the initial time.

    Args:
        u: the field.
        value: an expression of the space coordinates, a number, or a torch function of the coordinates.
        order: order of the derivative. Default 0: u itself.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field, or a value of the wrong kind.

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
        _settle(self, "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} initial" + (f" (d{self.order}t)" if self.order else "")

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual d^order u / dt^order - value.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: the domain has no time, or the order is no whole number of at least 0.
        """
        if domain.time is None:
            raise ValueError(f"{self.name}: the domain has no time coordinate: use Dirichlet on a face")
        t = self.u.args[domain.names.index(domain.time)]
        u = self.u.diff(t, self.order) if self.order else self.u
        return [Residual(self.name, u - self.value, INITIAL, kind="initial", order=self.order)]


@checked_but("u", "value", "weight")
@dataclass(frozen=True)
class Dirichlet:
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

    u: AppliedUndef
    value: sp.Expr = 0.0  # of a number, an expression or a function of the coordinates
    on: On = "boundary"
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        _settle(self, "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} on {faces(self.on)}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual u - value.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: ``on`` is no part of the boundary.
        """
        _check_face(self, domain)
        return [Residual(self.name, self.u - self.value, faces(self.on), kind="dirichlet")]


@checked_but("u", "value", "weight")
@dataclass(frozen=True)
class Neumann:
    """n . grad u = value on a part of the boundary, n the outward unit normal.

    Args:
        u: the field.
        value: an expression of the coordinates, a number, or a torch function of them. Default 0.
        on: parts of the boundary: a face, a coordinate for both its faces, or "boundary" (default) for all.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        TypeError: no field, or a value of the wrong kind.

    Example:
        >>> import pinnkit as pk
        >>> x, y = pk.coordinates("x y")
        >>> pk.Neumann(pk.field("u", x, y), 1.0, "x_max").on
        'x_max'
    """

    u: AppliedUndef
    value: sp.Expr = 0.0  # of a number, an expression or a function of the coordinates
    on: On = "boundary"
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        _settle(self, "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"d{self.u.func}/dn on {faces(self.on)}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual n . grad u - value.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: ``on`` is no part of the boundary.
        """
        _check_face(self, domain)
        row = _normal_derivative(self.u, domain) - self.value
        return [Residual(self.name, row, faces(self.on), kind="neumann")]


@checked_but("u", "a", "b", "value", "weight")
@dataclass(frozen=True)
class Robin:
    """a u + b n . grad u = value on a part of the boundary, n the outward unit normal.

    Args:
        u: the field.
        a: coefficient of u, as ``value``.
        b: coefficient of n . grad u, as ``value``.
        value: an expression of the coordinates, a number, or a torch function of them. Default 0.
        on: parts of the boundary: a face, a coordinate for both its faces, or "boundary" (default) for all.
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
        _settle(self, "a", "b", "value")

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} Robin on {faces(self.on)}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual a u + b n . grad u - value.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: ``on`` is no part of the boundary.
        """
        _check_face(self, domain)
        row = self.a * self.u + self.b * _normal_derivative(self.u, domain) - self.value
        return [Residual(self.name, row, faces(self.on), kind="robin")]


@checked_but("u", "weight")
@dataclass(frozen=True)
class Periodic:
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
        _settle(self)

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} periodic in {self.coordinate}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The differences between both faces, one residual for every order.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: the coordinate has no pair of faces.
        """
        if not isinstance(domain, Box):
            raise ValueError(f"{self.name}: only a Box has opposite faces, and the domain is {domain!r}")
        if self.coordinate not in domain.space:
            raise ValueError(f"{self.name}: expected a space coordinate, one of {', '.join(domain.space)}")
        variable = self.u.args[domain.names.index(self.coordinate)]
        place, rows = pair(self.coordinate), []
        for k in range(self.order + 1):
            name, slope = (f"{self.name} (d{k})", self.u.diff(variable, k)) if k else (self.name, self.u)
            rows.append(Residual(name, slope, place, image=True, kind="periodic", order=k))
        return rows


@checked_but("expression", "weight")
@dataclass(frozen=True)
class Operator:
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
        _check_weight(self)
        object.__setattr__(self, "expression", as_expression(self.expression, self.name))

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual, the expression itself.

        Args:
            domain: the domain.

        Returns:
            The residual, in a list.

        Raises:
            ValueError: "initial" in a domain without time, or ``on`` is no part of the boundary.
        """
        if self.on == "initial" and domain.time is None:
            raise ValueError(f"{self.name}: the domain has no time coordinate: use a part of the boundary")
        if self.on not in ("pde", "initial"):
            _check_face(self, domain)
        return [Residual(self.name, self.expression, faces(self.on), kind="operator")]


@checked_but("u", "X", "values", "weight")
@dataclass(frozen=True, eq=False)
class Observations:
    """Measured values of a field, or of an expression in fields, at points.

    Args:
        u: the field or expression.
        X: points (n, d).
        values: measured values (n,).
        name: name of the term.
        weight: weight of the term in the loss, relative to 1 for equations.

    Raises:
        ValueError: shapes that do not match, no points, or numbers that are complex or not finite.

    Example:
        >>> import torch
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> data = pk.Observations(pk.field("u", x, t), torch.rand(10, 2), torch.zeros(10))
        >>> data.name
        'data'
    """

    u: sp.Expr
    X: Tensor
    values: Tensor
    name: str = "data"
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        _check_weight(self)
        object.__setattr__(self, "u", as_expression(self.u, self.name))
        X, values = (_numbers(self.name, v) for v in (self.X, self.values))
        if X.ndim != 2 or values.shape not in ((len(X),), (len(X), 1)) or not len(X):
            raise ValueError(
                f"{self.name}: expected X of shape (n, d) and values of shape (n,), n at least 1, got "
                f"{tuple(X.shape)} and {tuple(values.shape)}"
            )
        values = values.reshape(-1)
        bad = (~torch.isfinite(X)).any(1) | ~torch.isfinite(values)
        if bad.any():
            raise ValueError(
                f"{self.name}: {int(bad.sum())} of {len(bad)} observations are not finite (first at row "
                f"{int(bad.nonzero()[0])}): remove them"
            )
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "values", values)

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual u - values.

        Args:
            domain: the domain.

        Returns:
            The residuals.

        Raises:
            ValueError: points outside the domain.
        """
        if self.X.shape[1] != len(domain.names):
            raise ValueError(
                f"{self.name}: X has {self.X.shape[1]} columns, expected one for every coordinate "
                f"({', '.join(domain.names)})"
            )
        outside = ~domain.inside(self.X)
        if outside.any():
            first = int(outside.nonzero()[0])
            raise ValueError(
                f"{self.name}: {int(outside.sum())} of {len(self.X)} observation points lie outside the domain by more "
                f"than 1e-9 (first at row {first}, {self.X[first].tolist()}): remove them, or enlarge the domain"
            )
        return [Residual(self.name, self.u - self.symbol, data(self.name), kind="data")]

    @property
    def symbol(self) -> sp.Symbol:
        """The measured value at a point, a column of its point set."""
        return sp.Symbol(f"{self.name}_value", real=True)


Boundary = Dirichlet | Neumann | Robin | Operator  # the conditions that hold ``on`` something
Condition = Initial | Boundary | Periodic | Observations


def _settle(condition: Any, *names: str) -> None:
    """Make the values expressions, once: a callable wrapped twice would be two functions."""
    if not isinstance(condition.u, AppliedUndef):
        raise TypeError(
            f"{type(condition).__name__} is on {condition.u}: expected a field such as u(x, t); derivatives "
            "have Neumann, Initial with an order, and Operator"
        )
    _check_weight(condition)
    for name in names:
        value = expression(getattr(condition, name), condition.u.args, f"{name} of {condition.name!r}")
        object.__setattr__(condition, name, value)


def _check_weight(condition: Any) -> None:
    weight = fit(NotNegative, condition.weight, f"{type(condition).__name__}: the weight of {condition.name!r}")
    object.__setattr__(condition, "weight", weight)


def _numbers(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor) or np.iscomplexobj(values):
        real(name, values)
    if isinstance(values, Tensor):
        return values.detach().to(torch.float64)
    try:
        return torch.as_tensor(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected arrays of numbers, got {type(values).__name__}") from None


def _check_face(condition: Any, domain: Domain) -> None:
    parts = (condition.on,) if isinstance(condition.on, str) else tuple(condition.on)
    kind = type(condition).__name__
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


def _normal_derivative(u: AppliedUndef, domain: Domain) -> sp.Expr:
    space = [v for v in u.args if v.name != domain.time]
    return sum(n * u.diff(v) for n, v in zip(normals(*space), space, strict=True))
