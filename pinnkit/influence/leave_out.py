"""Validation: influences against training again without the points, and wrong data found that were planted."""

import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinnkit.model.quantity.base import Functional, several
from pinnkit.model.quantity.field import Field
from pinnkit.model.quantity.loss import test_loss
from pinnkit.model.solution import Solution
from pinnkit.tools import hdf5
from pinnkit.tools.checked import Damping, Whole, checked

from .corrupted_data import Planted, find_planted
from .influence import Influence
from .retrain import Apply, retrain

Group = Mapping[str, Tensor]  # point numbers by point set
FORMAT, VERSION = "pinnkit-validation", 1
RANDOM, CLUSTERED = 0.10, 0.04  # shares of the points in a group of either kind
CLEAR = 10.0  # an effect counts in a rank correlation if it is this much larger than its own numerical error


@dataclass(frozen=True, eq=False)
class Trial:
    """Changes of K functionals on n removals: ``actual`` (K, n) by training again, ``predicted`` (K, n) by method.

    ``noise`` (K, n) is the numerical error of the actual changes, ``converged`` (n,) tells which trainings count.
    ``scaled`` names the methods whose predictions have the unit of a change, and thus a relative error.
    """

    title: str
    removed: Sequence[Group]
    actual: Tensor
    noise: Tensor
    converged: Tensor
    predicted: Mapping[str, Tensor]
    scaled: tuple[str, ...]

    @property
    def clear(self) -> Tensor:
        """Which changes (K, n) are of trainings that converged, and ten times larger than their numerical error."""
        return (self.actual.abs() > CLEAR * self.noise) & self.converged

    def correlations(self, method: str) -> list[float]:
        """Spearman's rank correlation over the removals by functional, of ``clear`` changes; NaN for one or two."""
        return [
            spearman(p[keep], a[keep]) if int(keep.sum()) > 2 else math.nan
            for p, a, keep in zip(self.predicted[method], self.actual, self.clear, strict=True)
        ]

    def relative_errors(self, method: str) -> list[float]:
        """|predicted - actual| / |actual| over all removals by functional; NaN for a bare ranking."""
        p, a = self.predicted[method][:, self.converged], self.actual[:, self.converged]
        if method not in self.scaled or not a.numel():
            return [math.nan] * len(a)
        return ((p - a).norm(dim=1) / a.norm(dim=1)).tolist()

    def correlation(self, method: str) -> float:
        """The mean of the rank correlations over functionals."""
        return _mean(self.correlations(method))

    def relative_error(self, method: str) -> float:
        """The mean of the relative errors over functionals."""
        return _mean(self.relative_errors(method))


