"""Ten heat and wave problems: superposition, a network, separation of variables and the published solver.

Published: LieSolver (arXiv 2510.25731), its code run again on one x86 core, fit time only. Separation of variables has
as many coefficients as the superposition (amplitudes and parameters together). Networks are trained by the problem's
own recipe for a limited time (``--pinn``), then corrected in their tangent space; certificates are enclosed for
superpositions and sampled for networks. True errors are measured against closed forms and series of their own, not
against the tables. Times are CPU seconds of one thread, all after the import. A file a run, so that it can go on.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import BLUE, GREY, INK, LIGHT, RESULTS, ROOT, RUNS, child, environment, figure, options, table

# relative L2 error and seconds of the published solver; of its two settings for a step the more accurate one
PUBLISHED = {
    "heat poly": (5.8e-4, 18.8),
    "heat gauss": (5.5e-4, 3.7),
    "heat sine": (4.6e-4, 1.6),
    "heat sine_mix": (1.5e-3, 2.5),
    "heat step": (1.5e-2, 7.8),
    "wave1d gauss": (4.0e-3, 3.3),
    "wave1d gauss_mix": (7.6e-3, 25.4),
    "wave1d sine": (2.1e-3, 1.7),
    "wave1d sine_mix": (1.7e-3, 2.7),
    "wave1d step": (1.6e-1, 19.7),
}
TOLERANCE = {"heat step": 1e-5}  # 1e-8 elsewhere
FOLDER = RUNS / "lie_cases"
ORANGE = "#d9730d"
LIMIT = 60.0  # CPU seconds of a network's training


def separation(problem: Any, count: int) -> tuple[float, float]:
    """Relative L2 error and CPU seconds of straight lines and the first separated solutions, ``count`` in all."""
    import numpy as np

    from pinnkit.exact.superposition import solve_lie as solver
    from pinnkit.exact.superposition.boundary_arcs import NOWHERE
    from pinnkit.exact.superposition.matching_pursuit import Choice, Search

    start = time.perf_counter(), time.process_time()
    where = solver.charts(problem, solver.operator(problem), solver.face_pairs(problem))
    waves, cuts = solver._waves(where, max(count, 50)), NOWHERE
    data = solver.rows(problem, solver._weights(problem), waves, cuts)
    listed = where[0].first(count)
    names = [r.name for r in listed.parts[1][0].ranges]
    still = listed.parts[1][1][:, names.index("q")] == 0  # waves that start at rest, as the data do
    lines = len(listed.parts[0][1])
    wanted = [*range(min(2, lines, count)), *(lines + np.flatnonzero(still))][:count]
    search = Search(data, listed.columns(data), (), data.target, 0.0)
    found = solver.superposed(problem, search, listed, Choice(tuple(map(int, wanted))), waves, cuts)
    found = solver._solution(problem, found, [], 1.0, start)
    return found.errors()["u"]["relative_l2"], time.process_time() - start[1]


def truth(name: str) -> dict[str, Any]:
    """The solution on Gauss points by a formula without the solver's series: images (heat), d'Alembert (wave)."""
    import importlib

    import numpy as np

    from pinnkit.exact.superposition.boundary_points import gauss_panels

    sys.path.insert(0, str(ROOT / "data"))  # as the script that makes the tables finds it
    series, tables = (importlib.import_module(n) for n in ("series", "make_series"))
    kind, initial = name.split()
    edges = (1 - np.cos(np.pi * np.linspace(0, 1, 13))) / 2
    x, wx = gauss_panels(np.unique(np.concatenate([edges, [0.395, 0.405, 0.595, 0.605]])))  # the steps' own
    if kind == "heat":
        t, wt = gauss_panels(0.1 * np.linspace(0.01, 1, 4) ** 2)  # the quadrature of the heat kernel needs t > 0
        u = series.heat_by_images(tables.HEAT[initial], x, t)
    else:
        t, wt = gauss_panels(np.linspace(0, 1, 10))
        u = series.wave_by_characteristics(tables.WAVE[initial], x, t)
    start = (tables.HEAT if kind == "heat" else tables.WAVE)[initial](x)[:, None]
    return {"x": x, "t": t, "wx": wx, "wt": wt, "u": u, "start": start}


def against(solution: Any, known: dict[str, Any]) -> dict[str, float]:
    """The largest |error|, also at the start, and its L2(Q) norm (of heat without the first 1e-5), and that of u."""
    import numpy as np
    import torch

    def at(t: Any) -> Any:
        X = np.stack([m.ravel() for m in np.meshgrid(known["x"], t, indexing="ij")], 1)
        return solution(torch.as_tensor(X)).numpy()[:, 0].reshape(len(known["x"]), len(t))

    e = at(known["t"]) - known["u"]
    first = np.abs(at(np.zeros(1)) - known["start"]).max()

    def norm(v: Any) -> float:
        return float(np.sqrt(known["wx"] @ v**2 @ known["wt"]))

    return {"sup_error": float(max(first, np.abs(e).max())), "l2_error": norm(e), "size": norm(known["u"])}


def measured(solution: Any, known: dict[str, Any], enclosed: bool) -> dict[str, Any]:
    """Errors, bounds and what the certificate took."""
    import pinnkit as pk

    start = time.process_time()
    bound = pk.certify(solution, enclosed=enclosed)
    found = {"certificate_cpu_s": time.process_time() - start, "sup_bound": bound["sup"], "l2_bound": bound["L2(Q)"]}
    return {"relative_l2": solution.errors()["u"]["relative_l2"]} | found | against(solution, known)


def run(name: str) -> dict[str, Any]:
    """The superposition of one case, and separation of variables."""
    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    problem = pk.problem(name.split()[0], initial=name.split()[1])
    wall, cpu = time.perf_counter(), time.process_time()
    solution = pk.solve_lie(problem, tolerance=TOLERANCE.get(name, 1e-8))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    count = solution.progress.total
    other, seconds = separation(problem, count)
    return measured(solution, truth(name), True) | {
        "floor": problem.reference.error,
        "coefficients": count,
        "members": str(solution.network),
        "cpu_s": cpu,
        "wall_s": wall,
        "separation_l2": other,
        "separation_cpu_s": seconds,
    }


def network(name: str) -> dict[str, Any]:
    """The trained network of one case."""
    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    solution = pk.load(run_file(name))
    found = measured(solution, truth(name), False)
    return found | {"cpu_s": solution.progress.cpu_s, "steps": solution.progress.total}


def corrected(name: str) -> dict[str, Any]:
    """The same network, corrected in its tangent space."""
    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    solution, start = pk.load(run_file(name)), time.process_time()
    better = pk.correct(solution)
    seconds = time.process_time() - start
    error = better.errors()["u"]["relative_l2"]
    return {"relative_l2": error, "cpu_s": seconds, "refused": len(better.notes) > len(solution.notes)}


def train(name: str, limit: float) -> None:
    """Train the case's network by its own recipe for so many CPU seconds at most, and write the run file."""
    import signal

    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    problem = pk.problem(name.split()[0], initial=name.split()[1])
    signal.signal(signal.SIGPROF, lambda *_: signal.raise_signal(signal.SIGINT))  # solve() saves and returns
    signal.setitimer(signal.ITIMER_PROF, limit)
    solution = pk.solve(problem, stages=problem.recipe.stages, seed=0, progress=False)
    signal.setitimer(signal.ITIMER_PROF, 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    pk.save(solution, run_file(name))


def run_file(name: str) -> Path:
    """Where the network of a case is kept."""
    return FOLDER / f"{name.replace(' ', '_')}.h5"


def result_file(name: str, what: str) -> Path:
    """Where the figures of one run are kept."""
    return FOLDER / f"{name.replace(' ', '_')}_{what}.json"


def kept(name: str, what: str, fresh: bool = False) -> dict[str, Any]:
    """The result of one run in a process of its own, from its file if there is one."""
    file = result_file(name, what)
    if fresh or not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        found = child("benchmarks.lie.lie_cases", f"--{what}", name)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(found, indent=1))
        partial.replace(file)
        print(f"{name}, {what}: {found['relative_l2']:.1e}", file=sys.stderr, flush=True)
    return json.loads(file.read_text())


