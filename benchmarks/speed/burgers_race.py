"""Burgers' equation to the end: DeepXDE by its own recipe and pinnkit by its own, error over wall time."""

import json
import time
from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor

import pinnkit as pk
from benchmarks.common import BLUE, GREY, child, figure, options, publish, table
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from problems.burgers import burgers

NUM = {"domain": 2540, "boundary": 80, "initial": 160}
NET = [2, 20, 20, 20, 1]
ADAM, LBFGS, EVERY = 15_000, 15_000, 250
MARKS = (10, 30, 60, 120, 300, 600)
LABELS = {"deepxde": "DeepXDE: Adam, L-BFGS", "pinnkit": "pinnkit: its default recipe"}
COLUMNS = ["iteration", "wall_s", "cpu_s", "error"]


class Track:
    """Error at wall and CPU times, those spent on measuring it taken off."""

    def __init__(self, problem: pk.Problem) -> None:
        _, self._X, _, self._values = problem.reference.on_grid(problem.domain, problem.field_names)
        self._spent = [0.0, 0.0]
        self._start = self._clock()
        self.rows: list[list[float]] = []

    @staticmethod
    def _clock() -> list[float]:
        return [time.perf_counter(), time.process_time()]

    def add(self, iteration: int, predict: Callable[[Tensor], Tensor]) -> None:
        """Measure the relative L2 error on the reference's grid."""
        now = self._clock()
        with torch.no_grad():
            gap = torch.cat([predict(block) for block in self._X.split(8192)]) - self._values
        elapsed = [n - s - o for n, s, o in zip(now, self._start, self._spent, strict=True)]
        self.rows.append([iteration, *elapsed, float(gap.norm() / self._values.norm())])
        self._spent = [o + e - n for o, e, n in zip(self._spent, self._clock(), now, strict=True)]


def run_deepxde(seed: int, shorter: int) -> list[list[float]]:
    """The recipe of DeepXDE's Burgers example, in float64 and on the whole time interval."""
    dde, problem = import_deepxde(), burgers()
    with pk.deepxde_precision(torch.float64):
        dde.config.set_random_seed(seed)
        data = pk.to_deepxde(problem, num=NUM, hard=False).data
        model = dde.Model(data, dde.nn.FNN(NET, "tanh", "Glorot normal"))
        track = Track(problem)

        class Watch(dde.callbacks.Callback):
            def on_epoch_end(self) -> None:
                iteration = self.model.train_state.iteration
                if iteration % EVERY == 0 or self.model.opt_name == "L-BFGS":
                    track.add(iteration, self.model.net)

        model.compile("adam", lr=1e-3, verbose=0)
        model.train(iterations=ADAM // shorter, callbacks=[Watch()], verbose=0)
        limits = dde.optimizers.config.LBFGS_options
        # DeepXDE calls back once a call of the optimiser, whose state lives on: shorter calls, the same steps.
        limits |= {"maxiter": LBFGS // shorter, "iter_per_step": EVERY, "fun_per_step": EVERY * 5 // 4}
        model.compile("L-BFGS", verbose=0)
        model.train(callbacks=[Watch()], verbose=0)
        track.add(model.train_state.iteration, model.net)
    return track.rows


def run_pinnkit(seed: int, shorter: int) -> list[list[float]]:
    """The problem's own recipe."""
    problem = burgers()
    stages = [type(s)(**(vars(s) | {"iterations": s.iterations // shorter})) for s in problem.recipe.stages]
    track = Track(problem)

    def observe(solution: pk.Solution) -> None:
        track.add(solution.progress.total, solution)

    pk.solve(problem, seed=seed, stages=stages, log_every=EVERY, observe=observe, progress=False)
    return track.rows


RUNS = {"deepxde": run_deepxde, "pinnkit": run_pinnkit}


def reached(rows: list[list[float]], error: float) -> tuple[float, float] | None:
    """Wall and CPU seconds until the error is at most that."""
    return next(((wall, cpu) for _, wall, cpu, e in rows if e <= error), None)


def after(rows: list[list[float]], seconds: float) -> str:
    """The error after so many seconds; in brackets if the run had ended by then."""
    errors = [e for _, wall, _, e in rows if wall <= seconds]
    if not errors:
        return "-"
    return f"{errors[-1]:.1e}" if rows[-1][1] >= seconds else f"({errors[-1]:.1e})"


def describe(results: dict[str, dict[int, list]], seeds: list[int], floor: float) -> str:
    """The Markdown: errors at a few times, and when pinnkit was where DeepXDE ended."""
    lines, races = [], []
    for seed in seeds:
        for way in RUNS:
            _, wall, cpu, error = results[way][seed][-1]
            cells = [after(results[way][seed], mark) for mark in MARKS]
            lines.append([f"{way}, seed {seed}", *cells, f"{error:.1e}", f"{wall:.0f}", f"{cpu:.0f}"])
        _, wall, cpu, error = results["deepxde"][seed][-1]
        soon, how = reached(results["pinnkit"][seed], error), "does not get there"
        if soon:
            how = f"is there after {soon[0]:.1f} s ({soon[1]:.1f} s), {cpu / soon[1]:.0f} times sooner by CPU time"
        races.append(f"- seed {seed}: DeepXDE ends at {error:.1e} after {wall:.0f} s (CPU {cpu:.0f} s); pinnkit {how}")
    head = ["", *(f"{mark} s" for mark in MARKS), "end", "wall s", "CPU s"]
    return (
        f"{table(head, lines)}\n\nRelative L2 error on the grid of a reference with error {floor:.0e}, after so many "
        "seconds of wall time, those spent on measuring it taken off; in brackets where a run had ended.\n\n"
        + "\n".join(races)
    )


def draw(results: dict[str, dict[int, list]], floor: float) -> Figure:
    """Error over wall and over CPU time, one line a seed."""
    drawing, axes = figure(1, 2, (9.0, 3.8))
    for ax, column, what in zip(axes, (1, 2), ("wall", "CPU"), strict=True):
        for way, colour in (("deepxde", GREY), ("pinnkit", BLUE)):
            for i, rows in enumerate(results[way].values()):
                label = "_" if i else LABELS[way]
                ax.semilogy([r[column] for r in rows], [r[3] for r in rows], color=colour, lw=1.2, label=label)
        ax.set(xlabel=f"{what} seconds, one thread", ylabel="relative $L^2$ error")
    axes[0].legend(frameon=False)
    drawing.suptitle(f"Burgers' equation (error of the reference: {floor:.0e})", fontsize=10)
    return drawing


def main() -> None:
    """Run one after the other, each in its own process."""
    torch.set_num_threads(1)
    arguments = options(
        __doc__, ("--child", {"default": None}), ("--seeds", {"type": int, "nargs": "+", "default": [0]}),
        ("--shorter", {"type": int, "default": 1, "help": "divide all iterations by this"}),
    )  # fmt: skip
    shorter = 30 if arguments.quick else arguments.shorter
    if arguments.child:
        print(json.dumps(RUNS[arguments.child](arguments.seeds[0], shorter)))
        return
    results: dict = {way: {} for way in RUNS}
    for seed in arguments.seeds:
        for way in RUNS:
            settings = ("--child", way, "--seeds", str(seed), "--shorter", str(shorter))
            results[way][seed] = child("benchmarks.speed.burgers_race", *settings)
    floor = burgers().reference.error
    text, data = describe(results, arguments.seeds, floor), {"columns": COLUMNS, "results": results}
    publish("burgers_race", "Burgers' equation, error over time", text, data, draw(results, floor), arguments.quick)


if __name__ == "__main__":
    main()