@checked
@dataclass(frozen=True, eq=False)
class Validation:
    """Predicted influences against the changes after training again; printing it gives tables that explain each number.

    Args:
        problem: name of the problem.
        parameters: P.
        rows: M, the number of residual rows.
        curvature: the curvature in a line of text.
        damping: its damping.
        functionals: names of the functionals.
        trials: by kind of removal, the predicted and the actual changes.
        planted: the search for planted wrong data. None where there was none.
        notes: what limits the result.
        wall_s: seconds of wall time.
        cpu_s: seconds of CPU time.
    """

    problem: str
    parameters: int
    rows: int
    curvature: str
    damping: float
    functionals: tuple[str, ...]
    trials: tuple[Trial, ...]
    planted: Planted | None
    notes: tuple[str, ...]
    wall_s: float
    cpu_s: float

    @property
    def trainings(self) -> tuple[int, int]:
        """The number of trainings, and the number of those that converged."""
        return sum(len(t.converged) for t in self.trials), sum(int(t.converged.sum()) for t in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, texts, lists and dicts."""
        return {
            "problem": self.problem, "parameters": self.parameters, "rows": self.rows, "curvature": self.curvature,
            "damping": self.damping, "functionals": list(self.functionals),
            "trainings": self.trainings[0], "converged": self.trainings[1],
            "unclear": sum(int((~trial.clear).sum()) for trial in self.trials),
            "trials": {
                trial.title: {
                    method: {
                        "spearman": trial.correlation(method), "relative_error": trial.relative_error(method),
                        "spearman by functional": trial.correlations(method),
                        "relative_error by functional": trial.relative_errors(method),
                    }
                    for method in trial.predicted
                }
                for trial in self.trials
            },
            "planted": None if self.planted is None else vars(self.planted) | {"auc": dict(self.planted.auc)},
            "notes": list(self.notes), "wall_s": self.wall_s, "cpu_s": self.cpu_s,
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{self.problem}: {self.parameters} parameters, {len(self.functionals)} functionals",
            f"curvature: {self.curvature}",
            self._trained,
        ]
        wide = max((len(label) for trial in self.trials for label in (trial.title, *trial.predicted)), default=40) + 2
        for trial in self.trials:
            lines += ["", f"{trial.title:<{wide}}  rank correlation  relative error"]
            for method in trial.predicted:
                error = trial.relative_error(method)
                text = "(no scale)" if math.isnan(error) else f"{error:.2g}"
                rho = trial.correlation(method)
                order = "(too few)" if math.isnan(rho) else f"{rho:.3f}"
                lines.append(f"  {method:<{wide - 2}}  {order:>16}  {text:>14}")
            lines.append(self._worst(trial))
        if self.planted is not None:
            lines += ["", f"{self.planted.what:<{wide}}  {'AUC':>16}"]
            lines += [f"  {way:<{wide - 2}}  {auc:>16.3f}" for way, auc in self.planted.auc.items()]
        lines += ["", *READING, *(f"note: {note}" for note in self.notes)]
        return "\n".join(lines)

    def _worst(self, trial: Trial) -> str:
        """Which functional the default method does least well on; a mean may hide it."""
        errors = trial.relative_errors(next(iter(trial.predicted)))
        worst = max(range(len(errors)), key=lambda k: -1.0 if math.isnan(errors[k]) else errors[k])
        return f"  the default's largest relative error is {errors[worst]:.2g}, for {self.functionals[worst]}"

    @property
    def _trained(self) -> str:
        count, done = self.trainings
        unclear, all_ = sum(int((~t.clear).sum()) for t in self.trials), sum(t.clear.numel() for t in self.trials)
        if not count:
            return "not trained again"
        return (
            f"trained again {count} times, {done} converged, {count - done} did not and are left out; "
            f"{unclear} of {all_} changes are below {CLEAR:g} times their numerical error or left out, and not ranked"
        )

    def save(self, path: str | Path) -> Path:
        """Write all figures, predictions and changes to an HDF5 file.

        Args:
            path: the file, usually with the suffix .h5.

        Returns:
            The path.

        Raises:
            OSError: the file cannot be written.
        """
        trials = {
            trial.title: {
                "actual": trial.actual, "noise": trial.noise, "converged": trial.converged.double(),
                "predicted": dict(trial.predicted),
                "removed": {str(i): dict(group) for i, group in enumerate(trial.removed)},
            }
            for trial in self.trials
        }  # fmt: skip
        return hdf5.write(path, FORMAT, VERSION, {"figures": hdf5.Json(_plain(self.to_dict())), "trials": trials})


READING = (
    "training again minimises the loss without the points, tilted so that with them the solution is the minimum, plus",
    "  damping |theta - solution|^2 with the curvature's damping: what is compared are trainings that stay near it.",
    "rank correlation: 1 where a method puts removals in the order of what they really change (Spearman, the mean over",
    "  functionals; of groups it is the linear datamodelling score); 0 is what chance gives.",
    "relative error: |predicted - actual| / |actual| over the removals; 0.05 is five per cent, 1 is as good as no",
    "  prediction at all.",
    "  A loss near its minimum, unlike a field, changes with the square of the parameters: effects contain it where",
    "  the leverage is corrected; what is without leverage, or a sum over a group, knows less of it.",
    "AUC: the chance that a planted wrong datum ranks above a right one; 1 finds all of them first, 0.5 is chance.",
)


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@checked
def validate(
    solution: Solution,
    functionals: Functional | Sequence[Functional] | None = None,
    points: Whole = 30,
    groups: Whole = 16,
    *,
    plantings: Whole = 5,
    seed: Whole = 0,
    curvature: str = "auto",
    damping: Damping = "gcv",
    convention: str = "fixed",
    progress: bool | None = None,
) -> Validation:
    """Compare predicted influences with the changes after training again, and search for planted wrong data.

    Each removal minimises the tilted and damped loss to rounding (:func:`retrain`), from the solution on. Removed are
    single points, random groups (a tenth of every set) and clusters (the 4 % of all points nearest to one point).

    Args:
        solution: a trained solution.
        functionals: what is compared. Default None: the fields at 10 points, and the loss on fresh points.
        points: number of single points, spread over the point sets.
        groups: number of random groups, and of clusters.
        plantings: how many times a twentieth of the boundary, initial or measured data is made wrong.
        seed: seed of all choices.
        curvature: as in :class:`Influence`.
        damping: as in :class:`Influence`; the training has the same damping.
        convention: "fixed" or "mean", as in :class:`Influence`.
        progress: True: a line a training. False: nothing. Default None: a bar in a terminal, else nothing.

    Returns:
        Rank correlations and relative errors of each method, which print themselves.

    Raises:
        ValueError: counts below 0 or all of them 0, or what :class:`Influence` refuses.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 4, 1), 30, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> pk.validate(u, points=2, groups=0, plantings=0, progress=False).trainings[0]
        2
    """
    if min(points, groups, plantings) < 0 or points + groups + plantings == 0:
        raise ValueError(f"points={points}, groups={groups}, plantings={plantings}: expected counts, not all of them 0")
    wall, cpu = time.perf_counter(), time.process_time()
    rng = np.random.default_rng(seed)
    one = several(questions(solution, seed) if functionals is None else functionals)
    influence = Influence(solution, curvature, damping)
    judge = _Judge(solution, one, influence, convention)
    trials = []
    if points:
        chosen = single_points(solution, points, rng)
        trials.append(judge.trial(f"removing one point ({len(chosen)} times)", chosen, False, progress))
    if groups:
        title = f"removing a random {RANDOM:.0%} ({groups} times)"
        trials.append(judge.trial(title, random_groups(solution, groups, rng), True, progress))
        title = f"removing a cluster of {CLUSTERED:.0%} ({groups} times)"
        trials.append(judge.trial(title, clusters(solution, groups, rng), True, progress))
    planted, notes = None, list(judge.notes)
    if plantings:
        planted = find_planted(solution, plantings, rng, curvature, influence.curvature.damping)
        notes += [planted.note] if planted.note else []
    return Validation(
        solution.problem.name, len(solution.theta), solution.stack.rows, str(influence.curvature),
        influence.curvature.damping, one.names,
        tuple(trials), planted, (*influence.curvature.notes, str(influence.stationarity), *notes),
        time.perf_counter() - wall, time.process_time() - cpu,
    )  # fmt: skip


def questions(solution: Solution, seed: int = 0, count: int = 10) -> list[Functional]:
    """The fields at ``count`` random points, in turn, and the loss on fresh points."""
    problem, fresh = solution.problem, {key: len(points) for key, points in solution.points.items()}
    X = problem.domain.sample(count, method="random", seed=seed + 314_159)
    names = problem.field_names
    fields = [Field(name, X[i :: len(names)]) for i, name in enumerate(names) if len(X[i :: len(names)])]
    return [*fields, test_loss(problem, {key: max(2 * n, 500) for key, n in fresh.items()}, seed=seed + 271_828)]


# ------------------------------------------------------------------------------------------------ removals


def single_points(solution: Solution, count: int, rng: np.random.Generator) -> list[Group]:
    """Random points, as many of every point set as of any other, as far as they go."""
    sizes = {key: len(solution.points[key]) for key in solution.stack.readouts}
    left = {key: list(rng.permutation(n)) if n > 1 else [] for key, n in sizes.items()}
    found: list[Group] = []
    while len(found) < count and any(left.values()):
        for key, numbers in left.items():
            if numbers and len(found) < count:
                found.append({key: torch.tensor([int(numbers.pop())])})
    return found


def random_groups(
    solution: Solution, count: int, rng: np.random.Generator, share: float = RANDOM
) -> list[Group]:  # fmt: skip
    """Groups of a share of every point set, drawn at random."""
    sizes = {key: len(solution.points[key]) for key in solution.stack.readouts}
    takes = {key: min(max(1, round(share * n)), n - 1) for key, n in sizes.items()}
    return [
        {key: torch.from_numpy(rng.permutation(sizes[key])[:n].copy()) for key, n in takes.items() if n}
        for _ in range(count)
    ]


def clusters(
    solution: Solution, count: int, rng: np.random.Generator, share: float = CLUSTERED
) -> list[Group]:  # fmt: skip
    """Groups of the share of all points that are nearest to a random one, the domain's box scaled to a cube."""
    keys = list(solution.stack.readouts)
    lo, hi = (torch.as_tensor(b) for b in solution.problem.domain.bounds)
    X = torch.cat([(solution.points[key].X.cpu().double() - lo) / (hi - lo) for key in keys])
    owner = [(key, i) for key in keys for i in range(len(solution.points[key]))]
    found: list[Group] = []
    for centre in rng.integers(len(X), size=count):
        near = (X - X[centre]).norm(dim=1).argsort()[: max(1, round(share * len(X)))]
        group: dict[str, list[int]] = {}
        for j in near.tolist():
            key, i = owner[j]
            if len(group.get(key, ())) < len(solution.points[key]) - 1:
                group.setdefault(key, []).append(i)
        found.append({key: torch.tensor(numbers) for key, numbers in group.items()})
    return found


