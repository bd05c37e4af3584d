"""Predicted against true errors over the catalogue: well- and under-trained models, several seeds, wrong basins.

Runs are stored in a folder and results in the results file: an interrupted benchmark goes on where it was.
"""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, figure, options, publish, table, verdict

SHORT = 1200  # iterations
WELL = 1e-2  # a model with a smaller relative L2 error is called well-trained


@dataclass(frozen=True)
class Case:
    """A problem, and how many iterations it is trained for; with ``points`` on so few, and never on others."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = 3000
    adam: int = 1000
    points: int | None = None
    seeds: int = 3

    @property
    def label(self) -> str:
        """The problem, its arguments, and the number of points if it is too small."""
        few = f" ({self.points} points)" if self.points else ""
        return " ".join([self.name, *map(str, self.arguments.values())]) + few


CASES = (
    Case("diffusion", iterations=2500, adam=500),
    Case("heat_inverse", iterations=1500, adam=500),
    Case("burgers", points=300, iterations=2000, adam=600),
    Case("burgers"),
    Case("allen_cahn", iterations=6000),
    Case("poisson_disk"),
    Case("kovasznay", iterations=1500, adam=500),
    Case("drift_diffusion"),
    Case("standing_wave", iterations=4000),
    Case("heat", {"initial": "poly"}, iterations=1500),
    Case("heat", {"initial": "gauss"}, iterations=6000),
    Case("heat", {"initial": "sine"}, iterations=1500),
    Case("wave1d", {"initial": "gauss"}, iterations=2500),
    Case("wave1d", {"initial": "sine"}, iterations=2500),
    Case("heat", {"initial": "step"}, iterations=1500, seeds=1),
    Case("wave1d", {"initial": "sine_mix"}, iterations=1500),
)


def trained(case: Case, seed: int, folder: Path) -> dict[str, pk.Solution]:
    """The solutions of one run by stage: "short" after 1200 iterations and "end", or "few points" for a wrong basin."""
    last = "few points" if case.points else "end"
    stages = [last] if case.points else ["short", last]
    problem = pk.problem(case.name, **case.arguments)
    files = {stage: folder / f"{case.label}-{seed}-{stage}.h5".replace(" ", "_") for stage in stages}
    if all(path.exists() for path in files.values()):
        return {stage: pk.load(path) for stage, path in files.items()}
    found: dict[str, pk.Solution] = {}

    def see(solution: pk.Solution) -> None:
        if solution.progress.total >= SHORT:
            found.setdefault("short", replace(solution, progress=None))

    more = {} if case.points is None else {"points": {"pde": case.points}, "resample": None}
    optimisers = [pk.Adam(case.adam, lr=2e-3, decay=0.3), pk.SSBroyden(case.iterations)]
    end = pk.solve(problem, stages=optimisers, seed=seed, progress=False, observe=see, **more)
    found[last] = replace(end, progress=None)
    for stage, path in files.items():
        pk.save(found[stage], path)
    return {stage: found[stage] for stage in stages}


def measured(solution: pk.Solution) -> list[dict[str, Any]]:
    """True and predicted errors of every field on the nodes of the reference."""
    found = pk.error_map(solution)
    _, u, exact = solution.on_grid()
    _, predicted, corrected = found.on_grid()
    rows = []
    for i, name in enumerate(solution.problem.field_names):
        inside = torch.isfinite(exact[..., i])
        v, true, e = exact[..., i][inside], (u - exact)[..., i][inside], predicted[..., i][inside]
        low, high = found.interval[name]
        rows.append({
            "field": name, "true": float(true.norm() / v.norm()), "predicted": found.relative_l2[name],
            "low": low, "high": high, "correlation": float(true @ e / (true.norm() * e.norm())),
            "corrected": float((corrected[..., i][inside] - v).norm() / v.norm()),
            "floor": solution.problem.reference.error, "explained": found.explained, "doubt": found.estimate_error,
            "verdict": found.verdict, "rows": found.rows, "parameters": len(solution.theta), "cpu_s": found.cpu_s,
            "coefficients": {k: [v, found.unknowns[k]] for k, v in solution.unknowns.items()},
        })  # fmt: skip
    return rows


def collect(folder: Path, store: Path, quick: bool, seeds: int, only: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All results by "problem | seed | stage"; what the file ``store`` holds is not done again."""
    results = json.loads(store.read_text())["results"] if store.exists() else {}
    for seed in range(1 if quick else seeds):
        for case in CASES[:2] if quick else CASES:
            stages = ["few points"] if case.points else ["short", "end"]
            if (
                seed >= case.seeds
                or (only and case.name not in only)
                or all(f"{case.label} | {seed} | {s}" in results for s in stages)
            ):
                continue
            began = time.process_time()
            for stage, solution in trained(case, seed, folder).items():
                results[f"{case.label} | {seed} | {stage}"] = measured(solution)
            store.write_text(json.dumps({"results": results}, indent=1))
            print(f"{case.label} {seed}: {time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
    return results


def flat(results: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row for every model and field."""
    rows = []
    for key, fields in results.items():
        problem, seed, stage = key.split(" | ")
        for row in fields:
            label = problem if len(fields) == 1 else f"{problem} {row['field']}"
            about = {"problem": label, "seed": seed, "stage": stage, "ratio": row["predicted"] / row["true"]}
            rows.append(about | row)
    return rows


def page(rows: list[dict[str, Any]]) -> str:
    """The table and what it adds up to."""
    head = ["problem, seed", "training", "true error", "predicted", "ratio", "correlation", "corrected error",
            "explained", "doubt", "rows / P", "CPU s", "verdict"]  # fmt: skip
    lines = [
        [f"{r['problem']}, {r['seed']}", r["stage"], f"{r['true']:.1e}", f"{r['predicted']:.1e}", f"{r['ratio']:.2f}",
         f"{r['correlation']:.3f}", f"{r['corrected']:.1e}", f"{r['explained']:.4f}", f"{r['doubt']:.0e}",
         f"{r['rows'] / r['parameters']:.1f}", f"{r['cpu_s']:.1f}", r["verdict"].partition(" because")[0]]
        for r in sorted(rows, key=lambda r: (r["problem"], r["seed"], r["stage"]))
    ]  # fmt: skip
    well = [r for r in rows if r["true"] < WELL]
    trusted, wrong = [r for r in rows if r["verdict"] == "trust"], [r for r in rows if r["stage"] == "few points"]

    def share(kind: list, good: Any) -> float:
        return sum(map(good, kind)) / max(len(kind), 1)

    def right(r: Mapping[str, Any]) -> bool:
        return r["correlation"] >= 0.9 and 0.5 <= r["ratio"] <= 2

    gains = sorted(math.log10(r["true"] / max(r["corrected"], 1e-300)) for r in trusted)
    summary = [
        verdict(f"{len(well)} fields of well-trained models (true error below {WELL:g}): share with correlation >= 0.9 "
                "and predicted / true error in [0.5, 2]", share(well, right), 1.0),
        verdict(f"the same share of the {len(trusted)} trusted, however well trained", share(trusted, right), 1.0),
        verdict(f"{len(trusted)} trusted: share whose true error lies in the interval", share(
            trusted, lambda r: r["low"] * 0.999 - r["floor"] <= r["true"] <= r["high"] * 1.001 + r["floor"]), 0.95),
        verdict(f"{len(wrong)} wrong basins: share not to be trusted", share(
            wrong, lambda r: r["verdict"].startswith("not")), 1.0),
        f"- trusted: the corrected solution is 10^{gains[len(gains) // 2]:.1f} times as accurate in the median "
        f"(worst 10^{gains[0]:.1f}, best 10^{gains[-1]:.1f})",
        "- well-trained and not trusted: " + (", ".join(
            f"{r['problem']} {r['seed']} {r['stage']}" for r in well if r["verdict"] != "trust") or "none"),
    ]  # fmt: skip
    return table(head, lines) + "\n\n" + "\n".join(summary)


def draw(rows: list[dict[str, Any]]) -> Any:
    """Predicted against true error, by verdict."""
    picture, ax = figure(size=(5.6, 5.2))
    for opening, colour, mark in (("trust", "#0072B2", "o"), ("doubtful", "#E69F00", "s"), ("not", "#D55E00", "x")):
        chosen = [r for r in rows if r["verdict"].startswith(opening)]
        ax.plot([r["true"] for r in chosen], [r["predicted"] for r in chosen], mark, color=colour, ms=5,
                label={"not": "not to be trusted"}.get(opening, opening))  # fmt: skip
    ends = [min(r["true"] for r in rows) / 3, max(r["true"] for r in rows) * 3]
    ax.fill_between(ends, [e / 2 for e in ends], [e * 2 for e in ends], color="0.93", zorder=0)
    ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="true relative L2 error", ylabel="predicted without the reference")
    ax.set_xlim(ends)
    ax.legend(frameon=False)
    return picture


def main() -> None:
    """Train and measure what is missing, then print the table."""
    runs = {"type": Path, "default": RUNS / "error_map", "help": "where the runs are stored"}
    arguments = options(
        __doc__,
        ("--folder", runs),
        ("--seeds", {"type": int, "default": 3, "help": "at most so many"}),
        ("--only", {"nargs": "+", "default": [], "help": "problems: only these are trained now"}),
    )
    quick, title = arguments.quick, "Errors predicted without a reference"
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    store = RESULTS / ("error_map_quick.json" if quick else "error_map.json")
    results = collect(arguments.folder, store, quick, arguments.seeds, arguments.only)
    rows = flat(results)
    publish("error_map", title, page(rows), {"results": results}, draw(rows), quick)


if __name__ == "__main__":
    main()
