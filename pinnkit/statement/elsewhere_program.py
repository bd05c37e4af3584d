"""What rows take from other points, compiled: a weighted sum over nodes of a program of residuals at the nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.symbolic.elsewhere import NODE, WEIGHT, Content, here
from pinnkit.statement.symbolic.torch_program import Program


@dataclass(frozen=True, eq=False)
class Layout:
    """The nodes of some points: what the program at nodes sees (b q of them), weights (b, q), places (k, d).

    b is the number of points, or 1 where all have the same value; k is q where all have the same nodes, else b q.
    """

    inner: PointSet
    weights: Tensor
    places: Tensor


class Nodes:
    """The quadrature of a number that rows take from other points, at any points."""

    variables: tuple[sp.Symbol, ...]
    columns: list[sp.Symbol]
    reference: dict[sp.Symbol, np.ndarray]
    count: int

    def __init__(self, content: Content, variables: Sequence[sp.Symbol]) -> None:
        self.variables, self.columns = tuple(variables), [s for s, _ in content.columns]
        self.reference, self.count = reference(content.counts), prod(content.counts)
        inputs = [*(here(v) for v in variables), *self.reference]
        self._map = Program([content.weight, *content.nodes, *(e for _, e in content.columns)], inputs)

    def __call__(self, X: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Weights (b, q), nodes (b q, d) and columns (b q,) for points X (b, d)."""
        values = {here(v): X[:, i, None] for i, v in enumerate(self.variables)}
        values |= {s: torch.tensor(v).to(X)[None] for s, v in self.reference.items()}
        weights, *rest = (torch.as_tensor(e).to(X).expand(len(X), self.count) for e in self._map(values))
        flat, d = [e.reshape(-1) for e in rest], len(self.variables)
        return weights, torch.stack(flat[:d], 1), dict(zip((s.name for s in self.columns), flat[d:], strict=True))


class ElsewhereProgram:
    """One number a point, sum_q weight_q r(node_q), and its derivatives by the network's channels at the nodes.

    ``inner`` is the program of r at nodes; nodes of all points stand in one block of the channels, from ``start``.
    """

    inner: Any  # the ResidualProgram at nodes
    variables: tuple[sp.Symbol, ...]
    moving: bool  # whether every point has nodes of its own
    paired: bool  # whether what is summed depends on the point
    count: int

    def __init__(self, content: Content, inner: Any, variables: Sequence[sp.Symbol]) -> None:
        self.inner, self.variables = inner, tuple(variables)
        own = {here(v) for v in variables}
        depends = set().union(*(e.free_symbols for e in content.nodes)) & own
        paired = set().union(content.integrand.free_symbols, content.weight.free_symbols)
        paired = paired.union(*(e.free_symbols for _, e in content.columns))
        self.moving, self.paired = bool(depends), bool(depends or paired & own)
        self.count = prod(content.counts)
        self._map = Nodes(content, variables)
        self._layouts: WeakKeyDictionary[PointSet, Layout] = WeakKeyDictionary()
        self._index: list[int] = []

    def size(self, B: int) -> int:
        """How many places B points look at."""
        return self.count * B if self.moving else self.count

    def place(self, channels: Any) -> None:
        """Where the channels of the program at nodes stand among all."""
        self._index = [channels.position(c) for c in self.inner.channels.items]

    def layout(self, points: PointSet) -> Layout:
        """The nodes of points, made once for points that stay."""
        if (found := self._layouts.get(points)) is not None:
            return found
        X = points.X if self.paired else points.X[:1]
        weights, nodes, columns = self._map(X)
        names = {s.name for s in self.inner.columns}
        for i, v in enumerate(self.variables):
            if here(v).name in names:
                columns[here(v).name] = X[:, i].repeat_interleave(self.count)
        inner = PointSet(nodes, columns)
        found = Layout(inner, weights, inner.X if self.moving else inner.X[: self.count])
        if not X.requires_grad:
            self._layouts[points] = found
            self.inner.keep(inner)
        return found

    def gathered(self, output: Tensor, block: slice, layout: Layout) -> Tensor:
        """The channels (C', b q, n) that the program at nodes sees, of all channels (C, N, n)."""
        own = output[self._index, block]
        return own if self.moving else own.repeat(1, len(layout.weights), 1)

    def scattered(self, G: Tensor, block: slice, inner: Tensor) -> None:
        """Add cotangents (C', b q, n) of the channels at nodes to those of all channels."""
        if not self.moving:
            inner = inner.view(len(inner), -1, self.count, inner.shape[2]).sum(1)
        G[self._index, block] += inner

    def values(self, output: Tensor, block: slice, points: PointSet, unknowns: Tensor) -> Tensor:
        """The number at points, shape (B,)."""
        at = self.layout(points)
        r = self.inner.values(self.gathered(output, block, at), at.inner, unknowns)
        return self.summed(r, at, len(points))

    def summed(self, r: Tensor, at: Layout, B: int) -> Tensor:
        """sum_q weight_q r_q of r (1, b q), shape (B,)."""
        return (r.view(at.weights.shape) * at.weights).sum(1).expand(B)

    def slopes(self, output: Tensor, block: slice, points: PointSet, unknowns: Tensor) -> "ElsewhereSlopes":
        """The number and its derivatives."""
        at = self.layout(points)
        N = self.gathered(output, block, at)
        r, slopes = self.inner.slopes(N, at.inner, unknowns)
        return ElsewhereSlopes(self, block, at, self.summed(r, at, len(points)), slopes, N, unknowns)


