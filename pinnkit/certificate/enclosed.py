"""Misfits of a superposition of exact solutions, enclosed: rigorous upper bounds of their norms."""

import math
from dataclasses import dataclass, field

import sympy as sp

from pinnkit.condition import Condition, Initial, Periodic, Residual
from pinnkit.solution import Solution
from pinnkit.superpose.cole_hopf import ColeHopf
from pinnkit.superpose.network import Superposition
from pinnkit.superpose.operator import exact
from pinnkit.superpose.solver import closed_form

from . import enclosure, surface
from .form import Form, on_face
from .misfit import Norm
from .sampled import label

FLOOR = 1e-12  # of the size of the solution: below it an enclosure need not be tight


@dataclass(eq=False)
class EnclosedMisfits:
    """Norms by interval arithmetic: Taylor forms along lines, interpolation with an error bound on surfaces."""

    solution: Solution
    form: Form
    scale: float
    cells: int = 0
    _known: dict = field(default_factory=dict)
    _names: dict[str, Norm] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = self.solution.problem.name
        if not isinstance(self.solution.network, (Superposition, ColeHopf)):
            raise ValueError(f"{name}: {type(self.solution.network).__name__} is not enclosed: certify it with samples")
        if len(self.form.space) > 2:
            raise ValueError(f"{name} has {len(self.form.space)} space dimensions: only two are enclosed; use samples")

    def named(self) -> dict[str, Norm]:
        """The norms that were asked for, by condition (and face)."""
        return dict(self._names)

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        how = "interval Taylor forms" if len(self.form.space) == 1 else "interpolation with interval remainders"
        return f"enclosed by {how} on {self.cells} cells; the equation holds by construction"

    def initial(self, order: int = 0, by: tuple[str, ...] = ()) -> Norm:
        """Of an initial condition."""
        problem = self.solution.problem
        (c,) = (c for c in problem.conditions if isinstance(c, Initial) and c.order == order)
        (r,) = c.residuals(problem.domain)
        t = problem.domain.time
        return self._norm(r, by, {t: float(problem.domain.bounds[0, problem.domain.names.index(t)])})

    def wall(self, condition: Condition, face: str, by: tuple[str, ...] = ()) -> Norm:
        """Of a boundary condition."""
        problem = self.solution.problem
        (r,) = condition.residuals(problem.domain)
        name, end = face.rsplit("_", 1)
        ends = problem.domain.bounds[:, problem.domain.names.index(name)]
        return self._norm(on_face(problem, r, face), by, {name: float(ends[int(end == "max")])})

    def residual(self) -> Norm:
        """0: every member of a superposition solves the equation."""
        return Norm()

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Raises ValueError: the inside is not enclosed."""
        raise ValueError(f"{self.solution.problem.name}: its bound needs |u_{''.join(by)}| inside: use samples")

    def periodic(self, condition: Periodic) -> None:
        """Raises ValueError: rounded wave numbers are not exactly periodic."""
        raise ValueError(f"{condition.name!r} holds up to rounding only, which is not enclosed: use samples")

    def _norm(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        key = residual.name, residual.expression, by, tuple(fixed.items())
        if key not in self._known:
            self._known[key] = self._made(residual, by, fixed)
            self._names[label(residual.name, by, fixed, self.solution.problem.domain)] = self._known[key]
        return self._known[key]

    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        problem, box = self.solution.problem, self.solution.problem.domain
        symbols = dict(zip(box.names, problem.variables, strict=True))
        free = [n for n in box.names if n not in fixed]
        e = residual.expression
        same = {q: sp.Symbol(q.name, real=True) for q in e.free_symbols if q.name in problem.parameters}
        e = e.xreplace(same).subs(problem.fields[0], closed_form(self.solution)).doit().subs(exact(problem))
        for name in by:
            e = sp.diff(e, symbols[name])
        at, floor = {symbols[n]: v for n, v in fixed.items()}, FLOOR * self.scale
        ends = [tuple(box.bounds[:, box.names.index(n)].tolist()) for n in free]
        if not free:
            found = enclosure.norms(e, sp.Dummy(real=True), (0.0, 1.0), at, floor)
        elif len(free) == 1:
            found = enclosure.norms(e, symbols[free[0]], ends[0], at, floor)
        else:
            along = free.index(box.time) if box.time in free else None
            found = surface.norms(e, [symbols[n] for n in free], ends, at, floor, along)
        self.cells += found.cells
        if not math.isfinite(found.norm.sup):
            raise ValueError(f"{problem.name}: {residual.name!r} could not be enclosed: use samples")
        return found.norm
