"""Smooth functions that vanish on the boundary of a body and nowhere inside, for hard constraints."""

from collections.abc import Sequence

import numpy as np
import sympy as sp

from .csg import Leaf, Tree
from .shapes import Ball, Cuboid, Ellipse, Polygon


def distance(tree: Tree, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """d(x) > 0 inside, 0 on the whole boundary, of order 1, for one ball, ellipse, box or convex polygon.

    Raises:
        ValueError: any other body, a combination of several among them.
    """
    x, shape = sp.Matrix(variables), tree.shape if isinstance(tree, Leaf) else None
    if isinstance(shape, Ball):
        return 1 - _square((x - _exact(shape.center)) / exact(shape.radius))
    if isinstance(shape, Ellipse):
        turned = _exact(shape.frame.T) * (x - _exact(shape.center))
        return 1 - _square(turned.multiply_elementwise(_exact(1 / shape.axes)))
    if isinstance(shape, Cuboid):
        pairs = zip(x, _exact(shape.lower), _exact(shape.upper), strict=True)
        return sp.prod(4 * (s - lo) * (hi - s) / (hi - lo) ** 2 for s, lo, hi in pairs)
    if isinstance(shape, Polygon) and _convex(shape):
        size = exact(max(shape.upper - shape.lower))
        walls = zip(shape.start, shape.outward, strict=True)
        return sp.prod(4 * ((_exact(a) - x).T * _exact(n))[0] / size for a, n in walls)
    raise ValueError(
        f"no smooth function is known that vanishes on the boundary of {type(tree.source).__name__} alone: "
        "expected one disk, sphere, ellipse, rectangle, box, triangle or convex polygon"
    )


def exact(value: float) -> sp.Expr:
    """A number as a short fraction, or one times pi, where it is that: so sin(pi x) vanishes at a wall."""
    for unit, symbol in ((1.0, sp.S.One), (float(np.pi), sp.pi)):
        short = sp.Rational(value / unit).limit_denominator(10_000)
        if abs(float(short) * unit - value) <= 2e-16 * abs(value):
            return short * symbol
    return sp.Float(value, 17)


def _exact(values: np.ndarray) -> sp.Matrix:
    return sp.Matrix(np.vectorize(lambda v: exact(float(v)), otypes=[object])(values))


def _square(v: sp.Matrix) -> sp.Expr:
    return sum(component**2 for component in v)


def _convex(shape: Polygon) -> bool:
    following = np.roll(shape.edge, -1, axis=0)
    return bool((shape.edge[:, 0] * following[:, 1] - shape.edge[:, 1] * following[:, 0] >= 0).all())
