"""Checks that a problem says what it means: fields, symbols, numbers, derivatives and values."""

import math
from collections.abc import Mapping
from typing import Any, get_args

import sympy as sp
import torch

from pinnkit.domain.box import Box, Domain
from pinnkit.statement.elsewhere_program import Nodes
from pinnkit.statement.symbolic.boundary_conditions import Boundary, Operator, normals
from pinnkit.statement.symbolic.conditions import Condition, Periodic
from pinnkit.statement.symbolic.expression import check_real
from pinnkit.statement.symbolic.lowering import Lowered, lower
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.reference import Exact
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Opaque, Program
from pinnkit.tools.sympy_types import AppliedUndef, is_applied

PROBES = 16  # points at which the data of every condition must be finite


def finite(name: str, values: Mapping[str, float]) -> dict[str, float]:
    """Parameters as finite floats by name.

    Raises:
        ValueError: a value that is not a finite number.
    """
    found = {}
    for key, value in values.items():
        try:
            found[str(key)] = float(value)
        except (TypeError, ValueError):
            found[str(key)] = math.nan
        if not math.isfinite(found[str(key)]):
            raise ValueError(f"{name}: {key} has the value {value!r}: expected a finite number")
    return found


def check(problem: Record) -> None:
    """Whether every name and number in a problem's statement has a meaning.

    Raises:
        ValueError, TypeError: one sentence on the first thing that has none.
    """
    _check_fields(problem)
    _check_names(problem)
    _check_outputs(problem)
    _check_conditions(problem)
    _check_terms(problem)
    for residual in problem.residuals:
        _check_symbols(problem, residual)
    _check_use(problem)
    for residual in problem.residuals:
        row = lowered(problem, residual)
        _check_places(problem, residual, row)
        _check_values(problem, residual, row)
    if isinstance(problem.reference, Exact):
        _check_reference(problem, problem.reference)


def lowered(problem: Record, residual: Residual) -> Lowered:
    """A residual with its fields named by symbols.

    Raises:
        ValueError: a derivative or a field that the problem does not have.
    """
    try:
        return lower([residual.expression], problem.fields, problem.variables)
    except ValueError as error:
        raise ValueError(f"{problem.name}, {residual.name!r}: {error}") from None


def faces(problem: Record, condition: Condition) -> set[str]:
    """The faces that a boundary condition covers."""
    where = condition.on if isinstance(condition, Boundary) else ()
    on, domain = {where} if isinstance(where, str) else set(where), problem.domain
    if isinstance(domain, Box):
        return {f for f in domain.faces if {"boundary", f, domain.face(f).coordinate} & on}
    return {f for f in domain.faces or ("boundary",) if {"boundary", f} & on}


def _check_fields(problem: Record) -> None:
    if not problem.fields or not all(is_applied(u) for u in problem.fields):
        raise TypeError(
            f"{problem.name}: the fields are {problem.fields}: expected functions of the coordinates, as in "
            'u = pinnkit.field("u", x, t)'
        )
    if not isinstance(problem.domain, Domain):
        raise TypeError(
            f"{problem.name}: the domain is {problem.domain!r}: expected a pinnkit.Box, or a DeepXDE "
            "geometry in pinnkit.Geometry"
        )
    for u in problem.fields:
        names = tuple(s.name for s in u.args)
        if names != problem.domain.names:
            raise ValueError(
                f"{problem.name}: field {u} depends on ({', '.join(names)}), the domain has the coordinates "
                f"({', '.join(problem.domain.names)}): use the same ones in the same order"
            )
        if u.args != problem.variables:
            raise ValueError(f"{problem.name}: {u} and {problem.fields[0]} need the very same coordinates")
    if len(set(problem.field_names)) < len(problem.fields):
        raise ValueError(f"{problem.name}: two fields have one name: {', '.join(problem.field_names)}")


def _of_coordinates(e: sp.Expr, problem: Record) -> bool:
    return e.free_symbols <= set(problem.variables) and not e.atoms(AppliedUndef, sp.Derivative)


def _check_outputs(problem: Record) -> None:
    for name, e in problem.derived.items():
        if name in problem.field_names:
            raise ValueError(f"{problem.name}: the derived quantity {name} has the name of a field: rename one of them")
        lowered(problem, Residual(name, e, INTERIOR))
    if problem.weight is not None and not _of_coordinates(problem.weight, problem):
        raise ValueError(
            f"{problem.name}: the weight is {problem.weight}: expected an expression of the coordinates "
            f"{', '.join(problem.domain.names)} alone"
        )
    for u in problem.ansatz:
        if u not in problem.fields:
            raise ValueError(
                f"{problem.name}: the ansatz of {u} is for none of the fields {', '.join(map(str, problem.fields))}"
            )


