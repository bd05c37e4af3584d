"""Bounds of the maximum and of L2 norms by a barrier made for the problem: what it asks of problem and data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp

from pinnkit.certificate.theorem.bound import Bound, Theorem
from pinnkit.certificate.theorem.form import Form, on_face
from pinnkit.certificate.theorem.maximum_principle import diffusion, without_condition
from pinnkit.certificate.theorem.misfit import Misfits, Norm
from pinnkit.certificate.theorem.proof import BarrierProof, Enclosure, Wall
from pinnkit.certificate.validated.interval_arithmetic import Interval
from pinnkit.certificate.validated.interval_series import enclosed_series
from pinnkit.domain.box import Box
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann, Robin
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.conditions import Condition, Initial
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.deadline import OutOfTime

from .barrier import BarrierPlan, BarrierProblem, barrier
from .cell_polynomials import Breaks, between, ends, limits, shape, widened
from .spline_norms import barrier_norms, middles

NAME = "a supersolution verified for this problem"
ENOUGH = 1.1  # of the bound over what the error reaches at least: no finer barrier is looked for
SMOOTH = 3.0  # the same: data are smooth enough for a correction
SPACE = 2  # dimensions at most
PLANS = {  # by space dimensions and whether there is time
    (1, True): (BarrierPlan(16), BarrierPlan(32, slabs=16), BarrierPlan(128, slabs=32, coarse=4)),
    (1, False): (BarrierPlan(16), BarrierPlan(64), BarrierPlan(256, coarse=4)),
    (2, True): (BarrierPlan(6, coarse=1, degree_in_time=3),),
    (2, False): (BarrierPlan(8, coarse=1), BarrierPlan(16), BarrierPlan(32)),
}
LARGER = (1.2, 2.0, 6.0)  # than the guess may an error be, of non-linear equations: what is tried
RECENT = 20  # enclosures that are kept


def match(f: Form) -> Theorem | None:
    """The bound; None for another kind of equation, ValueError with what is missing."""
    if f.order > 1 or not isinstance(f.problem.domain, Box) or len(f.space) > SPACE:
        return None
    if any(sum(J) > 2 or (f.order and J[f.t] and sum(J) > 1) for J in f.slots):
        return None
    linear = f.coefficients is not None
    if not linear and (not f.order or not _quasilinear(f)):
        return None
    s, conditions = statement(f)

    sharp = f.order and linear and _sharp(f, s)

    def bound(m: Misfits) -> list[Bound]:
        if not linear and not m.signed:
            raise ValueError("of a non-linear equation a barrier needs misfits that are enclosed, not sampled")
        if sharp and not m.signed:
            raise ValueError("by largest misfits alone the constants of the maximum principle are as good")
        for condition in f.periodic.values():
            m.periodic(condition)
        known = _Known(f, s, conditions, m)
        proof = _nonlinear(s, known) if not linear else _linear(s, known)
        return [
            Bound(n, v, NAME, proof, at_least(proof) if n == "sup" else 0.0) for n, v in barrier_norms(proof).items()
        ]

    return bound


def _sharp(f: Form, s: BarrierProblem) -> bool:
    """Whether the maximum principle's constants are those of barriers: values on all faces, no drift, no growth."""
    given = all(w.beta == 0 for w in s.walls) and not s.open
    first = any(sum(J) == 1 and not (f.order and J[f.t]) for J in s.operator)
    return given and not first and f.range(-s.operator.get(f.index(), sp.S.Zero))[1] <= 0


def _quasilinear(f: Form) -> bool:
    """Whether second derivatives have coefficients of the coordinates, and first ones of these and u."""
    u = f.slots.get(f.index())
    for J, s in f.slots.items():
        free = f.right.diff(s).free_symbols & set(f.slots.values())
        if (sum(J) == 2 and free) or (sum(J) == 1 and free - {u}):
            return False
    return True


