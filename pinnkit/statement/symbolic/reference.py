"""Reference solutions: closed forms, computed functions and tables, each with its own measured error."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import h5py
import numpy as np
import sympy as sp
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.domain.box import Domain
from pinnkit.domain.point_set import real
from pinnkit.tools.checked import SOME, Finite, NotNegative, checked
from pinnkit.tools.sympy_types import AppliedUndef

from .torch_program import Program

Axes = dict[str, np.ndarray]
CHECKSUMS = "checksums.json"  # SHA-256 of the files in the folder data, by their names


class Reference(ABC):
    """What a solution is measured against; any class with ``error`` and ``on_grid`` is one."""

    error: float  # the relative L2 error of the reference itself, its floor
    errors: Mapping[str, float] = MappingProxyType({})  # that of single fields and quantities, where it is known

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        return True if cls is Reference and hasattr(other, "on_grid") else NotImplemented

    @abstractmethod
    def on_grid(self, domain: Domain, names: Annotated[tuple[str, ...], SOME]) -> tuple[Axes, Tensor, Tensor, Tensor]:
        """The reference on a tensor grid; a column of NaN stands for what it does not hold.

        Args:
            domain: the domain.
            names: names of the fields and derived quantities.

        Returns:
            Axes by name, points (n, d), the mask (n,) of those with values, and the values (n, names).

        Raises:
            ValueError: the reference is one of other coordinates or fields, or its file cannot be read.
        """


class PointwiseReference(Reference):
    """A reference that is known at every point; any class that is also called with points is one."""

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        own = hasattr(other, "on_grid") and any("__call__" in vars(kind) for kind in other.__mro__)
        return True if cls is PointwiseReference and own else NotImplemented

    @abstractmethod
    def __call__(self, X: Tensor) -> Tensor:
        """Values at points X (n, d), shape (n, fields)."""


def errors_of(reference: Reference | None) -> Mapping[str, float]:
    """The errors that a reference knows of single fields; a class that subclasses nothing here may know none."""
    if reference is None:
        return {}
    return reference.errors if Reference in type(reference).__mro__ else getattr(reference, "errors", {})


def _grid(domain: Domain, shape: tuple[int, ...] | None = None) -> tuple[Axes, Tensor, Tensor]:
    d = len(domain.names)
    return domain.grid(shape or (201 if d < 3 else 41 if d < 4 else 21,) * d)


def _columns(names: tuple[str, ...], found: Mapping[str, Tensor], like: Tensor) -> Tensor:
    return torch.stack([found.get(name, torch.full_like(like, torch.nan)) for name in names], 1)


@checked
@dataclass(frozen=True, eq=False)
class Exact(PointwiseReference):
    """A reference solution u*(x) in closed form.

    Args:
        solution: by field, an expression of coordinates and parameters; more of them are derived quantities.
        parameters: numbers by the name of the parameter.
        error: relative L2 error of the evaluation. Default 0.

    Example:
        >>> import sympy as sp
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> u = pk.field("u", x, t)
        >>> pk.Exact({u: sp.exp(-t) * sp.sin(x)}).variables
        (x, t)
    """

    solution: Mapping[AppliedUndef, sp.Expr]
    parameters: Mapping[str, Finite] = field(default_factory=dict)
    error: NotNegative = 0.0

    @override
    def __call__(self, X: Tensor) -> Tensor:
        """Values at points X (n, d), shape (n, fields), the fields in the order of ``solution``."""
        out = self._program({s: X[:, i] for i, s in enumerate(self.variables)})
        return torch.stack([v if isinstance(v, Tensor) else torch.full_like(X[:, 0], v) for v in out], 1)

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The coordinates."""
        return next(iter(self.solution)).args

    def expression(self, u: AppliedUndef) -> sp.Expr:
        """The closed form of a field, with numbers for all parameters.

        Args:
            u: the field.

        Raises:
            ValueError: a symbol that is neither coordinate nor parameter.
        """
        e = sp.sympify(self.solution[u], strict=True)
        known = {}
        for s in sorted(e.free_symbols - set(self.variables), key=str):
            if s.name not in self.parameters:
                raise ValueError(
                    f"the closed form of {u} contains {s}, which is neither a coordinate nor among its "
                    f"parameters ({', '.join(self.parameters) or 'none'}): give its value there"
                )
            known[s] = sp.Float(self.parameters[s.name], 17)
        return e.subs(known)

    @cached_property
    def _program(self) -> Program:
        return Program([self.expression(u) for u in self.solution], self.variables)

    @override
    def on_grid(self, domain: Domain, names: Annotated[tuple[str, ...], SOME]) -> tuple[Axes, Tensor, Tensor, Tensor]:
        axes, X, mask = _grid(domain)
        found = dict(zip((str(u.func) for u in self.solution), self(X).unbind(1), strict=True))
        return axes, X, mask, _columns(names, found, X[:, 0])


