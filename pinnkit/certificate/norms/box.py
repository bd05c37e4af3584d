"""Rigorous upper bounds of the norms of a function on a box, from Taylor models on cells that are split as needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import torch
from torch import Tensor

from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.validated.interval_arithmetic import UNIT
from pinnkit.certificate.validated.taylor_model import UP, Space, TaylorModel
from pinnkit.tools.progress import stage

TIGHT = 1.05  # by how much the maximum may exceed the largest value found
SHARE = 0.05  # of the root mean square, which the remainder of a cell may reach
START = 4  # cells by each coordinate
SLICED = 8  # the same where a norm at every value of a coordinate is asked for
BATCH = 256  # cells at once
LONG = 8.0  # times as long as another side, relative to the box, is too long for a cell of which nothing is known

Model = Callable[[Tensor, Tensor], tuple[TaylorModel, Tensor]]  # (middle, half) (dim, cells) -> function, steepness


@dataclass(frozen=True)
class BoxNorm:
    """Upper bounds of the norms, the largest value seen, the cells looked at, whether bounds are as tight as asked.

    ``slice`` bounds the L2 norm over all other coordinates at any one value of ``across``, where that was asked for.
    """

    norm: Norm
    seen: float
    cells: int
    tight: bool
    slice: float | None = None


@dataclass(frozen=True)
class _Part:
    """Cells from ``low`` to ``high`` (n, d) with what is known of them (n,): bounds of the maximum and of the root mean
    square, a value that is reached, what is due to the tail and to rounding, the side to halve, and a bound of the root
    mean square at any one value of a coordinate."""

    low: np.ndarray
    high: np.ndarray
    sup: np.ndarray
    mean: np.ndarray
    seen: np.ndarray
    tail: np.ndarray
    wrong: np.ndarray
    side: np.ndarray
    slice: np.ndarray

    def __getitem__(self, k) -> _Part:
        return _Part(*(getattr(self, f.name)[k] for f in fields(self)))

    @staticmethod
    def join(parts: list[_Part]) -> _Part:
        """All cells together."""
        return _Part(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Part)))


def box_norms(
    model: Model, ends: Sequence[tuple[float, float]], free: Sequence[int], floor: float, most: int,
    along: int | None = None, across: int | None = None, accuracy: float = TIGHT,
) -> BoxNorm:  # fmt: skip
    """Bounds of max |f|, of the L2 and the L1 norm of f over a box; coordinates that are not ``free`` have one value.

    Cells are halved until the maximum is known to ``accuracy`` (5 %) and no tail is above 5 % of the mean (or
    ``floor``), or until ``most`` have been looked at. ``along`` is the coordinate, if any, by which the largest values
    are kept, ``across`` the one at every value of which the L2 norm over the others is bounded.
    """
    sides = np.array([b - a for a, b in ends])
    count = START if across is None else SLICED
    edges = [np.linspace(a, b, count + 1) if i in free else np.array([a, a]) for i, (a, b) in enumerate(ends)]
    low, high = (np.stack([g.ravel() for g in np.meshgrid(*(e[s] for e in edges), indexing="ij")], 1)
                 for s in (slice(0, -1), slice(1, None)))  # fmt: skip
    parts: list[_Part] = []
    looked, tight = 0, True
    while len(low):
        here = _look(model, low, high, sides, list(free), across)
        looked += len(low)
        stage(f"{looked} cells looked at")
        rough = _rough(_Part.join([*parts, here]), here, list(free), floor, accuracy)
        room = max(most - looked, 0) // 2
        if rough.sum() > room:
            tight, worst = False, np.argsort(-np.where(rough, here.sup, -1.0), kind="stable")[:room]
            rough = np.isin(np.arange(len(rough)), worst)
        parts.append(here[~rough])
        low, high = _halved(here[rough])
    found = _Part.join(parts)
    size = np.prod(2 * _centred(found.low, found.high)[1][:, list(free)], 1)  # of what the means are over
    up = 1 + 1e-12  # for the rounding of these sums
    envelope = None
    if along is not None:
        start = ends[along][0]
        envelope = np.stack([found.low[:, along] - start, found.high[:, along] - start, found.sup], 1)
    norm = Norm(
        float(found.sup.max()), math.sqrt(float((found.mean**2 * size).sum())) * up,
        float((found.mean * size).sum()) * up, envelope,
    )  # fmt: skip
    slice_ = None if across is None else _slice(found, across, list(free))
    return BoxNorm(norm, float(found.seen.max()), looked, tight, slice_)


def _slice(p: _Part, across: int, free: list[int]) -> float:
    """The largest L2 norm over the other coordinates: cells over one value of ``across`` are disjoint."""
    others = [i for i in free if i != across]
    square = p.slice**2 * np.prod(2 * _centred(p.low, p.high)[1][:, others], 1)
    edges = np.unique(np.concatenate([p.low[:, across], p.high[:, across]]))
    total = np.zeros(len(edges) - 1)
    ends = zip(*(np.searchsorted(edges, v[:, across]) for v in (p.low, p.high)), square, strict=True)
    for first, last, v in ends:
        total[first:last] += v  # both sides of an edge hold what is on it
    return math.sqrt(float(total.max())) * (1 + 1e-12)


def _rough(known: _Part, here: _Part, free: list[int], floor: float, accuracy: float) -> np.ndarray:
    """Which of the cells ``here`` are to be halved: rounding is not made smaller by that."""
    size = np.prod((known.high - known.low)[:, free], 1)
    with np.errstate(invalid="ignore"):  # infinity - infinity, where nothing is known
        reached = np.nan_to_num(np.maximum(known.mean - 2 * (known.tail + known.wrong), 0.0), nan=0.0)
    mean = math.sqrt(float((reached**2 * size).sum() / size.sum()))
    loose = here.sup > 2 * here.wrong + max(accuracy * known.seen.max(), floor)
    return (loose | (here.tail > max(SHARE * mean, floor))) & ~(here.tail < here.wrong)


def _halved(p: _Part) -> tuple[np.ndarray, np.ndarray]:
    k, n = p.side, np.arange(len(p.side))
    middle = (p.low[n, k] + p.high[n, k]) / 2
    low, high = p.low.copy(), p.high.copy()
    low[n, k] = high[n, k] = middle
    return np.concatenate([p.low, low]), np.concatenate([high, p.high])


def _centred(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middles, and half widths that reach both ends whatever the rounding."""
    middle = (low + high) / 2
    return middle, np.nextafter(np.maximum(high - middle, middle - low), np.inf)


