"""Rigorous certificates of networks: true error, sampled and enclosed bound, cells and seconds, after short trainings.

Of every model as it is trained, and as `pk.correct` leaves it.

A few problems of the catalogue, each with a network that is trained for some seconds: not the best that a network can
do, but what an enclosure has to work on.
Figures are kept with the hash of the certificates' code, and what this code has found is not made again (``--problem
NAME``: of one problem alone); the sampled bounds are no bounds where samples miss a peak.
"""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.certificate.code_hash import code
from benchmarks.common import RESULTS, RUNS, options, table

CASES: dict[str, dict[str, Any]] = {
    "diffusion": {}, "heat": {"initial": "gauss"}, "advection_diffusion": {}, "allen_cahn": {}, "burgers": {},
    "wave1d": {"initial": "gauss"}, "klein_gordon": {}, "telegraph": {}, "beam": {}, "airy": {}, "helmholtz": {},
    "heat2d": {},
}  # fmt: skip
RING = ("airy",)  # periodic: the network sees harmonics of x
STAGES = "trained", "corrected"


def trained(name: str, arguments: dict[str, Any], iterations: int, file: Path) -> Any:
    """The solution of that file, trained if it is not there."""
    import pinnkit as pk

    if not file.exists():
        problem, stages = pk.problem(name, **arguments), [pk.SSBroyden(iterations)]
        features = pk.Harmonics(("x",), 2) if name in RING else None
        net = pk.MLP(len(problem.domain.names), 16, 16, 16, 1, features=features)
        solution = pk.solve(problem, net, {"pde": 600}, stages=stages, seed=0, progress=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        pk.save(solution, file, small=True)
    return pk.load(file)


def measured(solution: Any) -> dict[str, Any]:
    """Both certificates of a solution, and what they took."""
    import pinnkit as pk

    found, seconds = [], []
    for enclosed in (False, True):
        start = time.process_time()
        found.append(pk.certify(solution, enclosed=enclosed))
        seconds.append(time.process_time() - start)
    sampled, enclosed = found
    cells = re.search(r"on (\d+) cells", enclosed.evaluation)
    return {
        "cells": int(cells[1]) if cells else 0, "sampled_cpu_s": seconds[0], "enclosed_cpu_s": seconds[1],
        "residual": {"sampled": sampled.misfits["pde"].sup, "enclosed": enclosed.misfits["pde"].sup},
        "bounds": {b.norm: {"true": enclosed.errors.get(b.norm), "floor": enclosed.floors.get(b.norm),
                            "sampled": sampled[b.norm], "enclosed": b.value} for b in enclosed.bounds},
    }  # fmt: skip


def label(name: str, given: dict[str, Any]) -> str:
    """The problem with its arguments."""
    return " ".join((name.replace("_", "-"), *(f"{k}={v}" for k, v in given.items())))


def ratios(results: dict[str, dict[str, Any]], stage: str) -> list[float]:
    """Enclosed bound / true error of all norms whose error is known and above the rounding of its measurement."""
    bounds = [b for r in results.values() if stage in r for b in r[stage]["bounds"].values()]
    return [b["enclosed"] / b["true"] for b in bounds if b["true"] and b["true"] > 3 * b["floor"]]


def page(results: dict[str, dict[str, Any]]) -> str:
    """The results as Markdown."""
    rows, known, violated = [], 0, 0
    for name, stages in results.items():
        for stage in (s for s in STAGES if s in stages):
            r = stages[stage]
            for norm, b in r["bounds"].items():
                exact = b["true"]
                if exact is not None:
                    known, violated = known + 1, violated + (exact - b["floor"] > b["enclosed"])
                true, ratio = ("-", "-") if not exact else (f"{exact:.2e}", f"{b['enclosed'] / exact:.3g}")
                found = (f"{b['sampled']:.3e}", f"{b['enclosed']:.3e}", ratio)
                rows.append((f"{name}, {stage}, {norm}", true, *found, r["cells"], f"{r['enclosed_cpu_s']:.1f}"))
    head = ("problem, model, norm", "true error", "sampled bound", "enclosed bound", "bound / true", "cells", "CPU s")
    lines = []
    for stage in STAGES:
        if looseness := ratios(results, stage):
            median, most = np.quantile(looseness, (0.5, 0.9))
            lines.append(f"- {stage}: bound / true {median:.3g}, at 90 % {most:.3g}, of {len(looseness)} bounds")
    old = [name for name, r in results.items() if r.get("code") != code()]
    if old:
        lines.append(f"- measured by earlier code: {', '.join(old)}")
    return (
        f"# Rigorous certificates of networks\n\n{table(head, rows)}\n\n" + "\n".join(lines) + f"\n\n{known} enclosed "
        f"bounds with a known error, {violated} violated. CPU seconds are those of one enclosed certificate, all its "
        "norms together (and the true errors). A sampled bound is none where samples miss a peak.\n"
    )  # fmt: skip


def main() -> None:
    """Train what is missing, certify, print."""
    import pinnkit as pk

    arguments = options(__doc__, ("--problem", {"choices": list(CASES), "help": "certify this one alone"}))
    iterations, folder = (60, "enclosed_quick") if arguments.quick else (600, "enclosed")
    kept = (RUNS / folder if arguments.quick else RESULTS) / "enclosed.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(kept.read_text()) if kept.exists() else {}
    for name, given in CASES.items():
        if arguments.problem not in (None, name) or known.get(label(name, given), {}).get("code") == code():
            continue
        solution = trained(name, given, iterations, RUNS / folder / f"{name}.h5")
        better = pk.correct(solution)
        stages: dict[str, Any] = {"code": code(), "trained": measured(solution)}
        if better.model is not solution.model:
            stages["corrected"] = measured(better)
        known[label(name, given)] = stages
        kept.write_text(json.dumps(known, indent=1) + "\n")
        print(name, [stages[s]["enclosed_cpu_s"] for s in STAGES if s in stages], file=sys.stderr, flush=True)
    results = {k: known[k] for k in (label(name, given) for name, given in CASES.items()) if k in known}
    text = page(results)
    if not arguments.quick:
        (RESULTS / "enclosed.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
