"""Influence against training again without the points, over several problems; and wrong data found.

Cases that the results file already holds are not run again: an interrupted benchmark goes on where it was.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Any

from benchmarks.common import BLUE, GREY, INK, RESULTS, child, figure, options, publish, table, verdict

NAME = "influence_validation"
ORANGE = "#c8641e"
SIZES = (0.1, 0.01)  # of errors of data, against the fields' root mean square
CASES: dict[str, dict[str, Any]] = {
    "burgers": {
        "problem": ("burgers", {"nu": 0.02}), "network": (2, 12, 12, 12, 1), "hard": False, "weight": 10.0,
        "points": {"pde": 500, "initial": 60, "x": 60}, "iterations": 3000,
    },
    "burgers, stopped early": {
        "problem": ("burgers", {"nu": 0.02}), "network": (2, 12, 12, 12, 1), "hard": False, "weight": 10.0,
        "points": {"pde": 500, "initial": 60, "x": 60}, "iterations": 150,
    },
    "allen_cahn": {
        "problem": ("allen_cahn", {}), "network": (2, 12, 12, 12, 1), "hard": False, "weight": 10.0,
        "points": {"pde": 500, "initial": 60, "x": 60}, "iterations": 3000,
    },
    "standing_wave, hard": {
        "problem": ("standing_wave", {"c": 1.0}), "network": (2, 20, 20, 20, 1), "hard": True, "weight": 1.0,
        "points": {"pde": 600}, "iterations": 3000,
    },
    "kovasznay": {
        "problem": ("kovasznay", {}), "network": (2, 12, 12, 12, 3), "hard": False, "weight": 10.0,
        "points": {"pde": 200, "boundary": 50, "x_max": 15}, "iterations": 2000,
    },
}  # fmt: skip


def train(case: dict[str, Any], quick: bool) -> Any:
    """The model whose influences are put to the test."""
    import pinnkit as pk

    name, arguments = case["problem"]
    problem = pk.problem(name, **arguments)
    weights = {r.name: case["weight"] for r in problem.residuals if r.key != "pde"}
    count = case["iterations"] // (20 if quick else 1)
    return pk.solve(
        problem, pk.MLP(*case["network"]), case["points"], stages=[pk.Adam(500, lr=5e-3), pk.SSBroyden(count)],
        resample=None, hard=case["hard"], weights=weights, seed=0, progress=False,
    )  # fmt: skip


def run(name: str, quick: bool) -> dict[str, Any]:
    """Train, validate, corrupt data by smaller and smaller errors."""
    import numpy as np
    import torch

    from pinnkit.influence.corrupted_data import find_corrupted
    from pinnkit.influence.leave_out import validate

    torch.set_num_threads(1)
    wall, cpu = time.perf_counter(), time.process_time()
    solution = train(CASES[name], quick)
    found = validate(solution, points=6 if quick else 30, groups=4 if quick else 16, corruptions=0, progress=False)
    corruptions = {}
    for size in SIZES:
        corrupted = find_corrupted(solution, 5, np.random.default_rng(0), "auto", found.damping, size)
        corruptions[str(size)] = vars(corrupted) | {"auc": dict(corrupted.auc)}
    single, method = found.trials[0], "with leverage (default)"
    scatter = [
        {
            "title": t.title,
            "functional": found.functionals[k],
            "actual": t.actual[k].tolist(),
            "predicted": p[k].tolist(),
        }
        for t, p in ((t, t.predicted[method if t is single else "group Newton (default)"]) for t in found.trials)
        for k in range(len(found.functionals))
    ]
    error = solution.errors() if solution.problem.reference is not None else {}
    return found.to_dict() | {
        "corruptions": corruptions, "scatter": scatter, "loss": solution.history["loss"][-1],
        "error": {k: v["relative_l2"] for k, v in error.items()},
        "all_wall_s": time.perf_counter() - wall, "all_cpu_s": time.process_time() - cpu,
    }  # fmt: skip


def _short(values: Any) -> list[float]:
    return [float(f"{v:.6g}") for v in values.tolist()]


def linear() -> dict[str, float]:
    """The largest relative differences from the closed form for a model that is linear in its parameters."""
    import sympy as sp
    import torch
    from torch import nn

    import pinnkit as pk
    from pinnkit.influence.retrain import retrain

    torch.manual_seed(0)
    features = nn.Sequential(nn.Linear(2, 30), nn.Tanh(), nn.Linear(30, 1)).double()
    for p in features[0].parameters():
        p.requires_grad_(False)
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xx = pk.derivatives(u, "t", "xx")
    conditions = [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")]
    rod = pk.Problem("rod", u, u_t - u_xx / 10, pk.Box(x=(-1, 1), t=(0, 1)), conditions)
    model = pk.Model(rod, pk.Module(features), hard=False)
    points = pk.sample(rod, {"pde": 120, "initial": 40, "x": 40}, seed=0)
    stack, damping = model.stack(points), 1e-2
    start = torch.zeros(model.count, dtype=torch.float64)
    J, r = stack.jacobian(start), stack.values(start)

    def ridge(a: torch.Tensor) -> torch.Tensor:
        C = J.T @ (a[:, None] * J) + damping * torch.eye(len(start)).double()
        return -torch.linalg.solve(C, J.T @ (a * r))

    a = stack.row_weights
    solution = pk.Solution(model, ridge(a), points)
    f = pk.Field("u", model.problem.domain.sample(10, seed=1))
    influence = pk.Influence(solution, "explicit", damping)
    effects = influence.attribute(f).joint["pde"]
    before, worst, again = f.linearise(solution)[0], 0.0, 0.0
    for i in range(0, 120, 8):
        less = a.clone()
        stack.rows_of("pde", less)[:, i] = 0
        truth = f.linearise(replace(solution, theta=ridge(less)))[0] - before
        trained = retrain(solution, {"pde": torch.tensor([i])}, damping).theta
        retrained = f.linearise(replace(solution, theta=trained))[0] - before
        worst = max(worst, float((effects[:, i] - truth).norm() / truth.norm()))
        again = max(again, float((retrained - truth).norm() / truth.norm()))
    return {"influence": worst, "training again": again}


def draw(results: dict[str, Any]) -> Any:
    """Predicted against actual changes, each functional by its own largest change."""
    names = [name for name in CASES if name in results]
    drawing, axes = figure(3, len(names), (2.9 * len(names) + 0.4, 8.8))
    axes = axes.reshape(3, -1)
    for c, name in enumerate(names):
        by_title: dict[str, list[dict]] = {}
        for line in results[name]["scatter"]:
            by_title.setdefault(line["title"], []).append(line)
        for row, (title, lines) in enumerate(by_title.items()):
            ax = axes[row, c]
            for line in lines:
                top = max(map(abs, line["actual"])) or 1.0
                actual, predicted = ([v / top for v in line[k]] for k in ("actual", "predicted"))
                loss = "loss" in line["functional"]
                style = {"color": ORANGE, "zorder": 3} if loss else {"color": BLUE}
                ax.plot(actual, predicted, "o", ms=3.2, alpha=0.6, mec="none", **style)
            ax.plot([-1, 1], [-1, 1], color=GREY, lw=0.8, zorder=0)
            ax.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal")
            ax.set_title(title.split(" (")[0] if row else f"{name}\n{title.split(' (')[0]}", fontsize=9, color=INK)
            if c == 0:
                ax.set_ylabel("predicted")
                for y, label, colour in ((0.85, "fields at points", BLUE), (0.6, "loss on fresh points", ORANGE)):
                    ax.text(-1, y, label if row == 0 else "", color=colour, fontsize=8)
            if row == 2:
                ax.set_xlabel("actual, by the largest")
    return drawing


def text(results: dict[str, Any], closed: dict[str, float]) -> str:
    """The tables, and what was reached."""
    parts = [
        "Changes of u at ten points and of the loss on fresh points, predicted by influence and measured by training "
        "again (proximal, converged) without 30 single points, 16 random tenths and 16 clusters of 4 %. Rank "
        "correlation / relative error. The proximal term has the damping of the influences' curvature, chosen "
        "from the model: with less, these Hessians are indefinite and nothing holds a training near its start. The "
        "default, like Gauss-Newton with leverage, contains the square of the change that losses make near their "
        "minimum; sums over a group cannot. Wrong data leave such large residuals that these find them as well "
        "as self-influence does.\n"
    ]
    kinds = {"one point": "removing one point", "random 10 %": "removing a random", "cluster 4 %": "removing a cluster"}
    for label, start in kinds.items():
        trials = {n: next(v for k, v in r["trials"].items() if k.startswith(start)) for n, r in results.items()}
        methods = list(dict.fromkeys(m for trial in trials.values() for m in trial))
        rows = [[m, *(_pair(trials[n].get(m)) for n in results)] for m in methods]
        rows.append(["(default's error: fields alone, loss alone)", *(_split(trial) for trial in trials.values())])
        parts.append(table([f"{label}: method", *results], rows) + "\n")
    rows = [
        [f"{way}, error of {size:g}", *(f"{r['corruptions'][str(size)]['auc'][way]:.3f}" for r in results.values())]
        for size in SIZES for way in ("self-influence", "residual")
    ]  # fmt: skip
    parts.append(table(["wrong data found, 5 %: AUC", *results], rows) + "\n")
    facts = {
        "parameters / rows": lambda r: f"{r['parameters']} / {r['rows']}",
        "loss": lambda r: f"{r['loss']:.1e}",
        "relative L2 error": lambda r: f"{max(r['error'].values()):.1e}" if r["error"] else "no reference",
        "damping": lambda r: f"{r['damping']:.1e}",
        "trainings / converged": lambda r: f"{r['trainings']} / {r['converged']}",
        "changes not ranked (below their numerical error)": lambda r: str(r["unclear"]),
        "CPU s": lambda r: f"{r['all_cpu_s']:.0f}",
    }
    parts.append(table(["", *results], [[k, *map(say, results.values())] for k, say in facts.items()]) + "\n")
    trials = {k: list(v.values())[0] for k, v in results["burgers"]["trials"].items()} if "burgers" in results else {}
    if trials:
        single, random, cluster = trials.values()
        parts += [
            verdict("Burgers, leave-one-out rank correlation", single["spearman"], 0.99),
            verdict("Burgers, leave-one-out relative error", single["relative_error"], 0.05, most=True),
            verdict("Burgers, linear datamodelling score, random tenths", random["spearman"], 0.90),
            verdict("Burgers, linear datamodelling score, clusters of 4 %", cluster["spearman"], 0.85),
            verdict(
                "Burgers, AUC of wrong data",
                results["burgers"]["corruptions"][str(SIZES[0])]["auc"]["self-influence"], 0.95,
            ),
        ]  # fmt: skip
    worst = max(closed.values())
    good = "reached" if worst <= 1e-10 else "MISSED"
    parts.append(f"- linear in the parameters, largest difference from the closed form: {worst:.1e} (1e-10): {good}")
    return "\n".join(parts)


def _split(trial: dict[str, dict]) -> str:
    *fields, loss = next(iter(trial.values()))["relative_error by functional"]
    return f"{sum(fields) / len(fields):.1g}, {loss:.2g}"


def _pair(found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    rho, error = (float("nan") if found[k] is None else found[k] for k in ("spearman", "relative_error"))
    return f"{rho:.3f} / " + ("-" if error != error else f"{error:.2g}")


def main() -> None:
    """Run what is missing, and publish."""
    arguments = options(
        __doc__,
        ("--cases", {"nargs": "+", "default": list(CASES), "choices": list(CASES)}),
        ("--one", {"metavar": "CASE", "help": "a single case, printed as JSON"}),
        ("--processes", {"type": int, "default": 1, "help": "cases at the same time"}),
        ("--again", {"action": "store_true", "help": "run also what the results file holds"}),
    )
    if arguments.one:
        print(json.dumps(run(arguments.one, arguments.quick)))
        return
    path = RESULTS / f"{NAME}{'_quick' if arguments.quick else ''}.json"
    old = {} if arguments.again or not path.exists() else json.loads(path.read_text())["cases"]
    closed, more = linear(), ["--quick"] if arguments.quick else []
    results = {name: old[name] for name in CASES if name in old}

    def one(name: str) -> None:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found = child(f"benchmarks.{NAME}", "--one", name, *more)
        with lock:
            results[name] = found
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"cases": results, "linear": closed}, indent=1) + "\n")

    lock = Lock()
    with ThreadPoolExecutor(arguments.processes) as pool:
        list(pool.map(one, [name for name in arguments.cases if name not in results]))
    results = {name: results[name] for name in CASES if name in results}
    data = {"cases": results, "linear": closed}
    publish(NAME, "Influence against training again", text(results, closed), data, draw(results), arguments.quick)


if __name__ == "__main__":
    main()
