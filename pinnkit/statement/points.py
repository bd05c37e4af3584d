"""Points: the named sets of collocation points, a value."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.tools.checked import Count, Device, Whole, checked
from pinnkit.tools.type_words import nearest

from .problem import Problem


@checked
class Points(Mapping[str, PointSet]):
    """Points by the name of their set ("pde", "initial", "x_min", ...).

    Args:
        sets: point sets, or tensors (n, d), by name.

    Example:
        >>> import pinnkit as pk
        >>> points = pk.sample(pk.problem("heat"), 100)
        >>> len(points["pde"])
        100
    """

    def __init__(self, sets: Mapping[str, PointSet]) -> None:
        self._sets = dict(sets)

    def __getitem__(self, key: str) -> PointSet:
        if key not in self._sets:
            raise KeyError(f"there is no point set {key!r}{nearest(key, self._sets)}")
        return self._sets[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sets)

    def __len__(self) -> int:
        return len(self._sets)

    def __repr__(self) -> str:
        return f"Points({', '.join(f'{key}: {len(s)}' for key, s in self.items())})"

    def replace(self, **sets: PointSet | Tensor) -> "Points":
        """The points with some sets replaced.

        Args:
            sets: the new sets, by name.
        """
        fresh = {k: s if isinstance(s, PointSet) else PointSet(s) for k, s in sets.items()}
        return Points(self._sets | fresh)

    def add(self, **sets: PointSet | Tensor) -> "Points":
        """The points with more points in some sets.

        Args:
            sets: the points to add, by name.
        """
        fresh = {k: s if isinstance(s, PointSet) else PointSet(s) for k, s in sets.items()}
        return Points(self._sets | {k: self._sets[k].join(s) if k in self._sets else s for k, s in fresh.items()})

    def to(self, dtype: torch.dtype | None = None, device: Device = None) -> "Points":
        """The same points in another dtype or on another device.

        Args:
            dtype: precision. Default None: as it is.
            device: torch device. Default None: as it is.
        """
        like = next(iter(self._sets.values())).X.new_empty(0).to(dtype=dtype, device=device)
        return Points({key: s.to(like) for key, s in self.items()})


def counts_of(keys: Iterable[str], n: int, part: int = 5, least: int = 1, whole: str = "pde") -> dict[str, int]:
    """n points for the set ``whole``, n / ``part`` of every other one and at least ``least``."""
    return {key: n if key == whole else max(n // part, least) for key in keys}


@checked
def sample(
    problem: Problem, counts: Mapping[str, Count | PointSet] | Count = 1000, *, method: str = "sobol", seed: Whole = 0
) -> Points:
    """Collocation points for every point set of a problem.

    Args:
        problem: the problem.
        counts: the number in the interior (other sets get a fifth of it), or numbers by set name; points
            in the place of a number are taken as they are.
        method: "sobol" (default: evenly spread), "random", and others.
        seed: seed of the draw.

    Returns:
        The points by set.

    Raises:
        ValueError: a set that the problem does not have, or a count below 1.

    Example:
        >>> import pinnkit as pk
        >>> points = pk.sample(pk.problem("heat"), {"pde": 50, "initial": 20})
        >>> len(points["pde"]), len(points["initial"])
        (50, 20)
    """
    counts = {"pde": counts} if isinstance(counts, int) else dict(counts)
    unknown = set(counts) - set(problem.keys)
    if unknown:
        first = sorted(unknown)[0]
        raise ValueError(f"{problem.name} has no point set {first!r}{nearest(first, problem.keys, 'its sets are')}")
    given = {key: own for key, own in counts.items() if isinstance(own, PointSet)}
    numbers = {key: len(own) if isinstance(own, PointSet) else own for key, own in counts.items()}
    numbers = counts_of(problem.keys, numbers.get("pde", 1000)) | numbers
    drawn = {
        k: problem.sample(k, numbers[k], method=method, seed=seed + 7919 * i)
        for i, k in enumerate(problem.keys)
        if k not in given
    }
    return Points({k: given[k] if k in given else drawn[k] for k in problem.keys})
