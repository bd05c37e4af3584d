"""What may stand for a value in a problem: an expression, a number, a Python callable of the coordinates."""

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp
from sympy.core.function import FunctionClass
from torch import Tensor

from .expression import Opaque, function

Value = sp.Expr | float | Callable[..., Tensor]


def as_expression(value: Any, what: str) -> sp.Expr:
    """A SymPy expression or a number, as an expression; an equation a = b as a - b.

    Raises:
        TypeError: text, a callable, or anything else.
        ValueError: a number that is not finite.
    """
    expected = "a SymPy expression or a number"
    if isinstance(value, str):
        raise TypeError(f"{what} is given as the text {value!r}: expected {expected}")
    if callable(value) and not isinstance(value, sp.Basic):
        hint = "with its arguments" if isinstance(value, FunctionClass) else "wrapped by pinnkit.function"
        raise TypeError(f"{what} is given as the function {value!r}: expected {expected}; use it {hint}")
    try:
        e = sp.sympify(value, strict=True)
    except sp.SympifyError:
        e = None
    e = e.lhs - e.rhs if isinstance(e, sp.Equality) else e
    if not isinstance(e, sp.Expr):
        raise TypeError(f"{what} is given as {type(value).__name__} {value!r}: expected {expected}")
    if e.has(sp.nan, sp.oo, -sp.oo, sp.zoo):
        raise ValueError(f"{what} is {e}: expected a finite value")
    return e


def expression(value: Value, variables: Sequence[sp.Symbol], what: str = "a value") -> sp.Expr:
    """A value as an expression; a callable takes the coordinates as tensors of shape (B,).

    Raises:
        TypeError, ValueError: as `as_expression`.
    """
    if callable(value) and not isinstance(value, (sp.Basic, FunctionClass)):
        return function(value)(*variables)
    if isinstance(value, FunctionClass) and issubclass(value, Opaque):
        return value(*variables)
    return as_expression(value, what)
