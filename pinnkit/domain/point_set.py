"""A set of points with all that belongs to each of them; a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinnkit.tools.checked import Places, checked
from pinnkit.tools.type_made import tensor


def real(name: str, values: Any) -> None:
    """Refuse complex numbers, of which the imaginary part would be lost; ValueError."""
    if values.is_complex() if isinstance(values, Tensor) else np.iscomplexobj(values):
        raise ValueError(f"{name}: the numbers are complex, and all is real here: give real and imaginary part apart")


def coordinates(X: Tensor | np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Points as an array (n, d) of doubles, a column for each name.

    Raises:
        ValueError: another shape, or numbers that are complex.
    """
    X = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    real("points", X)
    if X.ndim != 2 or X.shape[1] != len(names):
        raise ValueError(f"Got points of shape {X.shape}: expected (n, {len(names)}) for {', '.join(names)}.")
    return X.astype(float)


@checked
@dataclass(frozen=True, eq=False)
class PointSet:
    """Points X (n, d), with what belongs to each: columns such as normals or data, an image point, a weight.

    Args:
        X: coordinates (n, d).
        columns: values (n,) by name. Default: none.
        image: partner points (n, d), as on the opposite face of a periodic condition. Default None.
        weights: factors (n,) of mean 1 for the squared residuals in the loss. Default None: 1.

    Raises:
        ValueError: coordinates that are complex, not finite, or not of shape (n, d).

    Example:
        >>> import torch
        >>> import pinnkit as pk
        >>> len(pk.PointSet(torch.zeros(5, 2)))
        5
    """

    X: Places
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    image: Tensor | None = None
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        named = {"points": self.X, **self.columns, "images": self.image, "weights": self.weights}
        for what, values in named.items():
            if values is not None:
                real(what, values)
        n, d = self.X.shape
        shapes = dict.fromkeys(self.columns, (n,)) | {"images": (n, d), "weights": (n,)}
        for what, values in named.items():
            if values is not None and tuple(values.shape) != shapes.get(what, (n, d)):
                given, shape = tuple(values.shape), shapes[what]
                raise ValueError(f"a point set has {what} of shape {given}: expected {shape}, as it has {n} points")
        if not torch.isfinite(self.X).all():
            raise ValueError("a point set contains coordinates that are not finite: remove them")

    @classmethod
    def _taken(cls, value: Any) -> Any:
        """The set of points that are given as an array or a list, a row for each; anything else as it is."""
        X = tensor(value)
        return cls(X) if isinstance(X, Tensor) and X.ndim == 2 else value

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Any) -> "PointSet":
        def pick(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[rows]

        columns = {k: v[rows] for k, v in self.columns.items()}
        return PointSet(self.X[rows], columns, pick(self.image), pick(self.weights))

    def to(self, like: Tensor) -> "PointSet":
        """The same points in the dtype and on the device of a tensor.

        Args:
            like: the tensor.
        """
        columns = {k: v.to(like) for k, v in self.columns.items()}
        image = None if self.image is None else self.image.to(like)
        weights = None if self.weights is None else self.weights.to(like)
        return PointSet(self.X.to(like), columns, image, weights)

    def join(self, other: "PointSet") -> "PointSet":
        """Both sets, this one first; weights are 1 where only one side has them.

        Args:
            other: the second set.

        Raises:
            ValueError: one side lacks the normals, data or image points of the other.
        """
        if set(self.columns) != set(other.columns) or (self.image is None) != (other.image is None):
            raise ValueError(
                "two point sets can only be joined if both have the same normals, data and image points: "
                "draw the new points with problem.sample"
            )
        weights = None
        if self.weights is not None or other.weights is not None:
            ones = [torch.ones_like(s.X[:, 0]) if s.weights is None else s.weights for s in (self, other)]
            weights = torch.cat(ones)
        images = [s.image for s in (self, other) if s.image is not None]
        image = torch.cat(images) if images else None
        columns = {k: torch.cat([v, other.columns[k]]) for k, v in self.columns.items()}
        return PointSet(torch.cat([self.X, other.X]), columns, image, weights)

    def weighted(self, weights: Tensor | None) -> "PointSet":
        """The same points with other weights.

        Args:
            weights: factors (n,), or None for 1.
        """
        return replace(self, weights=weights)
