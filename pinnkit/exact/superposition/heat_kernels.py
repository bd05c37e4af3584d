"""Gaussians that spread in several dimensions, with their images in the walls of a box."""

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from pinnkit.domain.box import Domain

from .box_conditions import FacePair
from .family import MIRROR, Family, Range
from .linear_operator import LinearOperator
from .local_solutions import LocalSolutions, verify_symbol
from .system import LinearSystem


def heat_kernels(
    op: LinearOperator | LinearSystem, walls: Sequence[FacePair], box: Domain, finest: float
) -> list[Family]:
    """e^{g s} prod_i of spreading Gaussians in one dimension each, all of one width w at first, at least ``finest``.

    For u_t = sum_i (kappa_i u_ii + b_i u_i) + g u with constant coefficients; empty for other equations. Where data of
    walls vary in time, also those that pass through these without images.
    """
    parts = _axes(op) if isinstance(op, LinearOperator) and len(walls) > 1 else None
    if parts is None:
        return []
    t = op.coordinates[op.t]
    start, end = box.bounds[:, op.t].tolist()
    growth, axes = parts
    near = []
    for wall, (kappa, drift) in zip(walls, axes, strict=True):
        alone = LinearOperator((op.coordinates[wall.index], t), {(0, 1): sp.S.One, (1, 0): -drift, (2, 0): -kappa}, 1)
        one = LocalSolutions(alone, replace(wall, index=0), start, end - start, (kappa, drift, sp.S.Zero), ())
        near.append([bell for bell in one.families(finest) if "Gaussian" in bell.name])
    width = Range("w", finest, 2 * max(w.length for w in walls), log=True)
    found = []
    for bells in dict.fromkeys((tuple(one[0] for one in near), tuple(one[-1] for one in near))):
        phi, ranges = sp.exp(sp.Float(float(growth), 17) * (t - sp.Float(start, 17))), []
        for bell, (kappa, _) in zip(bells, axes, strict=True):
            x, (place, age) = bell.coordinates[0], bell.ranges
            ranges.append(replace(place, name=f"a_{x.name}"))
            own = {place.symbol: ranges[-1].symbol, age.symbol: width.symbol**2 / (4 * sp.Float(float(kappa), 17))}
            e = bell.parts[0].xreplace(own)
            phi *= sp.Add(*(c * e.xreplace({x: n * x + d, MIRROR: sp.Integer(n)}) for c, n, d in bell.images))
        verify_symbol(op, phi, "spreading Gaussian", (*ranges, width))
        found.append(Family("spreading Gaussian", phi, op.coordinates, (*ranges, width)))
    return found


def _axes(op: LinearOperator) -> tuple[sp.Expr, list[tuple[sp.Expr, sp.Expr]]] | None:
    """g and the pairs (kappa_i, b_i) by space coordinate."""
    if op.time is None or not op.constant:
        return None
    unit = [tuple(int(i == j) for j in range(len(op.coordinates))) for i in range(len(op.coordinates))]
    space = [e for i, e in enumerate(unit) if i != op.time]
    second = [tuple(2 * n for n in e) for e in space]
    zero = (0,) * len(unit)
    if not set(op.coefficients) <= {zero, unit[op.time], *space, *second} or unit[op.time] not in op.coefficients:
        return None
    by = {J: -c / op.coefficients[unit[op.time]] for J, c in op.coefficients.items()}
    axes = [(by.get(two, sp.S.Zero), by.get(one, sp.S.Zero)) for one, two in zip(space, second, strict=True)]
    return (by.get(zero, sp.S.Zero), axes) if all(kappa > 0 for kappa, _ in axes) else None
