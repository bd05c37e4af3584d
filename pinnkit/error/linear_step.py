"""What one linear step in the tangent space leaves of a residual: a cheap look at what a correction can do."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.model import Model
from pinnkit.statement.points import Points, counts_of, sample

from .tangent_space import TangentSpace, mean_size

RIDGE = 1e-12  # of the norm of the rows
ROWS = 1.5  # for every parameter
MOST = 1500  # columns


def drawn(model: Model, parameters: int, seed: int) -> tuple[Points, Points]:
    """Points for ``ROWS`` rows a parameter, and half as many others.

    Args:
        model: the model that the rows are of.
        parameters: how many parameters are to be determined.
        seed: seed of the points.
    """
    rows = sum(len(model.programs[key].names) * n for key, n in counts_of(model.keys, 1000).items())  # of 1000 points
    n = max(50, round(ROWS * parameters / (rows / 1000)))
    sets = (sample(model.problem, counts_of(model.keys, m), seed=s) for m, s in ((n, seed), (n // 2, seed + 1)))
    fitted, fresh = (Points({key: own[key] for key in model.keys}) for own in sets)
    return fitted, fresh


def left_by_a_step(
    space: TangentSpace, fitted: Mapping[str, PointSet], fresh: Mapping[str, PointSet],
    ridges: Sequence[float] = (RIDGE,), seed: int = 0,
) -> tuple[float, float]:  # fmt: skip
    """The mean |r| on fresh points, and the least mean |r + J d| there, with d from the fitted ones.

    d minimises |A^1/2 (r + J d)|^2 + (ridge |A^1/2 J| |d|)^2 for each of the ridges, by orthogonal factorisations. Of
    more than ``MOST`` parameters a random part moves.

    Args:
        space: the tangent space.
        fitted: points of the least-squares problem.
        fresh: points at which it is judged.
        ridges: dampings to try, in units of the norm of the rows.
        seed: seed of the columns.

    Returns:
        Both means; infinity where rows are not finite.
    """
    zero = torch.zeros_like(space.theta)
    stack, at = space.stack(fitted, zero)
    root, P = stack.row_weights.sqrt(), len(zero)
    columns = torch.randperm(P, generator=torch.Generator().manual_seed(seed))[:MOST].sort().values.to(zero.device)
    J, r = stack.jacobian(at)[:, columns] * root[:, None], stack.values(at) * root
    if not bool(torch.isfinite(J).all() and torch.isfinite(r).all()):
        return math.inf, math.inf
    R, scale = torch.linalg.qr(torch.cat([J, -r[:, None]], 1), mode="r")[1], J.norm()
    stack, at = space.stack(fresh, zero)
    left = []
    for ridge in ridges:
        d = zero.clone()
        d[columns] = _damped(R, ridge * scale)
        r, slope = stack.values_and_jvp(at, d)
        left.append(mean_size(stack, r + slope))
    return mean_size(stack, r), min((v for v in left if math.isfinite(v)), default=math.inf)


def _damped(R: Tensor, ridge: Tensor) -> Tensor:
    """The d that minimises |R [d, -1]|^2 + (ridge |d|)^2."""
    K = R.shape[1] - 1
    below = torch.cat([ridge * torch.eye(K, dtype=R.dtype, device=R.device), R.new_zeros(K, 1)], 1)
    T = torch.linalg.qr(torch.cat([R, below]), mode="r")[1]
    return torch.linalg.solve_triangular(T[:K, :K], T[:K, K:], upper=True)[:, 0]
