"""Maximum principles: the largest error is bounded by the largest misfit of the data, for second order equations.

Parabolic, u_t = sum a_ij u_ij + sum b_i u_i + h(x, t, u), (a_ij) >= 0 and possibly degenerate, dh/du <= c. The error
e = u - v of v with residual r solves a linear equation of the same kind with zero-order coefficient <= c, so that by
comparison with the functions named below

  |e| <= max(1, e^{cT}) (max(|e0|, |g|) + N) + S |r|,    all in the maximum norm,

  g  misfit of Dirichlet values, or of a u + b u_n divided by a (a > 0, b >= 0): comparison with e^{ct} max(|e0|,
     |g|);
  N  of slopes u_n: comparison with |g| (psi(x_i) + K t), K >= a_ii psi'' + b_i psi', psi = (x_i - m)^2 / L_i for slopes
     at both ends (m the middle), (x_i - l)^2 / 2 L_i for one, l the other end, where psi_n = 0; with Dirichlet values
     at l also x_i - l (there psi_n = -1, which a Robin condition would feel);
  S  = int_0^T e^{cs} ds; or with c <= 0, some a_ii > 0, b_i = 0 and Dirichlet values on both faces of i also
     L_i^2 / 8 a_ii, by x_i (L_i - x_i) |r| / 2 a_ii, which is 0 on these faces and has no slope by other coordinates.

A face needs no condition where a_nn = 0 and nothing flows in. Periodic coordinates have no faces.

Elliptic, sum a_ij u_ij + sum b_i u_i + c u = f, Dirichlet data g, (a_ij) >= 0:

  c <= 0: |e| <= max|g| + S |r|, S = L^2 / 8a or, with drift |b| <= B, (e^{sL} - 1) / (a s^2 - B s) for the best s
  > B/a; 0 < c < the first eigenvalue: |e| <= P max|g| + (P - 1) / c |r|, P = max psi, psi = prod cos(q_i (x_i -
  m_i)) / cos(q_i L_i / 2) with sum a_i q_i^2 = c (constant coefficients, no drift).

(Protter, Weinberger, Maximum Principles in Differential Equations, 1967, chapters 2 and 3.)
"""

import math

import numpy as np
import sympy as sp

from pinnkit.certificate.validated.polynomial_range import largest_value
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann, Robin
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.conditions import Condition

from .bound import Bound, Theorem, integral_of_decay
from .form import Form
from .misfit import Misfits

TINY = 1e-300  # what outward rounding makes of a coefficient that is 0


def parabolic(f: Form) -> Theorem | None:
    """The bound of the maximum norm; None for another kind of equation, ValueError with what is missing."""
    if f.order != 1 or any(sum(J) > 2 or (J[f.t] and sum(J) > 1) for J in f.slots):
        return None
    c = _slope_of_reaction(f)
    if c is None:
        return None
    spread = diffusion(f)
    drift = {i: f.range(f.right.diff(f.slots[f.index(i)])) if f.index(i) in f.slots else (0.0, 0.0) for i in f.space}
    f.nothing_else()
    slopes: list[tuple] = []
    walls: list[tuple] = []
    for i in f.space:
        name = f.problem.variables[i].name
        if name not in f.periodic:
            _sort(f, i, walls, slopes)
    T, c0 = f.duration, max(c, 0.0)
    steady = [
        L * L / (8 * spread[i][0])
        for i, L in zip(f.space, f.sides, strict=True)
        if c <= 0 and spread[i][0] > TINY and drift[i] == (0.0, 0.0) and _given(f, i)
    ]
    source = min([integral_of_decay(-c, T), *steady])

    boxed = bool(f.problem.domain.faces)

    def bound(m: Misfits) -> list[Bound]:
        for condition in f.periodic.values():
            m.periodic(condition)
        data = max([m.initial().sup, *(m.wall(w, face).sup / a for w, face, a in walls)])
        flux = sum(m.wall(w, face).sup * factor(f, i, kind, spread[i], drift[i]) for w, face, i, kind, factor in slopes)
        value = math.exp(c0 * T) * (data + flux) + source * m.residual().sup
        more = f", zero-order coefficient at most {c:.3g}" if c > 0 else ""
        how = f"maximum principle for parabolic equations{more}"
        return [Bound("sup", value, how), *([Bound("L2(t)", math.sqrt(f.volume) * value, how)] if boxed else [])]

    return bound