def errors_table(results: dict[str, dict]) -> str:
    """Errors and times as Markdown."""
    rows = []
    for name, (error, seconds) in PUBLISHED.items():
        r = results[name]
        net = r.get("network")
        mine = ["-"] * 3
        if net:
            after = r.get("corrected")
            better = "-" if after is None else f"{after['relative_l2']:.1e} ({after['cpu_s']:.0f} s)"
            better = "refused" if after and after["refused"] else better
            mine = [f"{net['relative_l2']:.1e}", f"{net['cpu_s']:.0f}", better]
        rows.append([
            name, f"{r['relative_l2']:.1e}", r["coefficients"], f"{r['cpu_s']:.2f}", *mine, f"{r['separation_l2']:.1e}",
            f"{error:.1e}", seconds, f"{r['relative_l2'] / error:.0e}", f"{r['cpu_s'] / seconds:.2f}",
        ])  # fmt: skip
    head = [
        "case", "superposition: relative L2", "coefficients", "CPU s", "network: relative L2", "CPU s",
        "corrected (CPU s)", "separation of variables, as many coefficients", "published: relative L2", "s",
        "error / published", "time / published",
    ]  # fmt: skip
    return table(head, rows)


def bounds_table(results: dict[str, dict]) -> str:
    """Certificates as Markdown: bound (true error)."""

    def pair(r: dict, norm: str) -> str:
        return f"{r[f'{norm}_bound']:.1e} ({r[f'{norm}_error']:.1e})"

    rows = []
    for name in PUBLISHED:
        r = results[name]
        net = r.get("network")
        mine = [pair(net, "sup"), pair(net, "l2"), f"{net['certificate_cpu_s']:.1f}"] if net else ["-"] * 3
        rows.append([name, pair(r, "sup"), pair(r, "l2"), f"{r['certificate_cpu_s']:.1f}", *mine])
    head = [
        "case", "superposition, enclosed: largest error", "L2(Q)", "CPU s", "network, sampled: largest error", "L2(Q)",
        "CPU s",
    ]  # fmt: skip
    return table(head, rows)


