"""Checks that a problem has as many equations and conditions as it needs."""

from collections.abc import Sequence

from pinnkit.domain.box import Box
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann, Operator, Robin
from pinnkit.statement.symbolic.conditions import Condition, Initial, Periodic
from pinnkit.statement.symbolic.lowering import Lowered
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.record import Record
from pinnkit.tools.sympy_types import AppliedUndef

from .checks import PROBES, faces
from .growth import check_cauchy, check_growth
from .inflow import entrances
from .orders import coefficients, differentiated, equations, order, system_order
from .walls import check_walls

_WALLS = (Dirichlet, Neumann, Robin, Operator)


def check_counts(problem: Record) -> None:
    """Whether the numbers of equations, initial and boundary conditions fit the fields and orders.

    With observations nearly anything can be well-posed, so then only the unknowns are counted.

    Raises:
        ValueError: too few equations or conditions, or two for the same thing; data from which short waves grow
            without bound.
    """
    _check_equations(problem)
    _check_twice(problem)
    rows = equations(problem)
    check_growth(problem, rows)
    if any(isinstance(c, Observations) for c in problem.conditions):
        return
    if problem.domain.time is not None:
        for k, u in enumerate(problem.fields):
            _check_initial(problem, u, order(rows, k, problem.domain.names.index(problem.domain.time)))
    paid = _check_boundary(problem, rows)
    _check_unknowns(problem, paid)
    check_walls(problem, rows)
    check_cauchy(problem, rows)


def surplus(problem: Record) -> str:
    """In words, that a single equation has more conditions than it can ask for; empty where it has not, or none knows.

    Order m in a coordinate asks for m conditions at most, transport for those where it flows in. Of unknowns every one
    costs a condition of an ordinary equation; of partial ones a single condition may pay for all.
    """
    ordinary = len(problem.domain.names) == 1
    inside = any(isinstance(c, Operator) and c.on in ("pde", "initial") for c in problem.conditions)
    data = any(isinstance(c, Observations) for c in problem.conditions)
    if inside or data or len(problem.equations) != 1 or not isinstance(problem.domain, Box):
        return ""
    if problem.unknowns and not ordinary:
        return ""
    rows, more = equations(problem), 0
    for name in problem.domain.space:
        i = problem.domain.names.index(name)
        highest = order(rows, 0, i)
        most = highest if highest > 1 or ordinary else entrances(problem, rows, i)
        if highest and most is not None and not _periods(problem.conditions, name):
            more = max(more, _given(problem, problem.conditions, name) - most - len(problem.unknowns))
    if more < 1:
        return ""
    return f"it has {more} condition{'s' * (more > 1)} more than its equation asks for, which may contradict each other"


def _given(problem: Record, conditions: Sequence[Condition], name: str) -> int:
    """How many conditions there are on the faces of a coordinate; the same value twice is one."""
    return len({
        (face, c.u if isinstance(c, Dirichlet) else c.name)
        for c in conditions if isinstance(c, _WALLS)
        for face in (f"{name}_min", f"{name}_max") if face in faces(problem, c)
    })  # fmt: skip


def _periods(conditions: Sequence[Condition], name: str) -> list[Periodic]:
    return [c for c in conditions if isinstance(c, Periodic) and c.coordinate == name]


def _check_equations(problem: Record) -> None:
    data = any(isinstance(c, Observations) for c in problem.conditions)
    if len(problem.equations) < len(problem.fields) and not data:
        raise ValueError(
            f"{problem.name} is ill-posed: {len(problem.equations)} equations for {len(problem.fields)} "
            f"fields ({', '.join(problem.field_names)}): add equations or observations"
        )


def _check_unknowns(problem: Record, paid: int) -> None:
    """Unknowns need data, more equations than fields, or conditions beyond those that the fields ask for.

    Of an ordinary equation a condition pays for one unknown, as it is one number. A constant that stands in boundary
    data alone is found as the fields are: psi on a body, beside its slope.
    """
    inside = {s.name for e in problem.equations.values() for s in e.free_symbols} & set(problem.unknowns)
    ordinary = problem.domain.names == problem.domain.space[:1]
    asked = len(inside) if ordinary else min(1, len(inside))
    if inside and paid < asked and len(problem.equations) <= len(problem.fields):
        number = f"{asked} conditions beyond those that the fields ask for (there is {paid})" if paid > 0 else ""
        raise ValueError(
            f"{problem.name}: the unknowns {', '.join(sorted(inside))} need observations to be found, or "
            f"{number or 'conditions beyond those that the fields ask for'}"
        )


def _check_initial(problem: Record, u: AppliedUndef, order: int) -> None:
    given = sorted(c.order for c in problem.conditions if isinstance(c, Initial) and c.u == u)
    if order and given != list(range(order)):
        raise ValueError(
            f"{problem.name} is ill-posed: the equation has order {order} in time for {u}, so it needs "
            f"Initial conditions of orders {list(range(order))}, got {given}"
        )


