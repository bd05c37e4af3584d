"""The exact singular part of a steady field whose boundary data jump or kink on a body with a smooth convex outside."""

from collections.abc import Iterator, Sequence

import numpy as np
import sympy as sp
import torch

from pinnkit.domain.distance_function import SmoothSide, sides
from pinnkit.domain.geometry import Geometry
from pinnkit.statement.problem import Problem
from pinnkit.statement.singular.functions import corner
from pinnkit.statement.singular.regularity import Singularity, singularities
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.tools.sympy_types import AppliedUndef

from .singular_data import crossing
from .singular_parts import Coefficients, coefficients

NEAR = 1e-12  # of the body's size: as good as on the boundary
CHECKS = 2000  # points of the body, at which its bent half-plane is looked at


def carry_on_body(
    problem: Problem, u: AppliedUndef, walls: Sequence[Dirichlet]
) -> tuple[sp.Expr, tuple[str, ...]]:  # fmt: skip
    """S and a note for every condition of which it has a part; 0 where none is known.

    About a place of the boundary with the curvature k let z = p + i q, p along the boundary and q inwards. Then
    w = z - i k z^2 / 2 is real on the boundary up to O(|z|^3), any Im f(w) is harmonic, and -jump / pi Im L_n(w), L_n
    the n-fold integral of log w, has the jump of derivative n of the data (`singular_parts`): what is left of them is
    smoother by two orders, up to logarithms.
    """
    known = coefficients(problem, u)
    if known is None or problem.domain.time is not None or len(problem.variables) != 2:
        return sp.S.Zero, ()
    if not isinstance(problem.domain, Geometry):
        return sp.S.Zero, ()
    try:
        outer = sides(problem.domain.tree, problem.variables)[0]
    except ValueError:  # no formula of the boundary is known
        return sp.S.Zero, ()
    total, notes = sp.S.Zero, []
    for wall in walls:
        found = [part for side in outer for part in _parts(problem, u, known, wall, side)]
        total += sum(part for part, _ in found)
        if found:
            what = ", ".join(dict.fromkeys(said for _, said in found))
            notes.append(f"{wall.name}: {what} carried by logarithms at the boundary")
    return total, tuple(notes)


def _parts(
    problem: Problem, u: AppliedUndef, known: Coefficients, wall: Dirichlet, side: SmoothSide
) -> Iterator[tuple[sp.Expr, str]]:
    """The parts of the data of a condition on a side, and of what they are."""
    own = problem.domain.on_boundary(torch.as_tensor(side.X), wall.on).numpy()
    found: dict[str, Singularity] = {}
    for s in singularities(wall.value, problem.variables, problem.domain, problem.parameters):
        if s.surface is not None and s.jump is not None and 0 <= s.order < crossing(problem, u, s.surface):
            found.setdefault(str(s), s)
    for said, s in found.items():
        surface = sp.sympify(s.surface).subs(problem.values())
        for at in _meeting(problem, side, surface, own):
            made = _part(problem, known, side, s, surface, at)
            if made is not None:
                yield made, said


def _meeting(problem: Problem, side: SmoothSide, surface: sp.Expr, own: np.ndarray) -> list[tuple[float, float]]:
    """Points of a side at which a surface crosses it: Newton's method from where its samples change their sign."""
    a, b = problem.variables
    value = sp.lambdify((a, b), surface, "numpy")
    X = side.X[own]
    near = abs(value(*X.T) + 0 * X[:, 0]).argsort()[: max(8, len(X) // 8)]
    found: list[tuple[float, float]] = []
    size = float(abs(problem.domain.bounds[1] - problem.domain.bounds[0]).max())
    slopes = sp.Matrix([surface, side.zero]).jacobian([a, b])
    system = sp.lambdify((a, b), [surface, side.zero, *slopes], "numpy")
    for x, y in X[near].tolist():
        for _ in range(30):
            f, g, fa, fb, ga, gb = (float(v) for v in system(x, y))
            det = fa * gb - fb * ga
            if abs(det) < NEAR:
                break
            x, y = x - (f * gb - fb * g) / det, y - (fa * g - f * ga) / det
        on = max(abs(float(v)) for v in system(x, y)[:2]) <= NEAR * size
        if on and all(abs(x - p) + abs(y - q) > 1e-6 * size for p, q in found):
            found.append((x, y))
    return found


def _part(
    problem: Problem, known: Coefficients, side: SmoothSide, s: Singularity, surface: sp.Expr,
    at: tuple[float, float],
) -> sp.Expr | None:  # fmt: skip
    """-jump / pi Im L_n(w) about one place; None where the equation's principal part is no Laplacian there."""
    a, b = problem.variables
    here = dict(zip((a, b), map(sp.Float, at), strict=True))
    lead = [known.get(**orders) for orders in ({a.name: 2}, {b.name: 2}, {a.name: 1, b.name: 1})]
    if any(e is None for e in lead):
        return None
    aa, bb, ab = (float(sp.sympify(e).subs(problem.values()).subs(here)) for e in lead)
    if aa == 0 or abs(aa - bb) > NEAR * abs(aa) or abs(ab) > NEAR * abs(aa):
        return None
    slope = sp.Matrix([side.zero.diff(v) for v in (a, b)])
    length = sp.sqrt(slope.dot(slope))
    curvature = -sum((slope[i] / length).diff(v) for i, v in enumerate((a, b)))
    ca, cb, k = (float(e.subs(here)) for e in (slope[0] / length, slope[1] / length, curvature))
    na, nb = (float(surface.diff(v).subs(here)) for v in (a, b))
    ta, tb = cb, -ca  # along the boundary, towards where the surface's function is positive
    along = (ta * na + tb * nb) / (na * na + nb * nb) ** 0.5
    if along < 0:
        ta, tb, along = -ta, -tb, -along
    jump = sp.sympify(s.jump).subs(problem.values()).subs(here) * along**s.order
    p = ta * (a - at[0]) + tb * (b - at[1])
    q = ca * (a - at[0]) + cb * (b - at[1])
    if not _stays_inside(problem, q - k / 2 * (p * p - q * q)):
        k = 0.0
    bent_p, bent_q = p + k * p * q, q - k / 2 * (p * p - q * q)
    return -jump / sp.pi * corner(s.order)(bent_p, bent_q)


def _stays_inside(problem: Problem, height: sp.Expr) -> bool:
    """Whether w lies in the upper half-plane for points of the body."""
    X = problem.domain.sample(CHECKS, method="sobol", seed=3).numpy()
    return bool((sp.lambdify(problem.variables, height, "numpy")(*X.T) >= -1e-9).all())