def violated(results: dict[str, dict]) -> list[str]:
    """Cases whose true error lies above a bound: those of rounding of the truth itself are not counted."""
    found = []
    for name, r in results.items():
        for what, own in (("superposition", r), ("network", r.get("network"))):
            for norm in ("sup", "l2") if own else ():
                if own[f"{norm}_error"] > own[f"{norm}_bound"] + 1e-14:
                    found.append(f"{name} ({what}, {norm})")
    return found


def draw(results: dict[str, dict]) -> Any:
    """Relative L2 errors of all ways, and how far above them the certificates lie."""
    drawing, ax = figure(size=(7.6, 5.2))
    names = list(PUBLISHED)
    for k, name in enumerate(names):
        r, y = results[name], len(names) - k
        for own, colour, dy in ((r, BLUE, 0.14), (r.get("network"), ORANGE, -0.14)):
            if own:
                error, bound = (max(own[f"l2_{what}"] / own["size"], 1e-17) for what in ("error", "bound"))
                ax.plot([error, bound], [y + dy] * 2, color=colour, lw=3, alpha=0.35, solid_capstyle="butt")
                ax.plot(error, y + dy, "o", color=colour, ms=6)
                ax.plot(bound, y + dy, "|", color=colour, ms=11, mew=2)
        ax.plot(r["separation_l2"], y, "x", color=GREY, ms=6, mew=1.6)
        ax.plot(PUBLISHED[name][0], y, "D", color=INK, ms=5, mfc="none")
    ax.set_xscale("log")
    ax.set_xlim(1e-17, 10)
    ax.set_yticks(range(len(names), 0, -1), names)
    ax.grid(axis="x", color=LIGHT, lw=0.6)
    ax.set_axisbelow(True)
    ax.axhline(5.5, color=LIGHT, lw=1)
    ax.set_xlabel("L2 error over space and time, relative to the solution")
    handles = [
        ax.plot([], [], "o-", color=BLUE, ms=6, label="superposition; | its enclosed bound")[0],
        ax.plot([], [], "o-", color=ORANGE, ms=6, label="network; | its sampled bound")[0],
        ax.plot([], [], "x", color=GREY, ls="none", label="separation of variables, as many coefficients")[0],
        ax.plot([], [], "D", color=INK, mfc="none", ls="none", label="published solver")[0],
    ]
    drawing.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return drawing


