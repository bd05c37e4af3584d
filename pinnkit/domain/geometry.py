"""Any DeepXDE geometry, CSG included, as a domain, with its boundary drawn by measure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from pinnkit.tools.checked import Finite, checked
from pinnkit.tools.pickled import Pickled
from pinnkit.tools.sequences import unit_points

from .base import BOUNDARY, Domain, On, Patch, interval, names_of
from .csg import ForeignShape, Leaf, Node, Tree, read
from .point_set import coordinates
from .shapes import Ball, Chart, Piece

REST = "rest"
CELLS, PROBES = 2**12, 2**15

Predicate = Callable[[np.ndarray], np.ndarray]


@checked
@dataclass(frozen=True, eq=False, repr=False, init=False)
class Geometry(Pickled, Domain):
    """A DeepXDE geometry as domain, times an interval of time if one is given.

    Boundaries and volumes are exact for single shapes, disjoint ones, and one within another. A partly covered curve is
    measured by bisection between 4096 cells, a surface by 2^15 and a volume by 2^17 Sobol points.

    Args:
        geometry: the DeepXDE geometry. A ``GeometryXTime`` brings its own time.
        names: names of the space coordinates. Default None: x, y, z.
        time: start and end of time. Default None: no time.
        time_name: name of time.
        parts: named parts of the boundary: each a geometry, which claims its own boundary, or a predicate (n, d_space)
            -> (n,) bool. The first of two claims counts; the rest is the part "rest". Default None.

    Raises:
        ValueError: no DeepXDE geometry, names that do not match its dimension, wrong time, or an empty part.

    Example:
        >>> import pinnkit as pk
        >>> with pk.deepxde_precision():
        ...     import deepxde as dde
        >>> disk = pk.Geometry(dde.geometry.Disk([0, 0], 1), time=(0, 2))
        >>> disk.names
        ('x', 'y', 't')
    """

    names: tuple[str, ...]
    time: str | None
    tree: Tree
    parts: Mapping[str, Predicate | Any]
    interval: tuple[float, float] | None = field(compare=False)

    def __init__(
        self,
        geometry: Any,
        names: tuple[str, ...] | None = None,
        *,
        time: tuple[Any, Any] | None = None,
        time_name: str = "t",
        parts: Mapping[str, Predicate | Any] | None = None,
    ):
        if hasattr(geometry, "timedomain"):  # DeepXDE's GeometryXTime, which is not imported for this
            if time is not None:
                raise ValueError("The geometry brings its own time: give it without the time interval, or time=None.")
            time, geometry = (geometry.timedomain.t0, geometry.timedomain.t1), geometry.geometry
        tree = read(geometry)
        dim = tree.bounds.shape[1]
        names = tuple("xyz"[:dim]) if names is None else tuple(names)
        if len(names) != dim or len({*names, time_name}) != dim + 1:
            raise ValueError(
                f"Got the names {names} and {time_name!r} for time: "
                f"expected {dim} different names of space coordinates."
            )
        values = {
            "names": names if time is None else (*names, time_name),
            "time": time_name if time else None,
            "tree": tree,
            "parts": dict(parts or {}),
            "interval": interval(time_name, time) if time else None,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_parts()

    @classmethod
    def from_mesh(
        cls,
        path: str | Path,
        names: tuple[str, ...] | None = None,
        *,
        time: tuple[Any, Any] | None = None,
        time_name: str = "t",
        parts: Mapping[str, Predicate | Any] | None = None,
    ) -> "Geometry":
        """The body that a mesh file holds, times an interval of time if one is given.

        Of a plane mesh it is what the outlines enclose, of a solid one, or of a closed surface, what the triangles do.
        The mesh gives the shape alone: points are drawn in it by measure, not at its vertices.

        Args:
            path: a file that meshio reads: .stl, .vtu, .msh, .vtk, .obj, .ply ...
            names: as in :class:`Geometry`.
            time: as there.
            time_name: as there.
            parts: as there.

        Returns:
            The domain.

        Raises:
            ImportError: meshio is not installed: the extra ``fem``.
            FileNotFoundError: there is no such file.
            ValueError: a file that meshio cannot read, or a mesh that encloses nothing.
        """
        from .mesh_file import read_mesh

        return cls(read_mesh(path), names, time=time, time_name=time_name, parts=parts)

    def _check_parts(self) -> None:
        for name in self.parts:
            if name in (BOUNDARY, REST):
                raise ValueError(f"The part name {name!r} has a meaning already: expected any other name.")
            if name not in self._shares:
                raise ValueError(
                    f"The boundary part {name!r} is empty: expected a predicate that holds on some of the "
                    "boundary, or a geometry whose boundary has a share in it."
                )

    def __repr__(self) -> str:
        ends = {name: tuple(pair) for name, pair in zip(self.names, self.bounds.T.tolist(), strict=True)}
        return f"Geometry({self.tree.name} in {ends}, faces={self.faces})"

    @property
    def bounds(self) -> np.ndarray:
        """The bounding box: (2, d)."""
        box = self.tree.bounds
        return np.hstack((box, np.reshape(self.interval, (2, 1)))) if self.interval else box

    @property
    def faces(self) -> tuple[str, ...]:
        """The parts by name, and "rest" if they do not cover the boundary."""
        return tuple(name for name in self._shares if self.parts)

    @cached_property
    def _step(self) -> float:
        # DeepXDE's own tolerance is near 1e-6, so its other geometries must be looked at from further away.
        known = all(not isinstance(leaf.shape, ForeignShape) for leaf, _ in self.tree.leaves())
        return (1e-8 if known else 1e-4) * float(np.linalg.norm(np.ptp(self.tree.bounds, axis=0)))

    @cached_property
    def _shares(self) -> dict[str, list[Patch]]:
        shares: dict[str, list[Patch]] = {name: [] for name in (*self.parts, REST)}
        for k, (leaf, sign) in enumerate(self.tree.leaves()):
            for piece in leaf.shape.pieces:
                signed = piece if sign > 0 else Piece(piece.measure, piece.params, _negated(piece.chart))
                for name in shares:
                    keep = self._keeper(k, name)
                    fraction = _fraction(signed, keep)
                    if fraction > 0:
                        shares[name].append(Patch(fraction * piece.measure, signed, keep))
        return {name: share for name, share in shares.items() if share}

    def _keeper(self, k: int, name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        earlier = list(self.parts) if name == REST else list(self.parts)[: list(self.parts).index(name)]

        def keep(x: np.ndarray, normals: np.ndarray) -> np.ndarray:
            mask = self._survives(k, x, normals)
            for other in earlier:
                mask &= ~self._claims(other, x, k)
            return mask if name == REST else mask & self._claims(name, x, k)

        return keep

    def _survives(self, k: int, x: np.ndarray, normals: np.ndarray) -> np.ndarray:
        leaves, step = self.tree.leaves(), self._step
        # Strictly on either side, so that points of edges and corners, which have no normal, are left out.
        out, into = self.tree.level(x + step * normals), self.tree.level(x - step * normals)
        mask = (out > 1e-3 * step) & (into < -1e-3 * step)
        # Where leaves share a wall that faces the same way, it belongs to the first of them.
        for leaf, sign in leaves[:k]:
            shared = np.abs(leaf.level(x)) <= 1e-3 * step
            if shared.any():
                mask[shared] &= (sign * leaf.shape.normal(x[shared]) * normals[shared]).sum(axis=1) <= 0
        return mask

    def _claims(self, name: str, x: np.ndarray, k: int | None = None, tol: float = 0.0) -> np.ndarray:
        part = self.parts[name]
        leaves = self.tree.leaves()
        if not callable(part):
            own = _within(self.tree, part)
            if own and k is not None:
                return np.full(len(x), any(leaves[k][0] is leaf for leaf in own))
            others = own or [leaf for leaf, _ in read(part).leaves()]
            return np.any([np.abs(leaf.level(x)) <= max(tol, 1e-3 * self._step) for leaf in others], axis=0)
        mask = np.asarray(part(x), dtype=bool)
        if mask.shape != (len(x),):
            raise ValueError(
                f"The predicate of the part {name!r} gave shape {mask.shape} for {len(x)} points: expected ({len(x)},)."
            )
        return mask

    def volume(self) -> float:
        """The volume in space, without time; of overlapping bodies to about 1e-4."""
        return self.tree.volume

    @override
    def contains(self, x: np.ndarray, margin: Finite) -> np.ndarray:
        return self.tree.level(coordinates(x, self.space)) <= -margin

    @override
    def touches(self, x: np.ndarray, on: On, tol: Finite) -> np.ndarray:
        x, wanted = coordinates(x, self.space), names_of(on, (BOUNDARY, *self.faces))
        mask = np.abs(self.tree.level(x)) <= tol
        # A wall between two bodies that touch has level 0 too, but nothing outside next to it.
        if isinstance(self.tree, Node):
            reach = max(self._step, 10 * tol) * _directions(x.shape[1])
            mask[mask] = np.any([self.tree.level(x[mask] + step) > 0 for step in reach], axis=0)
        if BOUNDARY in wanted:
            return mask
        claims = {name: self._claims(name, x, tol=tol) for name in self.parts}
        claims[REST] = ~np.any(list(claims.values()), axis=0)
        return mask & np.any([claims[name] for name in wanted], axis=0)

    @override
    def outward(self, x: np.ndarray, on: On) -> np.ndarray:
        x, _ = coordinates(x, self.space), names_of(on, (BOUNDARY, *self.faces))
        found, best = np.zeros(x.shape), np.full(len(x), np.inf)
        for k, (leaf, sign) in enumerate(self.tree.leaves()):
            normals = sign * leaf.shape.normal(x)
            # A surface that another body covers or cuts away there comes after all that remain.
            gap = np.abs(leaf.level(x)) + np.where(self._survives(k, x, normals), 0.0, self._step)
            nearer = gap < best - 1e-3 * self._step
            found[nearer], best[nearer] = normals[nearer], gap[nearer]
        return found

    @override
    def patches(self, on: On) -> list[Patch]:
        wanted = names_of(on, (BOUNDARY, *self.faces))
        return [
            patch for name, share in self._shares.items() if name in wanted or BOUNDARY in wanted for patch in share
        ]


def _within(tree: Tree, part: Any) -> list[Leaf]:
    if part is tree or (tree.source is not None and part is tree.source):
        return [leaf for leaf, _ in tree.leaves()]
    return [] if isinstance(tree, Leaf) else _within(tree.a, part) + _within(tree.b, part)


def _directions(d: int) -> np.ndarray:
    if d == 1:
        return np.array([[-1.0], [1.0]])
    sphere = Ball([0.0] * d, 1.0).pieces[0]
    return sphere.chart(unit_points(64, sphere.params))[0]


def _negated(chart: Chart) -> Chart:
    def turned(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, normals = chart(u)
        return x, -normals

    return turned


def _fraction(piece: Piece, keep: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """The share of a piece that is kept: of a curve by bisection of where that changes, else by counting."""
    if piece.params != 1 or len(piece.chart(np.zeros((1, 1)))[0][0]) != 2:
        return float(keep(*piece.chart(unit_points(PROBES if piece.params else 1, piece.params))).mean())
    nodes = (np.arange(CELLS) + 0.5) / CELLS
    kept = keep(*piece.chart(nodes[:, None]))
    if kept.all() or not kept.any():
        return float(kept[0])
    padded, flags = np.concatenate(([0.0], nodes, [1.0])), np.concatenate((kept[:1], kept, kept[-1:]))
    change = np.flatnonzero(flags[1:] != flags[:-1])
    low, high = padded[change], padded[change + 1]
    for _ in range(50):
        middle = (low + high) / 2
        same = keep(*piece.chart(middle[:, None])) == flags[change]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    ends = np.concatenate(([0.0], low, [1.0]))
    return float(np.diff(ends)[::2].sum() if flags[0] else np.diff(ends)[1::2].sum())
