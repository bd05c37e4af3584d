"""The boundary conditions of a box by coordinate, as far as separated solutions and images can satisfy them."""

from dataclasses import dataclass

import sympy as sp

from pinnkit.domain.box import Box
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Boundary, Dirichlet, Neumann, Robin
from pinnkit.statement.symbolic.conditions import Periodic
from pinnkit.statement.well_posed import faces


@dataclass(frozen=True)
class FaceCondition:
    """a u + b n . grad u = data on one face; whether the data are 0 everywhere, and whether they are constant."""

    a: float
    b: float
    homogeneous: bool
    steady: bool

    @property
    def sign(self) -> int:
        """The factor that an image gets here: -1 for values, +1 for slopes, 0 where there is no image."""
        return -1 if self.b == 0 else 1 if self.a == 0 else 0


@dataclass(frozen=True)
class FacePair:
    """What holds at the two faces of a coordinate: periodicity, two ends, or (neither) something else."""

    name: str
    index: int
    lower: float
    upper: float
    ends: tuple[FaceCondition, FaceCondition] | None
    periodic: bool

    @property
    def length(self) -> float:
        """The distance between the faces."""
        return self.upper - self.lower


def face_pairs(problem: Problem) -> tuple[FacePair, ...]:
    """The walls of a problem's box, one for each space coordinate; other domains have none."""
    if not isinstance(problem.domain, Box):
        return ()
    return tuple(_wall(problem, name) for name in problem.domain.space)


def _wall(problem: Problem, name: str) -> FacePair:
    i = problem.domain.names.index(name)
    lower, upper = problem.domain.bounds[:, i].tolist()
    low, high = (_end(problem, f"{name}_{end}") for end in ("min", "max"))
    periodic = any(isinstance(c, Periodic) and c.coordinate == name for c in problem.conditions)
    known = (low, high) if low is not None and high is not None and not periodic else None
    return FacePair(name, i, lower, upper, known, periodic)


def _end(problem: Problem, face: str) -> FaceCondition | None:
    held = [c for c in problem.conditions if isinstance(c, Boundary)]
    on = [c for c in held if face in faces(problem, c)]
    if len(on) != 1 or not isinstance(on[0], (Dirichlet, Neumann, Robin)):
        return None
    c = on[0]
    known = problem.exact_parameters
    same = {s: sp.Symbol(s.name, real=True) for s in c.value.free_symbols if s.name in problem.parameters}
    value = c.value.xreplace(same).subs(known)
    data = value == 0, not value.free_symbols
    if isinstance(c, Dirichlet):
        return FaceCondition(1.0, 0.0, *data)
    if isinstance(c, Neumann):
        return FaceCondition(0.0, 1.0, *data)
    pair = [sp.sympify(v, strict=True).subs({s.name: v2 for s, v2 in known.items()}).subs(known) for v in (c.a, c.b)]
    if any(e.free_symbols for e in pair):
        return None
    return FaceCondition(float(pair[0]), float(pair[1]), *data)
