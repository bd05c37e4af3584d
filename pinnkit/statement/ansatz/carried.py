"""The exact singular part of a field whose data jump or kink: what an ansatz carries so that the rest is smooth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from pinnkit.domain.distance_function import exact_number
from pinnkit.statement.problem import Problem
from pinnkit.statement.singular.functions import NumericalFunction
from pinnkit.statement.singular.regularity import Singularity, singularities
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann
from pinnkit.statement.symbolic.conditions import Initial, Periodic
from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.tools.sympy_types import AppliedUndef

from .singular_data import INITIAL, almost_everywhere, crossing, sides_of
from .singular_parts import BoxSide, Coefficients, SingularPart, coefficients, images, joined, meeting, part

MORE = 2  # orders beyond those that an equation loses are carried too: then its residual is smooth
LIMIT = 40  # parts at most: reflections of waves between walls

Given = Initial | Dirichlet | Neumann
Key = tuple[str, str]  # a condition's name, one of its sides


@dataclass(frozen=True)
class Datum:
    """What a condition asks for on one side, less what is carried: ``value`` + ``smooth``."""

    value: sp.Expr
    side: BoxSide
    order: int = 0  # of the time derivative that is given
    smooth: sp.Expr = sp.S.Zero  # traces of parts that lie elsewhere

    @property
    def whole(self) -> sp.Expr:
        """value + smooth."""
        return self.value + self.smooth


@dataclass(frozen=True)
class SubtractedPart:
    """S, and what the data are without it."""

    part: sp.Expr
    data: Mapping[Key, Datum]
    taken: tuple[tuple[str, str, str], ...] = ()  # whose data, what is singular in them, what carries it

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for every condition and kind of part."""
        kinds: dict[tuple[str, str], list[str]] = {}
        for whose, what, by in self.taken:
            kinds.setdefault((whose, by), []).append(what)
        return tuple(f"{whose}: {', '.join(what)} carried by {by}" for (whose, by), what in kinds.items())


def carry(
    problem: Problem, u: AppliedUndef, conditions: Sequence[Given], periodic: tuple[str, ...] = ()
) -> SubtractedPart:  # fmt: skip
    """The singular part S of a field on a box by its initial, Dirichlet and Neumann data, where its equation gives it.

    S solves the equation's principal part with its coefficients frozen where the data are singular, and, where time is
    short, the whole linear equation to a higher order (`singular_parts`). A kink that a wave brings to a wall
    is reflected: the data there, less S, have it. In a coordinate in which u is periodic every part has images; a
    network that is itself ``periodic`` in one could not take what is left, so there nothing is carried.
    """
    slopes = [c for c in problem.conditions if isinstance(c, Neumann) and c.u == u and _of_coordinates(problem, c)]
    found = SubtractedPart(sp.S.Zero, data_of(problem, [*conditions, *slopes]))
    known = None if periodic else coefficients(problem, u)
    if known is None:
        return found
    for key, datum in found.data.items():
        for s in _seams(problem, u, datum):
            found = _one(problem, u, known, found, key, s) or found
    for _ in range(LIMIT):
        step = _next(problem, u, known, found)
        if step is None:
            return found
        found = step
    return found


def _of_coordinates(problem: Problem, condition: Neumann) -> bool:
    names = {s.name for s in condition.value.free_symbols}
    return names <= {*problem.domain.names, *problem.parameters}


def data_of(problem: Problem, conditions: Sequence[Given]) -> dict[Key, Datum]:
    """The data of all conditions on all their sides, on the sides themselves."""
    found = {}
    for c in conditions:
        for name, fixed in sides_of(problem, c).items():
            (y, at), *_ = fixed.items()
            inward = -1 if name.endswith("_max") else 1
            value, order = c.value.subs(y, at), c.order if isinstance(c, Initial) else 0
            if isinstance(c, Neumann):
                value, order = -inward * value, 1
            found[c.name, name] = Datum(value, BoxSide(name, y, at, inward), order)
    return found


