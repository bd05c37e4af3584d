"""Activation and bandwidth of an untrained network, by the residual that a cheap correction leaves."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from pinnkit.error.tangent_space import TangentSpace, mean_size
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.network.mlp import MLP
from pinnkit.statement.points import Points, counts_of, sample

CHOICES = (
    ("tanh", 1.0),
    ("tanh", 2.0),
    ("tanh", 4.0),
    ("sin", 2.0),
    ("sin", 4.0),
    ("sin", 8.0),
    ("sin", 16.0),
    ("sin", 64.0),
)
ROWS = 1.5  # for every parameter
RIDGE = 1e-12  # of the norm of the rows
CLEARLY = 5  # times lower the residual must be than with the usual weights, for others to be taken


def tuned(model: Model, network: MLP, seed: int) -> MLP:
    """The network with that activation and bandwidth whose tangent space at initial parameters fits the problem best.

    Each choice is corrected by one Gauss-Newton step on few rows and judged by the mean linearised residual
    |r + J delta| on other points: how well a linear problem with these data can be solved.

    Args:
        model: the problem, with any network.
        network: the network whose sizes and features stay.
        seed: seed of the parameters and points.
    """
    rows = sum(len(model.programs[key].names) * n for key, n in counts_of(model.keys, 1000).items())  # of 1000 points
    n = max(50, round(ROWS * network.build(model.problem.domain).count / (rows / 1000)))
    fitted, fresh = _drawn(model, n, seed), _drawn(model, n // 2, seed + 1)
    found = {choice: _left(replace(model, network=_like(network, *choice)), fitted, fresh, seed) for choice in CHOICES}
    best = min(found, key=found.__getitem__)
    return _like(network, *(best if found[best] * CLEARLY < found[CHOICES[0]] else CHOICES[0]))


def _like(network: MLP, activation: str, bandwidth: float) -> MLP:
    return MLP(*network.sizes, activation=activation, features=network.features, bandwidth=bandwidth)


def _drawn(model: Model, n: int, seed: int) -> Points:
    drawn = sample(model.problem, counts_of(model.keys, n), seed=seed)
    return Points({key: drawn[key] for key in model.keys})


def _left(model: Model, fitted: Points, fresh: Points, seed: int) -> float:
    """The mean size of the residual on fresh points after a correction on the fitted ones."""
    space = TangentSpace(Solution(model, model.initial(seed), fitted))
    zero = torch.zeros_like(space.theta)
    stack, at = space.stack(fitted, zero)
    root = stack.row_weights.sqrt()
    J, r = stack.jacobian(at) * root[:, None], stack.values(at) * root
    if not bool(torch.isfinite(J).all() and torch.isfinite(r).all()):
        return math.inf
    stack, at = space.stack(fresh, zero)
    r, slope = stack.values_and_jvp(at, _least_squares(J, -r))
    left = mean_size(stack, r + slope)
    return left if math.isfinite(left) else math.inf


def _least_squares(J: Tensor, b: Tensor) -> Tensor:
    """The d that minimises |J d - b|^2 + (RIDGE |J| |d|)^2, by an orthogonal factorisation."""
    ridge = RIDGE * J.norm() * torch.eye(J.shape[1], dtype=J.dtype, device=J.device)
    Q, R = torch.linalg.qr(torch.cat([J, ridge]))
    return torch.linalg.solve_triangular(R, (Q[: len(J)].T @ b)[:, None], upper=True)[:, 0]
