"""solve(): stages of optimisers over collocation points that may be resampled; the one training loop."""

import math
import sys
import tempfile
import time
import uuid
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
from pinnkit.model.nan_cause import cause
from pinnkit.model.recorder import Recorder, noted, of_history
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.network.base import Network
from pinnkit.statement.inflow import check_inflow
from pinnkit.statement.points import Points, sample
from pinnkit.statement.problem import Problem
from pinnkit.statement.units import units
from pinnkit.tools.checked import Count, Device, NotNegative, Whole, checked, checked_but
from pinnkit.tools.interrupt import Interrupt
from pinnkit.tools.lock import only_writer
from pinnkit.tools.progress import Reporter, reporter
from pinnkit.tools.serialise import missing
from pinnkit.tools.versions import moved, versions
from pinnkit.training.resampling.resample import Resampler

from .balance import Balance
from .callbacks import Hooks
from .optim import Claiming, Stage, Step
from .recipe import Plan, Progress, default_recipe
from .run_file import save

NOT_SAVED = "not saved"  # how the note on a run begins that could not be


@checked_but("network")
def solve(
    problem: Problem | None = None,
    network: Network | nn.Module | None = None,
    points: Points | Mapping[str, Count | PointSet] | Count | None = None,
    *,
    stages: Stage | Sequence[Stage] | None = None,
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
) -> Solution:
    """Minimise L(theta) = sum_k w_k mean(r_k^2) over the parameters of a network and the unknown coefficients.

    Here r_k are the residuals of the term k (an equation, a condition or measured data) at its points. The optimisers
    of ``stages`` run one after the other. Settings that are not given come from the problem's recipe. Where fields,
    terms or coefficients are far from 1 in the units of the statement, training uses scales derived from the statement
    and its data; a note of the solution names them. Weights given by the caller are not scaled.

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
        stages: optimisers, in order. Default None: those of the recipe.
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
            exception goes on, ``checkpoint`` is saved. Default: none.

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
    if start is not None:
        if network is not None and network != start.network:
            raise ValueError(
                f"solve: start brings its own network, {start.network}, and {network} is given too: leave network out, "
                "or train the other one without start"
            )
        model, first = _model(start, problem, hard), start.theta.clone()
        weights = start.weights if weights is None else weights
        if points is None:
            points = start.points if problem is None else {k: len(s) for k, s in start.points.items()}
    elif problem is None:
        raise TypeError("solve needs a problem, or a solution to start from: solve(problem) or solve(start=solution)")
    else:
        recipe = default_recipe(problem)
        weights = dict(recipe.weights) if weights is None else weights
        own = units(problem)
        if own is not None and weights:  # made for the terms as they are
            own = replace(own, terms={})
        hard = recipe.hard if hard is None else hard
        model = Model(problem, network or recipe.network, hard, units=own)
        points = dict(recipe.points) if points is None else points
        first = model.initial(seed, dtype).to(device)
    check_outputs(model, first)
    check_inflow(model.problem)
    recipe = default_recipe(model.problem)
    if problem is None:  # more training of a solution, at points that may be the caller's own: they stay
        recipe = replace(recipe, resample=None, balance=None)
    given = {key for key, own in points.items() if isinstance(own, PointSet)} if isinstance(points, Mapping) else ()
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
        recipe.balance if balance is False else balance,
    )  # fmt: skip
    history = History() if start is None else start.history
    for stage in plan.stages:
        if isinstance(stage, Claiming):  # memory that a later stage lacks is missed now, and not after the earlier ones
            stage.claim(first)
    state = Progress(plan) if start is None or start.progress is None else _carry_over(start.progress, plan)
    rounds = {} if start is None else start.rounds
    solution = Solution(
        model, first, chosen, weights or {}, history, progress=state, versions=versions(), rounds=rounds
    )
    return _run(solution, checkpoint, checkpoint_every, progress, hooks)


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
    return _run(_apart(solution), checkpoint, checkpoint_every, progress, Hooks(callbacks, observe))


def _carry_over(old: Progress, plan: Plan) -> Progress:
    """The start of a new plan that keeps the optimiser's state where its kind stays the same."""
    kept, last = None, old.finished if old.done else old.plan.stages[old.stage]
    if plan.stages and old.state is not None and type(last) is type(plan.stages[0]):
        kept = plan.stages[0].renew(_copy(old.state))
    return Progress(plan, total=old.total, round=old.round, state=kept, wall_s=old.wall_s, cpu_s=old.cpu_s)


def _apart(solution: Solution) -> Solution:
    """The solution with a state of its own: optimisers write in theirs."""
    return replace(solution, progress=replace(solution.progress, state=_copy(solution.progress.state)))


