"""A long life: solves, saves, loads, kills and influences in one process, again and again, must not make it grow.

With ``--minutes`` the process also watches runs of all kinds that are killed at random moments, gone on with and
compared bit for bit with the run that was left in peace, for so long.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sympy as sp
import torch

import pinnkit as pk
from benchmarks.common import BLUE, figure, options, publish, table, verdict
from benchmarks.speed.memory import forget, memory

from . import kills

FIRST = 50  # rounds after which all that is kept for good is there
MOST = 20.0  # MB that the rest may grow by
Memory = list[tuple[int, float]]  # (round, MB)


def own(i: int) -> pk.Problem:
    """A problem that was never stated before."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    k = sp.Float(0.1 + 1e-4 * i)
    walls = [pk.Initial(u, sp.sin(sp.pi * x) * k), pk.Dirichlet(u, 0, on="x")]
    return pk.Problem(f"heat {i}", u, u.diff(t) - k * u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)), walls)


def solve(i: int, folder: Path) -> None:
    """One tiny training run."""
    del folder
    stages = [pk.Adam(2), pk.SSBroyden(2)]
    pk.solve(own(i), pk.MLP(2, 4, 1), 30, stages=stages, resample=pk.rad(every=1, candidates=60), progress=False)


def whole(i: int, folder: Path) -> None:
    """A run with all that can be asked of it: saved, loaded, gone on with, explained."""
    path = folder / f"{i % 3}.h5"
    path.unlink(missing_ok=True)
    pk.solve(own(i), pk.MLP(2, 4, 1), 30, stages=[pk.Adam(3)], resample=None, checkpoint=path, progress=False)
    back = pk.resume(pk.load(path), progress=False)
    pk.Influence(back).attribute([pk.test_loss(back.problem)])
    str(pk.report(back, estimate=False))


def growth(call: Callable[[int, Path], None], rounds: int, every: int) -> Memory:
    """The process's memory while a call is made so often."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds + 1):
            if i % every == 0:
                forget()
                found.append((i, memory("VmRSS")))
            call(i, Path(folder))
    return found


def soaked(minutes: float) -> tuple[Memory, Counter[str], list[dict[str, Any]]]:
    """Rounds of a killed run of one kind after the other and of a ``whole`` one, for so long; memory, ends, faults."""
    held, ends, faults, until = [], Counter[str](), [], time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as place, kills.inside(Path(place)):
        case = kills.cases(Path(place))
        i = 0
        while time.monotonic() < until:
            found = case(i)
            ends[found["result"]] += 1
            faults += [found] if found["result"] != "fine" else []
            whole(i, Path(place))
            forget()
            held.append((i, memory("VmRSS")))
            i += 1
    return held, ends, faults


def main() -> None:
    """1000 solves and 200 whole lives of a run, in one process; with --minutes also kills of all kinds of runs."""
    arguments = options(
        __doc__, ("--minutes", {"type": float, "default": 0.0, "help": "kill and resume runs for so long as well"}),
        ("--solves", {"type": int, "help": "solves in place of 1000"}),
    )  # fmt: skip
    torch.set_num_threads(1)
    solves = arguments.solves or (150 if arguments.quick else 1000)
    rounds = {"solve": (solve, solves), "solve, save, load, resume, influence, report": (whole, min(200, solves))}
    rows, lines, data = [], [], {}
    drawing, ax = figure()

    def keep(name: str, seen: Memory, color: str, first: int) -> None:
        first = min(first, seen[-1][0] // 2)
        start = next(m for i, m in seen if i >= first)
        rise = seen[-1][1] - start
        rows.append([name, seen[-1][0], f"{start:.0f}", f"{rise:+.1f}"])
        lines.append(verdict(f"{name}: growth from round {first} to {seen[-1][0]}, MB", rise, MOST, most=True))
        data[name] = seen
        ax.plot(*zip(*seen, strict=True), label=name, color=color)

    for name, (call, n) in rounds.items():
        keep(name, growth(call, n, 10), BLUE if call is solve else "#8a8a8a", FIRST)
    faults: list[dict[str, Any]] = []
    if arguments.minutes:
        held, ends, faults = soaked(arguments.minutes)
        # Every kind is run in this process once, to be compared with: only what comes after that can be a leak.
        keep("kill, resume, compare, and all of that", held, "#d08030", len(kills.kinds()))
        lines.append(f"- kills of all kinds of runs in {arguments.minutes:g} minutes: {ends.total()} runs, "
                     f"{ends['fine']} ended in the same bits, {len(faults)} otherwise")  # fmt: skip
    ax.set(xlabel="rounds", ylabel="memory of the process, MB")
    ax.legend(frameon=False)
    text = f"{table(['', 'rounds', 'MB at first', 'growth, MB'], rows)}\n\n" + "\n".join(lines)
    publish("soak", "A long life in one process", text, {"memory": data, "faults": faults}, drawing, arguments.quick)


if __name__ == "__main__":
    main()
