"""Training points that are chosen by number."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def group_of(chosen: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Point numbers by set, of sets with so many points; ValueError for another set, and as :func:`distinct`."""
    for key in chosen:
        if key not in sizes:
            raise ValueError(f"there is no point set {key!r} in the loss: it has {', '.join(sizes)}")
    return {key: distinct(key, numbers, sizes[key]) for key, numbers in chosen.items()}


def distinct(key: str, numbers: Any, count: int) -> Tensor:
    """Numbers of training points of a set of ``count``, each at most once; a mask (count,) is taken for its numbers.

    A point is there once, so that it cannot be removed twice.

    Raises:
        ValueError: a number that no point has, or one that comes twice.
    """
    numbers = torch.as_tensor(numbers)
    if numbers.dtype == torch.bool:
        if numbers.shape != (count,):
            raise ValueError(f"the mask of {key!r} has shape {tuple(numbers.shape)}, expected ({count},)")
        return numbers.nonzero()[:, 0]
    if not len(numbers):
        return numbers.long()
    if numbers.is_floating_point() or not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
        raise ValueError(f"the points of {key!r} are numbered 0 to {count - 1}")
    values, times = numbers.unique(return_counts=True)
    if len(values) < len(numbers):
        first = int(values[times > 1][0])
        raise ValueError(f"point {first} of {key!r} is chosen {int(times.max())} times: give every number once")
    return numbers.long()
