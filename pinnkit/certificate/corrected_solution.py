"""The bound of a solution v through the corrected one c: |u* - v| <= |c - v| + |u* - c|, the triangle inequality.

A theorem turns the misfit of v into a bound that takes its worst sign everywhere; |c - v| is a function that is known,
and is the error of v but for that of c. c = u + J_u delta of :func:`pinnkit.correct` lies in the tangent space of v, so
that c - v = d J_N delta (d of the hard constraint g + d N) is enclosed without the cancellation of a difference.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinnkit.certificate.enclosure.field_enclosure import FieldEnclosure
from pinnkit.certificate.enclosure.network_enclosure import Cells, change, evaluate
from pinnkit.certificate.misfits import sampled
from pinnkit.certificate.misfits.enclosed import FLOOR, covered
from pinnkit.certificate.norms.box import BoxNorm
from pinnkit.certificate.theorem.bound import Bound
from pinnkit.certificate.theorem.closed_form import ClosedForm
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.validated.taylor_model import Space, TaylorModel
from pinnkit.domain.box import Box
from pinnkit.error.correction import correct
from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised
from pinnkit.statement.points import Points
from pinnkit.statement.symbolic.channels import Index

from .true_slopes import ORDERS

ACCURACY = 1.005  # by how much the maximum of |c - v| may exceed the largest value found
UNTRAINED = 400  # points, in every set, of a solution that has none


@dataclass(frozen=True, eq=False)
class CorrectedSolution:
    """A corrected ``solution`` and its certificate's figures; ``distances`` bound that from ``original``, by norm."""

    original: Solution
    solution: Solution
    distances: Mapping[str, float]
    bounds: tuple[Bound, ...]
    misfits: Mapping[str, Norm]
    evaluation: str

    def through(self, norm: str) -> Bound:
        """The bound of the error of v; KeyError in a norm that is not bounded."""
        (own,) = (b for b in self.bounds if b.norm == norm)
        return Bound(norm, self.distances[norm] + own.value, f"{own.theorem}, through the corrected solution")

    def moved(self, X: Tensor) -> Tensor:
        """c - v at points X (n, d), shape (n,)."""
        a, b = (s(X.to(s.theta))[:, 0] for s in (self.solution, self.original))
        return a - b

    @property
    def text(self) -> str:
        """What it misses and how far it is away."""
        largest = ", ".join(f"{name} {n.sup:.2e}" for name, n in self.misfits.items())
        away = ", ".join(f"{self.distances[b.norm]:.2e} ({b.norm}; itself within {b.value:.2e})" for b in self.bounds
                         if b.norm in self.distances)  # fmt: skip
        return f"misses at most {largest}; its distance is {away}"

    def to_dict(self) -> dict[str, Any]:
        """All figures, without the solution."""
        return {
            "distances": dict(self.distances), "bounds": {b.norm: b.value for b in self.bounds},
            "misfits": {name: n.to_dict() for name, n in self.misfits.items()}, "evaluation": self.evaluation,
        }  # fmt: skip


def correction_of(solution: Solution) -> Solution:
    """The corrected solution that ``pinnkit.correct`` makes.

    Raises:
        ValueError: a solution that has none, or whose correction is refused, with the reason.
    """
    if isinstance(solution.network, ClosedForm):
        raise ValueError("a superposition of exact solutions is certified directly")
    _check_precision(solution)
    if not list(solution.points.items()):  # made by hand, not trained: `correct` looks at training points as well
        drawn = Points({key: solution.problem.sample(key, UNTRAINED) for key in solution.model.keys})
        solution = replace(solution, points=drawn)
    found = correct(solution)
    if not isinstance(found.network, Linearised) or found.theta is solution.theta:
        raise ValueError(found.notes[-1] if found.notes else "not corrected")
    return found


def _check_precision(solution: Solution) -> None:
    if solution.theta.dtype != torch.float64:
        raise ValueError(f"a solution in {solution.theta.dtype} cannot be corrected to a certificate: expected float64")


def parts(solution: Solution, corrected: Solution) -> list[Tensor]:
    """Vectors delta (P,) with corrected - solution = d J_N (sum of them), exactly: the second is what rounding took.

    Raises:
        ValueError: a corrected solution that is not in the tangent space of the solution.
    """
    why = "the corrected solution is not in the tangent space of the solution: take pk.correct(solution)"
    if not isinstance(corrected.network, Linearised):
        raise ValueError(why)
    _check_precision(solution)
    _check_precision(corrected)
    if corrected.model.ansatz != solution.model.ansatz:
        raise ValueError(f"{why}, with the same hard constraints")
    stays = isinstance(solution.network, Linearised)
    at = solution.network.at if stays else solution.theta
    base = solution.network.network if stays else solution.network
    if corrected.network.network != base or not torch.equal(corrected.network.at.cpu(), at.cpu()):
        raise ValueError(why)
    if not stays:
        return [corrected.theta.cpu()]
    a, b = corrected.theta.cpu(), -solution.theta.cpu()
    s = a + b  # two-sum (Knuth): a + b = s + rest exactly
    part = s - a
    rest = (a - (s - part)) + (b - part)
    return [s, rest] if bool(rest.any()) else [s]


