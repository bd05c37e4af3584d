"""The indicators of one model on many test points, and of several models side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pinnkit.model.quantity.field import Field
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import Count, Places, Positive, Whole, checked

from . import indicator
from .attribution import Attribution, Stationarity
from .green_function import Response
from .green_function import response as respond
from .indicator import Along, Estimate
from .influence import Influence

if TYPE_CHECKING:
    from rich.table import Table

FORCED = 0.9  # the leverage above which a row is called fitted by force


@checked
@dataclass(frozen=True, eq=False)
class Indicators:
    """Shares of the influence E_ij of training points j on test points i, (K,) each, and what equal influence would
    give.

    Formulas: :mod:`pinnkit.influence.indicator`.

    Args:
        field: the field or derivative whose influence this is.
        along: name of the coordinate c.
        X: test points (K, d).
        at: coordinate c of the test points (K,).
        directionality: sum over c_j <= c_i of |E_ij| / sum_j |E_ij|.
        directionality_baseline: the fraction of training points with c_j <= c_i.
        proximity: sum_j k_ij |E_ij| / sum_j |E_ij|, with a kernel k of the distance.
        proximity_baseline: mean_j k_ij.
        participation: part of the training points that carries the prediction.
        terms: share of every loss term.
        tension: how far the terms pull in opposite directions.
        cancellation: by point set with several terms: how far their effects at a point cancel.
        leverage: by loss term, the leverages h of its rows.
        left_out: how many times larger residuals r / (1 - h) of left-out points are than fitted ones, 90th percentile
            over 90th percentile. 1: the equation is fitted; large: only the points are.
        stationarity: the distance of the model from a minimum.
        curvature: the curvature in a line of text.
        error: relative L2 error where the problem has a reference. Default None.
        response: the Green's function, where it was computed. Default None.

    Source:
        arXiv:2409.08958 (directionality, proximity); Allen, Technometrics 16 (1974) for ``left_out``.
    """

    field: str
    along: str
    X: Tensor
    at: Tensor
    directionality: Tensor
    directionality_baseline: Tensor
    proximity: Tensor
    proximity_baseline: Tensor
    participation: Tensor
    terms: Mapping[str, Tensor]
    tension: Tensor
    cancellation: Mapping[str, Tensor]
    leverage: Mapping[str, Tensor]
    left_out: float
    stationarity: Stationarity
    curvature: str
    error: float | None = None
    response: Response | None = None

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """Means over the test points with 95 % bootstrap intervals, by what they are."""
        mean = indicator.bootstrap
        found = {
            f"directionality in {self.along}": mean(self.directionality),
            f"directionality in {self.along}, above equal influence": mean(
                self.directionality - self.directionality_baseline
            ),
            "proximity": mean(self.proximity),
            "proximity, above equal influence": mean(self.proximity - self.proximity_baseline),
            "participation of training points": mean(self.participation),
        }
        if len(self.terms) > 1:
            found |= {f"share of {name}": mean(v) for name, v in self.terms.items()}
            found["tension between terms"] = mean(self.tension)
        return found | {f"cancellation at points {key}": mean(v) for key, v in self.cancellation.items()}

    @property
    def numbers(self) -> dict[str, float]:
        """Single numbers of the model: loss, error, leverage, reciprocity."""
        h = torch.cat(list(self.leverage.values()))
        numbers = {
            "loss on training points": self.stationarity.loss,
            "residuals left out / fitted": self.left_out,
            "mean leverage": float(h.mean()),
            f"part of rows of leverage > {FORCED}": float((h > FORCED).double().mean()),
            "part of the loss a Newton step gains": self.stationarity.gain,
        }
        if self.response is not None:
            numbers["reciprocity of the response"] = self.response.reciprocity
        return numbers | ({} if self.error is None else {"relative L2 error": self.error})

    def __str__(self) -> str:
        return str(Comparison({"": (self,)}))

    def __rich__(self) -> "Table":
        return Comparison({"": (self,)}).__rich__()


@checked
def indicators(
    model: Influence | Solution,
    field: str | None = None,
    X: Places | Count = 500,
    *,
    along: Along | None = None,
    sigma: Positive = 1.0,
    kernel: str = "distance",
    correct: bool = False,
    response: bool = False,
    seed: Whole = 12345,
) -> Indicators:
    """Where the influence on a trained field comes from: shares of |E_ij| over training points j, at test points i.

    A solution is analysed with its Gauss-Newton curvature, since the exact Hessian costs several products a test point.

    Args:
        model: a solution, or its :class:`Influence`.
        field: a field or derivative, as "u" or "u_x". Default None: the first field.
        X: test points (K, d), or the number of fresh ones. Default 500.
        along: the coordinate of the directionality: a name, "radius", or a function (n, d) -> (n,). Default None: time,
            or the first coordinate where there is no time.
        sigma: width of the Gaussian kernel of the proximity, in extents of the domain.
        kernel: "distance" or "gaussian", how nearness is measured.
        correct: True: effects with the leverage correction, which a few points of leverage near 1 can dominate. Default
            False: first order, as published.
        response: True: compute the reciprocity of :func:`response` too, which doubles the cost. Default False.
        seed: seed of the fresh test points.

    Returns:
        The indicators, which print themselves.

    Raises:
        ValueError: an unknown field, coordinate or kernel, or points of another dimension.

    Source:
        arXiv:2409.08958.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> found = pk.indicators(u, X=20)
        >>> found.along, found.directionality.shape
        ('t', torch.Size([20]))
    """
    influence = Influence(model, "gauss-newton") if isinstance(model, Solution) else model
    solution = influence.solution
    problem, domain = solution.problem, solution.problem.domain
    name = field or problem.field_names[0]
    if isinstance(X, int):
        X = problem.sample("pde", X, seed=seed).X
    along = along or domain.time or domain.names[0]
    found = influence.attribute(Field(name, X), correct=correct)
    E, Z = together(found)
    assert found.places is not None  # a field has places
    X = found.places.to(Z)
    at, train = (indicator.coordinate(points, domain.names, along) for points in (X, Z))
    scale = torch.as_tensor(domain.bounds[1] - domain.bounds[0])
    near = indicator.nearness(X, Z, sigma=sigma, scale=scale, kernel=kernel)
    stacks = {key: [found.effects[n] for n, k in found.keys.items() if k == key] for key in found.joint}
    return Indicators(
        field=name,
        along=along if isinstance(along, str) else getattr(along, "__name__", "the given direction"),
        X=X,
        at=at,
        directionality=indicator.directionality(E, at, train),
        directionality_baseline=indicator.directionality_baseline(at, train),
        proximity=indicator.share(E, near),
        proximity_baseline=near.mean(1),
        participation=indicator.participation(E),
        terms=indicator.term_fractions(found.effects),
        tension=indicator.tension(found.effects),
        cancellation={key: indicator.cancellation(torch.stack(e)) for key, e in stacks.items() if len(e) > 1},
        leverage=influence.leverage,
        left_out=_left_out(influence),
        stationarity=influence.stationarity,
        curvature=found.curvature,
        error=_error(solution, name),
        response=respond(influence) if response else None,
    )


def together(found: Attribution) -> tuple[Tensor, Tensor]:
    """The joint effects (K, N) of all training points, whatever their set, and the points (N, d)."""
    return torch.cat(list(found.joint.values()), 1), torch.cat([found.points[key].X for key in found.joint])


def _left_out(influence: Influence) -> float:
    stack = influence.stack
    fitted = stack.by_term(stack.row_weights.sqrt() * stack.values(influence.solution.theta).abs())
    free = {name: r / (1 - influence.leverage[name]) for name, r in fitted.items()}
    left, has = (torch.cat([v.reshape(-1) for v in rows.values()]).quantile(0.9) for rows in (free, fitted))
    return float(left / has)


def _error(solution: Solution, name: str) -> float | None:
    if solution.problem.reference is None or name not in solution.problem.field_names:
        return None
    return solution.errors()[name]["relative_l2"]


@checked
@dataclass(frozen=True, eq=False)
class Comparison:
    """Indicators of several models side by side: means, and standard deviations where a model was trained several
    times.

    Args:
        models: by name, the indicators of each training of the model.
    """

    models: Mapping[str, Sequence[Indicators]]

    def rows(self) -> list[tuple[str, ...]]:
        """The table: one row for every indicator.

        Returns:
            Tuples of the indicator's name and one text for every model.
        """
        found: dict[str, dict[str, str]] = {}
        for label, runs in self.models.items():
            for what, text in _texts(runs).items():
                found.setdefault(what, {})[label] = text
        return [(what, *(texts.get(label, "") for label in self.models)) for what, texts in found.items()]

    def __str__(self) -> str:
        rows = self.rows()
        if len(self.models) > 1:
            rows = [("", *self.models), *rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def __rich__(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), show_header=len(self.models) > 1)
        for label in ("", *self.models):
            table.add_column(label)
        for what, *texts in self.rows():
            table.add_row(Text(what, "dim"), *map(Text, texts))
        return table


@checked
def compare(models: Mapping[str, Indicators | Sequence[Indicators]]) -> Comparison:
    """Indicators of several models in one table.

    Args:
        models: indicators by the model's name, or a list of them where a model was trained several times.

    Returns:
        The table, which prints itself.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> pk.compare({"small": pk.indicators(u, X=20)}).rows()[0][0]
        'loss on training points'
    """
    return Comparison({name: (m,) if isinstance(m, Indicators) else tuple(m) for name, m in models.items()})


def _texts(runs: Sequence[Indicators]) -> dict[str, str]:
    if len(runs) == 1:
        plain = {what: f"{value:.2g}" for what, value in runs[0].numbers.items()}
        return plain | {what: str(e) for what, e in runs[0].estimates.items()}
    found = {}
    for what in runs[0].numbers | runs[0].estimates:
        means = [run.estimates[what].mean if what in run.estimates else run.numbers.get(what, math.nan) for run in runs]
        e = indicator.spread(means)
        found[what] = f"{e.mean:.2g} ± {e.high - e.mean:.1g}"
    return found
