"""What every domain in space(-time) can do."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pinnkit.tools.checked import Count, Device, Finite, NotNegative, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.sequences import Seed, apportion, as_seed, derive, reject, unit_points

from .point_set import coordinates
from .shapes import Piece

On = str | Sequence[str]
XLike = TypeVar("XLike", Tensor, np.ndarray)
BOUNDARY = "boundary"


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a boundary piece where keep(x, normals) holds (None: everywhere), and its measure."""

    measure: float
    piece: Piece
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


@checked
class Domain(ABC):
    """A closed body in space, times an interval of time where there is a time coordinate.

    A domain states the `names` of its coordinates in order, which of them is `time`, its bounds and faces,
    and four methods: `volume`, `contains`, `touches`, `patches`; all else follows. Points are (n, d) with columns in
    the order of `names`; masks are of the kind (tensor or array) of the points asked about. `seed` is an integer or a
    `torch.Generator`; `method` is one of `pinnkit.tools.sequences.METHODS`.
    """

    names: tuple[str, ...]
    time: str | None

    @property
    @abstractmethod
    def bounds(self) -> np.ndarray:
        """The bounding box, lower and upper corner: (2, d)."""

    @property
    @abstractmethod
    def faces(self) -> tuple[str, ...]:
        """The names of the parts of the spatial boundary."""

    @abstractmethod
    def volume(self) -> float:
        """The volume of the body in space, without time."""

    @abstractmethod
    def contains(self, x: np.ndarray, margin: Finite) -> np.ndarray:
        """Which points lie in the body, at least a margin away from its boundary.

        Args:
            x: points (n, space), without time.
            margin: the distance, in units of the coordinates; below 0 it widens the body.

        Returns:
            A bool mask (n,).
        """

    @abstractmethod
    def touches(self, x: np.ndarray, on: On, tol: Finite) -> np.ndarray:
        """Which points lie on parts of the boundary, up to a tolerance.

        Args:
            x: points (n, space), without time.
            on: parts of the boundary.
            tol: the tolerance, in units of the coordinates.

        Returns:
            A bool mask (n,).

        Raises:
            ValueError: unknown part.
        """

    @abstractmethod
    def patches(self, on: On) -> list[Patch]:
        """The pieces of parts of the boundary, each with its measure and a chart.

        Args:
            on: parts of the boundary.

        Returns:
            The pieces.

        Raises:
            ValueError: unknown part.
        """

    def outward(self, x: np.ndarray, on: On) -> np.ndarray:
        """Outward unit normals at points of parts of the boundary, of the nearest face or body; the first at an edge.

        Args:
            x: points (n, space), without time.
            on: parts of the boundary.

        Returns:
            Normals (n, space).

        Raises:
            ValueError: unknown part, or a domain that knows no normals at points.
        """
        raise ValueError(f"{self!r} knows no normals at points: give them as columns of the point set ({on!r})")

    @property
    def space(self) -> tuple[str, ...]:
        """The names of the coordinates that are not time."""
        return tuple(name for name in self.names if name != self.time)

    def measure(self, on: On | None = None) -> float:
        """The volume of space x time, or the measure of parts of the spatial boundary x time.

        Args:
            on: parts of the boundary. Default None: the domain itself.
        """
        extent = self.volume() if on is None else sum(patch.measure for patch in self.patches(on))
        return float(extent * (np.ptp(self.bounds[:, self.names.index(self.time)]) if self.time else 1.0))

    def sample(
        self, n: Whole, *, method: str = "sobol", seed: Seed = 0, dtype: torch.dtype = torch.float64,
        device: Device = None,
    ) -> Tensor:  # fmt: skip
        """n points strictly inside, uniform in space-time.

        Args:
            n: number of points.
            method: "sobol" (default: evenly spread), "random", "halton", "lhs", or another of
                :mod:`pinnkit.tools.sequences`.
            seed: seed of the draw, or a torch generator.
            dtype: precision of the points.
            device: torch device of the points. Default None: the CPU.

        Returns:
            A tensor (n, d).

        Raises:
            ValueError: unknown method, or a domain that fills next to nothing of its bounding box.
        """
        return _tensor(self._interior(n, self.names, method, seed, dtype), dtype, device)

    def sample_initial(
        self, n: Whole, *, method: str = "sobol", seed: Seed = 0, dtype: torch.dtype = torch.float64,
        device: Device = None,
    ) -> Tensor:  # fmt: skip
        """n points strictly inside space, at the initial time; the one point there is where time is all.

        Args:
            n: number of points.
            method: as in :meth:`sample`.
            seed: as there.
            dtype: as there.
            device: as there.

        Returns:
            A tensor (n, d).

        Raises:
            ValueError: no time coordinate, or as :meth:`sample`.
        """
        start, _ = self._interval("sample_initial")
        x = self._interior(n, self.space, method, seed, dtype) if self.space else np.empty((min(n, 1), 0))
        return _tensor(self._join(x, np.full(len(x), start)), dtype, device)

    def sample_boundary(
        self,
        n: Whole,
        on: On = BOUNDARY,
        *,
        method: str = "sobol",
        seed: Seed = 0,
        dtype: torch.dtype = torch.float64,
        device: Device = None,
    ) -> tuple[Tensor, Tensor]:
        """n points on parts of the spatial boundary, with outward unit normals.

        The parts get numbers in proportion to their measures, at least one each where n allows.

        Args:
            n: number of points.
            on: parts of the boundary. Default: all of it.
            method: as in :meth:`sample`.
            seed: as there.
            dtype: as there.
            device: as there.

        Returns:
            Points (n, d) and normals (n, d), whose component in time is 0.

        Raises:
            ValueError: unknown part or method.
        """
        patches, seed = self.patches(on), as_seed(seed)
        if not patches:
            raise ValueError(f"The boundary part {on!r} is empty, so no point can be drawn from it.")
        counts = apportion(n, [patch.measure for patch in patches])
        drawn = [
            self._draw(patch, count, method, derive(seed, k))
            for k, (patch, count) in enumerate(zip(patches, counts, strict=True))
        ]
        X, normals = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
        return _tensor(X, dtype, device), _tensor(normals, dtype, device)

    def inside(self, X: XLike, tol: NotNegative = 1e-9) -> XLike:
        """Which points lie in the closed domain, widened by a tolerance.

        Args:
            X: points (n, d).
            tol: the tolerance, in units of the coordinates.

        Returns:
            A bool mask (n,).
        """
        x, t = self._split(X)
        mask = self.contains(x, -_coarsest(X, tol))
        if t is not None:
            start, end = self._interval("inside")
            mask &= (t >= start - _coarsest(X, tol)) & (t <= end + _coarsest(X, tol))
        return _as(mask, X)

    def on_boundary(self, X: XLike, on: On = BOUNDARY, tol: NotNegative = 1e-9) -> XLike:
        """Which points lie on parts of the spatial boundary, up to a tolerance, at any time.

        Args:
            X: points (n, d), whose time does not matter.
            on: parts of the boundary. Default: all of it.
            tol: how far from the boundary a point may be, in units of the coordinates.

        Returns:
            A bool mask (n,).

        Raises:
            ValueError: unknown part.
        """
        return _as(self.touches(self._split(X)[0], on, _coarsest(X, tol)), X)

    def on_initial(self, X: XLike, tol: NotNegative = 1e-9) -> XLike:
        """Which points of the domain are at the initial time, up to a tolerance.

        Args:
            X: points (n, d).
            tol: how far from that time a point may be, in units of the coordinates.

        Returns:
            A bool mask (n,).

        Raises:
            ValueError: no time coordinate.
        """
        start, _ = self._interval("on_initial")
        x, t = self._split(X)
        assert t is not None  # there is an interval of time
        return _as(self.contains(x, -_coarsest(X, tol)) & (np.abs(t - start) <= _coarsest(X, tol)), X)

    def grid(
        self, shape: Count | Sequence[Count], *, dtype: torch.dtype = torch.float64, device: Device = None
    ) -> tuple[dict[str, np.ndarray], Tensor, Tensor]:
        """The tensor grid of the bounding box, ends included.

        Args:
            shape: number of nodes along every coordinate, or one number for each.
            dtype: precision of the points.
            device: torch device of the points. Default None: the CPU.

        Returns:
            Axes by name, points (prod(shape), d) in C order, and the mask (prod(shape),) of those inside.

        Raises:
            ValueError: a shape that is not one positive integer, or one for each coordinate.
        """
        counts = [shape] * len(self.names) if isinstance(shape, int) else list(shape)
        if len(counts) != len(self.names) or min(counts) < 1:
            raise ValueError(
                f"Got the grid shape {shape!r}: expected a positive integer, or one for each of {self.names}."
            )
        nodes = math.prod(counts)
        afford(8 * 4 * nodes * len(counts), f"a grid of {nodes} nodes", "give fewer in every direction")
        axes = {
            name: np.linspace(low, high, count)
            for name, low, high, count in zip(self.names, *self.bounds, counts, strict=True)
        }
        X = np.stack([mesh.ravel() for mesh in np.meshgrid(*axes.values(), indexing="ij")], axis=1)
        return axes, _tensor(X, dtype, device), torch.as_tensor(self.inside(X), device=device)

    def _interval(self, wanted: str) -> tuple[float, float]:
        if self.time is None:
            raise ValueError(f"{wanted} needs a time coordinate, but the domain has only {', '.join(self.names)}.")
        start, end = self.bounds[:, self.names.index(self.time)].tolist()
        return start, end

    def _interior(self, n: int, names: tuple[str, ...], method: str, seed: Seed, dtype: torch.dtype) -> np.ndarray:
        seed = as_seed(seed)
        lower, upper = self.bounds[:, [self.names.index(name) for name in names]]
        spatial = [i for i, name in enumerate(names) if name != self.time]
        # Rounding to dtype must not carry a point to the boundary.
        margin = 4 * torch.finfo(dtype).eps * np.maximum(np.abs(lower), np.abs(upper))

        def draw(total: int) -> tuple[np.ndarray]:
            u = unit_points(total, len(names), method, seed)
            return (np.clip(lower + (upper - lower) * u, lower + margin, upper - margin),)

        def keep(x: np.ndarray) -> np.ndarray:
            return self.contains(x[:, spatial], margin[spatial].max(initial=0.0) / 2)

        return reject(n, draw, keep, method, "the domain")[0]

    def _draw(self, patch: Patch, n: int, method: str, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
        params = patch.piece.params

        def draw(total: int) -> tuple[np.ndarray, ...]:
            u = unit_points(total, params + (self.time is not None), method, seed)
            return *patch.piece.chart(u[:, :params]), u[:, params:]

        def keep(x: np.ndarray, normals: np.ndarray, u: np.ndarray) -> np.ndarray:
            return np.ones(len(x), dtype=bool) if patch.keep is None else patch.keep(x, normals)

        x, normals, u = reject(n, draw, keep, method, "a boundary part")
        if self.time is None:
            return x, normals
        start, end = self._interval("sample_boundary")
        return self._join(x, start + (end - start) * u[:, 0]), self._join(normals, np.zeros(n))

    def _join(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.insert(x, self.names.index(self.time), t, axis=1)

    def _split(self, X: Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        X = coordinates(X, self.names)
        if self.time is None:
            return X, None
        i = self.names.index(self.time)
        return np.delete(X, i, axis=1), X[:, i]


def names_of(on: On, known: Sequence[str]) -> tuple[str, ...]:
    """The names in `on`, each of which must be known.

    Raises:
        ValueError: an unknown name.
    """
    wanted = (on,) if isinstance(on, str) else tuple(on)
    for name in wanted:
        if name not in known:
            raise ValueError(f"The boundary part {name!r} is unknown: expected one of {', '.join(known)}.")
    return wanted


def interval(name: str, ends: tuple[Any, Any]) -> tuple[float, float]:
    """Two finite numbers lower < upper as floats; SymPy's numbers are welcome.

    Raises:
        ValueError: anything else.
    """
    try:
        lower, upper = (float(end) for end in ends)
    except (TypeError, ValueError):
        lower = upper = float("nan")
    if not (np.isfinite([lower, upper]).all() and lower < upper):
        raise ValueError(
            f"Got the bounds {ends!r} for {name!r}: expected two finite numbers (lower, upper), lower first."
        )
    return lower, upper


def _tensor(X: np.ndarray, dtype: torch.dtype, device: Device) -> Tensor:
    return torch.as_tensor(X, dtype=dtype, device=device)


def _as(mask: np.ndarray, X: XLike) -> XLike:
    return torch.as_tensor(mask, device=X.device) if isinstance(X, Tensor) else mask


def _coarsest(X: Tensor | np.ndarray, tol: float) -> float:
    # Points kept in float32 lie on a boundary only as well as float32 can say.
    single = X.dtype in (torch.float32, np.float32)
    if not (single and len(X)):
        return tol
    size = X.abs() if isinstance(X, Tensor) else np.abs(X)
    return max(tol, 4 * float(np.finfo(np.float32).eps) * float(size.max()))
