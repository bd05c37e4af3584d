"""Misfits of a superposition of exact solutions, enclosed: rigorous upper bounds of their norms."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import sympy as sp

from pinnkit.certificate.enclosure.periodic_jump import PeriodicJump, periodic_jump
from pinnkit.certificate.misfits.norms import MisfitNorms
from pinnkit.certificate.norms import interval as enclosure
from pinnkit.certificate.norms import rectangle as surface
from pinnkit.certificate.theorem import elliptic
from pinnkit.certificate.theorem.closed_form import encloses
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.conditions import Periodic
from pinnkit.statement.symbolic.place import INTERIOR, pair
from pinnkit.statement.symbolic.residual import Residual

from . import enclosed_cole_hopf as hopf
from .cole_hopf import ColeHopf
from .rounding import evaluation_bound, evaluation_error
from .solve_lie import closed_form
from .superposition import Superposition

FLOOR = 1e-12  # of the size of the solution: below it an enclosure need not be tight


@encloses(Superposition, ColeHopf)
@dataclass(eq=False)
class EnclosedSuperposition(MisfitNorms):
    """Norms by interval arithmetic: Taylor forms along lines, interpolation with an error bound on surfaces.

    They are norms of the closed form with the stored numbers as exact ones; what evaluating it in floating point adds,
    where large terms may cancel, is said beside them (`rounding`).
    """

    rigorous: ClassVar[bool] = True
    scale: float
    looked: int = 0  # cells
    _periodic_jump: PeriodicJump | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        name = self.solution.problem.name
        if not isinstance(self.solution.network, (Superposition, ColeHopf)):
            raise ValueError(f"{name}: {type(self.solution.network).__name__} is not enclosed: certify it with samples")
        if len(self.form.space) > 2:
            raise ValueError(f"{name} has {len(self.form.space)} space dimensions: only two are enclosed; use samples")
        if why := elliptic.critical(self.form):
            raise ValueError(f"{name} is not enclosed: {why}; certify it with samples")
        self._periodic_jump = periodic_jump(self.form)

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        how = "interval Taylor forms" if len(self.form.space) == 1 else "interpolation with interval remainders"
        adds = f"of the closed form, to which {rounding_adds(self.solution)}"
        if self._periodic_jump is not None:
            adds += f"; what jumps at the periodic ends, by {self._jump(0).sup:.0e} at most, is in the bounds"
        return f"enclosed by {how} on {self.looked} cells, {adds}; the equation holds by construction"

    def residual(self) -> Norm:
        """0, as every member of a superposition solves the equation, but for the lifts of jumps at periodic ends."""
        if self._periodic_jump is None:
            return Norm()
        ((name, e),) = self.solution.problem.everywhere("certificates do").items()
        u = self.solution.problem.fields[0]
        lifted = (e.subs(u, -self._lifted).doit() - e.subs(u, sp.S.Zero).doit()) / self.form.lead
        return self._norm(Residual(name, lifted, INTERIOR), (), {})

    def size(self, by: tuple[str, ...] = ()) -> Norm:
        """Raises ValueError: the inside is not enclosed."""
        raise ValueError(f"{self.solution.problem.name}: its bound needs |u_{''.join(by)}| inside: use samples")

    def periodic(self, condition: Periodic) -> None:
        """The jumps, which rounded wave numbers leave, are taken off: the rest is periodic."""

    def apart(self, norm: str) -> float:
        """By how much the function that the theorems bound differs from the closed form: the jumps' part of it."""
        if self._periodic_jump is None:
            return 0.0
        return self._periodic_jump.added([self._jump(k) for k in range(self._periodic_jump.orders)], norm)

    @cached_property
    def _closed(self) -> sp.Expr:
        return closed_form(self.solution)

    @property
    def _joint(self) -> PeriodicJump:
        if self._periodic_jump is None:
            raise ValueError("no jumps are taken off at periodic ends")
        return self._periodic_jump

    def _jump_of(self, k: int) -> sp.Expr:
        """J_k."""
        x = self._joint.variable
        e = self._closed.diff(x, k) if k else self._closed
        low, high = self._ends
        return e.xreplace({x: high}) - e.xreplace({x: low})

    @cached_property
    def _ends(self) -> dict[sp.Symbol, float]:
        """Symbols in the place of the periodic ends: SymPy would round what it is given numbers for."""
        if self._periodic_jump is None:
            return {}
        return {
            sp.Symbol(f"{self._periodic_jump.variable}_{n}", real=True): getattr(self._periodic_jump, n)
            for n in ("low", "high")
        }

    def _jump(self, k: int) -> Norm:
        """Of J_k over time."""
        name = self._joint.name(self.form, k)
        if name not in self._names:
            x = self._joint.variable.name
            self._names[name] = self._made(Residual(name, self._jump_of(k), pair(x)), (), {x: self._joint.low})
        return self._names[name]

    @cached_property
    def _joined(self) -> sp.Expr:
        return self._closed if self._periodic_jump is None else self._closed - self._lifted

    @cached_property
    def _lifted(self) -> sp.Expr:
        """sum_k J_k l_k, which is taken off."""
        return sp.Add(*(self._jump_of(k) * self._joint.lift(k) for k in range(self._joint.orders)))

    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        problem, box = self.solution.problem, self.solution.problem.domain
        symbols = dict(zip(box.names, problem.variables, strict=True))
        free = [n for n in box.names if n not in fixed]
        e = residual.expression
        same = {q: sp.Symbol(q.name, real=True) for q in e.free_symbols if q.name in problem.parameters}
        if isinstance(self.solution.network, ColeHopf):
            return self._ratio(e.xreplace(same).subs(problem.exact_parameters), by, fixed)
        e = e.xreplace(same).subs(problem.fields[0], self._joined).doit().subs(problem.exact_parameters)
        for name in by:
            e = sp.diff(e, symbols[name])
        at, floor = {symbols[n]: v for n, v in fixed.items()} | self._ends, FLOOR * self.scale
        ends = [tuple(box.bounds[:, box.names.index(n)].tolist()) for n in free]
        if not free:
            found = enclosure.interval_norms(e, sp.Dummy(real=True), (0.0, 1.0), at, floor)
        elif len(free) == 1:
            found = enclosure.interval_norms(e, symbols[free[0]], ends[0], at, floor)
        else:
            along = free.index(box.time) if box.time in free else None
            found = surface.rectangle_norms(e, [symbols[n] for n in free], ends, at, floor, along)
        self.looked += found.cells
        if not math.isfinite(found.norm.sup):
            raise ValueError(f"{problem.name}: {residual.name!r} could not be enclosed: use samples")
        return found.norm

    def _ratio(self, e: sp.Expr, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        """Of a Cole-Hopf map, on a line."""
        problem, box = self.solution.problem, self.solution.problem.domain
        if by or e.diff(u := problem.fields[0]) != 1:
            raise ValueError(f"{problem.name}: only the values of a Cole-Hopf map are enclosed: use samples")
        x, t = problem.variables
        (free,) = (n for n in box.names if n not in fixed)
        at = {s: fixed[s.name] for s in (x, t) if s.name in fixed}
        along, a = x if free == x.name else t, self.solution.theta.numpy()
        line = hopf.ColeHopfLine(self.solution.network, a, -e.subs(u, 0), along, at)
        ends = tuple(box.bounds[:, box.names.index(free)].tolist())
        norm, cells = hopf.cole_hopf_norms(line, ends, FLOOR * self.scale, free == x.name)
        self.looked += cells
        return norm


def rounding_adds(solution: Solution) -> str:
    """What evaluating a closed form in floating point adds to its error, bounded where there are rules for that."""
    try:
        bound = evaluation_bound(solution)
    except ValueError:
        bound = math.inf
    if math.isfinite(bound):
        return f"rounding adds at most {bound:.1e}"
    return f"rounding may add about {evaluation_error(solution):.0e}"
