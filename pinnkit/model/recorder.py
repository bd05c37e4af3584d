"""Rows of a run's history: losses on trained and on fresh points, errors beside the reference; and what they say."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinnkit.statement.points import Points, counts_of

from .history import History
from .model import Model
from .solution import Solution
from .stack import Stack
from .undetermined import open_inflow

SUSPICIOUS = 100  # the loss on fresh points over that on the trained ones, from which the model fits points only


def validation_points(model: Model, n: int, seed: int, like: Tensor) -> Points:
    """n fresh points, and a fifth for other sets, that are never trained on: the same for a whole run of that seed."""
    seed = int(np.random.SeedSequence([seed, 20_071_107]).generate_state(1)[0])
    sets = {}
    for i, (key, own) in enumerate(counts_of(model.keys, n).items()):
        sets[key] = model.problem.sample(key, own, method="random", seed=seed + i).to(like)
    return Points(sets)


class Probe:
    """The relative error on at most 2000 nodes of the reference, cheap enough for every log line."""

    def __init__(self, solution: Solution) -> None:
        problem = solution.problem
        self._outputs = problem.outputs if problem.reference is not None else {}
        if problem.reference is not None:
            _, X, mask, values = problem.reference.on_grid(problem.domain, tuple(self._outputs))
            known = torch.isfinite(values[mask]).any(0)
            self._outputs = {n: e for (n, e), k in zip(self._outputs.items(), known, strict=True) if k}
            values = values[:, known]
            rows = torch.nonzero(mask & torch.isfinite(values).all(1))[:, 0]
            rows = rows[torch.from_numpy(np.random.default_rng(0).permutation(len(rows))[:2000])]
            self._X, self._values = X[rows].to(solution.theta), values[rows].to(solution.theta)
            self._size = self._values.norm(dim=0)

    def errors(self, solution: Solution) -> dict[str, float]:
        """The relative L2 error of every output at the points kept, by the history's names; {} without a reference."""
        if not self._outputs:
            return {}
        gap = solution.evaluate(list(self._outputs.values()), self._X) - self._values
        size = torch.where(self._size > 0, self._size, torch.nan)  # against zero there is no relative error
        return {f"error:{n}": float(e) for n, e in zip(self._outputs, gap.norm(dim=0) / size, strict=True)}


class Recorder:
    """What a run's rows are made with: fresh points, and nodes of the reference."""

    def __init__(self, solution: Solution, fresh: Points | None = None, probe: Probe | None = None) -> None:
        plan = solution.progress.plan
        self._points = fresh or validation_points(solution.model, plan.validation, plan.seed, solution.theta)
        self._validation = Stack(solution.model, self._points, solution.weights)
        self._probe = probe or Probe(solution)

    def reweighted(self, solution: Solution) -> "Recorder":
        """The same points and nodes with the solution's weights."""
        return Recorder(solution, self._points, self._probe)

    def row(self, solution: Solution, losses: Tensor) -> dict[str, float]:
        """The row of a solution that stands where its ``progress`` says, from the losses (terms,) trained on."""
        at, fresh = solution.progress, self._validation.losses(solution.theta)
        row = {
            "iteration": at.total, "stage": at.stage, "round": at.round, "wall_s": at.wall_s, "cpu_s": at.cpu_s,
            "loss": float(losses.sum()), "validation": float(fresh.sum()),
        }  # fmt: skip
        terms = self._validation.terms
        row |= {f"train:{name}": float(v) for name, v in zip(terms, losses, strict=True)}
        row |= {f"validation:{name}": float(v) for name, v in zip(terms, fresh, strict=True)}
        return row | self._probe.errors(solution) | solution.unknowns


def recorded(solution: Solution, stop: str, cpu_s: float, wall_s: float) -> Solution:
    """The solution after a last step that was made outside the loop: its reason, its time, a row of its history."""
    at: Any = solution.progress
    if at is None:
        return replace(solution, stops=(*solution.stops, stop))
    at = replace(
        at, stage=len(at.plan.stages), iteration=0, total=at.total + 1, state=None, finished=None,
        wall_s=at.wall_s + wall_s, cpu_s=at.cpu_s + cpu_s,
    )  # fmt: skip
    solution = replace(solution, progress=at, stops=(*solution.stops, stop))
    solution = replace(solution, rounds=dict(solution.rounds) or {at.total: solution.points})
    history = solution.history.append(**Recorder(solution).row(solution, solution.stack.losses(solution.theta)))
    return noted(replace(solution, history=history, notes=(*solution.model.notes, *of_history(history))))


def of_history(history: History) -> tuple[str, ...]:
    """What a person should know of a run's end: here, the sign of a wrong basin."""
    if not len(history):
        return ()
    iterations = history["iteration"][-2:]
    last = -2 if len(iterations) == 2 and iterations[0] == iterations[1] else -1  # -1 is then a better iterate's row
    train, fresh = max(history["loss"][last], 1e-300), history["validation"][last]
    if fresh > SUSPICIOUS * train:
        return (
            f"the residual on fresh points ({fresh:.1e}) is {fresh / train:.0f} times that on the training points "
            f"({train:.1e}): the model fits points, not the equation: use more points, resampling or another seed",
        )
    return ()


def noted(solution: Solution) -> Solution:
    """The solution with what its statement leaves open, as the trained fields show."""
    return replace(solution, notes=(*solution.notes, *open_inflow(solution)))