class _Judge:
    """Predictions of every method, and the trainings that they are compared with."""

    def __init__(self, solution: Solution, one: Functional, influence: Influence, convention: str) -> None:
        self.solution, self.one, self.influence, self.convention = solution, one, influence, convention
        self.values, self.responses = influence.response(one)
        self.notes: list[str] = []

    @cached_property
    def singles(self) -> dict[str, Mapping[str, Tensor]]:
        """The effects (K, N) of removing every point by itself, by method and point set.

        The methods to compare with are taken to the letter: the plain sum of squares without weights or means.
        """
        solution, one, influence, convention = self.solution, self.one, self.influence, self.convention
        simple = Influence(solution, "gauss-newton", influence.curvature.damping)
        found = {
            "with leverage (default)": influence.attribute(one, convention=convention).joint,
            "without leverage": influence.attribute(one, convention=convention, correct=False).joint,
            "Gauss-Newton with leverage": simple.attribute(one, convention=convention).joint,
        }
        for method in ("published", "gradient-dot"):
            try:
                found[method] = Influence(solution, method).attribute(one).joint
            except ValueError as error:
                self.notes.append(f"{method} is left out: {error}")
        return found

    def trial(self, title: str, removed: Sequence[Group], groups: bool, show: bool | None) -> Trial:
        """Predict, train again, compare."""
        predicted = {}
        if groups:
            predicted["group Newton (default)"] = self.influence.remove(self.one, removed, convention=self.convention)
        for method, effects in self.singles.items():
            sums = [
                sum((effects[key][:, rows].sum(1) for key, rows in group.items()), torch.zeros(())) for group in removed
            ]
            predicted[f"sum of effects, {method.removesuffix(' (default)')}" if groups else method] = torch.stack(
                sums, 1
            )
        predicted = {method: p.cpu() for method, p in predicted.items()}
        actual, noise = (torch.zeros_like(next(iter(predicted.values()))) for _ in range(2))
        converged = torch.zeros(len(removed), dtype=torch.bool)
        for j, group in enumerate(_shown(removed, title, show)):
            # one point changes the curvature little; without a group, what is left has a better factor of its own
            precondition = None if groups else definite(self.influence)
            result = retrain(
                self.solution, group, self.influence.curvature.damping, convention=self.convention,
                precondition=precondition,
            )  # fmt: skip
            moved = self.one.linearise(replace(self.solution, theta=result.theta))[0]
            actual[:, j] = moved - self.values
            # what is left of the gradient tells how far the minimum still is
            rounding = 10 * torch.finfo(actual.dtype).eps * self.values.abs()
            noise[:, j] = (self.responses.T @ result.gradient).abs() + rounding
            converged[j] = result.converged
        scaled = tuple(name for name in predicted if not name.endswith("gradient-dot"))
        return Trial(title, tuple(removed), actual, noise, converged, predicted, scaled)


def definite(influence: Influence) -> Apply:
    """A definite inverse near the influence's curvature, to precondition with."""
    factor = influence.curvature.factor
    return getattr(factor, "base", factor).solve


def _mean(values: Sequence[float]) -> float:
    """The mean of what is not NaN."""
    kept = [v for v in values if not math.isnan(v)]
    return float(np.mean(kept)) if kept else math.nan


def spearman(a: Tensor, b: Tensor) -> float:
    """The rank correlation of two vectors; 0 where one of them is constant."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(v.cpu().numpy()) for v in (a, b)])
    ranks -= ranks.mean(1, keepdims=True)
    size = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / size if size > 0 else 0.0


def _shown(things: Sequence[Group], title: str, show: bool | None) -> Iterable[Group]:
    """The things, one after the other, with a bar in a terminal and lines elsewhere if they are asked for."""
    if show is False or (show is None and not sys.stderr.isatty()):
        return things
    from rich.console import Console
    from rich.progress import track

    return track(things, title, console=Console(stderr=True))
