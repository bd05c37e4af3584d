"""Rigorous certificates of networks: true error, sampled and enclosed bound, cells and seconds, after short trainings.

A few problems of the catalogue, each with a network that is trained for some seconds: not the best that a network can
do, but what an enclosure has to work on.
Run files are kept in runs/enclosed; the sampled bounds are no bounds where samples miss a peak.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, options, table

CASES: dict[str, dict[str, Any]] = {
    "diffusion": {}, "heat": {"initial": "gauss"}, "advection_diffusion": {}, "allen_cahn": {}, "burgers": {},
    "wave1d": {"initial": "gauss"}, "klein_gordon": {}, "telegraph": {}, "beam": {}, "airy": {}, "helmholtz": {},
    "heat2d": {},
}  # fmt: skip
RING = ("airy",)  # periodic: the network sees harmonics of x


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
        "cells": int(cells[1]), "tight": "too few" not in enclosed.evaluation,
        "sampled_cpu_s": seconds[0], "enclosed_cpu_s": seconds[1],
        "residual": {"sampled": sampled.misfits["pde"].sup, "enclosed": enclosed.misfits["pde"].sup},
        "bounds": {b.norm: {"true": enclosed.errors.get(b.norm), "floor": enclosed.floors.get(b.norm),
                            "sampled": sampled[b.norm], "enclosed": b.value} for b in enclosed.bounds},
    }  # fmt: skip


def page(results: dict[str, dict[str, Any]]) -> str:
    """The results as Markdown."""
    rows, violated, count = [], 0, 0
    for label, r in results.items():
        for norm, b in r["bounds"].items():
            true = "-" if b["true"] is None else f"{b['true']:.2e}"
            if b["true"] is not None:
                count, violated = count + 1, violated + (b["true"] - b["floor"] > b["enclosed"])
            numbers = (f"{b['sampled']:.3e}", f"{b['enclosed']:.3e}", r["cells"], f"{r['enclosed_cpu_s']:.1f}")
            rows.append((f"{label}, {norm}", true, *numbers))
    head = ("problem, norm", "true error", "sampled bound", "enclosed bound", "cells", "CPU s")
    excess = ", ".join(f"{label} {r['residual']['enclosed'] / r['residual']['sampled'] - 1:+.1%}"
                       for label, r in results.items())  # fmt: skip
    loose = [label for label, r in results.items() if not r["tight"]]
    return (
        f"# Rigorous certificates of networks\n\n{table(head, rows)}\n\n"
        f"{count} enclosed bounds with a known error, {violated} violated. CPU seconds are those of one enclosed "
        "certificate, all its norms together (and the true errors). The largest residual, enclosed against sampled "
        f"(which adds what may lie between its points): {excess}. An enclosure is at most 5 % above a value that is "
        "reached; where it is further above the sampled one, the samples missed the largest residual."
        + (f" Not as tight as asked: {', '.join(loose)}." if loose else "") + "\n"
    )  # fmt: skip


def main() -> None:
    """Train what is missing, certify, print."""
    arguments = options(__doc__)
    iterations, folder = (60, "enclosed_quick") if arguments.quick else (600, "enclosed")
    results = {}
    for name, given in CASES.items():
        label = " ".join((name.replace("_", "-"), *(f"{k}={v}" for k, v in given.items())))
        file = Path(__file__).parent / "runs" / folder / f"{name}.h5"
        results[label] = measured(trained(name, given, iterations, file))
    text = page(results)
    if not arguments.quick:
        (RESULTS / "enclosed.json").write_text(json.dumps(results, indent=1) + "\n")
        (RESULTS / "enclosed.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
