"""How much memory one loss + gradient takes on top of its points, from 10^4 to 10^6 of them."""

import ctypes
import gc
import json
from pathlib import Path

import torch

import pinnkit as pk
from benchmarks.common import BLUE, GREY, child, figure, options, publish, table, verdict
from problems.burgers import burgers

from .loss_gradient import CASES, LABELS, WAYS

SIZES = {"pinnkit": (10_000, 100_000, 1_000_000), "deepxde": (10_000, 30_000, 100_000)}
QUICK = {"pinnkit": (10_000, 100_000), "deepxde": (10_000, 30_000)}
LARGEST = 1.2  # how much more 10^6 points may take than 10^4 and still be called flat


def memory(what: str) -> float:
    """VmRSS, the process's memory now, or VmHWM, the most that it had since ``forget``, MB."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(what))
    return int(line.split()[1]) * 1024 / 1e6


def forget() -> None:
    """Give freed memory back and let the peak start anew, so that it shows what comes now and nothing else."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def measure(way: str, n: int) -> dict[str, float]:
    """The rise of the peak by one loss + gradient of Burgers' equation at n points, MB."""
    torch.set_num_threads(1)
    case, problem = CASES[0], burgers()
    theta = pk.Model(problem, case.network).initial(0)
    few = problem.sample("pde", 64).X
    X = torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with pk.deepxde_precision(torch.float64):
        WAYS[way](case, few, theta)()
        call = WAYS[way](case, X, theta)
        forget()
        before = memory("VmRSS")
        call()
    return {"points": n, "points_MB": X.nbytes / 1e6, "rise_MB": memory("VmHWM") - before}


def main() -> None:
    """One process a size; the rise must not depend on the number of points."""
    arguments = options(__doc__, ("--child", {"default": None}), ("--points", {"type": int, "default": 10_000}))
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments.points)))
        return
    sizes = QUICK if arguments.quick else SIZES
    results = {
        way: [child("benchmarks.speed.memory", "--child", way, "--points", str(n)) for n in numbers]
        for way, numbers in sizes.items()
    }
    rows = []
    for way, found in results.items():
        for r in found:
            n, rise = r["points"], r["rise_MB"]
            rows.append([f"{way}, {n}", f"{r['points_MB']:.3g}", f"{rise:.0f}", f"{1e3 * rise / n:.3g}"])
    first, *_, last = results["pinnkit"]
    head = ["", "points, MB", "loss + gradient, MB", "kB a point"]
    flat = verdict("pinnkit, most points against fewest", last["rise_MB"] / first["rise_MB"], LARGEST, most=True)
    text = f"{table(head, rows)}\n\nBurgers, 2-32-32-32-1, hard constraints; each size in its own process.\n\n{flat}"
    drawing, ax = figure()
    for way, colour in (("deepxde", GREY), ("pinnkit", BLUE)):
        found = results[way]
        ax.loglog([r["points"] for r in found], [r["rise_MB"] for r in found], "o-", color=colour, label=LABELS[way])
    ax.set(xlabel="points", ylabel="memory of one loss + gradient, MB")
    ax.legend(frameon=False)
    publish("memory", "Memory of one loss and its gradient", text, {"results": results}, drawing, arguments.quick)


if __name__ == "__main__":
    main()
