"""Rigorous upper bounds of the maximum and L2 norm of a function on an interval, cell by cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.validated.interval_arithmetic import Interval
from pinnkit.certificate.validated.interval_series import Series, enclosed_series, total

from .bisection import halved, norm

ORDER = 8  # of the Taylor form on a cell
MOST = 20_000  # cells in all


@dataclass(frozen=True)
class IntervalNorm:
    """Upper bounds, and the largest value and the L2 norm by the middles of the cells, to see how tight they are."""

    norm: Norm
    seen: Norm
    cells: int


def interval_norms(
    e: sp.Expr,
    variable: sp.Symbol,
    ends: tuple[float, float],
    fixed: Mapping[sp.Symbol, float],
    floor: float = 1e-14,
) -> IntervalNorm:
    """Bounds of max |e| and of the L2 norm of e over an interval, other symbols being fixed numbers.

    On a cell |x - m| <= h a term of e lies in sum_{j<p} e_j(m) [-h, h]^j + e_p(cell) [-h, h]^p with enclosed Taylor
    coefficients e_j, which are added up over all terms first; terms whose form is worse than their plain interval value
    enter with that. Cells are halved where the result is neither tight nor below ``floor``.

    Raises:
        ValueError: a function that has no enclosure.
    """
    parts = terms(e)

    def look(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):  # what overflows becomes infinite, and the cell is halved
            return _cells(parts, variable, left, right, fixed)

    rows = halved(look, ends, floor, MOST)
    width, _, seen = rows[:3]
    return IntervalNorm(
        norm(rows, ends[0]), Norm(float(seen.max()), float(np.sqrt((width * seen**2).sum()))), rows.shape[1]
    )


def terms(e: sp.Expr) -> list[sp.Expr]:
    """The terms of a sum, a number times a sum multiplied out."""
    found = []
    for term in sp.Add.make_args(e):
        c, rest = term.as_coeff_Mul()
        found += [c * part for part in sp.Add.make_args(rest)]
    return found


def _cells(
    parts: Sequence[sp.Expr], variable: sp.Symbol, left: np.ndarray, right: np.ndarray, fixed: Mapping[sp.Symbol, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Upper bounds of |e| on cells, and |e| (at least) in their middles."""
    middle, n = (left + right) / 2, len(left)
    radius = np.nextafter(np.maximum(right - middle, middle - left), np.inf)
    power = [Interval(np.ones(n), np.ones(n))]
    for _ in range(ORDER):
        power.append(power[-1] * Interval(-radius, radius))
    places = Interval(np.concatenate([middle, left]), np.concatenate([middle, right]))  # middles, then whole cells
    values = _values(variable, places, fixed)
    known: dict[sp.Expr, Series] = {}
    series: list[Series] = []
    value = plain = rest = Interval(np.zeros(n), np.zeros(n))
    for term in parts:
        both = _full(enclosed_series(term, values, known))
        at, over = both[:, :n], both[:, n:]
        far = (over[ORDER] * power[ORDER]).size
        good = far <= over[0].high - over[0].low
        value, plain = value + at[0], plain + over[0]
        zero = Interval(np.zeros(n), np.zeros(n))
        at.low[ORDER], at.high[ORDER] = over.low[ORDER], over.high[ORDER]
        series.append(at.where(good, Interval(np.zeros_like(at.low), np.zeros_like(at.high))))
        rest = rest + zero.where(good, over[0])
    summed = total(series)
    form = rest
    for j in range(ORDER + 1):
        form = form + summed[j] * power[j]
    bounds = [np.where(np.isnan(v), np.inf, v) for v in (form.size, plain.size)]
    return np.minimum(*bounds), np.nan_to_num(value.least, nan=0.0, posinf=0.0)


def _full(u: Series) -> Series:
    low, high = (np.concatenate([v, np.zeros((ORDER + 1 - len(v), v.shape[1]))]) for v in (u.low, u.high))
    return Interval(low, high)


def _values(variable: sp.Symbol, x: Interval, fixed: Mapping[sp.Symbol, float]) -> dict[sp.Symbol, Series]:
    n = len(x.low)
    low, high = (np.zeros((ORDER + 1, n)) for _ in range(2))
    low[0], high[0], low[1], high[1] = x.low, x.high, 1.0, 1.0
    return {variable: Interval(low, high)} | {s: Interval.point(value, n)[None] for s, value in fixed.items()}
