"""SymPy expressions as nested lists of names and numbers, so that a file can hold them and no text is evaluated."""

from typing import Any

import sympy as sp

_FUNCTIONS = {
    f.__name__: f
    for f in (
        sp.Add, sp.Mul, sp.Pow, sp.sin, sp.cos, sp.tan, sp.exp, sp.log, sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.erf,
        sp.erfc, sp.atan, sp.atan2, sp.asinh, sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min, sp.sqrt,
    )
}  # fmt: skip
_CONSTANTS = {"pi": sp.pi, "E": sp.E}


def encode(e: sp.Basic) -> list:
    """The expression as nested lists; ValueError for a function that is not elementary."""
    if isinstance(e, sp.Symbol):
        return ["symbol", e.name, bool(e.is_positive)]
    if isinstance(e, sp.Rational):
        return ["number", str(e.p), str(e.q)]
    if isinstance(e, sp.Float):
        return ["float", float(e)]
    for name, constant in _CONSTANTS.items():
        if e == constant:
            return ["constant", name]
    if e.func.__name__ not in _FUNCTIONS:
        raise ValueError(f"{e.func.__name__} cannot be written to a file: use elementary functions")
    return [e.func.__name__, *map(encode, e.args)]


def decode(tree: Any) -> sp.Expr:
    """The expression that ``encode`` was given; ValueError for a tree that it did not make."""
    kind, *rest = tree
    if kind == "symbol":
        name, positive = rest
        return sp.Symbol(name, positive=True) if positive else sp.Symbol(name, real=True)
    if kind == "number":
        return sp.Rational(int(rest[0]), int(rest[1]))
    if kind == "float":
        return sp.Float(rest[0], 17)
    if kind == "constant" and rest[0] in _CONSTANTS:
        return _CONSTANTS[rest[0]]
    if kind not in _FUNCTIONS:
        raise ValueError(f"a file names the function {kind!r}, which this pinnkit does not know")
    return _FUNCTIONS[kind](*map(decode, rest))