def as_reference(given: Any, fields: Sequence[AppliedUndef], parameters: Mapping[str, float], where: str) -> Reference:
    """A reference as it is; an expression (of one field), or one for every field, as a closed form.

    Raises:
        TypeError: anything else.
    """
    if isinstance(given, Reference):
        return given
    if len(fields) == 1 and isinstance(given, (sp.Expr, int, float)):
        given = {fields[0]: sp.sympify(given, strict=True)}
    if isinstance(given, Mapping) and given and all(isinstance(e, (sp.Expr, int, float)) for e in given.values()):
        return Exact(given, parameters)
    raise TypeError(
        f"{where}: the reference is {given!r}: expected an expression for every field, {{u: ...}}, or a pinnkit.Exact, "
        "pinnkit.Table or pinnkit.Computed(function, error)"
    )


@checked
@dataclass(frozen=True, eq=False)
class Computed(PointwiseReference):
    """A reference solution u*(x) as a Python function.

    Args:
        function: from points (n, d) to values (n, fields); more columns are derived quantities, in their order.
        error: its relative L2 error.

    Example:
        >>> import pinnkit as pk
        >>> pk.Computed(lambda X: X[:, :1], error=1e-12).error
        1e-12
    """

    function: Callable[[Tensor], Tensor]
    error: NotNegative

    @override
    def __call__(self, X: Tensor) -> Tensor:
        found = self.function(X)
        real("the reference", found)
        return found

    @override
    def on_grid(self, domain: Domain, names: Annotated[tuple[str, ...], SOME]) -> tuple[Axes, Tensor, Tensor, Tensor]:
        axes, X, mask = _grid(domain)
        found = dict(zip(names, self(X).unbind(1), strict=False))
        return axes, X, mask, _columns(names, found, X[:, 0])


@dataclass(frozen=True, eq=False)
class Sampled(Reference):
    """Another reference by its values at the nodes of its grid: what a file holds of what it cannot hold itself.

    ``values`` has columns (n,) by name, ``mask`` (n,) says which nodes lie inside the domain, n over all nodes.
    """

    axes: Mapping[str, np.ndarray]
    mask: Tensor
    values: Mapping[str, Tensor]
    error: float
    errors: Mapping[str, float] = field()

    @classmethod
    def of(cls, reference: Reference, domain: Domain, names: tuple[str, ...]) -> "Sampled":
        """The reference on its own grid; columns that it does not hold are left out."""
        axes, _, mask, values = reference.on_grid(domain, names)
        found = {n: c.clone() for n, c in zip(names, values.unbind(1), strict=True) if not c.isnan().all()}
        own = {n: float(e) for n, e in errors_of(reference).items()}
        return cls(axes, mask, found, float(reference.error), own or dict.fromkeys(found, float(reference.error)))

    @override
    def on_grid(self, domain: Domain, names: Annotated[tuple[str, ...], SOME]) -> tuple[Axes, Tensor, Tensor, Tensor]:
        if tuple(self.axes) != domain.names:
            raise ValueError(f"the reference is by ({', '.join(self.axes)}), the domain by ({', '.join(domain.names)})")
        X = torch.as_tensor(np.stack([m.ravel() for m in np.meshgrid(*self.axes.values(), indexing="ij")], 1))
        return dict(self.axes), X, self.mask, _columns(names, self.values, X[:, 0])