def _copy(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _copy(value) for key, value in tree.items() if not str(key).startswith("_")}
    return tree.clone() if isinstance(tree, Tensor) else tree


class _Clock:
    """Wall and CPU seconds of a run, those before a resume included."""

    def __init__(self, before: Progress) -> None:
        self._wall, self._cpu = time.perf_counter() - before.wall_s, time.process_time() - before.cpu_s

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


class _Run:
    """One call of the loop: the moving parts, and the solution that they make at any moment."""

    def __init__(self, solution: Solution, hooks: Hooks) -> None:
        self.solution, self.model, self.hooks = solution, solution.model, hooks
        self.at: Progress = solution.progress
        self.plan = self.at.plan
        self.theta, self.points, self.history = solution.theta, solution.points, solution.history
        self.stops = list(solution.stops)
        self.rounds = dict(solution.rounds) or {self.at.total: self.points}
        self.stack = Stack(self.model, self.points, solution.weights)
        self.recorder = Recorder(solution)
        self.clock, self.started = _Clock(self.at), time.perf_counter()
        self.ended: str | None = None  # why a callback has ended the run
        self.whole = True  # whether nothing is torn apart by a step that is going on
        self.lost = False  # whether the residuals are not finite at the parameters that training stands at

    @property
    def late(self) -> bool:
        """Whether this call has used up its time."""
        return self.plan.time_limit is not None and time.perf_counter() - self.started > self.plan.time_limit

    def now(self) -> Solution:
        wall, cpu = self.clock.read()
        return replace(
            self.solution, theta=self.theta, points=self.points, history=self.history, stops=tuple(self.stops),
            rounds=self.rounds, progress=replace(self.at, wall_s=wall, cpu_s=cpu),
            notes=(*self.model.notes, *of_history(self.history)),
        )  # fmt: skip

    def move(self, **changes: Any) -> None:
        self.at = replace(self.at, **changes)

    def tell(self, hook: str) -> None:
        """Call a hook of the callbacks, between two steps, with a solution of its own."""
        self.ended = self.hooks.call(hook, lambda: _apart(self.now())) or self.ended

    def resample(self) -> None:
        """New points if the plan asks for them at this iteration; the optimiser keeps what it has learnt."""
        plan = self.plan.resample
        due = plan is not None and self.at.total >= plan.after and self.at.total % plan.every == 0
        if not due or self.at.total == 0:
            return
        points = plan(self.now(), self.at.round)
        own = {key: points[key] for key in self.model.keys if key in points}
        self.points = Points(own_points(self.model.problem, own))
        self.stack = Stack(self.model, self.points, self.solution.weights)
        if (self.at.round + 1) & self.at.round == 0:  # rounds 1, 2, 4, 8 ... are kept to be looked at
            self.rounds = self.rounds | {self.at.total: self.points}
        self.move(round=self.at.round + 1, state=self.plan.stages[self.at.stage].renew(self.at.state))

    def balance(self) -> None:
        """New weights if the plan asks for them at this iteration."""
        plan = self.plan.balance
        if plan is None or self.at.stage >= plan.stages or self.at.total % plan.every:
            return
        self.solution = replace(self.solution, weights=plan(self.stack, self.theta))
        self.stack = Stack(self.model, self.points, self.solution.weights)
        self.recorder = self.recorder.reweighted(self.solution)
        self.move(state=self.plan.stages[self.at.stage].renew(self.at.state))

    def record(self, losses: Tensor) -> dict[str, float]:
        wall, cpu = self.clock.read()
        at = replace(self.at, wall_s=wall, cpu_s=cpu)
        row = self.recorder.row(replace(self.solution, theta=self.theta, progress=at), losses)
        self.history = self.history.append(**row)
        return row


