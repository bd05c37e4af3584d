"""A solution: problem, network and trained parameters, with all that training left behind; a value."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet, real
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.fields import differentiate, parse_index
from pinnkit.statement.symbolic.place import data
from pinnkit.statement.symbolic.reference import Axes
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.checked import SOME, Device, Named, NotNegative, Places, checked

from .fits import far
from .history import History
from .model import Model
from .rows import block_size
from .stack import Stack


@checked
@dataclass(frozen=True, eq=False)
class Solution:
    """A trained solution u(x; theta), with the points, weights and history of its training.

    Calling it evaluates the fields at points (n, d). :func:`solve` makes it.

    Args:
        model: the problem with the network.
        theta: parameters (P,).
        points: training points by set.
        weights: weights of the loss by term. Default: 1.
        history: losses and errors at the logged iterations.
        stops: why each stage ended.
        notes: what limits the solution.
        progress: the state of training, from which :func:`resume` continues. Default None: there is none.
        versions: versions of the libraries.
        rounds: training points by the iteration at which they were drawn; a few rounds are kept.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> X = u.problem.domain.sample(4)
        >>> u(X).shape, u.jet(X, "u_xx").shape
        (torch.Size([4, 1]), torch.Size([4]))
    """

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

    def __call__(self, X: Places) -> Tensor:
        """The fields at points X (n, d), shape (n, fields); a warning where some lie far outside the domain."""
        if said := far(self.problem, X):
            warnings.warn(said, stacklevel=2)
        return self.evaluate(list(self.problem.fields), X)

    def jet(self, X: Places, names: Named) -> tuple[Tensor, ...] | Tensor:
        """Fields and derivatives by name at points: ``u, u_xx = solution.jet(X, "u u_xx")``.

        Args:
            X: points (n, d), coordinates in the order of the domain.
            names: names, with spaces between them.

        Returns:
            A tensor (n,) for every name; a single one for one name.

        Raises:
            ValueError: a name that is no field, or a derivative by something that is no coordinate.
        """
        expressions = [self.derivative(name) for name in names.replace(",", " ").split()]
        columns = self.evaluate(expressions, X).unbind(1)
        return columns if len(columns) > 1 else columns[0]

    def derivative(self, name: str) -> sp.Expr:
        """The expression of a name such as u, u_x or v_xy, where u is a field or a derived quantity.

        Args:
            name: the name.

        Raises:
            ValueError: no such field or coordinate.
        """
        fields = self.problem.outputs
        u, _, suffix = (name, "", "") if name in fields else name.partition("_")
        if u not in fields or (name not in fields and not suffix):
            known = ", ".join(fields)
            raise ValueError(f"{name!r}: the fields are {known}, their derivatives like {next(iter(fields))}_x")
        index = parse_index(suffix, self.problem.domain.names)
        return differentiate(fields[u], index, self.problem.variables)

    def evaluate(self, expressions: Annotated[Sequence[sp.Expr], SOME], X: Places) -> Tensor:
        """Values at points of expressions in fields, their derivatives and coordinates.

        Args:
            expressions: SymPy expressions.
            X: points (n, d), coordinates in the order of the domain; a tensor or a NumPy array.

        Returns:
            A tensor (n, expressions).

        Raises:
            ValueError: points of another shape, or a name that is no field, coordinate or parameter.
        """
        X = torch.as_tensor(X)
        real("points", X)
        if X.ndim != 2 or X.shape[1] != len(self.problem.domain.names):
            raise ValueError(
                f"expected points of shape (n, {len(self.problem.domain.names)}) with the coordinates "
                f"{', '.join(self.problem.domain.names)}, got {tuple(X.shape)}"
            )
        key = tuple(map(sp.sympify, expressions))
        if key not in self._readouts:
            self._readouts[key] = self.model.readout([Residual(str(i), e, data("at")) for i, e in enumerate(key)])
        return self._rows(self._readouts[key], PointSet(X.to(self.theta))).T

    @cached_property
    def _readouts(self) -> dict:
        return {}

    def rows(self, key: str, points: PointSet) -> Tensor:
        """The residuals of the terms of one point set at any points.

        Args:
            key: name of the point set, as "pde".
            points: n points of that set.

        Returns:
            A tensor (terms, n).
        """
        return self._rows(self.model.readout_of(key), points.to(self.theta))

    def _rows(self, readout: Any, points: PointSet) -> Tensor:
        network, unknowns = self.model.split(self.theta)
        blocks = []
        size = block_size(self.model.tape, readout)
        for start in range(0, len(points), size):
            block = points[start : start + size]
            X = block.X if readout.images == 1 or block.image is None else torch.cat([block.X, block.image])
            blocks.append(readout.values(self.model.tape.sweep(network, X, readout.channels)[0], block, unknowns))
        return torch.cat(blocks, 1) if blocks else self.theta.new_empty(len(readout.names), 0)

    def on_grid(self) -> tuple[Axes, Tensor, Tensor | None]:
        """Predictions and reference on a grid, for fields and derived quantities.

        Returns:
            Axes by name, predictions and reference values (..., outputs); the last is None without a reference. NaN
            outside the domain and where the reference has no value.
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
        """The errors |u - u*| / |u*| in L2 and max |u - u*| over the grid of the reference.

        Returns:
            By field or derived quantity, the numbers "relative_l2" (NaN if the reference is zero) and "max".

        Raises:
            ValueError: the problem has no reference.
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
        """The fields as a torch module from points (n, d) to (n, fields), with theta as its one parameter."""
        return _Module(self)

    def to(self, device: Device) -> "Solution":
        """The same solution on another device, without the state of training.

        Args:
            device: the torch device.
        """
        return replace(self, theta=self.theta.to(device), points=self.points.to(device=device), progress=None)

    def grid_arrays(self) -> dict[str, np.ndarray]:
        """Axes, predictions and errors on the grid as arrays by name, for files and pictures."""
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
