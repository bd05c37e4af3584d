"""Fields that can be asked for: values and derivatives at points, on a grid, beside the reference."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.complex_fields import IM, RE
from pinnkit.statement.symbolic.notation import differentiate, parse_index
from pinnkit.statement.symbolic.reference import Axes
from pinnkit.tools.checked import SOME, Named, Places, checked
from pinnkit.tools.followed import followed
from pinnkit.tools.pickled import Pickled

from .given_points import GivenPoints, outside
from .tables import Gridded


@checked
class Fields(Pickled, Gridded):
    """Approximate fields of a problem, all that follows from values of expressions at points."""

    if TYPE_CHECKING:  # a field of one class, a property of the other

        @property
        def problem(self) -> Problem:
            """The problem that the fields solve."""

    @abstractmethod
    def evaluate(self, expressions: Annotated[Sequence[sp.Expr], SOME], X: Places) -> Tensor:
        """Values at points of expressions in fields, their derivatives and coordinates.

        Args:
            expressions: SymPy expressions.
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            A tensor (n, expressions).
        """

    def __call__(self, X: Any = None, /, **coordinates: Any) -> Any:
        """The fields at points; a warning, once, where some lie outside the domain.

        Args:
            X: points (n, d), coordinates in the order of the domain: a tensor or a NumPy array.
            coordinates: in the place of X all coordinates by name, ``u(x=0.5, t=times)``: numbers or arrays, which are
                broadcast against each other.

        Returns:
            (n, fields), or with names (..., fields) in their common shape; NumPy's for NumPy's, else a tensor.

        Raises:
            TypeError: neither points nor all coordinates, or a name that is none.
            ValueError: points or coordinates of another shape.
        """
        given = GivenPoints.of(self.problem.domain, type(self).__name__, X, coordinates)
        self._say_outside(given.X)
        return given.back(self.evaluate(list(self.problem.fields), given.X))

    def _say_outside(self, X: Tensor) -> None:
        if followed(X) or self._said:
            return
        if said := outside(self.problem.domain, X):
            self._said.append(said)
            warnings.warn(said, stacklevel=4)

    @cached_property
    def _said(self) -> list[str]:
        return []

    def jet(self, X: Any, names: Named) -> Any:
        """Fields and derivatives by name at points: ``u, u_xx = solution.jet(X, "u u_xx")``.

        Args:
            X: points (n, d), coordinates in the order of the domain; or a mapping of all coordinates by name, as
                ``{"x": 0.5, "t": times}``, which are broadcast against each other.
            names: names, with spaces between them.

        Returns:
            A tensor (n,) for every name, in the shape of coordinates by name; a single one for one name. NumPy's for
            NumPy's.

        Raises:
            TypeError: no points, or a coordinate that is missing.
            ValueError: a name that is no field, or a derivative by something that is no coordinate.
        """
        whole = {str(u.func): pair for u, pair in self.problem.complex_fields.items()}
        asked: list[list[str]] = []
        for name in names.replace(",", " ").split():
            head, _, suffix = name.partition("_")
            part = any(name == head + end or name.startswith(f"{head}{end}_") for end in (RE, IM))
            own = None if part or name in self.problem.outputs else whole.get(head)
            asked.append([name] if own is None else [f"{u.func}_{suffix}".rstrip("_") for u in own])
        given = GivenPoints.of(self.problem.domain, f"{type(self).__name__}.jet", X)
        self._say_outside(given.X)
        values = iter(self.evaluate([self.derivative(n) for one in asked for n in one], given.X).unbind(1))
        columns = [next(values) if len(one) == 1 else torch.complex(next(values), next(values)) for one in asked]
        found = tuple(map(given.back, columns))
        return found if len(found) > 1 else found[0]

    def derivative(self, name: str) -> sp.Expr:
        """The expression of a name such as u, u_x or v_xy, where u is a field or a derived quantity.

        Args:
            name: the name.

        Raises:
            ValueError: no such field or coordinate.
        """
        fields = self.problem.outputs
        heads = [u for u in fields if name.startswith(f"{u}_")]
        u = name if name in fields else max(heads, key=len, default=name.partition("_")[0])
        suffix = name[len(u) + 1 :]
        if u not in fields or (name not in fields and not suffix):
            known = ", ".join(fields)
            raise ValueError(f"{name!r}: the fields are {known}, their derivatives like {next(iter(fields))}_x")
        index = parse_index(suffix, self.problem.domain.names)
        return differentiate(fields[u], index, self.problem.variables)

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

    def _outputs(self) -> tuple[str, ...]:
        return tuple(self.problem.outputs)

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

    def grid_arrays(self) -> dict[str, np.ndarray]:
        """Axes, predictions and errors on the grid as arrays by name, for files and pictures."""
        axes, predicted, values = self.on_grid()
        arrays = dict(axes)
        for i, name in enumerate(self.problem.outputs):
            arrays[f"{name}:prediction"] = predicted[..., i].numpy()
            if values is not None:
                arrays[f"{name}:error"] = (predicted - values)[..., i].numpy()
        return arrays
