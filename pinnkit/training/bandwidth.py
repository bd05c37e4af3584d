"""Activation and bandwidth of an untrained network, by the residual that a cheap correction leaves."""

from dataclasses import replace

from pinnkit.error.linear_step import drawn, left_by_a_step
from pinnkit.error.tangent_space import TangentSpace
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.network.mlp import MLP
from pinnkit.statement.points import Points

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
    fitted, fresh = drawn(model, network.build(model.problem.domain).count, seed)
    found = {choice: _left(replace(model, network=_like(network, *choice)), fitted, fresh, seed) for choice in CHOICES}
    best = min(found, key=found.__getitem__)
    return _like(network, *(best if found[best] * CLEARLY < found[CHOICES[0]] else CHOICES[0]))


def _like(network: MLP, activation: str, bandwidth: float) -> MLP:
    return MLP(*network.sizes, activation=activation, features=network.features, bandwidth=bandwidth)


def _left(model: Model, fitted: Points, fresh: Points, seed: int) -> float:
    """The mean size of the residual on fresh points after a correction on the fitted ones."""
    return left_by_a_step(TangentSpace(Solution(model, model.initial(seed), fitted)), fitted, fresh)[1]
