"""Which score places points best? Scores, draws and weights at equal CPU time, all from one and the same warm-up.

``python -m benchmarks.training.resampling [PART ...] [--jobs 2]`` runs what is missing, one HDF5 file a run, and prints
the tables from the files. A run may use so many CPU seconds, whatever it spends them on: scoring counts.
"""

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, machine, table
from pinnkit.cli.options import widths
from pinnkit.tools import hdf5
from pinnkit.training.resampling.resample import Resample, Score, residual_score, uniform_score
from pinnkit.training.resampling.scores import SCORES

FOLDER = RUNS / "resampling"
FORMAT, VERSION = "pinnkit-resampling-benchmark", 1
KNOWN: dict[str, Score] = {"uniform": uniform_score, "residual": residual_score} | SCORES
LATE = 0.7  # errors are averaged over the log lines after this share of the budget: single ones scatter by two


@dataclass(frozen=True)
class Method:
    """One way to place points: the name of a score, the draw, importance weights, more settings of Resample."""

    score: str
    how: str = "systematic"
    weights: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [self.score, *(["random"] if self.how == "random" else []), *(["weighted"] if self.weights else [])]
        return " ".join([*words, *(f"{k}={v}" for k, v in self.more.items())])

    def resample(self, **settings: Any) -> Resample:
        """The resampler."""
        mine = {"score": KNOWN[self.score], "how": self.how, "weights": self.weights, **self.more}
        return Resample(**settings | mine)


@dataclass(frozen=True)
class Part:
    """A part of the study; the first method is the one that the others are compared with."""

    problems: Sequence[str]
    methods: Sequence[Method]
    seeds: Sequence[int]
    seconds: float = 10.0
    soft: bool = False
    hidden: str = "20,20,20"
    points: int = 1000
    every: int = 250
    adam: int = 1000
    quasi_newton: int = 500
    log: int = 50
    folder: str = ""  # of the part whose runs it shares


def warm_up(part: Part, name: str, seed: int) -> pk.Solution:
    """The start that all methods share: RAD, its points drawn systematically, whatever is compared afterwards."""
    problem = pk.problem(name)
    network = widths(part.hidden, problem, problem.recipe.network)
    counts = {key: part.points if key == "pde" else part.points // 5 for key in problem.keys}
    return pk.solve(
        problem, network, counts, seed=seed, hard=False if part.soft else None, log_every=part.log, progress=False,
        stages=[pk.Adam(part.adam, lr=2e-3, decay=0.3), pk.SSBroyden(part.quasi_newton)],
        resample=pk.rad(every=part.every, after=part.every, warm_up=0, seed=seed),
    )  # fmt: skip


class Timed:
    """A resampler that counts its own CPU seconds."""

    def __init__(self, resample: Resample) -> None:
        self.resample, self.every, self.after = resample, resample.every, resample.after
        self.seconds, self.calls = 0.0, 0

    def __call__(self, solution: pk.Solution, round: int) -> pk.Points:
        start = time.process_time()
        points = self.resample(solution, round)
        self.seconds, self.calls = self.seconds + time.process_time() - start, self.calls + 1
        return points


def error(solution: pk.Solution) -> float:
    """The root mean square of the fields' relative errors at the last log line."""
    last = [solution.history[f"error:{name}"][-1] for name in solution.problem.field_names]
    return math.sqrt(sum(e * e for e in last) / len(last))


def train(part: Part, start: pk.Solution, method: Method, seed: int) -> dict[str, Any]:
    """Go on from the warm-up until the CPU seconds are used; what a file holds of it."""
    resample = Timed(method.resample(keys=start.model.keys, every=part.every, warm_up=0, seed=seed + 1000))
    lines: list[list[float]] = []
    begin = time.process_time()

    def observe(solution: pk.Solution) -> None:
        h = solution.history
        lines.append([time.process_time() - begin, h["iteration"][-1], error(solution), h["loss"][-1],
                      h["validation"][-1]])  # fmt: skip
        if lines[-1][0] > part.seconds:
            raise KeyboardInterrupt  # ends the run between two steps

    end = pk.solve(
        start=start, stages=[pk.SSBroyden(10**6)], resample=resample, seed=seed, log_every=part.log, progress=False,
        observe=observe,
    )  # fmt: skip
    cpu, iteration, errors, loss, validation = np.array(lines).T
    return {
        "cpu_s": cpu, "iteration": iteration, "error": errors, "loss": loss, "validation": validation,
        "warm_error": error(start), "scoring_s": resample.seconds, "rounds": resample.calls, "stop": end.stops[-1],
        "seconds": part.seconds,
    }  # fmt: skip


def path(runs: Path, folder: str, name: str, method: Method, seed: int) -> Path:
    """The file of one run."""
    return runs / folder / f"{name}-{str(method).replace(' ', '_')}-{seed}.h5"


def run(runs: Path, label: str, part: Part, job: tuple[str, int]) -> None:
    """All methods for one problem and seed, those whose file is there left out; the warm-up is made once."""
    name, seed = job
    torch.set_num_threads(1)
    missing = [m for m in part.methods if not path(runs, part.folder or label, name, m, seed).exists()]
    if not missing:
        return
    start = warm_up(part, name, seed)
    for method in missing:
        found = train(part, start, method, seed)
        file = path(runs, part.folder or label, name, method, seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        hdf5.write(file, FORMAT, VERSION, {"problem": name, "method": str(method), "seed": seed, **found})
        share = found["scoring_s"] / found["cpu_s"][-1]
        print(f"{name}, seed {seed}, {method}: {late_error(found):.2e}, scoring {share:.0%}", flush=True)


def run_all(runs: Path, label: str, part: Part, jobs: int) -> None:
    """Every problem and seed, in ``jobs`` processes of one thread each."""
    todo = [(name, seed) for seed in part.seeds for name in part.problems]
    work = partial(run, runs, label, part)
    if jobs == 1:
        for job in todo:
            work(job)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, todo))