def _slope_of_reaction(f: Form) -> float | None:
    """The largest dh/du; None where the equation is not linear in the derivatives."""
    u = f.slots.get(f.index())
    derivatives = {s for s in f.slots.values() if s != u}
    for s in derivatives:
        if sp.expand(f.right.diff(s)).free_symbols & set(f.slots.values()):
            return None
    if u is None:
        return 0.0
    c = sp.expand(f.right.diff(u))
    if u not in c.free_symbols:
        return f.range(c)[1]
    if not c.is_polynomial(u) or c.free_symbols != {u}:
        raise ValueError("its non-linear part is not a polynomial of u with constant coefficients")
    p = sp.Poly(c, u)
    if p.degree() % 2 or p.LC() > 0:
        raise ValueError(f"the slope {c} of its non-linear part has no upper bound")
    return largest_value(p)


def diffusion(f: Form) -> dict[int, tuple[float, float]]:
    """Ranges of a_ii; ValueError unless (a_ij) is positive semi-definite, by dominance of its diagonal."""

    def at(*coordinates: int) -> tuple[float, float]:
        J: Index = f.index(*coordinates)
        return f.range(f.right.diff(f.slots[J])) if J in f.slots else (0.0, 0.0)

    found = {}
    for i in f.space:
        found[i] = at(i, i)
        mixed = sum(max(map(abs, at(i, j))) for j in f.space if j != i) / 2
        if found[i][0] < mixed - TINY:
            x = f.problem.variables[i]
            raise ValueError(f"its second derivatives are not those of a diffusion (by {x} at least {found[i][0]:.3g})")
    return found


def _sort(f: Form, i: int, walls: list, slopes: list) -> None:
    """The conditions on both faces of a coordinate, as values or slopes."""
    name = f.problem.variables[i].name
    names = (f"{name}_min", f"{name}_max") if f.problem.domain.faces else ("boundary",)
    kinds = {face: f.held[face] for face in names}
    sloped = [face for face, held in kinds.items() if any(isinstance(c, Neumann) for c in held)]
    for face, held in kinds.items():
        if not held:
            without_condition(f, i, face)
        for c in held:
            if isinstance(c, Dirichlet):
                walls.append((c, face, 1.0))
            elif isinstance(c, Robin):
                a, b = (f.range(_number(f, v), face) for v in (c.a, c.b))
                if a[0] <= 0 or b[0] < 0:
                    raise ValueError(f"{c.name!r} does not have the signs a > 0, b >= 0 of a loss")
                walls.append((c, face, a[0]))
            elif isinstance(c, Neumann):
                if names == ("boundary",):
                    raise ValueError(f"{c.name!r} gives slopes, and the domain is no box")
                other = names[1 - names.index(face)]
                kind = "both" if len(sloped) == 2 else "given" if _holds_values(kinds[other]) else "other"
                slopes.append((c, face, i, kind, _flux))
            else:
                raise ValueError(f"the condition {c.name!r} is of the kind {type(c).__name__}, which no theorem covers")


def _number(f: Form, value: sp.Expr) -> sp.Expr:
    known = {s: sp.Rational(f.problem.parameters[s.name]) for s in value.free_symbols if s.name in f.problem.parameters}
    return value.subs(known)