def _run(solution: Solution, checkpoint: Any, every: float, show: bool | None, hooks: Hooks) -> Solution:
    run = _Run(solution, hooks)
    total = run.at.total + sum(s.iterations for s in run.plan.stages[run.at.stage :]) - run.at.iteration
    with Interrupt() as interrupt, reporter(show, run.model.problem.name, total) as screen, only_writer(checkpoint):
        if checkpoint is not None:
            save(run.now(), checkpoint)  # a place that cannot be written is noticed before the work and not after it
        saved = time.perf_counter()
        try:
            run.tell("on_start")
            while not run.at.done and not interrupt.asked and not run.late and run.ended is None:
                round_before, step = run.at.round, _one_step(run)
                _after_step(run, step, screen)
                if run.at.round > round_before:
                    run.tell("on_resample")
                if checkpoint is not None and time.perf_counter() - saved > every:
                    _save_if_possible(run.now(), checkpoint, screen)
                    saved = time.perf_counter()
        except KeyboardInterrupt:
            if interrupt.asked:  # a second one may have torn a step apart: the last checkpoint stays
                raise
            interrupt.asked = True
        except BaseException as error:  # of a callback, or of a score: between two steps, what is saved is whole
            if checkpoint is not None and run.whole:
                _save_if_possible(run.now(), checkpoint, screen)
                error.add_note(f"the run so far is in {checkpoint}, and can be resumed")
            raise
        if not run.at.done:
            run.stops.append(_unfinished(run, interrupt.asked))
            screen.say(f"{run.stops[-1]}: the run can be resumed")
        final = noted(run.now())
        for note in final.notes:
            screen.say(f"note: {note}")
        if checkpoint is not None:
            final = _save_if_possible(final, checkpoint, screen, elsewhere=True)
    if interrupt.final and final.notes and final.notes[-1].startswith(NOT_SAVED):
        print(final.notes[-1], file=sys.stderr, flush=True)  # the process ends before anybody could read its notes
    try:
        hooks.call("on_end", lambda: final)
    finally:
        interrupt.hand_on()
    return final


def _unfinished(run: _Run, asked: bool) -> str:
    """Why a run ends before its stages do; a last row of the history where it was not interrupted."""
    if asked:
        return f"interrupted (iteration {run.at.total})"
    if not len(run.history) or run.history["iteration"][-1] < run.at.total:
        run.record(run.stack.losses(run.theta))
    if run.ended is not None:
        return f"{run.ended} (iteration {run.at.total})"
    return f"the time limit of {run.plan.time_limit:g} s is reached (iteration {run.at.total})"


def _save_if_possible(solution: Solution, path: str | Path, screen: Reporter, elsewhere: bool = False) -> Solution:
    """The solution, with a note where it could not be saved: a full disk must not cost the run.

    A last one is then saved ``elsewhere``, in the folder for temporary files, if that can be.
    """
    try:
        save(solution, path)
    except OSError as error:
        note = f"{NOT_SAVED}: {error}"
        if elsewhere:
            refuge = Path(tempfile.gettempdir()) / f"{Path(path).stem}-{uuid.uuid4().hex[:8]}.h5"
            try:
                note += f"; it is in {save(solution, refuge)}"
            except OSError as other:
                note += f"; nor elsewhere: {other}"
        screen.say(note)
        return replace(solution, notes=(*solution.notes, note))
    return solution


def _one_step(run: _Run) -> Step:
    stage = run.plan.stages[run.at.stage]
    if run.at.state is None:
        run.move(state=stage.start(run.theta, run.stack))
    if run.at.iteration >= stage.iterations:
        return Step(run.stack.losses(run.theta), f"all {stage.iterations} iterations done")
    run.resample()
    run.balance()
    before, run.whole = run.theta, False
    theta, state, step = stage.step(before, run.at.state, run.stack)
    bad = [n for n, v in zip(run.stack.terms, step.losses, strict=True) if not math.isfinite(float(v))]
    if step.stop is not None or not bad:
        run.theta = theta  # of a stop: the last parameters that were good
    if bad:
        step = Step(step.losses, _why(run, bad[0], before, theta))
    run.move(state=state, iteration=run.at.iteration + 1, total=run.at.total + 1)
    run.whole = True
    return step


def _why(run: _Run, term: str, *thetas: Tensor) -> str:
    """Why a loss is not finite; where it is so for the parameters that are left, no later stage could do better."""
    run.lost = not bool(torch.isfinite(run.stack.losses(run.theta)).all())
    reason = next(filter(None, (cause(run.stack, theta) for theta in (*thetas, run.theta))), "")
    return f"the loss of {term!r} is not finite" + (f": {reason}" if reason else "")


def _after_step(run: _Run, step: Step, screen: Reporter) -> None:
    plan, stage = run.plan, run.plan.stages[run.at.stage]
    finished = step.stop is not None or run.at.iteration >= stage.iterations
    logged = finished or run.at.total % plan.log_every == 0
    if logged:
        row = run.record(run.stack.losses(run.theta) if finished else step.losses)
        screen.update(run.at.total, row)
    if finished:
        reason = step.stop or f"all {stage.iterations} iterations done"
        run.stops.append(f"{type(stage).__name__}: {reason} (iteration {run.at.total})")
        screen.say(run.stops[-1])
        following = len(plan.stages) if run.lost else run.at.stage + 1
        last = following >= len(plan.stages)
        run.move(stage=following, iteration=0, state=run.at.state if last else None, finished=stage)
    if logged:  # last, so that an interrupt raised in it finds the run between two steps
        run.tell("on_log")
    if finished:
        run.tell("on_stage")
