"""How wrong a march is: windows begun anew at corrected ends, and how far grows what their maps do not see."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.model.march import March, begun, continued, time_axis, time_of
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem
from pinnkit.tools import hdf5
from pinnkit.tools.checked import checked
from pinnkit.tools.hdf5 import Json

from .error_map import ErrorMap, Predicted
from .moved import moved
from .verdict import LARGE, REACH, ErrorParts

STEP = 1e-4  # relative change of what is handed over, by which its growth through a window is measured
TIMES, NODES = 9, 128  # of a window at which its growth is looked at, and points of space there
FLOOR = 1e-14  # relative error of a window, at least

Mapped = Callable[[Solution], ErrorMap]


@checked
@dataclass(frozen=True, eq=False)
class MarchErrorMap(Predicted):
    """The predicted error e = u - u* of a march, and the corrected fields u - e.

    Args:
        solution: the march u, which stays as it is.
        correction: the same windows, each begun at the corrected end of the one before and corrected.
        relative_l2: by field, the estimate of |u - u*| / |u*| over the grid of the march.
        interval: by field, bounds of that error.
        growth: by window, the factor by which it makes a small change of its initial condition grow.
        explained: share of the mean |residual| on fresh points that the corrected fields have lost, at least.
        verdict: "trust", or the reason why not.
        rows: number of residual rows that were used.
        notes: what limits the result.
        cpu_s: seconds of CPU time.
    """

    FORMAT: ClassVar[str] = "pinnkit-march-error-map"

    solution: March
    correction: March
    relative_l2: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]
    growth: tuple[float, ...]
    explained: float
    verdict: str
    rows: int
    notes: tuple[str, ...] = ()
    cpu_s: float = 0.0

    @property
    def undetermined(self) -> bool:
        """Whether a window's verdict says that it is not determined."""
        return "undetermined" in self.verdict

    def error(self, X: Tensor) -> Tensor:
        """The predicted error u - u* at points.

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            A tensor (n, fields) in the dtype of X.
        """
        fields = list(self.solution.problem.fields)
        return (self.solution.evaluate(fields, X) - self.correction.evaluate(fields, X)).to(X)

    def corrected(self, X: Tensor) -> Tensor:
        """The corrected fields at points.

        Args:
            X: points (n, d), coordinates in the order of the domain.

        Returns:
            A tensor (n, fields) in the dtype of X.
        """
        return self.correction.evaluate(list(self.solution.problem.fields), X).to(X)

    def _moved(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self.error(X), self.corrected(X)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, texts, lists and dicts."""
        return {
            "relative_l2": dict(self.relative_l2), "interval": {k: list(v) for k, v in self.interval.items()},
            "growth": list(self.growth), "explained": self.explained, "verdict": self.verdict, "rows": self.rows,
            "notes": list(self.notes), "cpu_s": self.cpu_s, "edges": list(self.solution.edges),
        }  # fmt: skip

    @override
    def _tree(self) -> hdf5.Tree:
        return {"figures": Json(self.to_dict()), "problem": self.solution.problem.name, "grid": self._grid()}


def march_error_map(march: March, mapped: Mapped) -> MarchErrorMap:
    """The error map of a march by those of its windows.

    Each window is begun anew, with its own parameters, at the corrected end of the one before: what its map sees there
    is its own error and all that was handed to it. What a map does not see is handed on too, and grows: a small change
    of what is handed over, in the direction that the windows before have turned it to, measures by how much.
    """
    began, size = time.process_time(), _sizes(march)
    maps: list[ErrorMap] = []
    done: list[Solution] = []
    unseen, growths, handed, squares = 0.0, [], _Handed(march.problem, mapped, size), 0.0
    for s in march.windows:
        maps.append(mapped(begun(s, march.problem, done[-1]) if done else s))
        low, high = time_of(s.problem.domain)
        end, most = handed.through(s, done[-1], moved(maps[-1]), low) if done else (1.0, 1.0)
        done.append(moved(maps[-1]))
        own = _unseen(maps[-1], done[-1], size)
        growths.append(end)
        squares += (high - low) * (own + most * unseen) ** 2
        unseen = own + end * unseen
    whole = math.sqrt(squares / (march.edges[-1] - march.edges[0]))
    correction = March(march.problem, tuple(done))
    seen = _seen(march, correction)
    return MarchErrorMap(
        solution=march,
        correction=correction,
        relative_l2={name: math.hypot(e, whole) for name, e in seen.items()},
        interval={name: (max(0.0, e - REACH * whole), e + REACH * whole) for name, e in seen.items()},
        growth=tuple(growths),
        explained=min(m.explained for m in maps),
        verdict=_verdict(march, maps, whole),
        rows=sum(m.rows for m in maps),
        notes=tuple(dict.fromkeys(note for m in maps for note in m.notes)),
        cpu_s=time.process_time() - began,
    )


class _Handed:
    """A small change of the initial conditions, followed through the windows."""

    def __init__(self, problem: Problem, mapped: Mapped, size: Tensor) -> None:
        self.problem, self.mapped, self.size = problem, mapped, size
        self.other: Solution | None = None

    def through(self, s: Solution, before: Solution, after: Solution, low: float) -> tuple[float, float]:
        """By how much the change grows until the end of a window, and at most in it."""
        known, other = partial(continued, before, t=low), self.other
        share = 0.0 if other is None else STEP / max(self._change(other, before, low), 1e-300)

        def start(e: sp.Expr) -> sp.Expr:
            value = known(e)
            return value * (1 + STEP) if other is None else value + share * (continued(other, e, low) - value)

        self.other = moved(self.mapped(begun(s, self.problem, start)))
        times = np.linspace(*time_of(s.problem.domain), TIMES).tolist()
        first, *changes = (self._change(self.other, after, t) for t in times)
        if first < STEP / 100:  # nothing was handed over that could be changed
            return 1.0, 1.0
        return changes[-1] / first, max(first, *changes) / first

    def _change(self, one: Solution, other: Solution, t: float) -> float:
        """The largest relative change of a field at a time."""
        X = one.problem.domain.sample_initial(NODES)
        X[:, time_axis(self.problem)] = t
        fields = list(self.problem.fields)
        gap = (one.evaluate(fields, X) - other.evaluate(fields, X)).square().mean(0).sqrt()
        return float((gap / self.size).max())


def _sizes(march: March) -> Tensor:
    """The rms of every field over the march (F,)."""
    fields, d = list(march.problem.fields), [s.problem.domain.measure() for s in march.windows]
    squares = [s.evaluate(fields, s.problem.domain.sample(NODES)).square().mean(0) for s in march.windows]
    total = sum(share * square for share, square in zip(d, squares, strict=True))
    return (torch.as_tensor(total).double() / sum(d)).sqrt().clamp_min(1e-300)


def _unseen(found: ErrorMap, window: Solution, size: Tensor) -> float:
    """What the map of a window does not see of any field, relative to the field's size in the whole march."""
    fields = list(window.problem.fields)
    own = window.evaluate(fields, window.problem.domain.sample(NODES)).square().mean(0).sqrt()
    parts = [ErrorParts(**part) for part in found.parts.values()]
    shares = torch.tensor([p.unseen + p.uneven + p.blind for p in parts], dtype=torch.float64)
    return max(FLOOR, float((shares * own / size).max()))


def _seen(march: March, correction: March) -> dict[str, float]:
    """By field, the relative L2 distance of the march and of its correction, on points in every window."""
    fields, gaps, sizes = list(march.problem.fields), [], []
    for s, c in zip(march.windows, correction.windows, strict=True):
        X, share = s.problem.domain.sample(4 * NODES), s.problem.domain.measure()
        u, v = s.evaluate(fields, X).double(), c.evaluate(fields, X)
        gaps.append(share * (u - v).square().mean(0))
        sizes.append(share * v.square().mean(0))
    ratio = (torch.stack(gaps).sum(0) / torch.stack(sizes).sum(0).clamp_min(1e-300)).sqrt()
    return dict(zip(march.problem.field_names, ratio.tolist(), strict=True))


def _verdict(march: March, maps: list[ErrorMap], unseen: float) -> str:
    """ "trust", or why not: the first window that is not trusted, or what is unseen has grown."""
    for k, found in enumerate(maps):
        if not found.trusted:
            return f"{found.verdict} (window {k + 1}, t = {march.edges[k]:g} to {march.edges[k + 1]:g})"
    if unseen > LARGE:
        return f"not to be trusted because what the windows leave unseen grows to a relative error of {unseen:.1e}"
    return "trust"
