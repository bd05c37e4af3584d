"""Solutions before and after their correction in the tangent space, over the catalogue: errors, residuals, seconds.

The models are those of ``benchmarks.error.error_map``, trained where they are not there yet; results are kept in
the results file: an interrupted benchmark goes on where it was.
"""

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, figure, options, publish, table
from benchmarks.error.error_map import CASES, WELL, trained


def measured(solution: pk.Solution) -> dict[str, Any]:
    """Errors by field and cost of one correction."""
    start = time.process_time()
    better = pk.correct(solution)
    seconds = time.process_time() - start
    before, after = solution.errors(), better.errors()
    return {
        "fields": {name: [before[name]["relative_l2"], after[name]["relative_l2"]] for name in before},
        "floor": solution.problem.reference.error, "parameters": len(solution.theta), "cpu_s": seconds,
        "refused": better.model is solution.model, "said": (better.notes or better.stops)[-1],
        "coefficients": {k: [v, better.unknowns[k]] for k, v in solution.unknowns.items()},
    }  # fmt: skip


def collect(folder: Path, store: Path, quick: bool, seeds: int) -> dict[str, dict[str, Any]]:
    """All results by "problem | seed | stage"; what the file ``store`` holds is not done again."""
    results = json.loads(store.read_text())["results"] if store.exists() else {}
    for seed in range(1 if quick else seeds):
        for case in CASES[:2] if quick else CASES:
            stages = ["few points"] if case.points else ["short", "end"]
            if seed >= case.seeds or all(f"{case.label} | {seed} | {s}" in results for s in stages):
                continue
            for stage, solution in trained(case, seed, folder).items():
                results[f"{case.label} | {seed} | {stage}"] = measured(solution)
            store.write_text(json.dumps({"results": results}, indent=1))
            print(f"{case.label} {seed}", file=sys.stderr, flush=True)
    return results


def gains(results: Mapping[str, Mapping[str, Any]], well: bool) -> list[float]:
    """log10 of how many times smaller the error of every corrected field is, sorted; well: of well-trained models."""
    pairs = [(b, a) for r in results.values() if not r["refused"] for b, a in r["fields"].values()]
    return sorted(math.log10(b / max(a, 1e-300)) for b, a in pairs if b < WELL or not well)


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The table and what it adds up to."""
    head = ["problem, seed, training", "P", "field", "error before", "after", "times smaller", "CPU s"]
    lines = []
    for key in sorted(results):
        r, (problem, seed, stage) = results[key], key.split(" | ")
        for name, (before, after) in r["fields"].items():
            factor = "refused" if r["refused"] else f"{before / max(after, 1e-300):.1e}"
            lines.append([f"{problem}, {seed}, {stage}", r["parameters"], name, f"{before:.1e}", f"{after:.1e}", factor,
                          f"{r['cpu_s']:.1f}"])  # fmt: skip
    found, every = gains(results, True), gains(results, False)
    times, worse = sorted(r["cpu_s"] for r in results.values()), sum(g < 0 for g in every)
    refused = [key for key, r in results.items() if r["refused"]]
    summary = [
        f"- {len(found)} corrected fields of well-trained models (error below {WELL:g}): the errors are "
        f"10^{found[len(found) // 2]:.1f} times smaller in the median (worst 10^{found[0]:.1f}, "
        f"best 10^{found[-1]:.1f})",
        f"- corrected fields whose error grew, however well trained the model was: {worse} of {len(every)}",
        f"- refused, since the residual on fresh points did not fall by half: {', '.join(refused) or 'none'}",
        f"- CPU seconds: {times[len(times) // 2]:.1f} in the median, {times[-1]:.1f} at most",
    ]
    return table(head, lines) + "\n\n" + "\n".join(summary)


def draw(results: Mapping[str, Mapping[str, Any]]) -> Any:
    """Errors after against errors before."""
    picture, ax = figure(size=(5.6, 5.2))
    pairs = {kept: [p for r in results.values() if r["refused"] != kept for p in r["fields"].values()]
             for kept in (True, False)}  # fmt: skip
    ax.loglog(*zip(*pairs[True], strict=True), "o", color="#0072B2", ms=5, label="corrected")
    if pairs[False]:
        ax.loglog(*zip(*pairs[False], strict=True), "x", color="#D55E00", ms=5, label="refused")
    every = [p[0] for both in pairs.values() for p in both]
    ends = [min(every) / 3, max(every) * 3]
    ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel="relative L2 error of the trained network", ylabel="after the correction", xlim=ends)
    ax.legend(frameon=False)
    return picture


def main() -> None:
    """Correct what is missing, then print the table."""
    runs = {
        "type": Path,
        "default": RUNS / "error_map",
        "help": "where the models are stored",
    }
    arguments = options(
        __doc__, ("--folder", runs), ("--seeds", {"type": int, "default": 2, "help": "at most so many"})
    )
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    store = RESULTS / ("correction_quick.json" if arguments.quick else "correction.json")
    results = collect(arguments.folder, store, arguments.quick, arguments.seeds)
    title = "Solutions corrected in their tangent space"
    publish("correction", title, page(results), {"results": results}, draw(results), arguments.quick)


if __name__ == "__main__":
    main()
