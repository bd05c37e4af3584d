"""The training loop: steps of the stages' optimisers, with new points and weights between them, saved on the way."""

import math
import sys
import tempfile
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pinnkit.model.fits import own_points
from pinnkit.model.history import History
from pinnkit.model.nan_cause import cause
from pinnkit.model.recorder import Recorder, noted, of_history
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import Points
from pinnkit.tools.interrupt import Interrupt
from pinnkit.tools.lock import only_writer
from pinnkit.tools.progress import Reporter, reporter

from .callbacks import Hooks
from .ladder import best_note
from .optim import Step
from .recipe import Aside, Best, Plan, Progress
from .remodel import Correct, Remodel, Restart
from .run_file import save

PAST = 0.7  # of the training loss of the best iterate: below it training has left it behind, as no minimum
NOT_SAVED = "not saved"  # how the note on a run begins that could not be


class _Clock:
    """Wall and CPU seconds of a run, those before a resume included."""

    def __init__(self, before: Progress) -> None:
        self._wall, self._cpu = time.perf_counter() - before.wall_s, time.process_time() - before.cpu_s

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


class _Run:
    """One call of the loop: the moving parts, and the solution that they make at any moment."""

    def __init__(self, solution: Solution, hooks: Hooks) -> None:
        solution = _in_training(solution)
        self.solution, self.model, self.hooks = solution, solution.model, hooks
        self.at: Progress = solution.progress
        self.plan = self.at.plan
        self.theta, self.points, self.history = solution.theta, solution.points, solution.history
        self.stops = list(solution.stops)
        self.rounds = dict(solution.rounds) or {self.at.total: self.points}
        self.stack = Stack(self.model, self.points, solution.weights)
        self.at = self.at.begun(self.theta, self.stack)
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
            self.solution, model=self.model, theta=self.theta, points=self.points, history=self.history,
            stops=tuple(self.stops), rounds=self.rounds,
            progress=replace(self.at, wall_s=wall, cpu_s=cpu),
            notes=(*self.model.notes, *of_history(self.history)),
        )  # fmt: skip

    def shown(self) -> Solution:
        """The solution as others see it: of a run that judges its models the best one, with the other one aside."""
        now, aside = self.now(), self.at.aside
        if aside is None:
            return now
        state = replace(now.progress, aside=None if self.at.done else Aside(aside.error, _bare(now), shown=True))
        best = aside.solution
        return replace(
            best, history=now.history, stops=now.stops, rounds={}, progress=state, versions=now.versions,
            notes=(*best.model.notes, *_of_best(self.plan, aside)),
        )  # fmt: skip

    def move(self, **changes: Any) -> None:
        self.at = replace(self.at, **changes)

    def tell(self, hook: str) -> None:
        """Call a hook of the callbacks, between two steps, with a solution of its own."""
        self.ended = self.hooks.call(hook, self._copy) or self.ended

    def _copy(self) -> Solution:
        now = self.now()
        return replace(now, progress=now.progress.apart())

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
        self.move(state=self.plan.stages[self.at.stage].renew(self.at.state), best=None)

    def remodel(self, stage: Remodel) -> Step:
        """The model, parameters and points that a stage puts in the place of those so far; the best model is kept."""
        judged = stage.apply(self.now(), self.plan.seed)
        found = judged.solution
        self.solution, self.model, self.theta, self.points = found, found.model, found.theta, found.points
        self.stack = Stack(self.model, self.points, found.weights)
        self.recorder = Recorder(found)
        if judged.error is not None and (self.at.aside is None or judged.error < self.at.aside.error):
            self.move(aside=Aside(judged.error, _bare(found)))
        if (
            self.at.aside is not None
            and isinstance(stage, Correct)
            and self.at.aside.error <= (0, stage.tolerance or 0)
        ):
            self.move(stage=len(self.plan.stages) - 1)
        self.move(best=None)
        return Step(self.stack.losses(self.theta), judged.said)

    def record(self, losses: Tensor) -> dict[str, float]:
        wall, cpu = self.clock.read()
        at = replace(self.at, wall_s=wall, cpu_s=cpu)
        row = self.recorder.row(replace(self.solution, theta=self.theta, progress=at), losses)
        self.history = self.history.append(**row)
        fresh, best = row["validation"], self.at.best
        judged = self.plan.best and self.at.aside is None  # else the best model is kept by its estimated error
        if judged and math.isfinite(fresh) and (best is None or fresh < best.value or row["loss"] < PAST * best.loss):
            self.move(best=Best(self.theta.clone(), fresh, self.at.total, row["loss"]))
        return row

    def settle(self) -> None:
        """End with the best iterate of the history's rows, where that is not the last; a last row says what it is."""
        best = self.at.best
        last = self.history["validation"][-1] if len(self.history) else 0.0
        if best is not None and last > best.value:
            self.theta = best.theta
            self.record(self.stack.losses(self.theta))
            self.stops.append(
                f"iteration {best.iteration} is returned: its loss on fresh points is {best.value:.2e}, that of the "
                f"last {last:.2e}"
            )
        self.move(best=None)


