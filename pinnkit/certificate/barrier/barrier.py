"""Two-sided bounds c - w < e < c + w of an error by one comparison theorem, for every mix of walls.

L e = f inside, B e = g on faces, e = e_0 at the first time, with L = d_t + sum_J a_J D^J or the same without d_t, the
matrix of second order -(a_J) positive semi-definite, B = alpha + beta d_n with n outward, beta >= 0 (Dirichlet: beta
= 0; Neumann: alpha = 0; the signs of alpha and of the coefficient of e are free), or periodic coordinates.

Theorem. Let hi, lo be C^1 and piecewise C^2 in space, C^1 in time on slabs between which hi may jump up, lo down,
with

  L hi > f > L lo inside,   B hi > g > B lo on every face,   hi > e_0 > lo at the first time,   hi > lo everywhere,

one-sided derivatives included. Then hi > e > lo. Proof: psi = hi - lo > 0 has L psi > 0 and B psi > 0. If hi <= e
somewhere, then with s = max (e - hi) / psi >= 0 the function y = hi + s psi - e >= 0 vanishes at some P, where L y >
0 (or B y > 0, or y > 0). Inside or at the last time grad y = 0, D^2 y >= 0, y_t <= 0, so that L y <= 0 whatever the
coefficient of y; on a face y_n <= 0 and B y = beta y_n <= 0: contradictions. A face without a condition may be left
out where a_nn = 0 and nothing enters. No eigenvalue, no e^{Kt}, no constant of a kind of wall is needed: that hi > lo
was found is the proof. With time it needs no linearity: for u_t + H(x, t, u, grad u) - a D^2 u = 0, e = u* - v, it is
enough that hi_t - a D^2 hi + H(v + hi) - H(v) > f (Nagumo, Westphal): where y = hi - e first vanishes, the gradients
agree. (Protter, Weinberger, Maximum Principles in Differential Equations, 1967; Walter, Differential and Integral
Inequalities, 1970.)

Construction. c, a spline in space and a polynomial of t on slabs, meets L c = f, B c = g, c = e_0 by least squares.
What it misses is a polynomial on every cell, up to radii that are known; w, the least that covers it, is found by
linear programming in the Bernstein coefficients of L w, B w, w. These are formed again, what rounding and radii may
take is taken off, and what is left has to be positive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import sympy as sp

from pinnkit.certificate.theorem.proof import BarrierProof, Enclosure, Slab, Spline, Wall
from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.deadline import turn
from pinnkit.tools.progress import stage

from .cell_polynomials import Breaks, constant, of_expression
from .least import fitted, least
from .operator_rows import BoxPart, OperatorRows, U, coarser
from .splines import SplineAxis, SplineGrid, even

NARROW = 0.003  # of the largest source, which the radius of its polynomials may reach
MOST_CELLS = 300  # of a slab in two space dimensions: more take minutes
MOST_SPLIT = 8  # cells in an element, by each coordinate


@dataclass(frozen=True, eq=False)
class BarrierProblem:
    """L, B and the box: coefficients by multi-index (that of e_t is 1), exact expressions of the coordinates."""

    variables: tuple[sp.Symbol, ...]
    time: int | None
    bounds: tuple[tuple[float, float], ...]
    operator: Mapping[Index, sp.Expr]
    walls: tuple[Wall, ...]
    periodic: tuple[int, ...]
    open: tuple[str, ...] = ()

    @property
    def space(self) -> tuple[int, ...]:
        """The numbers of the space coordinates."""
        return tuple(i for i in range(len(self.variables)) if i != self.time)

    def face(self, name: str) -> tuple[int, bool]:
        """The coordinate's number and whether it is the high end."""
        coordinate, end = name.rsplit("_", 1)
        return [v.name for v in self.variables].index(coordinate), end == "max"

    @cached_property
    def middle(self) -> dict[sp.Symbol, sp.Rational]:
        """The middle of the box."""
        return {v: sum(map(sp.Rational, b)) / 2 for v, b in zip(self.variables, self.bounds, strict=True)}

    def size(self, e: sp.Expr) -> float:
        """About |e| in the middle of the box."""
        value = abs(complex(sp.N(e.subs(self.middle))))
        return value if math.isfinite(value) else 1.0

    def rate(self, orders: tuple[int, ...] = (0, 1, 2)) -> float:
        """About the largest rate 1 / time of L by terms of these orders in space."""
        sides = [b - a for a, b in self.bounds]
        return sum(self.size(c) / math.prod(sides[i] ** J[i] for i in self.space)
                   for J, c in self.operator.items() if sum(J) in orders and (self.time is None or not J[self.time])
                   )  # fmt: skip


