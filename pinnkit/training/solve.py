"""solve() and resume(): what a run starts from, its points, and the plan that it follows."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pinnkit.domain.point_set import PointSet
from pinnkit.model.fits import as_network, check_outputs, own_points
from pinnkit.model.history import History
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.statement.inflow import check_inflow
from pinnkit.statement.points import Points, sample
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.units import units
from pinnkit.tools.checked import Count, Device, NotNegative, Positive, Whole, checked, checked_but
from pinnkit.tools.serialise import missing
from pinnkit.tools.versions import moved, versions
from pinnkit.training.resampling.resample import Resampler

from .balance import Balance
from .callbacks import Hooks
from .ladder import climb
from .loop import train
from .optim import Optimiser, Stage
from .recipe import Plan, Progress, default_recipe

Given = Points | Mapping[str, int | PointSet] | int
Weights = Mapping[str, float] | None


@checked_but("network")
def solve(
    problem: Problem | None = None,
    network: Network | nn.Module | None = None,
    points: Points | Mapping[str, Count | PointSet] | Count | None = None,
    *,
    stages: Stage | Sequence[Stage] | None = None,
    tolerance: Positive | None = None,
    resample: Resampler | None | Literal[False] = False,
    seed: Whole = 0,
    start: Solution | None = None,
    weights: Mapping[str, NotNegative] | None = None,
    balance: Balance | None | Literal[False] = False,
    hard: bool | None = None,
    dtype: torch.dtype = torch.float64,
    device: Device = None,
    log_every: Count = 100,
    validation: Whole = 2000,
    time_limit: NotNegative | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: NotNegative = 60.0,
    progress: bool | None = None,
    observe: Callable[[Solution], None] | None = None,
    callbacks: Any = (),
    best: bool = True,
) -> Solution:
    """Minimise L(theta) = sum_k w_k mean(r_k^2) over the parameters of a network and the unknown coefficients.

    Here r_k are the residuals of the term k (an equation, a condition or measured data) at its points. A run climbs:
    from small networks with short trainings to the recipe's own, each corrected (:class:`Correct`) and judged by an
    error map, until the upper end of a trusted estimate is low enough; the best model comes back. With ``stages`` their
    optimisers run one after the other instead. Settings that are not given come from the problem's recipe. Where
    fields, terms or coefficients are far from 1 in the units of the statement, training uses scales derived from the
    statement and its data; a note of the solution names them. Weights given by the caller are not scaled.

    Args:
        problem: the problem to solve. Default None: the problem of ``start``. With both, the solution of ``start`` is
            continued on the new problem (for example at a smaller viscosity), by the recipe of the new one.
        network: a network from the d coordinates to the fields, or a torch module (as :class:`Module`: its input is
            the box scaled to [-1, 1]^d). Default None: the network of the recipe, or of
            ``start``.
        points: collocation points, or how many to draw: one number for the interior (the other sets get a fifth of it)
            or numbers by set name; points (n, d) in the place of a number are taken as they are, with normals computed
            where they lack them. Default None: as in the recipe. With ``start``: its points, or the same numbers of
            new points if ``problem`` is given too.
        stages: optimisers, in order, as ``problem.recipe.stages``. Default None: the climb; the recipe's where it
            is not meant or cannot be made (a start, a resampler, a balance, another precision than float64, an
            inequality, observations).
        tolerance: the relative L2 error that every field may have, at which the climb ends; a note says so where it is
            not reached. It takes the place of ``stages``. Default None: 1e-10 where short trainings get there, up to
            1e-4 after long ones.
        resample: the rule that moves the points during training. None: never. Default False: the rule of the recipe,
            or none where ``points`` holds points and not only counts,
            and none where ``start`` is continued on its own problem.
        seed: seed of the initial parameters and of all points; the same seed gives the same run.
        start: the solution to continue from: its parameters, weights and points. If the first stage is of the same kind
            as its last one, the optimiser keeps its state (such as the inverse Hessian).
        weights: w_k by the name of the term, at least 0. Default None: those of the recipe or of ``start``; 1 for terms
            that are not named.
        balance: the rule that changes the weights during training; the solution holds the last ones. None: no rule.
            Default False: the rule of the recipe, and none where ``start`` is continued on its own problem.
        hard: True: initial and Dirichlet conditions hold by construction, u = g + d N. False: they are terms of the
            loss. None: by construction where that is possible; notes name the others. Default None: the choice of the
            recipe, else as said.
        dtype: precision of parameters and points. Default float64: quasi-Newton stages stall in float32.
        device: torch device of the training, such as "cuda". Default None: the CPU.
        log_every: iterations between two rows of the history, where losses and errors are recorded.
        validation: number of fresh interior points for the loss in the history; a fifth of it for every other set. They
            are never trained on.
        time_limit: seconds of wall time after which training stops; the run can be resumed. Default None: no limit.
        checkpoint: path of a run file that is written during the run and at its end. An interrupt (Ctrl-C) saves it and
            returns the solution so far. Default None: nothing is written.
        checkpoint_every: seconds of wall time between two writes of ``checkpoint``.
        progress: True: progress is printed everywhere. False: nothing is printed. Default None: a bar in a terminal or
            notebook, else nothing.
        observe: called with the solution so far at every row of the history. Default None.
        callbacks: objects with some of the methods on_start, on_log (at every row of the history), on_stage (a stage
            has ended), on_resample (after the first step on new points) and on_end. Each takes the solution so far. One
            that returns ``pinnkit.STOP`` or raises StopIteration ends the run, which can be resumed; before any other
            exception goes on, ``checkpoint`` is saved; without one the run so far is the exception's attribute
            ``solution``. Default: none.
        best: True (default): of a run that has ended comes back the iterate, among those at the rows of the history
            whose training loss is about the least, whose loss on fresh points is the least; ``stops`` say so where it
            is not the last. A run that is to be resumed comes back at its last. False: always the last.

    Returns:
        The trained solution: its parameters theta, points, weights, history, and the reason why each stage stopped.

    Raises:
        TypeError: neither a problem nor a start.
        ValueError: missing points, unknown sets or weights, hard constraints that are impossible, a start that does not
            fit the problem, boundary values at an outflow.
        BlockingIOError: another process writes the checkpoint.
        OSError: the checkpoint cannot be written.
        MemoryError: points or an optimiser need more memory than there is.

    Source:
        Raissi, Perdikaris, Karniadakis, J. Comput. Phys. 378 (2019), section 3.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> u.errors()["u"]["relative_l2"] < 0.05
        True
    """
    network, hooks = as_network(network), Hooks(callbacks, observe)
    path = None
    if tolerance is not None:
        _check_tolerance(tolerance, problem, stages, start, dtype)
    if problem is not None and (tolerance is not None or _climbs(problem, stages, start, resample, balance, dtype)):
        recipe = default_recipe(problem)
        model, _, _ = _anew(problem, recipe.network, None, weights, hard)
        path = climb(model, recipe, tolerance, network, points, seed)
        network, points, stages = path.network, path.points, path.stages
    if start is None and problem is not None and problem.softened:
        start = _softened(problem, network, points, stages, seed, hard)
    if start is not None:
        model, first, points, weights = _continued(start, problem, network, points, weights, hard)
    elif problem is None:
        raise TypeError("solve needs a problem, or a solution to start from: solve(problem) or solve(start=solution)")
    else:
        model, points, weights = _anew(problem, network, points, weights, hard)
        first = model.initial(seed, dtype).to(device)
    check_outputs(model, first)
    check_inflow(model.problem)
    recipe = default_recipe(model.problem)
    if problem is None:  # more training of a solution, at points that may be the caller's own: they stay
        recipe = replace(recipe, resample=None, balance=None)
    given = {key for key, own in points.items() if isinstance(own, PointSet)} if isinstance(points, Mapping) else ()
    if path is not None:
        recipe = replace(recipe, resample=path.resample, balance=None)
    if given:  # points of the caller's own stay, unless a resampler is asked for
        recipe = replace(recipe, resample=None)
    if not isinstance(points, Points):
        points = sample(model.problem, points, method=recipe.method, seed=seed)
    points = Points({**points, **own_points(model.problem, {key: points[key] for key in given})})
    chosen = Points({key: _solid(points[key].to(first)) for key in model.keys if key in points})
    if stages is not None and not isinstance(stages, Sequence):
        stages = (stages,)
    plan = Plan(
        tuple(recipe.stages if stages is None else stages),
        recipe.resample if resample is False else resample,
        seed, log_every, validation, time_limit,
        recipe.balance if balance is False else balance, best,
    )  # fmt: skip
    for stage in plan.stages:  # memory that a later stage lacks is missed now, and not after the earlier ones
        if isinstance(stage, Optimiser):
            stage.check_memory(first)
    history = History() if start is None else start.history
    state = Progress(plan) if start is None or start.progress is None else start.progress.carried_over(plan)
    rounds = {} if start is None else start.rounds
    solution = Solution(
        model, first, chosen, weights or {}, history, progress=state, versions=versions(), rounds=rounds
    )
    return train(solution, checkpoint, checkpoint_every, progress, hooks)


def _climbs(
    problem: Problem, stages: Any, start: Solution | None, resample: Any, balance: Any, dtype: torch.dtype
) -> bool:  # fmt: skip
    """Whether a run of whose training nothing is said climbs: corrections can be made, and no noise ends them."""
    free = stages is None and start is None and not resample and balance is False and dtype == torch.float64
    return free and not problem.softened and not any(isinstance(c, Observations) for c in problem.conditions)


def _check_tolerance(
    tolerance: float, problem: Problem | None, stages: Any, start: Solution | None, dtype: torch.dtype
) -> None:  # fmt: skip
    """ValueError where a tolerance stands beside settings that leave it nothing to choose."""
    if problem is None or start is not None:
        raise ValueError("tolerance: such a run chooses its own starts: give the problem, and no start")
    if stages is not None:
        raise ValueError(f"tolerance and stages: leave stages out, or end them with pinnkit.Correct({tolerance:g})")
    if problem.softened:
        raise ValueError(
            f"tolerance: {problem.name} has an inequality, whose smoothing is lowered in steps that a climb does not "
            "take: leave tolerance out"
        )
    if dtype != torch.float64:
        raise ValueError(f"tolerance: corrections are made in torch.float64, not {dtype}: leave dtype out")


def _softened(
    problem: Problem, network: Network | None, points: Any, stages: Any, seed: int, hard: bool | None
) -> Solution:
    """The solution with nearly the problem's own smoothing: from a large one down, each from the one before."""
    recipe = default_recipe(problem)
    stages, points = recipe.stages if stages is None else stages, dict(recipe.points) if points is None else points
    last = (stages if isinstance(stages, Sequence) else (stages,))[-1:]
    found = None
    for part in problem.softened:
        given: dict[str, Any] = {"stages": stages if found is None else last, "resample": None, "progress": False}
        found = solve(part, network if found is None else None, points, start=found, seed=seed, hard=hard, **given)
    assert found is not None
    return replace(found, progress=None, history=History())


