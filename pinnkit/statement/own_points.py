"""Points that a caller gives without all that belongs to them: normals, image points, the equations' weight."""

import numpy as np
import torch

from pinnkit.domain.box import Box
from pinnkit.domain.point_set import PointSet

from .problem import Problem
from .singular.plane_points import off
from .symbolic.conditions import Observations
from .symbolic.place import INTERIOR


def completed(problem: Problem, key: str, points: PointSet) -> PointSet:
    """The points of one set with what belongs to them, computed where it was not given.

    Raises:
        ValueError: points of measurements without the values, of an interface without their images, or of a boundary
        whose normals are not known.
    """
    place = problem.places[key]
    if place == INTERIOR:
        X = off(list(problem.interface_problem.planes.values()), points.X, problem.domain)
        points = points if X is points.X else PointSet(X, points.columns, points.image, points.weights)
        return points if points.weights is not None else problem.weighted(points)
    if place.where == "faces":
        return _with_normals(problem, place.on, points)
    if place.where == "pair" and points.image is None:
        return _with_images(problem, place.names[0], points)
    if place.where == "interface" and points.image is None:
        raise ValueError(
            f"the points {key!r} are pairs beside an interface: give both sides, as PointSet(up, image=down), or their "
            "number"
        )
    if place.where == "data":
        (name,) = (c.symbol.name for c in problem.conditions if isinstance(c, Observations) and c.name == key)
        if name not in points.columns:
            raise ValueError(f"the points {key!r} are measurements without values: leave them out, they are known")
    return points


def _with_normals(problem: Problem, on: str | tuple[str, ...], points: PointSet) -> PointSet:
    domain = problem.domain
    space = [i for i, name in enumerate(domain.names) if name != domain.time]
    names = [f"n_{domain.names[i]}" for i in space]
    if all(name in points.columns for name in names):
        return points
    normals = domain.outward(points.X[:, space].detach().cpu().double().numpy(), on)
    found = dict(zip(names, torch.as_tensor(normals).to(points.X).unbind(1), strict=True))
    return PointSet(points.X, {**found, **points.columns}, points.image, points.weights)


def _with_images(problem: Problem, coordinate: str, points: PointSet) -> PointSet:
    """Each point's partner on the opposite face of a box."""
    domain = problem.domain
    assert isinstance(domain, Box)  # only a box has pairs of faces
    i = domain.names.index(coordinate)
    low, high = domain.lower[i], domain.upper[i]
    image = points.X.clone()
    image[:, i] = torch.as_tensor(np.where((points.X[:, i] - low).abs().cpu() < (high - low) / 2, high, low)).to(image)
    return PointSet(points.X, points.columns, image, points.weights)
