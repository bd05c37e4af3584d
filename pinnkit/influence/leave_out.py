"""validate(): influences against training again without the points, and wrong data that are found."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pinnkit.model.quantity.base import Functional, several
from pinnkit.model.quantity.field import Field
from pinnkit.model.quantity.loss import test_loss
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import Damping, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.renamed import renamed

from .corrupted_data import find_corrupted
from .influence import Influence
from .removed_groups import CLUSTERED, RANDOM, Group, clusters, random_groups, single_points
from .retrain import Apply, retrain
from .validation import Trial, Validation


@renamed(plantings="corruptions")
@checked
def validate(
    solution: Solution,
    functionals: Functional | Sequence[Functional] | None = None,
    points: Whole = 30,
    groups: Whole = 16,
    *,
    corruptions: Whole = 5,
    seed: Whole = 0,
    curvature: str = "auto",
    damping: Damping = "gcv",
    convention: str = "fixed",
    progress: bool | None = None,
) -> Validation:
    """Compare predicted influences with the changes after training again, and search for data made wrong on purpose.

    Each removal minimises the tilted and damped loss to rounding (:func:`retrain`), from the solution on. Removed are
    single points, random groups (a tenth of every set) and clusters (the 4 % of all points nearest to one point).

    Args:
        solution: a trained solution.
        functionals: what is compared. Default None: the fields at 10 points, and the loss on fresh points.
        points: number of single points, spread over the point sets.
        groups: number of random groups, and of clusters.
        corruptions: how many times a twentieth of the boundary, initial or measured data is made wrong.
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
        >>> pk.validate(u, points=2, groups=0, corruptions=0, progress=False).trainings[0]
        2
    """
    if min(points, groups, corruptions) < 0 or points + groups + corruptions == 0:
        raise ValueError(
            f"points={points}, groups={groups}, corruptions={corruptions}: expected counts, not all of them 0"
        )
    removed = (points + 2 * groups + corruptions) * sum(map(len, solution.points.values()))
    afford(8.0 * removed, f"a validation by {points + 2 * groups + corruptions} trainings", "give fewer")
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
    corrupted, notes = None, list(judge.notes)
    if corruptions:
        corrupted = find_corrupted(solution, corruptions, rng, curvature, influence.curvature.damping)
        notes += [corrupted.note] if corrupted.note else []
    return Validation(
        solution.problem.name, len(solution.theta), solution.stack.rows, str(influence.curvature),
        influence.curvature.damping, one.names,
        tuple(trials), corrupted, (*influence.curvature.notes, str(influence.stationarity), *notes),
        time.perf_counter() - wall, time.process_time() - cpu,
    )  # fmt: skip


def questions(solution: Solution, seed: int = 0, count: int = 10) -> list[Functional]:
    """The fields at ``count`` random points, in turn, and the loss on fresh points."""
    problem, fresh = solution.problem, {key: len(points) for key, points in solution.points.items()}
    X = problem.domain.sample(count, method="random", seed=seed + 314_159)
    names = problem.field_names
    fields = [Field(name, X[i :: len(names)]) for i, name in enumerate(names) if len(X[i :: len(names)])]
    return [*fields, test_loss(problem, {key: max(2 * n, 500) for key, n in fresh.items()}, seed=seed + 271_828)]


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
    return influence.curvature.factor.definite.solve


def _shown(things: Sequence[Group], title: str, show: bool | None) -> Iterable[Group]:
    """The things, one after the other, with a bar in a terminal and lines elsewhere if they are asked for."""
    if show is False or (show is None and not sys.stderr.isatty()):
        return things
    from rich.console import Console
    from rich.progress import track

    return track(things, title, console=Console(stderr=True))
