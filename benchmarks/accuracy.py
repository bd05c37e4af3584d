"""Errors and cost of the catalogue's default settings over several seeds, every run in a process of its own.

Runs that the results file already holds are not run again: an interrupted benchmark goes on where it was.
"""

import json
import sys
from statistics import median

from benchmarks.common import RESULTS, child, options

# problem: (the goal for its relative L2 error, the best published figure)
GOALS = {
    "burgers": (2e-5, "1.6e-8"),
    "diffusion": (1e-6, "2.9e-5"),
    "allen_cahn": (1e-4, "2.5e-3"),
    "standing_wave": (5e-5, "3.7e-4"),
    "drift_diffusion": (1e-4, "2.6e-3"),
    "poisson_disk": (1e-4, "none"),
}


def run(name: str, seed: int) -> dict:
    """Solve a catalogue problem with its own recipe and return its report."""
    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    return pk.report(pk.solve(pk.problem(name), seed=seed, progress=False)).to_dict()


def table(results: dict[str, dict]) -> str:
    """The results as Markdown."""
    lines = [
        "| problem | goal | relative L2 error by seed | floor of the reference | CPU s | wall s | published best |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (goal, published) in GOALS.items():
        runs = [r for key, r in sorted(results.items()) if key.rsplit(" ", 1)[0] == name]
        if runs:
            errors = ", ".join(f"{max(r['relative_l2'].values()):.1e}" for r in runs)
            cpu, wall = (median(r[k] for r in runs) for k in ("cpu_s", "wall_s"))
            floor = runs[0]["reference_error"]
            lines.append(f"| {name} | {goal:.0e} | {errors} | {floor:.0e} | {cpu:.0f} | {wall:.0f} | {published} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, and print the table."""
    arguments = options(
        __doc__,
        ("--seeds", {"type": int, "nargs": "+", "default": [0, 1, 2]}),
        ("--problems", {"nargs": "+", "default": list(GOALS)}),
        ("--one", {"nargs": 2, "metavar": ("NAME", "SEED"), "help": "a single run, printed as JSON"}),
    )
    if arguments.one:
        print(json.dumps(run(arguments.one[0], int(arguments.one[1]))))
        return
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "accuracy.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for seed in arguments.seeds[:1] if arguments.quick else arguments.seeds:
        for name in arguments.problems[1:2] if arguments.quick else arguments.problems:
            key = f"{name} {seed}"
            if key not in results:
                results[key] = child("benchmarks.accuracy", "--one", name, str(seed))
                file.write_text(json.dumps(results, indent=1))
                print(f"{key}: {results[key]['relative_l2']}", file=sys.stderr, flush=True)
    (RESULTS / "accuracy.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
