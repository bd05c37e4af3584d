"""Velocity against stream function: the same flows in both forms, at the same CPU time and at the end of training.

Every run is a file: what is there is not run again, and a run that was interrupted goes on where it was.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pinnkit as pk
from benchmarks.common import ROOT, RUNS, table

FORMS = ("velocity", "stream")
TRUE = {"lambda1": 1.0, "lambda2": 0.01}  # of the wake
LESS = {("wake", "stream"): 1200}  # iterations of SSBroyden where they are fewer than the recipe's
CYLINDER = (  # functionals of the cylinder, and their published values
    ("drag", 5.57953523384), ("pressure difference", 0.11752016697),
)  # fmt: skip
# flow: (problem, where other benchmarks keep its velocity form, of the same recipe and seed)
FLOWS: dict[str, tuple[str, Path]] = {
    "cylinder, Re = 20": ("cylinder", ROOT / "notebooks" / "cylinder.h5"),
    "Taylor-Green, Re = 10, t <= 1": ("taylor_green", RUNS / "flows_taylor_green_0.h5"),
    "wake, clean readings": ("wake", RUNS / "inverse" / "wake-0.h5"),
}


def trained(name: str, form: str, kept: Path) -> pk.Solution:
    """The recipe's run of a flow in a form from seed 0, loaded, gone on with or begun."""
    path = kept if form == "velocity" else RUNS / f"flows_{name}_{form}_0.h5"
    if path.exists():
        solution = pk.load(path)
        done = solution.progress is None or solution.progress.done
        return solution if done else pk.resume(solution, checkpoint=path, progress=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    problem = pk.problem(name, form=form)
    stages = problem.recipe.stages
    if (name, form) in LESS:
        stages = [*stages[:-1], pk.SSBroyden(LESS[name, form])]
    return pk.solve(problem, stages=stages, seed=0, checkpoint=path, progress=False, log_every=200)


def row(history: Any, i: int) -> dict[str, float]:
    """Iterations, CPU seconds, relative errors of fields and coefficients at row i of a history."""
    at = history.row(i)
    errors = {name: at[f"error:{name}"] for name in "uvp" if f"error:{name}" in at}
    errors |= {k: abs(at[k] / value - 1) for k, value in TRUE.items() if k in at}
    return {"iteration": at["iteration"], "cpu_s": at["cpu_s"], "errors": errors}


def forces(solution: pk.Solution) -> dict[str, float]:
    """Relative errors of the cylinder's drag and pressure difference; of other flows nothing."""
    problem = solution.problem
    if problem.name != "cylinder":
        return {}
    difference = pk.pressure_difference(problem, (1.5, 2), (2.5, 2), scale=0.04)
    found = pk.measure(solution, pk.drag(problem, "cylinder", scale=2), difference)
    return {name: abs(found[name] / value - 1) for name, value in CYLINDER}


def compared(flow: str) -> dict[str, Any]:
    """Both forms of a flow: at the end, and at the last log line before the shorter of the two ended."""
    runs = {form: trained(FLOWS[flow][0], form, FLOWS[flow][1]) for form in FORMS}
    common = min(float(s.history["cpu_s"][-1]) for s in runs.values())
    found: dict[str, Any] = {"common_cpu_s": common}
    for form, solution in runs.items():
        history = solution.history
        last = max(i for i, t in enumerate(history["cpu_s"]) if t <= common)
        end = row(history, len(history) - 1)
        end["errors"] = end["errors"] | forces(solution)
        found[form] = {"parameters": len(solution.theta), "end": end, "common": row(history, last)}
        found[form]["unknowns"] = solution.unknowns
    return found


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The comparison as Markdown."""
    head = ["flow", "form", "parameters", "iterations", "CPU s", "relative L2 errors", "at the same CPU time"]
    lines = []
    for flow, both in found.items():
        for form in FORMS:
            run, texts = both[form], []
            for at in ("end", "common"):
                texts.append(", ".join(f"{name} {e:.1e}" for name, e in run[at]["errors"].items()))
            end, common = run["end"], run["common"]
            texts[1] = f"{texts[1]} ({common['cpu_s']:.0f} s)"
            lines.append([flow, form, run["parameters"], f"{end['iteration']:.0f}", f"{end['cpu_s']:.0f}", *texts])
    note = (
        "The same recipe, from seed 0, the wake's in stream function form with fewer iterations; errors on up to 2000 "
        "nodes of the reference, at the end and at the last line of the log before the shorter of two runs ended. In "
        "stream function form the equations are of third order, and continuity holds by construction."
    )
    return f"{note}\n\n{table(head, lines)}"
