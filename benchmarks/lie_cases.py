"""Ten heat and wave problems: superposition, separation of variables, the published solver and a network.

Published: LieSolver (arXiv 2510.25731), its code run again on one x86 core, fit time only. Separation of variables has
as many coefficients as the superposition (amplitudes and parameters together). A network's figures are read from the
results of ``benchmarks.accuracy`` where they are there. Times are CPU seconds of one thread, all after the import.
"""

import json
import sys
import time
from statistics import median
from typing import Any

from benchmarks.common import RESULTS, child, options

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


def separation(problem: Any, count: int) -> tuple[float, float]:
    """Relative L2 error and CPU seconds of straight lines and the first separated solutions, ``count`` in all."""
    import numpy as np

    from pinnkit.superpose import solver
    from pinnkit.superpose.greedy import Choice, Search

    start = time.perf_counter(), time.process_time()
    op, sides = solver.operator(problem), solver.walls(problem)
    data = solver.rows(problem, solver._weights(problem), solver._waves(op, sides, problem.domain, max(count, 50)))
    listed = solver.separated(problem, op, sides, count)
    columns = solver._columns(listed, data)
    names = [r.name for r in listed.parts[1][0].ranges]
    still = listed.parts[1][1][:, names.index("q")] == 0  # waves that start at rest, as the data do
    lines = len(listed.parts[0][1])
    wanted = [*range(min(2, lines, count)), *(lines + np.flatnonzero(still))][:count]
    search = Search(data, columns, (), data.target, 0.0)
    found = solver._solution(problem, search, listed, Choice(tuple(map(int, wanted))), [], 0.0, 1.0, start)
    return found.errors()["u"]["relative_l2"], time.process_time() - start[1]


def run(name: str) -> dict[str, Any]:
    """One case: errors, certificate, coefficients and seconds."""
    import torch

    import pinnkit as pk

    torch.set_num_threads(1)
    problem = pk.problem(name.split()[0], initial=name.split()[1])
    wall, cpu = time.perf_counter(), time.process_time()
    solution = pk.solve_lie(problem, tolerance=TOLERANCE.get(name, 1e-8))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    start = time.process_time()
    bound = pk.certify(solution, enclosed=True)
    certified = time.process_time() - start
    count = solution.progress.total
    other, seconds = separation(problem, count)
    return {
        "relative_l2": solution.errors()["u"]["relative_l2"],
        "floor": problem.reference.error,
        "coefficients": count,
        "members": str(solution.network),
        "cpu_s": cpu,
        "wall_s": wall,
        "sup_bound": bound["sup"],
        "sup_error": bound.errors["sup"],
        "l2_bound": bound["L2(Q)"],
        "l2_error": bound.errors["L2(Q)"],
        "certificate_cpu_s": certified,
        "separation_l2": other,
        "separation_cpu_s": seconds,
    }


def networks() -> dict[str, dict]:
    """Reports of networks by case, of runs in the results of ``benchmarks.accuracy``."""
    file = RESULTS / "accuracy.json"
    runs = json.loads(file.read_text()) if file.exists() else {}
    return {
        name: runs[key] for name in PUBLISHED for key in (f"{name} 0", f"{name.replace(' ', '_')} 0") if key in runs
    }


def table(results: dict[str, dict]) -> str:
    """The results as Markdown."""
    known = networks()
    lines = [
        "| case | superposition: relative L2 | coefficients | CPU s | certified largest error (true) | separation of "
        "variables, as many coefficients | CPU s | published: relative L2 | s | error / published | time / published | "
        "network: relative L2 | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (error, seconds) in PUBLISHED.items():
        r = results[name]
        net = known.get(name)
        pair = f"{max(net['relative_l2'].values()):.1e} | {net['cpu_s']:.0f}" if net else "- | -"
        lines.append(
            f"| {name} | {r['relative_l2']:.1e} | {r['coefficients']} | {r['cpu_s']:.2f} | {r['sup_bound']:.1e} "
            f"({r['sup_error']:.1e}) | {r['separation_l2']:.1e} | {r['separation_cpu_s']:.2f} | {error:.1e} | "
            f"{seconds} | {r['relative_l2'] / error:.0e} | {r['cpu_s'] / seconds:.2f} | {pair} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all cases, and print the table."""
    arguments = options(
        __doc__,
        ("--repeats", {"type": int, "default": 3}),
        ("--one", {"metavar": "CASE", "help": "a single run, printed as JSON"}),
    )
    if arguments.one:
        print(json.dumps(run(arguments.one)))
        return
    results = {}
    for name in PUBLISHED:
        runs = [
            child("benchmarks.lie_cases", "--one", name) for _ in range(1 if arguments.quick else arguments.repeats)
        ]
        results[name] = runs[0] | {k: median(r[k] for r in runs) for k in runs[0] if k.endswith("_s")}
        print(f"{name}: {results[name]['relative_l2']:.1e} {results[name]['cpu_s']:.2f} s", file=sys.stderr, flush=True)
    if not arguments.quick:
        (RESULTS / "lie_cases.json").write_text(json.dumps(results, indent=1))
        (RESULTS / "lie_cases.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
