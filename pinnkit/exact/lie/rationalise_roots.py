"""Square roots of parameters made rational: sqrt(a k) = r by k = r^2 / a."""

from collections.abc import Iterable
from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Substitution:
    """``parameter`` stands for ``value``, in which ``root`` is the new parameter for ``radical``."""

    parameter: sp.Symbol
    value: sp.Expr
    root: sp.Symbol
    radical: sp.Expr


def swap(expressions: Iterable[sp.Expr], parameters: Iterable[sp.Symbol]) -> Substitution | None:
    """The exchange of a parameter that removes a square root from the expressions, or None."""
    parameters = sorted(parameters, key=str)
    found = {a for e in expressions for a in e.atoms(sp.Pow) if a.exp.is_Rational and a.exp.q == 2}
    for base in sorted({a.base for a in found}, key=str):
        for p in parameters:
            if base.has(p) and sp.degree(sp.fraction(sp.together(base))[0], p) == 1:
                sign = -1 if base.could_extract_minus_sign() else 1
                root = sp.Symbol(f"_root{len(parameters)}", positive=True)
                values = sp.solve(sign * base - root**2, p)
                if len(values) == 1:
                    return Substitution(p, values[0], root, sp.sqrt(sign * base))
    return None
