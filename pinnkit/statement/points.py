"""Points: the named sets of collocation points, a value."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from pinnkit.statement.symbolic.conditions import PointSet
from pinnkit.tools.checked import Count, Whole, checked

from .problem import Problem


@checked
class Points(Mapping[str, PointSet]):
    """A mapping from the names of a problem's point sets ("pde", "initial", ...) to their points."""

    def __init__(self, sets: Mapping[str, PointSet]) -> None:
        self._sets = dict(sets)

    def __getitem__(self, key: str) -> PointSet:
        return self._sets[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sets)

    def __len__(self) -> int:
        return len(self._sets)

    def __repr__(self) -> str:
        return f"Points({', '.join(f'{key}: {len(s)}' for key, s in self.items())})"

    def replace(self, **sets: PointSet | Tensor) -> "Points":
        """New points in which these sets stand instead of the old ones."""
        fresh = {k: s if isinstance(s, PointSet) else PointSet(s) for k, s in sets.items()}
        return Points(self._sets | fresh)

    def add(self, **sets: PointSet | Tensor) -> "Points":
        """New points in which these sets are joined to the old ones."""
        fresh = {k: s if isinstance(s, PointSet) else PointSet(s) for k, s in sets.items()}
        return Points(self._sets | {k: self._sets[k].join(s) if k in self._sets else s for k, s in fresh.items()})

    def to(self, dtype: torch.dtype | None = None, device: Any = None) -> "Points":
        """The same points in another dtype or on another device."""
        like = next(iter(self._sets.values())).X.new_empty(0).to(dtype=dtype, device=device)
        return Points({key: s.to(like) for key, s in self.items()})


@checked
def sample(
    problem: Problem, counts: Mapping[str, Count] | Count = 1000, *, method: str = "sobol", seed: Whole = 0
) -> Points:
    """Collocation points for every point set of a problem.

    ``counts`` gives the number by set name, or one for the interior; sets not named get a fifth of the interior's.
    Raises ValueError for a set that the problem does not have, or a count below 1.
    """
    counts = {"pde": counts} if isinstance(counts, int) else dict(counts)
    unknown = set(counts) - set(problem.keys)
    if unknown:
        first = sorted(unknown)[0]
        raise ValueError(f"{problem.name} has no point set {first!r}: its sets are {', '.join(problem.keys)}")
    bad = [key for key, n in counts.items() if n < 1]
    if bad:
        raise ValueError(f"the number of points for {bad[0]!r} is {counts[bad[0]]}: give at least 1")
    rest = max(1, counts.get("pde", 1000) // 5)
    sets = {}
    for i, key in enumerate(problem.keys):
        n = counts.get(key, 1000 if key == "pde" else rest)
        sets[key] = problem.sample(key, n, method=method, seed=seed + 7919 * i)
    return Points(sets)
