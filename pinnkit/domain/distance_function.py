"""Smooth functions that vanish on the sides of a body and nowhere inside, for hard constraints."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import sympy as sp

from pinnkit.tools.sequences import unit_points

from .csg import Leaf, Tree
from .shapes import Ball, Cuboid, Ellipse, Polygon

PROBES = 64
CORNERS = 8  # of a hole: every corner doubles the expression


@dataclass(frozen=True, eq=False)
class SmoothSide:
    """A smooth side of a body: a function of order 1, positive inside, that vanishes on it, and points X (n, d) of it.

    ``face`` is its name where the body is a box: x_min, x_max, ...
    """

    zero: sp.Expr
    X: np.ndarray
    face: str = ""


def sides(tree: Tree, variables: Sequence[sp.Symbol]) -> tuple[list[SmoothSide], list[SmoothSide]]:
    """The sides of the outer boundary, and the holes.

    The outer body is a ball, an ellipse, a box or a convex polygon, and so is every hole; holes lie apart inside.

    Raises:
        ValueError: any other body.
    """
    x = sp.Matrix(variables)
    outer, holes = _parts(tree)
    for hole in holes:
        X = np.concatenate([side.X for side in _inside(hole, x)])
        others = [other.level(X) for other in holes if other is not hole]
        if (outer.level(X) >= 0).any() or any((level <= 0).any() for level in others):
            raise _unknown(tree)
    around = [(_outside(hole, x), np.concatenate([side.X for side in _inside(hole, x)])) for hole in holes]
    return _inside(outer, x), [SmoothSide(zero, X) for zero, X in around]


def distance(tree: Tree, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """d(x) > 0 inside, 0 on the whole boundary, of order 1, for the bodies that :func:`sides` knows.

    Raises:
        ValueError: any other body.
    """
    return sp.prod(side.zero for group in sides(tree, variables) for side in group)


def rising(x: sp.Expr, width: sp.Expr) -> sp.Expr:
    """A function of x > 0 that vanishes at 0 and is next to 1 beyond ``width``."""
    return sp.tanh(2 * x / width)


def _parts(tree: Tree) -> tuple[Leaf, list[Leaf]]:
    """The outer body and what is cut out of it."""
    if isinstance(tree, Leaf):
        return tree, []
    if tree.kind != "difference":
        raise _unknown(tree)
    outer, holes = _parts(tree.a)
    cut = [leaf for leaf, sign in tree.b.leaves() if sign > 0]
    if not isinstance(tree.b, Leaf) and tree.b.kind != "union" or len(cut) < len(tree.b.leaves()):
        raise _unknown(tree)
    return outer, holes + cut


def _inside(leaf: Leaf, x: sp.Matrix) -> list[SmoothSide]:
    """The sides of a shape, their functions positive inside."""
    shape = leaf.shape
    if isinstance(shape, (Ball, Ellipse)):
        return [SmoothSide(1 - _round(shape, x), _on(shape.pieces[0]))]
    if isinstance(shape, Cuboid):
        walls = []
        for k, piece in enumerate(shape.pieces):
            s, lo, hi = x[k // 2], exact_number(shape.lower[k // 2]), exact_number(shape.upper[k // 2])
            gap = hi - s if k % 2 else s - lo
            walls.append(SmoothSide(2 * gap / (hi - lo), _on(piece), f"{s.name}_{'max' if k % 2 else 'min'}"))
        return walls
    if isinstance(shape, Polygon) and _convex(shape):
        size = exact_number(max(shape.upper - shape.lower))
        along = (np.arange(PROBES)[:, None] + 0.5) / PROBES
        return [
            SmoothSide(4 * ((_exact(a) - x).T * _exact(n))[0] / size, a + along * e)
            for a, e, n in zip(shape.start, shape.edge, shape.outward, strict=True)
        ]
    raise _unknown(leaf)


def _outside(leaf: Leaf, x: sp.Matrix) -> sp.Expr:
    """A function that is positive outside a shape, vanishes on its boundary and tends to 1 far away.

    A corner joins its half-planes by Rvachev's a v b = a + b + sqrt(a^2 + b^2), positive where a or b is.
    """
    if isinstance(leaf.shape, (Ball, Ellipse)):
        return 1 - 1 / _round(leaf.shape, x)
    walls = [-side.zero for side in _inside(leaf, x)]
    if len(walls) > CORNERS:
        raise _unknown(leaf)
    joined = reduce(lambda a, b: a + b + sp.sqrt(a**2 + b**2), walls)
    return joined / sp.sqrt(1 + joined**2)


def _round(shape: Ball | Ellipse, x: sp.Matrix) -> sp.Expr:
    """|q|^2 with q in half axes."""
    y = x - _exact(shape.center)
    if isinstance(shape, Ellipse):
        y = (_exact(shape.frame.T) * y).multiply_elementwise(_exact(1 / shape.axes))
        return sum(component**2 for component in y)
    return sum(component**2 for component in y) / exact_number(shape.radius) ** 2


def _on(piece) -> np.ndarray:
    """Points of a piece of boundary, none of them on its rim."""
    if not piece.params:
        return piece.chart(np.zeros((1, 0)))[0]
    return piece.chart(0.01 + 0.98 * unit_points(PROBES, piece.params, "sobol", 0))[0]


def _unknown(tree: Tree) -> ValueError:
    return ValueError(
        f"no smooth function is known that vanishes on the boundary of {tree.name} alone: "
        "expected a disk, sphere, ellipse, rectangle, box, triangle or convex polygon, which may have holes of these "
        "shapes inside, apart from each other"
    )


def exact_number(value: float) -> sp.Expr:
    """A number as a short fraction, or one times pi, where it is that: so sin(pi x) vanishes at a wall."""
    for unit_, symbol in ((1.0, sp.S.One), (float(np.pi), sp.pi)):
        short = sp.Rational(value / unit_).limit_denominator(10_000)
        if abs(float(short) * unit_ - value) <= 2e-16 * abs(value):
            return short * symbol
    return sp.Float(value, 17)


def _exact(values: np.ndarray) -> sp.Matrix:
    return sp.Matrix(np.vectorize(lambda v: exact_number(float(v)), otypes=[object])(values))


def _convex(shape: Polygon) -> bool:
    following = np.roll(shape.edge, -1, axis=0)
    return bool((shape.edge[:, 0] * following[:, 1] - shape.edge[:, 1] * following[:, 0] >= 0).all())
