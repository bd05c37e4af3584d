"""Where Python functions in an equation jump, as their values show."""

from collections.abc import Iterator

import sympy as sp

from pinnkit.statement.symbolic.torch_program import NoDerivative, Opaque
from pinnkit.tools.sympy_types import AppliedUndef

from .point_mass import PointMassEquation
from .regularity import Singularity, singularities

CURES = "write it as a Piecewise of smooth functions, state one problem for each side, or smooth it"


def hidden_steps(one: PointMassEquation, k: sp.Expr, leading: bool) -> Iterator[sp.Expr]:
    """Formulas that vanish where Python functions of the coordinates in an expression jump.

    Raises:
        ValueError: a coefficient of a highest derivative (``leading``) that jumps on no plane.
    """
    for f in sorted(k.atoms(Opaque), key=str):
        for s in _jumps(one, f):
            if s.surface is not None:
                yield s.surface
            elif leading:
                raise ValueError(f"{one.where}: the coefficient {k} of a highest derivative has {s}: {CURES}")


def _jumps(one: PointMassEquation, f: sp.Expr) -> list[Singularity]:
    known = {*one.problem.domain.names, *one.problem.parameters}
    if f.atoms(AppliedUndef) or {s.name for s in f.free_symbols} - known:
        return []
    try:
        found = singularities(f, one.problem.variables, one.problem.domain, one.problem.parameters)
    except NoDerivative:
        return []  # training says so
    return [s for s in found if s.order == 0]
