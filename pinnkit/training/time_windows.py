"""Time windows: an unsteady problem solved slab by slab, each one starting from the end of the one before."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pinnkit.domain.box import Box
from pinnkit.model.history import History
from pinnkit.model.march import March, time_axis, time_of, window
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.statement.problem import Problem
from pinnkit.tools import hdf5
from pinnkit.tools.atomic_file import check_or_make_folder
from pinnkit.tools.checked import Count, Device, Finite, NotNegative, Positive, Whole, checked
from pinnkit.tools.memory import afford

from .balance import Balance
from .optim import Stage
from .pace import Adaptive, Given, Pace, is_corrected
from .recipe import default_recipe
from .resampling.resample import Resampler
from .run_file import header, load_run, save
from .solve import resume, solve

FILE = "window_{}.h5"  # of a folder, by the number of the window
AGAIN = ("progress", "observe", "callbacks", "checkpoint_every")  # settings that a window gone on with takes


@checked
def march(
    problem: Problem,
    windows: Count | Sequence[Finite] | None = None,
    network: Network | None = None,
    points: Any = None,
    *,
    correct: bool = False,
    tolerance: Positive = 1e-9,
    folder: str | Path | None = None,
    stages: Stage | Sequence[Stage] | None = None,
    resample: Resampler | None | Literal[False] = False,
    weights: Mapping[str, NotNegative] | None = None,
    balance: Balance | None | Literal[False] = False,
    hard: bool | None = None,
    seed: Whole = 0,
    dtype: torch.dtype = torch.float64,
    device: Device = None,
    log_every: Count = 100,
    validation: Whole = 2000,
    time_limit: NotNegative | None = None,
    checkpoint_every: NotNegative = 60.0,
    progress: bool | None = None,
    observe: Callable[[Solution], None] | None = None,
    callbacks: Any = (),
) -> March:
    """Solve an unsteady problem window by window: u_k(t_k) = u_k-1(t_k) is the initial condition on [t_k, t_k+1].

    The initial condition is a function whose derivatives are those of the network before. Each window starts from the
    parameters of the one before, or, where windows are corrected, from new ones. A window that ends early (an
    interrupt, a time limit, a callback) is the last one.

    Args:
        problem: a problem on a :class:`Box` with time, without unknown coefficients.
        windows: the number of windows of equal length, or the times between them, both ends included. Default None:
            four, and with ``correct`` as many as the verdicts ask for: a window that is distrusted is tried again at
            half or a quarter of its length, one that is easy lets the next be twice as long.
        network: the network of every window. Default None: that of the recipe.
        points: points of every window, as in :func:`solve`. Default None: the numbers of the recipe.
        correct: True: every window is corrected (:func:`correct`) before it hands over. Default False.
        tolerance: the relative error that may be left unseen in a corrected window whose length is chosen.
        folder: a folder for one run file a window. Finished windows are read from it, an interrupted one is resumed.
            Default None: nothing is written.
        stages: optimisers of every window, in order. Default None: those of the recipe.
        resample: the rule that moves the points, as in :func:`solve`.
        weights: weights of the loss by term, as in :func:`solve`.
        balance: the rule that changes the weights, as in :func:`solve`.
        hard: whether conditions hold by construction, as in :func:`solve`.
        seed: seed of the initial parameters and of all points.
        dtype: precision of parameters and points.
        device: torch device of the training. Default None: the CPU.
        log_every: iterations between two rows of a window's history.
        validation: number of fresh interior points for the loss in the history.
        time_limit: seconds of wall time after which a window ends, to be resumed. Default None: no limit.
        checkpoint_every: seconds of wall time between two writes of a window's file.
        progress: as in :func:`solve`.
        observe: called with the window's solution so far at every row of its history. Default None.
        callbacks: as in :func:`solve`. Default: none.

    Returns:
        The solutions of all windows, as one function of all times.

    Raises:
        ValueError: a domain that is no box with time, times that do not rise from its beginning to its end, unknown
            coefficients (each window would find another value).

    Source:
        Wight, Zhao, Commun. Comput. Phys. 29 (2021).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.march(pk.problem("heat"), 2, pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> u.errors()["u"]["relative_l2"] < 0.2
        True
    """
    recipe, folder = default_recipe(problem), None if folder is None else Path(folder)
    given: dict[str, Any] = {
        "stages": recipe.stages if stages is None else stages,
        "resample": recipe.resample if resample is False else resample,
        "balance": recipe.balance if balance is False else balance,
        "seed": seed, "weights": weights, "hard": hard, "dtype": dtype, "device": device, "log_every": log_every,
        "validation": validation, "time_limit": time_limit, "checkpoint_every": checkpoint_every,
        "progress": progress, "observe": observe, "callbacks": callbacks,
    }  # fmt: skip
    pace: Pace = Adaptive(*_times(problem), tolerance)
    if windows is not None or not correct:
        pace = Given(_edges(problem, 4 if windows is None else windows), correct)
    if folder is not None:
        check_or_make_folder(folder / FILE.format(1))
    return _Marching(problem, pace, network, points, folder, given, fresh=correct).march()


class _Marching:
    """The windows of a march, one after the other."""

    def __init__(
        self, problem: Problem, pace: Pace, network: Network | None, points: Any, folder: Path | None,
        settings: dict[str, Any], fresh: bool,
    ) -> None:  # fmt: skip
        self.problem, self.pace, self.network, self.points, self.folder = problem, pace, network, points, folder
        self.settings, self.fresh = settings, fresh
        self.done: list[Solution] = []
        self.lost = 0, 0.0, 0.0  # iterations, wall and CPU seconds of windows that were not taken

    def march(self) -> March:
        """All windows, or those until one ends early."""
        low, _ = _times(self.problem)
        while (high := self.pace.end(low, self._held())) is not None:
            window = self._trained(low, high)
            if not window.progress.done:
                self.done.append(window)  # interrupted, or out of time: what follows would start from a guess
                break
            taken = self._judged(window)
            if taken is None:
                continue
            self.done.append(taken)
            low = high
            if not self.pace.goes_on:
                break
        return March(self.problem, tuple(self.done))

    @property
    def _path(self) -> Path | None:
        return None if self.folder is None else self.folder / FILE.format(len(self.done) + 1)

    def _held(self) -> float | None:
        """Where the window ends that the next file holds."""
        if self._path is None or not self._path.exists():
            return None
        head = header(self._path)
        with hdf5.as_written(self._path, "pinnkit.save"):
            return float(head["problem"]["bounds"][1][time_axis(self.problem)])

    def _trained(self, low: float, high: float) -> Solution:
        """The next window, read from its file, gone on with, or begun."""
        part, path = window(self.problem, low, high, self.done[-1] if self.done else None), self._path
        if path is not None and path.exists():
            found = load_run(path, part)
            if not found.progress.done:
                plan = replace(found.progress.plan, time_limit=self.settings.get("time_limit"))
                found = replace(found, progress=replace(found.progress, plan=plan))
                options: dict[str, Any] = {name: value for name, value in self.settings.items() if name in AGAIN}
                found = resume(found, checkpoint=path, **options)
            return found if not self.fresh or is_corrected(found) else self._following(found)
        if not self.done or self.fresh:
            return self._following(solve(part, self.network, self.points, checkpoint=path, **self.settings))
        before = self.done[-1]
        counts = {key: len(s) for key, s in before.points.items()} if self.points is None else self.points
        return solve(part, points=counts, start=before, checkpoint=path, **self.settings)

    def _following(self, window: Solution) -> Solution:
        """A window that was begun anew, with its iterations and its time counted from the beginning of the march."""
        before = self.done[-1].progress if self.done else None
        spent = (0, 0.0, 0.0) if before is None else (before.total, before.wall_s, before.cpu_s)
        total, wall_s, cpu_s = (a + b for a, b in zip(spent, self.lost, strict=True))
        if not window.progress.done or not total:
            return window  # what can be resumed stays as it is
        at = window.progress
        at = replace(at, total=at.total + total, wall_s=at.wall_s + wall_s, cpu_s=at.cpu_s + cpu_s)
        past = self.done[-1].history if self.done else History()
        history = past.followed_by(window.history, iteration=total, wall_s=wall_s, cpu_s=cpu_s)
        return replace(window, progress=at, history=history)

    def _judged(self, window: Solution) -> Solution | None:
        """The window as it is kept, also in its file; None, and no file, where another is to be tried."""
        wall, cpu, path = time.perf_counter(), time.process_time(), self._path
        taken = self.pace.taken(window)
        if taken is None:
            before, at = self.done[-1].progress if self.done else None, window.progress
            spent = (0, 0.0, 0.0) if before is None else (before.total, before.wall_s, before.cpu_s)
            more = at.total, at.wall_s + time.perf_counter() - wall, at.cpu_s + time.process_time() - cpu
            self.lost = tuple(a - b for a, b in zip(more, spent, strict=True))
            if path is not None:
                path.unlink()
            return None
        self.lost = 0, 0.0, 0.0
        if path is not None and taken is not window:
            save(taken, path)
        return taken


def _times(problem: Problem) -> tuple[float, float]:
    """The whole time; ValueError for a problem that cannot be cut into windows."""
    if not isinstance(problem.domain, Box) or problem.domain.time is None:
        raise ValueError(f"{problem.name}: time windows need a pinnkit.Box with time, the domain is {problem.domain!r}")
    if problem.unknowns:
        raise ValueError(
            f"{problem.name}: the unknown {next(iter(problem.unknowns))} belongs to the whole time: windows would each "
            "find another value; use solve"
        )
    return time_of(problem.domain)


def _edges(problem: Problem, windows: int | Sequence[float]) -> list[float]:
    low, high = _times(problem)
    if isinstance(windows, int):
        afford(100 * windows, f"a march of {windows} windows", "give fewer")
        return np.linspace(low, high, windows + 1).tolist()
    edges = [float(t) for t in windows]
    if len(edges) < 2 or edges[0] != low or edges[-1] != high or (np.diff(edges) <= 0).any():
        raise ValueError(f"windows={list(windows)}: expected times that rise from {low:g} to {high:g}, both included")
    return edges