def _look(
    model: Model, low: np.ndarray, high: np.ndarray, sides: np.ndarray, free: list[int], across: int | None
) -> _Part:
    return _Part.join([_batch(model, low[i : i + BATCH], high[i : i + BATCH], sides, free, across)
                       for i in range(0, len(low), BATCH)])  # fmt: skip


def _batch(
    model: Model, low: np.ndarray, high: np.ndarray, sides: np.ndarray, free: list[int], across: int | None
) -> _Part:
    middle, half = _centred(low, high)
    share = half / sides
    for i in set(range(len(sides))) - set(free):  # a coordinate that is not free may be differentiated by
        half[:, i] = sides[i] * (share[:, free].max(1) if free else 1 / 64)
    f, steep = model(torch.as_tensor(middle.T.copy()), torch.as_tensor(half.T.copy()))
    space, flat = f.space, f.phi.sum(0)
    bernstein, gram, grid = _matrices(space)
    wrong, tail = f.wrong.sum(0) * UP, f.tail
    rounding = 2 * (len(space.exponents) + 8) * UNIT * flat
    top = torch.minimum(flat, (bernstein @ f.c).abs().amax(0) + rounding) * UP
    square = ((gram @ f.c) * f.c).sum(0).clamp(min=0) + rounding * flat
    rest = wrong + tail
    seen = (grid @ f.c).abs().amax(0) - rounding - rest
    exponents = torch.tensor(space.exponents, dtype=torch.float64)
    curved = (f.c.abs().T @ (exponents * (space.degrees >= 2)[:, None])).numpy()
    side = _side(curved, steep.T.numpy(), share, free)
    sup, mean = (_known(v) for v in ((top + rest) * UP, (square.sqrt() + rest) * UP))
    seen = np.nan_to_num(seen.numpy(), nan=0.0, posinf=0.0, neginf=0.0)
    slices = np.zeros_like(sup) if across is None else _known((_sliced(f, across, 2 * rounding * flat) + rest) * UP)
    return _Part(low, high, sup, mean, np.maximum(seen, 0.0), _known(tail), _known(wrong), side, slices)


