"""What a training run follows and where it stands: recipe, plan, progress."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.network.mlp import MLP
from pinnkit.statement.problem import Problem
from pinnkit.tools import hdf5
from pinnkit.tools.checked import Count, NotNegative, Whole, checked
from pinnkit.tools.serialise import register
from pinnkit.training.resampling.resample import Resampler, rad

from .balance import Balance
from .optim import Adam, LevenbergMarquardt, Optimiser, SSBroyden, Stage
from .optim.stage import copied


@register
@checked
@dataclass(frozen=True)
class Recipe:
    """The settings of :func:`solve` that solve one problem well; a problem carries them as ``recipe``.

    Args:
        network: the network.
        points: number of points by set name; sets that are not named get a fifth of the interior's "pde". Default: 2000
            in the interior.
        stages: optimisers in order. Default: 1000 steps of Adam, which find the basin, then 3000 of SSBroyden, which
            converge.
        resample: the rule that moves the points. Default: :func:`rad` with weights, so that the loss still estimates a
            mean over the domain. None: never.
        hard: whether conditions hold by construction, as in :func:`solve`. Default None: where that is possible.
        weights: weights of the loss by term. Default: 1 for every term.
        method: how points are drawn: "sobol" (default: evenly spread), "random", and others of :func:`sample`.
        balance: the rule that changes the weights. Default None: they stay.

    Example:
        >>> import pinnkit as pk
        >>> pk.Recipe(pk.MLP(2, 16, 1), points={"pde": 500}).points
        {'pde': 500}
    """

    network: Network
    points: Mapping[str, Count] = field(default_factory=lambda: {"pde": 2000})
    stages: Sequence[Stage] = (Adam(1000), SSBroyden(3000))
    resample: Resampler | None = field(default_factory=partial(rad, weights=True))
    hard: bool | None = None
    weights: Mapping[str, NotNegative] = field(default_factory=dict)
    method: str = "sobol"
    balance: Balance | None = None


def default_recipe(problem: Problem) -> Recipe:
    """The problem's own recipe, or a general one."""
    if problem.recipe is not None:
        return problem.recipe
    if len(problem.domain.names) == 1:  # ordinary equations: few parameters, of which Gauss-Newton makes most
        stages: tuple[Any, ...] = (LevenbergMarquardt(100),)
        n = 300 if problem.complementary else 80  # a kink between two points is not seen
        return Recipe(MLP(1, 16, 16, len(problem.fields)), {"pde": n}, stages, resample=None)
    return Recipe(MLP(len(problem.domain.names), 32, 32, 32, len(problem.fields)))


@checked
@dataclass(frozen=True)
class Plan:
    """All that a run follows: what is to be done, apart from the state of doing it."""

    stages: tuple[Stage, ...]
    resample: Resampler | None = None
    seed: Whole = 0
    log_every: Count = 100
    validation: Whole = 2000
    time_limit: NotNegative | None = None
    balance: Balance | None = None
    best: bool = True


@dataclass(frozen=True, eq=False)
class Best:
    """The parameters (P,) of the logged iteration whose loss on fresh points, ``value``, is the least so far.

    Only iterations count whose training ``loss`` is about the least: others are no minimum, of which influence and the
    signs of overfitting could be told.
    """

    theta: Tensor
    value: float
    iteration: int
    loss: float


@dataclass(frozen=True, eq=False)
class Aside:
    """The second model of a run that keeps its best one, and what the best one's error is estimated as.

    ``error`` is (0, relative error), or (1, relative error) where the verdict distrusts it. ``solution`` is the best
    model while training goes on; where ``shown``, the best is the run's own and this one is in training.
    """

    error: tuple[int, float]
    solution: Solution
    shown: bool = False


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a run stands: stage, iteration in it and in all, rounds of resampling, optimiser state, time spent."""

    plan: Plan
    stage: int = 0
    iteration: int = 0
    total: int = 0
    round: int = 0
    state: dict[str, Any] | None = None
    finished: Stage | None = None  # the last stage that ran to its end, whose state a next run may take over
    wall_s: float = 0.0
    cpu_s: float = 0.0
    aside: Aside | None = None
    source: str | Path | None = None  # the file that held the state, until it is gone on with
    best: Best | None = None  # under the present weights; of a run that has ended it is the solution

    @property
    def done(self) -> bool:
        """Whether all stages have run."""
        return self.stage >= len(self.plan.stages)

    def begun(self, theta: Tensor, objective: Any) -> "Progress":
        """The same to go on with at parameters theta (P,); ValueError where its file held no state of the stage."""
        stage = None if self.done else self.plan.stages[self.stage]
        if self.source is not None and self.state is not None and isinstance(stage, Optimiser):
            with self._as_read():
                stage.check(theta, self.state, objective)
        return replace(self, source=None)

    def _as_read(self) -> AbstractContextManager[None]:
        """A block in which what is wrong with the state is said with the name of its file."""
        return nullcontext() if self.source is None else hdf5.as_written(self.source, "pinnkit.save")

    def apart(self) -> "Progress":
        """The same with a state of its own: optimisers write in theirs."""
        return replace(self, state=copied(self.state))

    def carried_over(self, plan: Plan) -> "Progress":
        """The start of a new plan that keeps the optimiser's state where its kind stays the same."""
        kept, last = None, self.finished if self.done else self.plan.stages[self.stage]
        if plan.stages and self.state is not None and type(last) is type(plan.stages[0]):
            with self._as_read():
                kept = plan.stages[0].renew(copied(self.state))
        return Progress(
            plan, total=self.total, round=self.round, state=kept, wall_s=self.wall_s, cpu_s=self.cpu_s,
            source=self.source,
        )  # fmt: skip
