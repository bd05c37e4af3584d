"""Whether an equation would lose a jump or a kink of its data, if they stood in an ansatz g + d N."""

from collections.abc import Mapping

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box
from pinnkit.domain.distance_function import exact_number
from pinnkit.statement.checks import lowered
from pinnkit.statement.problem import Problem
from pinnkit.statement.singular.regularity import Singularity, singularities
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann
from pinnkit.statement.symbolic.conditions import Initial
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.statement.well_posed import faces
from pinnkit.tools.sympy_types import AppliedUndef

INITIAL, BODY = "its initial data", "the boundary"  # sides, beside the faces of a box


class IncompatibleData(ValueError):
    """Data that no smooth ansatz takes, and the sides that they belong to (none of them: all)."""

    sides: tuple[str, ...]

    def __init__(self, message: str, *sides: str) -> None:
        super().__init__(message)
        self.sides = sides


def crossing(problem: Problem, u: AppliedUndef, surface: sp.Expr | None) -> int:
    """The highest order of a derivative of a field across a surface in any equation."""
    across = [surface is None or surface.has(x) for x in problem.variables]
    rows = [lowered(problem, Residual(name, e, INTERIOR)) for name, e in problem.interface_problem.interior.items()]
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
    """What a condition gives on a side must not lose a jump or a kink in the equation, nor hold one that it moves."""
    free = [x for x in problem.variables if x not in fixed]
    for s in singularities(value.subs(fixed), free, problem.domain, problem.parameters):
        m = crossing(problem, u, s.surface)
        if s.order < m:
            why = f"would lose in derivatives of order {m}"
        elif s.order == m == crossing(problem, u, None) == 1:
            why = "would hold in its place while the equation of first order moves it"
        else:
            continue
        raise IncompatibleData(
            f"{problem.name}: the data of {name!r} have {s}, which an ansatz g + d N {why}; use soft conditions "
            "(hard=None for this one alone, hard=False for all)",
            side,
        )


def sides_of(problem: Problem, condition: Initial | Dirichlet | Neumann) -> dict[str, dict[sp.Symbol, sp.Expr]]:
    """The coordinates that are fixed on every side of a condition, in its own words."""
    if isinstance(condition, Initial):
        i = problem.domain.names.index(problem.domain.time)
        return {INITIAL: {problem.variables[i]: exact_number(float(problem.domain.bounds[0, i]))}}
    if not isinstance(problem.domain, Box):
        return {BODY: {}}
    ends = {}
    for face in sorted(faces(problem, condition)):
        end = problem.domain.face(face)
        ends[face] = {problem.variables[end.axis]: exact_number(float(end.value))}
    return ends


def check_stated(problem: Problem, u: AppliedUndef, pair: tuple[sp.Expr, sp.Expr]) -> None:
    """An ansatz that a problem states must not lose a jump or a kink either."""
    for e in pair:
        for s in lost(problem, u, e, {}):
            raise ValueError(
                f"{problem.name}: the ansatz of {u.func} has {s}, and the derivatives of order "
                f"{crossing(problem, u, s.surface)} of the equation would lose it: give g and d without it"
            )


def almost_everywhere(e: sp.Expr) -> sp.Expr:
    """The same function in branches: SymPy's derivatives of it are those of the branches, without point masses."""
    kinds = (sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min)
    return e.replace(lambda node: isinstance(node, kinds) and node.free_symbols, lambda node: _branches(node))


def _branches(node: sp.Expr) -> sp.Expr:
    a, *rest = node.args
    if isinstance(node, (sp.Max, sp.Min)):
        for b in rest:
            a = sp.Piecewise((a, a > b if isinstance(node, sp.Max) else a < b), (b, True))
        return a
    below, above = {sp.Abs: (-a, a), sp.sign: (-1, 1), sp.Heaviside: (0, 1)}[node.func]
    return sp.Piecewise((below, a < 0), (above, True))


def size_of(problem: Problem, e: sp.Expr, fixed: dict | None = None, X: Tensor | None = None) -> float:
    """max |e| over points of the domain, some coordinates held fixed."""
    if e == 0:
        return 0.0
    known = {s: sp.Float(problem.parameters[s.name], 17) for s in e.free_symbols if s.name in problem.parameters}
    X = problem.domain.sample(64, method="random", seed=7) if X is None else X
    values = {s: X[:, i] for i, s in enumerate(problem.variables)}
    for symbol, at in (fixed or {}).items():
        values[symbol] = torch.full_like(X[:, 0], float(at))
    (out,) = Program([e.subs(known)], problem.variables)(values)
    return float(np.abs(np.atleast_1d(np.asarray(out, dtype=float))).max())