def _continued(
    start: Solution,
    problem: Problem | None,
    network: Network | None,
    points: Given | None,
    weights: Weights,
    hard: bool | None,
) -> tuple[Model, Tensor, Given, Weights]:
    """The model, first parameters, points and weights of a run that goes on from a solution."""
    if network is not None and network != start.network:
        raise ValueError(
            f"solve: start brings its own network, {start.network}, and {network} is given too: leave network out, "
            "or train the other one without start"
        )
    if points is None:
        points = start.points if problem is None else {k: len(s) for k, s in start.points.items()}
    return _model(start, problem, hard), start.theta.clone(), points, start.weights if weights is None else weights


def _anew(
    problem: Problem, network: Network | None, points: Given | None, weights: Weights, hard: bool | None
) -> tuple[Model, Given, Weights]:
    """The model, points and weights of a new run: what is not given is the recipe's."""
    recipe = default_recipe(problem)
    weights = dict(recipe.weights) if weights is None else weights
    own = units(problem)
    if own is not None and weights:  # made for the terms as they are
        own = replace(own, terms={})
    model = Model(problem, network or recipe.network, recipe.hard if hard is None else hard, units=own)
    return model, dict(recipe.points) if points is None else points, weights


def _model(start: Solution, problem: Problem | None, hard: bool | None) -> Model:
    """The model of a solution, or the same network on another problem."""
    if problem is None:
        return start.model
    hard = start.model.hard if hard is None else hard
    model = Model(problem, start.network, hard, units=start.model.units)
    if model.count != start.model.count or problem.field_names != start.problem.field_names:
        raise ValueError(
            f"the solution of {start.problem.name} is no start for {problem.name}: expected the same fields, "
            "coordinates and unknowns, and a network that they fit"
        )
    return model


