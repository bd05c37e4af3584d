"""Points of the unit cube: low-discrepancy sequences, finite designs, and the sharing out of numbers."""

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

import numpy as np
import torch

from .checked import Whole
from .memory import afford

METHODS = ("sobol", "halton", "lhs", "hammersley", "random", "grid")
SEQUENCES = ("sobol", "halton", "random")
PATIENCE = 2**22

COPIES = 4  # of the points' own memory that drawing them takes at its peak, about

Seed = Whole | torch.Generator | None


def unit_points(n: int, dim: int, method: str = "sobol", seed: Seed = 0) -> np.ndarray:
    """n points u in [0, 1)^dim, uniform in the sense of the method: (n, dim).

    * `"sobol"`, `"halton"`: scrambled by the seed; the first n points of a sequence.
    * `"random"`: independent and uniform. `"lhs"`: Latin hypercube, n strata in every coordinate.
    * `"hammersley"`: (i + 1/2)/n in the first coordinate, the scrambled Halton sequence in the others.
    * `"grid"`: cell centres of the smallest k_1 x ... x k_dim grid of nearly equal k that has n cells or
      more, in C order; if it has more than n, cells evenly spread over that order are left out. The seed
      plays no part.

    With `seed=None` Sobol points are unscrambled and centred in their dyadic cells, and Halton points (also
    those of Hammersley) are unscrambled and begin after the origin. A `torch.Generator` is advanced by one
    draw.

    Raises:
        ValueError: unknown method, n < 0, or a method that needs a seed and has none; MemoryError: too many points.
    """
    if method not in METHODS:
        raise ValueError(f"The sampling method {method!r} is unknown: expected one of {', '.join(METHODS)}.")
    if n < 0:
        raise ValueError(f"Cannot draw {n} points: expected n >= 0.")
    seed = as_seed(seed)
    if seed is None and method in ("lhs", "random"):
        raise ValueError(f"The sampling method {method!r} is random: give it a seed, seed=0 for example.")
    afford(8 * COPIES * n * (dim + 1), f"drawing {n} points", "give fewer points")  # of a boundary there is one more
    if n == 0 or dim == 0:
        return np.zeros((n, dim))
    return _DRAW[method](n, dim, seed)


def as_seed(seed: Seed) -> int | None:
    """An integer seed: the given one, or one drawn from a generator."""
    if isinstance(seed, torch.Generator):
        return int(torch.randint(2**62, (), generator=seed, device=seed.device))
    return seed


def derive(seed: int | None, k: int) -> int | None:
    """The k-th of a family of independent seeds."""
    return None if seed is None else int(np.random.SeedSequence((seed, k)).generate_state(1, np.uint64)[0])


def reject(
    n: int,
    draw: Callable[[int], tuple[np.ndarray, ...]],
    keep: Callable[..., np.ndarray],
    method: str,
    what: str,
) -> tuple[np.ndarray, ...]:
    """n of the rows that `draw(N)` gives and `keep` accepts, N being raised until there are enough.

    Of a sequence the first n are taken; of a finite design n evenly spread over its order, which keeps its
    balance.

    Raises:
        ValueError: if fewer than n of four million + 64 n candidates are accepted.
    """
    total, limit = n, PATIENCE + 64 * n
    while True:
        rows = draw(total)
        mask = keep(*rows)
        found = int(mask.sum())
        if found >= n:
            pick = np.flatnonzero(mask)[:n] if method in SEQUENCES else np.flatnonzero(mask)[spread(n, found)]
            return tuple(row[pick] for row in rows)
        if total >= limit:
            raise ValueError(
                f"Only {found} of {total} candidates lie in {what}, too few for {n} points: "
                "give a geometry that fills more of its bounding box."
            )
        total = min(limit, int(1.1 * total * n / found) + 16 if found else 16 * total + 1024)


def spread(n: int, total: int) -> np.ndarray:
    """n indices evenly spread over 0 ... total-1: (n,)."""
    return np.floor((np.arange(n) + 0.5) * total / max(n, 1)).astype(int)


def apportion(n: int, weights: Sequence[float]) -> list[int]:
    """n shared out in proportion to k weights by largest remainders, at least one each where n allows."""
    shares = np.asarray(weights, dtype=float)
    quota = n * shares / shares.sum()
    counts = np.floor(quota).astype(int)
    order = np.argsort(counts - quota, kind="stable")
    counts[order[: n - counts.sum()]] += 1
    while n >= len(counts) and counts.min() == 0:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return counts.tolist()


def _sobol(n: int, dim: int, seed: int | None) -> np.ndarray:
    # A power of two is drawn and cut, because scipy warns of any other number.
    m = int(np.ceil(np.log2(n)))
    points = _qmc().Sobol(dim, scramble=seed is not None, rng=_rng(seed)).random_base2(m)[:n]
    return points + 0.5 ** (m + 1) if seed is None else points


def _halton(n: int, dim: int, seed: int | None) -> np.ndarray:
    sequence = _qmc().Halton(dim, scramble=seed is not None, rng=_rng(seed))
    if seed is None:
        sequence.fast_forward(1)
    return sequence.random(n)


def _hammersley(n: int, dim: int, seed: int | None) -> np.ndarray:
    equispaced = (np.arange(n)[:, None] + 0.5) / n
    return np.hstack((equispaced, _halton(n, dim - 1, seed))) if dim > 1 else equispaced


def _lhs(n: int, dim: int, seed: int | None) -> np.ndarray:
    return _qmc().LatinHypercube(dim, rng=_rng(seed)).random(n)


def _random(n: int, dim: int, seed: int | None) -> np.ndarray:
    return _rng(seed).random((n, dim))


def _grid(n: int, dim: int, seed: int | None) -> np.ndarray:
    del seed
    shape = [1] * dim
    while np.prod(shape, dtype=float) < n:
        shape[int(np.argmin(shape))] += 1
    cells = np.stack(np.unravel_index(spread(n, int(np.prod(shape))), shape), axis=1)
    return (cells + 0.5) / np.array(shape)


def _qmc() -> ModuleType:
    # scipy.stats takes half as long to import as torch, so only those who draw points wait for it.
    return import_module("scipy.stats.qmc")


def _rng(seed: int | None) -> np.random.Generator:
    return np.random.default_rng(seed)


_DRAW = {
    "sobol": _sobol,
    "halton": _halton,
    "lhs": _lhs,
    "hammersley": _hammersley,
    "random": _random,
    "grid": _grid,
}
