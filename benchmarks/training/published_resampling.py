"""The published comparison of scores for resampling (arXiv 2506.16443): 5 problems, 7 scores, add and replace.

``python -m benchmarks.training.published_resampling [--jobs 2]`` runs a reduced protocol, ``--published`` the whole of
it (days); what is there is not run again, one HDF5 file a run, and the tables are printed beside the published ones.
"""

import argparse
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, machine, table
from pinnkit.cli.options import widths
from pinnkit.domain.draw import draw
from pinnkit.domain.point_set import PointSet
from pinnkit.tools import hdf5
from pinnkit.training.resampling.resample import Score, residual_score
from pinnkit.training.resampling.scores import SCORES

FOLDER = RUNS / "published_resampling"
FORMAT, VERSION = "pinnkit-published-resampling-benchmark", 1
PROBLEMS = ("diffusion", "allen_cahn", "burgers", "standing_wave", "drift_diffusion")
HIDDEN = {
    "diffusion": "32,32,32", "burgers": "32,32,32", "allen_cahn": "64,64,64", "drift_diffusion": "64,64,64",
    "standing_wave": "100,100,100,100,100",
}  # fmt: skip
DRAWS = {"add": (2.0, 0.0), "replace": (1.0, 1.0)}  # k and c of p ~ s^k / mean(s^k) + c


def random_score(solution: pk.Solution, key: str, candidates: PointSet) -> Tensor:
    """Independent uniform numbers, others for other candidates."""
    seed = int.from_bytes(np.ascontiguousarray(candidates.X[:2].cpu().numpy()).tobytes()[:8], "little") % 2**32
    return torch.from_numpy(np.random.default_rng(seed).random(len(candidates))).to(candidates.X)


@dataclass(frozen=True)
class Way:
    """A score (None: never resample), how points are drawn by it, and whether they get importance weights."""

    score: Score | None
    how: str = "random"
    weights: bool = False


WAYS: dict[str, Way] = {
    "PINNfluence": Way(SCORES["published-influence"]),
    "RAR": Way(residual_score),
    "Grad-Dot": Way(SCORES["gradient-dot"]),
    "Out-Grad": Way(SCORES["output-gradient"]),
    "Loss-Grad": Way(SCORES["loss-gradient"]),
    "Random": Way(random_score),
    "Static": Way(None),
}


@dataclass(frozen=True)
class Protocol:
    """Cycles of (score, draw, Adam, L-BFGS); the first draw comes before any training."""

    cycles: int = 100
    adam: int = 1000
    lbfgs: int = 1000
    candidates: int = 10_000
    hidden: str | None = None  # None: the published widths
    lr: float = 1e-3

    def __str__(self) -> str:
        net = self.hidden or "published widths"
        return f"{self.cycles}x{self.adam}+{self.lbfgs}-{self.candidates}-{net.replace(',', '_').replace(' ', '_')}"


def points(problem: str) -> tuple[int, int]:
    """How many points at first, and how many are added in a cycle."""
    return (30, 1) if problem == "diffusion" else (1000, 10)


def test_loss(solution: pk.Solution, n: int = 10_000) -> float:
    """The mean squared residual of the equation on the reference's nodes, or on fresh points for a closed form."""
    problem = solution.problem
    if isinstance(problem.reference, pk.Table):
        _, X, mask, _ = problem.reference.on_grid(problem.domain, problem.field_names)
        fresh = PointSet(X[mask])
    else:
        fresh = problem.sample("pde", n, method="random", seed=20_071_107)
    return float(solution.rows("pde", fresh).square().sum(0).mean())


def train(protocol: Protocol, name: str, mode: str, way: Way, seed: int) -> dict[str, Any]:
    """All cycles of one run; what a file holds of it."""
    problem = pk.problem(name)
    n, added = points(name)
    network = widths(protocol.hidden or HIDDEN[name], problem, problem.recipe.network)
    stages = [pk.Adam(protocol.adam, lr=protocol.lr), pk.LBFGS(protocol.lbfgs, memory=100)]
    quiet = {"resample": None, "progress": False, "log_every": 10**6, "validation": 10}
    begin, scoring, errors, losses = time.process_time(), 0.0, [], []
    solution = pk.solve(problem, network, {"pde": n}, stages=[], seed=seed, **quiet)
    for cycle in range(protocol.cycles):
        start = time.process_time()
        if way.score is not None:
            k, c = DRAWS[mode]
            pool_seed = int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])
            pool = problem.sample("pde", protocol.candidates, method="random", seed=pool_seed)
            score = way.score(solution, "pde", pool)
            many = added if mode == "add" else n
            new = draw(pool, score, many, k=k, c=c, how=way.how, weights=way.weights, seed=pool_seed)
            held = solution.points.add(pde=new) if mode == "add" else solution.points.replace(pde=new)
        else:
            held = solution.points
        scoring += time.process_time() - start
        solution = pk.solve(start=solution, points=held, stages=stages, seed=seed, **quiet)
        errors.append(solution.history["error:u"][-1])
        losses.append(test_loss(solution))
    return {
        "error": solution.errors()["u"]["relative_l2"], "test_loss": losses[-1], "cycle:error": np.array(errors),
        "cycle:test_loss": np.array(losses), "cpu_s": time.process_time() - begin, "scoring_s": scoring,
        "points": len(solution.points["pde"]),
    }  # fmt: skip


