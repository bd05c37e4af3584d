"""Numerical flows: generators without a closed form, integrated by extrapolation, differentiable through torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.checked import Count, Finite, checked

from .generator import Generator

COLUMNS = 8  # of the extrapolation: order 16 in the step


@checked
@dataclass(frozen=True, eq=False)
class NumericalFlow:
    """The one-parameter group exp(a v) of a generator v, integrated numerically by extrapolation with fixed steps.

    Args:
        generator: v, whose coordinates move independently of the fields.
        values: numbers for the parameters of the equation, by symbol.
        steps: number of steps from 0 to a.

    Raises:
        ValueError: coordinates that move with the fields, or a parameter without a value.

    Source:
        Gragg, SIAM J. Numer. Anal. 2 (1965); Bulirsch, Stoer, Numer. Math. 8 (1966).
    """

    generator: Generator
    values: Mapping[sp.Symbol, Finite] = field(default_factory=dict)
    steps: Count = 8

    def __post_init__(self) -> None:
        if not self.generator.projectable:
            raise ValueError(f"{self.generator} moves the coordinates by the values of the fields")
        free = set().union(*(e.free_symbols for e in self.generator.components))
        missing = free - set(self.generator.base) - set(self.values)
        if missing:
            raise ValueError(f"the flow of {self.generator} needs a value for {min(map(str, missing))}")

    def point(self, X: Tensor, a: Tensor | Finite) -> Tensor:
        """exp(a v) applied to points; the result is not finite where the trajectory ends.

        Args:
            X: coordinates (..., d), or coordinates and fields behind them.
            a: parameter of the group, a number or a tensor (...).

        Returns:
            The moved points, in the shape of X.

        Raises:
            ValueError: another number of coordinates, or of parameters.
        """
        v, n = self.generator, X.shape[-1] if X.ndim else 0
        if n not in (len(v.coordinates), len(v.base)):
            raise ValueError(
                f"got points of shape {tuple(X.shape)}: expected {len(v.coordinates)} coordinates, or with the fields "
                f"{len(v.base)}, in the last dimension"
            )
        if isinstance(a, Tensor) and a.shape not in ((), X.shape[:-1]):
            raise ValueError(
                f"got a of shape {tuple(a.shape)}: expected a number, or one for each point, {tuple(X.shape[:-1])}"
            )
        program = self._coordinates if n == len(v.coordinates) else self._all
        symbols = v.base[:n]

        def speed(z: Sequence[Tensor]) -> list[Tensor]:
            out = program(dict(zip(symbols, z, strict=True)))
            return [o if isinstance(o, Tensor) else torch.full_like(z[0], o) for o in out]

        z = list(X.unbind(-1))
        for _ in range(self.steps):
            z = _extrapolated(speed, z, a / self.steps)
        return torch.stack(z, -1)

    def __call__(self, f: Callable[[Tensor], Tensor], a: Tensor | Finite) -> Callable[[Tensor], Tensor]:
        """T^a f for a function of points (n, d) with values (n, fields)."""

        def moved(X: Tensor) -> Tensor:
            source = self.point(X, -a)
            there = torch.cat([source, f(source)], -1)
            return self.point(there, a)[..., X.shape[-1] :]

        return moved

    @cached_property
    def _coordinates(self) -> Program:
        v = self.generator.subs(dict(self.values))
        return Program(v.xi, v.coordinates)

    @cached_property
    def _all(self) -> Program:
        v = self.generator.subs(dict(self.values))
        return Program(v.components, v.base)


def _extrapolated(speed: Callable, z: list[Tensor], h: Tensor | float) -> list[Tensor]:
    """One step by modified midpoint rules with 2, 4, ..., 2 COLUMNS substeps, extrapolated in h^2."""
    table: list[list[list[Tensor]]] = []
    for k in range(1, COLUMNS + 1):
        row = [_midpoint(speed, z, h, 2 * k)]
        for j in range(1, k):
            ratio = 1 / ((k / (k - j)) ** 2 - 1)
            row.append([a + ratio * (a - b) for a, b in zip(row[-1], table[-1][j - 1], strict=True)])
        table.append(row)
    return table[-1][-1]


def _midpoint(speed: Callable, z: list[Tensor], h: Tensor | float, n: int) -> list[Tensor]:
    step = h / n
    before, now = z, [a + step * b for a, b in zip(z, speed(z), strict=True)]
    for _ in range(n - 1):
        before, now = now, [a + 2 * step * b for a, b in zip(before, speed(now), strict=True)]
    last = [a + step * b for a, b in zip(before, speed(now), strict=True)]
    return [(a + b) / 2 for a, b in zip(now, last, strict=True)]
