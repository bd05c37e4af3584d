"""Measured values of a field at points."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.domain.box import Domain
from pinnkit.domain.point_set import real
from pinnkit.tools.checked import NotNegative, checked_but

from .condition_checks import check_weight
from .expression import as_expression
from .place import data
from .residual import Residual, StatedCondition


@checked_but("u", "X", "values", "weight")
@dataclass(frozen=True, eq=False)
class Observations(StatedCondition):
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
        check_weight(self)
        object.__setattr__(self, "u", as_expression(self.u, self.name))
        X, values = _numbers(self.name, self.X), _numbers(self.name, self.values, self.u.is_real is not True)
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

    @override
    def residuals(self, domain: Domain) -> list[Residual]:
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


def _numbers(name: str, values: Any, complex_too: bool = False) -> Tensor:
    if complex_too and not isinstance(values, str) and np.iscomplexobj(values):
        return torch.as_tensor(np.asarray(values, dtype=complex))
    if isinstance(values, Tensor) or np.iscomplexobj(values):
        real(name, values)
    if isinstance(values, Tensor):
        return values.detach().to(torch.float64)
    try:
        return torch.as_tensor(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected arrays of numbers, got {type(values).__name__}") from None
