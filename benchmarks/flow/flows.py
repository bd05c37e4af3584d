"""Exact flows and cavities, solved with the catalogue's own recipes, and corrected: errors, CPU and wall time.

Every run is a process and a file of its own in benchmarks/runs/: what is there is not run again, and a run that was
interrupted goes on where it was.
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import RESULTS, RUNS, child, machine, options
from benchmarks.common import table as markdown
from benchmarks.flow import flow_forms

# case: (problem, arguments, fields of the goal, goal, most minutes, published relative L2 errors)
CASES: dict[str, tuple[str, dict[str, Any], str, float, float, str]] = {
    "Kovasznay, Re = 40": ("kovasznay", {}, "u v p", 1e-6, 5, "7e-4, 6e-4, 3e-4"),
    "Taylor-Green, Re = 10, t <= 1": ("taylor_green", {}, "u v p", 1e-5, 30, "none"),
    "cavity, sharp lid, Re = 100": ("cavity", {"reynolds": 100.0}, "u v", 1e-2, 30, "4.7e-2"),
    "cavity, sharp lid, Re = 400": ("cavity", {"reynolds": 400.0}, "u v", 3e-2, 30, "none"),
    "Beltrami, t = 1": ("beltrami", {}, "u v w p", 1e-3, 30, "1.2e-3, 2.0e-3, 2.2e-3, 2.0e-2"),
}


def files(case: str, seed: int) -> tuple[Path, Path]:
    """The run and its correction."""
    name, arguments = CASES[case][:2]
    stem = "_".join(["flows", name, *(f"{v:g}" for v in arguments.values()), str(seed)])
    return RUNS / f"{stem}.h5", RUNS / f"{stem}_corrected.h5"


def run(case: str, seed: int) -> None:
    """Solve, go on, or do nothing; then correct."""
    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    RUNS.mkdir(exist_ok=True)
    (name, arguments), (plain, corrected) = CASES[case][:2], files(case, seed)
    how = {"progress": False, "checkpoint": plain}
    if plain.exists():
        solution = pk.load(plain)
        solution = solution if solution.progress.done else pk.resume(solution, **how)
    else:
        problem = pk.problem(name, **arguments)
        solution = pk.solve(problem, stages=problem.recipe.stages, seed=seed, log_every=200, **how)
    if solution.progress.done and not corrected.exists():
        pk.save(pk.correct(solution), corrected)


def errors(solution: Any) -> dict[str, float]:
    """Relative L2 errors over the reference's grid; of the Beltrami flow at t = 1 only, as published."""
    if solution.problem.reference is None:
        return {}
    if solution.problem.name != "beltrami":
        return {name: e["relative_l2"] for name, e in solution.errors().items()}
    X = solution.problem.domain.sample(20_000, method="sobol", seed=1)
    X[:, 3] = 1.0
    exact = solution.problem.reference(X)
    found = (solution(X) - exact).norm(dim=0) / exact.norm(dim=0)
    return dict(zip(solution.problem.field_names, found.tolist(), strict=True))


def measured(case: str, seed: int) -> dict[str, Any]:
    """What is to be said of a finished run, and of its correction where there is one; {} where there is none."""
    import pinnkit as pk

    plain, corrected = files(case, seed)
    if not plain.exists() or not (solution := pk.load(plain)).progress.done:
        return {}
    at, floor = solution.progress, getattr(solution.problem.reference, "error", 0.0)
    found = {
        "errors": errors(solution), "parameters": solution.model.count, "cpu_s": at.cpu_s, "wall_s": at.wall_s,
        "stops": list(solution.stops), "floor": floor,
    }  # fmt: skip
    if not corrected.exists():
        return found
    solution = pk.load(corrected)
    after = {"corrected_cpu_s": solution.progress.cpu_s, "corrected_wall_s": solution.progress.wall_s}
    return found | {"corrected": errors(solution), "notes": list(solution.notes)} | after