# ------------------------------------------------------------------------------------------------ reading


def late_error(found: Mapping[str, Any]) -> float:
    """The geometric mean of the errors in the last part of the budget."""
    cpu, errors = np.asarray(found["cpu_s"]), np.asarray(found["error"])
    return float(np.exp(np.log(errors[cpu >= LATE * min(found["seconds"], cpu[-1])]).mean()))


def read(runs: Path, label: str, part: Part) -> dict[str, dict[str, dict[int, dict[str, float]]]]:
    """method -> problem -> seed -> error and scoring share, of the runs that are there."""
    found: dict = {}
    for method in part.methods:
        for name in part.problems:
            for seed in part.seeds:
                file = path(runs, part.folder or label, name, method, seed)
                if file.exists():
                    data = hdf5.read(file, FORMAT, VERSION)
                    entry = {"error": late_error(data), "share": data["scoring_s"] / float(data["cpu_s"][-1])}
                    found.setdefault(str(method), {}).setdefault(name, {})[seed] = entry
    return found


@dataclass(frozen=True)
class Gain:
    """By what factor errors are smaller than those compared with: geometric mean over pairs, 95 % interval, wins."""

    factor: float
    low: float
    high: float
    wins: int
    pairs: int

    def __str__(self) -> str:
        interval = f" [{self.low:.2f}, {self.high:.2f}]" if self.high < math.inf else ""
        return f"{self.factor:.2f}{interval} {self.wins}/{self.pairs}"


def gain(groups: Sequence[Sequence[float]]) -> Gain:
    """The gain from log ratios, one group a problem: mean of the groups' means, Student's interval within groups."""
    means = [float(np.mean(g)) for g in groups]
    counts = [len(g) for g in groups]
    freedom = sum(n - 1 for n in counts)
    if min(counts) > 1:
        variance = sum(float(np.var(g, ddof=1)) / len(g) for g in groups) / len(groups) ** 2
        half = float(student.ppf(0.975, freedom)) * math.sqrt(variance)
    else:
        half = math.inf
    mean = float(np.mean(means))
    wins = sum(x > 0 for g in groups for x in g)
    return Gain(
        math.exp(mean), math.exp(mean - half), math.exp(mean + half) if half < math.inf else math.inf, wins, sum(counts)
    )


def ratios(base: Mapping[int, Mapping], other: Mapping[int, Mapping]) -> list[float]:
    """log(error of base / error of other) of the seeds that both have."""
    return [math.log(base[s]["error"] / other[s]["error"]) for s in sorted(base) if s in other]


def effects(part: Part, found: Mapping[str, Mapping[str, Mapping[int, Mapping]]]) -> dict[str, Gain]:
    """What the draw and the weights do by themselves: gains over all pairs of methods that differ in nothing else."""
    changes = {"systematic instead of random": {"how": "systematic"}, "weights instead of none": {"weights": True}}
    gains = {}
    for name, change in changes.items():
        logs = []
        for method in part.methods:
            other = replace(method, **change)
            if other != method and str(other) in found and str(method) in found:
                both = found[str(method)], found[str(other)]
                logs += [
                    x for n in part.problems if n in both[0] and n in both[1] for x in ratios(both[0][n], both[1][n])
                ]
        if len(logs) > 2:
            gains[name] = gain([logs])
    return gains


