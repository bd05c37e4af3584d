"""Long commands that are told to end (SIGTERM): exit status, what is left, and whether they can be gone on with."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from pinnkit.cli import main

from .kills import FAILED, ended, forked, fresh, quietly

TERMINATED = 128 + signal.SIGTERM  # as a shell says it, also of a process that is not yet listening
TRAINED = "--network 6 --points pde=40 --resample none --quiet --json --stages adam:150:lr=0.01,ssbroyden:150"
SMALL = TRAINED.replace("150", "20")


@dataclass(frozen=True)
class Command:
    """Words, in which OUT is the file that they write, and those that are added to go on."""

    words: str
    again: str = ""


def commands() -> dict[str, Command]:
    """Every command that takes longer than a moment, by name."""
    solve = f"solve diffusion --out OUT {TRAINED}"
    small = f"solve diffusion --out OUT {SMALL}"
    climb = f"solve diffusion --out OUT --tolerance 1e-3 {TRAINED.partition(' --stages')[0]}"
    read = {
        "report": "report run.h5 --json", "error": "error run.h5 --out OUT", "correct":
        "correct run.h5 --out OUT", "certify": "certify run.h5 --json", "certify --enclosed":
        "certify run.h5 --enclosed --no-twin --out OUT", "influence": "influence run.h5 --of loss --out OUT",
        "validate": "validate run.h5 --points 4", "plot": "plot run.h5 --out OUT", "export":
        "export run.h5 --out OUT --nodes 200", "symmetries": "symmetries burgers --json",
    }  # fmt: skip
    return {
        "solve": Command(solve, "--resume"),
        "solve --correct": Command(f"{solve} --correct", "--resume"),
        "solve --windows": Command(f"{small} --windows 3", "--resume"),
        "solve --windows --correct": Command(f"{small} --windows 2 --correct", "--resume"),
        "solve --tolerance": Command(climb, "--resume"),
        "solve --solver lie": Command("solve heat --solver lie --out OUT --quiet --json", "--overwrite"),
    } | {name: Command(words) for name, words in read.items()}


ENDINGS = {"certify --enclosed": ".json", "plot": "", "export": ".vtu"}  # of what is written; of the others .h5


def cases(folder: Path, known: Mapping[str, Command] | None = None) -> Callable[[int], dict[str, Any]]:
    """Cases that end a command at a random moment: nothing half is left, and later it comes to the same end."""
    torch.set_num_threads(1)
    known = commands() if known is None else known
    run = fresh(folder / "begun") / "run.h5"
    quietly(lambda path, _: main(f"solve diffusion --out {path} {SMALL}".split()), run)
    whole: dict[str, tuple[str, float]] = {}

    def place(name: str) -> Path:
        shutil.copy(run, made := fresh(folder / name))
        return made

    def begun(kind: str, inside: Path, more: str = "") -> int:
        """The number of a process that runs a command in a folder."""
        out = inside / f"out{ENDINGS.get(kind, '.h5')}"

        def work(path: Path, _: float) -> None:
            os.chdir(inside)
            main([str(path) if word == "OUT" else word for word in f"{known[kind].words} {more}".split()])

        return forked(work, out, 0.0)

    def peace(kind: str) -> tuple[str, float]:
        """What a command leaves that is left in peace, and its seconds."""
        for _ in range(2 if kind not in whole else 0):  # the first time kernels are compiled and modules loaded
            own, start = place("whole"), time.perf_counter()
            if status := ended(begun(kind, own)):
                raise RuntimeError(f"{kind} ends with status {status}: {Path('said').read_text()[-300:]}")
            whole[kind] = seen(own), time.perf_counter() - start
        return whole[kind]

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"terms {seed}")
        kind = sorted(known)[seed % len(known)]
        expected, seconds = peace(kind)
        own, moment = place("ended"), rng.uniform(0.0, 0.9 * seconds)
        child = begun(kind, own)
        time.sleep(moment)
        os.kill(child, signal.SIGTERM)
        status, said = ended(child), Path("said").read_text()
        left = [p.name for p in own.rglob("*") if p.is_file()]
        saved = " saved" * (len(left) > 1 and known[kind].again == "--resume")
        found = {"kind": f"{kind}{saved}", "what": f"after {moment:.2f} s of {seconds:.2f} ({status})", "text": said}
        if status == FAILED or "Traceback" in said:
            return found | {"result": "traceback", "text": said[-1500:]}
        if status not in (TERMINATED, -signal.SIGTERM, 0):  # 0: it had just come to its end
            return found | {"result": "unfinished"}
        if half := [name for name in left if name.endswith((".partial", ".lock"))]:
            return found | {"result": "left behind", "text": " ".join(half)}
        if seen(own) == expected:  # all was written before it was told to end
            return found | {"result": "fine"}
        last = ended(begun(kind, own, known[kind].again))
        same = seen(own) == expected
        return found | {"result": "unfinished" if last else "fine" if same else "different"}

    return case


def seen(place: Path) -> str:
    """A checksum of a folder: names, and in HDF5 files all arrays but times, to the last bit."""
    found = sha256()
    for file in sorted(p for p in place.rglob("*") if p.is_file()):
        found.update(file.relative_to(place).as_posix().encode())
        if file.suffix == ".h5":
            with h5py.File(file) as h5:
                arrays: dict[str, Any] = {}
                h5.visititems(lambda name, item, keep=arrays: keep.update({name: item}))
                for name, item in sorted(arrays.items()):
                    if isinstance(item, h5py.Dataset) and not name.endswith("_s"):
                        found.update(name.encode() + np.ascontiguousarray(item[()]).tobytes())
    return found.hexdigest()