class BarrierData(Protocol):
    """What is known of f, g, e_0 and of the slopes of non-linear terms, on cells of any grid."""

    def source(self, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        """f."""

    def misfit(self, wall: int, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        """g on the wall of that number."""

    def start(self, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        """e_0."""

    def slopes(self, breaks: Breaks, reach: float) -> list[tuple[Index, Enclosure]]:
        """The coefficients s_J while |e| <= reach, multilinear on cells."""


@dataclass(frozen=True)
class BarrierPlan:
    """Elements by a space coordinate and degrees of c; elements of w are ``coarse`` times as wide.

    Slabs of time are T / ``slabs`` long, at the start ``first`` times shorter. Unless ``corrected`` c = 0: of data that
    jump where faces meet no smooth c is close to the error, and the largest misfits say more.
    """

    elements: int = 16
    degree: int = 5
    degree_in_time: int = 4
    coarse: int = 2
    coarse_degree: int = 3
    coarse_degree_in_time: int = 2
    slabs: int = 8
    first: int = 64
    corrected: bool = True


def barrier(
    s: BarrierProblem, data: BarrierData, plan: BarrierPlan, reach: float | None = None, limited: bool = True
) -> BarrierProof:
    """The least bound of the error that this plan gives, verified.

    With ``reach`` slopes are enclosed for |e| <= reach, and it is a proof only if it stays below that; not ``limited``
    it need not, and is a guess.

    Raises:
        ValueError: no barrier of this plan's splines exists (or was found), or data that have no enclosure.
    """
    slabs: list[Slab] = []
    top = 0.0
    split = 1, False
    for times in _times(s, plan):
        turn()
        stage("a barrier" if times is None else f"a barrier, from the time {times[0]:.4g} on")
        try:
            split = _split(s, data, plan, times, split)
            fine, wide = _grid(s, plan, times, False, split[0]), _grid(s, plan, times, True)
            slab, here = _slab(s, data, plan, (fine, wide), slabs[-1] if slabs else None, reach)
        except ValueError as error:
            when = "" if times is None else f" on the slab of time [{times[0]:.4g}, {times[1]:.4g}]"
            raise ValueError(f"no barrier was found{when}: {error}") from None
        slabs.append(slab)
        top = max(top, here)
        if reach is not None and limited and top > reach:
            raise ValueError(f"the error may exceed {reach:.3g}, within which slopes were enclosed: train longer")
    time = None if s.time is None else s.variables[s.time].name
    return BarrierProof(
        s.variables, time, {v.name: b for v, b in zip(s.variables, s.bounds, strict=True)},
        tuple(s.operator.items()), s.walls, tuple(s.variables[i].name for i in s.periodic), s.open, tuple(slabs), top,
        reach,
    )  # fmt: skip


def _times(s: BarrierProblem, plan: BarrierPlan) -> list[tuple[float, float] | None]:
    """Slabs of time: short ones at the start, growing, then even ones."""
    if s.time is None:
        return [None]
    low, high = s.bounds[s.time]
    T, edges = high - low, [low]
    longest = T / plan.slabs
    step = longest / plan.first
    while edges[-1] < high:
        left = high - edges[-1]
        edges.append(high if left <= step * 1.001 else edges[-1] + step)
        step = min(max(step, edges[-1] - low), longest)
    return [(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _grid(
    s: BarrierProblem, plan: BarrierPlan, times: tuple[float, float] | None, coarse: bool, split: int = 1
) -> SplineGrid:
    axes = []
    for i, (low, high) in enumerate(s.bounds):
        if i == s.time and times is not None:
            axes.append(SplineAxis(times, plan.coarse_degree_in_time if coarse else plan.degree_in_time, split=split))
            continue
        breaks = even(low, high, plan.elements)
        breaks = breaks[:: plan.coarse] if coarse else breaks
        axes.append(SplineAxis(breaks, plan.coarse_degree if coarse else plan.degree, i in s.periodic, split))
    return SplineGrid(tuple(axes))


def groups(
    s: BarrierProblem, grid: SplineGrid, first: bool, slopes: list[tuple[Index, Enclosure]]
) -> list[OperatorRows]:
    """Rows of the equation, of every wall and, in the first slab, of the start."""
    d = len(s.variables)
    none = (0,) * d
    inside = BoxPart(grid, {})
    terms = _terms(s, s.operator.items(), inside)
    found = [OperatorRows(inside, (*terms, *slopes))]
    for wall in s.walls:
        i, high = s.face(wall.face)
        normal = tuple(int(k == i) for k in range(d))
        pairs = [(none, wall.alpha), (normal, wall.beta if high else -wall.beta)]
        on = BoxPart(grid, {i: high})
        found.append(OperatorRows(on, _terms(s, [(J, e) for J, e in pairs if e != 0], on)))
    if s.time is not None and first:
        on = BoxPart(grid, {s.time: False})
        found.append(OperatorRows(on, _terms(s, [(none, sp.S.One)], on)))
    return found


def _terms(s: BarrierProblem, pairs, part: BoxPart) -> tuple[tuple[Index, Enclosure], ...]:
    found = []
    for J, e in pairs:
        if e.free_symbols:
            degrees = tuple(int(len(b) > 1) for b in part.breaks)
            found.append((J, of_expression(e, s.variables, part.breaks, degrees)))
        else:
            found.append((J, constant(e, part.breaks, (0,) * len(part.breaks))))
    return tuple(found)


def _split(
    s: BarrierProblem, data: BarrierData, plan: BarrierPlan, times: tuple[float, float] | None, split: tuple[int, bool]
) -> tuple[int, bool]:
    """Into how many cells by each coordinate elements are cut, for the radius of f to be small beside f.

    ``split`` is that of the slab before, and whether more were found to be of no use.
    """
    n, settled = split
    best = n, math.inf
    while True:
        part = BoxPart(_grid(s, plan, times, False, n), {})
        f = data.source(part.breaks, tuple(a.degree for a in part.grid.axes))
        radius, size = float(f.radius.max()), float(np.abs(f.coefficients).max())
        if not np.isfinite(radius):
            best = n, math.inf
        elif radius > best[1] / 4:
            return best[0], True
        else:
            best = n, radius
            if radius <= NARROW * size or settled:
                return n, settled
        if n >= MOST_SPLIT or len(part.cells) > 2 and math.prod(part.cells) * 8 > MOST_CELLS:
            return best[0], np.isfinite(best[1])
        n *= 2


def _slab(
    s: BarrierProblem,
    data: BarrierData,
    plan: BarrierPlan,
    grids: tuple[SplineGrid, SplineGrid],
    before: Slab | None,
    reach: float | None,
) -> tuple[Slab, float]:
    """c and w on a slab, and the largest |c| + w."""
    fine, wide = grids
    slopes = [[] if reach is None else data.slopes(BoxPart(g, {}).breaks, reach) for g in (fine, wide)]
    rows = groups(s, fine, before is None, slopes[0])
    known = [_data(data, k, r, len(s.walls)) for k, r in enumerate(rows)]
    f = [r.data(e) for r, e in zip(rows, known, strict=True)]
    weights = [_effect(s, fine, k) for k in range(len(rows))]
    held = None if before is None else _last(s, before.center)
    c = fitted(rows, f, weights, fine, s.time, held) if plan.corrected else np.zeros(math.prod(fine.shape))
    missed = [
        r.largest(np.abs(r.matrix @ c - b) + r.spread(e.radius) + r.lost(c, b))
        for r, b, e in zip(rows, f, known, strict=True)
    ]
    covering = groups(s, wide, before is None, [(J, e if any(J) else _lowest(e)) for J, e in slopes[1]])
    shared = [coarser(m, r.part.cells) * (1 + 2.0**-50) for m, r in zip(missed, covering, strict=True)]
    if not all(np.isfinite(m).all() for m in shared):
        raise ValueError("what is missed could not be enclosed on some cell")
    w = least(covering, shared, wide, s.time, None if before is None else _last(s, before.width))
    center, width = (_spline(g, v) for g, v in ((fine, c), (wide, w)))
    size = coarser(np.abs(_cells(fine, c)), BoxPart(wide, {}).cells) + _cells(wide, w)
    start = known[-1] if before is None and s.time is not None else None
    slab = Slab(center, width, known[0], tuple(known[1 : 1 + len(s.walls)]), start, tuple(slopes[0]))
    return slab, float(size.max())


def _lowest(f: Enclosure) -> Enclosure:
    """The least function that is allowed, of the coefficient of w itself, which is positive."""
    axes = tuple(range(f.radius.ndim, 2 * f.radius.ndim))
    low = f.coefficients - np.expand_dims(f.radius, axes)
    return replace(f, coefficients=low, radius=4 * U * (np.abs(f.coefficients).max(axes) + f.radius))


def _data(data: BarrierData, k: int, rows: OperatorRows, walls: int) -> Enclosure:
    breaks, degrees = rows.part.breaks, rows.degrees
    if k == 0:
        return data.source(breaks, degrees)
    return data.misfit(k - 1, breaks, degrees) if k <= walls else data.start(breaks, degrees)


def _effect(s: BarrierProblem, grid: SplineGrid, k: int) -> float:
    """About what a misfit 1 of group k does to the error within the slab: the weight of its rows in least squares."""
    if k == 0:
        step = 0.0 if s.time is None else 1 / (grid.axes[s.time].breaks[-1] - grid.axes[s.time].breaks[0])
        return 1 / max(s.rate() + step, 1e-300)
    if k > len(s.walls):
        return 1.0
    wall = s.walls[k - 1]
    low, high = s.bounds[s.face(wall.face)[0]]
    return 1 / max(s.size(wall.alpha) + s.size(wall.beta) / (high - low), 1e-300)


def _last(s: BarrierProblem, spline: Spline) -> np.ndarray:
    """The coefficients at the end of a slab."""
    return np.take(spline.coefficients, -1, s.time)


def _spline(grid: SplineGrid, c: np.ndarray) -> Spline:
    axes = grid.axes
    return Spline(tuple(np.array(a.breaks) for a in axes), tuple(a.degree for a in axes),
                  tuple(a.periodic for a in axes), c.reshape(grid.shape))  # fmt: skip


def _cells(grid: SplineGrid, c: np.ndarray) -> np.ndarray:
    """The largest |value| on every cell, rounded up."""
    none, part = (0,) * len(grid.axes), BoxPart(grid, {})
    one = OperatorRows(part, ((none, constant(sp.S.One, part.breaks, none)),))
    return one.largest(np.abs(one.matrix @ c.ravel()) + one.lost(c.ravel()))


def range_of(proof: BarrierProof, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c - w and c + w at points (n, d): bounds of the error there, up to rounding of about 1e-14 of them."""
    c, w = np.empty(len(X)), np.empty(len(X))
    names = [v.name for v in proof.variables]
    i = None if proof.time is None else names.index(proof.time)
    ends = [] if i is None else [slab.center.breaks[i][-1] for slab in proof.slabs]
    which = np.zeros(len(X), int) if i is None else np.minimum(np.searchsorted(ends, X[:, i]), len(ends) - 1)
    for k, slab in enumerate(proof.slabs):
        on = which == k
        for out, spline in ((c, slab.center), (w, slab.width)):
            axes = (SplineAxis(tuple(b.tolist()), p, r) for b, p, r in
                    zip(spline.breaks, spline.degrees, spline.periodic, strict=True))  # fmt: skip
            out[on] = SplineGrid(tuple(axes)).at(spline.coefficients, X[on])
    return c - w, c + w