def _sliced(f: TaylorModel, across: int, rounding: Tensor) -> Tensor:
    """A bound of the polynomial's root mean square at any value of one coordinate.

    By Bernstein's polynomials of that coordinate it is a convex combination of functions of the others, and so is no
    larger than the largest of them in any norm.
    """
    parts, gram = _slices(f.space, across)
    squares = [(gram @ (own := part @ f.c) * own).sum(0).clamp(min=0) for part in parts]
    return (torch.stack(squares).amax(0) + rounding).sqrt()


def _known(v: Tensor) -> np.ndarray:
    return torch.nan_to_num(v, nan=torch.inf, posinf=torch.inf).numpy()


def _side(curved: np.ndarray, steep: np.ndarray, share: np.ndarray, free: list[int]) -> np.ndarray:
    """The side to halve: by which the function bends, or if that is not known is steepest; never a short one."""
    score = np.where(np.isfinite(curved).all(1, keepdims=True), curved, np.nan_to_num(steep, posinf=1e300))
    score = score + 1e-300 * share
    if free:
        score = np.where(share < share[:, free].max(1, keepdims=True) / LONG**2, -1.0, score)
    score[:, [i for i in range(share.shape[1]) if i not in free]] = -2.0
    return score.argmax(1)


@cache
def _matrices(space: Space) -> tuple[Tensor, Tensor, Tensor]:
    """From the coefficients of a polynomial to those by Bernstein, the mean of its square, and values on a grid."""
    n = space.degree
    line = np.array([[_bernstein(n, j, k) for k in range(n + 1)] for j in range(n + 1)])
    points = np.linspace(-1, 1, 9)
    powers = points[:, None] ** np.arange(n + 1)
    bernstein, grid = (_tensor(m, space) for m in (line, powers))
    gram = np.empty((len(space.exponents),) * 2)
    for p, a in enumerate(space.exponents):
        for q, b in enumerate(space.exponents):
            gram[p, q] = math.prod((i + j + 1) % 2 / (i + j + 1) for i, j in zip(a, b, strict=True))
    return torch.as_tensor(bernstein), torch.as_tensor(gram), torch.as_tensor(grid)


@cache
def _slices(space: Space, across: int) -> tuple[Tensor, Tensor]:
    """For every Bernstein polynomial of one coordinate the matrix that gives its factor, and these factors' Gram."""
    n, flat = space.degree, [a for a in space.exponents if a[across] == 0]
    place = {a: i for i, a in enumerate(flat)}
    parts = np.zeros((n + 1, len(flat), len(space.exponents)))
    for column, a in enumerate(space.exponents):
        row = place[a[:across] + (0,) + a[across + 1 :]]
        parts[:, row, column] = [_bernstein(n, j, a[across]) for j in range(n + 1)]
    gram = [[math.prod((i + j + 1) % 2 / (i + j + 1) for i, j in zip(a, b, strict=True)) for b in flat] for a in flat]
    return torch.as_tensor(parts), torch.tensor(gram, dtype=torch.float64)


def _bernstein(n: int, j: int, k: int) -> float:
    """The coefficient number j by Bernstein of s^k on [-1, 1]: the mean of k-fold products of j ones and n - j -1s."""
    signed = sum(math.comb(j, i) * math.comb(n - j, k - i) * (-1) ** (k - i) for i in range(k + 1))
    return signed / math.comb(n, k)


def _tensor(line: np.ndarray, space: Space) -> np.ndarray:
    """A matrix by each coordinate, the columns being the terms."""
    columns = []
    for a in space.exponents:
        v = np.ones(1)
        for k in a:
            v = np.kron(v, line[:, k])
        columns.append(v)
    return np.stack(columns, 1)
