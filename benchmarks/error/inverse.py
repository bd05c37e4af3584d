"""Unknown coefficients: do error bars cover the truth, which measurement made them so, and the wake of a cylinder.

Every run is stored in a folder: an interrupted benchmark goes on where it was.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pinnkit as pk
from benchmarks.common import BLUE, GREY, RESULTS, RUNS, figure, options, publish, table, verdict
from pinnkit.influence.validation import spearman
from pinnkit.statement.wake_data import Wake, load_wake
from pinnkit.tools.atomic_file import put

NOISE, TRUTH = 0.02, 0.3  # standard deviation of a thermometer, the diffusivity that is to be found
LEVELS = (0.5, 0.8, 0.95)
ALONE = 20  # readings without which a network is trained from scratch
COEFFICIENTS = {"lambda1": 1.0, "lambda2": 0.01}
GOALS = {  # relative errors: the goal, and those of Raissi, Perdikaris, Karniadakis 2019
    ("lambda1", True): (5e-4, 7.8e-4), ("lambda2", True): (5e-3, 4.67e-2),
    ("lambda1", False): (1e-3, 1.7e-3), ("lambda2", False): (1e-2, 5.7e-2),
}  # fmt: skip


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The figures in a file, which is made at the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(make(), indent=1) + "\n"
        put(path, lambda file: file.write_text(text))
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


# ----------------------------------------------------------------------------------------------------- wake


def flow_file(noise: float, seed: int, folder: Path, kind: str) -> Path:
    """Where a run on the wake is stored (.h5), or what is to be said of it (.json)."""
    return folder / (f"wake-{noise:g}" + (f"-{seed}" if seed else "") + kind)


def flow_run(noise: float, seed: int, folder: Path) -> pk.Solution:
    """The recipe's run on the wake, gone on with where it stopped; other places, noise and network for every seed."""
    path = flow_file(noise, seed, folder, ".h5")
    if not path.exists():
        return pk.solve(pk.problem("wake", noise=noise, seed=seed), seed=seed, checkpoint=path, progress=False)
    solution = pk.load(path)
    return solution if solution.progress.done else pk.resume(solution, checkpoint=path, progress=False)


def flow(noise: float, seed: int, folder: Path) -> dict[str, Any]:
    """Coefficients and their error bars, errors of the velocities, cost."""
    solution = flow_run(noise, seed, folder)
    found, progress = pk.uncertainty(solution), solution.progress
    return {
        **found.to_dict(), "errors": {k: e["relative_l2"] for k, e in solution.errors().items() if k in ("u", "v")},
        "parameters": len(solution.theta), "iterations": progress.total, "train_cpu_s": progress.cpu_s,
        "train_wall_s": progress.wall_s,
    }  # fmt: skip


def regressed(snapshots: Wake) -> dict[str, float]:
    """lambda1 and lambda2 by least squares on the equations, with all fields and differences of order 6."""
    x, y = (np.unique(a) for a in snapshots.X.T)
    order = np.lexsort((snapshots.X[:, 1], snapshots.X[:, 0]))
    u, v, p = (getattr(snapshots, n)[order].reshape(len(x), len(y), -1) for n in "uvp")
    steps = [float(a[1] - a[0]) for a in (x, y, snapshots.t)]

    def slope(f: Any, axis: int, weights: tuple[float, ...], power: int) -> Any:
        width = len(weights) // 2
        inner = [slice(3, -3)] * 3
        total = 0.0
        for k, w in enumerate(weights):
            n = f.shape[axis]
            inner[axis] = slice(3 + k - width, n - 3 + k - width)
            total = total + w * f[tuple(inner)]
        return total / steps[axis] ** power

    first = tuple(np.array([-1, 9, -45, 0, 45, -9, 1]) / 60)
    second = tuple(np.array([2, -27, 270, -490, 270, -27, 2]) / 180)
    inside, columns, right = (slice(3, -3),) * 3, [], []
    for w, axis in ((u, 0), (v, 1)):
        carried = u[inside] * slope(w, 0, first, 1) + v[inside] * slope(w, 1, first, 1)
        bent = slope(w, 0, second, 2) + slope(w, 1, second, 2)
        columns.append(np.stack([carried.ravel(), -bent.ravel()], 1))
        right.append(-(slope(w, 2, first, 1) + slope(p, axis, first, 1)).ravel())
    best = np.linalg.lstsq(np.concatenate(columns), np.concatenate(right), rcond=None)[0]
    return dict(zip(COEFFICIENTS, best.tolist(), strict=True))