def path(runs: Path, protocol: Protocol, name: str, mode: str, way: str, seed: int) -> Path:
    """The file of one run."""
    return runs / str(protocol) / mode / f"{name}-{way.replace(' ', '_')}-{seed}.h5"


Job = tuple[str, str, str, int]  # problem, mode, way, seed


def run(runs: Path, protocol: Protocol, job: Job) -> None:
    """One run, unless its file is there."""
    name, mode, way, seed = job
    file = path(runs, protocol, *job)
    if file.exists():
        return
    torch.set_num_threads(1)
    found = train(protocol, name, mode, WAYS[way], seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    hdf5.write(file, FORMAT, VERSION, {"problem": name, "mode": mode, "way": way, "seed": seed, **found})
    print(f"{name}, {mode}, {way}, seed {seed}: {found['error']:.2e}, {found['cpu_s']:.1f} s, of which scoring "
          f"{found['scoring_s']:.1f} s", flush=True)  # fmt: skip


def jobs_of(problems: Sequence[str], modes: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """All runs; a run without resampling is the same in both modes."""
    first = modes[0]
    return [
        (name, mode, way, seed)
        for seed in seeds for name in problems for mode in modes for way in WAYS
        if WAYS[way].score is not None or mode == first
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------ reading

# Mean and standard deviation over 10 seeds after 200 000 iterations, in the units of the first line.
PUBLISHED: Mapping[tuple[str, str], tuple[Sequence[float], Mapping[str, str]]] = {
    ("add", "error"): ((1e-5, 1e-3, 1e-4, 1e-4, 1e-3), {
        "PINNfluence": "4.3±1.5 6.1±2.2 17.2±5.5 4.2±0.7 3.0±0.7",
        "RAR": "2.9±0.5 2.5±1.0 6.5±3.0 3.7±0.9 2.7±0.5",
        "Grad-Dot": "4.5±1.0 13.9±8.5 44.2±30.1 5.3±1.1 2.6±0.2",
        "Out-Grad": "6.3±1.3 11.5±3.9 801±1471 246±149 3.5±0.6",
        "Loss-Grad": "5.2±0.9 11.5±3.3 32.2±13.6 5.3±1.7 2.6±0.4",
        "Random": "4.7±1.5 7.5±2.7 771±649 723±1004 3.3±0.4",
        "Static": "62.5±36.7 7.6±3.3 811±475 1317±754 3.3±0.7",
    }),
    ("add", "test_loss"): ((1e-7, 1e-6, 1e-6, 1e-2, 1e-4), {
        "PINNfluence": "2.0±0.7 2.8±0.8 34.9±9.9 2.0±0.2 7.3±1.9",
        "RAR": "1.8±0.5 1.9±0.5 7.3±3.2 1.5±0.2 8.1±2.7",
        "Grad-Dot": "2.6±0.9 7.2±5.7 84.2±21.8 2.6±0.8 11.6±5.6",
        "Out-Grad": "31.6±18.5 5.2±1.2 473477±1007204 2704±3045 257±776",
        "Loss-Grad": "3.4±0.7 4.5±1.0 76.0±26.7 3.1±1.1 7.7±2.1",
        "Random": "10.4±5.9 5.6±2.2 143808±219160 13339±29940 28.6±13.9",
        "Static": "7020±7562 16.2±7.6 200653±142082 22589±24609 52.2±79.5",
    }),
    ("replace", "error"): ((1e-4, 1e-3, 1e-3, 1e-2, 1e-3), {
        "PINNfluence": "7.2±5.0 6.4±1.9 1.2±0.4 2.0±2.1 3.9±0.7",
        "RAR": "5.8±5.3 6.7±6.5 1.6±0.5 27.6±39.7 4.2±0.9",
        "Grad-Dot": "8.6±12.5 9.9±2.3 1.8±0.7 34.2±26.4 4.5±1.5",
        "Out-Grad": "3.1±1.1 219±217 2.4±1.2 58.2±32.1 5.3±1.5",
        "Loss-Grad": "4.0±4.1 36.6±85.9 2.3±2.1 28.8±27.8 4.8±0.9",
        "Random": "3.5±2.3 49.2±81.9 197±128 78.3±25.7 4.6±1.5",
        "Static": "6.2±3.7 7.6±3.3 81.1±47.5 13.2±7.5 3.3±0.7",
    }),
    ("replace", "test_loss"): ((1e-6, 1e-6, 1e-5, 1e1, 1e-3), {
        "PINNfluence": "37.1±41.0 3.1±0.9 2.1±0.9 1.5±2.9 1.3±0.5",
        "RAR": "19.1±21.5 8.9±14.9 4.7±2.4 138±246 1.4±0.4",
        "Grad-Dot": "26.0±57.6 5.9±1.8 3.5±1.2 334±323 2.2±1.3",
        "Out-Grad": "7.4±5.7 209198±303219 6.0±3.9 977±801 2.8±2.2",
        "Loss-Grad": "7.8±10.5 2715±8571 3.6±2.5 233±250 2.5±1.4",
        "Random": "8.5±9.7 24544±58117 234971±301946 1437±988 2.8±1.3",
        "Static": "702±756 16.2±7.6 20065±14208 22.6±24.6 5.2±7.9",
    }),
}  # fmt: skip


def published(mode: str, what: str, way: str, problem: str) -> tuple[float, float] | None:
    """The published mean and standard deviation."""
    units, lines = PUBLISHED[mode, what]
    if way not in lines:
        return None
    i = PROBLEMS.index(problem)
    mean, deviation = lines[way].split()[i].split("±")
    return float(mean) * units[i], float(deviation) * units[i]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation (ddof 1) with two digits."""
    deviation = f" ± {np.std(values, ddof=1):.1e}" if len(values) > 1 else ""
    return f"{np.mean(values):.1e}{deviation}"


def read(runs: Path, protocol: Protocol, jobs: Sequence[Job]) -> dict[Job, dict[str, float]]:
    """Error, test loss and seconds of the runs that are there."""
    found = {}
    for job in jobs:
        file = path(runs, protocol, *job)
        if file.exists():
            data = hdf5.read(file, FORMAT, VERSION)
            found[job] = {key: data[key] for key in ("error", "test_loss", "cpu_s", "scoring_s")}
    return found


def describe(found: Mapping[Job, Mapping[str, float]], problems: Sequence[str], modes: Sequence[str]) -> str:
    """The Markdown: one table a mode and quantity, each cell ours / published."""
    names, parts = {"error": "relative L2 error", "test_loss": "test loss of the equation"}, []
    for mode in modes:
        for what, long in names.items():
            lines = []
            for way in WAYS:
                at = mode if WAYS[way].score is not None else modes[0]
                cells = []
                for name in problems:
                    ours = [e[what] for (n, m, w, _), e in found.items() if (n, m, w) == (name, at, way)]
                    theirs = published(mode, what, way, name)
                    beside = "{:.1e} ± {:.1e}".format(*theirs) if theirs else "-"
                    cells.append(f"{spread(ours) if ours else '-'} / {beside}")
                lines.append([way, *cells])
            parts.append(f"**{mode}, {long}** (here / published):\n\n{table(['', *problems], lines)}")
    costs = []
    for way in WAYS:
        mine = [e for (_, _, w, _), e in found.items() if w == way]
        if mine:
            total, scoring = (float(np.mean([e[key] for e in mine])) for key in ("cpu_s", "scoring_s"))
            costs.append([way, f"{total:.1f}", f"{scoring:.1f}"])
    parts.append(f"**CPU seconds of a run**:\n\n{table(['', 'all', 'scoring'], costs)}")
    return "\n\n".join(parts)


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", action="store_true", help="100 cycles of 1000 + 1000, wide networks, 10 seeds")
    parser.add_argument("--cycles", type=int)
    parser.add_argument("--adam", type=int, help="iterations of Adam in a cycle")
    parser.add_argument("--lbfgs", type=int, help="iterations of L-BFGS in a cycle")
    parser.add_argument("--candidates", type=int)
    parser.add_argument("--hidden", help="hidden widths, such as 20,20,20")
    parser.add_argument("--seeds", type=int, help="how many")
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--modes", nargs="+", default=list(DRAWS), choices=list(DRAWS))
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--runs", type=Path, default=FOLDER, help="the folder of the runs' files")
    parser.add_argument("--only-read", action="store_true", help="print the tables of what is there")
    given = parser.parse_args()
    protocol = Protocol() if given.published else Protocol(10, 200, 200, hidden="20,20,20")
    settings = {k: getattr(given, k) for k in ("cycles", "adam", "lbfgs", "candidates", "hidden")}
    protocol = replace(protocol, **{k: v for k, v in settings.items() if v is not None})
    seeds = range(1, 1 + (given.seeds or (10 if given.published else 5)))
    jobs = jobs_of(given.problems, given.modes, seeds)
    torch.set_num_threads(1)
    if not given.only_read:
        work = partial(run, given.runs, protocol)
        if given.jobs == 1:
            for job in jobs:
                work(job)
        else:
            with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
                list(pool.map(work, jobs))
    found = read(given.runs, protocol, jobs)
    about = (
        f"{protocol.cycles} cycles of {protocol.adam} iterations of Adam and {protocol.lbfgs} of L-BFGS (published: "
        f"100 cycles of 1000 and 1000), {protocol.candidates} candidates, hidden layers "
        f"{protocol.hidden or 'as published'}, {len(seeds)} seeds (published: 10), {len(found)} of {len(jobs)} runs."
    )
    text = f"# The published comparison of scores\n\n{about}\n\n{describe(found, given.problems, given.modes)}\n"
    print(text)
    if given.runs == FOLDER:
        RESULTS.mkdir(exist_ok=True)
        kind = "published" if given.published else "reduced"
        (RESULTS / f"resampling_published_{kind}.md").write_text(f"{text}\n{machine()['processor']}, one thread.\n")


if __name__ == "__main__":
    main()
