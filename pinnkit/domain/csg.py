"""DeepXDE's geometries read as trees of shapes: union, intersection, difference, leaves, volumes."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import gamma, pi, sqrt
from typing import Any, Literal

import numpy as np

from pinnkit.tools.sequences import unit_points

from .shapes import Ball, Cuboid, Ellipse, Piece, Polygon, Shape, Star

PROBES = 2**17


Kind = Literal["union", "intersection", "difference"]


@dataclass(frozen=True, eq=False)
class Leaf:
    """One shape of a tree; `source` is the DeepXDE object that it was read from, if it was."""

    shape: Shape
    source: Any = None

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        return type(self.shape if self.source is None else self.source).__name__

    @property
    def bounds(self) -> np.ndarray:
        """The bounding box: (2, d)."""
        return np.stack((self.shape.lower, self.shape.upper))

    @property
    def volume(self) -> float:
        """The volume of the shape."""
        return self.shape.volume

    def level(self, x: np.ndarray) -> np.ndarray:
        """The level of the shape: (n, d) -> (n,)."""
        return self.shape.level(x)

    def leaves(self, sign: int = 1) -> list[tuple["Leaf", int]]:
        """This leaf with its sign, -1 where its outside faces the body."""
        return [(self, sign)]


@dataclass(frozen=True, eq=False)
class Node:
    """A | B, A & B or A - B of two trees."""

    kind: Kind
    a: "Tree"
    b: "Tree"
    source: Any = None

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        return self.kind if self.source is None else type(self.source).__name__

    @property
    def bounds(self) -> np.ndarray:
        """A bounding box, not always the smallest: (2, d)."""
        (al, au), (bl, bu) = self.a.bounds, self.b.bounds
        if self.kind == "union":
            return np.stack((np.minimum(al, bl), np.maximum(au, bu)))
        return np.stack((np.maximum(al, bl), np.minimum(au, bu))) if self.kind == "intersection" else self.a.bounds

    @property
    def volume(self) -> float:
        """|A| + |B| - |A & B|, |A & B| or |A| - |A & B|: exact where |A & B| is, see `overlap`."""
        common = overlap(self.a, self.b)
        return {
            "union": self.a.volume + self.b.volume - common,
            "intersection": common,
            "difference": self.a.volume - common,
        }[self.kind]

    def level(self, x: np.ndarray) -> np.ndarray:
        """min(A, B), max(A, B) or max(A, -B) of the levels: (n, d) -> (n,)."""
        a, b = self.a.level(x), self.b.level(x)
        return np.minimum(a, b) if self.kind == "union" else np.maximum(a, -b if self.kind == "difference" else b)

    def leaves(self, sign: int = 1) -> list[tuple[Leaf, int]]:
        """All leaves with their signs, from left to right."""
        return self.a.leaves(sign) + self.b.leaves(-sign if self.kind == "difference" else sign)


Tree = Leaf | Node


def overlap(a: Tree, b: Tree) -> float:
    """|A & B|: exact for bodies apart or one within the other, else to about 1e-4 by 2^17 Sobol points."""
    lower, upper = np.maximum(a.bounds[0], b.bounds[0]), np.minimum(a.bounds[1], b.bounds[1])
    if (lower >= upper).any():
        return 0.0
    for one, other in ((b, a), (a, b)):
        x = _probe(*one.bounds)
        within = x[one.level(x) <= 0]
        if len(within) and (other.level(within) <= 0).all():
            return one.volume
    x = _probe(lower, upper)
    return float(np.mean((a.level(x) <= 0) & (b.level(x) <= 0)) * np.prod(upper - lower))


def read(geometry: Any) -> Tree:
    """The tree of a DeepXDE geometry, a float32 coordinate becoming the shortest decimal that rounds to it.

    DeepXDE stores float32 unless told otherwise: a wall typed as 4.1 is 4.0999999 there, and 4.1 here. A tree stays.

    Raises:
        ValueError: if the object is no DeepXDE geometry, or a cloud of points.
    """
    if isinstance(geometry, Tree):
        return geometry
    kinds: dict[str, Kind] = {"CSGUnion": "union", "CSGIntersection": "intersection", "CSGDifference": "difference"}
    if type(geometry).__name__ in kinds:
        return Node(kinds[type(geometry).__name__], read(geometry.geom1), read(geometry.geom2), geometry)
    # DeepXDE's own classes, and a user's that only behave like one: it has no contract to ask for
    drawable = all(callable(getattr(geometry, name, None)) for name in ("inside", "random_boundary_points"))
    if not drawable or type(geometry).__name__ == "PointCloud":
        raise ValueError(
            f"Got {geometry!r}: expected a DeepXDE geometry with an interior, such as deepxde.geometry.Disk([0, 0], 1)."
        )
    # A user's own subclass may have redefined any method, so only DeepXDE's own are known by heart.
    if type(geometry).__module__.startswith("deepxde."):
        for cls in type(geometry).__mro__:
            if cls.__name__ in _SHAPES:
                return Leaf(_SHAPES[cls.__name__](geometry), geometry)
    return Leaf(ForeignShape(geometry), geometry)


_SHAPES: dict[str, Callable[[Any], Shape]] = {
    "Interval": lambda g: Cuboid([_exact(g.l).item()], [_exact(g.r).item()]),
    "Hypercube": lambda g: Cuboid(_exact(g.xmin), _exact(g.xmax)),
    "Hypersphere": lambda g: Ball(_exact(g.center), _exact(g.radius).item()),
    "Ellipse": lambda g: Ellipse(_exact(g.center), g.semimajor, g.semiminor, g.angle),
    "StarShaped": lambda g: Star(_exact(g.center), g.radius, g.coeffs_cos, g.coeffs_sin),
    "Triangle": lambda g: Polygon(_exact([g.x1, g.x2, g.x3])),
    "Polygon": lambda g: Polygon(_exact(g.vertices)),
}


class ForeignShape:
    """Any other DeepXDE geometry: drawn by its own method, then moved along the normal onto its boundary.

    Volume and surface are estimated, the surface to some two per cent: a needle of length h and random
    direction at a random place crosses it with probability h |S| E|cos| / |box| (Crofton).
    """

    lower: np.ndarray
    upper: np.ndarray
    diameter: float
    volume: float

    def __init__(self, geometry: Any):
        self.geometry = geometry
        self.lower, self.upper = (_exact(b).reshape(-1) for b in geometry.bbox)
        self.diameter = float(np.linalg.norm(self.upper - self.lower))
        self.volume = float(self._inside(_probe(self.lower, self.upper)).mean() * np.prod(self.upper - self.lower))
        self.pieces: tuple[Piece, ...] = (Piece(self._surface(), 1, self._chart),)

    def level(self, x: np.ndarray) -> np.ndarray:
        """0 on the boundary as DeepXDE's tolerance has it, else -+ diameter: (n, d) -> (n,)."""
        side = np.where(self._inside(x), -self.diameter, self.diameter)
        return np.where(np.asarray(self.geometry.on_boundary(x)).reshape(-1), 0.0, side)

    def normal(self, x: np.ndarray) -> np.ndarray:
        """DeepXDE's own normal: (n, d) -> (n, d)."""
        return np.asarray(self.geometry.boundary_normal(x), dtype=float)

    def _inside(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.geometry.inside(x), dtype=bool).reshape(-1)

    def _surface(self) -> float:
        d, h = len(self.lower), 0.02 * self.diameter
        if d == 1:
            return 2.0
        x = _probe(self.lower - h, self.upper + h)
        needle = h * Ball(np.zeros(d), 1).pieces[0].chart(unit_points(PROBES, d, "random", 0))[0]
        mean_cosine = gamma(d / 2) / (sqrt(pi) * gamma((d + 1) / 2))
        crossed = np.mean(self._inside(x) != self._inside(x + needle))
        return float(crossed * np.prod(self.upper - self.lower + 2 * h) / (h * mean_cosine))

    def _chart(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # DeepXDE draws from numpy's global state, which is lent to it, seeded by u, and given back.
        state = np.random.get_state()
        try:
            np.random.seed(zlib.crc32(u.tobytes()))
            x = np.asarray(self.geometry.random_boundary_points(len(u)), dtype=float)
        finally:
            np.random.set_state(state)
        normal = self.normal(x)
        low, high = np.full((2, len(x), 1), 1e-4 * self.diameter) * np.array([-1.0, 1.0])[:, None, None]
        bracketed = (self._inside(x + low * normal) & ~self._inside(x + high * normal))[:, None]
        for _ in range(60):
            middle = (low + high) / 2
            inner = self._inside(x + middle * normal)[:, None]
            low, high = np.where(inner, middle, low), np.where(inner, high, middle)
        return np.where(bracketed, x + low * normal, x), normal


def _probe(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    return lower + (upper - lower) * unit_points(PROBES, len(lower), "sobol", 0)


def _exact(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype == np.float32:
        return np.array([float(str(v)) for v in array.ravel()]).reshape(array.shape)
    return array.astype(float)
