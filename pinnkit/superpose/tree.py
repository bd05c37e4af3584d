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
DEPTH, NODES, EXPONENT, ARGUMENT = 60, 5000, 300, 10_000  # far beyond what any family of solutions needs
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
    """The expression that ``encode`` was given.

    SymPy evaluates what it is handed: powers and functions of mere numbers are bounded, so that a short text cannot
    stand for a number of 10^9 digits.

    Raises:
        ValueError: a tree that ``encode`` did not make, or one beyond the bounds.
    """
    try:
        return _decoded(tree, DEPTH, [NODES])
    except (TypeError, IndexError, AttributeError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"a file holds an expression that this pinnkit did not write ({error})") from error


def _decoded(tree: Any, depth: int, left: list[int]) -> sp.Expr:
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        raise ValueError(f"a file holds an expression of more than {DEPTH} levels or {NODES} terms")
    kind, *rest = tree
    if kind == "symbol":
        name, positive = rest
        if not (isinstance(name, str) and name.isidentifier() and len(name) <= 64):
            raise ValueError(f"a file names the symbol {name!r}, which is no name")
        return sp.Symbol(name, positive=True) if positive else sp.Symbol(name, real=True)
    if kind == "number":
        return sp.Rational(int(rest[0]), int(rest[1]))
    if kind == "float":
        return sp.Float(float(rest[0]), 17)
    if kind == "constant" and rest[0] in _CONSTANTS:
        return _CONSTANTS[rest[0]]
    if kind not in _FUNCTIONS:
        raise ValueError(f"a file names the function {kind!r}, which this pinnkit does not know")
    arguments = [_decoded(branch, depth - 1, left) for branch in rest]
    _check_numbers(kind, arguments)
    return _FUNCTIONS[kind](*arguments)


def _check_numbers(kind: str, arguments: list[sp.Expr]) -> None:
    """ValueError for an exponent, or a function's constant argument, that is out of all proportion."""
    held = arguments[1:] if kind == "Pow" else [] if kind in ("Add", "Mul", "Max", "Min") else arguments
    for e in held:
        bound = EXPONENT if kind == "Pow" else ARGUMENT
        if not e.free_symbols and not abs(complex(sp.N(e, 5))) <= bound:
            raise ValueError(f"a file holds {kind} of the number {str(sp.N(e, 5))[:30]}: at most {bound} is read")
    if kind == "Pow" and not arguments[0].free_symbols and not abs(complex(sp.N(arguments[0], 5))) <= 1e300:
        raise ValueError("a file holds a power of a number beyond 1e300")
