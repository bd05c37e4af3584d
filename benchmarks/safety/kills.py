"""Killed runs of all kinds, gone on with to their end and compared with the one that was left in peace, bit for bit."""

import contextlib
import io
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.cli.jobs import corrected
from pinnkit.tools import hdf5
from pinnkit.training.run_file import FORMAT, VERSION

for _name in pk.__all__:  # loaded before the first fork, so that all children run the same code
    getattr(pk, _name)

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SAVES = 5  # in a run: kills meet saves, which take most of the time
FAILED = 3  # the status of a child that ended by an exception
NETWORK = pk.MLP(2, 6, 1)
Work = Callable[[Path, float], object]  # begins what the place is for, or goes on with it; seconds between saves


def run(name: str, **own: Any) -> Work:
    """A run of a problem of the catalogue."""

    def work(path: Path, every: float) -> None:
        settings: dict[str, Any] = {"checkpoint": path, "checkpoint_every": every, "progress": False}
        if path.exists():
            pk.resume(pk.load(path), **settings)
        else:
            pk.solve(pk.problem(name), NETWORK, 40, validation=100, log_every=20, **own, **settings)

    return work


def march(windows: int | None, **own: Any) -> Work:
    """Time windows, a run file each; None: as many as the verdicts ask for."""

    def work(path: Path, every: float) -> None:
        pk.march(
            pk.problem("diffusion"), windows, NETWORK, 40, folder=path.with_suffix(""), checkpoint_every=every,
            validation=100, progress=False, **own,
        )  # fmt: skip

    return work


def correction(path: Path, every: float) -> None:
    """A run beside the place, to its end, and its correction in the place."""
    before = path.with_name("before.h5")
    run("diffusion", stages=[pk.Adam(60, lr=0.01), pk.SSBroyden(60)], resample=None)(before, every)
    corrected(pk.load(before), path)


def shell(path: Path, every: float) -> None:
    """`pinnkit solve --correct`, gone on with by the same words."""
    del every
    words = "solve diffusion --correct --network 6 --points pde=40 --stages adam:60:lr=0.01,ssbroyden:60".split()
    main([*words, "--resample", "none", "--quiet", "--json", "--resume", "--out", str(path)])


def kinds() -> dict[str, Work]:
    """The work that is killed, by kind."""
    few = pk.rad(every=10, candidates=100)
    plain = {"stages": [pk.Adam(30), pk.SSBroyden(30)], "resample": None}
    rows = pk.Resample(pk.scores.SCORES["self-influence"], every=15, candidates=60)
    found = {
        "plain": run("burgers", **plain),
        "rad": run("burgers", **plain | {"resample": few}),
        "r3": run("burgers", **plain | {"resample": pk.R3(every=10)}),
        "soft": run("burgers", **plain | {"resample": few, "hard": False}),
        "balance": run("burgers", **plain, hard=False, balance=pk.gradient_balance(every=10)),
        "inverse": run("heat_inverse", **plain),
        "influence": run("burgers", **plain | {"resample": rows}),
        "Levenberg-Marquardt": run("burgers", stages=[pk.LevenbergMarquardt(20)], resample=None),
        "march": march(3, stages=[pk.Adam(20), pk.SSBroyden(20)], resample=few),
        "correction": correction,
        "solve --correct": shell,
    }
    try:
        import pytorch_optimizer  # noqa: F401  seconds, which no child should need
    except ImportError:
        return found
    return found | {"SOAP": run("burgers", stages=[pk.SOAP(60)], resample=few)}


def marches() -> dict[str, Work]:
    """Marches whose windows are corrected before they hand over."""
    own: dict[str, Any] = {"stages": [pk.LevenbergMarquardt(20)], "resample": None, "correct": True}
    return {"corrected march": march(2, **own), "paced march": march(None, tolerance=1e-3, **own)}


def bits(place: Path) -> list[Tensor]:
    """The parameters and points in all run files of a folder, every checksum looked at; ValueError where one is off."""
    trees = [hdf5.read(file, FORMAT, VERSION) for file in sorted(place.rglob("*.h5"))]
    return [t for tree in trees for t in (tree["theta"], *(tree["points"][k]["X"] for k in sorted(tree["points"])))]


def forked(work: Work, path: Path, every: float) -> int:
    """Work in a process of its own, whose number is returned; its status is ``FAILED`` where it raised."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS[1:])  # until the handlers are those of a new process
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(0)
            for number in SIGNALS[1:]:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            work(path, every)
        except KeyboardInterrupt:
            os._exit(130)
        except SystemExit as left:
            os._exit(left.code if isinstance(left.code, int) else 1)
        except BaseException:
            sys.stderr = open(2, "w", closefd=False)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(FAILED)
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def ended(child: int) -> int:
    """The exit status of a process, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def cases(folder: Path, works: Mapping[str, Work] | None = None) -> Callable[[int], dict[str, Any]]:
    """Cases that kill a run, of those in ``works`` or of all kinds, once to three times at random moments."""
    torch.set_num_threads(1)
    works = kinds() if works is None else works
    whole: dict[str, tuple[list[Tensor], float]] = {}

    def peace(kind: str) -> tuple[list[Tensor], float]:
        """What a kind ends with when it is left in peace, and its seconds."""
        if kind not in whole:
            for name in ("first", "whole"):
                place, start = fresh(folder / name), time.perf_counter()
                quietly(works[kind], place / "run.h5")
            whole[kind] = bits(place), time.perf_counter() - start
        return whole[kind]

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"kills {seed}")
        kind = sorted(works)[seed % len(works)]
        expected, seconds = peace(kind)
        every = seconds / SAVES
        place, hits = fresh(folder / "killed"), []

        def said(result: str, text: str) -> dict[str, Any]:
            return {"result": result, "kind": kind, "what": ", ".join(hits), "text": text[-1500:]}

        for _ in range(rng.choice([1, 1, 2, 3])):
            at, number = rng.uniform(0.0, 1.5 * seconds), rng.choice(SIGNALS)  # saves come on top
            child = forked(works[kind], place / "run.h5", every)
            time.sleep(at)
            os.kill(child, number)
            status = ended(child)
            hits.append(f"{number.name} after {at:.2f} s of {seconds:.2f} ({status})")
            if status == FAILED:
                return said("traceback", Path("said").read_text())
            bits(place)
        if status := ended(forked(works[kind], place / "run.h5", every)):
            return said("traceback" if status == FAILED else "unfinished", Path("said").read_text())
        found, left = bits(place), [p.name for p in place.rglob("*") if p.is_file() and p.suffix != ".h5"]
        same = len(found) == len(expected) and all(map(torch.equal, found, expected))
        text = " ".join(left) or Path("said").read_text()
        return said("different" if not same else "left behind" if left else "fine", text)

    return case


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """A block in which this is the folder one is in: children leave there what they say."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def fresh(folder: Path) -> Path:
    """The folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def quietly(work: Work, path: Path) -> None:
    """Work in this process, so that no child compiles kernels, imports modules or computes what SymPy remembers."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        work(path, 60.0)
