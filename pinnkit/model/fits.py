"""Whether what is given to train with fits the problem: the network's outputs, points where their set lies."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pinnkit.domain.box import Box
from pinnkit.domain.point_set import PointSet
from pinnkit.network.base import Network
from pinnkit.network.torch_module import Module
from pinnkit.statement.own_points import completed
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.statement.symbolic.place import INITIAL, Place
from pinnkit.tools.checked import fit
from pinnkit.tools.type_words import nearest

from .model import Model

NEAR = 1e-6, 1e-5  # of a domain's size: how far off a point may lie, in a box (rounded to float32) and elsewhere


def as_network(network: Any) -> Network | None:
    """A network as it is, a torch module as `Module`, whose input is the scaled box; TypeError for anything else."""
    if isinstance(network, nn.Module):
        return Module(network)
    fit(Network | None, network, "solve: network")
    return network


def check_outputs(model: Model, theta: Tensor) -> None:
    """Whether a network gives as many numbers as there are fields.

    Raises:
        ValueError: another number.
    """
    problem, d = model.problem, len(model.problem.domain.names)
    X = problem.domain.sample(1, method="random", seed=0).to(theta)
    found = model.tape.sweep(model.split(theta)[0], X, Channels.closed(d, []))[0].shape[-1]
    if found != len(problem.fields):
        raise ValueError(
            f"the network gives {found} number{'s' * (found > 1)} at a point and {problem.name} has "
            f"{len(problem.fields)} field{'s' * (len(problem.fields) > 1)} ({', '.join(problem.field_names)}): "
            f"make its last layer {len(problem.fields)} wide"
        )


def own_points(problem: Problem, points: Mapping[str, PointSet]) -> dict[str, PointSet]:
    """Points of a caller's own with what belongs to them, such as normals, computed where it was not given.

    Raises:
        ValueError: points that do not lie in the domain, or on their part of the boundary, or at the initial time: how
        many, the first of them, and how far off one may lie.
    """
    for key, own in points.items():
        if key not in problem.keys:
            raise ValueError(f"{problem.name} has no point set {key!r}{nearest(key, problem.keys, 'its sets are')}")
        if own.X.shape[1] != len(problem.domain.names):
            raise ValueError(
                f"the points {key!r} have {own.X.shape[1]} coordinates, the domain has {len(problem.domain.names)} "
                f"({', '.join(problem.domain.names)})"
            )
        for X, part in ((own.X, key), *(() if own.image is None else ((own.image, key),))):
            _check(problem, part, X.detach().cpu())
    return {key: completed(problem, key, own) for key, own in points.items()}


def _check(problem: Problem, key: str, X: Tensor) -> None:
    domain = problem.domain
    lower, upper = torch.as_tensor(domain.bounds)
    share = NEAR[0] if isinstance(domain, Box) else NEAR[1]
    rounding = 4 * torch.finfo(X.dtype).eps * torch.maximum(lower.abs(), upper.abs())
    near = torch.maximum(share * (upper - lower), rounding)
    where, good = "in the domain", ((X >= lower - near) & (X <= upper + near)).all(1)
    if not isinstance(domain, Box):
        space = [i for i, name in enumerate(domain.names) if name != domain.time]
        good &= torch.as_tensor(domain.inside(X.double(), tol=float(near[space].max())))
        if problem.places[key].where == "faces":
            on = problem.places[key].on
            where, good = f"on {key}", good & domain.on_boundary(X.double(), on, tol=float(near[space].max()))
    elif parts := _faces(domain, problem.places[key], X, near):
        where, good = f"on {key}", good & torch.stack(parts).any(0)
    if problem.places[key] == INITIAL:
        i = domain.names.index(domain.time)
        where, good = "at the initial time", good & ((X[:, i] - lower[i]).abs() <= near[i])
    if not good.all():
        bad = (~good).nonzero()[:, 0]
        first = ", ".join(f"{n} = {c:.6g}" for n, c in zip(domain.names, X[bad[0]].tolist(), strict=True))
        ends = ", ".join(
            f"{n} in [{a:g}, {b:g}]" for n, a, b in zip(domain.names, lower.tolist(), upper.tolist(), strict=True)
        )
        raise ValueError(
            f"{len(bad)} of {len(X)} points {key!r} do not lie {where} ({ends}) to within {float(near.max()):.1g}, the "
            f"first is number {int(bad[0])}, {first}: move or leave out what lies elsewhere"
        )


def _faces(box: Box, place: Place, X: Tensor, near: Tensor) -> list[Tensor]:
    """The masks (n,) of points on each face of a box that a place stands for; none for places elsewhere."""
    if place.where not in ("faces", "pair"):
        return []
    faces = map(box.face, box.faces_on(place.on))
    return [(X[:, face.axis] - face.value).abs() <= near[face.axis] for face in faces]
