"""A plan that climbs to a tolerance: short trainings of growing networks, each corrected and judged."""

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True)
class Rung:
    """A network, its training, and the relative error at which a climb without a tolerance ends here.

    ``hidden`` are its hidden layers, None for the network that is given or the recipe's. What is dear need not be near
    rounding: ``enough`` grows from rung to rung.
    """

    hidden: tuple[int, ...] | None
    adam: int
    broyden: int
    enough: float

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Adam, then SSBroyden; none where the initial parameters are corrected."""
        return (Adam(self.adam), SSBroyden(self.broyden)) if self.adam else ()


RUNGS = (
    Rung((20, 20), 0, 0, 1e-10),
    Rung((20, 20), 100, 100, 1e-10),
    Rung((30, 30), 200, 300, 1e-8),
    Rung((20, 20, 20, 20), 300, 700, 1e-5),
    Rung(None, 500, 1200, 3e-5),
    Rung((30, 30, 30, 30), 700, 2500, 1e-4),
)
OWN = (Rung(None, 0, 0, 1e-10), Rung(None, 100, 100, 1e-10), Rung(None, 300, 700, 1e-8), Rung(None, 500, 1200, 3e-5))
ENOUGH = 1e-4  # after the recipe's own training
POINTS = 1500  # in the interior, of the first rungs
LINE = 300  # points in the interior of a problem of one coordinate
EVERY = 100  # iterations between two draws of points


@dataclass(frozen=True)
class Climb:
    """The network and points that a run begins with, its stages, and the rule that draws points anew."""

    network: Network
    points: Mapping[str, Any]
    stages: tuple[Stage, ...]
    resample: Resampler | None


def climb(
    model: Model, recipe: Recipe, tolerance: float | None, network: Network | None, points: Any, seed: int
) -> Climb:  # fmt: skip
    """From initial parameters to the recipe's own training; every rung ends in ``Correct(tolerance)``.

    Args:
        model: the problem, with any network.
        recipe: the problem's recipe, whose network, points and stages are the last rungs.
        tolerance: the relative L2 error to reach. None: that of each rung.
        network: the only network to try. Default None: small ones first, then the recipe's.
        points: the points of all rungs. Default None: some first, then the recipe's.
        seed: seed of the run.
    """
    some = {"pde": POINTS if len(model.problem.domain.names) > 1 else LINE}
    tune = None if network is not None else tuned(model, _plain(recipe.network, (20, 20), model.problem), seed)
    own = recipe.network if network is None else network
    rungs: list[tuple[Network, Any, Sequence[Stage], float]] = []
    for rung in OWN if tune is None else RUNGS:
        net = own if tune is None or rung.hidden is None else tune.resized(*rung.hidden)
        at = some if tune is not None and rung.hidden is not None else dict(recipe.points)
        rungs.append((net, at, rung.stages, rung.enough))
    rungs.append((own, dict(recipe.points), recipe.stages, ENOUGH))
    stages: list[Stage] = []
    for i, (net, at, training, enough) in enumerate(rungs):
        if i:
            stages.append(Restart(net, at if points is None else None, recipe.method))
        goal = enough if tolerance is None else tolerance
        stages += [*training, Correct(goal, screen=bool(training) and i + 1 < len(rungs))]
    return Climb(rungs[0][0], rungs[0][1] if points is None else points, tuple(stages), _early(recipe.resample))


def _early(rule: Resampler | None) -> Resampler | None:
    """The rule that moves points, from the first training on: short trainings fit the points that stay."""
    if is_dataclass(rule) and not isinstance(rule, type) and {f.name for f in fields(rule)} >= {"after", "every"}:
        return replace(rule, after=EVERY, every=min(rule.every, EVERY))
    return rule


def _plain(network: Network, hidden: tuple[int, ...], problem: Problem) -> MLP:
    """A network with these hidden layers, and the features of the recipe's where that is an MLP."""
    sizes = len(problem.domain.names), *hidden, len(problem.fields)
    return MLP(*sizes, features=network.features if isinstance(network, MLP) else None)


def best_note(error: tuple[int, float], tolerance: float) -> str:
    """What is said of the best model of a climb that ended without reaching its tolerance."""
    distrusted, size = error
    return f"the tolerance {tolerance:g} is not reached: the best model's relative error is estimated as {size:.1e}" + (
        ", which the verdict distrusts" if distrusted else ""
    )
