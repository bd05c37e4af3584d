"""Bodies with a known boundary: signed levels, outward normals, charts uniform in surface measure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import gamma, pi
from typing import Protocol

import numpy as np

Chart = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

ARC_NODES = 2**14


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of boundary, parametrised uniformly in surface measure.

    `chart` takes u in [0, 1)^params, (n, params), to points and outward unit normals, (n, d) each.
    """

    measure: float
    params: int
    chart: Chart = field(repr=False)


Numbers = Sequence[float] | np.ndarray


class Shape(Protocol):
    """A closed body {x : level(x) <= 0} of R^d: bounding box (d,) each, volume, pieces of the boundary."""

    lower: np.ndarray
    upper: np.ndarray
    volume: float
    pieces: tuple[Piece, ...]

    def level(self, x: np.ndarray) -> np.ndarray:
        """Negative inside, zero on the boundary, of the size of the distance near it: (n, d) -> (n,)."""
        ...

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The outward unit normal at points of the boundary: (n, d) -> (n, d)."""
        ...


class Cuboid:
    """The box prod_i [lower_i, upper_i] of any dimension; faces in the order x_min, x_max, y_min, ...

    Without any dimension, as the space of an ordinary equation in time, it is a point, and has no boundary.
    """

    lower: np.ndarray
    upper: np.ndarray
    volume: float
    pieces: tuple[Piece, ...]

    def __init__(self, lower: Numbers, upper: Numbers):
        self.lower, self.upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        self.volume = float(np.prod(self.upper - self.lower))
        self.pieces = tuple(self._face(axis, side) for axis in range(len(self.lower)) for side in (0, 1))

    def level(self, x: np.ndarray) -> np.ndarray:
        """max_i max(lower_i - x_i, x_i - upper_i): (n, d) -> (n,)."""
        return np.maximum(self.lower - x, x - self.upper).max(axis=1, initial=-np.inf)

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The normal of the nearest face: (n, d) -> (n, d)."""
        gaps = np.concatenate((self.lower - x, x - self.upper), axis=1)
        eye = np.eye(len(self.lower))
        return np.concatenate((-eye, eye))[gaps.argmax(axis=1)]

    def _face(self, axis: int, side: int) -> Piece:
        others = [i for i in range(len(self.lower)) if i != axis]
        return Piece(
            float(np.prod((self.upper - self.lower)[others])), len(others), partial(self._chart, others, axis, side)
        )

    def _chart(self, others: list[int], axis: int, side: int, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, normals = np.zeros((2, len(u), len(self.lower)))
        x[:, others] = self.lower[others] + (self.upper - self.lower)[others] * u
        x[:, axis] = (self.lower, self.upper)[side][axis]
        normals[:, axis] = 2 * side - 1
        return x, normals


class Ball:
    """The ball |x - center| <= radius in dimension d >= 2."""

    center: np.ndarray
    radius: float
    lower: np.ndarray
    upper: np.ndarray
    volume: float

    def __init__(self, center: Numbers, radius: float):
        self.center, self.radius = np.asarray(center, dtype=float), float(radius)
        self.lower, self.upper = self.center - self.radius, self.center + self.radius
        d = len(self.center)
        self.volume = pi ** (d / 2) / gamma(d / 2 + 1) * self.radius**d
        params = d - 1 if d <= 3 else d
        self.pieces: tuple[Piece, ...] = (Piece(d * self.volume / self.radius, params, self._chart),)

    def level(self, x: np.ndarray) -> np.ndarray:
        """The signed distance |x - center| - radius: (n, d) -> (n,)."""
        return np.linalg.norm(x - self.center, axis=1) - self.radius

    def normal(self, x: np.ndarray) -> np.ndarray:
        """(x - center) / |x - center|: (n, d) -> (n, d)."""
        return _unit(x - self.center)

    def _chart(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(self.center) == 2:
            direction = _circle(2 * pi * u[:, 0])
        elif len(self.center) == 3:
            # Archimedes: the height on a sphere is uniform.
            z = 2 * u[:, :1] - 1
            direction = np.hstack((np.sqrt(1 - z**2) * _circle(2 * pi * u[:, 1]), z))
        else:
            from scipy.special import ndtri  # slow to import

            direction = _unit(ndtri(np.clip(u, 1e-16, 1 - 1e-16)))
        return self.center + self.radius * direction, direction


class Polygon:
    """The simple polygon with vertices (m, 2) in either sense of rotation."""

    vertices: np.ndarray
    start: np.ndarray
    edge: np.ndarray
    volume: float
    lower: np.ndarray
    upper: np.ndarray
    length: np.ndarray
    outward: np.ndarray

    def __init__(self, vertices: Sequence[Sequence[float]] | np.ndarray):
        self.vertices = corners = np.asarray(vertices, dtype=float)
        following = np.roll(corners, -1, axis=0)
        signed = 0.5 * float(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]))
        self.start = corners if signed > 0 else corners[::-1]
        self.edge = np.roll(self.start, -1, axis=0) - self.start
        self.volume = abs(signed)
        self.lower, self.upper = corners.min(axis=0), corners.max(axis=0)
        self.length = np.linalg.norm(self.edge, axis=1)
        self.outward = np.stack((self.edge[:, 1], -self.edge[:, 0]), axis=1) / self.length[:, None]
        self.pieces: tuple[Piece, ...] = (Piece(float(self.length.sum()), 1, self._chart),)

    def level(self, x: np.ndarray) -> np.ndarray:
        """The signed distance to the nearest edge: (n, 2) -> (n,)."""
        odd, nearest = np.zeros(len(x), dtype=bool), np.full(len(x), np.inf)
        for k, (start, edge) in enumerate(zip(self.start, self.edge, strict=True)):
            nearest = np.minimum(nearest, self._squared(x, k))
            # Heights are compared with the vertices themselves, lest rounding let a ray slip between edges.
            crosses = (start[1] > x[:, 1]) != (self.start[(k + 1) % len(self.start), 1] > x[:, 1])
            if edge[1] != 0:
                odd ^= crosses & (x[:, 0] < start[0] + (x[:, 1] - start[1]) / edge[1] * edge[0])
        return np.where(odd, -1.0, 1.0) * np.sqrt(nearest)

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The normal of the nearest edge: (n, 2) -> (n, 2)."""
        nearest = np.argmin([self._squared(x, k) for k in range(len(self.length))], axis=0)
        return self.outward[nearest]

    def _squared(self, x: np.ndarray, k: int) -> np.ndarray:
        dx, dy = (x - self.start[k]).T
        ex, ey = self.edge[k]
        along = np.clip((dx * ex + dy * ey) / self.length[k] ** 2, 0, 1)
        return (dx - along * ex) ** 2 + (dy - along * ey) ** 2

    def _chart(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reached = np.concatenate(([0.0], np.cumsum(self.length)))
        arc = u[:, 0] * reached[-1]
        k = np.clip(np.searchsorted(reached, arc, side="right") - 1, 0, len(self.length) - 1)
        return self.start[k] + ((arc - reached[k]) / self.length[k])[:, None] * self.edge[k], self.outward[k]


class Ellipse:
    """The ellipse with half axes a, b, a along (cos angle, -sin angle): DeepXDE turns clockwise."""

    a: float
    b: float
    angle: float
    center: np.ndarray
    axes: np.ndarray
    frame: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    volume: float

    def __init__(self, center: Numbers, a: float, b: float, angle: float = 0.0):
        self.a, self.b, self.angle = a, b, angle = float(a), float(b), float(angle)
        self.center, self.axes = np.asarray(center, dtype=float), np.array([a, b])
        self.frame = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        extent = np.linalg.norm(self.frame * self.axes, axis=1)
        self.lower, self.upper = self.center - extent, self.center + extent
        self.volume = float(pi * a * b)
        self._arc = _ArcLength(lambda s: np.hypot(a * np.sin(s), b * np.cos(s)))
        self.pieces: tuple[Piece, ...] = (Piece(self._arc.total, 1, self._chart),)

    def level(self, x: np.ndarray) -> np.ndarray:
        """(|q| - 1) min(a, b), q in half axes, a lower bound of the distance: (n, 2) -> (n,)."""
        return (np.linalg.norm(self._scaled(x), axis=1) - 1) * self.axes.min()

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The direction of grad |q|: (n, 2) -> (n, 2)."""
        return _unit((self._scaled(x) / self.axes) @ self.frame.T)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return (x - self.center) @ self.frame / self.axes

    def _chart(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = self.center + (self.axes * _circle(self._arc.parameter(u[:, 0]))) @ self.frame.T
        return x, self.normal(x)


class Star:
    """The body |x - center| <= r(theta) = r_0 + sum_i a_i cos(i theta) + b_i sin(i theta)."""

    center: np.ndarray
    radius: float
    cos: np.ndarray
    sin: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    volume: float

    def __init__(self, center: Numbers, radius: float, cos: Numbers, sin: Numbers):
        self.center, self.radius = np.asarray(center, dtype=float), float(radius)
        m = min(len(cos), len(sin))
        self.cos, self.sin = np.asarray(cos, dtype=float)[:m], np.asarray(sin, dtype=float)[:m]
        reach = self.radius + float(np.hypot(self.cos, self.sin).sum())
        self.lower, self.upper = self.center - reach, self.center + reach
        self.volume = pi * (self.radius**2 + float(np.sum(self.cos**2 + self.sin**2)) / 2)
        self._arc = _ArcLength(lambda s: np.hypot(*self._radial(s)))
        self.pieces: tuple[Piece, ...] = (Piece(self._arc.total, 1, self._chart),)

    def level(self, x: np.ndarray) -> np.ndarray:
        """The radial distance |x - center| - r(theta): (n, 2) -> (n,)."""
        return np.linalg.norm(x - self.center, axis=1) - self._radial(self._angle(x))[0]

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The direction of r e_r - r' e_theta: (n, 2) -> (n, 2)."""
        theta = self._angle(x)
        r, slope = self._radial(theta)
        e_r = _circle(theta)
        return _unit(r[:, None] * e_r - slope[:, None] * np.stack((-e_r[:, 1], e_r[:, 0]), axis=1))

    def _angle(self, x: np.ndarray) -> np.ndarray:
        return np.arctan2(x[:, 1] - self.center[1], x[:, 0] - self.center[0])

    def _radial(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i = np.arange(1, len(self.cos) + 1)
        c, s = np.cos(np.multiply.outer(theta, i)), np.sin(np.multiply.outer(theta, i))
        return self.radius + c @ self.cos + s @ self.sin, c @ (i * self.sin) - s @ (i * self.cos)

    def _chart(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        theta = self._arc.parameter(u[:, 0])
        x = self.center + self._radial(theta)[0][:, None] * _circle(theta)
        return x, self.normal(x)


class _ArcLength:
    """s in [0, 2 pi) as a function of the fraction of the length of a closed curve of the given speed."""

    def __init__(self, speed: Callable[[np.ndarray], np.ndarray]):
        self.nodes = np.linspace(0, 2 * pi, ARC_NODES + 1)
        values = speed(self.nodes)
        self.reached = np.concatenate(([0.0], np.cumsum(values[1:] + values[:-1]) * pi / ARC_NODES))
        self.total = float(self.reached[-1])

    def parameter(self, fraction: np.ndarray) -> np.ndarray:
        return np.interp(fraction * self.total, self.reached, self.nodes)


def _circle(angle: np.ndarray) -> np.ndarray:
    return np.stack((np.cos(angle), np.sin(angle)), axis=1)


def _unit(v: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(v, axis=1, keepdims=True)
    return v / np.where(length == 0, 1.0, length)
