"""A plan that climbs to a tolerance: short trainings of growing networks, each corrected and judged."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from pinnkit.model.model import Model
from pinnkit.network.base import Network
from pinnkit.network.mlp import MLP
from pinnkit.statement.problem import Problem
from pinnkit.training.resampling.resample import Resampler

from .bandwidth import tuned
from .optim import Adam, SSBroyden, Stage
from .recipe import Recipe
from .remodel import Correct, Restart

RUNGS = (((20, 20), 0, 0), ((20, 20), 100, 100), ((30, 30), 200, 300), ((30, 30, 30), 300, 700))
POINTS = 1500  # in the interior, of the first rungs
OWN = ((0, 0), (100, 100), (300, 700), (1000, 3000))  # of a network that was given
LINE = 300  # points in the interior of a problem of one coordinate


@dataclass(frozen=True)
class Climb:
    """The network and points that a run begins with, its stages, and when points are first drawn anew."""

    network: Network
    points: Mapping[str, Any]
    stages: tuple[Stage, ...]
    resample: Resampler | None


def climb(model: Model, recipe: Recipe, tolerance: float, network: Network | None, points: Any, seed: int) -> Climb:
    """From initial parameters to the recipe's own training; every rung ends in ``Correct(tolerance)``.

    Args:
        model: the problem, with any network.
        recipe: the problem's recipe, whose network, points and stages are the last rungs.
        tolerance: the relative L2 error to reach.
        network: the only network to try. Default None: small ones first, then the recipe's.
        points: the points of all rungs. Default None: some first, then the recipe's.
        seed: seed of the run.
    """
    problem = model.problem
    some = {"pde": POINTS if len(problem.domain.names) > 1 else LINE}
    rungs: list[tuple[Network, Any, tuple[Stage, ...]]] = []
    if network is None:
        first = tuned(model, _plain(recipe.network, RUNGS[0][0], problem), seed)
        for sizes, a, b in RUNGS:
            rungs.append((first.resized(*sizes), some, _trained(a, b)))
        rungs.append((recipe.network, dict(recipe.points), (Adam(500), SSBroyden(1200))))
        rungs.append((recipe.network, dict(recipe.points), tuple(recipe.stages)))
    else:
        rungs += [(network, dict(recipe.points), _trained(a, b)) for a, b in OWN]
    if points is not None:
        rungs = [(net, points, stages) for net, _, stages in rungs]
    stages: list[Stage] = []
    for i, (net, at, training) in enumerate(rungs):
        moves = points is None and at != rungs[i - 1][1]
        stages += ([Restart(net, at if moves else None, recipe.method)] if i else []) + [*training, Correct(tolerance)]
    before = sum(s.iterations for s in stages[: -len(rungs[-1][2]) - 1])
    return Climb(rungs[0][0], rungs[0][1], tuple(stages), _late(recipe.resample, before))


def _late(rule: Resampler | None, before: int) -> Resampler | None:
    """The rule that moves points, from the last rung on."""
    if is_dataclass(rule) and not isinstance(rule, type) and any(f.name == "after" for f in fields(rule)):
        return replace(rule, after=before + rule.after)
    return rule


def _plain(network: Network, hidden: tuple[int, ...], problem: Problem) -> MLP:
    """A network with these hidden layers, and the features of the recipe's where that is an MLP."""
    sizes = len(problem.domain.names), *hidden, len(problem.fields)
    return MLP(*sizes, features=network.features if isinstance(network, MLP) else None)


def _trained(a: int, b: int) -> tuple[Stage, ...]:
    return (Adam(a), SSBroyden(b)) if a else ()


def best_note(error: tuple[int, float], tolerance: float) -> str:
    """What is said of the best model of a climb that ended without reaching its tolerance."""
    distrusted, size = error
    return f"the tolerance {tolerance:g} is not reached: the best model's relative error is estimated as {size:.1e}" + (
        ", which the verdict distrusts" if distrusted else ""
    )
