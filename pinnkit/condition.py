"""Conditions that make an equation a problem: initial, Dirichlet, Neumann, Robin, periodic, operator, data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

from .domain import Domain
from .expression import function

Value = sp.Expr | float | Callable[..., Tensor]


@dataclass(frozen=True)
class Residual:
    """An expression that vanishes at the points of ``key``; where ``image`` is set, its value there is subtracted."""

    name: str
    expression: sp.Expr
    key: str
    image: bool = False


def normals(*variables: sp.Symbol) -> tuple[sp.Symbol, ...]:
    """The components of the outward unit normal as symbols: ``n_x, n_y = normals(x, y)``."""
    return tuple(sp.Symbol(f"n_{v.name}", real=True) for v in variables)


def expression(value: Value, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """A value as an expression; a callable takes the coordinates as tensors of shape (B,)."""
    if callable(value) and not isinstance(value, sp.Basic):
        return function(value)(*variables)
    if isinstance(value, str):
        raise TypeError(f"{value!r} is text: give a SymPy expression, a number or a callable of the coordinates")
    return sp.sympify(value)


def _key(on: str | Sequence[str]) -> str:
    return on if isinstance(on, str) else "+".join(on)


@dataclass(frozen=True)
class Initial:
    """d^order u / dt^order = value at the initial time."""

    u: AppliedUndef
    value: Value
    order: int = 0
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} initial" + (f" (d{self.order}t)" if self.order else "")

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows; ValueError where the domain has no time."""
        if domain.time is None:
            raise ValueError(f"{self.name}: the domain has no time coordinate; use Dirichlet on a face instead")
        t = self.u.args[domain.names.index(domain.time)]
        u = self.u.diff(t, self.order) if self.order else self.u
        return [Residual(self.name, u - expression(self.value, self.u.args), "initial")]


@dataclass(frozen=True)
class Dirichlet:
    """u = value on part of the boundary (a face, a coordinate for both its faces, or "boundary")."""

    u: AppliedUndef
    value: Value = 0.0
    on: str | tuple[str, ...] = "boundary"
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} on {_key(self.on)}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows."""
        _check_face(self, domain)
        return [Residual(self.name, self.u - expression(self.value, self.u.args), _key(self.on))]


def _check_face(condition: Any, domain: Domain) -> None:
    try:
        domain.measure(condition.on)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{type(condition).__name__} on {condition.on!r} is not on the domain's boundary: choose among "
            f"boundary, {', '.join(domain.faces)}"
        ) from error


def _normal_derivative(u: AppliedUndef, domain: Domain) -> sp.Expr:
    space = [v for v in u.args if v.name != domain.time]
    return sum(n * u.diff(v) for n, v in zip(normals(*space), space, strict=True))


@dataclass(frozen=True)
class Neumann:
    """n . grad u = value on part of the boundary, n the outward unit normal."""

    u: AppliedUndef
    value: Value = 0.0
    on: str | tuple[str, ...] = "boundary"
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"d{self.u.func}/dn on {_key(self.on)}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows."""
        _check_face(self, domain)
        row = _normal_derivative(self.u, domain) - expression(self.value, self.u.args)
        return [Residual(self.name, row, _key(self.on))]


@dataclass(frozen=True)
class Robin:
    """a u + b n . grad u = value on part of the boundary."""

    u: AppliedUndef
    a: Value
    b: Value
    value: Value = 0.0
    on: str | tuple[str, ...] = "boundary"
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} Robin on {_key(self.on)}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows."""
        _check_face(self, domain)
        a, b, g = (expression(v, self.u.args) for v in (self.a, self.b, self.value))
        return [Residual(self.name, a * self.u + b * _normal_derivative(self.u, domain) - g, _key(self.on))]


@dataclass(frozen=True)
class Periodic:
    """u and its first ``order`` normal derivatives agree on the two faces of a coordinate of a box."""

    u: AppliedUndef
    coordinate: str
    order: int = 1
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The term's name in losses and reports."""
        return f"{self.u.func} periodic in {self.coordinate}"

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows, one for every order."""
        if self.coordinate not in domain.space or not hasattr(domain, "face_pair"):
            raise ValueError(f"{self.name}: expected a space coordinate of a Box, one of {', '.join(domain.space)}")
        variable = self.u.args[domain.names.index(self.coordinate)]
        key = f"periodic_{self.coordinate}"
        rows = [Residual(self.name, self.u, key, image=True)]
        for k in range(1, self.order + 1):
            rows.append(Residual(f"{self.name} (d{k})", self.u.diff(variable, k), key, image=True))
        return rows


@dataclass(frozen=True)
class Operator:
    """Any expression in fields, coordinates and normals that vanishes on part of the boundary, inside or initially."""

    name: str
    expression: sp.Expr
    on: str | tuple[str, ...] = "boundary"
    weight: float = 1.0

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows; ``on`` may also be "pde" (the interior) or "initial"."""
        if self.on not in ("pde", "initial"):
            _check_face(self, domain)
        return [Residual(self.name, self.expression, _key(self.on))]


