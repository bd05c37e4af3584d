"""The boundary of a plane domain as smooth arcs, with Gauss points that gather at its corners."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pinnkit.domain.base import On, Patch
from pinnkit.domain.box import Domain
from pinnkit.domain.point_set import PointSet
from pinnkit.tools.gauss_panels import ORDER, Data, gauss_panels, resolve

CELLS = 2048  # in which corners and ends of a curve are looked for
TURN = 0.05  # of the normal between two cells: more is a corner
NOWHERE = np.zeros((0, 2))
NEAREST = 30  # bisections towards the end of an arc


@dataclass(frozen=True)
class Arc:
    """The part of a patch's curve between two of its parameters, without a corner inside; beyond 1 it starts anew.

    The ends of one that is ``cut`` are corners or places where something is singular, even where they are one.
    """

    patch: Patch
    start: float
    end: float
    is_cut: bool = False

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points and outward unit normals at fractions s (n,) of the arc, (n, 2) each."""
        u = self.start + (self.end - self.start) * np.clip(s, 1e-15, 1 - 1e-15)
        return self.patch.piece.chart(np.where(u > 1, u - 1, u)[:, None])

    def cut(self, places: np.ndarray) -> list["Arc"]:
        """The arc in parts that end at those of the places (K, 2) that lie on it, not at its ends."""
        found = sorted({s for place in places if (s := self._fraction(place)) is not None})
        if not found:
            return [self]
        ends = [*found, found[0] + 1] if self.closed else [0.0, *found, 1.0]
        at = [self.start + (self.end - self.start) * v for v in ends]
        return [Arc(self.patch, a, b, True) for a, b in zip(at[:-1], at[1:], strict=True)]

    def _fraction(self, place: np.ndarray) -> float | None:
        """Where a place lies on the arc; None off it and at the ends of one that is not closed."""
        s = np.linspace(0, 1, CELLS + 1)
        k = int(np.linalg.norm(self.at(s)[0] - place, axis=1).argmin())
        low, high = (k - 1) / CELLS, (k + 1) / CELLS
        if not self.closed:
            low, high = max(low, 0.0), min(high, 1.0)
        for _ in range(60):  # where the way to the place has no tangential part
            middle = (low + high) / 2
            (x,), (n,) = self.at(np.array([middle % 1.0]))
            ahead = (place - x) @ np.array([-n[1], n[0]]) * self._turn > 0
            low, high = (middle, high) if ahead else (low, middle)
        (x,), _ = self.at(np.array([low % 1.0]))
        if np.linalg.norm(x - place) > 1e-9 * self.length:
            return None
        return low % 1.0 if self.closed else low if 1e-6 < low < 1 - 1e-6 else None

    @property
    def _turn(self) -> float:
        """1 where the arc runs with the boundary's interior on its left, else -1."""
        (a, b), (n, _) = self.at(np.array([0.5 - 1e-4, 0.5 + 1e-4]))
        return 1.0 if (b - a) @ np.array([-n[1], n[0]]) > 0 else -1.0

    @property
    def length(self) -> float:
        """Its length."""
        return self.patch.piece.measure * (self.end - self.start)

    @property
    def closed(self) -> bool:
        """Whether it is a whole smooth curve."""
        if self.is_cut:
            return False
        (first, last), (n, m) = self.at(np.array([0.0, 1.0]))
        return bool(np.linalg.norm(first - last) < 1e-9 * self.length and np.linalg.norm(n - m) < TURN)


def arcs(domain: Domain, on: str | Sequence[str] = "boundary", cuts: np.ndarray = NOWHERE) -> list[Arc]:
    """The smooth arcs of parts of the boundary of a domain in the plane, cut at places (K, 2) on them as well."""
    found = [Arc(patch, *ends) for patch in domain.patches(on) for ends in _smooth(patch)]
    found = [arc for arc in found if arc.length > 1e-9 * arc.patch.piece.measure]
    return [part for arc in found for part in arc.cut(cuts)] if len(cuts) else found


def data(domain: Domain, arc: Arc, values: Callable[[PointSet], np.ndarray]) -> Data:
    """Data (rows, n) that are given at points, as a function of the fraction of an arc."""
    return lambda s: values(_set(domain, *arc.at(s)))


def points(
    domain: Domain, on: On, values: Callable[[PointSet], np.ndarray], count: int, cuts: np.ndarray = NOWHERE,
    order: int = ORDER,
) -> PointSet:  # fmt: skip
    """Gauss points on parts of the boundary, with weights of mean 1.

    There are ``count`` panels on the longest arc, and as many as resolve the data (rows, n) that are given at points.
    They gather at the ends of arcs, the ``cuts`` included. A panel has ``order`` points.
    """
    parts = arcs(domain, on, cuts)
    longest = max(arc.length for arc in parts)
    drawn = []
    for arc in parts:
        edges = np.linspace(0, 1, max(2, round(count * arc.length / longest)) + 1)
        near = edges[1] * 0.5 ** np.arange(NEAREST, 0, -1)
        edges = np.concatenate([edges[:1], near, edges[1:-1], (1 - near)[::-1], edges[-1:]])
        s, w = gauss_panels(resolve(data(domain, arc, values), edges), order)
        drawn.append((*arc.at(s), w * arc.length))
    return _set(domain, *(np.concatenate(part) for part in zip(*drawn, strict=True)))


def _set(domain: Domain, X: np.ndarray, normals: np.ndarray, weights: np.ndarray | None = None) -> PointSet:
    columns = {f"n_{name}": torch.as_tensor(normals[:, i].copy()) for i, name in enumerate(domain.space)}
    w = None if weights is None else torch.as_tensor(weights * (len(weights) / weights.sum()))
    return PointSet(torch.as_tensor(X), columns, weights=w)


def _smooth(patch: Patch) -> list[tuple[float, float]]:
    """The ranges of a curve's parameter that belong to the patch, cut at corners."""

    def look(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, normals = patch.piece.chart(u[:, None])
        return np.ones(len(u), bool) if patch.keep is None else patch.keep(x, normals), normals

    u = (np.arange(CELLS) + 0.5) / CELLS
    kept, normals = look(u)
    cuts = [0.0]
    for k in np.flatnonzero((kept[1:] != kept[:-1]) | (np.linalg.norm(np.diff(normals, axis=0), axis=1) > TURN)):
        low, high = u[k], u[k + 1]
        for _ in range(52):
            middle = (low + high) / 2
            now, normal = look(np.array([middle]))
            same = now[0] == kept[k] and np.linalg.norm(normal[0] - normals[k]) <= TURN / 2
            low, high = (middle, high) if same else (low, middle)
        cuts.append((low + high) / 2)
    cuts.append(1.0)
    middles = np.array([(a + b) / 2 for a, b in zip(cuts[:-1], cuts[1:], strict=True)])
    return [(a, b) for a, b, k in zip(cuts[:-1], cuts[1:], look(middles)[0], strict=True) if k]