def _check_twice(problem: Record) -> None:
    seen: dict[tuple[AppliedUndef, str], Dirichlet] = {}
    for condition in problem.conditions:
        if not isinstance(condition, Dirichlet):
            continue
        for face in sorted(faces(problem, condition)):
            other = seen.setdefault((condition.u, face), condition)
            if other.value != condition.value:
                raise ValueError(
                    f"{problem.name} is ill-posed: {other.name!r} and {condition.name!r} give {condition.u} "
                    f"two values on {face}: remove one"
                )


def _check_boundary(problem: Record, rows: list[Lowered]) -> int:
    """How many conditions there are beyond those that the equations ask for, in the coordinate that has most."""
    space = [i for i, name in enumerate(problem.domain.names) if name in problem.domain.space]
    orders = {i: max(order(rows, k, i) for k in range(len(problem.fields))) for i in space}
    boundary: list[Condition] = [c for c in problem.conditions if not isinstance(c, Initial)]
    if not boundary and any(n and not _closed(problem, rows, i, n) for i, n in orders.items()):
        raise ValueError(
            f"{problem.name} is ill-posed: the equations have derivatives in space, but there is no boundary "
            "condition: add Dirichlet, Neumann, Robin, Periodic or Operator"
        )
    if any(isinstance(c, Operator) and c.on in ("pde", "initial") for c in boundary):
        return max(1, len(problem.unknowns))  # a condition inside: what it gives cannot be counted
    if isinstance(problem.domain, Box):
        paid = max((_check_ends(problem, rows, i, orders[i], boundary) for i in space), default=0)
    else:
        half = sum((max(order(rows, k, i) for i in space) + 1) // 2 for k in range(len(problem.fields)))
        everywhere = problem.domain.faces or ("boundary",)
        paid = max(sum(f in faces(problem, c) for c in boundary if isinstance(c, _WALLS)) for f in everywhere) - half
    if len(problem.fields) > 1 or len(rows) > 1:
        return paid
    slopes = all(isinstance(c, (Neumann, Periodic)) for c in boundary)
    values = any(not any(index) for slot in rows[0].slots.values() for _, index in slot.channel)
    if slopes and boundary and not values and problem.domain.time is None:
        raise ValueError(
            f"{problem.name} is ill-posed: its equation and conditions fix {problem.fields[0]} only up to a "
            "constant: give its value somewhere, with Dirichlet, Operator or Observations"
        )
    return paid


def _check_ends(problem: Record, rows: list[Lowered], i: int, highest: int, boundary: list[Condition]) -> int:
    """Order m in a coordinate asks for m conditions on its faces; how many there are beyond them.

    Fewer where a single equation degenerates. In systems only ordinary equations are counted: of partial ones the
    orders of all fields are an upper bound of what is needed.
    """
    if not highest:
        return 0
    name, single = problem.domain.names[i], len(problem.fields) == len(rows) == 1
    ends = (f"{name}_min", f"{name}_max")
    periods = _periods(boundary, name)
    given = _given(problem, boundary, name) + sum(c.order + 1 for c in periods)
    needed: int | None = highest
    if single:
        if periods:
            return given - highest
        needed = _asked(problem, rows, i, highest)
    elif differentiated(rows) == {i}:
        X = problem.domain.sample(PROBES, method="random", seed=1)
        needed = system_order(problem, rows, i, X)
    else:
        return given - sum(order(rows, k, i) for k in range(len(problem.fields)))
    if needed is not None and given < needed:
        what = "the equation has" if single else "the equations have together"
        raise ValueError(
            f"{problem.name} is ill-posed: {what} order {highest if single else needed} in {name}, so it needs "
            f"{needed} conditions on {ends[0]} and {ends[1]} together, got {given}"
        )
    return 0 if needed is None else given - needed


def _asked(problem: Record, rows: list[Lowered], i: int, highest: int) -> int:
    """How many conditions a single equation asks for on both faces of a coordinate: fewer where it degenerates."""
    if highest == 1 and (found := entrances(problem, rows, i)) is not None:
        return found
    ends = (f"{problem.domain.names[i]}_{end}" for end in ("min", "max"))
    return highest - sum((highest + 1) // 2 for face in ends if _degenerate(problem, rows[0], i, highest, face))


def _closed(problem: Record, rows: list[Lowered], i: int, highest: int) -> bool:
    """Whether a single equation asks for no condition on the faces of a coordinate."""
    single = isinstance(problem.domain, Box) and len(problem.fields) == len(rows) == 1
    return single and not _asked(problem, rows, i, highest)


def _degenerate(problem: Record, row: Lowered, i: int, order: int, face: str) -> bool:
    """Whether the coefficients of the highest derivatives by a coordinate vanish on a face."""
    if not order:
        return False
    leading = [s for s, slot in row.slots.items() if slot.channel[0][1][i] == order]
    X, _ = problem.domain.sample_boundary(16, face, method="random", seed=1)
    return all(bool((c.abs() < 1e-14).all()) for c in coefficients(problem, row, leading, X))