def _next(problem: Problem, u: AppliedUndef, known: Coefficients, found: SubtractedPart) -> SubtractedPart | None:
    """One more part, None where there is none left that can be carried."""
    for key, datum in found.data.items():
        for s in _near(problem, u, datum):
            step = _one(problem, u, known, found, key, s)
            if step is not None:
                return step
    return _corner(problem, known, found)


def _one(
    problem: Problem, u: AppliedUndef, known: Coefficients, found: SubtractedPart, key: Key, s: Singularity
) -> SubtractedPart | None:  # fmt: skip
    """The part of one singularity of the data of a side, with its images; None where it is not known."""
    datum, place = found.data[key], s.place(problem.variables)
    if place is None or s.jump is None or s.order < -datum.order or s.jump.has(place[0], datum.side.symbol):
        return None
    shifts = images(problem, u, known, datum.side, place[0])
    places = [(place[0], place[1] + shift) for shift in shifts]
    parts = [part(problem, known, datum.side, at, s.order, s.jump, datum.order) for at in places]
    kept = [p for p in parts if p is not None]
    return None if len(kept) < len(parts) else _with(found, joined(kept), key[0], str(s))


def _near(problem: Problem, u: AppliedUndef, datum: Datum) -> list[Singularity]:
    """Singularities of data worth carrying."""
    free = [x for x in problem.variables if x != datum.side.symbol]
    more = 0 if datum.value.has(Opaque) else MORE
    found = singularities(datum.value, free, problem.domain, problem.parameters)
    return [s for s in found if s.order + datum.order < crossing(problem, u, s.surface) + more]


def _seams(problem: Problem, u: AppliedUndef, datum: Datum) -> Iterator[Singularity]:
    """Jumps of initial data, and of their slopes, where a coordinate in which u is periodic closes."""
    for x in problem.variables if datum.side.name == INITIAL and not datum.value.has(Opaque) else ():
        if not any(isinstance(c, Periodic) and c.u == u and c.coordinate == x.name for c in problem.conditions):
            continue
        lo, hi = (exact_number(float(b)) for b in problem.domain.bounds[:, problem.domain.names.index(x.name)])
        branches = almost_everywhere(datum.value)
        for k in range(crossing(problem, u, x) + MORE):
            slope = branches.diff(x, k) if k else branches
            jump = sp.expand(slope.subs(x, lo) - slope.subs(x, hi))
            if not jump.free_symbols & set(problem.variables) and abs(float(jump.subs(problem.parameters))) > 1e-9:
                yield Singularity(k, x - lo, jump, ())


def _corner(problem: Problem, known: Coefficients, found: SubtractedPart) -> SubtractedPart | None:
    """The jump between the data of two sides where they meet."""
    items = sorted(found.data.items(), key=lambda item: item[1].side.name != INITIAL)
    for i, (key, datum) in enumerate(items):
        for other, second in items[i + 1 :]:
            if datum.side.symbol == second.side.symbol:
                continue
            first, last = ((d.whole, d.side, d.order) for d in (datum, second))
            made = meeting(problem, known, first, last)
            if made is not None:
                return _with(found, made, f"{key[0]} and {other[0]}", "the jump where they meet")
    return None


def _with(found: SubtractedPart, made: SingularPart, whose: str, what: str) -> SubtractedPart:
    """The same with one more part."""
    data = {}
    for key, datum in found.data.items():
        y, at = datum.side.symbol, datum.side.at
        trace = made.traces.get((datum.side.name, datum.order))
        if trace is None:
            trace = made.expression
            for _ in range(datum.order):
                trace = trace.diff(y)
            trace = trace.subs(y, at)
        plain = not trace.has(NumericalFunction)
        data[key] = replace(
            datum, value=_alike(datum.value - trace) if plain else datum.value,
            smooth=datum.smooth if plain else datum.smooth - trace,
        )  # fmt: skip
    return SubtractedPart(found.part + made.expression, data, (*found.taken, (whose, what, made.kind)))


def _alike(e: sp.Expr) -> sp.Expr:
    """The same with numbers of one precision: equal terms of two precisions do not cancel."""
    return e.xreplace({v: sp.Float(v, 17) for v in e.atoms(sp.Float)})
