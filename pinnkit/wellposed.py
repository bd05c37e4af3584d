"""Checks that a problem has as many equations and conditions as it needs."""

from typing import TYPE_CHECKING

import sympy as sp
import torch
from sympy.core.function import AppliedUndef

from .condition import (
    Condition,
    Dirichlet,
    Initial,
    Neumann,
    Observations,
    Operator,
    Periodic,
    Residual,
    Robin,
)
from .domain import Box
from .equation import Lowered
from .expression import Program
from .statement import lowered

if TYPE_CHECKING:
    from .problem import Problem

_WALLS = (Dirichlet, Neumann, Robin)


def check_counts(problem: "Problem") -> None:
    """Whether the numbers of equations, initial and boundary conditions fit the fields and orders.

    With observations nearly anything can be well-posed, so then only the unknowns are counted.

    Raises:
        ValueError: too few equations or conditions, or two for the same thing.
    """
    _check_equations(problem)
    _check_twice(problem)
    if any(isinstance(c, Observations) for c in problem.conditions):
        return
    rows = [lowered(problem, Residual(name, e, "pde")) for name, e in problem.equations.items()]
    if problem.domain.time is not None:
        for k, u in enumerate(problem.fields):
            _check_initial(problem, u, _order(rows, k, problem.domain.names.index(problem.domain.time)))
    _check_boundary(problem, rows)


def _order(rows: list[Lowered], field: int, coordinate: int) -> int:
    slots = [slot for row in rows for slot in row.slots.values() if slot.output == field]
    return max((index[coordinate] for slot in slots for _, index in slot.channel), default=0)


def _check_equations(problem: "Problem") -> None:
    data = any(isinstance(c, Observations) for c in problem.conditions)
    if len(problem.equations) < len(problem.fields) and not data:
        raise ValueError(
            f"{problem.name} is ill-posed: {len(problem.equations)} equations for {len(problem.fields)} "
            f"fields ({', '.join(problem.field_names)}): add equations or observations"
        )
    # A constant that stands in boundary data alone is found as the fields are: psi on a body, beside its slope.
    inside = {s.name for e in problem.equations.values() for s in e.free_symbols} & set(problem.unknowns)
    if inside and not data and len(problem.equations) <= len(problem.fields):
        unknowns = ", ".join(sorted(inside))
        raise ValueError(f"{problem.name}: the unknowns {unknowns} need observations to be found")


def _check_initial(problem: "Problem", u: AppliedUndef, order: int) -> None:
    given = sorted(c.order for c in problem.conditions if isinstance(c, Initial) and c.u == u)
    if order and given != list(range(order)):
        raise ValueError(
            f"{problem.name} is ill-posed: the equation has order {order} in time for {u}, so it needs "
            f"Initial conditions of orders {list(range(order))}, got {given}"
        )


def faces(problem: "Problem", condition: Condition) -> set[str]:
    """The faces that a boundary condition covers."""
    on = {condition.on} if isinstance(condition.on, str) else set(condition.on)
    everything = problem.domain.faces or ("boundary",)
    return {f for f in everything if {"boundary", f, f.rsplit("_", 1)[0]} & on}


def _check_twice(problem: "Problem") -> None:
    seen: dict[tuple[AppliedUndef, str], Dirichlet] = {}
    for condition in problem.conditions:
        for face in sorted(faces(problem, condition)) if isinstance(condition, Dirichlet) else ():
            other = seen.setdefault((condition.u, face), condition)
            if other.value != condition.value:
                raise ValueError(
                    f"{problem.name} is ill-posed: {other.name!r} and {condition.name!r} give {condition.u} "
                    f"two values on {face}: remove one"
                )


def _check_boundary(problem: "Problem", rows: list[Lowered]) -> None:
    space = [i for i, name in enumerate(problem.domain.names) if name in problem.domain.space]
    orders = {i: max(_order(rows, k, i) for k in range(len(problem.fields))) for i in space}
    boundary = [c for c in problem.conditions if not isinstance(c, Initial)]
    if not boundary and any(orders.values()):
        raise ValueError(
            f"{problem.name} is ill-posed: the equations have derivatives in space, but there is no boundary "
            "condition: add Dirichlet, Neumann, Robin, Periodic or Operator"
        )
    if len(problem.fields) > 1 or len(rows) > 1 or any(isinstance(c, Operator) for c in boundary):
        return
    if isinstance(problem.domain, Box):
        for i, order in orders.items():
            _check_pair(problem, rows[0], i, order, boundary)
    slopes = all(isinstance(c, (Neumann, Periodic)) for c in boundary)
    values = any(not any(index) for slot in rows[0].slots.values() for _, index in slot.channel)
    if slopes and boundary and not values and problem.domain.time is None:
        raise ValueError(
            f"{problem.name} is ill-posed: its equation and conditions fix {problem.fields[0]} only up to a "
            "constant: give its value somewhere, with Dirichlet, Operator or Observations"
        )


def _check_pair(problem: "Problem", row: Lowered, i: int, order: int, boundary: list[Condition]) -> None:
    """Order m in a coordinate asks for m conditions on its faces, fewer where the equation degenerates."""
    name = problem.domain.names[i]
    if any(isinstance(c, Periodic) and c.coordinate == name for c in boundary):
        return
    ends = (f"{name}_min", f"{name}_max")
    given = sum(f in faces(problem, c) for c in boundary if isinstance(c, _WALLS) for f in ends)
    needed = order - sum((order + 1) // 2 for face in ends if _degenerate(problem, row, i, order, face))
    if given < needed:
        raise ValueError(
            f"{problem.name} is ill-posed: the equation has order {order} in {name}, so it needs {needed} "
            f"conditions on {ends[0]} and {ends[1]} together, got {given}"
        )


def _degenerate(problem: "Problem", row: Lowered, i: int, order: int, face: str) -> bool:
    """Whether the coefficients of the highest derivatives by a coordinate vanish on a face."""
    if not order:
        return False
    leading = [s for s, slot in row.slots.items() if slot.channel[0][1][i] == order]
    numbers = problem.parameters | problem.unknowns
    X, _ = problem.domain.sample_boundary(16, face, method="random", seed=1)
    values = {s: X[:, k] for k, s in enumerate(problem.variables)}
    known = row.expressions[0].free_symbols - {*values, *row.slots}
    values |= {s: X.new_tensor(numbers[s.name]) for s in known}
    generator = torch.Generator().manual_seed(1)
    values |= {s: torch.rand(len(X), generator=generator, dtype=X.dtype) for s in row.slots}
    out = Program([sp.diff(row.expressions[0], s) for s in leading], list(values))(values)
    return all(bool((torch.as_tensor(c, dtype=X.dtype).abs() < 1e-14).all()) for c in out)
