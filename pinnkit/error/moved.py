"""A solution moved by what its error map says, in its tangent space."""

from dataclasses import replace

import torch

from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised

from .error_map import ErrorMap


def moved(found: ErrorMap) -> Solution:
    """The solution u + J_u delta of a map, in double precision; its network is the tangent of the one before."""
    solution, model = found.solution, found.solution.model
    theta = solution.theta.detach().double()
    if isinstance(model.network, Linearised):  # its tangent is itself
        theta = theta + found.delta
    else:
        network, unknowns = model.split(theta)
        change, by = model.split(found.delta)
        assert model.network is not None
        model = replace(model, network=Linearised(model.network, network.clone()))
        theta = torch.cat([change, unknowns + by])
    points = solution.points.to(torch.float64, theta.device)
    return replace(solution, model=model, theta=theta, points=points)