@dataclass(frozen=True)
class Observations:
    """Measured values of a field (or of any expression in the fields) at given points: X (n, d), values (n,)."""

    u: sp.Expr
    X: Tensor
    values: Tensor
    name: str = "data"
    weight: float = 1.0

    def __post_init__(self) -> None:
        X = torch.as_tensor(np.asarray(self.X), dtype=torch.float64)
        values = torch.as_tensor(np.asarray(self.values), dtype=torch.float64).reshape(-1)
        if X.ndim != 2 or len(X) != len(values):
            raise ValueError(
                f"{self.name}: expected X of shape (n, d) and n values, got {tuple(X.shape)} and {tuple(values.shape)}"
            )
        bad = (~torch.isfinite(X)).any(1) | ~torch.isfinite(values)
        if bad.any():
            raise ValueError(
                f"{self.name}: {int(bad.sum())} of {len(bad)} observations are not finite (first at row "
                f"{int(bad.nonzero()[0])}): remove them"
            )
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "values", values)

    def residuals(self, domain: Domain) -> list[Residual]:
        """The residual rows."""
        if self.X.shape[1] != len(domain.names):
            raise ValueError(f"{self.name}: X has {self.X.shape[1]} columns, the domain {len(domain.names)} coordinates")
        return [Residual(self.name, self.u - self.symbol, self.name)]

    @property
    def symbol(self) -> sp.Symbol:
        """The measured value at a point, a column of its point set."""
        return sp.Symbol(f"{self.name}_value", real=True)


Condition = Initial | Dirichlet | Neumann | Robin | Periodic | Operator | Observations


@dataclass(frozen=True)
class PointSet:
    """Points X (n, d) with what belongs to each: normals or data as columns, an image point, a weight of mean 1."""

    X: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    image: Tensor | None = None
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        if self.X.ndim != 2:
            raise ValueError(f"a point set has shape (n, d), got {tuple(self.X.shape)}")
        if not torch.isfinite(self.X).all():
            raise ValueError("a point set contains coordinates that are not finite: remove them")

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Any) -> "PointSet":
        def pick(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[rows]

        columns = {k: v[rows] for k, v in self.columns.items()}
        return PointSet(self.X[rows], columns, pick(self.image), pick(self.weights))

    def to(self, like: Tensor) -> "PointSet":
        """The same points in the dtype and on the device of ``like``."""
        columns = {k: v.to(like) for k, v in self.columns.items()}
        image = None if self.image is None else self.image.to(like)
        weights = None if self.weights is None else self.weights.to(like)
        return PointSet(self.X.to(like), columns, image, weights)

    def join(self, other: "PointSet") -> "PointSet":
        """Both sets, this one first; weights are 1 where only one side has them."""
        weights = None
        if self.weights is not None or other.weights is not None:
            ones = [torch.ones_like(s.X[:, 0]) if s.weights is None else s.weights for s in (self, other)]
            weights = torch.cat(ones)
        image = None if self.image is None else torch.cat([self.image, other.image])
        columns = {k: torch.cat([v, other.columns[k]]) for k, v in self.columns.items()}
        return PointSet(torch.cat([self.X, other.X]), columns, image, weights)

    def weighted(self, weights: Tensor | None) -> "PointSet":
        """The same points with these weights."""
        return replace(self, weights=weights)
