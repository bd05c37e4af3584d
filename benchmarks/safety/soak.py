"""A long life: solves, saves, loads and influences in one process, again and again, must not make it grow."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import sympy as sp
import torch

import pinnkit as pk
from benchmarks.common import BLUE, figure, options, publish, table, verdict
from benchmarks.speed.memory import forget, memory

FIRST = 50  # rounds after which all that is kept for good is there
MOST = 20.0  # MB that the rest may grow by


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


def growth(call: Callable[[int, Path], None], rounds: int, every: int) -> list[tuple[int, float]]:
    """The process's memory (round, MB) while a call is made so often."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds + 1):
            if i % every == 0:
                forget()
                found.append((i, memory("VmRSS")))
            call(i, Path(folder))
    return found


def main() -> None:
    """1000 solves and 200 whole lives of a run, in one process."""
    quick = options(__doc__).quick
    torch.set_num_threads(1)
    rounds = {"solve": (solve, 150 if quick else 1000), "solve, save, load, resume, influence, report": (whole, 200)}
    if quick:
        rounds = {name: (call, min(n, 120)) for name, (call, n) in rounds.items()}
    rows, lines, data = [], [], {}
    drawing, ax = figure()
    for name, (call, n) in rounds.items():
        seen = growth(call, n, 10)
        start = next(m for i, m in seen if i >= FIRST)
        rise = seen[-1][1] - start
        rows.append([name, n, f"{start:.0f}", f"{rise:+.1f}"])
        lines.append(verdict(f"{name}: growth from round {FIRST} to {n}, MB", rise, MOST, most=True))
        data[name] = seen
        ax.plot(*zip(*seen, strict=True), label=name, color=BLUE if call is solve else "#8a8a8a")
    ax.set(xlabel="rounds", ylabel="memory of the process, MB")
    ax.legend(frameon=False)
    text = f"{table(['', 'rounds', f'MB after {FIRST}', 'growth, MB'], rows)}\n\n" + "\n".join(lines)
    publish("soak", "A long life in one process", text, {"memory": data}, drawing, quick)


if __name__ == "__main__":
    main()
