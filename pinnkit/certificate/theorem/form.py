"""What a theorem asks of a problem: the equation solved for the leading derivative, the box, what holds on faces."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp

from pinnkit.certificate.validated.interval_arithmetic import Interval
from pinnkit.certificate.validated.interval_series import enclosed_series
from pinnkit.domain.box import Box, Face, face_of
from pinnkit.statement.checks import lowered
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Boundary, Dirichlet, normals
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.conditions import Condition, Initial, Periodic
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.well_posed import faces

CELLS = 4096  # into which a box is cut where the range of a coefficient is enclosed


@dataclass(frozen=True, eq=False)
class Form:
    """D_t^order u = sum_J c_J D^J u + ... in symbols of u and its derivatives; ``order`` 0 is an equation without time.

    ``right`` is that right side (without time the equation itself, divided by the coefficient of the first second
    derivative) and may be non-linear in u; ``lead`` what the stated equation was divided by.
    """

    problem: Problem
    order: int
    right: sp.Expr
    lead: sp.Expr
    slots: Mapping[Index, sp.Symbol]

    @cached_property
    def time(self) -> int | None:
        """The number of the time coordinate."""
        domain = self.problem.domain
        return None if domain.time is None else domain.names.index(domain.time)

    @property
    def t(self) -> int:
        """The number of the time coordinate; ValueError where there is no time."""
        if self.time is None:
            raise ValueError("the theorem is for equations in time")
        return self.time

    @cached_property
    def space(self) -> tuple[int, ...]:
        """The numbers of the space coordinates."""
        return tuple(i for i in range(len(self.problem.variables)) if i != self.time)

    @cached_property
    def sides(self) -> tuple[float, ...]:
        """The lengths of the box (of any other domain the box around it)."""
        extent = np.ptp(self.problem.domain.bounds, axis=0)
        return tuple(extent[list(self.space)].tolist())

    @property
    def duration(self) -> float:
        """The length of the time interval."""
        return float(np.ptp(self.problem.domain.bounds[:, self.t]))

    @property
    def volume(self) -> float:
        """The volume of the box in space."""
        return math.prod(self.sides)

    @cached_property
    def coefficients(self) -> dict[Index, sp.Expr] | None:
        """c_J of the right side; None where it is not linear."""
        found = {J: sp.expand(self.right.diff(s)) for J, s in self.slots.items()}
        if any(c.free_symbols & set(self.slots.values()) for c in found.values()):
            return None
        return {J: c for J, c in found.items() if c != 0}

    @cached_property
    def numbers(self) -> dict[Index, float] | None:
        """The coefficients where all are constants."""
        c = self.coefficients
        if c is None or any(v.free_symbols for v in c.values()):
            return None
        return {J: float(v) for J, v in c.items()}

    def constant(self, *coordinates: int) -> float:
        """The coefficient of the derivative by these coordinates, 0 where there is none; ValueError unless constant."""
        if self.numbers is None:
            raise ValueError("its coefficients are not constant")
        return self.numbers.get(self.index(*coordinates), 0.0)

    def index(self, *coordinates: int) -> Index:
        """The multi-index of the derivative by these coordinates."""
        return tuple(sum(i == j for j in coordinates) for i in range(len(self.problem.variables)))

    @cached_property
    def diffusion(self) -> tuple[float, ...] | None:
        """a_i where the right side is sum a_i u_ii + c u with constants a_i > 0; None for another one."""
        second = [self.index(i, i) for i in self.space]
        if self.numbers is None or set(self.numbers) - {self.index()} != set(second):
            return None
        a = tuple(self.numbers[J] for J in second)
        return a if min(a) > 0 else None

    @cached_property
    def held(self) -> dict[str, list[Condition]]:
        """The conditions on every face of the box."""
        walls = [c for c in self.problem.conditions if isinstance(c, Boundary)]
        everything = self.problem.domain.faces or ("boundary",)
        return {f: [c for c in walls if f in faces(self.problem, c)] for f in everything}

    @cached_property
    def periodic(self) -> dict[str, Periodic]:
        """The conditions of periodicity by coordinate."""
        return {c.coordinate: c for c in self.problem.conditions if isinstance(c, Periodic)}

    def dirichlet(self) -> None:
        """Raises ValueError unless every face holds exactly a Dirichlet condition, and no other condition stands."""
        for face, held in self.held.items():
            if len(held) != 1 or not isinstance(held[0], Dirichlet):
                kinds = " and ".join(type(c).__name__ for c in held) or "nothing"
                raise ValueError(f"on {face} it has {kinds}: the theorem is for Dirichlet conditions on all faces")
        self.nothing_else()

    def nothing_else(self) -> None:
        """Raises ValueError where a condition is not on a face, periodic or initial, of the orders 0 ... order - 1."""
        for c in self.problem.conditions:
            if not isinstance(c, Initial | Periodic | Boundary):
                raise ValueError(f"the condition {c.name!r} is of the kind {type(c).__name__}, which no theorem covers")
            if isinstance(c, Boundary) and c.on in ("pde", "initial"):
                raise ValueError(f"the condition {c.name!r} holds on {c.on!r}, which no theorem covers")
        for name, c in self.periodic.items():
            highest = max((J[self.problem.domain.names.index(name)] for J in self.slots), default=0)
            if c.order < highest - 1:
                more = f"give order={highest - 1}"
                raise ValueError(f"{c.name!r} says nothing of derivatives of order {c.order + 1} and beyond: {more}")
        given = sorted(c.order for c in self.problem.conditions if isinstance(c, Initial))
        if given != list(range(self.order)):
            raise ValueError(f"it needs initial conditions of orders {list(range(self.order))}, got {given}")

    def box(self) -> Box:
        """The domain; ValueError where it is none."""
        if not isinstance(self.problem.domain, Box):
            raise ValueError("the theorem is for a box")
        return self.problem.domain

    def face(self, name: str | None) -> Face | None:
        """The face of the box by its name; None where the domain is no box."""
        domain = self.problem.domain
        return domain.face(name) if name is not None and isinstance(domain, Box) else None

    def range(self, e: sp.Expr, face: str | None = None) -> tuple[float, float]:
        """Rigorous bounds of an expression of the coordinates on the box around the domain, or on a face.

        Raises:
            ValueError: an expression that has no enclosure.
        """
        if not e.free_symbols:
            value = float(e)
            return (value, value)
        lower, upper = self.problem.domain.bounds
        per = max(2, int(CELLS ** (1 / len(lower))))
        axes, at = [], self.face(face)
        for i, (a, b) in enumerate(zip(lower, upper, strict=True)):
            if at is not None and at.axis == i:
                a, b = (b, b) if at.high else (a, a)
            edges = np.linspace(a, b, 2 if a == b else per + 1)
            axes.append(np.stack([edges[:-1], edges[1:]], 1))
        meshes = np.meshgrid(*(np.arange(len(a)) for a in axes), indexing="ij")
        cells = [a[m.ravel()] for a, m in zip(axes, meshes, strict=True)]
        values = {
            s: Interval(c[:, 0].copy(), c[:, 1].copy())[None]
            for s, c in zip(self.problem.variables, cells, strict=True)
        }
        with np.errstate(all="ignore"):
            found = enclosed_series(e, values)
        low, high = float(found.low[0].min()), float(found.high[0].max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise ValueError(f"the coefficient {e} is not bounded")
        return low, high


def form(problem: Problem) -> Form:
    """The problem's only equation, solved for its highest time derivative.

    Raises:
        ValueError: several fields or equations, unknown coefficients, or an equation that cannot be solved for it.
    """
    if len(problem.fields) != 1 or len(problem.equations) != 1:
        raise ValueError(f"it has {len(problem.fields)} fields and {len(problem.equations)} equations")
    if problem.unknowns:
        raise ValueError("it has unknown coefficients")
    ((name, e),) = problem.everywhere("certificates do").items()
    e = e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})  # exactly: floats are rational numbers
    row = lowered(problem, Residual(name, e, INTERIOR))
    slots = {slot.channel[0][1]: s for s, slot in row.slots.items()}
    same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in problem.parameters}
    body = sp.expand(row.expressions[0].xreplace(same).subs(problem.exact_parameters))
    domain = problem.domain
    if not domain.space:
        raise ValueError("its domain is time alone, and the theorems are about space: error_map estimates its error")
    t = None if domain.time is None else domain.names.index(domain.time)
    order = 0 if t is None else max((J[t] for J in slots), default=0)
    if t is not None:
        leading = [s for J, s in slots.items() if J[t] == order]
        pure = slots.get(tuple(order if i == t else 0 for i in range(len(domain.names))))
        if not order or len(leading) > 1 or pure is None:
            raise ValueError("its equation cannot be solved for the highest time derivative")
    else:
        pure = next((slots[J] for J in sorted(slots, reverse=True) if max(J) == sum(J) == 2), None)
        if pure is None:
            raise ValueError("its equation has no second derivatives")
    lead = sp.expand(body.diff(pure))
    if lead == 0 or lead.free_symbols & set(slots.values()):
        raise ValueError(f"the coefficient of the leading derivative is {lead}, which depends on the solution")
    right = sp.expand(body / lead) if t is None else sp.expand(pure - body / lead)
    return Form(problem, order, right, lead, slots)


def on_face(problem: Problem, residual: Residual, face: str) -> Residual:
    """The residual with the outward normal of a face of the box in place."""
    end = face_of(problem.domain, face)
    outward = {n: 0 for n in normals(*problem.variables)} | {
        sp.Symbol(f"n_{end.coordinate}", real=True): 1 if end.high else -1
    }
    return Residual(residual.name, residual.expression.subs(outward), residual.place)
