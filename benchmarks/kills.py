"""Killed runs of all kinds, resumed to their end and compared with the run that was left in peace, bit for bit."""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import pinnkit as pk
import pinnkit.api  # noqa: F401  loaded before the first fork, so that all children run the same code

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EVERY = 0.2  # seconds between checkpoints: kills meet saves, which take as long


def kinds() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Problem and settings by the kind of run."""
    few = pk.rad(every=20, candidates=200)
    plain = [pk.Adam(60), pk.SSBroyden(60)]
    return {
        "plain": ("burgers", {"stages": plain, "resample": None}),
        "rad": ("burgers", {"stages": plain, "resample": few}),
        "r3": ("burgers", {"stages": plain, "resample": pk.R3(every=20)}),
        "soft": ("burgers", {"stages": plain, "resample": few, "hard": False}),
        "balance": ("burgers", {"stages": plain, "resample": None, "hard": False, "balance": pk.gradient_balance()}),
        "inverse": ("heat_inverse", {"stages": plain, "resample": None}),
        "influence": ("burgers", {"stages": plain, "resample": pk.Resample(pk.scores.SCORES["self-influence"], every=30,
                                                                           candidates=100)}),
        "SOAP": ("burgers", {"stages": [pk.SOAP(120)], "resample": few}),
        "Levenberg-Marquardt": ("burgers", {"stages": [pk.LevenbergMarquardt(30)], "resample": None}),
    }  # fmt: skip


def train(kind: str, path: Path) -> None:
    """Go on with the run file, or begin it."""
    torch.set_num_threads(1)
    settings: dict[str, Any] = {"checkpoint": path, "checkpoint_every": EVERY, "progress": False}
    if path.exists():
        pk.resume(pk.load(path), **settings)
        return
    name, own = kinds()[kind]
    pk.solve(pk.problem(name), pk.MLP(2, 8, 8, 1), 80, **own, **settings)


def forked(kind: str, path: Path) -> int:
    """Train in a process of its own, whose number is returned."""
    child = os.fork()
    if child == 0:
        for number in SIGNALS[1:]:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.alarm(0)
        try:
            train(kind, path)
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(0)
    return child


def cases(folder: Path) -> Callable[[int], dict[str, Any]]:
    """Cases that kill a run once to three times at random moments."""
    whole: dict[str, pk.Solution] = {}

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"kills {seed}")
        kind = sorted(kinds())[seed % len(kinds())]
        if kind not in whole:
            os.waitpid(forked(kind, folder / f"{kind}.h5"), 0)
            whole[kind] = pk.load(folder / f"{kind}.h5")
        path, hit = folder / f"killed{seed}.h5", 0
        for _ in range(rng.choice([1, 2, 3])):
            child = forked(kind, path)
            time.sleep(rng.uniform(0.02, 2.0))
            os.kill(child, number := rng.choice(SIGNALS))
            hit += os.waitpid(child, 0)[1] != 0
            if path.exists() and pk.load(path).progress.done:
                break
        os.waitpid(forked(kind, path), 0)
        end = pk.load(path)
        same = torch.equal(end.theta, whole[kind].theta) and end.progress.done
        same = same and all(torch.equal(end.points[k].X, whole[kind].points[k].X) for k in end.points)
        left = [p.name for p in folder.iterdir() if p.name.startswith(path.name) and p != path]
        path.unlink()
        result = "different" if not same else "left behind" if left else "fine"
        return {"result": result, "what": f"{kind}, {hit} kills, last {number.name} {left}", "text": ""}

    return case
