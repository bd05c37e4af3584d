"""The scores of the published influence method (PINNfluence, arXiv 2409.08958) to the letter, to compare with."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.influence.identity_curvature import IdentityCurvature
from pinnkit.model.published_curvature import PublishedCurvature, published_curvature
from pinnkit.model.quantity.base import rows_of
from pinnkit.model.solution import Solution

At = Tensor | PointSet | Mapping[str, PointSet]  # interior points, or sets of points by name
CHUNK = 512  # points whose gradients are held at once


def published_scores(
    solution: Solution,
    test: At,
    train: At | None = None,
    *,
    of: str | Sequence[str] | None = None,
    through: str | Sequence[str] | None = None,
    curvature: PublishedCurvature | IdentityCurvature | None = None,
) -> Tensor:
    """score_ij = g(x_i)^T H^-1 g(x_j) of test points i and training points j, shape (m, n); g of plain squares.

    ``of`` names the loss terms at the test points whose squares are added (all of them by default), or a field or its
    derivative, which is taken as it is; ``through`` names the loss terms at the training points. A point has the terms
    of its set; of others it has none, and scores of 0. Positive: the training point is helpful, removing it raises
    what is asked ``of`` (if that is a loss). Train: the solution's points by default.

    Raises:
        ValueError: a name that is neither a term nor a field's derivative.
    """
    right = {key: solution.points[key] for key in solution.model.keys} if train is None else _sets(train)
    curvature = curvature or published_curvature(solution, right)
    left = torch.cat(list(point_gradients(solution, test, of)))
    solved = curvature.solve(left.T) / 2  # H^-1 = C^-1 / 2
    return torch.cat([G @ solved for G in point_gradients(solution, right, _terms(solution, through))]).T


def point_gradients(solution: Solution, points: At, of: str | Sequence[str] | None = None) -> Iterator[Tensor]:
    """Blocks (b, P) of gradients, one row a point, of the sum of squared residuals of some terms or of a field."""
    terms = {name for program in solution.model.programs.values() for name in program.names}
    for key, s in _sets(points).items():
        s = s.to(solution.theta)
        for start in range(0, len(s), CHUNK):
            block = s[start : start + CHUNK]
            if isinstance(of, str) and of not in terms:
                yield rows_of(solution, of, block).jacobian(solution.theta)
            else:
                yield _of_squares(solution, key, block, _terms(solution, of))


def _of_squares(solution: Solution, key: str, points: PointSet, terms: Sequence[str]) -> Tensor:
    out = solution.theta.new_zeros(len(points), len(solution.theta))
    if key in solution.model.programs:
        rows = solution.model.rows({key: points})
        for numbers, r, J in rows.jacobian_blocks(solution.theta):
            if rows.terms[int(numbers[0]) // len(points)] in terms:
                out[numbers % len(points)] += 2 * r[:, None] * J
    return out


def _terms(solution: Solution, names: str | Sequence[str] | None) -> tuple[str, ...]:
    known = tuple(name for program in solution.model.programs.values() for name in program.names)
    chosen = known if names is None else (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in known:
            raise ValueError(f"there is no loss term {name!r}: {solution.problem.name} has {', '.join(known)}")
    return chosen


def _sets(points: At) -> Mapping[str, PointSet]:
    if isinstance(points, Mapping):
        return points
    return {"pde": points if isinstance(points, PointSet) else PointSet(points)}
