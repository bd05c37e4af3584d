"""Unknown coefficients: do error bars cover the truth, which measurement made them so, and the wake of a cylinder.

Every run is stored in a folder: an interrupted benchmark goes on where it was.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import pinnkit as pk
from benchmarks.common import BLUE, GREY, RESULTS, figure, options, publish, table, verdict
from pinnkit.influence.validation import spearman

NOISE, TRUTH = 0.02, 0.3  # standard deviation of a thermometer, the diffusivity that is to be found
LEVELS = (0.5, 0.8, 0.95)
ALONE = 20  # readings without which a network is trained from scratch


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The figures in a file, which is made at the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_file = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial_file.write_text(json.dumps(make(), indent=1) + "\n")
        os.replace(partial_file, path)
    return json.loads(path.read_text())


# ------------------------------------------------------------------------------------------------- coverage


def rod(seed: int, noise: float = NOISE, without: int | None = None) -> pk.Problem:
    """The rod's diffusivity from 50 readings, or from the others."""
    problem = pk.problem("heat_inverse", noise=noise, seed=seed)
    if without is None:
        return problem
    *walls, readings = problem.conditions
    rows = torch.arange(len(readings.X)) != without
    return replace(problem, conditions=[*walls, replace(readings, X=readings.X[rows], values=readings.values[rows])])


def trained(problem: pk.Problem, seed: int, iterations: int = 60) -> pk.Solution:
    """A small network, trained a little."""
    stages = [pk.Adam(150, lr=3e-3), pk.SSBroyden(iterations)]
    return pk.solve(problem, pk.MLP(2, 12, 12, 1), {"pde": 200}, stages=stages, seed=seed, progress=False)


def ideal(problem: pk.Problem) -> tuple[float, float]:
    """The diffusivity by least squares in the closed form: no estimate is better; and its standard deviation."""
    points = problem.sample("readings", 1)
    (x, t), D = points.X.unbind(1), TRUTH
    for _ in range(30):
        u = torch.exp(-D * math.pi**2 * t) * torch.sin(math.pi * x)
        slope = -(math.pi**2) * t * u
        D += float(slope @ (points.columns["readings_value"] - u) / (slope @ slope))
    return D, NOISE / float(slope.norm())


def repetition(seed: int) -> dict[str, Any]:
    """Other noise at other places, another network."""
    began, problem = time.process_time(), rod(1000 + seed)
    solution = trained(problem, seed)
    found = pk.uncertainty(solution)
    best, sd = ideal(problem)
    return {
        **found.to_dict()["values"]["D"], "intervals": {str(p): found.interval(p)[0].tolist() for p in LEVELS},
        "noise": found.noise["readings"], "ideal": best, "ideal_sd": sd, "cpu_s": time.process_time() - began,
        "error_bars_cpu_s": found.cpu_s,
    }  # fmt: skip


