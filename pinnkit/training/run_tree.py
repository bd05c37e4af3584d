"""What a run file holds of a solution: a tree of tensors, numbers and text, and the solution of such a tree."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.history import History
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.network.linearised import Linearised
from pinnkit.statement import catalogue, problem_file
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.units import Units
from pinnkit.tools.checked import Device, NotNegative, fit
from pinnkit.tools.hdf5 import Json
from pinnkit.tools.hdf5_check import shown
from pinnkit.tools.serialise import decode, encode, missing
from pinnkit.tools.type_words import Rule
from pinnkit.training.resampling.resample import Resampler

from .optim import Stage
from .recipe import Aside, Best, Plan, Progress

PROBES = 16  # points
MOST = 10**15  # iterations and rounds
SIZES = 10_000  # of a network's layers and features, where it has few parameters
_KINDS = (
    ("weights", dict, (int, float)),
    ("versions", dict, (str, int, float)),
    ("notes", list, str),
    ("stops", list, str),
    ("columns", list, str),
    ("satisfied", list, str),
)
_WHOLE = Annotated[int, Rule(f"a whole number from 0 to {MOST}", lambda v: 0 <= v <= MOST)]
_COUNTS: Mapping[str, Any] = {
    **dict.fromkeys(("stage", "iteration", "total", "round"), _WHOLE), "wall_s": NotNegative, "cpu_s": NotNegative,
}  # fmt: skip


def run_tree(solution: Solution, grid: bool = True) -> dict[str, Any]:
    """What a file holds of a solution."""
    return {
        "problem": problem_tree(solution.problem),
        "network": Json(encode(solution.network)),
        "hard": Json(solution.model.hard),
        "satisfied": Json(sorted(solution.model.satisfied)),
        "units": Json(None if solution.model.units is None else solution.model.units.to_json()),
        "theta": solution.theta,
        "probe": _probe(solution),
        "device": str(solution.theta.device),
        "points": _sets_tree(solution.points),
        "rounds": {str(i): _sets_tree(points) for i, points in solution.rounds.items()},
        "weights": Json(encode(solution.weights)),
        "history": {name: solution.history[name] for name in solution.history.columns},
        "columns": Json(list(solution.history.columns)),
        "stops": Json(list(solution.stops)),
        "notes": Json(list(solution.notes)),
        "versions": Json(dict(solution.versions)),
        "grid": solution.grid_arrays() if grid else {},
    } | ({} if solution.progress is None else {"progress": _progress_tree(solution.progress)})


def _probe(solution: Solution) -> dict[str, Tensor]:
    """The fields at a few points, shape (n, fields): whoever reads the file must find the same."""
    X = solution.problem.domain.sample(PROBES, method="random", seed=0)
    return {"X": X, "values": solution(X.to(solution.theta)).detach().cpu()}


def check_probe(path: str | Path, solution: Solution, tree: Mapping[str, Any]) -> None:
    """ValueError where this pinnkit makes another function of the file's parameters than the one that wrote them."""
    why = "this pinnkit builds the solution differently from the one that wrote it (other constraints or network)"
    if "probe" not in tree:
        if solution.model.hard is not False and solution.model.notes:
            raise ValueError(f"{path}: {why}: {solution.model.notes[0]}; solve the problem again")
        return
    held = tree["probe"]["values"].double()
    found = solution(tree["probe"]["X"].to(solution.theta)).detach().cpu().double()
    close = 10 * torch.finfo(solution.theta.dtype).eps ** 0.5
    size = float(held.nan_to_num().abs().max())
    if held.shape != found.shape or not torch.allclose(found, held, rtol=close, atol=close * size, equal_nan=True):
        raise ValueError(f"{path}: {why}: use that version, or solve the problem again")


def problem_tree(problem: Problem) -> dict[str, Any]:
    """What a file holds of a problem: where it comes from, or its statement, and the facts to compare."""
    source = dict(catalogue.origin(problem) or {})
    arguments = encode(source.pop("arguments", problem.arguments))
    statement = {} if catalogue.is_listed(problem) else {"statement": problem_file.contents(problem)}
    return (
        {
            "name": problem.name,
            "origin": Json(source),
            "arguments": Json(arguments),
            "latex": problem.latex(),
        }
        | {name: Json(value) for name, value in _facts(problem).items()}
        | statement
    )


def _facts(problem: Problem) -> dict[str, Any]:
    """What must agree for two problems to be the same one."""
    return {
        "coordinates": list(problem.domain.names),
        "bounds": problem.domain.bounds.tolist(),
        "fields": list(problem.field_names),
        "terms": [r.name for r in problem.residuals],
        "parameters": dict(problem.parameters),
        "unknowns": dict(problem.unknowns),
    }


