"""Domains in space(-time): the box, and the interface that it shares with every other domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.tools.checked import Device, Finite, Whole, checked_but, fit
from pinnkit.tools.sequences import Seed

from .base import BOUNDARY, Domain, On, Patch, interval, names_of
from .point_set import coordinates
from .shapes import Cuboid

__all__ = ["Box", "Domain"]


@dataclass(frozen=True)
class Face:
    """A face of a box: the coordinate that is fixed on it, its number, whether at its upper end, and its value."""

    coordinate: str
    axis: int
    high: bool
    value: float


@checked_but("coordinates")
@dataclass(frozen=True, init=False, repr=False)
class Box(Domain):
    """The box prod_i [lower_i, upper_i]; the coordinate t is time.

    With time alone, ``Box(t=(0, 1))``, it is the domain of ordinary equations, whose boundary is empty.

    Args:
        coordinates: lower and upper bound of every coordinate by name, in order: ``Box(x=(-1, 1), t=(0, 1))``.

    Raises:
        ValueError: bounds that are not two finite numbers lower < upper, or no coordinate.

    Example:
        >>> import pinnkit as pk
        >>> box = pk.Box(x=(-1, 1), t=(0, 1))
        >>> box.faces, box.measure(), box.measure("x_min")
        (('x_min', 'x_max'), 2.0, 1.0)
    """

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    time: str | None

    def __init__(self, **coordinates: tuple[Any, Any]):
        self._fill(coordinates, "t" if "t" in coordinates else None)

    @classmethod
    def of(cls, coordinates: Mapping[str, tuple[Any, Any]], time: str | None = "t") -> "Box":
        """The box of a mapping from names to bounds.

        Args:
            coordinates: lower and upper bound of every coordinate by name.
            time: the name of time. Default "t". None: no coordinate is time.

        Raises:
            ValueError: as :class:`Box`, or a ``time`` that is not among the coordinates.
        """
        fit(Mapping[str, Any], coordinates, "Box.of: coordinates")
        if time not in (None, "t", *coordinates):
            raise ValueError(f"The time coordinate {time!r} is not among the coordinates {', '.join(coordinates)}.")
        box = object.__new__(cls)
        box._fill(coordinates, time if time in coordinates else None)
        return box

    def _fill(self, coordinates: Mapping[str, tuple[Any, Any]], time: str | None) -> None:
        if not coordinates:
            raise ValueError("A box needs at least one coordinate, as in Box(x=(-1, 1), t=(0, 1)).")
        ends = [interval(name, value) for name, value in coordinates.items()]
        values = {
            "names": tuple(coordinates),
            "lower": tuple(lo for lo, _ in ends),
            "upper": tuple(hi for _, hi in ends),
            "time": time,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        ends = {name: (lo, hi) for name, lo, hi in zip(self.names, self.lower, self.upper, strict=True)}
        if self.time == ("t" if "t" in ends else None):
            return f"Box({', '.join(f'{name}={value}' for name, value in ends.items())})"
        return f"Box.of({ends}, time={self.time!r})"

    @property
    def bounds(self) -> np.ndarray:
        """Lower and upper corner: (2, d)."""
        return np.array((self.lower, self.upper))

    @property
    def faces(self) -> tuple[str, ...]:
        """x_min, x_max and so on for every space coordinate."""
        return tuple(f"{name}_{end}" for name in self.space for end in ("min", "max"))

    def face_pair(
        self, name: str, n: Whole, *, method: str = "sobol", seed: Seed = 0, dtype: torch.dtype = torch.float64,
        device: Device = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The same n points on the lower and the upper face of a space coordinate.

        Args:
            name: the coordinate.
            n: number of points of each face.
            method: as in :meth:`sample`.
            seed: as there.
            dtype: as there.
            device: as there.

        Returns:
            Two tensors (n, d).

        Raises:
            ValueError: ``name`` is no space coordinate, or as :meth:`sample_boundary`.
        """
        if name not in self.space:
            raise ValueError(f"Box has no pair of faces {name!r}: expected one of {', '.join(self.space)}.")
        low, _ = self.sample_boundary(n, f"{name}_min", method=method, seed=seed, dtype=dtype, device=device)
        high = low.clone()
        high[:, self.names.index(name)] = self.upper[self.names.index(name)]
        return low, high

    def _body(self) -> Cuboid:
        i = [self.names.index(name) for name in self.space]
        return Cuboid(*self.bounds[:, i])

    def _chosen(self, on: On) -> list[int]:
        pairs = {name: (f"{name}_min", f"{name}_max") for name in self.space} | {BOUNDARY: self.faces}
        wanted = [face for name in names_of(on, (*pairs, *self.faces)) for face in pairs.get(name, (name,))]
        return [k for k, face in enumerate(self.faces) if face in wanted]

    def faces_on(self, on: On) -> tuple[str, ...]:
        """The faces that make up parts of the boundary: (x_min, x_max) for "x".

        Args:
            on: parts of the boundary.

        Returns:
            Names of faces.

        Raises:
            ValueError: unknown part.
        """
        return tuple(self.faces[k] for k in self._chosen(on))

    def face(self, name: str) -> Face:
        """The face x = a of a name such as ``x_min``: its coordinate, axis, side and place.

        Args:
            name: one of ``faces``.

        Raises:
            ValueError: a name that is none of the faces.
        """
        names_of(name, self.faces)
        k = self.faces.index(name)
        coordinate, high = self.space[k // 2], bool(k % 2)
        axis = self.names.index(coordinate)
        return Face(coordinate, axis, high, (self.upper if high else self.lower)[axis])

    def volume(self) -> float:
        """The volume in space, without time."""
        return self._body().volume

    @override
    def contains(self, x: np.ndarray, margin: Finite) -> np.ndarray:
        # Interior points are clipped coordinate by coordinate, so that only a tolerance is left to judge.
        return self._body().level(coordinates(x, self.space)) <= max(-margin, 0.0)

    @override
    def touches(self, x: np.ndarray, on: On, tol: Finite) -> np.ndarray:
        x = coordinates(x, self.space)
        gaps = np.stack([np.abs(x - end) <= tol for end in (self._body().lower, self._body().upper)], axis=2)
        near = gaps.reshape(len(x), len(self.faces))[:, self._chosen(on)].any(axis=1)
        return near & self.contains(x, -tol)

    @override
    def outward(self, x: np.ndarray, on: On) -> np.ndarray:
        x, chosen = coordinates(x, self.space), self._chosen(on)
        body, axes = self._body(), [k // 2 for k in chosen]
        ends = np.stack((body.lower, body.upper), axis=1).ravel()[chosen]
        gaps = np.abs(x[:, axes] - ends) / (body.upper - body.lower)[axes]
        units = np.stack((-np.eye(len(self.space)), np.eye(len(self.space))), axis=1).reshape(-1, len(self.space))
        return units[chosen][gaps.argmin(axis=1)]

    @override
    def patches(self, on: On) -> list[Patch]:
        pieces = self._body().pieces
        return [Patch(pieces[k].measure, pieces[k]) for k in self._chosen(on)]


def face_of(domain: Domain, name: str) -> Face:
    """The face of a box; ValueError: another domain, or an unknown name."""
    if not isinstance(domain, Box):
        raise ValueError(f"{domain!r} is no Box, whose parts {name!r} could be named after")
    return domain.face(name)
