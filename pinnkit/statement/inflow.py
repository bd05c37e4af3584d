"""Transport: on which faces the characteristics of first-order terms enter, and whether conditions stand there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box
from pinnkit.statement.symbolic.boundary_conditions import Operator
from pinnkit.statement.symbolic.conditions import Initial, Periodic
from pinnkit.statement.symbolic.lowering import Lowered
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.torch_program import Program

from .checks import faces
from .orders import equations, slope

POINTS = 64  # of a face, at which speeds are looked at
STILL = 1e-9  # of the largest speed: below, nothing flows
SHARE = 0.02  # of the points of a face through which something flows in, from which it is said

Evaluate = Callable[[Sequence[sp.Expr], Tensor], Tensor | None]  # expressions of field symbols at points -> (n, .)


@dataclass(frozen=True)
class _Block:
    """Equations and fields that are coupled by derivatives with each other, and with no others."""

    rows: tuple[int, ...]
    fields: tuple[int, ...]


@dataclass(frozen=True)
class _Lack:
    """A face through which more fields flow in than have conditions there; ``surely``: at all of its points."""

    face: str
    names: str
    surely: bool
    elsewhere: str  # the face with conditions through which nothing flows in: they belong here, if there are such


def check_inflow(problem: Record) -> None:
    """Whether transported fields have conditions where they flow in, as far as coefficients decide it.

    Such a problem can be stated, so that a model that was trained on it elsewhere can be looked at, but not solved.

    Raises:
        ValueError: a face through which fields flow in everywhere, with too few conditions.
    """
    for lack in lacks(problem, equations(problem), of_coordinates(problem)):
        if lack.surely:
            raise ValueError(f"{problem.name} is ill-posed: {sentence(lack)}")


def sentence(lack: _Lack) -> str:
    """What lacks, and where, in words."""
    where = "" if lack.surely else "part of "
    if " and " in lack.names:
        return f"more of {lack.names} flows in through {where}{lack.face} than has conditions there: give them there"
    cure = f"move the condition on {lack.elsewhere} there" if lack.elsewhere else "give a condition there"
    return f"{lack.names} flows in through {where}{lack.face}, where it has no condition and is undetermined: {cure}"


def of_coordinates(problem: Record) -> Evaluate:
    """Expressions of coordinates and parameters alone; None for what depends on fields or unknowns."""

    def evaluate(expressions: Sequence[sp.Expr], X: Tensor) -> Tensor | None:
        symbols = set().union(*(e.free_symbols for e in expressions)) - set(problem.variables)
        if any(s.name not in problem.parameters for s in symbols):
            return None
        known = {s: sp.Float(problem.parameters[s.name], 17) for s in symbols}
        out = Program([e.subs(known) for e in expressions], problem.variables)(
            dict(zip(problem.variables, X.T, strict=True))
        )
        return torch.stack([torch.as_tensor(c, dtype=X.dtype).expand(len(X)) for c in out], 1)

    return evaluate


def lacks(problem: Record, rows: list[Lowered], evaluate: Evaluate) -> list[_Lack]:
    """The faces of a box through which more flows in than conditions are given there."""
    if not isinstance(problem.domain, Box) or any(isinstance(c, Observations) for c in problem.conditions):
        return []
    found = []
    for block in _blocks(rows, len(problem.fields)):
        first = [i for i, name in enumerate(problem.domain.names) if _transports(problem, rows, block, i)]
        steady = problem.domain.time is None or not _order(rows, block, problem.domain.names.index(problem.domain.time))
        if steady and first and not _second(rows, block):
            found += _least([_at_faces(problem, rows, block, first, evaluate, s) for s in (1, -1)]) if first[1:] else []
        else:
            found += _at_faces(problem, rows, block, first, evaluate)
    return found


def entrances(problem: Record, rows: list[Lowered], i: int) -> int | None:
    """Through how many faces of a coordinate a single field that is transported in time flows in, at some points.

    None where coefficients do not decide it, or derivatives of another kind ask for conditions.
    """
    if len(rows) != 1 or len(problem.fields) != 1 or problem.domain.time is None or not isinstance(problem.domain, Box):
        return None
    block = _Block((0,), (0,))
    if not _order(rows, block, problem.domain.names.index(problem.domain.time)):
        return None
    if not _transports(problem, rows, block, i):
        return None
    count = 0
    for end, side in (("min", 1), ("max", -1)):
        X, _ = problem.domain.sample_boundary(POINTS, f"{problem.domain.names[i]}_{end}", method="random", seed=1)
        speeds = _speeds(problem, rows, block, i, of_coordinates(problem), X)
        if speeds is None:
            return None
        count += bool((side * speeds > STILL * speeds.abs().max()).any())
    return count


def _least(choices: list[list[_Lack]]) -> list[_Lack]:
    """Of both directions in which steady characteristics may be followed that with fewer lacks."""
    return min(choices, key=lambda lacks: (sum(lack.surely for lack in lacks), len(lacks)))


def _blocks(rows: list[Lowered], fields: int) -> list[_Block]:
    """Connected parts of the graph whose edges say that an equation has derivatives of a field; square ones."""
    has = [{slot.output for slot in row.slots.values() if any(slot.channel[0][1])} for row in rows]
    parts: list[tuple[set[int], set[int]]] = []
    for r, own in enumerate(has):
        touching = [p for p in parts if p[1] & own]
        parts = [p for p in parts if p not in touching]
        parts.append(({r}.union(*(p[0] for p in touching)), own.union(*(p[1] for p in touching))))
    return [_Block(tuple(sorted(r)), tuple(sorted(f))) for r, f in parts if len(r) == len(f) > 0]


def _slots(rows: list[Lowered], block: _Block) -> list[tuple[int, sp.Symbol, int, tuple[int, ...]]]:
    """(row, symbol, field, index) of every derivative."""
    found = []
    for r in block.rows:
        for s, slot in rows[r].slots.items():
            if any(slot.channel[0][1]):
                found.append((r, s, slot.output, slot.channel[0][1]))
    return found


def _order(rows: list[Lowered], block: _Block, i: int) -> int:
    return max((index[i] for _, _, _, index in _slots(rows, block)), default=0)


def _second(rows: list[Lowered], block: _Block) -> bool:
    return any(sum(index) > 1 for _, _, _, index in _slots(rows, block))


def _transports(problem: Record, rows: list[Lowered], block: _Block, i: int) -> bool:
    """Whether derivatives by a space coordinate are of first order, and what drives the block of a known form."""
    t = None if problem.domain.time is None else problem.domain.names.index(problem.domain.time)
    if i == t or _order(rows, block, i) != 1:
        return False
    indices = [index for _, _, _, index in _slots(rows, block)]
    if any(sum(index) > 1 for index in indices if index[i]):
        return False
    if t is not None and _order(rows, block, t):
        pure = all(index[t] <= 1 and (sum(index) == 1 or not index[t]) for index in indices)
        return pure and (len(block.rows) == 1 or not _second(rows, block))
    return len(block.rows) == 1 and all(sum(index) == 1 or sorted(index)[-1] == sum(index) == 2 for index in indices)


def _at_faces(
    problem: Record, rows: list[Lowered], block: _Block, coordinates: list[int], evaluate: Evaluate, sense: int = 1
) -> list[_Lack]:
    found = []
    for i in coordinates:
        name = problem.domain.names[i]
        if any(isinstance(c, Periodic) and c.coordinate == name for c in problem.conditions):
            continue
        given = {f"{name}_{end}": _given(problem, block, f"{name}_{end}") for end in ("min", "max")}
        entering: dict[str, Tensor] = {}
        for face, side in zip(given, (1, -1), strict=True):
            X, _ = problem.domain.sample_boundary(POINTS, face, method="random", seed=1)
            speeds = _speeds(problem, rows, block, i, evaluate, X)
            if speeds is not None:
                entering[face] = (sense * side * speeds > STILL * speeds.abs().max()).sum(1)
        for face, many in entering.items():
            if float((many > given[face]).double().mean()) > SHARE:
                idle = [f for f, n in given.items() if n and f in entering and not bool(entering[f].any())]
                names = " and ".join(problem.field_names[k] for k in block.fields)
                surely = bool((many > given[face]).all())
                found.append(_Lack(face, names, surely, idle[0] if idle and len(block.fields) == 1 else ""))
    return found


def _given(problem: Record, block: _Block, face: str) -> int:
    """How many conditions on a face are on fields of the block."""
    own = {problem.fields[k] for k in block.fields}
    on = [c for c in problem.conditions if not isinstance(c, (Initial, Periodic)) and face in faces(problem, c)]
    return sum(bool(own & c.expression.atoms(*{type(u) for u in own})) if isinstance(c, Operator) else c.u in own
               for c in on)  # fmt: skip


def _speeds(
    problem: Record, rows: list[Lowered], block: _Block, i: int, evaluate: Evaluate, X: Tensor
) -> Tensor | None:
    """By how much fields move along a coordinate per unit of what drives them, at points X: (n, fields).

    Eigenvalues of A_t^-1 A_i, in time; of a single steady equation its coefficient over minus that of the second
    derivatives, else the coefficient alone. None where that is not decided, or not hyperbolic.
    """
    slots, names = _slots(rows, block), problem.domain.names
    values = evaluate([slope(rows[r].expressions[0], s) for r, s, _, _ in slots], X)
    if values is None:
        return None
    time = [problem.domain.time is not None and index[names.index(problem.domain.time)] for *_, index in slots]
    if not any(time):
        (across,) = [values[:, k] for k, (*_, index) in enumerate(slots) if index[i]]
        along = [values[:, k] for k, (*_, index) in enumerate(slots) if sum(index) == 2]
        signs = torch.stack([v.sign() for v in along], 1) if along else -torch.ones(len(X), 1, dtype=X.dtype)
        return None if (signs != signs[:, :1]).any() else -(across * signs[:, 0])[:, None]
    n = len(block.rows)
    A = torch.zeros(2, len(X), n, n, dtype=X.dtype)
    for k, (r, _, field, index) in enumerate(slots):
        if time[k] or index[i]:
            A[0 if time[k] else 1, :, block.rows.index(r), block.fields.index(field)] = values[:, k]
    if not bool((torch.linalg.cond(A[0]) < 1e9).all()):
        return None
    found = torch.linalg.eigvals(torch.linalg.solve(A[0], A[1]))
    return None if bool((found.imag.abs() > 1e-6 * found.abs().max()).any()) else found.real
