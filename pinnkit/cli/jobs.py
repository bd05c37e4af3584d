"""The jobs of the command line: a run begun, or gone on with, as somebody typed it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinnkit.error.correction import correct
from pinnkit.influence.attribution import Attribution
from pinnkit.influence.influence import Influence
from pinnkit.model.march import March
from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised
from pinnkit.statement import catalogue
from pinnkit.statement.problem import Problem
from pinnkit.tools import hdf5
from pinnkit.tools.serialise import decode
from pinnkit.training import run_file as runfile
from pinnkit.training.recipe import default_recipe
from pinnkit.training.remodel import Correct
from pinnkit.training.solve import resume, solve

from . import options


@dataclass(frozen=True)
class SolveArguments:
    """What was typed, as text; None and () stand for what was left out."""

    target: str
    arguments: tuple[str, ...] = ()
    network: str | None = None
    points: tuple[str, ...] = ()
    resample: str | None = None
    every: int | None = None
    stages: str | None = None
    device: str | None = None
    dtype: str | None = None
    seed: int | None = None
    time_limit: float | None = None
    balance: str | None = None
    tolerance: float | None = None

    def problem(self, file: Path | None = None, held: dict[str, Any] | None = None) -> Problem:
        """The problem with the arguments that were typed, else those that a run file holds; ValueError if wrong."""
        maker = catalogue.find_problem(self.target)
        typed = maker.parse(options.pairs(self.arguments, "--set"))
        return maker(**typed) if typed or file is None else maker.stored(held or {}, file)

    def settings(self, problem: Problem) -> dict[str, Any]:
        """What was typed of network, points, stages, resampling ..., as arguments of ``solve``; ValueError if wrong."""
        recipe = default_recipe(problem)
        found: dict[str, Any] = {}
        if self.network is not None:
            found["network"] = options.widths(self.network, problem, recipe.network)
        if self.points:
            found["points"] = {**recipe.points, **options.point_counts(self.points)}
        if self.stages is not None:
            found["stages"] = recipe.stages if self.stages == "recipe" else options.stages(self.stages)
        if self.resample is not None or self.every is not None:
            found["resample"] = options.resampler(self.resample, self.every, recipe.resample)
        if self.balance is not None:
            found["balance"] = options.balance(self.balance)
        if self.tolerance is not None:
            found["tolerance"] = self.tolerance
        return found


def started(wish: SolveArguments, *, checkpoint: Path, progress: bool) -> Solution:
    """A new run; raises ValueError for a wish that cannot be met, OSError for a file that cannot be written."""
    problem = wish.problem()
    device, dtype = options.processor(wish.device), options.number_type(wish.dtype or "float64")
    return solve(
        problem, **wish.settings(problem), seed=wish.seed or 0, dtype=dtype, device=device,
        time_limit=wish.time_limit, checkpoint=checkpoint, progress=progress,
    )  # fmt: skip


def superposed(wish: SolveArguments, *, file: Path, progress: bool, resume: bool) -> Solution:
    """A superposition of exact solutions, written to a file; ValueError for settings that it does not have."""
    from pinnkit.exact.superposition.solve_lie import solve_lie

    networks = ("network", "points", "resample", "every", "stages", "device", "dtype", "balance")
    given = [name for name in networks if getattr(wish, name) not in (None, ())] + ["resume"] * resume
    if given:
        raise ValueError(f"--{given[0]} is for networks: a superposition (--solver lie) has none, leave it out")
    settings: dict[str, Any] = {} if wish.tolerance is None else {"tolerance": wish.tolerance}
    solution = solve_lie(
        wish.problem(), seed=wish.seed or 0, time_limit=wish.time_limit, progress=progress, **settings
    )  # fmt: skip
    runfile.save(solution, file)
    return solution


def resumed(wish: SolveArguments, *, checkpoint: Path, progress: bool) -> Solution:
    """The run in a file, gone on with; ValueError where the file holds another one than was asked for."""
    arguments, device = _begun(checkpoint)
    problem = wish.problem(checkpoint, arguments)
    if wish.device is None:  # what the file says was not typed: the sentence names the file
        with hdf5.as_written(checkpoint, "pinnkit.save"):
            device = options.processor(device)
    else:
        device = options.processor(wish.device)
    solution = runfile.load_run(checkpoint, problem, device)
    if solution.progress is None:
        raise ValueError(f"{checkpoint} holds no state of its training, so it cannot be resumed")
    _check(wish, solution, checkpoint)
    plan = replace(solution.progress.plan, time_limit=wish.time_limit)
    solution = replace(solution, progress=replace(solution.progress, plan=plan))
    return resume(solution, checkpoint=checkpoint, progress=progress)


def _begun(path: Path) -> tuple[Any, Any]:
    """The arguments of the problem that a run file was begun with, and its device."""
    head = runfile.header(path)
    with hdf5.as_written(path, "pinnkit.save"):
        return decode(head["problem"]["arguments"]), head["device"]


def opened_run(path: Path, file: Path | None) -> Solution:
    """The solution in a run file, its problem stated by another file if need be; raises as ``load_run``."""
    return runfile.single(path, opened(path, file))


def opened(path: Path, file: Path | None) -> Any:
    """The solution or march in a run file, its problem stated by another file if need be; raises as ``load``."""
    if file is None:
        return runfile.load(path)
    arguments, _ = _begun(path)
    return runfile.load(path, catalogue.find_problem(str(file)).stored(arguments, path))


def corrected(solution: Solution | March, file: Path, seed: int = 0) -> Any:
    """The solution corrected in its tangent space, or with a note why it could not be, written to a file."""
    found = correct(solution, seed=seed)
    runfile.save(found, file)
    return found


@dataclass(frozen=True)
class InfluenceArguments:
    """What was asked of a run's training points, as text."""

    of: tuple[str, ...] = ()
    curvature: str = "auto"
    damping: str = "gcv"
    convention: str = "fixed"


def influenced(path: Path, file: Path | None, question: InfluenceArguments) -> tuple[Influence, Attribution]:
    """The influence of a run's training points on what was asked (the loss on fresh points unless told otherwise).

    Raises:
        ValueError: a question that is not understood, a run whose problem or network the file does not hold.
    """
    damping = options.damping(question.damping)
    solution = opened_run(path, file)
    functionals = [options.functional(text, solution) for text in question.of or ("test-loss",)]
    influence = Influence(solution, question.curvature, damping)
    return influence, influence.attribute(functionals, convention=question.convention)


def _check(wish: SolveArguments, solution: Solution, path: Path) -> None:
    """The settings typed beside --resume must be those that the run has."""
    plan, typed = solution.progress.plan, wish.settings(solution.problem)
    network = solution.network.network if isinstance(solution.network, Linearised) else solution.network
    has = {"network": network, "stages": plan.stages, "resample": plan.resample, "seed": plan.seed}
    has |= {"dtype": solution.theta.dtype, "balance": plan.balance}
    has |= {"tolerance": max((s.tolerance or 0.0 for s in plan.stages if isinstance(s, Correct)), default=None)}
    if solution.progress.round == 0:  # later the numbers of points may have changed
        has["points"] = {key: len(points) for key, points in solution.points.items()}
        typed["points"] = has["points"] | {k: n for k, n in typed.get("points", {}).items() if k in has["points"]}
    typed |= {} if wish.seed is None else {"seed": wish.seed}
    typed |= {} if wish.dtype is None else {"dtype": options.number_type(wish.dtype)}
    for name, value in has.items():
        if typed.get(name, value) != value:
            raise ValueError(
                f"{path} was begun with {name} {value}: leave --{name} out to go on with it, or give --overwrite"
            )