def table(results: dict[str, dict]) -> str:
    """The results as Markdown: for every case the worst error by field over the seeds, the median, the longest time."""
    head = ["flow", "goal", "as trained", "CPU / wall s", "corrected", "CPU / wall s", "published"]
    rows = []
    for case, (_, _, fields, goal, minutes, published) in CASES.items():
        runs = [r for key, r in results.items() if key.rpartition(" #")[0] == case and r["errors"]]
        if not runs:
            continue
        cells = []
        for errors, cpu, wall in (("errors", "cpu_s", "wall_s"), ("corrected", "corrected_cpu_s", "corrected_wall_s")):
            cells += cell([r for r in runs if errors in r], errors, cpu, wall, fields.split(), goal, minutes)
        seeds = f"{len(runs)} seed{'s' * (len(runs) > 1)}"
        rows.append([f"{case} ({seeds})", f"{goal:.0e}", *cells, published])
    return markdown(head, rows)


def cell(
    runs: list[dict], errors: str, cpu: str, wall: str, fields: list[str], goal: float, minutes: float
) -> tuple[str, str]:  # fmt: skip
    """What is said of a case's runs, as trained or corrected, and how long they took at most."""
    if not runs:
        return "", ""
    found = {f: [r[errors][f] for r in runs] for f in fields}
    most = max(r[cpu] for r in runs)
    met = all(max(e) <= goal for e in found.values()) and most <= 60 * minutes
    parts = [f"{f} {max(e):.1e}" + f" ({median(e):.1e})" * (len(e) > 2) for f, e in found.items()]
    text = ", ".join(parts) + ("; one run" if errors == "corrected" and len(runs) == 1 else "")
    text = "refused" if errors == "corrected" and all(r["notes"] for r in runs) else text
    return text if met else f"{text} **missed**", f"{most:.0f} / {max(r[wall] for r in runs):.0f}"


def main() -> None:
    """Run what is missing, and print the table."""
    arguments = options(
        __doc__,
        ("--seeds", {"type": int, "nargs": "+", "default": [0, 1, 2]}),
        ("--cases", {"nargs": "+", "default": list(CASES), "choices": list(CASES), "metavar": "CASE"}),
        ("--table", {"action": "store_true", "help": "run nothing, only read what is there"}),
        ("--forms", {"action": "store_true", "help": "velocity against stream function instead, twenty CPU minutes"}),
        ("--one", {"nargs": 2, "metavar": ("CASE", "SEED"), "help": "a single run"}),
    )
    if arguments.one:
        run(arguments.one[0], int(arguments.one[1]))
        print(json.dumps({}))
        return
    file = RESULTS / "flows.json"
    stored = json.loads(file.read_text()) if file.exists() and not arguments.quick else {}
    results, forms = stored.get("runs", {}), stored.get("forms", {})
    if arguments.forms:
        forms = {flow: flow_forms.compared(flow) for flow in flow_forms.FLOWS}
        arguments.seeds = []
    for seed in arguments.seeds[:1] if arguments.quick else arguments.seeds:
        for case in arguments.cases[1:2] if arguments.quick else arguments.cases:
            if not (arguments.table or all(f.exists() for f in files(case, seed))):
                began = time.perf_counter()
                child("benchmarks.flow.flows", "--one", case, str(seed))
                print(f"{case} #{seed}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            if found := measured(case, seed):
                results[f"{case} #{seed}"] = found
    text = table(results)
    if forms:
        text += f"\n\n## Velocity against stream function\n\n{flow_forms.page(forms)}"
    print(text)
    if arguments.quick:
        return
    about = machine()
    where = f"{about['cores']} cores, {about['processor']}; one thread; the machine was shared"
    note = "Worst relative L2 error over the seeds (median); longest time; a corrected one includes its training."
    page = f"# Flows\n\n{note}\n\n{text}\n\n{where}.\n"
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps({"machine": about, "runs": results, "forms": forms}, indent=1) + "\n")
    (RESULTS / "flows.md").write_text(page)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
