"""Errors and cost of the catalogue's default settings over several seeds, every run in a process of its own.

Any problems of the catalogue can be named; with none, those that have a published best. Runs that the results file
already holds with the same recipe are not done again, and a trained model is kept: an interrupted benchmark goes on
where it was.
"""

import json
import re
import sys
import time
from collections.abc import Mapping
from hashlib import sha256
from statistics import median
from typing import Any

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, child, options
from pinnkit.statement.catalogue import names as catalogue
from pinnkit.tools.atomic_file import put
from pinnkit.training.ladder import ENOUGH, EVERY, RUNGS

FOLDER = RUNS / "accuracy"
# problem: (the goal for its relative L2 error, the best published figure)
GOALS = {
    "burgers": (2e-5, "1.6e-8"),
    "diffusion": (1e-6, "2.9e-5"),
    "allen_cahn": (1e-4, "2.5e-3"),
    "standing_wave": (5e-5, "3.7e-4"),
    "drift_diffusion": (1e-4, "2.6e-3"),
    "poisson_disk": (1e-4, "none"),
}


def goal(problem: pk.Problem) -> float:
    """The goal for the relative L2 error of any other problem: in two variables and in more."""
    return 1e-5 if len(problem.variables) <= 2 else 1e-4


def settings(problem: pk.Problem) -> tuple[Any, ...]:
    """What a run without settings of its own depends on: the recipe, and the rungs of the climb."""
    return problem.recipe, RUNGS, ENOUGH, EVERY


def fingerprint(recipe: Any) -> str:
    """Eight letters that change with the recipe."""
    return sha256(re.sub(r" at 0x[0-9a-f]+", "", repr(recipe)).encode()).hexdigest()[:8]


def run(name: str, seed: int, correct: bool) -> dict[str, Any]:
    """The report of a catalogue problem solved with its own recipe, or stored so, and of its correction."""
    import torch

    torch.set_num_threads(1)
    problem = pk.problem(name)
    recipe = fingerprint(settings(problem))
    file = FOLDER / f"{name}-{seed}-{recipe}.h5"
    if file.exists():
        solution = pk.load(file)
    else:
        solution = pk.solve(problem, seed=seed, progress=False)
        FOLDER.mkdir(parents=True, exist_ok=True)
        pk.save(solution, file)
    found = pk.report(solution, estimate=False).to_dict() | {"goal": goal(problem), "recipe": recipe}
    return found | ({"corrected": corrected(solution)} if correct else {})


def corrected(solution: pk.Solution) -> dict[str, Any]:
    """Errors by field and cost of the correction, and what it says of itself."""
    start = time.process_time()
    better = pk.correct(solution)
    seconds = time.process_time() - start
    return {
        "relative_l2": {name: e["relative_l2"] for name, e in better.errors().items()},
        "cpu_s": seconds,
        "refused": better.model is solution.model,
        "said": (better.notes or better.stops)[-1],
    }


def missing(found: Mapping[str, Any] | None, name: str, correct: bool) -> bool:
    """Whether a run has to be done: there is none, it lacks its correction, or the recipe has changed since."""
    if found is None or (correct and "corrected" not in found):
        return True
    return found.get("recipe") != fingerprint(settings(pk.problem(name)))


def grouped(results: Mapping[str, dict]) -> dict[str, list[dict]]:
    """The runs by problem, seeds in order."""
    groups: dict[str, list[dict]] = {}
    for key in sorted(results, key=lambda k: (k.rsplit(" ", 1)[0], int(k.rsplit(" ", 1)[1]))):
        groups.setdefault(key.rsplit(" ", 1)[0], []).append(results[key])
    return groups


def worst(found: Mapping[str, Any]) -> float:
    """The largest relative L2 error of a field."""
    return max(found["relative_l2"].values())


def table(results: Mapping[str, dict]) -> str:
    """The problems that have a published best as Markdown."""
    lines = [
        "| problem | goal | relative L2 error by seed | floor of the reference | CPU s | wall s | published best |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = grouped(results)
    for name, (aim, published) in GOALS.items():
        runs = groups.get(name)
        if runs:
            errors = ", ".join(f"{worst(r):.1e}" for r in runs)
            cpu, wall = (median(r[k] for r in runs) for k in ("cpu_s", "wall_s"))
            floor = runs[0]["reference_error"]
            lines.append(f"| {name} | {aim:.0e} | {errors} | {floor:.0e} | {cpu:.0f} | {wall:.0f} | {published} |")
    return "\n".join(lines) + "\n"


def others(results: Mapping[str, dict]) -> str:
    """The other problems as Markdown: errors as trained and corrected, and what misses its goal; or nothing."""
    groups = {name: runs for name, runs in grouped(results).items() if name not in GOALS}
    lines = [
        "| problem | goal | relative L2 error by seed | corrected | CPU s | of the correction | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    missed = []
    for name, runs in groups.items():
        errors = ", ".join(f"{worst(r):.1e}" for r in runs)
        after = [r["corrected"] for r in runs if "corrected" in r]
        texts = ("refused" if r["refused"] else f"{worst(r):.1e}" for r in after)
        seconds = f"{median(r['cpu_s'] for r in after):.1f}" if after else ""
        cpu, aim = median(r["cpu_s"] for r in runs), runs[0]["goal"]
        lines.append(
            f"| {name} | {aim:.0e} | {errors} | {', '.join(texts)} | {cpu:.0f} | {seconds} | {runs[0]['trained']} |"
        )
        missed += [name] if any(worst(r) > aim for r in runs) else []
    said = f"Goals missed as trained: {', '.join(missed) or 'none'} (of {len(groups)})."
    return "\n".join([*lines, "", said]) + "\n" if groups else ""


def page(results: Mapping[str, dict]) -> str:
    """Both tables."""
    more = others(results)
    return table(results) + (f"\n{more}" if more else "")


def store(results: Mapping[str, dict]) -> None:
    """Write figures and tables, each file whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    put(RESULTS / "accuracy.json", lambda path: path.write_text(json.dumps(results, indent=1)))
    put(RESULTS / "accuracy.md", lambda path: path.write_text(page(results)))


def main() -> None:
    """Run what is missing, and print the tables."""
    arguments = options(
        __doc__,
        ("problems", {"nargs": "*", "metavar": "NAME", "help": "problems of the catalogue"}),
        ("--seeds", {"type": int, "nargs": "+", "default": [0, 1, 2]}),
        ("--correct", {"action": "store_true", "help": "correct every solution in its tangent space as well"}),
        ("--one", {"action": "store_true", "help": "a single run in this process, printed as JSON"}),
    )
    names = arguments.problems or list(GOALS)
    unknown = sorted({*names} - {*catalogue()})
    if unknown:
        sys.exit(f"there is no problem {unknown[0]!r} in the catalogue: expected some of {', '.join(catalogue())}")
    if arguments.one:
        print(json.dumps(run(names[0], arguments.seeds[0], arguments.correct)))
        return
    file = RESULTS / "accuracy.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    if arguments.quick:
        names = arguments.problems[:1] or ["diffusion"]
    for seed in arguments.seeds[:1] if arguments.quick else arguments.seeds:
        for name in names:
            key = f"{name} {seed}"
            if missing(results.get(key), name, arguments.correct):
                more = ["--correct"] if arguments.correct else []
                results[key] = child("benchmarks.training.accuracy", name, "--seeds", str(seed), "--one", *more)
                store(results)
                print(f"{key}: {results[key]['relative_l2']}", file=sys.stderr, flush=True)
    store(results)
    print(page(results))


if __name__ == "__main__":
    main()