@checked
@dataclass(frozen=True, eq=False)
class Table(Reference):
    """A reference solution on a tensor grid, in an HDF5 file of the folder ``data``.

    Args:
        file: name of the file.

    Example:
        >>> import pinnkit as pk
        >>> burgers = pk.Table("burgers.h5")
        >>> burgers.error < 1e-6
        True
    """

    file: str

    @cached_property
    def _path(self) -> Path:
        """The file, once it is known to be the one that was written: HDF5 alone reads many a damaged one."""
        path = data_file(self.file)
        listed = path.with_name(CHECKSUMS)
        try:
            known = json.loads(listed.read_text()).get(self.file) if listed.exists() else None
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} or {listed} cannot be read ({error}): renew them by `make data`") from error
        if known not in (None, found):
            raise ValueError(f"{path} is damaged (its checksum is not that in {CHECKSUMS}): renew it by `make data`")
        return path

    @cached_property
    def _content(self) -> tuple[dict, Axes, dict[str, np.ndarray]]:
        path = self._path
        try:
            with h5py.File(path) as h5:
                attributes = dict(h5.attrs)
                if attributes.get("format") != "pinnkit-reference":
                    raise ValueError(f"{path} is not a reference written by pinnkit")
                names = json.loads(attributes["coordinates"])
                axes = {n: h5[n][:] for n in names}
                values = {n: h5[n][:] for n in h5 if n not in names and isinstance(h5[n], h5py.Dataset)}
                return attributes, axes, values
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error}): regenerate it with `make data`") from error

    @property
    def error(self) -> float:  # type: ignore[override]  # references are only read
        """The measured relative L2 error of the table, of its worst field."""
        return float(self._content[0]["error"])

    @property
    def errors(self) -> dict[str, float]:  # type: ignore[override]  # as above
        """The measured relative L2 error of every field."""
        attributes, _, values = self._content
        return json.loads(attributes["errors"]) if "errors" in attributes else dict.fromkeys(values, self.error)

    @property
    def quantities(self) -> dict[str, float]:
        """Numbers that were computed from the same solution, such as a drag coefficient, and their errors."""
        return json.loads(self._content[0].get("quantities", "{}"))

    def part(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of one part of the file, such as stresses along a wall.

        Args:
            name: name of the part.

        Returns:
            Arrays by name.

        Raises:
            ValueError: no such part.
        """
        with h5py.File(self._path) as h5:
            groups = [n for n in h5 if isinstance(h5[n], h5py.Group)]
            if name not in groups:
                raise ValueError(f"{self.file} has no part {name!r}: its parts are {', '.join(groups) or 'none'}")
            return {n: h5[name][n][:] for n in h5[name]}

    @property
    def method(self) -> str:
        """How the table was computed."""
        return str(self._content[0]["method"])

    @override
    def on_grid(self, domain: Domain, names: Annotated[tuple[str, ...], SOME]) -> tuple[Axes, Tensor, Tensor, Tensor]:
        _, axes, values = self._content
        if tuple(axes) != domain.names or not set(names) & set(values):
            raise ValueError(
                f"{self.file} holds {', '.join(values)} by ({', '.join(axes)}): expected {', '.join(names)} "
                f"by ({', '.join(domain.names)})"
            )
        X = torch.as_tensor(np.stack([m.ravel() for m in np.meshgrid(*axes.values(), indexing="ij")], 1))
        found = {n: torch.as_tensor(values[n].ravel()) for n in names if n in values}
        for name, column in found.items():
            real(f"{self.file}, {name}", column)
        mask = torch.stack(list(found.values())).isfinite().all(0) & domain.inside(X)
        return axes, X, mask, _columns(names, found, X[:, 0])


def data_file(name: str) -> Path:
    """The path of a file in ``data``: of the installed package, or of the checkout around it.

    Raises:
        ValueError: no such file, or a name that leads out of the folder.
    """
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no file of the folder data: give its bare name")
    package = Path(__file__).parents[2]
    for folder in (package / "_shipped" / "data", package.parent / "data"):
        if (folder / name).exists():
            return folder / name
    raise ValueError(f"the data file {name} is missing: regenerate it with `make data`")
