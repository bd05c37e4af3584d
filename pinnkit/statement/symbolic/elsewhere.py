"""What an equation takes from other points than its own: the value of a field at a place, or an integral."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp

from pinnkit.tools.sympy_types import AppliedUndef, is_applied

from .channels import Index
from .notation import differentiate
from .torch_program import Opaque

HERE, AT = "@here", "@at"  # what follows the name of a coordinate at the row's own point, or an integration variable
NODE, WEIGHT = "_node{}", "_weight{}"  # nodes in (0, 1) and weights of the quadrature, by the number of the variable

Use = tuple[int, tuple[sp.Expr, ...], Index]  # field number, where it is taken, derivative


@dataclass(frozen=True)
class Content:
    """integral of a function of fields over nodes that depend on the row's own point.

    ``formal`` are the symbols that all of this may contain beside nodes and weights: coordinates of the own point
    (``x@here``), parameters and unknowns. ``integrand`` is written in the fields at the node, its coordinates, formal
    symbols and those of ``columns``, which are functions of the own point and the reference nodes as ``nodes`` and
    ``weight`` are. ``counts`` are the numbers of nodes by integration variable, () for a single place.
    """

    formal: tuple[sp.Symbol, ...]
    integrand: sp.Expr
    nodes: tuple[sp.Expr, ...]
    weight: sp.Expr = sp.S.One
    columns: tuple[tuple[sp.Symbol, sp.Expr], ...] = ()
    counts: tuple[int, ...] = ()
    outputs: tuple[int, ...] = (0,)


class Elsewhere(sp.Function):
    """A number that a row takes from other points; its arguments are what it depends on at the row's own."""

    is_real = True
    is_number = False  # also where it has no arguments
    content: Content
    title: sp.Expr

    def _sympystr(self, printer: Any) -> str:
        return printer._print(self.title)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = printer._print(self.title)
        return body if exp is None else rf"\left({body}\right)^{{{exp}}}"

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Never needed: integrals are differentiated as SymPy's, before they become this."""
        raise ValueError(f"{self} is differentiated by {self.args[argindex - 1]}: differentiate under the integral")

    def _eval_evalf(self, _prec: int) -> None:
        return None

    @property
    def actual(self) -> Content:
        """The content with the arguments that this one has: numbers for parameters."""
        c = type(self).content
        names = {f: a for f, a in zip(c.formal, self.args, strict=True) if not f.name.endswith(HERE)}
        if all(f == a for f, a in names.items()):
            return c
        return Content(
            c.formal, c.integrand.xreplace(names), tuple(e.xreplace(names) for e in c.nodes), c.weight.xreplace(names),
            tuple((s, e.xreplace(names)) for s, e in c.columns), c.counts, c.outputs,
        )  # fmt: skip


def is_own(e: sp.Basic) -> bool:
    """Whether a function of the caller's own stands in the expression, or under its integrals."""
    return e.has(Opaque) or any(a.content.integrand.has(Opaque) for a in e.atoms(Elsewhere))


def _made(content: Content, title: sp.Expr) -> type[Elsewhere]:
    """One class a content: equal integrals are one and the same, unless memory would keep a caller's function."""
    return _class(content, title) if content.integrand.has(Opaque) else _remembered(content, title)


def _class(content: Content, title: sp.Expr) -> type[Elsewhere]:
    members = {"content": content, "title": title, "nargs": len(content.formal)}
    return type(f"elsewhere_{title}", (Elsewhere,), members)


_remembered = lru_cache(maxsize=4096)(_class)


def made(
    title: sp.Expr, integrand: sp.Expr, nodes: Sequence[sp.Expr], variables: Sequence[sp.Symbol],
    outputs: Sequence[int], weight: sp.Expr = sp.S.One, columns: Mapping[sp.Symbol, sp.Expr] | None = None,
    counts: Sequence[int] = (),
) -> sp.Expr:  # fmt: skip
    """The number as a function of what it depends on; own coordinates in nodes, weight and columns as they are.

    ``integrand`` is in node coordinates, so the own point's stand in it as ``here(x)``.
    """
    own = {v: here(v) for v in variables}
    moved = [e.xreplace(own) for e in (*nodes, weight, *(columns or {}).values())]
    n, used = len(nodes), set(columns or {}) | set(variables)
    free = set().union(*(e.free_symbols for e in moved)) | (integrand.free_symbols - used)
    formal = tuple(sorted((s for s in free if not s.name.startswith(("_node", "_weight"))), key=lambda s: s.name))
    content = Content(
        formal, integrand, tuple(moved[:n]), moved[n], tuple(zip(columns or {}, moved[n + 1 :], strict=True)),
        tuple(counts), tuple(outputs),
    )  # fmt: skip
    back = {h: v for v, h in own.items()}
    return _made(content, title)(*(back.get(s, s) for s in formal))


def here(v: sp.Symbol) -> sp.Symbol:
    """A coordinate of the row's own point, in an integrand."""
    return sp.Symbol(v.name + HERE, real=True)


def uses(e: sp.Expr, fields: Sequence[AppliedUndef]) -> dict[sp.Expr, Use]:
    """Where an expression takes fields and their derivatives: field, place and derivative of every atom.

    Raises:
        ValueError: a derivative that is not by a coordinate.
    """
    names = {(u.func, len(u.args)): k for k, u in enumerate(fields)}
    found: dict[sp.Expr, Use] = {}

    def look(node: sp.Basic) -> None:
        use = _use(node, names)
        if use is not None:
            found[node] = use
            return
        for a in node.args:
            look(a)

    look(e)
    return found


def _use(node: sp.Basic, names: Mapping) -> Use | None:
    if is_applied(node) and (node.func, len(node.args)) in names:
        return names[node.func, len(node.args)], node.args, (0,) * len(node.args)
    if isinstance(node, sp.Derivative):
        inner = _use(node.expr, names)
        if inner is None or any(inner[2]):
            return None
        k, place, index = inner
        count = list(index)
        for v, n in node.variable_count:
            if v not in place:
                return None
            count[place.index(v)] += int(n)
        return k, place, tuple(count)
    if isinstance(node, sp.Subs):
        inner = _use(node.expr, names)
        if inner is None:
            return None
        k, place, index = inner
        at = dict(zip(node.variables, node.point, strict=True))
        return k, tuple(a.xreplace(at) for a in place), index
    return None


def at_places(e: sp.Expr, fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]) -> sp.Expr:
    """The expression with every field at another place than the point itself as a function of its own."""
    replace: dict[sp.Expr, sp.Expr] = {}
    for atom, (k, place, index) in uses(e, fields).items():
        if place == tuple(variables):
            continue
        value = differentiate(fields[k], index, variables)
        replace[atom] = made(atom, value, place, variables, (k,))
    return e.xreplace(replace) if replace else e
