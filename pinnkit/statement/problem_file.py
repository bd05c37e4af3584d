"""A problem's statement as plain records and arrays, for files: nothing that has to be imported or run.

A file can hold expressions of elementary functions, boxes and trees of shapes, conditions, readings, closed forms and,
of other references, the values at their nodes. It cannot hold Python functions and classes of one's own.
"""

from collections.abc import Mapping
from dataclasses import fields
from math import prod
from typing import Any, get_args
from weakref import WeakKeyDictionary

import numpy as np
from torch import Tensor

from pinnkit.domain import domain_file
from pinnkit.statement.symbolic.conditions import Condition
from pinnkit.statement.symbolic.expression import as_expression
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.reference import Exact, Sampled
from pinnkit.statement.symbolic.torch_program import Opaque
from pinnkit.tools.hdf5 import Json
from pinnkit.tools.serialise import decode, encode, missing
from pinnkit.tools.sympy_tree import decode as expression
from pinnkit.tools.sympy_tree import encode as tree
from pinnkit.tools.sympy_types import AppliedUndef, is_applied

from .problem import Problem

CONDITIONS = {cls.__name__: cls for cls in get_args(Condition)}
EXPRESSIONS, ARRAYS = ("u", "value", "a", "b", "expression"), ("X", "values")  # of conditions
NODES = {"nodes": True}  # what stands for a reference whose values are in arrays
ENTRIES = 500  # fields, equations, conditions ... at most

_KEPT: WeakKeyDictionary[Problem, dict[str, Any]] = WeakKeyDictionary()  # a problem is saved again and again


def contents(problem: Problem) -> dict[str, Any]:
    """What a file holds of a statement: {"record", "arrays"}, or {"lacking"}, which says what no file can hold."""
    if problem not in _KEPT:
        try:
            record = _record(problem)
        except ValueError as error:
            _KEPT[problem] = {"lacking": str(error)}
        else:
            _KEPT[problem] = {"record": Json(record), "arrays": _arrays(problem, record["reference"] == NODES)}
    return _KEPT[problem]


def problem_from(held: Mapping[str, Any]) -> Problem:
    """The problem whose ``contents`` a file holds.

    Raises:
        ValueError: what ``contents`` does not write, or a statement that is wrong or ill-posed.
    """
    record, arrays = held["record"], held["arrays"]
    for name, value in record.items():
        if isinstance(value, (list, Mapping)) and len(value) > ENTRIES:
            raise ValueError(f"a file holds a statement with {len(value)} {name}: {ENTRIES} at most")
    conditions = [_condition(c, arrays["conditions"].get(str(i), {})) for i, c in enumerate(record["conditions"])]
    own = [_field(e) for e in record["fields"]]
    recipe = _recipe(record["recipe"])
    return Problem(
        str(record["name"]),
        own,
        {str(name): expression(e) for name, e in record["equations"]},
        domain_file.domain(record["domain"]),
        conditions,
        dict(record["parameters"]),
        dict(record["unknowns"]),
        _reference(record["reference"], arrays),
        {str(name): expression(e) for name, e in record["derived"]},
        {_field(u): (expression(g), expression(d)) for u, g, d in record["ansatz"]},
        None if record["weight"] is None else expression(record["weight"]),
        recipe,
        decode(record["arguments"]),
    )


def _recipe(held: Any) -> Any:
    """The recipe; in older files it has no class."""
    return decode({"class": "Recipe"} | held if isinstance(held, dict) and "class" not in held else held)


def _record(problem: Problem) -> dict[str, Any]:
    recipe = encode(problem.recipe)
    own = missing(decode(recipe))
    if own:
        raise ValueError(f"{own[0]} in its recipe")
    return {
        "name": problem.name,
        "fields": [tree(u) for u in problem.fields],
        "equations": [[name, _tree(e, name)] for name, e in problem.equations.items()],
        "domain": domain_file.record(problem.domain),
        "conditions": [_condition_record(c) for c in problem.conditions],
        "parameters": dict(problem.parameters),
        "unknowns": dict(problem.unknowns),
        "reference": _reference_record(problem.reference),
        "derived": [[name, _tree(e, name)] for name, e in problem.derived.items()],
        "ansatz": [[tree(u), *(_tree(e, f"the ansatz of {u}") for e in pair)] for u, pair in problem.ansatz.items()],
        "weight": None if problem.weight is None else _tree(problem.weight, "the weight"),
        "recipe": recipe,
        "arguments": encode(problem.arguments),
    }


