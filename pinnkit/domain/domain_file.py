"""Domains as plain records, for files: boxes, and trees of shapes with their named parts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .box import Box, Domain
from .csg import Leaf, Node, Tree, read
from .geometry import Geometry
from .polyhedron import Polyhedron
from .shapes import Ball, Cuboid, Ellipse, Polygon, Star

SHAPES: dict[type, tuple[str, ...]] = {
    Cuboid: ("lower", "upper"),
    Ball: ("center", "radius"),
    Ellipse: ("center", "a", "b", "angle"),
    Star: ("center", "radius", "cos", "sin"),
    Polygon: ("vertices",),
    Polyhedron: ("vertices", "triangles"),
}  # what each is made of
LEAVES, NUMBERS, DIMENSIONS = 64, 1000, 32  # shapes in a geometry, numbers that describe them, its dimensions
WAVES = 64  # of a star's outline
_KINDS = {cls.__name__: cls for cls in SHAPES}


def record(domain: Domain) -> dict[str, Any]:
    """The domain as JSON holds it; floats are kept exactly.

    Raises:
        ValueError: a domain or geometry of one's own, or a part of the boundary that a Python function chooses.
    """
    if type(domain) is Box:
        names = {n: list(ends) for n, ends in zip(domain.names, domain.bounds.T.tolist(), strict=True)}
        return {"kind": "Box", "coordinates": names, "time": domain.time}
    if type(domain) is not Geometry:
        raise ValueError(f"the domain {domain!r}, a class of your own")
    known: dict[int, int] = {}
    parts = {}
    tree = _tree_record(domain.tree, known)
    for name, part in domain.parts.items():
        if callable(part):
            raise ValueError(f"the Python function that chooses the boundary part {name!r}")
        parts[name] = _tree_record(part if isinstance(part, (Leaf, Node)) else read(part), known)
    return {
        "kind": "Geometry", "tree": tree, "names": list(domain.space), "time": domain.time,
        "interval": None if domain.interval is None else list(domain.interval), "parts": parts,
    }  # fmt: skip


def domain(held: Mapping[str, Any]) -> Domain:
    """The domain that ``record`` was given; ValueError for what it does not write."""
    if held["kind"] == "Box":
        return Box.of({_text(n): (_float(a), _float(b)) for n, (a, b) in held["coordinates"].items()}, held["time"])
    known: dict[int, Tree] = {}
    left = [LEAVES, NUMBERS]
    tree = _tree(held["tree"], known, left)
    parts = {_text(name): _tree(part, known, left) for name, part in held["parts"].items()}
    interval = held["interval"]
    time: dict[str, Any] = {}
    if interval is not None:
        time = {"time": tuple(map(_float, interval)), "time_name": _text(held["time"])}
    return Geometry(tree, tuple(map(_text, held["names"])), parts=parts, **time)


def _tree_record(tree: Tree, known: dict[int, int]) -> dict[str, Any]:
    """A tree; one that stood before, or that was read from the same geometry, is named by its number alone."""
    key = id(tree if tree.source is None else tree.source)
    if key in known:
        return {"same": known[key]}
    found: dict[str, Any]
    if isinstance(tree, Node):
        found = {"kind": tree.kind, "a": _tree_record(tree.a, known), "b": _tree_record(tree.b, known)}
    elif type(tree.shape) not in SHAPES:
        raise ValueError(f"the geometry {type(tree.source).__name__}, a class of your own")
    else:
        values = {n: np.asarray(getattr(tree.shape, n), float).tolist() for n in SHAPES[type(tree.shape)]}
        size = sum(np.size(v) for v in values.values())
        if size > NUMBERS:
            raise ValueError(f"a geometry of a mesh, of {size} numbers")
        found = {"kind": type(tree.shape).__name__, **values}
    known[key] = len(known)
    return found


def _tree(held: Mapping[str, Any], known: dict[int, Tree], left: list[int]) -> Tree:
    if "same" in held:
        found = known[held["same"]]
    elif held["kind"] in ("union", "intersection", "difference"):
        found = Node(held["kind"], _tree(held["a"], known, left), _tree(held["b"], known, left))
    elif held["kind"] in _KINDS:
        values = {n: _numbers(held[n], left) for n in SHAPES[_KINDS[held["kind"]]]}
        for n, most in (("lower", DIMENSIONS), ("center", DIMENSIONS), ("cos", WAVES)):
            if np.size(values.get(n, 0)) > most:
                raise ValueError(f"a file holds a geometry with {n} of {np.size(values[n])} numbers, {most} at most")
        found = Leaf(_KINDS[held["kind"]](**values))
    else:
        raise ValueError(f"a file names the shape {held['kind']!r}, which this pinnkit does not know")
    if "same" not in held:
        known[len(known)] = found
    left[0] -= len(found.leaves()) if isinstance(found, Leaf) or "same" in held else 0
    if left[0] < 0:
        raise ValueError(f"a file holds a geometry of more than {LEAVES} shapes")
    return found


def _numbers(values: Any, left: list[int]) -> np.ndarray:
    """Numbers as an array; what is a single one is made plain by whoever takes it."""
    found = np.asarray(values, dtype=float)
    left[1] -= found.size
    if left[1] < 0 or not np.isfinite(found).all():
        raise ValueError(f"a file holds a geometry of more than {NUMBERS} numbers, or one that is not finite")
    return found if found.ndim else found.item()


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"a file holds the bound {value!r} of a coordinate: expected a number")
    return float(value)


def _text(name: Any) -> str:
    if not isinstance(name, str) or len(name) > 200:
        raise ValueError(f"a file holds the name {str(name)[:30]!r}, which is no text of at most 200 letters")
    return name
