"""Data made wrong in a trained model's loss, and how well self-influence finds them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.statement.points import Points
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.residual import Residual

from .influence import Influence
from .retrain import Proximal, minimise

WRONG = 0.05  # the share of the points that are given wrong data
SHIFT = sp.Symbol("data_shift", real=True)


@dataclass(frozen=True)
class CorruptedData:
    """How well wrong data are found: the area under the ROC curve by way of ranking, the mean over ``corruptions``.

    ``points`` of the sets ``keys`` were given wrong data, out of ``among``, ``corruptions`` times; ``what`` tells how.
    """

    what: str
    keys: tuple[str, ...]
    points: int
    among: int
    corruptions: int
    auc: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Shifted(Model):
    """A model whose residuals at some point sets have another target: a column of the points is subtracted."""

    shifted: frozenset[str] = frozenset()

    @cached_property
    def programs(self) -> dict[str, ResidualProgram]:
        """The compiled residuals of every point set."""
        groups: dict[str, list[Residual]] = {}
        for residual in self.problem.residuals:
            if residual.name not in self.exact_terms:
                wrong = replace(residual, expression=residual.expression - SHIFT)
                groups.setdefault(residual.key, []).append(wrong if residual.key in self.shifted else residual)
        return {key: self.program(group) for key, group in groups.items()}


def corrupt(solution: Solution, shifts: Mapping[str, Tensor]) -> Solution:
    """The same parameters, for data that are wrong: by shifts (N,) of the targets of all terms at some point sets."""
    stated = {f.name: getattr(solution.model, f.name) for f in fields(solution.model)}
    model = Shifted(**(stated | {"shifted": frozenset(shifts)}))
    sets = dict(solution.points)
    for key, shift in shifts.items():
        sets[key] = replace(sets[key], columns={**sets[key].columns, SHIFT.name: shift.to(solution.theta)})
    return replace(solution, model=model, points=Points(sets), progress=None)


def find_corrupted(
    solution: Solution,
    corruptions: int,
    rng: np.random.Generator,
    curvature: str,
    damping: float,
    size: float = 0.1,
) -> CorruptedData:
    """Make data wrong, train on, rank the points: by self-influence, and by the size of the residual to compare.

    Wrong data are off by +-``size`` times the fields' root mean square. Where a model has no rows of data (they hold
    by construction, or tie two faces together) the source of the equation is made wrong at interior points, by
    ``size`` times the root mean square of the equation's largest term. Training goes on with Newton's method, at most
    30 steps, and a proximal term with that ``damping``.
    """
    images = {r.key for r in solution.problem.residuals if r.image}
    keys = tuple(key for key in solution.stack.programs if key != "pde" and key not in images)
    note, where = "", "data"
    if not keys:
        keys, where = ("pde",), "sources"
        note = "the conditions hold by construction or have no data: wrong sources of the equation were put in instead"
    scale = size * _scale(solution, keys)
    sizes = {key: len(solution.points[key]) for key in keys}
    among = sum(sizes.values())
    count = max(1, round(WRONG * among))
    areas: dict[str, list[float]] = {"self-influence": [], "residual": []}
    for _ in range(corruptions):
        wrong = torch.zeros(among, dtype=torch.bool)
        wrong[torch.from_numpy(rng.permutation(among)[:count].copy())] = True
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], among))
        shifts = dict(zip(keys, (scale * signs * wrong).split(list(sizes.values())), strict=True))
        bad = corrupt(solution, shifts)
        objective = Proximal(bad.stack, solution.theta, torch.zeros_like(solution.theta), damping)
        bad = replace(bad, theta=minimise(objective, solution.theta, steps=30).theta)
        r = bad.stack.values(bad.theta)
        own = Influence(bad, curvature).self_influence()
        scores = {"self-influence": own, "residual": bad.stack.by_term(bad.stack.row_weights * r * r)}
        for way, score in scores.items():
            total = [sum((score[name] for name in bad.stack.names(key)), torch.zeros(())) for key in keys]
            areas[way].append(auc(torch.cat(total), wrong))
    what = f"finding {count} wrong {where} among {among} ({corruptions} times)"
    return CorruptedData(what, keys, count, among, corruptions, {k: float(np.mean(v)) for k, v in areas.items()}, note)


def _scale(solution: Solution, keys: tuple[str, ...]) -> float:
    """The root mean square of the fields, or of the equation's largest term, over the interior points."""
    problem = solution.problem
    expressions: list[sp.Expr] = list(problem.fields)
    if keys == ("pde",):
        equations = [sp.sympify(e, strict=True) for e in problem.interface_problem.interior.values()]
        expressions = [term for e in equations for term in sp.Add.make_args(e)]
    X = solution.points["pde"].X if "pde" in solution.points else problem.domain.sample(500, seed=0)
    size = solution.evaluate(expressions, X).square().mean(0).max()
    return float(size.sqrt()) or 1.0


def auc(scores: Tensor, positive: Tensor) -> float:
    """The chance that a positive one has the larger score, ties counting half (Mann, Whitney 1947)."""
    above, below = scores[positive.to(scores.device)], scores[~positive.to(scores.device)]
    return float((above[:, None] > below).double().mean() + (above[:, None] == below).double().mean() / 2)