def describe(part: Part, found: Mapping[str, Mapping[str, Mapping[int, Mapping]]]) -> str:
    """The Markdown: geometric mean errors, and gains over the first method."""
    methods = [str(m) for m in part.methods if str(m) in found]
    names = [n for n in part.problems if all(n in found[m] for m in methods)]
    if not names:
        return "No complete set of runs yet.\n"
    common = {n: set.intersection(*(set(found[m][n]) for m in methods)) for n in names}
    found = {m: {n: {s: e for s, e in found[m][n].items() if s in common[n]} for n in names} for m in methods}
    errors, gains = [], []
    for method in methods:
        cells = [math.exp(np.mean([math.log(e["error"]) for e in found[method][n].values()])) for n in names]
        share = np.mean([e["share"] for n in names for e in found[method][n].values()])
        errors.append([method, *(f"{c:.1e}" for c in cells), f"{share:.0%}"])
        if method != methods[0]:
            groups = [ratios(found[methods[0]][n], found[method][n]) for n in names]
            better = sum(gain([g]).low > 1 for g in groups)
            worse = sum(gain([g]).high < 1 for g in groups)
            gains.append([method, *(gain([g]) for g in groups), gain(groups), f"{better} / {worse}"])
    low, high = (pick(len(c) for c in common.values()) for pick in (min, max))
    seeds = f"{low}" if low == high else f"{low} to {high}"
    alone = "".join(f"- {name}: {change}\n" for name, change in effects(part, found).items())
    return (
        f"Relative L2 error, geometric mean over {seeds} seeds, {part.seconds:g} CPU seconds after the warm-up:\n\n"
        f"{table(['', *names, 'scoring'], errors)}\n\n"
        f"By what factor the error is smaller than with {methods[0]}: mean of the paired ratios, 95 % interval, wins; "
        "then over all problems, and on how many problems the whole interval is above / below 1:\n\n"
        f"{table(['', *names, 'all', 'better / worse'], gains)}\n"
        + (
            f"\nThe draw and the weights by themselves, over all pairs that differ in nothing else:\n\n{alone}"
            if alone
            else ""
        )
    )


# -------------------------------------------------------------------------------------------------- parts

FIVE = ("burgers", "diffusion", "allen_cahn", "standing_wave", "drift_diffusion")
SCREEN = (
    Method("residual"),
    Method("residual", weights=True),
    Method("residual", weights=True, more={"k": 0.5}),
    Method("uniform"),
    Method("residual", "random"),
    Method("residual", "random", weights=True),
    *(Method(name, weights=w) for name in ("reducible", "self-influence", "error-weighted") for w in (False, True)),
    *(Method(name, weights=True) for name in ("leverage", "predicted-error", "loss-gradient", "test-loss")),
    *(Method(name, weights=True, more={"k": 0.5}) for name in ("self-influence", "error-weighted")),
)
HALF = {"k": 0.5, "candidates": 5000}
FACTORIAL = (
    Method("residual"), Method("residual", weights=True),
    Method("residual", "random"), Method("residual", "random", weights=True),
    Method("error-weighted", more=HALF), Method("error-weighted", weights=True, more=HALF),
    Method("error-weighted", "random", more=HALF), Method("error-weighted", "random", weights=True, more=HALF),
    Method("self-influence", more=HALF), Method("self-influence", weights=True, more=HALF),
    Method("reducible"), Method("reducible", weights=True),
    Method("loss-gradient", weights=True, more={"candidates": 5000}),
)  # fmt: skip
THREE = ("burgers", "allen_cahn", "standing_wave")
FINAL = (
    Method("residual"), Method("residual", weights=True), Method("reducible", weights=True),
    Method("self-influence", weights=True, more=HALF),
)  # fmt: skip
AGAINST = FINAL[1:]  # the same runs, compared with RAD that has importance weights
PUBLISHED = (Method("residual"), Method("published-influence", more={"candidates": 5000}))
SIX = (*FIVE, "kovasznay")
PARTS: dict[str, Part] = {
    "screen": Part(THREE, SCREEN, (101,), 8.0),
    "factorial": Part(THREE, FACTORIAL, (201,), 6.0, quasi_newton=1500),
    "final": Part(SIX, FINAL, range(10), 4.0, quasi_newton=1500),
    "against": Part(SIX, AGAINST, range(10), 4.0, quasi_newton=1500, folder="final"),
    "published": Part(SIX, PUBLISHED, range(4), 4.0, quasi_newton=1500, folder="final"),
    "soft": Part(SIX, FINAL[:3], range(10), 4.0, soft=True, adam=500, quasi_newton=1000, every=150, folder="soft_six"),
}


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--runs", type=Path, default=FOLDER, help="the folder of the runs' files")
    parser.add_argument("--only-read", action="store_true", help="print the tables of what is there")
    parser.add_argument("--problems", nargs="+", help="run only these of the part's problems")
    parser.add_argument("--seeds", type=int, help="so many seeds instead of all")
    parser.add_argument("--seconds", type=float, help="so many CPU seconds a run (not to be quoted)")
    given = parser.parse_args()
    unknown = sorted(set(given.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}: choose among {', '.join(PARTS)}")
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    for label in given.parts:
        part = PARTS[label]
        part = replace(part, seeds=part.seeds[: given.seeds], seconds=given.seconds or part.seconds)
        if not given.only_read:
            some = [name for name in part.problems if name in (given.problems or part.problems)]
            run_all(given.runs, label, replace(part, problems=some), given.jobs)
        found = read(given.runs, label, part)
        text = f"# Resampling study, part {label!r}\n\n{describe(part, found)}"
        print(text)
        if given.runs == FOLDER and given.seconds is None:
            (RESULTS / f"resampling_{label}.md").write_text(text)
            data = {"machine": machine(), "seconds": part.seconds, "runs": found}
            (RESULTS / f"resampling_{label}.json").write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