def statement(f: Form) -> tuple[BarrierProblem, list[tuple[Condition, str, int]]]:
    """L and B of a problem, and by wall its condition, the face and the sign that makes beta >= 0.

    Raises:
        ValueError: conditions that the theorem does not cover, or second derivatives that are not a diffusion's.
    """
    f.nothing_else()
    diffusion(f)
    slots = set(f.slots.values())
    slopes = {J: sp.expand(f.right.diff(s)) for J, s in f.slots.items()}
    operator = {J: -c for J, c in slopes.items() if not c.free_symbols & slots and c != 0}
    if f.order:
        operator[f.index(f.t)] = sp.S.One
    walls, conditions, open_faces = [], [], []
    for i in f.space:
        name = f.problem.variables[i].name
        if name in f.periodic:
            continue
        for face in (f"{name}_min", f"{name}_max"):
            if not f.held[face]:
                without_condition(f, i, face)
                if any(c.free_symbols & slots for c in slopes.values()):
                    raise ValueError(f"there is no condition on {face}, and the equation is not linear")
                open_faces.append(face)
                continue
            c = min(f.held[face], key=lambda c: not isinstance(c, Dirichlet))
            alpha, beta = _operator_of(f, c)
            low, high = f.range(beta, face)
            if low < 0 < high:
                raise ValueError(f"the coefficient of the slope in {c.name!r} changes its sign")
            sign = -1 if low < 0 else 1
            walls.append(Wall(face, sign * alpha, sign * beta))
            conditions.append((c, face, sign))
    bounds = tuple((float(a), float(b)) for a, b in f.problem.domain.bounds.T)
    periodic = tuple(i for i in f.space if f.problem.variables[i].name in f.periodic)
    found = BarrierProblem(
        tuple(f.problem.variables), f.time, bounds, operator, tuple(walls), periodic, tuple(open_faces)
    )
    return found, conditions


def _operator_of(f: Form, c: Condition) -> tuple[sp.Expr, sp.Expr]:
    if isinstance(c, Dirichlet):
        return sp.S.One, sp.S.Zero
    if isinstance(c, Neumann):
        return sp.S.Zero, sp.S.One
    if not isinstance(c, Robin):
        raise ValueError(f"the condition {c.name!r} is of the kind {type(c).__name__}, which no theorem covers")
    return tuple(_exactly(f, sp.sympify(v, strict=True)) for v in (c.a, c.b))


def _exactly(f: Form, e: sp.Expr) -> sp.Expr:
    """In rational numbers: of parameters, and of floats, which are such."""
    same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in f.problem.parameters}
    e = e.xreplace(same).subs(f.problem.exact_parameters)
    return e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})


def _linear(s: BarrierProblem, known: _Known, reach: float | None = None) -> BarrierProof:
    """The least bound of some plans, the next one where the last is loose."""
    best, reasons = None, []
    first, *others = PLANS[len(s.space), s.time is not None]
    others = others if reach is None else others[:1]  # of non-linear equations several reaches are tried
    for plan in (first, replace(first, corrected=False), *others):
        if not plan.corrected and best is not None and best.bound <= SMOOTH * at_least(best):
            continue
        try:
            proof = barrier(s, known, plan, reach)
        except OutOfTime:
            if best is None:
                raise
            break
        except ValueError as error:
            reasons.append(error)
            continue
        if best is None or proof.bound < best.bound:
            best = proof
        if not known.signed or best.bound <= ENOUGH * at_least(best):
            break
    if best is None:
        raise reasons[-1]
    return best


def _nonlinear(s: BarrierProblem, known: _Known) -> BarrierProof:
    """The same where slopes depend on how large the error may be: that is guessed, and found to hold."""
    guess = barrier(s, known, PLANS[len(s.space), True][0], 0.0, limited=False).bound
    reasons = []
    for factor in LARGER:
        try:
            return _linear(s, known, factor * guess)
        except ValueError as error:
            reasons.append(error)
    raise reasons[0]


def at_least(proof: BarrierProof) -> float:
    """What the error reaches at least by c - w and c + w in the middles of the cells."""
    return max(float(np.max(np.abs(c) - w)) for c, w in middles(proof))


