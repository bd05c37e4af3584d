"""Enclosures by interval arithmetic: how far a group's parameter may go before something loses its sign."""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import product
from operator import add, mul
from typing import Any

import sympy as sp
from mpmath import iv

PIECES = 4  # of every coordinate's interval
_FUNCTIONS = {sp.exp: iv.exp, sp.log: iv.log, sp.sin: iv.sin, sp.cos: iv.cos}


def interval_range(e: sp.Expr, box: Mapping[sp.Symbol, Any]) -> Any:
    """An interval that contains all values of an expression over a box of intervals.

    Raises:
        ValueError: a function without interval arithmetic here.
    """
    if e in box:
        return box[e]
    if e.is_Rational:
        return iv.mpf(int(e.p)) / int(e.q)
    if e.is_Float:
        return iv.mpf(str(e))
    if e is sp.pi:
        return iv.pi
    if e.is_Add or e.is_Mul:
        return reduce(add if e.is_Add else mul, (interval_range(a, box) for a in e.args))
    if e.is_Pow and e.exp.is_Integer:
        return interval_range(e.base, box) ** int(e.exp)
    if e.is_Pow and e.base is not sp.E:
        return iv.exp(interval_range(e.exp, box) * iv.log(interval_range(e.base, box)))
    if e.func in (sp.cosh, sp.sinh):
        up, down = (iv.exp(sign * interval_range(e.args[0], box)) for sign in (1, -1))
        return (up + down if e.func is sp.cosh else up - down) / 2
    if e.func in _FUNCTIONS:
        return _FUNCTIONS[e.func](interval_range(e.args[0], box))
    raise ValueError(f"{e} has no interval arithmetic here: use a smaller interval of your own")


def reach(
    conditions: Sequence[sp.Expr],
    parameter: sp.Symbol,
    bounds: Mapping[sp.Symbol, tuple[float, float]],
    most: float,
    digits: int = 3,
) -> float:
    """The a nearest to ``most`` such that all conditions are proved positive on the box for all values from 0 to a.

    It is found by bisection of its logarithm to so many digits, never larger than the truth.
    """
    if not conditions:
        return most
    cells = []
    for low, high in bounds.values():
        low, high = float(low), float(high)
        cuts = [*(low + (high - low) * k / PIECES for k in range(PIECES)), high]
        cells.append([iv.mpf([a, b]) for a, b in zip(cuts, cuts[1:], strict=False)])
    boxes = [dict(zip(bounds, cell, strict=True)) for cell in product(*cells)]

    def holds(low: float, high: float) -> bool:
        a = iv.mpf(sorted((low, high)))
        return all(_positive(c, box | {parameter: a}) for c in conditions for box in boxes)

    good, bad, sign = 0.0, None, 1 if most > 0 else -1
    step = abs(most)
    while step > abs(most) * 1e-12:
        if holds(good, sign * step):
            good = sign * step
            break
        bad, step = step, step / 4
    if bad is None:
        return most
    low, high = abs(good) or step / 4, bad
    while high > low * (1 + 10.0**-digits):
        middle = (low * high) ** 0.5
        if holds(good, sign * middle):
            good, low = sign * middle, middle
        else:
            high = middle
    return good


def _positive(e: sp.Expr, box: Mapping[sp.Symbol, Any]) -> bool:
    try:
        return bool(interval_range(e, box).a > 0)
    except (ZeroDivisionError, ArithmeticError):
        return False
