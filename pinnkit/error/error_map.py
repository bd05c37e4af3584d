"""A predicted error: what :func:`pinnkit.error_map` finds, its file, its words."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.model.fields import Fields
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.reference import Axes
from pinnkit.tools import hdf5
from pinnkit.tools.checked import checked
from pinnkit.tools.hdf5 import Json
from pinnkit.tools.renamed import renamed
from pinnkit.tools.saved import Saved

from .tangent_space import TangentSpace


class Predicted(Saved):
    """Words for a predicted error: estimates by field, their intervals, a verdict."""

    relative_l2: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]
    explained: float
    rows: int
    verdict: str
    notes: tuple[str, ...]
    solution: Fields

    @abstractmethod
    def _moved(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """The predicted error and the corrected fields at points X (n, d), (n, fields) each, on the CPU."""

    def on_grid(self) -> tuple[Axes, Tensor, Tensor]:
        """The predicted error and the corrected fields on the grid of the solution.

        Returns:
            The axes by name, the error and the corrected fields, (..., fields) each. NaN outside the domain.
        """
        axes, u, _ = self.solution.on_grid()
        nodes = torch.as_tensor(np.stack([m.ravel() for m in np.meshgrid(*axes.values(), indexing="ij")], 1))
        inside = torch.isfinite(u).all(-1).reshape(-1)
        shape = (*u.shape[:-1], len(self.solution.problem.fields))  # derived quantities have no estimate
        found = torch.full((2, len(nodes), shape[-1]), torch.nan, dtype=torch.float64)
        found[0, inside], found[1, inside] = self._moved(nodes[inside])
        return axes, found[0].view(shape), found[1].view(shape)

    def _grid(self) -> dict[str, Any]:
        """What files hold of the map on the grid."""
        axes, error, corrected = self.on_grid()
        grid: dict[str, Any] = dict(axes)
        for i, name in enumerate(self.solution.problem.field_names):
            grid |= {f"{name}:predicted error": error[..., i], f"{name}:corrected": corrected[..., i]}
        return grid

    @property
    def unknowns(self) -> dict[str, float]:
        """The corrected coefficients; none here."""
        return {}

    @property
    def trusted(self) -> bool:
        """Whether the verdict is "trust"."""
        return self.verdict == "trust"

    def __str__(self) -> str:
        lines = [f"estimated relative L2 error of {name}: {text}" for name, text in self.texts().items()]
        lines += [f"coefficient {name}: {v:.10g} corrected" for name, v in self.unknowns.items()]
        lines.append(f"verdict: {self.verdict}")
        lines.append(f"explained: {self.explained:.3%} of the residual on fresh points, by {self.rows} rows")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def texts(self) -> dict[str, str]:
        """The estimates in words, by field, with intervals where the verdict is to trust them."""
        found = {}
        for name, value in self.relative_l2.items():
            low, high = self.interval[name]
            found[name] = f"{value:.1e}" + (f" ({low:.1e} to {high:.1e})" if self.trusted else "")
        return found


@renamed(doubt="estimate_error")
@checked
@dataclass(frozen=True, eq=False)
class ErrorMap(Predicted):
    """The predicted error e = u - u* of a solution, e = -J_u delta, and the corrected fields u - e.

    Args:
        solution: the solution u, which stays as it is.
        delta: change of its parameters (P,), double precision.
        relative_l2: by field, the estimate of |u - u*| / |u*| over the grid of the solution.
        interval: by field, bounds of that error; empty unless the verdict is to trust it.
        explained: share of the mean |residual| on fresh points that the corrected fields have lost.
        estimate_error: the largest of the share left, the change of e as the damping changes by 100, and the rounding
            in the residual.
        damping: the ridge that was added.
        rows: number of residual rows that were used.
        verdict: "trust", or the reason why not.
        notes: what limits the result.
        parts: by field, what the estimate consists of (:class:`pinnkit.error.verdict.ErrorParts`).
        blind: the change of parameters (P,) that changes u most for how little it changes the residuals.
        cpu_s: seconds of CPU time.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> pk.error_map(u, n=300).error(u.points["pde"].X).shape
        torch.Size([100, 1])
    """

    FORMAT: ClassVar[str] = "pinnkit-error-map"

    solution: Solution
    delta: Tensor  # (P,), double
    relative_l2: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]
    explained: float
    estimate_error: float
    damping: float
    rows: int
    verdict: str
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    blind: Tensor | None = None  # (P,), double
    cpu_s: float = 0.0

    @property
    def undetermined(self) -> bool:
        """Whether the verdict says that some change of u meets equations and conditions as well as u does."""
        return self.blind is not None and "undetermined" in self.verdict

    @property
    def unknowns(self) -> dict[str, float]:
        """The corrected coefficients of an inverse problem."""
        moved = self._space.model.coefficients(self.delta).tolist()
        return {name: v + d for (name, v), d in zip(self.solution.unknowns.items(), moved, strict=True)}

    def error(self, X: Tensor) -> Tensor:
        """The predicted error u - u* at points.

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            A tensor (n, fields) in the dtype of X.

        Raises:
            ValueError: points of another shape.
        """
        return -self._space.fields(X, self.delta)[1].to(X)

    def corrected(self, X: Tensor) -> Tensor:
        """The corrected fields u + J_u delta at points, shape (n, fields).

        Args:
            X: points (n, d), as for :meth:`error`.
        """
        u, moved = self._space.fields(X, self.delta)
        return (u + moved).to(X)

    def unseen(self, X: Tensor) -> Tensor:
        """The change of u that the residuals notice least, scaled to the relative rms size 1.

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            A tensor (n, fields).

        Raises:
            ValueError: points of another shape, or a map of an early version, which does not hold it.
        """
        if self.blind is None:
            raise ValueError("this map has no blind direction: it was stored by an earlier version")
        return self._space.fields(X, self.blind)[1].to(X)

    def _moved(self, X: Tensor) -> tuple[Tensor, Tensor]:
        v, moved = self._space.fields(X, self.delta)
        return -moved.cpu(), (v + moved).cpu()

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, texts, lists and dicts."""
        return {
            "relative_l2": dict(self.relative_l2), "interval": {k: list(v) for k, v in self.interval.items()},
            "explained": self.explained, "estimate_error": self.estimate_error,
            "verdict": self.verdict, "unknowns": self.unknowns,
            "damping": self.damping, "rows": self.rows, "notes": list(self.notes), "cpu_s": self.cpu_s,
            "parts": {name: dict(part) for name, part in self.parts.items()},
        }  # fmt: skip

    @override
    def _tree(self) -> hdf5.Tree:
        tree = {"figures": Json(self.to_dict()), "delta": self.delta, "theta": self.solution.theta}
        tree |= {} if self.blind is None else {"blind": self.blind}
        return tree | {"problem": self.solution.problem.name, "grid": self._grid()}

    @classmethod
    def load(cls, path: str | Path, solution: Solution) -> "ErrorMap":
        """Read the map of a solution from a file of :meth:`save`.

        Args:
            path: the file.
            solution: the solution whose map it is.

        Returns:
            The map.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: a damaged or foreign file, or the map of another solution.
        """
        tree = hdf5.read(path, cls.FORMAT, cls.VERSION)
        with hdf5.as_written(path, "ErrorMap.save"):
            theta = solution.theta.detach().cpu()
            if tree["theta"].shape != theta.shape or not torch.equal(tree["theta"].to(theta), theta):
                raise ValueError(
                    f"{path} maps the error of another solution of {tree['problem']!r}: give the one that it was "
                    "made of"
                )
            found = {k: v for k, v in tree["figures"].items() if k != "unknowns"}
            if "doubt" in found:  # the name in files of before
                found["estimate_error"] = found.pop("doubt")
            found["interval"] = {k: tuple(v) for k, v in found["interval"].items()}
            found["notes"] = tuple(found["notes"])
            blind = tree["blind"].to(solution.theta.device) if "blind" in tree else None
            return cls(solution, tree["delta"].to(solution.theta.device), blind=blind, **found)

    @cached_property
    def _space(self) -> TangentSpace:
        return TangentSpace(self.solution)
