"""The weighted rows of a problem's conditions, on which the amplitudes of a superposition are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.gauss_panels import ORDER

from .boundary_arcs import NOWHERE
from .boundary_points import TensorGrid, linear, origin, quadrature
from .family import Family


@dataclass(frozen=True, eq=False)
class Row:
    """One condition at its points: sum over terms of coefficient * D^index phi_field(X or image) = target.

    Shapes: X and image (n, d), coefficients and target (n,), root (n,) the square roots of the weights a_m. Where the
    points are grids one after the other, ``grids`` and ``image_grids`` are these.
    """

    name: str
    X: Tensor
    image: Tensor | None
    terms: tuple[tuple[Index, int, int, Tensor], ...]  # index, image, field, coefficient
    target: Tensor
    root: Tensor
    grids: tuple[TensorGrid, ...] = ()
    image_grids: tuple[TensorGrid, ...] = ()


@dataclass(frozen=True, eq=False)
class BoundaryRows:
    """All rows of a problem's conditions; M in number."""

    blocks: tuple[Row, ...]
    points: Points
    weights: Mapping[str, float]

    @property
    def target(self) -> np.ndarray:
        """The weighted data, shape (M,): the loss is |target - columns a|^2."""
        return torch.cat([b.root * b.target for b in self.blocks]).numpy()

    @property
    def gridded(self) -> bool:
        """Whether all points are grids."""
        return all(b.grids for b in self.blocks)

    @property
    def slices(self) -> dict[str, slice]:
        """The rows of every condition."""
        found, start = {}, 0
        for b in self.blocks:
            found[b.name] = slice(start, start + len(b.X))
            start += len(b.X)
        return found

    def columns(self, family: Family, theta: np.ndarray) -> np.ndarray:
        """The weighted rows of members theta (K, p) of a family, shape (M, K)."""
        return self._apply(lambda part, X, J, field: family.values(part, X, J, field)[:, None], theta)[0]

    def slopes(self, family: Family, theta: np.ndarray) -> np.ndarray:
        """The derivatives of the columns by every member's own parameters, shape (p, M, K)."""
        return self._apply(family.slopes, theta)

    @cached_property
    def _jobs(self) -> list[tuple[list[Index], int, Tensor, list[tuple[int, slice, list[Tensor]]]]]:
        """Derivatives of a field, all points where they are needed, what block takes which with which factors."""
        jobs: dict[tuple[int, tuple[Index, ...]], list] = {}
        for number, b in enumerate(self.blocks):
            for k, X in enumerate((b.X, b.image)):
                for field in sorted({f for _, where, f, _ in b.terms if where == k}):
                    own = [(J, c) for J, where, f, c in b.terms if (where, f) == (k, field)]
                    own.sort(key=lambda term: term[0])
                    given = number, X, [c * b.root for _, c in own]
                    jobs.setdefault((field, tuple(J for J, _ in own)), []).append(given)
        found = []
        for (field, indices), parts in jobs.items():
            ends = np.cumsum([0, *(len(X) for _, X, _ in parts)])
            takes = [(n, slice(a, z), c) for (n, _, c), a, z in zip(parts, ends[:-1], ends[1:], strict=True)]
            found.append((list(indices), field, torch.cat([X for _, X, _ in parts]), takes))
        return found

    def _apply(self, evaluate, theta: np.ndarray) -> np.ndarray:
        out = None
        starts = np.cumsum([0, *(len(b.X) for b in self.blocks)])
        for indices, field, X, takes in self._jobs:
            jets = evaluate(theta, X, indices, field)  # (J, p, K, n)
            if out is None:
                out = X.new_zeros(int(starts[-1]), jets.shape[1], jets.shape[2])
            for number, part, factors in takes:
                rows = sum(jet[..., part] * c for jet, c in zip(jets, factors, strict=True))
                out[starts[number] : starts[number + 1]] += rows.permute(2, 0, 1)
        assert out is not None  # conditions have terms
        return out.permute(1, 0, 2).numpy()


def conditions(problem: Problem) -> dict[str, ResidualProgram]:
    """The problem's conditions compiled by point set."""
    groups: dict[str, list] = {}
    for r in problem.residuals:
        if r.name not in problem.equations:
            groups.setdefault(r.key, []).append(r)
    inside = [r.name for r in groups.get("pde", ())]
    if inside:
        raise ValueError(f"{problem.name}: {inside[0]!r} holds inside the domain: superposition needs conditions on it")
    if not groups:
        raise ValueError(f"{problem.name} has no conditions: nothing fixes a superposition")
    symbols = set().union(*(r.expression.free_symbols for group in groups.values() for r in group))
    values = {s: sp.Float(problem.parameters[s.name], 17) for s in symbols if s.name in problem.parameters}
    return {key: ResidualProgram(group, problem.fields, {}, values) for key, group in groups.items()}


def rows(
    problem: Problem, weights: Mapping[str, float], waves: Mapping[str, float],
    cuts: np.ndarray = NOWHERE, order: int = ORDER,
) -> BoundaryRows:  # fmt: skip
    """The rows of a problem with quadrature points that resolve its data and so many half-waves by each coordinate.

    On the boundary of a plane domain they gather at corners and at the ``cuts`` (K, 2). A panel has ``order`` points.

    Raises:
        ValueError: a condition that is not linear in the field, or holds inside the domain.
    """
    programs = conditions(problem)
    nodes = quadrature(problem, programs, waves, cuts, order)
    blocks = []
    for key, program in programs.items():
        at = nodes[key].points
        if not linear(program, at[:8]):
            raise ValueError(f"{problem.name}: a condition among {', '.join(program.names)} is not linear")
        target = -origin(program, at)
        entries = _entries(program, at)
        own = torch.ones_like(at.X[:, 0]) if at.weights is None else at.weights
        for r, name in enumerate(program.names):
            terms = tuple((J, image, field, c) for row, J, image, field, c in entries if row == r)
            root = (weights[name] / len(at) * own).sqrt()
            blocks.append(Row(name, at.X, at.image, terms, target[r], root, nodes[key].grids, nodes[key].images))
    return BoundaryRows(tuple(blocks), Points({key: n.points for key, n in nodes.items()}), dict(weights))


def _entries(program: ResidualProgram, points: PointSet) -> Sequence[tuple[int, Index, int, int, Tensor]]:
    """(row, derivative, image, field, coefficient (n,)) of every derivative that a condition contains."""
    fields = 1 + max(slot.output for slot in program.slots.values())
    zeros = points.X.new_zeros(len(program.channels), program.images * len(points), fields)
    _, slopes = program.slopes(zeros, points, points.X.new_zeros(0))
    found = []
    for r, s, value in slopes.entries:
        slot = program.slots[s]
        c = torch.as_tensor(value, dtype=points.X.dtype).expand(len(points))
        found += [(r, J, slot.image, slot.output, weight * c) for weight, J in slot.channel]
    return found
