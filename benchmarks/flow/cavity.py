"""The lid-driven cavity up to Re = 1000: with and without continuation, soft walls with and without loss balancing.

What reaches Re = 1000 is corrected in the end. Every Reynolds number of a run is a file in benchmarks/runs/: what
is there is not run again, and a run that was interrupted goes on where it was. References: finite elements,
data/make_cavity.py.
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
from benchmarks.common import RESULTS, RUNS, child, machine, options
from benchmarks.common import table as markdown


@dataclass(frozen=True)
class Case:
    """A lid, Reynolds numbers one after the other with their SSBroyden iterations, and settings of pinnkit.solve."""

    lid: str
    steps: tuple[tuple[float, int], ...]
    settings: dict[str, Any] = field(default_factory=dict)
    corrected: bool = False


UP = ((100.0, 900), (400.0, 900), (1000.0, 3300))
SOFT = {"hard": False, "points": {"pde": 2000, "x+y_min": 300, "y_max": 200, "boundary": 400}}
CASES = {
    "sharp, continuation": Case("sharp", ((100.0, 600), (400.0, 800), (1000.0, 2600)), corrected=True),
    "sharp, direct": Case("sharp", ((1000.0, 4000),), corrected=True),
    "regularised, continuation": Case("regularised", UP, corrected=True),
    "regularised, soft walls": Case("regularised", ((100.0, 1200),), SOFT),
    "regularised, soft walls, NTK": Case("regularised", ((100.0, 1200),), SOFT | {"balance": pk.ntk_balance()}),
}


def files(name: str, seed: int) -> dict[float, list[Path]]:
    """Where the steps of a run are, by Reynolds number: as trained, and corrected where it is."""
    stem, case = f"cavity_{name.replace(', ', '-').replace(' ', '_')}", CASES[name]
    steps = {reynolds: [RUNS / f"{stem}_{reynolds:g}_{seed}.h5"] for reynolds, _ in case.steps}
    if case.corrected:
        last = case.steps[-1][0]
        steps[last].append(RUNS / f"{stem}_{last:g}_{seed}_corrected.h5")
    return steps


def run(name: str, seed: int) -> None:
    """Solve one Reynolds number after the other, each from the one before; the inverse Hessian survives."""
    torch.set_num_threads(1)
    RUNS.mkdir(exist_ok=True)
    case, last = CASES[name], None
    for reynolds, iterations in case.steps:
        plain, *corrected = files(name, seed)[reynolds]
        how = {"progress": False, "checkpoint": plain}
        if plain.exists():
            last = pk.load(plain)
            last = last if last.progress.done else pk.resume(last, **how)
        else:
            problem = pk.problem("cavity", reynolds=reynolds, lid=case.lid)
            first, finish = problem.recipe.stages[0], pk.SSBroyden(iterations)
            stages = [first, finish] if last is None else [finish]
            last = pk.solve(problem, stages=stages, start=last, seed=seed, log_every=300, **case.settings | how)
        for path in corrected:
            if last.progress.done and not path.exists():
                pk.save(pk.correct(last), path)


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


def finished(name: str, seed: int) -> bool:
    """Whether all steps of a run are done."""
    steps = files(name, seed).values()
    return all(f.exists() for step in steps for f in step) and all(pk.load(step[0]).progress.done for step in steps)


def measured(name: str, seed: int) -> dict[str, Any]:
    """Errors, vortex and cost by Reynolds number; the cost is that of all steps up to there."""
    found = {}
    for reynolds, (plain, *corrected) in files(name, seed).items():
        solution = pk.load(plain)
        at, history, known = solution.progress, solution.history, solution.problem.reference.quantities
        own = vortex(solution, (known["vortex x"], known["vortex y"]))
        found[f"{reynolds:g}"] = {
            "errors": {n: e["relative_l2"] for n, e in solution.errors().items()},
            "vortex": own, "vortex error": {n: abs(abs(v) - abs(known[n])) for n, v in own.items()},
            "cpu_s": at.cpu_s, "wall_s": at.wall_s, "iterations": at.total, "parameters": solution.model.count,
            "loss": float(history["loss"][-1]), "validation": float(history["validation"][-1]),
            "weights": {n: float(w) for n, w in solution.weights.items()},
        }  # fmt: skip
        for path in corrected:
            after = pk.load(path)
            found[f"{reynolds:g}"] |= {
                "corrected": {n: e["relative_l2"] for n, e in after.errors().items()},
                "corrected_cpu_s": after.progress.cpu_s, "notes": list(after.notes),
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
            better = "refused" if r.get("notes") else ", ".join(f"{e:.1e}" for e in r.get("corrected", {}).values())
            spent = f"{r['corrected_cpu_s']:.0f}" if "corrected_cpu_s" in r else ""
            vortex = [f"{np.hypot(x, y):.1e}", f"{psi:.1e}"]
            rows.append([name, reynolds, *errors, *vortex, cost, r["iterations"], better, spent])
    return markdown([*head, "corrected: u, v, p", "CPU s"], rows)


def main() -> None:
    """Run what is missing, and print the table."""
    arguments = options(
        __doc__,
        ("--cases", {"nargs": "+", "default": list(CASES), "choices": list(CASES), "metavar": "CASE"}),
        ("--seeds", {"type": int, "nargs": "+", "default": [0]}),
        ("--table", {"action": "store_true", "help": "run nothing, only read what is there"}),
        ("--one", {"nargs": 2, "metavar": ("CASE", "SEED"), "help": "a single run"}),
    )
    if arguments.one:
        run(arguments.one[0], int(arguments.one[1]))
        print(json.dumps({}))
        return
    results: dict[str, dict] = {}
    for name in list(CASES)[-1:] if arguments.quick else arguments.cases:
        for seed in arguments.seeds[:1] if arguments.quick else arguments.seeds:
            if not (arguments.table or finished(name, seed)):
                began = time.perf_counter()
                child("benchmarks.flow.cavity", "--one", name, str(seed))
                print(f"{name} #{seed}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            if finished(name, seed):
                results[f"{name} #{seed}"] = measured(name, seed)
    text = table(results)
    print(text)
    if arguments.quick:
        return
    about = machine()
    note = (
        "Relative L2 errors of u, v, p against finite elements; absolute errors of the primary vortex (place and "
        "stream function); # is the seed. The cost of a step includes those before it, that of a correction its "
        "training. Soft walls: conditions as loss terms, with equal weights or with those of the tangent kernel (NTK)."
    )
    where = f"{about['cores']} cores, {about['processor']}; one thread; the machine was shared"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cavity.json").write_text(json.dumps({"machine": about, "runs": results}, indent=1) + "\n")
    (RESULTS / "cavity.md").write_text(f"# Lid-driven cavity\n\n{note}\n\n{text}\n\n{where}.\n")


if __name__ == "__main__":
    main()
