"""What may stand for a value in a problem: an expression, a number, a Python callable of the coordinates."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import sympy as sp
from sympy.core.function import FunctionClass
from torch import Tensor

from .torch_program import Opaque, function

Value: TypeAlias = sp.Expr | float | Callable[..., Tensor]


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
    broken = [(d, n) for d in e.atoms(sp.Derivative) for _, n in d.variable_count if not (n.is_Integer and n >= 0)]
    if broken:
        raise ValueError(
            f"{what} contains {broken[0][0]}, of order {broken[0][1]}: expected whole orders; a fractional derivative "
            "in the sense of Caputo is pk.Caputo(u, t, order)"
        )
    if e.has(sp.nan, sp.oo, -sp.oo, sp.zoo):
        raise ValueError(f"{what} is {e}: expected a finite value")
    return e


def check_real(e: sp.Expr, what: str) -> None:
    """ValueError for an expression with the imaginary unit, in a problem whose fields are real."""
    if e.has(sp.I):
        raise ValueError(
            f"{what} contains the imaginary unit, and fields are real: a complex field is pinnkit.field(..., "
            "complex=True), which is two fields, and its equation two equations"
        )


def expression(value: Value, variables: Sequence[sp.Symbol], what: str = "a value") -> sp.Expr:
    """A value as an expression; a callable takes the coordinates as tensors of shape (B,).

    Raises:
        TypeError, ValueError: as `as_expression`.
    """
    if callable(value) and not isinstance(value, (sp.Basic, FunctionClass)):
        _check_arity(value, variables, what)
        return function(value)(*variables)
    if isinstance(value, FunctionClass) and issubclass(value, Opaque):
        return value(*variables)
    return as_expression(value, what)


def _check_arity(value: Callable, variables: Sequence[sp.Symbol], what: str) -> None:
    """Whether a callable takes as many arguments as there are coordinates, as far as Python knows."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # compiled functions may have none: then the call shows it
        return
    try:
        signature.bind(*variables)
    except TypeError:
        names = ", ".join(map(str, variables))
        raise TypeError(
            f"{what} is a function of {signature}: expected one tensor (B,) for every coordinate, as in "
            f"lambda {names}: ...; points (B, {len(variables)}) in one argument are torch.stack([{names}], 1)"
        ) from None
