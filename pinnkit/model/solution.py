"""A solution: problem, network and trained parameters, with all that training left behind; a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet, real
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.place import data
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.checked import SOME, Device, Named, NotNegative, Places, checked
from pinnkit.tools.followed import followed

from .fields import Fields
from .fields_module import FieldsModule
from .history import History
from .model import Model
from .rows import block_size
from .stack import Stack


@checked
@dataclass(frozen=True, eq=False, repr=False)
class Solution(Fields):
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

    def __repr__(self) -> str:
        return f"Solution({self.problem.name}, {type(self.network).__name__}, {len(self.theta)} parameters)"

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
        key = tuple(map(sp.sympify, expressions))
        X = torch.as_tensor(X)
        if followed(X):
            return self._module(key)(X)
        real("points", X)
        if X.ndim != 2 or X.shape[1] != len(self.problem.domain.names):
            raise ValueError(
                f"expected points of shape (n, {len(self.problem.domain.names)}) with the coordinates "
                f"{', '.join(self.problem.domain.names)}, got {tuple(X.shape)}"
            )
        return self._rows(self._readout(key), PointSet(X.to(self.theta))).T

    def _readout(self, key: tuple[sp.Expr, ...]) -> ResidualProgram:
        if key not in self._readouts:
            self._readouts[key] = self.model.program([Residual(str(i), e, data("at")) for i, e in enumerate(key)])
        return self._readouts[key]

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
        return self._rows(self.model.program_of(key), points.to(self.theta))

    def _rows(self, program: Any, points: PointSet) -> Tensor:
        network, unknowns = self.model.split(self.theta)
        blocks = []
        size = block_size(self.model.tape, program)
        for start in range(0, len(points), size):
            block = points[start : start + size]
            N, _ = self.model.tape.sweep(network, program.at(block), program.channels)
            blocks.append(program.values(N, block, unknowns))
        return torch.cat(blocks, 1) if blocks else self.theta.new_empty(len(program.names), 0)

    def module(self, names: Named | None = None) -> torch.nn.Module:
        """Fields and derivatives as a torch module from points (n, d) to (n, names), with theta as its one parameter.

        It consists of torch operations alone: `torch.export`, `torch.jit.trace`, `torch.compile` and ONNX take it.

        Args:
            names: names as in :meth:`jet`, such as "u u_x". Default None: the fields.

        Raises:
            ValueError: a name that is no field, or a derivative by something that is no coordinate.
            TypeError: a network of the caller's own that torch cannot follow.
        """
        fields = tuple(self.problem.fields)
        key = fields if names is None else tuple(self.derivative(n) for n in names.replace(",", " ").split())
        return FieldsModule(self.model, self.theta, self._readout(key))

    def _module(self, key: tuple[sp.Expr, ...]) -> FieldsModule:
        if key not in self._modules:
            self._modules[key] = FieldsModule(self.model, self.theta, self._readout(key))
        return self._modules[key]

    @cached_property
    def _modules(self) -> dict:
        return {}

    def to(self, device: Device) -> "Solution":
        """The same solution on another device, without the state of training.

        Args:
            device: the torch device.
        """
        return replace(self, theta=self.theta.to(device), points=self.points.to(device=device), progress=None)
