"""The lid-driven cavity up to Re = 1000: with and without continuation, soft walls with and without loss balancing.

Every Reynolds number of a run is a file in benchmarks/runs/: what is there is not run again, and a run that was
interrupted goes on where it was. References: finite elements, data/make_cavity.py.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from scipy.optimize import fsolve

import pinnkit as pk
from benchmarks.common import RESULTS, child, machine, options
from benchmarks.common import table as markdown

RUNS = Path(__file__).parent / "runs"


@dataclass(frozen=True)
class Case:
    """A lid, Reynolds numbers one after the other with their SSBroyden iterations, and settings of pinnkit.solve."""

    lid: str
    steps: tuple[tuple[float, int], ...]
    settings: dict[str, Any] = field(default_factory=dict)


UP = ((100.0, 900), (400.0, 900), (1000.0, 3300))
SOFT = {"hard": False, "points": {"pde": 2000, "x+y_min": 300, "y_max": 200, "boundary": 400}}
CASES = {
    "sharp, continuation": Case("sharp", UP),
    "sharp, direct": Case("sharp", ((1000.0, 5100),)),
    "regularised, continuation": Case("regularised", UP),
    "regularised, soft walls": Case("regularised", ((100.0, 1200),), SOFT),
    "regularised, soft walls, NTK": Case("regularised", ((100.0, 1200),), SOFT | {"balance": pk.ntk_balance()}),
}


def file(name: str, reynolds: float) -> Path:
    """Where a step of a run is."""
    return RUNS / f"cavity_{name.replace(', ', '-').replace(' ', '_')}_{reynolds:g}.h5"


def run(name: str) -> None:
    """Solve one Reynolds number after the other, each from the one before; the inverse Hessian survives."""
    torch.set_num_threads(1)
    RUNS.mkdir(exist_ok=True)
    case, last = CASES[name], None
    for reynolds, iterations in case.steps:
        how = {"progress": False, "checkpoint": file(name, reynolds)}
        if file(name, reynolds).exists():
            last = pk.load(file(name, reynolds))
            last = last if last.progress.done else pk.resume(last, **how)
        else:
            problem = pk.problem("cavity", reynolds=reynolds, lid=case.lid)
            first, finish = problem.recipe.stages[0], pk.SSBroyden(iterations)
            stages = [first, finish] if last is None else [finish]
            last = pk.solve(problem, stages=stages, start=last, log_every=300, **case.settings | how)


def vortex(solution: pk.Solution, near: tuple[float, float]) -> dict[str, float]:
    """The centre of the primary vortex, where u = v = 0, |stream function| and vorticity u_y - v_x there."""
    u, v = (solution.problem.outputs[n] for n in "uv")
    x, y = solution.problem.variables
    asked = [u, v, u.diff(x), u.diff(y), v.diff(x), v.diff(y)]

    def at(z: np.ndarray) -> np.ndarray:
        return solution.evaluate(asked, torch.as_tensor(np.atleast_2d(z))).numpy()

    place = fsolve(lambda z: at(z)[0, :2], near, fprime=lambda z: at(z)[0, 2:].reshape(2, 2), xtol=1e-12)
    nodes, q = leggauss(200)
    half = place[1] / 2
    below = at(np.stack([np.full(200, place[0]), half * (1 + nodes)], 1))
    slopes = at(place)[0]
    psi, w = abs(half * float(q @ below[:, 0])), float(slopes[3] - slopes[4])
    return {"vortex x": place[0], "vortex y": place[1], "vortex stream function": psi, "vortex vorticity": w}


def finished(name: str) -> bool:
    """Whether all steps of a run are done."""
    files = [file(name, reynolds) for reynolds, _ in CASES[name].steps]
    return all(f.exists() for f in files) and all(pk.load(f).progress.done for f in files)


def measured(name: str) -> dict[str, Any]:
    """Errors, vortex and cost by Reynolds number; the cost is that of all steps up to there."""
    found = {}
    for reynolds, _ in CASES[name].steps:
        solution = pk.load(file(name, reynolds))
        at, history, known = solution.progress, solution.history, solution.problem.reference.quantities
        own = vortex(solution, (known["vortex x"], known["vortex y"]))
        found[f"{reynolds:g}"] = {
            "errors": {n: e["relative_l2"] for n, e in solution.errors().items()},
            "vortex": own, "vortex error": {n: abs(abs(v) - abs(known[n])) for n, v in own.items()},
            "cpu_s": at.cpu_s, "wall_s": at.wall_s, "iterations": at.total, "parameters": solution.model.count,
            "loss": float(history["loss"][-1]), "validation": float(history["validation"][-1]),
            "weights": {n: float(w) for n, w in solution.weights.items()},
        }  # fmt: skip
    return found


def table(results: dict[str, dict[str, dict]]) -> str:
    """The results as Markdown, a row for every Reynolds number of a run."""
    head = ["lid, run", "Re", "u", "v", "p", "vortex centre", "its stream function", "CPU / wall s", "iterations"]
    rows = []
    for name, steps in results.items():
        for reynolds, r in steps.items():
            x, y, psi = (r["vortex error"][f"vortex {what}"] for what in ("x", "y", "stream function"))
            errors = [f"{r['errors'][n]:.1e}" for n in "uvp"]
            cost = f"{r['cpu_s']:.0f} / {r['wall_s']:.0f}"
            rows.append([name, reynolds, *errors, f"{np.hypot(x, y):.1e}", f"{psi:.1e}", cost, r["iterations"]])
    return markdown(head, rows)


def main() -> None:
    """Run what is missing, and print the table."""
    arguments = options(
        __doc__,
        ("--cases", {"nargs": "+", "default": list(CASES), "choices": list(CASES), "metavar": "CASE"}),
        ("--table", {"action": "store_true", "help": "run nothing, only read what is there"}),
        ("--one", {"metavar": "CASE", "choices": list(CASES), "help": "a single run"}),
    )
    if arguments.one:
        run(arguments.one)
        print(json.dumps({}))
        return
    results: dict[str, dict] = {}
    for name in list(CASES)[-1:] if arguments.quick else arguments.cases:
        if not (arguments.table or finished(name)):
            began = time.perf_counter()
            child("benchmarks.cavity", "--one", name)
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if finished(name):
            results[name] = measured(name)
    text = table(results)
    print(text)
    if arguments.quick:
        return
    about = machine()
    note = (
        "Relative L2 errors of u, v, p against finite elements; absolute errors of the primary vortex (place and "
        "stream function). The cost of a step includes those before it; one seed. Soft walls: conditions as loss "
        "terms, with equal weights or with those of the tangent kernel (NTK)."
    )
    where = f"{about['cores']} cores, {about['processor']}; one thread; the machine was shared"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cavity.json").write_text(json.dumps({"machine": about, "runs": results}, indent=1) + "\n")
    (RESULTS / "cavity.md").write_text(f"# Lid-driven cavity\n\n{note}\n\n{text}\n\n{where}.\n")


if __name__ == "__main__":
    main()