def without_condition(f: Form, i: int, face: str) -> None:
    """Raises ValueError where a face without a condition lets something in."""
    normal = f.slots.get(f.index(i, i))
    if normal is not None and max(map(abs, f.range(f.right.diff(normal), face))) > TINY:
        raise ValueError(f"there is no condition on {face}, through which it diffuses")
    drift = f.slots.get(f.index(i))
    low, high = f.range(f.right.diff(drift), face) if drift is not None else (0.0, 0.0)
    at = f.face(face)
    if at is not None and (high > TINY if at.high else low < -TINY):
        raise ValueError(f"there is no condition on {face}, through which it flows in")


def _holds_values(held: list[Condition]) -> bool:
    return any(isinstance(c, Dirichlet) for c in held)


def _given(f: Form, i: int) -> bool:
    """Whether values are given on both faces of a coordinate (or on the whole boundary of a domain without faces)."""
    name = f.problem.variables[i].name
    names = (f"{name}_min", f"{name}_max") if f.problem.domain.faces else ("boundary",)
    return name not in f.periodic and all(_holds_values(f.held[face]) for face in names)


def _flux(f: Form, i: int, kind: str, a: tuple[float, float], b: tuple[float, float]) -> float:
    """sup psi + K T; ``kind``: slopes at "both" ends, or at one, values "given" at the other, or something else."""
    L, A, B = f.sides[f.space.index(i)], a[1], max(map(abs, b))
    if kind == "both":
        return L / 4 + (2 * A / L + B) * f.duration
    curved = L / 2 + (A / L + B) * f.duration
    return min(curved, L + B * f.duration) if kind == "given" else curved


def elliptic(f: Form) -> Theorem | None:
    """The bound of the maximum norm; None for another kind of equation, ValueError with what is missing."""
    if f.order != 0 or f.coefficients is None or any(sum(J) > 2 for J in f.slots):
        return None
    f.dirichlet()
    spread = diffusion(f)
    u, drift = f.slots.get(f.index()), {}
    for i in f.space:
        ends = f.range(f.right.diff(f.slots[f.index(i)])) if f.index(i) in f.slots else (0.0, 0.0)
        drift[i] = max(map(abs, ends))
    c = f.range(f.right.diff(u))[1] if u is not None else 0.0
    if c <= 0:
        sources = [_barrier(L, spread[i][0], drift[i]) for i, L in zip(f.space, f.sides, strict=True)]
        walls, source = 1.0, min(sources)
        name = "maximum principle for elliptic equations"
    else:
        walls = _amplification(f, c, spread, drift)
        source = (walls - 1) / c
        name = "maximum principle below the first eigenvalue"

    def bound(m: Misfits) -> list[Bound]:
        data = max(m.wall(held[0], face).sup for face, held in f.held.items())
        r = m.residual().sup
        return [Bound("sup", walls * data + (source * r if r else 0.0), name)]

    return bound


def _barrier(L: float, a: float, B: float) -> float:
    if a <= TINY:
        return math.inf
    if B == 0:
        return L * L / (8 * a)
    rates = B / a + np.geomspace(0.05, 20, 60) / L
    return float((np.expm1(np.minimum(rates * L, 700)) / (a * rates**2 - B * rates)).min())


def _amplification(f: Form, c: float, spread: dict, drift: dict) -> float:
    if f.numbers is None or any(drift.values()) or any(sum(J) == 2 and max(J) == 1 for J in f.slots):
        raise ValueError(
            f"its zero-order coefficient {c:.3g} is positive, and the others are not constants without drift"
        )
    a, sides = [spread[i][0] for i in f.space], f.sides
    first = sum(ai * (math.pi / L) ** 2 for ai, L in zip(a, sides, strict=True))
    if c >= first:
        raise ValueError(f"its zero-order coefficient {c:.4g} is not below the first eigenvalue {first:.4g}")
    found = [math.cos(math.sqrt(c / first) * math.pi / 2) ** -len(sides)]
    found += [
        1 / math.cos(math.sqrt(c / ai) * L / 2) for ai, L in zip(a, sides, strict=True) if c < ai * (math.pi / L) ** 2
    ]
    return min(found)