def _sets_tree(points: Points) -> dict[str, Any]:
    return {key: _points_tree(own) for key, own in points.items()}


def _points_tree(points: PointSet) -> dict[str, Any]:
    tree = {"X": points.X, "columns": points.columns, "image": points.image, "weights": points.weights}
    return {name: value for name, value in tree.items() if value is not None}


def _progress_tree(progress: Progress) -> dict[str, Any]:
    counts = {name: getattr(progress, name) for name in _COUNTS}
    plan = {f.name: getattr(progress.plan, f.name) for f in fields(Plan)}
    tree: dict[str, Any] = {**counts, "plan": Json(encode(plan)), "finished": Json(encode(progress.finished))}
    if progress.aside is not None:
        distrusted, error = progress.aside.error
        tree["aside"] = {
            "distrusted": distrusted, "error": error, "shown": progress.aside.shown,
            "run": run_tree(progress.aside.solution, grid=False),
        }  # fmt: skip
    if progress.best is not None:
        tree["best"] = {f.name: getattr(progress.best, f.name) for f in fields(Best)}
    return tree if progress.state is None else tree | {"state": _visible(progress.state)}


def _visible(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimiser's state without what it only keeps at hand."""
    kept = {key: value for key, value in state.items() if not key.startswith("_")}
    return {key: _visible(value) if isinstance(value, Mapping) else value for key, value in kept.items()}


def find_problem(path: str | Path, tree: Mapping[str, Any]) -> Problem:
    """The problem that a file names or states; ValueError where it must be given."""
    source, arguments, statement = tree["origin"], decode(tree["arguments"]), tree.get("statement", {})
    if "record" in statement:
        found = _stated(path, statement)
        catalogue.remember(found, {**source, "arguments": arguments})
        return found
    lacks = f"does not hold {statement['lacking']}" if "lacking" in statement else None
    if missing(arguments):
        lacks = lacks or f"does not hold the problem's argument {missing(arguments)[0]}"
        raise ValueError(f"{path} {lacks}: give problem=... to pinnkit.load, in a shell --problem FILE.py")
    if "catalogue" in source:
        return catalogue.stored(source["catalogue"], arguments, path)
    given = "".join(f", {k}={v!r}" for k, v in arguments.items())
    if "file" in source:
        raise ValueError(
            f"{path} {lacks or 'holds no statement of its problem'}, and {source['file']} is not run by itself: "
            f"give problem=pinnkit.from_file({source['file']!r}{given}), in a shell --problem {source['file']}"
        )
    raise ValueError(
        f"{path} solves {tree['name']!r}, and {lacks or 'holds no statement of it'}: give problem=... to pinnkit.load, "
        "in a shell --problem FILE.py"
    )


def _stated(path: str | Path, statement: Mapping[str, Any]) -> Problem:
    recipe = statement["record"]["recipe"]
    _check_sizes(path, {} if recipe is None else recipe["network"], SIZES)
    try:
        return problem_file.problem_from(statement)
    except Exception as error:  # a forged statement can make SymPy and torch raise anything
        raise ValueError(f"{path} holds a statement that cannot be read: {shown(str(error))}") from error


def check_same(path: str | Path, problem: Problem, tree: Mapping[str, Any], versions: Mapping[str, str]) -> None:
    """ValueError where a problem is not the one that a file holds."""
    from pinnkit.tools.versions import versions as now

    found = _facts(problem)
    if versions.get("sympy") == now()["sympy"]:  # another version may print the same equation differently
        found["latex"] = problem.latex()
    for name, value in found.items():
        if value != tree[name]:
            raise ValueError(
                f"{path} holds no solution of this problem {problem.name!r}: its {name} are {tree[name]}, "
                f"the problem's {value}"
            )


def solution_of(
    path: str | Path,
    tree: Mapping[str, Any],
    problem: Problem,
    network: Network | None,
    resample: Resampler | None,
    stages: Sequence[Stage] | None,
) -> Solution:
    """The solution of a tree, on a problem that was found to be its own."""
    _check_sizes(path, tree["network"], max(SIZES, 4 * tree["theta"].numel()))
    stored = decode(tree["network"])
    if isinstance(stored, Linearised) and network is not None and not isinstance(network, Linearised):
        network = replace(stored, network=network)
    if network is None:
        network = stored
        if missing(network):
            raise ValueError(f"{path} does not hold {missing(network)[0]}: give network=... to pinnkit.load")
    satisfied, own = frozenset(tree.get("satisfied", ())), Units.of(tree.get("units"))
    model = Model(problem, network, tree["hard"], satisfied, own)
    if tuple(tree["theta"].shape) != (model.count,):
        raise ValueError(
            f"{path} holds {tree['theta'].numel()} parameters, this network and problem have {model.count}"
        )
    return Solution(
        model,
        tree["theta"],
        _sets(model, tree["points"]),
        tree["weights"],
        _history(path, {name: tree["history"][name] for name in tree["columns"]}),
        tuple(tree["stops"]),
        tuple(tree["notes"]),
        _progress(path, tree, problem, resample, stages) if "progress" in tree else None,
        tree["versions"],
        {int(i): _sets(model, tree["rounds"][i]) for i in sorted(tree["rounds"], key=int)},
    )


def check_kinds(path: str | Path, tree: Mapping[str, Any]) -> None:
    """ValueError where lists of texts, and numbers or texts by name, are something else."""
    for name, kind, of in _KINDS:
        held = tree.get(name, kind())
        values = held.values() if isinstance(held, Mapping) else held
        if not isinstance(held, kind) or not all(isinstance(v, of) and not isinstance(v, bool) for v in values):
            raise ValueError(f"{path} holds {name} that pinnkit.save does not write")


def _check_sizes(path: str | Path, settings: Any, most: int) -> None:
    """ValueError where a whole number in a network's settings, but a seed, is far larger than its parameters allow."""
    values = settings.items() if isinstance(settings, Mapping) else enumerate(settings)
    for name, value in values:
        if isinstance(value, (Mapping, list)):
            _check_sizes(path, value, most)
        elif isinstance(value, int) and name != "seed" and abs(value) > most:
            raise ValueError(f"{path} holds a network with {name} = {value}: its parameters allow {most} at most")


def _history(path: str | Path, columns: Mapping[str, Any]) -> History:
    if any(not isinstance(c, Tensor) or c.ndim != 1 or c.is_complex() for c in columns.values()):
        raise ValueError(f"{path} holds a history that pinnkit.save does not write: expected columns of numbers")
    if len(lengths := {name: len(c) for name, c in columns.items()}) and len(set(lengths.values())) > 1:
        raise ValueError(f"{path} holds a history whose columns differ in length: {lengths}")
    return History({name: tuple(c.tolist()) for name, c in columns.items()})


def _sets(model: Model, tree: Mapping[str, Any]) -> Points:
    return Points({key: _points(tree[key]) for key in model.keys})


def _points(tree: Mapping[str, Any]) -> PointSet:
    return PointSet(tree["X"], tree["columns"], tree.get("image"), tree.get("weights"))


def _progress(
    path: str | Path,
    whole: Mapping[str, Any],
    problem: Problem,
    resample: Resampler | None,
    stages: Sequence[Stage] | None,
) -> Progress:
    tree = whole["progress"]
    for stage in tree["plan"]["stages"]:
        _check_sizes(path, stage.get("network") or {}, SIZES)  # of a Restart, whose parameters are still to come
    plan = Plan(**decode(tree["plan"]))
    plan = plan if resample is None else replace(plan, resample=resample)
    if stages is not None and len(stages) != len(plan.stages):
        raise ValueError(f"{path} was trained by {len(plan.stages)} stages, and {len(stages)} are given")
    plan = plan if stages is None else replace(plan, stages=tuple(stages))
    counts = {name: fit(kind, tree[name], f"progress: {name}") for name, kind in _COUNTS.items()}
    if counts["stage"] > len(plan.stages):
        raise ValueError(f"progress: stage is {counts['stage']}: the plan has {len(plan.stages)} stages")
    finished = decode(tree["finished"])
    if stages is not None and missing(finished):
        finished = plan.stages[counts["stage"] - 1]
    best = Best(**tree["best"]) if "best" in tree else None
    if best is not None and (
        best.theta.shape != whole["theta"].shape or not all(isinstance(v, float) for v in (best.value, best.loss))
    ):
        raise ValueError(f"{path} holds a best iterate that pinnkit.save does not write")
    aside = None
    if "aside" in tree:
        own = tree["aside"]
        check_kinds(path, own["run"])
        error = int(own["distrusted"]), float(own["error"])
        aside = Aside(error, solution_of(path, own["run"], problem, None, None, None), bool(own["shown"]))
    return Progress(plan, state=tree.get("state"), finished=finished, aside=aside, source=path, best=best, **counts)


def moved_to(solution: Solution, device: Device) -> Solution:
    """The solution on a device, its optimiser's state with it."""

    def move(tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {key: move(value) for key, value in tree.items()}
        return tree.to(device) if isinstance(tree, Tensor) else tree

    progress = solution.progress
    if progress is not None:
        best = None if progress.best is None else replace(progress.best, theta=move(progress.best.theta))
        progress = replace(progress, state=move(progress.state), best=best)
    return replace(solution.to(device), progress=progress)