@dataclass(frozen=True, eq=False)
class ElsewhereSlopes:
    """The number (B,) at points, and the products with its derivatives that rows need."""

    program: ElsewhereProgram
    block: slice
    at: Layout
    value: Tensor
    inner: Any  # the ResidualSlopes at nodes
    channels: Tensor
    unknowns: Tensor

    def _spread(self, w: Tensor) -> Tensor:
        """Cotangents w (B,) of the number as those of r at the nodes, shape (1, b q)."""
        own = w if self.program.paired else w.sum()[None]
        return (own[:, None] * self.at.weights).reshape(1, -1)

    def cotangent(self, w: Tensor, G: Tensor, gu: Tensor) -> None:
        """Add w (B,) times the number's derivatives to the cotangents of channels and unknown coefficients."""
        inner, own = self.inner.cotangent(self._spread(w), self.channels, self.unknowns)
        self.program.scattered(G, self.block, inner)
        gu += own

    def tangent(self, dN: Tensor, dunknowns: Tensor) -> Tensor:
        """How the number changes with the channels and unknown coefficients, shape (B,)."""
        moved = self.program.gathered(dN, self.block, self.at)
        change = self.inner.tangent(moved, dunknowns, 1, self.at.inner)
        return self.program.summed(change, self.at, len(self.value))

    def curvature(self, w: Tensor, dN: Tensor, dunknowns: Tensor, G: Tensor, gu: Tensor) -> None:
        """Add w (B,) times the number's second derivatives, applied to a direction, to the cotangents."""
        moved = self.program.gathered(dN, self.block, self.at)
        inner, own = self.program.inner.curvature(
            self.channels, self.at.inner, self.unknowns, self._spread(w), moved, dunknowns
        )
        self.program.scattered(G, self.block, inner)
        gu += own

    def row(self, w: Tensor, G: Tensor, gu: Tensor) -> list[tuple[int, int, Tensor]]:
        """Add w (B,) times each point's own derivatives to cotangents G and to gu (B, U), point by point.

        Where all points share their nodes, G cannot hold them: channel, output and (B, q) of each come back instead.
        """
        B, (b, q) = len(w), self.at.weights.shape
        inner, own = self.inner.row(0, self.channels, self.unknowns, b * q)
        factors = w[:, None] * self.at.weights.expand(B, q)
        gu += (own.view(b, q, -1).expand(B, q, own.shape[1]) * factors[..., None]).sum(1)
        if self.program.moving:
            G[self.program._index, self.block] += inner * factors.reshape(1, -1, 1)
            return []
        each = inner.view(len(inner), b, q, -1).expand(-1, B, -1, -1) * factors[None, :, :, None]
        return [
            (self.program._index[c], n, each[c, :, :, n])
            for c in range(each.shape[0])
            for n in range(each.shape[3])
            if bool((inner[c, :, n] != 0).any())
        ]


def reference(counts: Sequence[int]) -> dict[sp.Symbol, np.ndarray]:
    """Gauss nodes and weights on (0, 1) for every integration variable, all combinations."""
    rules = [np.polynomial.legendre.leggauss(n) for n in counts]
    found = {}
    for k, (node, weight) in enumerate(rules):
        shape = [-1 if j == k else 1 for j in range(len(rules))]
        for name, values in ((NODE, (1 + node) / 2), (WEIGHT, weight / 2)):
            full = np.broadcast_to(values.reshape(shape), [len(n) for n, _ in rules])
            found[sp.Symbol(name.format(k), positive=True)] = full.ravel()
    return found
