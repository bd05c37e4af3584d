"""How much of u a small residual leaves open: amplification by direction, and the change that rows hardly notice."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised

from .tangent_space import TangentSpace, residual_size

ROWS = 4  # rows for every column
RIDGE = 1e-10  # of the largest singular value: below it a direction counts as not noticed at all
GENTLE = 1e-5  # the same for the blind direction, which is to be a small change of the parameters as well
HALVINGS = 20  # of a step that turns out too large
SPIKY = 2.0  # rms of the residual over its size by mean absolute values, from which spikes rule the former
NODES = 1200  # points at which changes of u are measured, at most


@dataclass(frozen=True, eq=False)
class Amplification:
    """|J_u d| / |A^1/2 J_r d| over the tangent space of u, rms over the domain, on points of its own.

    By field (F,), ``typical`` is the median over those right singular vectors of A^1/2 J_r that are no rounding,
    ``least`` the first decile (rows notice fine detail well even where they miss the rest), ``largest`` the root of the
    largest generalised eigenvalue of J_u^T J_u against J_r^T A J_r + ridge. ``blind`` (P,) is the direction of such an
    eigenvalue for all fields at once, each relative to |u|, with relative rms change 1. ``again`` (F,) is |J_u c| for
    the correction c that these rows ask for at u + J_u d, and ``left`` the size of the residual there.
    """

    typical: Tensor
    least: Tensor
    largest: Tensor
    blind: Tensor
    again: Tensor
    left: float

    @property
    def spread(self) -> float:
        """The largest amplification over the least, of the field where that is worst."""
        return float((self.largest / self.least.clamp_min(1e-300)).max())


def amplification(
    space: TangentSpace, sets: Mapping[str, PointSet], X: Tensor, columns: Tensor, d: Tensor, scale: Tensor
) -> Amplification:
    """The amplification over the tangents of ``columns`` (K,), by rows at ``sets`` and changes of u at X (n, d).

    The residual is linearised at u + J_u d; ``scale`` (F,) holds the fields' own sizes.
    """
    stack, at = space.stack(sets, d)
    root, K = stack.row_weights.sqrt(), len(columns)
    r = stack.values(at)
    J = torch.cat([stack.jacobian(at)[:, columns], r[:, None]], 1) * root[:, None]
    R = torch.linalg.qr(J, mode="r")[1]
    U, s, V = torch.linalg.svd(R[:K, :K], full_matrices=False)
    seen = torch.hypot(s, RIDGE * s[0])
    X = X[:NODES]
    J_u = space.model.rows({"at": PointSet(X)}, {"at": space.program}).jacobian(space.theta)[:, columns]
    B = (J_u @ V.T).view(len(scale), len(X), -1) / math.sqrt(len(X))
    ratios = B / seen
    gentle = torch.hypot(s, GENTLE * s[0])
    c = s * (U.T @ R[: len(U), K]) / seen.square()
    _, most, W = torch.linalg.svd((B / gentle / scale[:, None, None]).flatten(0, 1), full_matrices=False)
    blind = torch.zeros_like(d)
    blind[columns] = V.T @ (W[0] / gentle) / most[0].clamp_min(1e-300)
    left = residual_size(stack, r)
    spiky = float((root * r).norm()) / max(left, 1e-300)  # a fit of squares follows spikes, u does not
    levels = torch.tensor([0.5, 0.1]).to(s)
    quantiles = ratios.norm(dim=1)[:, s > RIDGE * s[0]].quantile(levels, dim=1)
    return Amplification(
        typical=quantiles[0],
        least=quantiles[1],
        largest=torch.linalg.matrix_norm(ratios, ord=2),
        blind=blind,
        again=(B @ c).norm(dim=1) / (spiky if spiky > SPIKY else 1.0),
        left=left,
    )


def stepped(solution: Solution, direction: Tensor, X: Tensor, size: float) -> tuple[Solution, float]:
    """The trained network moved along a direction (P,) of its parameters, and its change as a share of |u| at X (n, d).

    It changes by about ``size`` |u|, of the field that changes most. Of a corrected solution it is the network that was
    corrected that moves, with its unknown coefficients.
    """
    model, theta = solution.model, solution.theta.double()
    if isinstance(model.network, Linearised):
        theta = torch.cat([model.network.at.to(theta), model.split(theta)[1]])
        model = replace(model, network=model.network.network)
    here = replace(solution, model=model, theta=theta, progress=None)
    u = here(X)
    for halvings in range(HALVINGS):
        moved = replace(here, theta=theta + size * 0.5**halvings * direction)
        change = float(((moved(X) - u).norm(dim=0) / u.norm(dim=0).clamp_min(1e-300)).max())
        if change <= 2 * size:  # false for NaN
            break
    return moved, change
