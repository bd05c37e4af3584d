"""Gauss points on the parts of a domain where conditions hold, so many that the data there are resolved."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.box import Box
from pinnkit.domain.point_set import PointSet
from pinnkit.statement.problem import Problem
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.place import INITIAL, Place
from pinnkit.tools.gauss_panels import ORDER, Data, gauss_panels, resolve

from . import boundary_arcs as arcs

GRADING = 12  # bisections towards the initial time, where solutions vary like sqrt(t)
MANY = 5_000  # points of one face at most, where data have several dimensions ...
MANY_AT_FIRST = 40_000  # and at the initial time


@dataclass(frozen=True, eq=False)
class TensorGrid:
    """Points whose coordinates are those of axes, by coordinate, and the axes' quadrature weights."""

    axes: tuple[np.ndarray, ...]
    weights: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points by coordinate."""
        return tuple(map(len, self.axes))

    @property
    def X(self) -> Tensor:
        """The points (n, d), the last coordinate varying fastest."""
        return torch.as_tensor(np.stack([m.ravel() for m in np.meshgrid(*self.axes, indexing="ij")], 1))

    @property
    def w(self) -> Tensor:
        """The points' weights (n,)."""
        return torch.as_tensor(np.prod(np.meshgrid(*self.weights, indexing="ij"), axis=0).ravel())

    def moved(self, i: int, value: float) -> "TensorGrid":
        """The same with coordinate i at one value."""
        axes = (*self.axes[:i], np.array([value]), *self.axes[i + 1 :])
        return TensorGrid(axes, self.weights)


@dataclass(frozen=True, eq=False)
class Nodes:
    """A set of points; where it is grids one after the other, these and those of the image points."""

    points: PointSet
    grids: tuple[TensorGrid, ...] = ()
    images: tuple[TensorGrid, ...] = ()


def quadrature(
    problem: Problem, programs: dict[str, ResidualProgram], waves: Mapping[str, float],
    cuts: np.ndarray = arcs.NOWHERE, order: int = ORDER,
) -> dict[str, Nodes]:  # fmt: skip
    """Point sets of all conditions with quadrature weights, fine enough for so many half-waves by each coordinate.

    On the boundary of a plane domain they gather at corners and at the ``cuts`` (K, 2). A panel has ``order`` points.

    Raises:
        ValueError: a domain that is neither a box nor, without time, in the plane.
    """
    plane = problem.domain.time is None and len(problem.domain.names) == 2
    if not (plane or isinstance(problem.domain, Box)):
        raise ValueError(
            f"{problem.name}: superposition needs a pinnkit.Box, or a domain in the plane without time; the domain is "
            f"{problem.domain!r}"
        )
    found = {}
    for key, program in programs.items():
        place = problem.places[key]
        if place.where == "data":
            found[key] = Nodes(problem.sample(key, 1))
            continue
        if plane and place.where != "pair":
            count = math.ceil(3 * max(waves.values()) / ORDER)
            found[key] = Nodes(
                arcs.points(problem.domain, place.on, partial(condition_data, program), count, cuts, order)
            )
            continue
        if not isinstance(problem.domain, Box):
            raise ValueError(f"{problem.name}: superposition needs a pinnkit.Box where conditions are periodic")
        found[key] = _nodes(problem.domain, place, program, waves, order)
    return found


def _nodes(box: Box, place: Place, program: ResidualProgram, waves: Mapping[str, float], order: int) -> Nodes:
    if place == INITIAL and box.time is not None:
        grid = _grid(box, (box.time, "min"), None, program, waves, order)
        return Nodes(PointSet(grid.X, weights=grid.w / grid.w.mean()), (grid,))
    if place.where == "pair":
        (name,) = place.names
        i = box.names.index(name)
        grid = _grid(box, (name, "min"), None, program, waves, order, images=True)
        image = grid.moved(i, float(box.upper[i]))
        return Nodes(PointSet(grid.X, image=image.X, weights=grid.w / grid.w.mean()), (grid,), (image,))
    grids, normals = [], []
    for face in map(box.face, box.faces_on(place.on)):
        normal = torch.zeros(len(box.names), dtype=torch.float64)
        normal[face.axis] = 1.0 if face.high else -1.0
        grids.append(_grid(box, (face.coordinate, "max" if face.high else "min"), normal, program, waves, order))
        normals.append(normal.expand(math.prod(grids[-1].shape), -1))
    X, w, n = (torch.cat(list(parts)) for parts in ((g.X for g in grids), (g.w for g in grids), normals))
    columns = {f"n_{name}": n[:, box.names.index(name)].contiguous() for name in box.space}
    return Nodes(PointSet(X, columns, weights=w / w.mean()), tuple(grids))


def _grid(
    box: Box,
    fixed: tuple[str, str],
    normal: Tensor | None,
    program: ResidualProgram,
    waves: Mapping[str, float],
    order: int,
    images: bool = False,
) -> TensorGrid:
    """Tensor Gauss points on the face where one coordinate is at its end."""
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
        data = _data(box, program, lambda s, i=i: place(i, s), normal, at if images else None)
        few = len(free) > 1
        count = max(2, math.ceil((2.0 if few else 3.0) * waves[box.names[i]] / ORDER))
        edges = np.linspace(bounds[0, i], bounds[1, i], count + 1)
        if box.names[i] == box.time and not few:
            first = edges[1] - edges[0]
            edges = np.concatenate([edges[:1], edges[0] + first * 0.5 ** np.arange(GRADING, 0, -1), edges[1:]])
        rules.append(gauss_panels(resolve(data, edges), order))
    most = MANY_AT_FIRST if fixed[0] == box.time else MANY
    if len(rules) > 1 and math.prod(len(s) for s, _ in rules) > most:
        count = max(1, int(most ** (1 / len(rules)) / ORDER))
        rules = [gauss_panels(np.linspace(bounds[0, i], bounds[1, i], count + 1), order) for i in free]
    axes = dict(zip(free, rules, strict=True)) | {at: (np.array([float(end)]), np.ones(1))}
    return TensorGrid(*zip(*(axes[i] for i in range(len(axes))), strict=True))


def _data(box: Box, program: ResidualProgram, place: Callable, normal: Tensor | None, opposite: int | None) -> Data:
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
        return -origin(program, PointSet(X, columns, image)).numpy()

    return data


def origin(program: ResidualProgram, points: PointSet) -> Tensor:
    """The residuals where the fields and all derivatives are 0, shape (R, B)."""
    return program.values(_zeros(program, points), points, points.X.new_zeros(0))


def condition_data(program: ResidualProgram, points: PointSet) -> np.ndarray:
    """The data of linear conditions, shape (R, B)."""
    return -origin(program, points).numpy()


def _zeros(program: ResidualProgram, points: PointSet) -> Tensor:
    fields = 1 + max(slot.output for slot in program.slots.values())
    return points.X.new_zeros(len(program.channels), program.images * len(points), fields)


def linear(program: ResidualProgram, points: PointSet) -> bool:
    """Whether residuals are affine in the fields: tested with random values of them."""
    generator = torch.Generator().manual_seed(1)
    shape = _zeros(program, points).shape
    a, b = (torch.randn(shape, generator=generator, dtype=points.X.dtype) for _ in range(2))
    none = points.X.new_zeros(0)
    r = [program.values(N, points, none) for N in (a + b, a, b, torch.zeros(shape, dtype=a.dtype))]
    size = sum(v.abs() for v in r)
    return bool(((r[0] - r[1] - r[2] + r[3]).abs() <= 1e-10 * size + 1e-300).all())