def distances(solution: Solution, corrected: Solution, norms: Iterable[str], scale: float) -> dict[str, float]:
    """Rigorous bounds of corrected - solution in these norms, by Taylor models."""
    box, gap = solution.problem.domain, _Gap(solution, corrected)
    zero = (0,) * len(box.names)
    found: dict[str, float] = {}
    time = box.names.index(box.time) if box.time in box.names else None

    def cover(J: Index, fixed: dict[str, float]) -> BoxNorm:
        across = time if not fixed else None
        return covered(box, gap.function(J), sum(J), fixed, FLOOR * scale, ACCURACY, across)

    whole = cover(zero, {})
    volume = math.prod(float(np.ptp(box.bounds[:, i])) for i in range(len(box.names)) if i != time)
    for norm in norms:
        if norm == "sup":
            found[norm] = whole.norm.sup
        elif norm in ("L2", "L2(Q)"):
            found[norm] = whole.norm.l2
        elif norm == "L2(t)":
            found[norm] = min(_sliced(whole), math.sqrt(volume) * whole.norm.sup)
        elif norm == "L1(t)":
            found[norm] = math.sqrt(volume) * min(_sliced(whole), math.sqrt(volume) * whole.norm.sup)
        elif norm == "L2(T)" and time is not None:
            found[norm] = cover(zero, {box.names[time]: float(box.bounds[1, time])}).norm.l2
        elif norm in ORDERS and (ORDERS[norm] == 1 or len(box.space) == 1):
            k = ORDERS[norm]
            slopes = [tuple(k * (n == x) for n in box.names) for x in box.space]
            found[norm] = math.hypot(*(_sliced(cover(J, {})) for J in slopes))
    return found


def _sliced(found: BoxNorm) -> float:
    """The bound of the L2 norm in space at any time."""
    if found.slice is None:
        raise ValueError("the domain has no time coordinate: there is no norm at any time")
    return found.slice


def seen(solution: Solution, corrected: Solution, norms: Iterable[str]) -> dict[str, float]:
    """The same by samples, with what may lie between them."""
    box, norms = solution.problem.domain, list(norms)

    def away(X: Tensor, name: str = "") -> np.ndarray:
        u = str(solution.problem.fields[0].func)
        e = solution.derivative(f"{u}_{name}" if name else u)
        a, b = (s.evaluate([e], X.to(s.theta)).reshape(-1).cpu().double().numpy() for s in (corrected, solution))
        return np.abs(a - b)

    if not isinstance(box, Box):
        return {"sup": float(away(box.sample(sampled.SCATTERED)).max())} if "sup" in norms else {}
    X, _, rules = sampled.grid(box, {})

    def raised(name: str = "") -> np.ndarray:
        v = away(X, name).reshape([len(s) for s, _ in rules.values()])
        return v + sum(sampled.between(v, axis) for axis in range(v.ndim))

    found = sampled.norms_on_grid(raised(), rules, box.time)
    for norm, k in ORDERS.items():
        if norm in norms and (k == 1 or len(box.space) == 1):
            slopes = (sampled.norms_on_grid(raised(x * k), rules, box.time)["L2(t)"] for x in box.space)
            found[norm] = math.hypot(*slopes)
    size = float(solution(X[:: max(1, len(X) // 500)].to(solution.theta)).abs().max())
    rounding = sampled.ROUNDING * torch.finfo(solution.theta.dtype).eps * size
    return {n: v + rounding for n, v in found.items() if n in norms}


@dataclass(eq=False)
class _Gap:
    solution: Solution
    corrected: Solution

    def __post_init__(self) -> None:
        self._parts = parts(self.solution, self.corrected)
        self._field = FieldEnclosure(self.corrected)

    def function(self, J: Index) -> Any:
        """D^J (c - v) on cells."""

        def derivative(cells: Cells, space: Space) -> tuple[TaylorModel, Tensor]:
            total, steep = None, torch.zeros_like(cells.middle)
            for delta in self._parts:
                moved, some = change(self._field.tape, self.corrected.network.at.cpu(), delta, cells)
                total, steep = moved if total is None else total + moved, torch.maximum(steep, some)
            at = dict(zip(self.solution.problem.variables, cells.coordinates(), strict=True))
            assert total is not None  # there is one part at least
            whole = evaluate(self._field.ansatz[1], at) * total[0]
            return whole.derivative(J, cells.half, space).single(), steep

        return derivative
