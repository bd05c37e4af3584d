"""Whether an equation would lose a jump or a kink of its data, if they stood in an ansatz g + d N."""

from collections.abc import Mapping

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from .condition import Dirichlet, Initial, Residual
from .distance import exact
from .domain import Box
from .problem import Problem
from .regularity import Singularity, singularities
from .statement import lowered
from .wellposed import faces

INITIAL, BODY = "its initial data", "the boundary"  # sides, beside the faces of a box


class Clash(ValueError):
    """Data that no smooth ansatz takes, and the sides that they belong to (none of them: all)."""

    def __init__(self, message: str, *sides: str) -> None:
        super().__init__(message)
        self.sides = sides


def crossing(problem: Problem, u: AppliedUndef, surface: sp.Expr | None) -> int:
    """The highest order of a derivative of a field across a surface in any equation."""
    across = [surface is None or surface.has(x) for x in problem.variables]
    rows = [lowered(problem, Residual(name, e, "pde")) for name, e in problem.posed.interior.items()]
    slots = [s for row in rows for s in row.slots.values() if s.output == problem.fields.index(u)]
    return max((sum(np.array(index)[across]) for slot in slots for _, index in slot.channel), default=0)


def lost(problem: Problem, u: AppliedUndef, e: sp.Expr, fixed: Mapping[sp.Symbol, sp.Expr]) -> list[Singularity]:
    """Singularities of data that an equation would lose: a jump of derivative m - 1 is a point mass in derivative m."""
    free = [x for x in problem.variables if x not in fixed]
    found = singularities(e.subs(fixed), free, problem.domain, problem.parameters)
    return [s for s in found if s.order < crossing(problem, u, s.surface)]


def check_regular(
    problem: Problem, u: AppliedUndef, name: str, side: str, value: sp.Expr, fixed: Mapping[sp.Symbol, sp.Expr]
) -> None:
    """What a condition gives on a side must not lose a jump or a kink in the equation, else `Clash`."""
    for s in lost(problem, u, value, fixed):
        raise Clash(
            f"{problem.name}: the data of {name!r} have {s}, which an ansatz g + d N would lose in derivatives of "
            f"order {crossing(problem, u, s.surface)}; use soft conditions (hard=None for this one alone, hard=False "
            "for all)",
            side,
        )


def sides_of(problem: Problem, condition: Initial | Dirichlet) -> dict[str, dict[sp.Symbol, sp.Expr]]:
    """The coordinates that are fixed on every side of a condition, in its own words."""
    if isinstance(condition, Initial):
        i = problem.domain.names.index(problem.domain.time)
        return {INITIAL: {problem.variables[i]: exact(float(problem.domain.bounds[0, i]))}}
    if not isinstance(problem.domain, Box):
        return {BODY: {}}
    ends = {}
    for face in faces(problem, condition):
        name, _, end = face.rpartition("_")
        i = problem.domain.names.index(name)
        ends[face] = {problem.variables[i]: exact(float(problem.domain.bounds[int(end == "max"), i]))}
    return ends


def check_stated(problem: Problem, u: AppliedUndef, pair: tuple[sp.Expr, sp.Expr]) -> None:
    """An ansatz that a problem states must not lose a jump or a kink either."""
    for e in pair:
        for s in lost(problem, u, e, {}):
            raise ValueError(
                f"{problem.name}: the ansatz of {u.func} has {s}, and the derivatives of order "
                f"{crossing(problem, u, s.surface)} of the equation would lose it: give g and d without it"
            )
