"""Gauss points on the parts of a domain where conditions hold, so many that the data there are resolved."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pinnkit.condition import Observations, PointSet
from pinnkit.domain import Box
from pinnkit.points import Points
from pinnkit.problem import Problem
from pinnkit.readout import Readout

from . import arcs
from .panels import ORDER, Data, panels, resolve

GRADING = 12  # bisections towards the initial time, where solutions vary like sqrt(t)
MANY = 5_000  # points of one set at most, where data have several dimensions


def quadrature(problem: Problem, readouts: dict[str, Readout], waves: Mapping[str, float]) -> Points:
    """Point sets of all conditions with quadrature weights, fine enough for so many half-waves by each coordinate.

    Raises:
        ValueError: a domain that is neither a box nor, without time, in the plane.
    """
    plane = problem.domain.time is None and len(problem.domain.names) == 2
    if not (plane or isinstance(problem.domain, Box)):
        raise ValueError(
            f"{problem.name}: superposition needs a pinnkit.Box, or a domain in the plane without time; the domain is "
            f"{problem.domain!r}"
        )
    observed = {c.name: c for c in problem.conditions if isinstance(c, Observations)}
    found = {}
    for key, readout in readouts.items():
        if key in observed:
            found[key] = problem.sample(key, 1)
            continue
        if plane and not key.startswith("periodic_"):
            count = math.ceil(3 * max(waves.values()) / ORDER)
            found[key] = arcs.points(problem.domain, key, lambda at, r=readout: -origin(r, at).numpy(), count)
            continue
        found[key] = _set(problem, key, readout, waves)
    return Points(found)


def _set(problem: Problem, key: str, readout: Readout, waves: Mapping[str, float]) -> PointSet:
    box: Box = problem.domain
    periodic = key.startswith("periodic_")
    if key == "initial":
        return _joined([_patch(box, (box.time, "min"), None, readout, waves)])
    if periodic:
        name = key.removeprefix("periodic_")
        low = _patch(box, (name, "min"), None, readout, waves, images=True)
        i = box.names.index(name)
        image = low[0].clone()
        image[:, i] = box.upper[i]
        weights = low[1] * (len(low[1]) / low[1].sum())
        return PointSet(low[0], image=image, weights=weights)
    wanted = [box.faces[k] for k in box._chosen(tuple(key.split("+")))]
    patches = []
    for face in wanted:
        name, end = face.rsplit("_", 1)
        normal = torch.zeros(len(box.names), dtype=torch.float64)
        normal[box.names.index(name)] = 1.0 if end == "max" else -1.0
        patches.append(_patch(box, (name, end), normal, readout, waves))
    return _joined(patches, box)


def _joined(patches: Sequence[tuple], box: Box | None = None) -> PointSet:
    X, weights = (torch.cat([p[k] for p in patches]) for k in (0, 1))
    columns = {}
    if box is not None:
        normals = torch.cat([p[2].expand(len(p[0]), -1) for p in patches])
        columns = {f"n_{name}": normals[:, box.names.index(name)].contiguous() for name in box.space}
    return PointSet(X, columns, weights=weights * (len(weights) / weights.sum()))


def _patch(
    box: Box,
    fixed: tuple[str, str],
    normal: Tensor | None,
    readout: Readout,
    waves: Mapping[str, float],
    images: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Tensor Gauss points on the face where one coordinate is at its end, their weights, and the normal."""
    at = box.names.index(fixed[0])
    bounds = box.bounds
    free = [i for i in range(len(box.names)) if i != at]
    end = bounds[0 if fixed[1] == "min" else 1, at]

    def place(i: int, s: np.ndarray) -> Tensor:
        X = torch.as_tensor(bounds.mean(0)).expand(len(s), -1).clone()
        X[:, at], X[:, i] = float(end), torch.as_tensor(s)
        return X

    rules = []
    for i in free:
        data = _data(box, readout, lambda s, i=i: place(i, s), normal, at if images else None)
        few = len(free) > 1
        count = max(2, math.ceil((2.0 if few else 3.0) * waves[box.names[i]] / ORDER))
        edges = np.linspace(bounds[0, i], bounds[1, i], count + 1)
        if box.names[i] == box.time and not few:
            first = edges[1] - edges[0]
            edges = np.concatenate([edges[:1], edges[0] + first * 0.5 ** np.arange(GRADING, 0, -1), edges[1:]])
        rules.append(panels(resolve(data, edges)))
    if len(rules) > 1 and math.prod(len(s) for s, _ in rules) > MANY:
        least = int(MANY ** (1 / len(rules)) / ORDER)
        rules = [panels(np.linspace(bounds[0, i], bounds[1, i], max(2, least) + 1)) for i in free]
    if not rules:  # a single point: the end of an interval without time
        X = torch.as_tensor(bounds[:1]).clone()
        X[0, at] = float(end)
        return X, torch.ones(1, dtype=torch.float64), normal
    meshes = np.meshgrid(*(s for s, _ in rules), indexing="ij")
    weights = np.prod(np.meshgrid(*(w for _, w in rules), indexing="ij"), axis=0).ravel()
    X = torch.empty(len(weights), len(box.names), dtype=torch.float64)
    X[:, at] = float(end)
    for i, mesh in zip(free, meshes, strict=True):
        X[:, i] = torch.as_tensor(mesh.ravel())
    return X, torch.as_tensor(weights), normal


def _data(box: Box, readout: Readout, place: Callable, normal: Tensor | None, opposite: int | None) -> Data:
    """The values of the conditions' data along a line of points."""

    def data(s: np.ndarray) -> np.ndarray:
        X = place(s)
        columns = {} if normal is None else {
            f"n_{name}": normal[box.names.index(name)].expand(len(X)) for name in box.space
        }  # fmt: skip
        image = None
        if opposite is not None:
            image = X.clone()
            image[:, opposite] = box.upper[opposite]
        return -origin(readout, PointSet(X, columns, image)).numpy()

    return data


def origin(readout: Readout, points: PointSet) -> Tensor:
    """The residuals where the fields and all derivatives are 0, shape (R, B)."""
    return readout.values(_zeros(readout, points), points, points.X.new_zeros(0))


def _zeros(readout: Readout, points: PointSet) -> Tensor:
    fields = 1 + max(slot.output for slot in readout.slots.values())
    return points.X.new_zeros(len(readout.channels), readout.images * len(points), fields)


def linear(readout: Readout, points: PointSet) -> bool:
    """Whether residuals are affine in the fields: tested with random values of them."""
    generator = torch.Generator().manual_seed(1)
    shape = _zeros(readout, points).shape
    a, b = (torch.randn(shape, generator=generator, dtype=points.X.dtype) for _ in range(2))
    none = points.X.new_zeros(0)
    r = [readout.values(N, points, none) for N in (a + b, a, b, torch.zeros(shape, dtype=a.dtype))]
    size = sum(v.abs() for v in r)
    return bool(((r[0] - r[1] - r[2] + r[3]).abs() <= 1e-10 * size + 1e-300).all())
