"""Families of exact solutions phi(x; theta): an expression, named parameters and their ranges, images in walls."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.exact.lie.heat_normal_form import NormalForm, readable
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.checked import Finite, Places, Whole, checked
from pinnkit.tools.pickled import Pickled

MIRROR = sp.Symbol("mirror", real=True)  # in an expression: the sign with which an image turns its axis
SHIFT = sp.Symbol("shift", real=True)  # and where a normal form turns what images make: how far it moves them
ITSELF = ((1.0, 1, 0.0),)
BLOCK = 2**17  # numbers in one step of an evaluation: 1 MB


@dataclass(frozen=True)
class Range:
    """A parameter: its symbol's name, its smallest and largest value, and whether its scale is logarithmic."""

    name: str
    lower: float
    upper: float
    log: bool = False

    @property
    def symbol(self) -> sp.Symbol:
        """The symbol in the family's expression."""
        return sp.Symbol(self.name, real=True)


@checked
@dataclass(frozen=True)
class Family(Pickled):
    """Exact solutions with parameters theta: sum over images (c, sign, shift) of c phi(..., sign x_axis + shift, ...;
    theta).

    Args:
        name: name of the family.
        expression: phi, or one phi for every field.
        coordinates: the symbols of the coordinates.
        ranges: name, lower and upper value and scale of every parameter. Default (): one member without parameters.
        images: coefficient, sign and shift of every image. Default: phi alone.
        axis: number of the coordinate that images reflect.
        form: a map from the heat equation; phi then solves that one. Default None.
    """

    name: str
    expression: sp.Expr | tuple[sp.Expr, ...]
    coordinates: tuple[sp.Symbol, ...]
    ranges: tuple[Range, ...] = ()
    images: tuple[tuple[float, int, float], ...] = ITSELF
    axis: Whole = 0
    form: NormalForm | None = None

    @property
    def parts(self) -> tuple[sp.Expr, ...]:
        """phi, one for every field."""
        return self.expression if isinstance(self.expression, tuple) else (self.expression,)

    @property
    def count(self) -> int:
        """p, the number of parameters."""
        return len(self.ranges)

    @cached_property
    def _logs(self) -> np.ndarray:
        return np.array([r.log for r in self.ranges], bool)

    @property
    def bounds(self) -> np.ndarray:
        """Lower and upper values of the parameters, on the scale of the search, shape (2, p)."""
        ends = [np.log([r.lower, r.upper]) if r.log else np.array([r.lower, r.upper]) for r in self.ranges]
        return np.stack(ends, 1) if ends else np.zeros((2, 0))

    def from_scale(self, z: np.ndarray) -> np.ndarray:
        """Parameters from values on the scale of the search, where some are logarithms.

        Args:
            z: values (K, p).

        Returns:
            Parameters (K, p).
        """
        return np.where(self._logs, np.exp(np.where(self._logs, z, 0.0)), z)

    def slope_of_scale(self, theta: np.ndarray) -> np.ndarray:
        """d theta / dz, for values z on the scale of the search.

        Args:
            theta: parameters (K, p).

        Returns:
            An array (K, p).
        """
        return np.where(self._logs, theta, 1.0)

    def values(self, theta: np.ndarray, X: Places, indices: Sequence[Index], field: Whole = 0) -> Tensor:
        """Derivatives D^J phi of members at points.

        Args:
            theta: parameters (K, p).
            X: points (n, d).
            indices: orders of the derivative by each coordinate, one tuple for every derivative.
            field: number of the field. Default 0.

        Returns:
            A tensor (J, K, n).
        """
        return self._run(theta, X, tuple(map(tuple, indices)), field, False)[:, 0]

    def slopes(self, theta: np.ndarray, X: Places, indices: Sequence[Index], field: Whole = 0) -> Tensor:
        """Derivatives d(D^J phi)/dtheta of members at points.

        Args:
            theta: as in :meth:`values`.
            X: as there.
            indices: as there.
            field: as there.

        Returns:
            A tensor (J, p, K, n).
        """
        return self._run(theta, X, tuple(map(tuple, indices)), field, True)

    def at(self, theta: Sequence[Finite], field: Whole = 0) -> sp.Expr:
        """One member as an expression of the coordinates, with numbers for its parameters.

        Args:
            theta: the p parameters.
            field: number of the field. Default 0.

        Raises:
            ValueError: another number of parameters, or a field that there is not.
        """
        if len(theta) != self.count or field >= len(self.parts):
            raise ValueError(
                f"{self.name}: got {len(theta)} parameters and field {field}: it has {self.count} parameters "
                f"and {len(self.parts)} fields"
            )
        known = {r.symbol: sp.Float(v, 17) for r, v in zip(self.ranges, theta, strict=True)}
        phi, x = self.parts[field].xreplace(known), self.coordinates[self.axis]
        turned = ({x: sign * x + shift, MIRROR: sp.Integer(sign)} for _, sign, shift in self.images)
        whole = sp.Add(*(image[0] * phi.xreplace(place) for image, place in zip(self.images, turned, strict=True)))
        return whole if self.form is None else readable(self.form(whole))

    @cached_property
    def factors(self) -> tuple[sp.Expr, ...] | None:
        """phi as a product of functions of one coordinate each, in their order; None where it is none."""
        if len(self.parts) > 1 or self.images != ITSELF or self.form is not None:
            return None
        found = [sp.S.One] * len(self.coordinates)
        for e in sp.Mul.make_args(sp.expand_power_exp(self.parts[0])):
            own = [i for i, x in enumerate(self.coordinates) if x in e.free_symbols]
            if len(own) > 1:
                return None
            found[own[0] if own else 0] *= e
        return tuple(found)

    @cached_property
    def _programs(self) -> dict:
        return {}

    def _program(self, indices: tuple[Index, ...], field: int, slopes: bool) -> Program:
        key = indices, field, slopes
        if key not in self._programs:
            phi = self.parts[field]
            if self.form is not None:
                x = self.coordinates[self.axis]
                phi = self.form(phi.xreplace({x: MIRROR * x + SHIFT}))
            jets = [differentiate(phi, J, self.coordinates) for J in indices]
            if slopes:
                jets = [sp.diff(e, r.symbol) for e in jets for r in self.ranges]
            inputs = (*self.coordinates, MIRROR, SHIFT, *(r.symbol for r in self.ranges))
            self._programs[key] = Program(jets, inputs)
        return self._programs[key]

    def _run(self, theta: np.ndarray, X: Tensor, indices: tuple[Index, ...], field: int, slopes: bool) -> Tensor:
        if np.ndim(theta) != 2 or theta.shape[1] != self.count or field >= len(self.parts):
            raise ValueError(
                f"{self.name}: got parameters of shape {np.shape(theta)} and field {field}: expected (K, {self.count}) "
                f"and one of {len(self.parts)} fields"
            )
        X = X if X.is_floating_point() else X.double()
        K, n, p = len(theta), len(X), self.count if slopes else 1
        out = X.new_zeros(len(indices), p, K, n)
        if not out.numel():
            return out
        given = torch.as_tensor(theta, dtype=X.dtype, device=X.device)
        c, sign, shift = (X.new_tensor(column)[:, None] for column in zip(*self.images, strict=True))
        program = self._program(indices, field, slopes)
        # Shapes (K, images, n), so that what does not change with the image or the member is computed once.
        values = {s: X[None, None, :, i] for i, s in enumerate(self.coordinates)}
        values |= {MIRROR: sign[None], SHIFT: shift[None]}
        if self.form is None:
            values[self.coordinates[self.axis]] = (sign * X[:, self.axis] + shift)[None]
        size = max(1, BLOCK // (n * len(c)))
        for start in range(0, K, size):
            part = slice(start, start + size)
            values |= {r.symbol: given[part, i, None, None] for i, r in enumerate(self.ranges)}
            for k, jet in enumerate(program(values)):
                factor = c * sign ** indices[k // p][self.axis] if self.form is None else c
                out[k // p, k % p, part] += (jet * factor).sum(-2)
        return out