def _bare(solution: Solution) -> Solution:
    """A model with its parameters, points and weights, and nothing of how it came about."""
    return replace(solution, progress=None, rounds={}, history=History(), stops=(), notes=())


def _in_training(solution: Solution) -> Solution:
    """The solution that training goes on with, where another one is shown."""
    aside = solution.progress.aside
    if aside is None or not aside.shown:
        return solution
    other, best = aside.solution, Aside(aside.error, _bare(solution))
    return replace(
        other, history=solution.history, stops=solution.stops, versions=solution.versions,
        progress=replace(solution.progress, aside=best),
    )  # fmt: skip


def _of_best(plan: Plan, best: Aside) -> tuple[str, ...]:
    """What is said of the best model where it is not as good as it was to be."""
    goal = max((s.tolerance for s in plan.stages if isinstance(s, Correct) and s.tolerance), default=math.inf)
    return () if best.error <= (0, goal) else (best_note(best.error, goal),)


def train(solution: Solution, checkpoint: Any, every: float, show: bool | None, hooks: Hooks) -> Solution:
    """The solution after its plan has run, or where an interrupt, the time limit or a callback ends it."""
    run = _Run(solution, hooks)
    total = run.at.total + sum(s.iterations for s in run.plan.stages[run.at.stage :]) - run.at.iteration
    with Interrupt() as interrupt, reporter(show, run.model.problem.name, total) as screen, only_writer(checkpoint):
        if checkpoint is not None:
            save(run.shown(), checkpoint)  # a place that cannot be written is noticed before the work and not after it
        saved = time.perf_counter()
        try:
            run.tell("on_start")
            while not run.at.done and not interrupt.requested and not run.late and run.ended is None:
                round_before, step = run.at.round, _one_step(run)
                _after_step(run, step, screen)
                if run.at.round > round_before:
                    run.tell("on_resample")
                if checkpoint is not None and time.perf_counter() - saved > every:
                    _save_if_possible(run.shown(), checkpoint, screen)
                    saved = time.perf_counter()
        except KeyboardInterrupt:
            if interrupt.requested:  # a second one may have torn a step apart: the last checkpoint stays
                raise
            interrupt.requested = True
        except BaseException as error:  # of a callback, or of a score: between two steps, what is saved is whole
            if checkpoint is not None and run.whole:
                _save_if_possible(run.shown(), checkpoint, screen)
                error.add_note(f"the run so far is in {checkpoint}, and can be resumed")
            elif run.whole:
                error.solution = run.now()  # type: ignore[attr-defined]
                error.add_note("the run so far is this exception's attribute solution, and can be resumed")
            raise
        if run.at.done:
            run.settle()
        else:
            run.stops.append(_unfinished(run, interrupt.requested))
            screen.say(f"{run.stops[-1]}: the run can be resumed")
        final = noted(run.shown())
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


def _unfinished(run: _Run, requested: bool) -> str:
    """Why a run ends before its stages do; a last row of the history where it was not interrupted."""
    if requested:
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
    if isinstance(stage, Remodel):
        step = run.remodel(stage)
        run.move(state={}, iteration=1, total=run.at.total + 1)
        run.whole = True
        return step
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
        following = _next_start(plan, run.at.stage) if run.lost else run.at.stage + 1
        last = following >= len(plan.stages)
        run.move(stage=following, iteration=0, state=run.at.state if last else None, finished=stage)
    if logged:  # last, so that an interrupt raised in it finds the run between two steps
        run.tell("on_log")
    if finished:
        run.tell("on_stage")


def _next_start(plan: Plan, stage: int) -> int:
    """The next stage that begins with new parameters, or the end."""
    later = (i for i, s in enumerate(plan.stages) if i > stage and isinstance(s, Restart))
    return next(later, len(plan.stages))
