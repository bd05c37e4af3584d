"""Run files: a solution and all that training left behind in one HDF5 file, to be resumed exactly."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinnkit.model.march import March, time_axis, window
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.statement.problem import Problem
from pinnkit.tools import hdf5
from pinnkit.tools.checked import Device, checked
from pinnkit.tools.hdf5 import Json
from pinnkit.tools.lock import check_free
from pinnkit.tools.serialise import decode, missing
from pinnkit.training.resampling.resample import Resampler

from .optim import Stage
from .run_tree import check_kinds, check_probe, check_same, find_problem, moved_to, problem_tree, run_tree, solution_of

# 2: conditions are hard one by one, data may be carried, units; values to compare. Statements came later: a reader that
# does not know of them asks for the problem.
FORMAT, VERSION = "pinnkit-run", 2
_NAMES = (
    "problem",
    "network",
    "hard",
    "satisfied",
    "units",
    "probe",
    "theta",
    "device",
    "points",
    "rounds",
    "weights",
    "history",
    "columns",
    "stops",
    "notes",
    "versions",
    "progress",
    "windows",
)  # what a run file is read for; the grid is there for other tools


@checked
def save(solution: Solution | March, path: str | Path, *, small: bool = False) -> Path:
    """Write a solution or a march to one HDF5 file; at any moment it holds the whole old run or the whole new one.

    A file holds no code. A network or score of the user that is not registered (:func:`register`) is named in a
    warning, and must be given to :func:`load` again.

    Args:
        solution: the solution to write, or a march with all its windows.
        path: the file, usually with the suffix .h5.
        small: True: leave out the state of training, earlier points and the values on a grid. The solution can be used,
            but its training cannot be resumed. Default False.

    Returns:
        The path.

    Raises:
        OSError: a missing folder, a full disk, or another process that writes this run. A file that was there stays.

    Example:
        >>> import tempfile
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pk.save(u, f"{folder}/heat.h5").name
        'heat.h5'
    """
    if isinstance(solution, March):
        windows = {str(k): run_tree(_small(s) if small else s, grid=False) for k, s in enumerate(solution.windows)}
        tree = {
            "problem": problem_tree(solution.problem), "device": windows["0"]["device"], "windows": windows,
            "versions": Json(dict(solution.versions)), "grid": {} if small else solution.grid_arrays(),
        }  # fmt: skip
    else:
        tree = run_tree(_small(solution) if small else solution, grid=not small)
    for name in _lacking(tree):
        how = f"give it again to pinnkit.load, or call pk.register({name}) before"
        warnings.warn(f"{path} cannot hold {name}: {how}", stacklevel=2)
    check_free(path)
    return hdf5.write(path, FORMAT, VERSION, tree)


@checked
def load(
    path: str | Path,
    problem: Problem | None = None,
    *,
    network: Network | None = None,
    resample: Resampler | None = None,
    stages: Sequence[Stage] | None = None,
    device: Device = None,
) -> Solution | March:
    """Read the solution, or march, in a run file: the same parameters theta, points, weights and state of training.

    The problem is taken from the catalogue or from the statement in the file. Code that a file names is never executed.

    Args:
        path: a file written by :func:`save` or as a checkpoint.
        problem: the problem that was solved. Default None: found as said; it must be given only where the file holds no
            statement (it contains functions of the user).
        network: the network, for a file that could not hold it. Default None: that of the file.
        resample: the resampling rule, for a file that could not hold it. Default None: that of the file.
        stages: the stages, as many as were given to ``solve``, for a file that could not hold them. Default None: those
            of the file.
        device: torch device of the solution. Default None: the CPU.

    Returns:
        The solution, which :func:`resume` can train further.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a damaged or foreign file, one of a later version, or a problem that is missing or another one.

    Example:
        >>> import tempfile
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     v = pk.load(pk.save(u, f"{folder}/heat.h5"))
        >>> v.problem.name, bool((u.theta == v.theta).all())
        ('heat', True)
    """
    tree = hdf5.read(path, FORMAT, VERSION, only=_NAMES)
    with hdf5.as_written(path, "pinnkit.save"):
        problem = find_problem(path, tree["problem"]) if problem is None else problem
        own = network, resample, stages, device
        if "windows" not in tree:
            return _read(path, tree, problem, *own)
        check_same(path, problem, tree["problem"], tree["versions"])
        return March(problem, _windows(path, tree["windows"], problem, *own))


def load_run(path: str | Path, problem: Problem | None = None, device: Device = None) -> Solution:
    """As ``load``, of a file that holds one solution; ValueError for a march."""
    return single(path, load(path, problem, device=device))


def single(path: str | Path, found: Solution | March) -> Solution:
    """What a file holds, if it is one solution; ValueError for a march."""
    if isinstance(found, March):
        raise ValueError(f"{path} holds a march of {len(found.windows)} windows: expected a single run")
    return found


def header(path: str | Path) -> dict[str, Any]:
    """What a run file says of its "problem" (name, origin, arguments, latex) and "device"; raises as ``load``."""
    return hdf5.read(path, FORMAT, VERSION, only=("problem", "device"))


def _small(solution: Solution) -> Solution:
    return replace(solution, progress=None, rounds={})


def _lacking(tree: Mapping[str, Any]) -> list[str]:
    """The names of classes and functions of a caller's own that a file cannot hold."""
    runs = tree["windows"].values() if "windows" in tree else [tree]
    plans = [run["progress"]["plan"].value if "progress" in run else None for run in runs]
    held = [decode([run["network"].value, plan]) for run, plan in zip(runs, plans, strict=True)]
    return list(dict.fromkeys(missing(held)))


def _read(
    path: str | Path, tree: Mapping[str, Any], problem: Problem, network: Network | None, resample: Resampler | None,
    stages: Sequence[Stage] | None, device: Device,
) -> Solution:  # fmt: skip
    """The solution in a tree, compared with what the file says of it."""
    check_kinds(path, tree)
    check_same(path, problem, tree["problem"], tree["versions"])
    solution = solution_of(path, tree, problem, network, resample, stages)
    check_probe(path, solution, tree)
    return solution if device is None else moved_to(solution, device)


def _windows(path: str | Path, trees: Mapping[str, Any], problem: Problem, *own: Any) -> tuple[Solution, ...]:
    """The windows of a march, each of which begins at the end of the one before."""
    done: list[Solution] = []
    for name in sorted(trees, key=int):
        low, high = (ends[time_axis(problem)] for ends in trees[name]["problem"]["bounds"])
        part = window(problem, low, high, done[-1] if done else None)
        done.append(_read(path, trees[name], part, *own))
    return tuple(done)
