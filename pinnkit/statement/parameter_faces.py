"""Parameters as coordinates: conditions on "boundary" leave out the faces of what nothing is differentiated by."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from pinnkit.domain.box import Box
from pinnkit.statement.symbolic.boundary_conditions import Boundary, Dirichlet, Neumann, Operator, Robin
from pinnkit.statement.symbolic.conditions import Condition
from pinnkit.tools.sympy_types import AppliedUndef, is_applied

BOUNDARY = "boundary"


def without_parameter_faces(
    name: str, fields: Sequence[Any], equations: Mapping[str, sp.Expr], domain: Any, conditions: Sequence[Condition]
) -> tuple[Condition, ...]:
    """The conditions, those on "boundary" of a box without the faces of parameters.

    A coordinate that equations contain and do not differentiate by is a parameter: at each of its values there is a
    problem of its own, which asks for no data at the ends of the parameter's range. Faces that are named stay.

    Raises:
        ValueError: a condition on "boundary" of which no face is left.
    """
    if not isinstance(domain, Box) or not any(is_applied(u) for u in fields):
        return tuple(conditions)
    by = {v.name for e in equations.values() for d in e.atoms(sp.Derivative) for v in d.variables}
    inside = {s.name for e in equations.values() for s in _outside_fields(e).free_symbols}
    kept = tuple(n for n in domain.space if n in by or n not in inside)
    if not by or len(kept) == len(domain.space):
        return tuple(conditions)
    default = [isinstance(c, Boundary) and c.on == BOUNDARY for c in conditions]
    if any(default) and not kept:
        raise ValueError(
            f"{name}: {conditions[default.index(True)].name!r} stands on the boundary, but no equation differentiates "
            f"by {' or '.join(domain.space)}, so nothing can be asked there: remove it"
        )
    on = kept if len(kept) > 1 else kept[0] if kept else ()
    walls = Dirichlet, Neumann, Robin, Operator
    return tuple(
        replace(c, on=on) if d and isinstance(c, walls) else c for c, d in zip(conditions, default, strict=True)
    )


def _outside_fields(e: sp.Expr) -> sp.Expr:
    """The expression with the fields and their derivatives, which contain all coordinates, taken away."""
    return e.xreplace(dict.fromkeys(e.atoms(sp.Derivative, AppliedUndef), sp.Dummy()))
