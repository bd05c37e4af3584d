"""A solution moved by a spline that nearly is its error: what theorems say of that, and the spline, bound the error.

v misses the linear equation L u = f by R = L v - f and conditions B u = g by r. With a spline c, 0 at first, for which
L c is nearly -R and B c nearly -r, v + c misses them by R + L c and r + B c, so that |u* - v| <= |c| + (the theorem's
bound for v + c). A theorem takes the worst sign of what is missed everywhere: now only of what c leaves. (Barriers
correct in this way themselves.) c has continuous derivatives up to the fifth order, more than theorems ask for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
import sympy as sp

from pinnkit.certificate.barrier import bounds as barrier
from pinnkit.certificate.barrier.defect import Defect, DefectAxis, Zeros, zeros_of
from pinnkit.certificate.barrier.splines import SplineAxis, even
from pinnkit.certificate.theorem import energy
from pinnkit.certificate.theorem.bound import Bound, Theorem
from pinnkit.certificate.theorem.form import Form, on_face
from pinnkit.certificate.theorem.misfit import Breaks, Norm
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.statement.symbolic.conditions import Condition, Periodic
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.deadline import OutOfTime, turn
from pinnkit.tools.progress import stage

from .enclosed import EnclosedMisfits

DEGREE = 6  # of the splines
ELEMENTS = 16, 32, 64  # by each coordinate: what is tried in turn
DERIVATIVES = 3  # by time, from 0 on, of what walls miss
QUICK = 8.0  # times in the duration may what walls miss change: by this derivatives are weighed
ENOUGH = 0.03  # of the spline's size, which the theorem's bound of the rest may reach
BETTER = 1.5  # times, by which more elements have to make the rest smaller
RADIUS = 1e-6  # of the largest residual, which the radius of its polynomials may reach


def axes(f: Form, elements: int) -> tuple[DefectAxis, DefectAxis]:
    """Splines that vanish at first and meet zero conditions.

    Raises:
        ValueError: another number of coordinates, or conditions that no spline is made for.
    """
    bounds, names = f.problem.domain.bounds, f.problem.domain.names
    if len(names) != 2 or f.numbers is None:
        raise ValueError("splines are made for two coordinates and constant coefficients")
    f.box()
    found = []
    for i, name in enumerate(names):
        breaks = even(float(bounds[0, i]), float(bounds[1, i]), elements)
        zeros: Zeros = (tuple(range(f.order)), ()) if i == f.time else ((), ())
        if i != f.time and name not in f.periodic:
            ends = energy.end_conditions(f, name)
            zeros = zeros_of([[e.order for e in ends if (e.at > 0) == high] for high in (False, True)])
        found.append(DefectAxis(SplineAxis(breaks, DEGREE, name in f.periodic), zeros))
    return found[0], found[1]


@dataclass(frozen=True, eq=False)
class WallSpline:
    """A spline s of time, nearly what v misses of the condition ``end``, and what is left of that by derivative."""

    end: energy.EndCondition
    s: np.ndarray
    left: tuple[Norm, ...]


@dataclass(eq=False)
class MovedMisfits:
    """The misfits of v + c by those of v."""

    rigorous: ClassVar[bool] = True
    signed: ClassVar[bool] = False
    own: EnclosedMisfits
    elements: int

    @cached_property
    def pair(self) -> tuple[DefectAxis, DefectAxis]:
        """The splines' axes."""
        return axes(self.own.form, self.elements)

    @cached_property
    def defect(self) -> Defect:
        """L c = -R."""
        f, pair = self.own.form, self.pair
        assert f.numbers is not None  # or there were no axes
        sign = -1.0 if f.order else 1.0
        terms = {J: sign * v for J, v in f.numbers.items()}
        if f.order:
            terms[f.index(*[f.t] * f.order)] = 1.0
        ((name, e),) = f.problem.everywhere("certificates do").items()
        R = self._cells(Residual(name, e / f.lead, INTERIOR), tuple(a.spline.breaks for a in pair))
        return Defect(pair, terms, replace(R, coefficients=-R.coefficients), f.time, self._part)

    def _cells(self, stated: Residual, breaks: Breaks) -> Enclosure:
        found = self.own.cells(stated, breaks, tuple(DEGREE if len(b) > 1 else 0 for b in breaks), RADIUS)
        if not np.isfinite(found.radius).all():
            raise ValueError("what is missed could not be enclosed on some cell")
        return found

    @cached_property
    def _walls(self) -> list[WallSpline]:
        """For the conditions that v misses, in one space coordinate and time."""
        f, found = self.own.form, []
        if f.time is None or f.problem.domain.names[f.space[0]] in f.periodic:
            return []
        for e in energy.end_conditions(f, f.problem.domain.names[f.space[0]]):
            if self.own.wall(e.condition, e.face).sup > 0:
                found.append(self._wall(e))
        return found

    def _wall(self, e: energy.EndCondition) -> WallSpline:
        f, problem = self.own.form, self.own.form.problem
        i, b = f.space[0], self.pair[f.t]
        (r,) = e.condition.residuals(problem.domain)
        stated, breaks = on_face(problem, r, e.face), [a.spline.breaks for a in self.pair]
        breaks[i] = (breaks[i][-1 if e.at > 0 else 0],)
        slopes = [sp.diff(stated.expression, problem.variables[f.t], k) for k in range(DERIVATIVES)]
        missed = [
            self._cells(Residual(f"{r.name} {e.face} {k}", d, r.place), tuple(breaks)) for k, d in enumerate(slopes)
        ]
        data = [m.coefficients.reshape(-1) for m in missed]
        scale = [(f.duration / QUICK) ** k for k in range(DERIVATIVES)]
        maps = [v * e.factor * (b.at_nodes(k) @ b.basis) for k, v in enumerate(scale)]
        wanted = [-v * (b.quadrature @ d) for v, d in zip(scale, data, strict=True)]
        s = b.basis @ np.linalg.lstsq(np.concatenate(maps), np.concatenate(wanted), rcond=None)[0]
        s[: f.order] = 0.0
        left = []
        for k, (m, d) in enumerate(zip(missed, data, strict=True)):
            rows = b.rows(k)
            size = np.abs(d) + abs(e.factor) * (abs(rows) @ np.abs(s))
            rest = np.abs(d + e.factor * (rows @ s)) + size * (8 * (DEGREE + 8) * 2.0**-53)
            top = rest.reshape(-1, DEGREE + 1).max(1) + m.radius.reshape(-1)
            width = np.diff(b.spline.breaks)
            up = 1 + 1e-11
            left.append(Norm(float(top.max()) * up, math.sqrt(float((top**2 * width).sum())) * up,
                             float((top * width).sum()) * up))  # fmt: skip
        return WallSpline(e, s, tuple(left))

    @cached_property
    def _part(self) -> np.ndarray | None:
        """Coefficients of a spline that has what the walls' splines say."""
        if not self._walls:
            return None
        i = self.own.form.space[0]
        given = {(w.end.at > 0, w.end.order): w.s for w in self._walls}
        return np.moveaxis(self.pair[i].lifted(given, self.pair[1 - i].spline.size), 0, i)

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        return self.own.evaluation

    def named(self) -> dict[str, Norm]:
        """The norms of v."""
        return self.own.named()

    def residual(self) -> Norm:
        """R + L c."""
        return self.defect.left

    def initial(self, order: int = 0, by: tuple[str, ...] = ()) -> Norm:
        """As of v."""
        return self.own.initial(order, by)

    def wall(self, condition: Condition, face: str, by: tuple[str, ...] = ()) -> Norm:
        """What c leaves of what v misses; or both together where c does not know of that condition."""
        f = self.own.form
        norm, name = self.own.wall(condition, face, by), face.rsplit("_", 1)[0]
        if f.time is None or len(f.space) > 1:
            return norm
        i = f.space[0]
        (e,) = (e for e in energy.end_conditions(f, name) if e.condition is condition and e.face == face)
        w = next((w for w in self._walls if w.end.condition is condition and w.end.face == face), None)
        if w is not None:
            if len(by) >= len(w.left):
                raise ValueError(f"of what is missed on {face} the derivative by {''.join(by)} is not known")
            norm = w.left[len(by)]
        C, t = np.moveaxis(self.defect.solution, i, 0), self.pair[1 - i].spline
        s = np.zeros(t.size) if w is None else w.s
        there = self.pair[i].at_end(C, e.at > 0, e.order)
        off = float(max(abs(v - Fraction(float(g))) for v, g in zip(there, s, strict=True))) * abs(e.factor)
        for k in range(len(by)):  # differences of coefficients over distances of knots
            off *= 2 * (t.degree - k) / float(np.diff(t.breaks).min())
        off, T = off * (1 + 1e-9), t.breaks[-1] - t.breaks[0]
        return Norm(norm.sup + off, norm.l2 + math.sqrt(T) * off, norm.l1 + T * off)

    def periodic(self, condition: Periodic) -> None:
        """As of v."""
        self.own.periodic(condition)

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Not asked for of linear equations."""
        raise ValueError(f"the size of the moved solution {by} is not known")

    def apart(self, norm: str) -> float:
        """|c|, and what lies between v and the function that misses so much."""
        return self.own.apart(norm) + self.defect.size(norm)

    def cells(self, residual: Residual, breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
        """Barriers make a correction of their own."""
        del breaks, degrees
        raise ValueError(f"of {residual.name!r} only norms are known, not the values")


def moved_bounds(known: list[Theorem], own: EnclosedMisfits) -> dict[str, Bound]:
    """The least bounds by theorems that ask for norms only, through a spline; none where no spline is made."""
    known = [theorem for theorem in known if theorem.__module__ != barrier.__name__]
    best: dict[str, Bound] = {}
    for elements in ELEMENTS:
        misfits = MovedMisfits(own, elements)
        found: dict[str, Bound] = {}
        try:
            turn()
            stage(f"a spline of {elements} elements")
            for theorem in known:
                found |= _of(theorem, misfits)
        except OutOfTime:
            break
        better = any(b.value * BETTER < best[n].value for n, b in found.items() if n in best) or not best
        best |= {n: b for n, b in found.items() if n not in best or b.value < best[n].value}
        if not found or not better or all(b.value - b.apart <= ENOUGH * b.apart for b in best.values()):
            break
    return best


def _of(theorem: Theorem, misfits: MovedMisfits) -> dict[str, Bound]:
    try:
        bounds = theorem(misfits)
        apart = {b.norm: misfits.apart(b.norm) for b in bounds}
    except ValueError:
        return {}
    return {
        b.norm: replace(b, value=b.value + apart[b.norm], apart=apart[b.norm], theorem=f"{b.theorem}, after a spline")
        for b in bounds if math.isfinite(b.value)
    }  # fmt: skip