def _check_names(problem: Record) -> None:
    taken = {name: "a coordinate" for name in problem.domain.names}
    taken |= {n.name: "a component of the normal" for n in normals(*problem.variables)}
    for kind, values in (("a parameter", problem.parameters), ("an unknown", problem.unknowns)):
        for name in values:
            if name in taken:
                raise ValueError(f"{problem.name}: {name} is both {taken[name]} and {kind}: rename one of them")
            taken[name] = kind


def _check_conditions(problem: Record) -> None:
    for condition in problem.conditions:
        if not isinstance(condition, get_args(Condition)):
            raise TypeError(
                f"{problem.name}: {condition!r} is no condition: expected Initial, Dirichlet, Neumann, "
                "Robin, Periodic, Operator or Observations"
            )
        if not isinstance(condition, (Operator, Observations)) and condition.u not in problem.fields:
            raise ValueError(
                f"{problem.name}: {type(condition).__name__} is on {condition.u}: expected one of the "
                f"fields {', '.join(map(str, problem.fields))} (for derivatives there are Neumann, Initial(order=1) "
                "or Operator)"
            )


def _check_terms(problem: Record) -> None:
    names = [r.name for r in problem.residuals]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{problem.name}: two terms are called {twice[0]!r}: join the conditions or rename one")
    data = {c.name for c in problem.conditions if isinstance(c, Observations)}
    other = {"pde", *(r.key for r in problem.residuals if r.name not in data)}
    for name in sorted(data & other):
        raise ValueError(f"{problem.name}: the observations are called {name!r}, as are other points: rename them")


def _check_symbols(problem: Record, residual: Residual) -> None:
    data = {c.name: c.symbol.name for c in problem.conditions if isinstance(c, Observations)}
    inside = residual.place.where != "faces"
    outward = {n.name for n in normals(*problem.variables)}
    check_real(residual.expression, f"{problem.name}, {residual.name!r}")
    known = {*problem.parameters, *problem.unknowns, data.get(residual.key)} | (set() if inside else outward)
    for s in sorted(residual.expression.free_symbols - set(problem.variables), key=str):
        if s.name in known:
            continue
        if s.name in problem.domain.names:
            what = "another symbol than the field's coordinate: make them once, with pinnkit.coordinates"
        elif s.name in outward:
            what = "a component of the normal, which exists on the boundary only"
        else:
            what = (
                "neither a coordinate nor a parameter: give it a value in parameters, or a starting value in unknowns"
            )
        raise ValueError(f"{problem.name}, {residual.name!r}: {s.name} is {what}")


def _check_use(problem: Record) -> None:
    """What is stated must matter."""
    free = {c.name for c in problem.conditions if isinstance(c, (Operator, Observations))} | set(problem.equations)
    rows = {r.name: lowered(problem, r) for r in problem.residuals if r.name in free}
    _check_derivatives(problem, [rows[name] for name in problem.equations])
    seen = {k for row in rows.values() for slot in row.slots.values() for k in slot.outputs}
    for k, u in enumerate(problem.fields):
        if k not in seen:
            raise ValueError(f"{problem.name}: {u} stands in no equation: remove the field, or add its equation")
    used = {s.name for r in problem.residuals for s in r.expression.free_symbols}
    for name in problem.unknowns:
        if name not in used:
            raise ValueError(f"{problem.name}: the unknown {name} stands in no equation: remove it")


def _check_derivatives(problem: Record, rows: list[Lowered]) -> None:
    """SymPy silently makes a derivative by a strange symbol 0: then an equation loses a field or a coordinate."""
    for name, row in zip(problem.equations, rows, strict=True):
        if not row.slots:
            raise ValueError(
                f"{problem.name}, {name!r}: the equation contains no field (in SymPy a derivative by a symbol that is "
                "not the field's own coordinate is 0): write derivatives with pinnkit.derivatives"
            )
    if not rows:
        return
    slots = [slot for row in rows for slot in row.slots.values()]
    for i, x in enumerate(problem.variables):
        by = any(index[i] for slot in slots for _, index in slot.channel)
        by = by or any(slot.elsewhere is not None and x in slot.elsewhere.free_symbols for slot in slots)
        if by or any(x in e.free_symbols for row in rows for e in row.expressions) or _free(problem, x):
            continue
        raise ValueError(
            f"{problem.name}: no equation depends on {x} or differentiates by it (in SymPy a derivative by another "
            "symbol of the same name is 0): write derivatives with pinnkit.derivatives; if only the data depend on it, "
            "give on= the faces of the other coordinates"
        )