def page(results: dict[str, dict]) -> str:
    """LIE.md."""
    trained = {name: r["network"] for name, r in results.items() if "network" in r}
    failed = [name for name, n in trained.items() if n["relative_l2"] > 1e-2]
    bad = violated(results)
    better = [PUBLISHED[name][0] / r["relative_l2"] for name, r in results.items()]
    faster = [PUBLISHED[name][1] / r["cpu_s"] for name, r in results.items()]
    wave = results["wave1d gauss"]
    whole = wave["l2_error"] / wave["size"]
    seen = [r for r in results.values() if r["sup_error"] > 1e-12]  # more than rounding
    sup, l2 = (median(r[f"{w}_bound"] / r[f"{w}_error"] for r in seen) for w in ("sup", "l2"))
    high, mean = (
        median(n[f"{w}_bound"] / n[f"{w}_error"] for n in trained.values()) if trained else 0.0 for w in ("sup", "l2")
    )
    theirs = f"""
Networks: {high:.0f} and {mean:.0f} times, in the median. The largest residual, at a corner or front, decides the
bound in the maximum norm although it hardly moves the solution; the L2 norms forgive more."""
    part = f" ({len(trained)} of {len(results)} cases so far)" if len(trained) < len(results) else ""
    wrong = f" Relative errors above 1 %: {', '.join(failed)}." if failed else ""
    about = f"""
Networks: the problem's own recipe, stopped after {LIMIT:.0f} s of CPU, seed 0{part}.{wrong}
"Corrected" adds the step that the network's own residual implies, in its tangent space (`pk.correct`); it is refused
where it would not at least halve the residual.
"""
    return f"""# Ten problems side by side: superposition, network, separation of variables, the published solver

Written by `python -m benchmarks.lie.lie_cases --pinn`. The cases of LieSolver (arXiv 2510.25731): u_t = u_xx on
[0, 1] x [0, 0.1] with the ends held at their first temperature, u_tt = u_xx on [0, 1]^2 with u = 0 at the ends and
u_t = 0 at the start; initial data: a polynomial, Gaussians, one and three sines, a step by tanh(500 x).

![relative L2 errors and bounds](results/lie_cases.png)

## Errors and times

{errors_table(results)}

The superposition is {min(better):.0f} to {max(better):.0e} times more accurate than the published solver and
{min(faster):.1f} to {max(faster):.0f} times faster. Errors of 1e-13 of the waves are the tables' own (2e-13).
{about if trained else ""}
## Certificates

The bound, and in brackets the true error, measured at Gauss points against image sources (heat) and d'Alembert's
formula (waves). The superposition's misfit is enclosed by interval arithmetic, which makes its bound a proof. A
network's is sampled, with the residual of the equation: an estimate that may be too small.

{bounds_table(results)}

{"No true error lies above its bound." if not bad else f"True errors above a bound: {', '.join(bad)}."}
Superpositions with more than rounding to bound: {sup:.1f} times the error in the maximum norm and {l2:.1f} times in
L2(Q), in the median. Data that contradict each other in a corner (a Gaussian that is not quite 0 at an end held at 0)
make a jump that the maximum norm sees in full and Gauss points do not. The first table compares on the reference's
grid, whose diagonals are the characteristics on which the jump of "wave1d gauss" runs: the values there are a
convention, and its {wave["relative_l2"]:.1e} is theirs; over space and time the error is {whole:.1e} of the solution.
{theirs if trained else ""}
"""


def main() -> None:
    """Run what is missing, and write the page."""
    arguments = options(
        __doc__,
        ("--fresh", {"action": "store_true", "help": "run the superpositions again"}),
        ("--pinn", {"action": "store_true", "help": "train the networks first, those that are missing"}),
        ("--train", {"metavar": "CASE", "help": "train a single network"}),
        ("--run", {"metavar": "CASE", "help": "a single superposition, printed as JSON"}),
        ("--network", {"metavar": "CASE", "help": "a single trained network, printed as JSON"}),
        ("--corrected", {"metavar": "CASE", "help": "the same, corrected"}),
    )
    for what in (run, network, corrected):
        if case := getattr(arguments, what.__name__):
            print(json.dumps(what(case)))
            return
    if arguments.train:
        train(arguments.train, LIMIT)
        return
    results = {}
    for name in PUBLISHED:
        if arguments.pinn and not run_file(name).exists():
            command = [sys.executable, "-m", "benchmarks.lie.lie_cases", "--train", name]
            subprocess.run(command, cwd=ROOT, env=environment(), check=True)
        results[name] = kept(name, "run", arguments.fresh)
        if run_file(name).exists():
            for what in ("network", "corrected"):
                if arguments.pinn or result_file(name, what).exists():
                    results[name][what] = kept(name, what)
    if not arguments.quick:
        (RESULTS / "lie_cases.json").write_text(json.dumps(results, indent=1) + "\n")
        (RESULTS / "lie_cases.md").write_text(errors_table(results) + "\n\n" + bounds_table(results) + "\n")
        (RESULTS.parent / "LIE.md").write_text(page(results))
        draw(results).savefig(RESULTS / "lie_cases.png", dpi=150)
    print(page(results))


if __name__ == "__main__":
    main()
