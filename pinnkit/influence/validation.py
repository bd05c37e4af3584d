"""The result of a validation: predicted and actual changes, their rank correlations and relative errors, in tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from typing_extensions import override

from pinnkit.tools import hdf5
from pinnkit.tools.checked import checked
from pinnkit.tools.renamed import renamed
from pinnkit.tools.saved import Saved

from .corrupted_data import CorruptedData
from .removed_groups import Group

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


@renamed(planted="corrupted")
@checked
@dataclass(frozen=True, eq=False)
class Validation(Saved):
    """Predicted influences against the changes after training again; printing it gives tables that explain each number.

    Args:
        problem: name of the problem.
        parameters: P.
        rows: M, the number of residual rows.
        curvature: the curvature in a line of text.
        damping: its damping.
        functionals: names of the functionals.
        trials: by kind of removal, the predicted and the actual changes.
        corrupted: the search for data made wrong on purpose. None where there was none.
        notes: what limits the result.
        wall_s: seconds of wall time.
        cpu_s: seconds of CPU time.
    """

    FORMAT: ClassVar[str] = "pinnkit-validation"

    problem: str
    parameters: int
    rows: int
    curvature: str
    damping: float
    functionals: tuple[str, ...]
    trials: tuple[Trial, ...]
    corrupted: CorruptedData | None
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
            "corrupted": None if self.corrupted is None else vars(self.corrupted) | {"auc": dict(self.corrupted.auc)},
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
        if self.corrupted is not None:
            lines += ["", f"{self.corrupted.what:<{wide}}  {'AUC':>16}"]
            lines += [f"  {way:<{wide - 2}}  {auc:>16.3f}" for way, auc in self.corrupted.auc.items()]
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

    @override
    def _tree(self) -> hdf5.Tree:
        trials = {
            trial.title: {
                "actual": trial.actual, "noise": trial.noise, "converged": trial.converged.double(),
                "predicted": dict(trial.predicted),
                "removed": {str(i): dict(group) for i, group in enumerate(trial.removed)},
            }
            for trial in self.trials
        }  # fmt: skip
        return {"figures": hdf5.Json(_plain(self.to_dict())), "trials": trials}


READING = (
    "trained again: the loss without the points is minimised, plus damping |theta - solution|^2 with the curvature's",
    "  damping, and a linear term by which the solution is the minimum with all points. So the trainings that are",
    "  compared stay near it.",
    "rank correlation: Spearman's, of predicted and actual changes, in the mean over functionals; 1 is the same order,",
    "  0 is chance. Of groups it is the linear datamodelling score.",
    "relative error: |predicted - actual| / |actual| over the removals; 0.05 is five per cent, 1 is as good as no",
    "  prediction at all. A loss near its minimum, unlike a field, changes with the square of the parameters: effects",
    "  with the leverage contain that square; effects without it, and sums over a group, miss part of it.",
    "AUC: the chance that a wrong datum ranks above a right one; 1 finds all of them first, 0.5 is chance.",
)


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
