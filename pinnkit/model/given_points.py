"""Points as they are given to a solution: rows (n, d), or an array for every coordinate by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.domain.point_set import real
from pinnkit.tools.checked import Places, fit
from pinnkit.tools.type_words import nearest

ROWS = Annotated[Tensor, *Places.__metadata__]
NEAR = 1e-6  # of a domain's size: how far outside a point may lie before that is said


@dataclass(frozen=True)
class GivenPoints:
    """Points X (n, d), the shape of coordinates given by name (None of rows), and whether all were NumPy's."""

    X: Tensor
    shape: tuple[int, ...] | None
    numpy: bool

    @classmethod
    def of(
        cls, domain: Domain, what: str, X: Any = None, coordinates: Mapping[str, Any] | None = None
    ) -> "GivenPoints":
        """Rows X (n, d), or the arrays of all coordinates by name, which are broadcast against each other.

        Raises:
            TypeError: both, or neither; a coordinate that is missing or that there is not; something other than
                numbers.
            ValueError: another shape than (n, d), or shapes that do not go together.
        """
        if isinstance(X, Mapping) and not coordinates:
            X, coordinates = None, X
        if (X is None) == (not coordinates):
            names = ", ".join(f"{name}=..." for name in domain.names)
            raise TypeError(f"{what}: give points (n, {len(domain.names)}), or all coordinates by name: {names}")
        if X is not None:
            if isinstance(X, np.ndarray):
                real(f"{what}: X", X)
            rows = fit(ROWS, torch.from_numpy(np.array(X)) if isinstance(X, np.ndarray) else X, f"{what}: X")
            return cls(rows, None, isinstance(X, np.ndarray))
        assert coordinates is not None
        return cls._named(domain, what, coordinates)

    @classmethod
    def _named(cls, domain: Domain, what: str, coordinates: Mapping[str, Any]) -> "GivenPoints":
        for name in coordinates:
            if name not in domain.names:
                known = nearest(name, domain.names, "they are")
                raise TypeError(f"{what}: there is no coordinate {name!r}{known}")
        if missing := [name for name in domain.names if name not in coordinates]:
            raise TypeError(f"{what}: the coordinate {missing[0]!r} is missing: give a number or an array for each")
        given = [coordinates[name] for name in domain.names]
        columns = [_column(f"{what}: {name}", v) for name, v in zip(domain.names, given, strict=True)]
        try:
            columns = list(torch.broadcast_tensors(*columns))
        except RuntimeError:
            shapes = ", ".join(f"{n} {tuple(c.shape)}" for n, c in zip(domain.names, columns, strict=True))
            raise ValueError(f"{what}: the coordinates have shapes that do not go together: {shapes}") from None
        X = torch.stack([column.reshape(-1) for column in columns], 1)
        arrays = any(isinstance(v, np.ndarray) for v in given) and not any(isinstance(v, Tensor) for v in given)
        return cls(X, tuple(columns[0].shape), arrays)

    def back(self, values: Tensor) -> Any:
        """Values (n, ...) in the shape and the library of what was given."""
        if self.shape is not None:
            values = values.reshape((*self.shape, *values.shape[1:]))
        return values.detach().cpu().numpy() if self.numpy else values


def _column(what: str, value: Any) -> Tensor:
    if isinstance(value, (Tensor, np.ndarray)):
        real(what, value)
    try:
        return value if isinstance(value, Tensor) else torch.tensor(np.array(value, float))
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{what} is {value!r:.40}: expected a number or an array of numbers") from None


def outside(domain: Domain, X: Tensor) -> str:
    """One sentence where points X (n, d) lie outside the domain; "" else."""
    if X.is_complex() or X.ndim != 2 or X.shape[1] != len(domain.names) or not len(X):
        return ""  # said where they are evaluated
    size = float((domain.bounds[1] - domain.bounds[0]).max())
    near = max(NEAR, 4 * float(torch.finfo(X.dtype).eps) if X.is_floating_point() else 0.0) * size
    out = ~torch.as_tensor(domain.inside(X.detach().double().cpu(), tol=near))
    if not bool(out.any()):
        return ""
    first = ", ".join(f"{n} = {c:.6g}" for n, c in zip(domain.names, X[out.to(X.device)][0].tolist(), strict=True))
    return (
        f"{int(out.sum())} of {len(X)} points lie outside the domain, the first at {first}: nothing was trained there"
    )
