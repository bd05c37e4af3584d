"""Runs of the zoo: models trained and measured in parallel processes, one file each, gone on with where they stop."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from pinnkit.model.solution import Solution
from pinnkit.tools import hdf5
from pinnkit.training import run_file as runfile
from pinnkit.training.solve import resume, solve

from .specimen import ZOO
from .trait import ERROR, measure

FORMAT, VERSION = "pinnkit-zoo-traits", 1
MEASURED = 3  # rises with every change of how traits are measured: what was measured otherwise is measured again


@dataclass(frozen=True)
class Job:
    """One model: a problem, the variant of its training, a seed."""

    problem: str
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.problem}, {self.variant}, seed {self.seed}"


Traits = Mapping[Job, Mapping[str, float]]


def jobs(problems: Collection[str] | None = None, seeds: int = 3) -> list[Job]:
    """The models of some problems (all of them unless told otherwise), first those of the first seed.

    Raises:
        ValueError: a problem that the zoo does not hold, fewer than one seed.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: give at least 1")
    chosen = list(dict.fromkeys(problems or ZOO))
    unknown = [name for name in chosen if name not in ZOO]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not in the zoo: its problems are {', '.join(ZOO)}")
    return [Job(name, variant, seed) for seed in range(seeds) for name in chosen for variant in ZOO[name].variants]


def path(folder: Path, job: Job) -> Path:
    """The run file of a model; its name changes with the settings of the training."""
    return folder / f"{job.problem}-{job.variant}-{job.seed}-{ZOO[job.problem].digest(job.variant)}.h5"


def traits_path(folder: Path, job: Job) -> Path:
    """The file of a model's traits, beside the run file."""
    return path(folder, job).with_suffix(".traits.h5")


def train(folder: Path, job: Job) -> Solution:
    """The trained model of a job: from its file, gone on with where it stopped, or from the start.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the state was saved; what ``solve``, ``load`` and ``save`` raise.
    """
    specimen, file = ZOO[job.problem], path(folder, job)
    variant = specimen.variants[job.variant]
    quiet = {"checkpoint": file, "progress": False}
    if file.exists():
        solution = runfile.load(file, specimen.state(job.variant))
        if not solution.progress.done:
            solution = resume(solution, **quiet)
    else:
        solution = solve(
            specimen.state(job.variant), specimen.network, dict(variant.points), stages=variant.stages,
            resample=variant.resample, weights=dict(specimen.weights), hard=False, seed=job.seed, **quiet,
        )  # fmt: skip
    if not solution.progress.done:
        raise KeyboardInterrupt
    return solution


def work(folder: Path, job: Job) -> dict[str, float]:
    """Train and measure one model of the zoo, as far as its files do not hold it; the traits."""
    torch.set_num_threads(1)
    kept = read(folder, [job]).get(job)
    if kept is not None:
        return dict(kept)
    solution = train(folder, job)
    found = measure(solution, ZOO[job.problem]) | {"training cpu_s": solution.progress.cpu_s}
    hdf5.write(traits_path(folder, job), FORMAT, VERSION, {"measured": MEASURED, "traits": found})
    return found


def read(folder: Path, wanted: Iterable[Job]) -> Traits:
    """The traits of those models that are there, measured as this pinnkit measures."""
    found = {}
    for job in wanted:
        file = traits_path(folder, job)
        if file.exists():
            tree = hdf5.read(file, FORMAT, VERSION)
            if tree["measured"] == MEASURED:
                found[job] = tree["traits"]
    return found


def fill(
    folder: Path, wanted: Sequence[Job], processes: int = 1, say: Callable[[str], None] = lambda line: None
) -> Traits:  # fmt: skip
    """Train and measure the models that are missing, so many at a time; ``say`` is told of each when it is done.

    A model that fails does not keep the others from being trained: it is said, and left out.

    Raises:
        ValueError: fewer than one process; KeyboardInterrupt: Ctrl-C, after the runs' states were saved.
    """
    if processes < 1:
        raise ValueError(f"processes={processes}: give at least 1")
    folder.mkdir(parents=True, exist_ok=True)
    found = dict(read(folder, wanted))
    missing = [job for job in wanted if job not in found]
    for job, result in _each(folder, missing, min(processes, max(1, len(missing)))):
        if isinstance(result, Exception):
            say(f"{job}: failed, {result}")
            continue
        found[job] = result
        say(f"{job}: error {result[ERROR]:.1e}, estimated {result['estimated error']:.1e}, loss {result['loss']:.1e}, "
            f"{result['training cpu_s'] + result['cpu_s']:.0f} CPU s")  # fmt: skip
    return {job: found[job] for job in wanted if job in found}


def _each(
    folder: Path, missing: Sequence[Job], processes: int
) -> Iterator[tuple[Job, dict[str, float] | Exception]]:  # fmt: skip
    """The jobs' results, or what they failed with, as they come; in this process if there is only one."""
    if processes == 1:
        for job in missing:
            try:
                yield job, work(folder, job)
            except Exception as error:
                yield job, error
        return
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        futures = {pool.submit(work, folder, job): job for job in missing}
        try:
            for future in as_completed(futures):
                try:
                    yield futures[future], future.result()
                except Exception as error:
                    yield futures[future], error
        except BaseException:  # Ctrl-C, a signal that ends this process: each worker saves its run and ends as well
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


def _end_with_parent() -> None:
    """In a worker: SIGTERM when the process that started it has ended, even if it was killed."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