def flow_page(found: Mapping[str, Mapping[str, Any]], direct: Mapping[str, float]) -> tuple[str, list[str]]:
    """Coefficients beside the truth, the goals and what was published; runs by "noise #seed"."""
    head = ["readings", "coefficient", "trained", "corrected", "95 % interval", "error", "in half widths", "goal"]
    head.append("published")
    lines, verdicts, costs, widths = [], [], [], []
    for key, run in found.items():
        noise, _, seed = key.partition(" #")
        clean = float(noise) == 0
        readings = f"{'clean' if clean else f'{float(noise):.0%} noise'}, seed {seed}"
        for name, truth in COEFFICIENTS.items():
            row, (goal, published) = run["values"][name], GOALS[name, clean]
            low, high = row["interval"]
            off, half = abs(row["corrected"] / truth - 1), (high - low) / 2
            widths.append(off * truth / half)
            lines.append([
                readings, name, f"{row['trained']:.6g}", f"{row['corrected']:.6g}", f"+- {half / truth:.3%}",
                f"{off:.3%}", f"{widths[-1]:.2f}", f"{goal:.2%}", f"{published:.2%}",
            ])  # fmt: skip
            verdicts.append(verdict(f"{readings}, {name}: error in per cent", 100 * off, 100 * goal, most=True))
        errors = ", ".join(f"{k} {e:.1e}" for k, e in run["errors"].items())
        costs.append(
            f"- {readings}: {run['parameters']} parameters, {run['iterations']} iterations; training "
            f"{run['train_cpu_s']:.0f} s of CPU ({run['train_wall_s']:.0f} s on a shared machine), error bars "
            f"{run['cpu_s']:.0f} s; relative L2 error of the trained velocities: {errors}"
        )
    costs.append(
        "- the equations fitted to the stored fields themselves, all 10^6 values and the pressure, by differences of "
        "order 6: " + ", ".join(f"{name} = {value:.6g}" for name, value in direct.items())
    )
    costs.append(
        f"- {sum(w <= 1 for w in widths)} of {len(widths)} intervals hold the truth; 95 % of many should. The largest "
        f"error is {max(widths):.2f} half widths"
    )
    clean = [run for key, run in found.items() if float(key.partition(" #")[0]) == 0]
    taken = ", ".join(f"{run['noise']['u readings']:.1e} of u after {run['iterations']} iterations" for run in clean)
    if clean:
        costs.append(
            f"- clean readings have no noise. What is taken for it ({taken}) is what the network does not fit: it gets "
            "smaller with training and is nothing random, so that these intervals may be too narrow"
        )
    return table(head, lines) + "\n\n" + "\n".join(costs), verdicts


def main() -> None:
    """Run what is missing, then print the tables."""
    runs = {"type": Path, "default": RUNS / "inverse", "help": "where the runs are stored"}
    count = {"type": int, "default": 100, "help": "repetitions of the rod's measurements"}
    seeds = {"type": int, "nargs": "+", "default": [0, 1], "help": "of the wake's readings, noise and networks"}
    only = {"action": "store_true", "help": "train nothing on the wake, only read what is there"}
    arguments = options(__doc__, ("--folder", runs), ("--count", count), ("--seeds", seeds), ("--table", only))
    quick, folder = arguments.quick, arguments.folder
    torch.set_num_threads(1)
    n = 10 if quick else arguments.count
    rows = [kept(folder / f"rod-{seed}.json", partial(repetition, seed)) for seed in range(n)]
    found = kept(folder / "influence.json", measurements)
    coverage, first = coverage_page(rows)
    influences, second = influence_page(found)
    wanted = [] if quick else [(noise, seed) for noise in (0.0, 0.01) for seed in arguments.seeds]
    if arguments.table:
        wanted = [(noise, seed) for noise, seed in wanted if flow_file(noise, seed, folder, ".json").exists()]
    flows = {
        f"{noise:g} #{seed}": kept(flow_file(noise, seed, folder, ".json"), partial(flow, noise, seed, folder))
        for noise, seed in wanted
    }  # fmt: skip
    text = "\n\n".join([
        f"## Error bars\n\nThe diffusivity of a rod from 50 readings with noise {NOISE:g}, measured {n} times.",
        coverage, "## Which reading did it", influences,
    ])  # fmt: skip
    third = []
    if flows:
        wakes, third = flow_page(flows, regressed(load_wake()))
        text += f"\n\n## The wake of a cylinder\n\n{wakes}"
    text += "\n\n" + "\n".join([*first, *second, *third])
    picture, (left, right) = figure(1, 2, (10.0, 4.0))
    draw_influence(found, left, right)
    RESULTS.mkdir(exist_ok=True)
    publish("inverse", "Inverse problems", text, {"rod": rows, "influence": found, "wake": flows}, picture, quick)


if __name__ == "__main__":
    main()
