"""Run by test_runfile: kills a training process again and again, and compares the end with a run left in peace.

python kill.py FOLDER KILLS SEED prints {"readable": ..., "kills": ..., "same": ...} as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import pinnkit as pk

for _name in pk.__all__:  # loaded before the first fork, so that all children run the same code
    getattr(pk, _name)


def train(path: Path) -> None:
    """Go on with the run file, or begin it."""
    settings = {"checkpoint": path, "checkpoint_every": 0.05, "progress": False}
    if path.exists():
        pk.resume(pk.load(path), **settings)
        return
    pk.solve(
        pk.problem("burgers"), pk.MLP(2, 16, 16, 1), 300, stages=[pk.Adam(200), pk.SSBroyden(ITERATIONS)],
        resample=pk.rad(every=50, candidates=1000), **settings,
    )  # fmt: skip


def forked(path: Path) -> int:
    """Train in a process of its own, whose number is returned."""
    child = os.fork()
    if child == 0:
        train(path)
        os._exit(0)
    return child


def written(path: Path) -> float:
    return path.stat().st_mtime_ns if path.exists() else 0


def kill_soon(path: Path, wait: float) -> bool:
    """Train until a checkpoint is new and a moment has passed, then kill; False where it ended before."""
    before, child = written(path), forked(path)
    while written(path) == before:
        time.sleep(0.002)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill a run so many times, resume it to its end, and compare its last bits with those of a whole run."""
    rng, path, killed, readable = random.Random(seed), folder / "killed.h5", 0, 0
    for _ in range(kills):
        killed += kill_soon(path, rng.uniform(0.0, 0.25))
        readable += pk.load(path).progress is not None
    for last in (path, folder / "whole.h5"):
        os.waitpid(forked(last), 0)
    ends = [pk.load(last) for last in (path, folder / "whole.h5")]
    same = torch.equal(ends[0].theta, ends[1].theta) and all(e.progress.done for e in ends)
    return {"kills": killed, "readable": readable, "same": same, "round": ends[0].progress.round}


if __name__ == "__main__":
    torch.set_num_threads(1)
    ITERATIONS = 120 * int(sys.argv[2])
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
