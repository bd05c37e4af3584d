"""Time windows: an unsteady problem solved slab by slab, each one starting from the end of the one before."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
import torch

from pinnkit.domain.box import Box
from pinnkit.model.march import March, time_of, window
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.statement.problem import Problem
from pinnkit.tools.atomic_file import check_or_make_folder
from pinnkit.tools.checked import Count, Finite, checked
from pinnkit.tools.memory import afford

from .balance import Balance
from .optim import Stage
from .recipe import default_recipe
from .resampling.resample import Resampler
from .run_file import load_run
from .solve import resume, solve


class MarchSettings(TypedDict, total=False):
    """The settings of `solve` that hold in every window."""

    stages: Sequence[Stage]
    resample: Resampler | None | Literal[False]
    seed: int
    weights: Mapping[str, float] | None
    balance: Balance | None | Literal[False]
    hard: bool | None
    dtype: torch.dtype
    device: Any
    log_every: int
    validation: int
    time_limit: float | None
    checkpoint_every: float
    progress: bool | None
    observe: Callable[[Solution], None] | None
    callbacks: Any


@checked
def march(
    problem: Problem,
    windows: Count | Sequence[Finite] = 4,
    network: Network | None = None,
    points: Any = None,
    *,
    folder: str | Path | None = None,
    **settings: Unpack[MarchSettings],
) -> March:
    """Solve an unsteady problem window by window: u_k(t_k) = u_k-1(t_k) is the initial condition on [t_k, t_k+1].

    The initial condition is a function whose derivatives are those of the network before. Each window starts from the
    parameters of the one before. A window that ends early (an interrupt, a time limit, a callback) is the last one.

    Args:
        problem: a problem on a :class:`Box` with time, without unknown coefficients.
        windows: the number of windows of equal length, or the times between them, both ends included.
        network: the network of every window. Default None: that of the recipe.
        points: points of every window, as in :func:`solve`. Default None: the numbers of the recipe.
        folder: a folder for one run file a window. Finished windows are read from it, an interrupted one is resumed.
            Default None: nothing is written.
        settings: other arguments of :func:`solve`, used in every window.

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
    edges, recipe = _edges(problem, windows), default_recipe(problem)
    given: MarchSettings = {
        "stages": recipe.stages, "resample": recipe.resample, "balance": recipe.balance, **settings,
    }  # fmt: skip
    done: list[Solution] = []
    for k, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        part = window(problem, low, high, done[-1] if done else None)
        path = None if folder is None else Path(folder) / f"window_{k + 1}.h5"
        if path is not None and path.exists():
            named = ("progress", "observe", "callbacks", "checkpoint_every")
            options: dict[str, Any] = {name: value for name, value in given.items() if name in named}
            done.append(_finished(load_run(path, part), path, options))
        elif done:
            counts = {key: len(s) for key, s in done[-1].points.items()} if points is None else points
            done.append(solve(part, points=counts, start=done[-1], checkpoint=path, **given))
        else:
            if path is not None:
                check_or_make_folder(path)
            done.append(solve(part, network, points, checkpoint=path, **given))
        if not done[-1].progress.done:
            break  # interrupted, or out of time: what follows would start from a guess
    return March(problem, tuple(done))


def _finished(solution: Solution, path: Path, options: dict[str, Any]) -> Solution:
    """A window that was read, trained to its end."""
    return solution if solution.progress.done else resume(solution, checkpoint=path, **options)


def _edges(problem: Problem, windows: int | Sequence[float]) -> list[float]:
    if not isinstance(problem.domain, Box) or problem.domain.time is None:
        raise ValueError(f"{problem.name}: time windows need a pinnkit.Box with time, the domain is {problem.domain!r}")
    if problem.unknowns:
        raise ValueError(
            f"{problem.name}: the unknown {next(iter(problem.unknowns))} belongs to the whole time: windows would each "
            "find another value; use solve"
        )
    low, high = time_of(problem.domain)
    if isinstance(windows, int):
        afford(100 * windows, f"a march of {windows} windows", "give fewer")
        return np.linspace(low, high, windows + 1).tolist()
    edges = [float(t) for t in windows]
    if len(edges) < 2 or edges[0] != low or edges[-1] != high or (np.diff(edges) <= 0).any():
        raise ValueError(f"windows={list(windows)}: expected times that rise from {low:g} to {high:g}, both included")
    return edges
