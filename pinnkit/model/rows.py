"""The rows of point sets: their order, names and weights, and the blocks of points that they are evaluated in."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.network.base import Evaluator, Pool
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.tools.checked import LISTED, NotNegative, checked
from pinnkit.tools.type_words import nearest

from .compiled import Compiled

BLOCK = 2**18  # numbers in one layer's jets that an evaluation works on at once: 2 MB, measured best
KEPT = 2**15  # points that a stack looks at up to which it keeps what depends on them alone: at most some 10 MB


def block_size(tape: Evaluator, program: ResidualProgram) -> int:
    """The number of points whose jets fill a block."""
    width = (program.size(2) - program.size(1)) * len(program.channels) * tape.width  # of one point more
    return max(64, BLOCK // width // 64 * 64)


@checked
class Rows:
    """Rows ordered by point set, then term, then point, with weights a_m = w_k / N_k; what a `Stack` is made on."""

    model: Compiled
    points: Mapping[str, PointSet]
    programs: dict[str, ResidualProgram]
    weights: dict[str, float]

    def __init__(
        self,
        model: Compiled,
        points: Mapping[str, PointSet],
        weights: Mapping[str, NotNegative] | None = None,
        programs: Mapping[str, ResidualProgram] | None = None,
    ) -> None:
        self.model, self.points, self._pool = model, points, Pool()
        self._kept: dict[tuple[str, int, int], PointSet] = {}
        self.programs = model.programs if programs is None else dict(programs)
        missing = [key for key in self.programs if key not in points or not len(points[key])]
        if missing:
            raise ValueError(
                f"{model.problem.name} needs points for {', '.join(self.programs)}; there are none for {missing[0]!r}: "
                "draw them with pinnkit.sample"
            )
        unknown = set(weights or {}) - {r.name for r in model.problem.residuals}
        if unknown:
            name, terms = sorted(unknown)[0], [r.name for r in model.problem.residuals]
            raise ValueError(f"weights are given for {name!r}{nearest(name, terms, 'the terms are')}")
        self.weights = {name: (weights or {}).get(name, model.weights.get(name, 1.0)) for name in self.terms}

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The names of the loss terms, in the order of their rows."""
        return tuple(name for program in self.programs.values() for name in program.names)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """N_k, the number of points of every term."""
        return {n: len(self.points[key]) for key, program in self.programs.items() for n in program.names}

    @cached_property
    def rows(self) -> int:
        """M, the number of rows."""
        return sum(self.sizes.values())

    @cached_property
    def _small(self) -> bool:
        return sum(program.size(len(self.points[key])) for key, program in self.programs.items()) <= KEPT

    @property
    def like(self) -> Tensor:
        """A tensor of the rows' dtype and device."""
        return self.points[next(iter(self.programs))].X

    @cached_property
    def row_weights(self) -> Tensor:
        """a_m = w_k / N_k, times the point's own weight if it has one; shape (M,)."""
        return torch.cat([self._block_weights(key, slice(None)).reshape(-1) for key in self.programs])

    def _block_weights(self, key: str, rows: slice) -> Tensor:
        """a of one block, shape (R, B)."""
        points, names = self.points[key], self.programs[key].names
        own = torch.ones_like(points.X[rows, 0]) if points.weights is None else points.weights[rows]
        w = own.new_tensor([self.weights[name] / len(points) for name in names])
        return w[:, None] * own

    def _blocks(self, most: int | None = None) -> Iterator[tuple[str, ResidualProgram, slice, PointSet]]:
        """Blocks of points that bound the memory of an evaluation, at most ``most`` points each."""
        for key, program in self.programs.items():
            size = block_size(self.model.tape, program)
            size = size if most is None else min(size, most)
            for start in range(0, len(self.points[key]), size):
                rows = slice(start, start + size)
                yield key, program, rows, self._block(key, start, size)

    def _block(self, key: str, start: int, size: int) -> PointSet:
        """The points of one block. Those of a small stack stay, and with them what the program keeps for them."""
        if (block := self._kept.get((key, start, size))) is not None:
            return block
        block = self.points[key][start : start + size]
        if self._small:
            self.programs[key].keep(block)
            self._kept[key, start, size] = block
        return block

    @cached_property
    def _offsets(self) -> dict[str, int]:
        offsets, start = {}, 0
        for key, program in self.programs.items():
            offsets[key] = start
            start += len(program.names) * len(self.points[key])
        return offsets

    def names(self, key: str) -> tuple[str, ...]:
        """The terms at one point set.

        Args:
            key: the point set.

        Returns:
            Names of terms.

        Raises:
            ValueError: a point set that no term is trained on.
        """
        if key not in self.programs:
            raise ValueError(f"no term is trained on points {key!r}{nearest(key, self.programs)}")
        return self.programs[key].names

    @property
    def keys(self) -> dict[str, str]:
        """The point set of every term."""
        return {name: key for key in self.programs for name in self.names(key)}

    def rows_of(self, key: str, flat: Annotated[Tensor, LISTED]) -> Tensor:
        """The rows of one point set, as a view of shape (R, N).

        Args:
            key: the point set.
            flat: a vector over all rows (M,).
        """
        self._all(flat)
        R, N = len(self.names(key)), len(self.points[key])
        return flat[self._offsets[key] : self._offsets[key] + R * N].view(R, N)

    def by_term(self, flat: Annotated[Tensor, LISTED]) -> dict[str, Tensor]:
        """A vector over the rows as views (N_k,) by term.

        Args:
            flat: the vector (M,).
        """
        return {name: rows[0] for name, rows in self.by_columns(flat[None]).items()}

    def by_columns(self, flat: Tensor) -> dict[str, Tensor]:
        """Vectors over the rows as views (K, N_k) by term.

        Args:
            flat: the vectors (K, M).
        """
        return {n: rows[:, i] for key, rows in self.by_key(flat).items() for i, n in enumerate(self.names(key))}

    def by_key(self, flat: Tensor) -> dict[str, Tensor]:
        """Vectors over the rows as views (K, R, N) by point set.

        Args:
            flat: the vectors (K, M).

        Raises:
            ValueError: another shape.
        """
        if flat.ndim != 2:
            raise ValueError(
                f"got numbers of shape {tuple(flat.shape)}: expected vectors over the rows, (K, {self.rows})"
            )
        self._all(flat)
        out = {}
        for key, start in self._offsets.items():
            R, N = len(self.names(key)), len(self.points[key])
            out[key] = flat[:, start : start + R * N].unflatten(1, (R, N))
        return out

    def _all(self, flat: Tensor) -> None:
        if flat.shape[-1] != self.rows:
            raise ValueError(f"got numbers of shape {tuple(flat.shape)}: expected one for each of {self.rows} rows")