def _free(problem: Record, x: sp.Symbol) -> bool:
    """Whether nothing is asked on the faces of a coordinate: u_t = f(u) is an ordinary equation at every x."""
    ends = {"boundary", x.name, f"{x.name}_min", f"{x.name}_max"}
    for c in problem.conditions:
        on = c.on if isinstance(c, Boundary) else c.coordinate if isinstance(c, Periodic) else ()
        if ends & ({on} if isinstance(on, str) else set(on)):
            return False
    return x.name != problem.domain.time and len(problem.domain.names) > 1


def _check_places(problem: Record, residual: Residual, row: Lowered) -> None:
    """What is taken from other points must be taken inside the domain."""
    numbers = {sp.Symbol(n, real=True): sp.Float(v, 17) for n, v in (problem.parameters | problem.unknowns).items()}
    for slot in row.slots.values():
        if slot.elsewhere is None:
            continue
        X = problem.sample(residual.key, PROBES, method="random", seed=1).X[:PROBES]
        _, nodes, _ = Nodes(slot.elsewhere.xreplace(numbers).actual, problem.variables)(X)
        outside = ~problem.domain.inside(nodes)
        if outside.any():
            at = nodes[int(outside.nonzero()[0])].tolist()
            place = ", ".join(f"{n} = {v:.6g}" for n, v in zip(problem.domain.names, at, strict=True))
            raise ValueError(
                f"{problem.name}, {residual.name!r}: {slot.elsewhere} is taken at {place}, outside the domain: take it "
                "inside, or enlarge the domain; for a delay, solve one problem after the other, each as long as the "
                "delay, with the solution before as a given function (method of steps)"
            )


def _check_values(problem: Record, residual: Residual, row: Lowered) -> None:
    """Sources, coefficients and data must be finite where they are used, whatever the fields are."""
    points = problem.sample(residual.key, PROBES, method="random", seed=1)[:PROBES]
    X, (e,) = points.X, row.expressions
    values: dict[sp.Symbol, Any] = {s: X[:, i] for i, s in enumerate(problem.variables)}
    numbers = problem.parameters | problem.unknowns
    for s in e.free_symbols - set(values) - set(row.slots):
        values[s] = points.columns[s.name] if s.name in points.columns else X.new_tensor(numbers[s.name])
    program, ever = Program([e], [*values, *row.slots]), torch.zeros(len(X), dtype=torch.bool)
    generator = torch.Generator().manual_seed(1)
    for sign in (1.0, -1.0, 1.0):
        trial = {s: sign * (0.1 + torch.rand(X[:, 0].shape, generator=generator).to(X)) for s in row.slots}
        (out,) = program(values | trial)
        ever |= torch.isfinite(torch.as_tensor(out, dtype=X.dtype))
    if not ever.all():
        at = X[int((~ever).nonzero()[0])].tolist()
        place = ", ".join(f"{n} = {v:.6g}" for n, v in zip(problem.domain.names, at, strict=True))
        by = sorted(f.func.__name__ for f in e.atoms(Opaque))
        raise ValueError(
            f"{problem.name}, {residual.name!r} is not a finite number at {place}: check its values"
            + (f", in particular the function {by[0]}" if by else "")
        )


def _check_reference(problem: Record, reference: Exact) -> None:
    given = list(reference.solution)
    if not set(problem.fields) <= set(given) or {str(u.func) for u in given} - set(problem.outputs):
        raise ValueError(
            f"{problem.name}: the closed form is for {', '.join(map(str, given))}: expected the fields "
            f"{', '.join(map(str, problem.fields))}"
            + (", and at most the derived quantities" if problem.derived else "")
        )
    for u in given:
        try:
            reference.expression(u)
        except ValueError as error:
            own = [f'"{name}": ...' for name in problem.unknowns if name not in reference.parameters]
            hint = f", as reference=pinnkit.Exact({{{u.func}: ...}}, {{{', '.join(own)}}})" if own else ""
            raise ValueError(f"{problem.name}: {error}{hint}") from None