def _tree(e: Any, where: str) -> list:
    """An expression's tree; ValueError, which says what a file cannot hold, unless it comes back the same."""
    e = as_expression(e, where)
    opaque = sorted(f.func.__name__ for f in e.atoms(Opaque))
    if opaque:
        raise ValueError(f"the Python function {opaque[0]!r} in {where!r}")
    try:
        found = tree(e)
        same = expression(found) == e
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the expression in {where!r} ({error})") from error
    if not same:
        raise ValueError(f"the expression in {where!r}, which SymPy rewrites when it reads it")
    return found


def _condition_record(c: Any) -> dict[str, Any]:
    held: dict[str, Any] = {"kind": type(c).__name__}
    for name in (f.name for f in fields(c) if f.name not in ARRAYS):
        value = getattr(c, name)
        if name in EXPRESSIONS:
            value = _tree(value, c.name)
        elif not isinstance(value, (str, bool, int)):
            value = list(value) if name == "on" else float(value)
        held[name] = value
    return held


def _condition(held: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> Condition:
    settings: dict[str, Any] = {}
    for name, value in held.items():
        if name in EXPRESSIONS:
            settings[name] = expression(value)
        elif name != "kind":
            settings[name] = tuple(value) if isinstance(value, list) else value
    return CONDITIONS[held["kind"]](**settings, **{name: arrays[name] for name in ARRAYS if name in arrays})


def _field(held: Any) -> AppliedUndef:
    u = expression(held)
    if not is_applied(u):
        raise ValueError(f"a file states the field {u}, which is no function of coordinates")
    return u


def _reference_record(reference: Any) -> dict[str, Any] | None:
    """A closed form that a tree can hold; ``NODES`` for values in arrays."""
    if reference is None:
        return None
    if type(reference) is not Exact:
        return NODES
    try:
        solution = [[tree(u), _tree(e, f"the closed form of {u}")] for u, e in reference.solution.items()]
    except ValueError:
        return NODES
    return {"solution": solution, "parameters": dict(reference.parameters), "error": float(reference.error)}


def _arrays(problem: Problem, nodes: bool) -> dict[str, Any]:
    """Readings, and where asked the values of the reference at the ``nodes`` of its grid."""
    given = {str(i): c for i, c in enumerate(problem.conditions) if isinstance(c, Observations)}
    readings = {i: {n: getattr(c, n) for n in ARRAYS} for i, c in given.items()}
    found: dict[str, Any] = {"conditions": readings}
    if nodes and problem.reference is not None:
        held = Sampled.of(problem.reference, problem.domain, tuple(problem.outputs))
        found["reference"] = {
            "axes": {name: np.asarray(axis) for name, axis in held.axes.items()}, "names": Json(list(held.axes)),
            "mask": held.mask, "values": dict(held.values), "error": held.error, "errors": Json(dict(held.errors)),
        }  # fmt: skip
    return found


def _reference(held: Mapping[str, Any] | None, arrays: Mapping[str, Any]) -> Exact | Sampled | None:
    if held is None:
        return None
    if "solution" in held:
        solution = {_field(u): expression(e) for u, e in held["solution"]}
        return Exact(solution, dict(held["parameters"]), float(held["error"]))
    own = arrays["reference"]
    axes = {name: own["axes"][name].numpy() for name in own["names"]}
    n = prod(len(a) for a in axes.values())
    if any(v.shape != (n,) for v in (own["mask"], *own["values"].values())):
        raise ValueError(f"a file holds a reference whose columns are not of its {n} nodes")
    return Sampled(axes, own["mask"].bool(), own["values"], float(own["error"]), dict(own["errors"]))
