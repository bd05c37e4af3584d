"""Which points are removed in a validation: single ones, random groups, clusters."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from pinnkit.model.solution import Solution

Group = Mapping[str, Tensor]  # point numbers by point set
RANDOM, CLUSTERED = 0.10, 0.04  # shares of the points in a group of either kind


def single_points(solution: Solution, count: int, rng: np.random.Generator) -> list[Group]:
    """Random points, as many of every point set as of any other, as far as they go."""
    sizes = {key: len(solution.points[key]) for key in solution.stack.programs}
    left = {key: list(rng.permutation(n)) if n > 1 else [] for key, n in sizes.items()}
    found: list[Group] = []
    while len(found) < count and any(left.values()):
        for key, numbers in left.items():
            if numbers and len(found) < count:
                found.append({key: torch.tensor([int(numbers.pop())])})
    return found


def random_groups(
    solution: Solution, count: int, rng: np.random.Generator, share: float = RANDOM
) -> list[Group]:  # fmt: skip
    """Groups of a share of every point set, drawn at random."""
    sizes = {key: len(solution.points[key]) for key in solution.stack.programs}
    takes = {key: min(max(1, round(share * n)), n - 1) for key, n in sizes.items()}
    return [
        {key: torch.from_numpy(rng.permutation(sizes[key])[:n].copy()) for key, n in takes.items() if n}
        for _ in range(count)
    ]


def clusters(
    solution: Solution, count: int, rng: np.random.Generator, share: float = CLUSTERED
) -> list[Group]:  # fmt: skip
    """Groups of the share of all points that are nearest to a random one, the domain's box scaled to a cube."""
    keys = list(solution.stack.programs)
    lo, hi = (torch.as_tensor(b) for b in solution.problem.domain.bounds)
    X = torch.cat([(solution.points[key].X.cpu().double() - lo) / (hi - lo) for key in keys])
    owner = [(key, i) for key in keys for i in range(len(solution.points[key]))]
    found: list[Group] = []
    for centre in rng.integers(len(X), size=count):
        near = (X - X[centre]).norm(dim=1).argsort()[: max(1, round(share * len(X)))]
        group: dict[str, list[int]] = {}
        for j in near.tolist():
            key, i = owner[j]
            if len(group.get(key, ())) < len(solution.points[key]) - 1:
                group.setdefault(key, []).append(i)
        found.append({key: torch.tensor(numbers) for key, numbers in group.items()})
    return found