def coverage_page(rows: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """How often the intervals hold the truth."""
    n = len(rows)

    def root(of: Callable[[dict[str, Any]], float]) -> float:
        return math.sqrt(sum(of(r) ** 2 for r in rows) / n)

    lines, verdicts = [], []
    for level in LEVELS:
        inside = sum(low <= TRUTH <= high for low, high in (r["intervals"][str(level)] for r in rows))
        wobble = math.sqrt(level * (1 - level) / n)
        lines.append([f"{level:.0%}", f"{inside} of {n}", f"{inside / n:.3f}", f"{wobble:.3f}"])
        verdicts.append((inside / n - level) / wobble)
    head = ["interval", "holds the truth", "share", "its standard deviation if exact"]
    text = [
        table(head, lines), "",
        f"- root mean square error of D: {root(lambda r: r['corrected'] - TRUTH):.2e} corrected, "
        f"{root(lambda r: r['trained'] - TRUTH):.2e} as trained, {root(lambda r: r['ideal'] - TRUTH):.2e} by least "
        "squares in the closed form, which no estimate can beat",
        f"- root mean square of the predicted standard deviation: {root(lambda r: r['sd']):.2e} "
        f"(closed form {root(lambda r: r['ideal_sd']):.2e})",
        f"- distance from the closed form's estimate: {root(lambda r: r['corrected'] - r['ideal']):.1e} corrected, "
        f"{root(lambda r: r['trained'] - r['ideal']):.1e} as trained",
        f"- {sum(r['cpu_s'] for r in rows) / n:.1f} s of CPU a repetition, of which "
        f"{sum(r['error_bars_cpu_s'] for r in rows) / n:.2f} s for the error bars",
    ]  # fmt: skip
    worst = max(abs(v) for v in verdicts)
    return "\n".join(text), [verdict("coverage, worst of three levels in standard deviations", worst, 2.0, most=True)]


# ------------------------------------------------------------------------------------------------ influence


def measurements() -> dict[str, Any]:
    """What each reading does to D: predicted, and by training again without it."""
    problem = rod(1)
    solution = trained(problem, 1, 300)
    began = time.process_time()
    influence = pk.Influence(solution)
    effects = influence.attribute([pk.Unknown("D")])
    shared = influence.attribute([pk.Unknown("D")], convention="mean").effects["readings"][0]
    cost, N = time.process_time() - began, len(shared)
    damping = influence.curvature.damping
    again = [pk.retrain(solution, {"readings": torch.tensor([i])}, damping) for i in range(N)]
    whole = float(pk.uncertainty(solution).corrected)
    scratch = {i: float(pk.uncertainty(trained(rod(1, without=i), 1)).corrected) - whole for i in range(ALONE)}
    points = solution.points["readings"]
    return {
        "X": points.X.tolist(), "values": points.columns["readings_value"].tolist(), "D": solution.unknowns["D"],
        "misfit": (points.columns["readings_value"] - solution(points.X)[:, 0]).tolist(),
        "predicted": effects.effects["readings"][0].tolist(), "shared": shared.tolist(),
        "leverage": influence.leverage["readings"].tolist(),
        "retrained": [float(r.theta[-1]) - solution.unknowns["D"] for r in again],
        "converged": sum(r.converged for r in again), "scratch": scratch, "cpu_s": cost,
    }  # fmt: skip


def agreement(predicted: list[float], actual: list[float]) -> tuple[float, float]:
    """Rank correlation, and |predicted - actual| / |actual|."""
    p, a = torch.tensor(predicted, dtype=torch.float64), torch.tensor(actual, dtype=torch.float64)
    return spearman(p, a), float((p - a).norm() / a.norm())


def influence_page(found: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Predicted against actual changes."""
    near = agreement(found["predicted"], found["retrained"])
    chosen = [int(i) for i in found["scratch"]]
    far = agreement([found["shared"][i] for i in chosen], list(found["scratch"].values()))
    head = ["change of D without a reading", "readings", "Spearman", "relative error"]
    lines = [
        ["training goes on to the minimum, near the solution", len(found["retrained"]), *map("{:.4f}".format, near)],
        ["another network from scratch, corrected", len(chosen), *map("{:.4f}".format, far)],
    ]
    text = table(head, lines) + f"\n\nAll {len(found['predicted'])} influences take {found['cpu_s']:.1f} s of CPU."
    return text, [
        verdict("rank correlation with training again", near[0], 0.99),
        verdict("rank correlation with training from scratch", far[0], 0.9),
    ]


def draw_influence(found: Mapping[str, Any], ax: Any, right: Any) -> None:
    """Where the readings are that D hangs on; predicted against actual changes."""
    X, effect = torch.tensor(found["X"]), torch.tensor(found["predicted"])
    top = float(effect.abs().max())
    sizes = 12 + 160 * effect.abs() / top
    marks = ax.scatter(
        X[:, 1], X[:, 0], c=effect, s=sizes, cmap="RdBu_r", vmin=-top, vmax=top, edgecolors="0.4", lw=0.5
    )
    ax.figure.colorbar(marks, ax=ax, label="change of D without the reading", shrink=0.9)
    ax.set(xlabel="t", ylabel="x", title="50 thermometer readings")
    both = torch.tensor([*found["predicted"], *found["retrained"]])
    ends = [float(both.min()), float(both.max())]
    right.plot(ends, ends, color=GREY, lw=0.8)
    right.plot(found["retrained"], found["predicted"], "o", color=BLUE, ms=4, label="to the minimum, near by")
    chosen = [int(i) for i in found["scratch"]]
    right.plot(list(found["scratch"].values()), [found["shared"][i] for i in chosen], "x", color="#D55E00", ms=5,
               label="from scratch")  # fmt: skip
    right.set(xlabel="change of D when trained without it", ylabel="predicted")
    right.legend(frameon=False)


def main() -> None:
    """Run what is missing, then print the tables."""
    runs = {"type": Path, "default": Path(__file__).parent / "runs" / "inverse", "help": "where the runs are stored"}
    count = {"type": int, "default": 100, "help": "repetitions of the rod's measurements"}
    arguments = options(__doc__, ("--folder", runs), ("--count", count))
    quick, folder = arguments.quick, arguments.folder
    torch.set_num_threads(1)
    n = 10 if quick else arguments.count
    rows = [kept(folder / f"rod-{seed}.json", partial(repetition, seed)) for seed in range(n)]
    found = kept(folder / "influence.json", measurements)
    coverage, first = coverage_page(rows)
    influences, second = influence_page(found)
    text = "\n\n".join([
        f"## Error bars\n\nThe diffusivity of a rod from 50 readings with noise {NOISE:g}, measured {n} times.",
        coverage, "## Which reading did it", influences, "\n".join([*first, *second]),
    ])  # fmt: skip
    picture, (left, right) = figure(1, 2, (10.0, 4.0))
    draw_influence(found, left, right)
    RESULTS.mkdir(exist_ok=True)
    publish("inverse", "Inverse problems", text, {"rod": rows, "influence": found}, picture, quick)


if __name__ == "__main__":
    main()
