"""A solution: problem, network and trained parameters, with all that training left behind; a value."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import real
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.conditions import PointSet, Residual
from pinnkit.statement.symbolic.lowering import differentiate, parse_index
from pinnkit.statement.symbolic.reference import Axes
from pinnkit.tools.checked import NotNegative, checked

from .fits import far
from .history import History
from .stack import Model, Stack, block_size


@checked
@dataclass(frozen=True, eq=False)
class Solution:
    """theta (P,) of a model, the points and weights it was trained with, its history and the optimiser's state."""

    model: Model
    theta: Tensor
    points: Points
    weights: Mapping[str, NotNegative] = field(default_factory=dict)
    history: History = field(default_factory=History)
    stops: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    progress: Any = None  # where training stands, what pinnkit.resume goes on from
    versions: Mapping[str, str] = field(default_factory=dict)
    rounds: Mapping[int, Points] = field(default_factory=dict)  # points by the iteration they were drawn at, a few

    @property
    def problem(self) -> Problem:
        """The problem that was solved."""
        return self.model.problem

    @property
    def network(self) -> Any:
        """The network's shape."""
        return self.model.network

    @cached_property
    def stack(self) -> Stack:
        """The rows that were trained on."""
        return self.model.stack(self.points, self.weights)

    @property
    def term_weights(self) -> dict[str, float]:
        """w_k of every term."""
        return self.stack.weights

    @property
    def unknowns(self) -> dict[str, float]:
        """The trained coefficients of an inverse problem."""
        values = self.model.coefficients(self.theta)
        return dict(zip(self.problem.unknowns, map(float, values), strict=True))

    def __call__(self, X: Tensor | np.ndarray) -> Tensor:
        """The fields at points X (n, d), shape (n, fields); a warning where some lie far outside the domain."""
        if said := far(self.problem, X):
            warnings.warn(said, stacklevel=2)
        return self.evaluate(list(self.problem.fields), X)

    def jet(self, X: Tensor | np.ndarray, names: str) -> tuple[Tensor, ...] | Tensor:
        """Fields and derivatives by name at points X (n, d): ``u, u_xx = solution.jet(X, "u u_xx")``, each (n,).

        Raises:
            ValueError: a name that is not a field, or a derivative by something that is not a coordinate.
        """
        expressions = [self.derivative(name) for name in names.replace(",", " ").split()]
        columns = self.evaluate(expressions, X).unbind(1)
        return columns if len(columns) > 1 else columns[0]

    def derivative(self, name: str) -> sp.Expr:
        """The expression that a name such as u, u_x or v_xy stands for, u a field or derived; else ValueError."""
        fields = self.problem.outputs
        u, _, suffix = (name, "", "") if name in fields else name.partition("_")
        if u not in fields or (name not in fields and not suffix):
            known = ", ".join(fields)
            raise ValueError(f"{name!r}: the fields are {known}, their derivatives like {next(iter(fields))}_x")
        index = parse_index(suffix, self.problem.domain.names)
        return differentiate(fields[u], index, self.problem.variables)

    def evaluate(self, expressions: Sequence[sp.Expr], X: Tensor | np.ndarray) -> Tensor:
        """Any expressions in fields, their derivatives and coordinates at points X (n, d), shape (n, expressions)."""
        X = torch.as_tensor(X)
        real("points", X)
        if X.ndim != 2 or X.shape[1] != len(self.problem.domain.names):
            raise ValueError(
                f"expected points of shape (n, {len(self.problem.domain.names)}) with the coordinates "
                f"{', '.join(self.problem.domain.names)}, got {tuple(X.shape)}"
            )
        key = tuple(map(sp.sympify, expressions))
        if key not in self._readouts:
            self._readouts[key] = self.model.readout([Residual(str(i), e, "at") for i, e in enumerate(key)])
        return self._rows(self._readouts[key], PointSet(X.to(self.theta))).T

    @cached_property
    def _readouts(self) -> dict:
        return {}

    def rows(self, key: str, points: PointSet) -> Tensor:
        """The residuals of one point set's terms at any points, shape (terms, n)."""
        return self._rows(self.model.readouts[key], points.to(self.theta))

    def _rows(self, readout: Any, points: PointSet) -> Tensor:
        network, unknowns = self.model.split(self.theta)
        blocks = []
        size = block_size(self.model.tape, readout)
        for start in range(0, len(points), size):
            block = points[start : start + size]
            X = block.X if readout.images == 1 or block.image is None else torch.cat([block.X, block.image])
            blocks.append(readout.values(self.model.tape.sweep(network, X, readout.channels)[0], block, unknowns))
        return torch.cat(blocks, 1)

    def on_grid(self) -> tuple[Axes, Tensor, Tensor | None]:
        """Axes of a grid, predictions and reference values (None without a reference), each (..., outputs).

        Outputs are the problem's fields and derived quantities. Points outside the domain hold NaN, and so do
        values that the reference does not have.
        """
        reference, outputs = self.problem.reference, self.problem.outputs
        d = len(self.problem.domain.names)
        if reference is None:
            axes, X, mask = self.problem.domain.grid((101 if d < 3 else 25,) * d)
            values = None
        else:
            axes, X, mask, values = reference.on_grid(self.problem.domain, tuple(outputs))
        shape = (*(len(a) for a in axes.values()), len(outputs))
        predicted = torch.full((len(X), shape[-1]), torch.nan, dtype=torch.float64)
        predicted[mask] = self.evaluate(list(outputs.values()), X[mask]).cpu().double()
        if values is not None:
            values = torch.where(mask[:, None], values, torch.nan).view(shape)
        return axes, predicted.view(shape), values

    def errors(self) -> dict[str, dict[str, float]]:
        """Per output of the reference: relative L2 error |u - u*| / |u*| over its grid and the largest |u - u*|.

        Of a reference that is zero everywhere the relative error is NaN: there is nothing to compare with.

        Raises:
            ValueError: where the problem has no reference.
        """
        if self.problem.reference is None:
            raise ValueError(f"{self.problem.name} has no reference for these parameters: an error cannot be measured")
        _, predicted, values = self.on_grid()
        found = {}
        assert values is not None  # there is a reference
        for i, name in enumerate(self.problem.outputs):
            u, v = predicted[..., i], values[..., i]
            inside = torch.isfinite(v)
            if not inside.any():
                continue
            gap, size = (u - v)[inside], float(v[inside].norm())
            relative = float(gap.norm()) / size if size else float("nan")
            found[name] = {"relative_l2": relative, "max": float(gap.abs().max())}
        return found

    def module(self) -> torch.nn.Module:
        """The trained fields as a torch module of points (n, d); its parameters are one vector theta."""
        return _Module(self)

    def to(self, device: Any) -> "Solution":
        """The same solution on another device; the optimiser's state is left behind."""
        return replace(self, theta=self.theta.to(device), points=self.points.to(device=device), progress=None)

    def grid_arrays(self) -> dict[str, np.ndarray]:
        """Axes, prediction and error as arrays, for files and pictures."""
        axes, predicted, values = self.on_grid()
        arrays = dict(axes)
        for i, name in enumerate(self.problem.outputs):
            arrays[f"{name}:prediction"] = predicted[..., i].numpy()
            if values is not None:
                arrays[f"{name}:error"] = (predicted - values)[..., i].numpy()
        return arrays


class _Module(torch.nn.Module):
    def __init__(self, solution: Solution) -> None:
        super().__init__()
        self._solution = solution
        self.theta = torch.nn.Parameter(solution.theta.clone(), requires_grad=False)

    def forward(self, X: Tensor) -> Tensor:
        """The fields at points X (n, d)."""
        return replace(self._solution, theta=self.theta.detach())(X)
