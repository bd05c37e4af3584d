"""Cells of an interval, halved where the bounds of a function's norms are loose."""

from collections.abc import Callable, Iterable

import numpy as np

from pinnkit.certificate.theorem.misfit import Norm

CELLS = 64  # at the start
ROUNDS = 40  # of bisections
TIGHT = 1.05  # by how much the bounds may exceed what is found in the middles of the cells
SMALLEST = 1e-15  # width of a cell, relative to the interval
UP = 1 + 1e-12  # for the rounding of sums over cells

# Left and right ends (n,) of cells -> their rows (bound, seen, more ...).
Look = Callable[[np.ndarray, np.ndarray], Iterable[np.ndarray]]


def halved(look: Look, ends: tuple[float, float], floor: float, most: int) -> np.ndarray:
    """Rows (width, bound, seen, left, right, more ...) of cells that cover an interval, from left to right.

    ``bound`` is no less than a function's absolute value on the cell, ``seen`` no more than its largest. Cells are
    halved where the maximum or the L2 norm is neither tight nor below ``floor``, until there are ``most`` of them.
    """
    length = ends[1] - ends[0]
    edges = np.linspace(*ends, CELLS + 1)
    left, right = edges[:-1], edges[1:]
    done: list[np.ndarray] = []
    for turn in range(ROUNDS + 1):
        bound, seen, *more = look(left, right)
        here = np.stack([right - left, bound, seen, left, right, *more])
        with np.errstate(all="ignore"):  # where nothing is known bounds are infinite, and the cell is halved
            rough = _rough(np.concatenate([*done, here], 1), here, length, floor)
        if turn == ROUNDS or sum(d.shape[1] for d in done) + here.shape[1] + 2 * rough.sum() > most:
            rough[:] = False
        done.append(here[:, ~rough])
        middle = (left[rough] + right[rough]) / 2
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        if not len(left):
            break
    rows = np.concatenate(done, 1)
    return rows[:, rows[3].argsort()]


def _rough(known: np.ndarray, here: np.ndarray, length: float, floor: float) -> np.ndarray:
    """Which of the cells ``here`` are to be halved."""
    sup, mean = known[2].max(), np.sqrt((known[0] * known[2] ** 2).sum() / length)
    width, bound, seen = here[:3]
    share = (bound**2 - seen**2) * width  # what a cell adds to the square of the L2 norm for nothing
    loose = (bound > max(TIGHT * sup, floor)) | (share > (TIGHT**2 - 1) * max(mean, floor) ** 2 * length / 64)
    return loose & (width > SMALLEST * length)


def norm(rows: np.ndarray, start: float, swing: float | None = None) -> Norm:
    """The norms of a function by such rows, ``start`` being the interval's left end."""
    width, bound, _, left, right = rows[:5]
    envelope = np.stack([left - start, right - start, bound], 1)
    square, mean = float((width * bound**2).sum()), float((width * bound).sum())
    return Norm(float(bound.max()), float(np.sqrt(square)) * UP, mean * UP, envelope, swing)