def _solid(points: PointSet) -> PointSet:
    """The points in memory as a file gives them back: torch may round strided numbers in another way."""

    def own(values: Tensor) -> Tensor:
        return values.clone(memory_format=torch.contiguous_format)

    columns = {name: own(values) for name, values in points.columns.items()}
    image, weights = (None if v is None else own(v) for v in (points.image, points.weights))
    return PointSet(own(points.X), columns, image, weights)


@checked
def resume(
    solution: Solution,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: NotNegative = 60.0,
    progress: bool | None = None,
    observe: Callable[[Solution], None] | None = None,
    callbacks: Any = (),
    time_limit: NotNegative | None = None,
) -> Solution:
    """Continue an interrupted run: its result has the same bits as that of a run without the interruption.

    Args:
        solution: a solution that holds the state of its training, as ``load`` gives it back.
        checkpoint: path of the run file to write, usually the one that was loaded. Default None: nothing is written.
        checkpoint_every: seconds of wall time between two writes of ``checkpoint``.
        progress: as in :func:`solve`.
        observe: called with the solution so far at every row of the history. Default None.
        callbacks: as in :func:`solve`. Default: none.
        time_limit: seconds of wall time after which this call ends, to be resumed. Default None: as given to ``solve``.

    Returns:
        The solution after all stages have run. It is the given one, unchanged, where they had already.

    Raises:
        ValueError: the solution holds no state of its training, or its file could not hold a class or score of the
            user.
        BlockingIOError: another process writes the checkpoint.
        OSError: the checkpoint cannot be written.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(50)], time_limit=0, progress=False)
        >>> pk.resume(u, progress=False).stops[-1]
        'the time limit of 0 s is reached (iteration ...)'
    """
    if solution.progress is None:
        raise ValueError("this solution holds no state of its training to resume: use solve(start=solution)")
    lacks = missing((solution.progress.plan.stages, solution.progress.plan.resample))
    if lacks:
        how = f"call pk.register({lacks[0]}) or give it again to pinnkit.load, then resume"
        raise ValueError(f"the run's file could not hold {lacks[0]}: {how}")
    if elsewhere := moved(solution.versions):
        warnings.warn(f"the run began with other arithmetic ({elsewhere}): its last bits will differ", stacklevel=2)
        solution = replace(solution, versions={**solution.versions, "resumed": elsewhere})
    if time_limit is not None:
        at = solution.progress
        solution = replace(solution, progress=replace(at, plan=replace(at.plan, time_limit=time_limit)))
    solution = replace(solution, progress=solution.progress.apart())
    return train(solution, checkpoint, checkpoint_every, progress, Hooks(callbacks, observe))
