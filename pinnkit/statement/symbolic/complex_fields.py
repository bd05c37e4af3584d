"""Complex fields: psi(x, t) is two real fields, its equations and conditions are their real and imaginary parts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from pinnkit.tools.sympy_types import AppliedUndef, is_applied

from .boundary_conditions import Dirichlet, Neumann, Operator, Robin
from .conditions import Condition, Initial, Periodic
from .expression import as_expression
from .integral import Caputo, Integral
from .observations import Observations
from .reference import Exact

RE, IM = "_re", "_im"
Pairs = Mapping[AppliedUndef, tuple[AppliedUndef, AppliedUndef]]


def is_complex(u: Any) -> bool:
    """Whether this is a field that was made with ``complex=True``."""
    return is_applied(u) and bool(u.func._kwargs.get("complex")) and not u.func._kwargs.get("real")


def parts(u: AppliedUndef) -> tuple[AppliedUndef, AppliedUndef]:
    """The real and the imaginary part of a complex field, as real fields."""
    re, im = (sp.Function(f"{u.func}{end}", real=True)(*u.args) for end in (RE, IM))
    return re, im


def pairs_among(fields: Sequence[AppliedUndef]) -> Pairs:
    """The complex fields of which both parts are among real fields."""
    by_name = {str(u.func): u for u in fields}
    found = {}
    for name, re in by_name.items():
        im = by_name.get(name.removesuffix(RE) + IM) if name.endswith(RE) else None
        if im is not None:
            found[sp.Function(name.removesuffix(RE), complex=True)(*re.args)] = (re, im)
    return found


def real_and_imaginary(e: sp.Expr, pairs: Pairs) -> tuple[sp.Expr, sp.Expr]:
    """Both parts of an expression in which fields, coordinates and symbols are real and the keys of pairs complex."""
    names = {u.func: tuple(p.func for p in pair) for u, pair in pairs.items()}

    def part(*args: sp.Expr, f: Any) -> sp.Expr:
        re, im = names[f]
        return re(*args) + sp.I * im(*args)

    for f in names:
        e = e.replace(f, lambda *args, f=f: part(*args, f=f))
    linear = {node: _linear(node, pairs) for node in e.atoms(sp.Integral, Integral, Caputo)}
    e = e.xreplace(linear).doit(integrals=False)
    whole: dict[sp.Basic, sp.Dummy] = {}  # the largest parts without the imaginary unit, which are real

    def held(part: sp.Basic) -> sp.Basic:
        if part.is_Number or part == sp.I:
            return part
        if not part.has(sp.I, sp.conjugate, sp.re, sp.im):
            return whole.setdefault(part, sp.Dummy(real=True))
        return part.func(*map(held, part.args))

    re, im = sp.expand(held(e)).as_real_imag()
    back = {d: part for part, d in whole.items()}
    return re.xreplace(back), im.xreplace(back)


def _linear(node: sp.Expr, pairs: Pairs) -> sp.Expr:
    """An integral or a memory of both parts."""
    inner = node.args[0].function if isinstance(node, Integral) else node.args[0]
    re, im = real_and_imaginary(inner, pairs)
    if isinstance(node, Integral):
        again = [Integral(e, *node.args[0].limits, nodes=int(node.args[1]) or None) for e in (re, im)]
    else:
        again = [node.func(e, *node.args[1:]) if e != 0 else sp.S.Zero for e in (re, im)]
    return again[0] + sp.I * again[1] if im != 0 else again[0]


def named(name: str, e: sp.Expr, pairs: Pairs) -> dict[str, sp.Expr]:
    """The parts of an equation that are not 0 whatever the fields are, by name."""
    if not any(e.has(u.func) for u in pairs):
        return {name: e}
    both = zip(("real", "imaginary"), real_and_imaginary(e, pairs), strict=True)
    return {f"{name} ({what})": part for what, part in both if part != 0}


def conditions_of(condition: Condition, pairs: Pairs) -> list[Condition]:
    """A condition on a complex field as conditions on its parts."""
    if isinstance(condition, Operator):
        return [
            replace(condition, name=n, expression=e)
            for n, e in named(condition.name, condition.expression, pairs).items()
        ]
    if isinstance(condition, Observations):
        return list(_observations(condition, pairs))
    if condition.u not in pairs:
        return [condition]
    fields = pairs[condition.u]
    if isinstance(condition, Periodic):
        return [replace(condition, u=u) for u in fields]
    if isinstance(condition, Robin):
        for what in (condition.a, condition.b):
            if real_and_imaginary(what, pairs)[1] != 0:
                raise ValueError(
                    f"{condition.name}: the coefficient {what} is complex: state the condition as an Operator, with "
                    "pinnkit.normals"
                )
    assert isinstance(condition, (Dirichlet, Neumann, Robin, Initial))
    values = real_and_imaginary(condition.value, pairs)
    return [replace(condition, u=u, value=v) for u, v in zip(fields, values, strict=True)]


def _observations(condition: Observations, pairs: Pairs) -> list[Condition]:
    if not any(condition.u.has(u.func) for u in pairs):
        return [condition]
    both = real_and_imaginary(condition.u, pairs)
    values = condition.values
    readings = (values.real, values.imag) if values.is_complex() else (values, 0 * values)
    names = (
        (condition.name, condition.name)
        if both[1] == 0
        else (f"{condition.name} (real)", f"{condition.name} (imaginary)")
    )
    return [
        Observations(e, condition.X, v, name, condition.weight)
        for e, v, name in zip(both, readings, names, strict=True)
        if e != 0
    ]


def reference_of(given: Any, fields: Sequence[AppliedUndef], pairs: Pairs, parameters: Mapping[str, float]) -> Any:
    """A closed form with those of the parts for that of a complex field; anything else as it is."""
    if isinstance(given, (sp.Expr, int, float, complex)) and len(fields) == 1:
        given = {fields[0]: sp.sympify(given)}
    held = given.solution if isinstance(given, Exact) else given
    if not isinstance(held, Mapping):
        return given
    found: dict[AppliedUndef, sp.Expr] = {}
    for u, e in held.items():
        if u in pairs:
            found |= dict(zip(pairs[u], real_and_imaginary(as_expression(e, str(u)), pairs), strict=True))
        else:
            found[u] = e
    return replace(given, solution=found) if isinstance(given, Exact) else Exact(found, parameters)
