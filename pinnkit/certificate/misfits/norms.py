"""Norms of misfits that theorems ask for by name, each found once."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pinnkit.certificate.theorem.form import Form, on_face
from pinnkit.certificate.theorem.jumps import refuse
from pinnkit.certificate.theorem.misfit import Breaks, Norm
from pinnkit.certificate.theorem.proof import Enclosure
from pinnkit.domain.box import Domain, face_of
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.conditions import Condition, Initial
from pinnkit.statement.symbolic.residual import Residual


@dataclass(eq=False)
class MisfitNorms:
    """What the two ways to find norms on a box share; they differ in how one is made."""

    rigorous: ClassVar[bool] = False
    signed: ClassVar[bool] = False
    solution: Solution
    form: Form
    _known: dict = field(init=False, default_factory=dict)
    _names: dict[str, Norm] = field(init=False, default_factory=dict)

    @abstractmethod
    def _made(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        """The norm of a residual's derivative on the part of the box where some coordinates are fixed."""

    @property
    def evaluation(self) -> str:
        """How the norms were found."""
        return "taken from a certificate"

    def cells(self, residual: Residual, breaks: Breaks, degrees: Sequence[int]) -> Enclosure:
        """A misfit as polynomials on the cells of a grid; ValueError where it has no enclosure."""
        del breaks, degrees
        raise ValueError(f"of {residual.name!r} only norms are known, not the values")

    def named(self) -> dict[str, Norm]:
        """The norms that were asked for, by condition (and face)."""
        return dict(self._names)

    def apart(self, norm: str) -> float:
        """By how much, in that norm, the function that misses so much may differ from the solution."""
        del norm
        return 0.0

    def initial(self, order: int = 0, by: tuple[str, ...] = ()) -> Norm:
        """Of an initial condition."""
        box, t = self.solution.problem.domain, self.form.t
        return self._norm(self._initial(order), by, {box.names[t]: float(box.bounds[0, t])})

    def wall(self, condition: Condition, face: str, by: tuple[str, ...] = ()) -> Norm:
        """Of a boundary condition."""
        problem = self.solution.problem
        (r,) = condition.residuals(problem.domain)
        end = face_of(problem.domain, face)
        return self._norm(on_face(problem, r, face), by, {end.coordinate: float(end.value)})

    def _initial(self, order: int) -> Residual:
        problem = self.solution.problem
        (c,) = (c for c in problem.conditions if isinstance(c, Initial) and c.order == order)
        (r,) = c.residuals(problem.domain)
        return r

    def _norm(self, residual: Residual, by: tuple[str, ...], fixed: dict[str, float]) -> Norm:
        key = residual.name, residual.expression, by, tuple(fixed.items())
        if key not in self._known:
            if by:
                refuse(self.solution, residual, by, fixed)
            self._known[key] = self._made(residual, by, fixed)
            self._names[label(residual.name, by, fixed, self.solution.problem.domain)] = self._known[key]
        return self._known[key]


def label(name: str, by: tuple[str, ...], fixed: dict[str, float], box: Domain) -> str:
    """A misfit's name: its term, the face where that holds on several, the derivative."""
    face = ""
    if set(fixed) - {box.time}:
        ((coordinate, value),) = fixed.items()
        end = "min" if value == box.bounds[0, box.names.index(coordinate)] else "max"
        face = "" if name.endswith(f"{coordinate}_{end}") else f" ({coordinate} = {value:g})"
    return f"{name}{face}" + (f", by {''.join(by)}" if by else "")