@dataclass(eq=False)
class _Known:
    """f, g, e_0 and slopes of a problem by the misfits of a solution: cell by cell where these are known so.

    f = -r with time and r without (r of the equation solved for its leading derivative), g and e_0 minus the misfits.
    """

    form: Form
    statement: BarrierProblem
    conditions: list[tuple[Condition, str, int]]
    misfits: Misfits
    _norms: dict = field(init=False, default_factory=dict)
    _recent: dict = field(init=False, default_factory=dict)

    @property
    def signed(self) -> bool:
        """Whether misfits are known with their signs."""
        return self.misfits.signed

    def source(self, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        """f."""
        ((name, e),) = self.form.problem.everywhere("certificates do").items()
        found = self._of(Residual(name, e / self.form.lead, INTERIOR), "pde", self.misfits.residual, breaks, degrees)
        return _negative(found) if self.form.order else found

    def misfit(self, wall: int, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        """g."""
        condition, face, sign = self.conditions[wall]
        (r,) = condition.residuals(self.form.problem.domain)
        stated = on_face(self.form.problem, r, face)
        found = self._of(stated, face, lambda: self.misfits.wall(condition, face), breaks, degrees)
        return _negative(found) if sign > 0 else found

    def start(self, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        """e_0."""
        problem = self.form.problem
        (c,) = (c for c in problem.conditions if isinstance(c, Initial))
        (r,) = c.residuals(problem.domain)
        return _negative(self._of(r, "start", self.misfits.initial, breaks, degrees))

    def slopes(self, breaks: Breaks, reach: float) -> list[tuple[Index, Enclosure]]:
        """The coefficients s_J of e and e_i in H(v + e) - H(v) while |e| <= reach, H = -(the right side).

        That of e is the mean of -dR/du over the values of u between v and v + e, with the slopes of v; that of e_i is
        -dR/du_i at v + e. Both are what they are at v, a polynomial on the cell, changed by at most |e| / 2 and |e|
        times a bound of their derivative by u.
        """
        f, u = self.form, self.form.slots.get(self.form.index())
        symbols = set(f.slots.values())
        back = {s: f.problem.fields[0].diff(*((v, k) for v, k in zip(f.problem.variables, J, strict=True) if k))
                if any(J) else f.problem.fields[0] for J, s in f.slots.items()}  # fmt: skip
        values = self._places(breaks, reach, back)
        found = []
        for J, s in f.slots.items():
            slope = sp.expand(-f.right.diff(s))
            if not slope.free_symbols & symbols:
                continue
            degrees = tuple(int(len(b) > 1) for b in breaks)
            stated = Residual(f"slope {J}", slope.xreplace(back), INTERIOR)
            at = self.misfits.cells(stated, breaks, degrees)
            with np.errstate(all="ignore"):
                change = enclosed_series(sp.expand(slope.diff(u)), values)[0].size
            by = np.broadcast_to(change, math.prod(shape(breaks))).reshape(shape(breaks)) * (1 + 1e-12)
            by = by * (reach if any(J) else reach / 2)
            found.append((J, widened(at, np.nan_to_num(by, nan=np.inf))))
        return found

    def _places(self, breaks: Breaks, reach: float, back: dict) -> dict[sp.Symbol, Interval]:
        """On every cell the coordinates, u within ``reach`` of v, and the derivatives of v."""
        low, high = ends(breaks)
        places = zip(self.statement.variables, low.T, high.T, strict=True)
        values = {v: Interval(a.copy(), b.copy())[None] for v, a, b in places}
        for J, s in self.form.slots.items():
            if sum(J) > 1 or (self.form.order and J[self.form.t]):
                continue
            stated = Residual(f"v {J}", back[s], INTERIOR)
            a, b = limits(self.misfits.cells(stated, breaks, tuple(3 for _ in breaks)))
            wide = 0.0 if any(J) else reach
            values[s] = Interval((a - wide).ravel() - 1e-300, (b + wide).ravel() + 1e-300)[None]
            if not any(J):
                values[s] = Interval(np.nextafter(values[s].low, -np.inf), np.nextafter(values[s].high, np.inf))
        return values

    def _of(self, stated: Residual, name: str, ask: Any, breaks: Breaks, degrees: tuple[int, ...]) -> Enclosure:
        if name not in self._norms:
            self._norms[name] = ask()  # norms are asked for once, so that they are named in the certificate
        if self.signed:
            key = name, breaks, degrees
            if key not in self._recent:
                if len(self._recent) > RECENT:
                    self._recent.clear()
                self._recent[key] = self.misfits.cells(stated, breaks, degrees)
            return self._recent[key]
        sup = np.full(math.prod(shape(breaks)), self._within(self._norms[name], breaks))
        return between(-sup, sup, breaks, degrees)

    def _within(self, norm: Norm, breaks: Breaks) -> float:
        """The largest misfit, of a wall that in the slab of time."""
        i = self.statement.time
        if norm.envelope is None or i is None or len(breaks[i]) < 2:
            return norm.sup
        start = self.statement.bounds[i][0]
        first, last, top = norm.envelope.T
        near = 1e-9 * (self.statement.bounds[i][1] - start)
        on = (last >= breaks[i][0] - start - near) & (first <= breaks[i][-1] - start + near)
        return float(top[on].max()) if on.any() else norm.sup


def _negative(f: Enclosure) -> Enclosure:
    return replace(f, coefficients=-f.coefficients)
