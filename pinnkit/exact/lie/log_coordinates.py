"""Equations with power coefficients, such as S^2 V_SS, in y = log S: there they have constant coefficients."""

from collections.abc import Sequence

import sympy as sp
from sympy.functions.combinatorial.numbers import stirling

from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.tools.sympy_types import AppliedUndef, is_applied

from .generator import Generator


def logarithmic(
    equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]
) -> tuple[list[sp.Expr], list[AppliedUndef], dict[sp.Symbol, sp.Symbol]]:
    """The equations in y = log s for every coordinate s that they then do not contain, and the new coordinates."""
    equations, fields = list(equations), list(fields)
    new: dict[sp.Symbol, sp.Symbol] = {}
    for s in fields[0].args:
        if any(e.has(s) and s in e.subs({u: 1 for u in fields}).doit().free_symbols | _explicit(e) for e in equations):
            y = sp.Symbol(f"log_{s}", real=True)
            moved = [_moved(e, fields, s, y) for e in equations]
            if not any(s in e.free_symbols for e in moved):
                equations, fields, new = moved, [u.xreplace({s: y}) for u in fields], new | {s: y}
    return equations, fields, new


def _explicit(e: sp.Expr) -> set[sp.Symbol]:
    return e.replace(lambda a: isinstance(a, sp.Derivative) or is_applied(a), lambda a: sp.Dummy()).free_symbols


def _moved(e: sp.Expr, fields: Sequence[AppliedUndef], s: sp.Symbol, y: sp.Symbol) -> sp.Expr:
    """s^k d_s^k = sum_j S1(k, j) d_y^j with Stirling's numbers; a common power of s is left out."""
    variables = fields[0].args
    at, lowered = variables.index(s), lower([e], fields, variables)
    replace = {}
    for symbol, slot in lowered.slots.items():
        J = slot.channel[0][1]
        u, k = fields[slot.output].xreplace({s: y}), J[at]
        terms = [
            stirling(k, j, kind=1, signed=True) * differentiate(u, (*J[:at], j, *J[at + 1 :])) for j in range(k + 1)
        ]
        replace[symbol] = sum(terms) / s**k
    moved = sp.expand(lowered.expressions[0].xreplace(replace))
    moved = sp.expand(sp.fraction(sp.together(moved))[0])
    powers = {term.as_coeff_exponent(s)[1] for term in sp.Add.make_args(moved)}
    return sp.expand(moved / s ** powers.pop()) if len(powers) == 1 else moved


def back(v: Generator, new: dict[sp.Symbol, sp.Symbol]) -> Generator:
    """A generator in the logarithms, in the coordinates themselves."""
    own = {y: s for s, y in new.items()}
    logs = {y: sp.log(s) for s, y in new.items()}
    xi = tuple((own[c] if c in own else 1) * e.xreplace(logs) for c, e in zip(v.coordinates, v.xi, strict=True))
    coordinates = tuple(own.get(c, c) for c in v.coordinates)
    return Generator(coordinates, v.fields, xi, tuple(e.xreplace(logs) for e in v.phi))
