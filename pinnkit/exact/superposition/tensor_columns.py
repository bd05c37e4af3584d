"""Columns of solutions that are products of functions of one coordinate, on grids of points: sums factorise."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
import torch

from pinnkit.statement.symbolic.torch_program import Program

from .boundary_rows import Row
from .family import Family


class TensorColumns:
    """The weighted rows of members theta (K, p) of a family with factors; a sum over a grid is one over each axis.

    Of N^d points and K members it needs d tables of functions of one coordinate, and D^T r in about N^d operations.
    """

    shape: tuple[int, int]

    def __init__(self, blocks: Sequence[Row], family: Family, theta: np.ndarray) -> None:
        self._family, d = family, len(family.coordinates)
        if family.factors is None:
            raise ValueError(f"the family {family.name!r} is no product of functions of one coordinate each")
        self._factors = family.factors
        names = [r.symbol for r in family.ranges]
        self._own = [[k for k, s in enumerate(names) if s in f.free_symbols] for f in self._factors]
        self._names, found = names, [np.unique(theta[:, k], axis=0, return_inverse=True) for k in self._own]
        self._values = [values for values, _ in found]
        self._which = [which.reshape(-1) for _, which in found]
        last = max(range(d), key=lambda i: len(self._values[i]))  # the axis of which most functions are needed
        self._order = [*(i for i in range(d) if i != last), last]
        self._patches, start = [], 0
        for b in blocks:
            inside = 0
            for grid, moved in zip(b.grids, b.image_grids or b.grids, strict=True):
                own = slice(inside, inside + math.prod(grid.shape))
                terms = []
                for J, image, _, c in b.terms:
                    weights = (b.root * c)[own].numpy().reshape(grid.shape)
                    at = (moved if image else grid).axes
                    terms.append((weights, [self._table(i, n, a) for i, (n, a) in enumerate(zip(J, at, strict=True))]))
                self._patches.append((slice(start + own.start, start + own.stop), terms))
                inside = own.stop
            start += inside
        self.shape = start, len(theta)

    def _table(self, i: int, order: int, axis: np.ndarray) -> np.ndarray:
        """The derivative of factor i for all values of its parameters (U, p) on an axis (n,): (U, n)."""
        x = self._family.coordinates[i]
        program = Program([sp.diff(self._factors[i], x, order)], (x, *(self._names[k] for k in self._own[i])))
        values = {x: torch.as_tensor(axis)[None]}
        values |= {
            self._names[k]: torch.as_tensor(v)[:, None] for k, v in zip(self._own[i], self._values[i].T, strict=True)
        }
        out = torch.as_tensor(program(values)[0], dtype=torch.float64)
        return out.expand(len(self._values[i]), len(axis)).numpy()

    def _sum(self, weights: np.ndarray, tables: Sequence[np.ndarray]) -> np.ndarray:
        """The sums of weights (n_1, ..., n_d) times every member's product of functions, shape (K,)."""
        T = weights.transpose(self._order)
        for i in self._order[:-1]:
            T = np.tensordot(T, tables[i], (0, 1))
        last = self._order[-1]
        members: tuple[Any, ...] = (slice(None), *(self._which[i] for i in self._order[:-1]))
        T = T[members]  # (n_last, K)
        return np.einsum("nk,kn->k", T, tables[last][self._which[last]])

    def dot(self, V: np.ndarray) -> np.ndarray:
        """D^T V."""
        if V.ndim == 2:
            return np.stack([self.dot(v) for v in V.T], 1) if V.shape[1] else np.zeros((self.shape[1], 0))
        out = np.zeros(self.shape[1])
        for rows, terms in self._patches:
            for weights, tables in terms:
                out += self._sum(weights * V[rows].reshape(weights.shape), tables)
        return out

    def squares(self) -> np.ndarray:
        """The squared lengths of the columns."""
        out = np.zeros(self.shape[1])
        for _, terms in self._patches:
            for p, f in terms:
                for q, g in terms:
                    out += self._sum(p * q, [a * b for a, b in zip(f, g, strict=True)])
        return np.maximum(out, 0.0)

    def take(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Some of the columns."""
        out = np.empty((self.shape[0], len(numbers)))
        for rows, terms in self._patches:
            for column, k in enumerate(numbers):
                whole = np.zeros(())
                for weights, tables in terms:
                    own = (tables[i][which[k]] for i, which in enumerate(self._which))
                    part = weights
                    for axis in np.ix_(*own):
                        part = part * axis
                    whole = whole + part
                out[rows, column] = whole.ravel()
        return out
