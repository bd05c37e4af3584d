"""Full disks: whatever writes meets one at a random byte, or when the file is to reach the disk; then what is there?"""

import errno
import os
import random
import resource
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import h5py

import pinnkit as pk
from pinnkit.influence.map_file import save_map

from .kills import fresh
from .openers import spoken, unfinished

FEW = "--network 4 --points pde=30 --stages adam:3"


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def full_in_the_end() -> Iterator[None]:
    """What was written does not reach the disk, as on network file systems."""

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with mock.patch.object(os, "fsync", refuse):
        yield


def shell(*words: str) -> Callable[[Path], None]:
    """A command; OSError where it says that it failed."""

    def work(path: Path) -> None:
        code, out, complaint = spoken([str(path) if w == "OUT" else w for w in words])
        if code != 0:
            raise OSError((complaint or out).strip())

    return work


def works(folder: Path) -> dict[str, tuple[str, Callable[[Path], object]]]:
    """What writes a file, and the file's name."""
    run = unfinished(pk.problem("diffusion"), folder / "begun.h5")
    solution = pk.load(run)
    found = pk.Influence(solution).attribute([pk.test_loss(solution.problem)])

    def trained(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            last = pk.resume(solution, checkpoint=path, progress=False)
        lost = [note for note in last.notes if note.startswith("not saved")]
        if lost:
            raise OSError(lost[0])

    return {
        "save": ("out.h5", lambda path: pk.save(solution, path)),
        "resume": ("out.h5", trained),
        "map": ("out.h5", lambda path: save_map(found, path)),
        "certify": ("out.json", shell("certify", str(run), "--enclosed", "--no-corrected", "--out", "OUT")),
        "correct": ("out.h5", shell("correct", str(run), "--out", "OUT")),
        "export": ("out.vtu", shell("export", str(run), "--nodes", "60", "--times", "1", "--out", "OUT")),
        "picture": ("out.png", shell("influence", str(run), "--of", "loss", "--picture", "OUT")),
        "solve": ("out.h5", shell(*f"solve diffusion --overwrite --quiet {FEW} --out OUT".split())),
    }


def cases(folder: Path) -> Callable[[int], dict[str, Any]]:
    """Cases that write on a full disk, half of them over a file that was there before."""
    known = works(folder)
    often = [8 if name in ("save", "resume", "map") else 2 for name in known]
    tempfile.tempdir = str(fresh(folder / "refuge"))
    sizes: dict[str, int] = {}

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"disk {seed}")
        kind = rng.choices(list(known), often)[0]
        name, work = known[kind]
        place = fresh(folder / "place")
        path, old = place / name, b"what was there before"
        if kind not in sizes:
            work(path)
            sizes[kind] = path.stat().st_size
            fresh(place)
        if rng.random() < 0.5:
            path.write_bytes(old)
        size = int(rng.uniform(0, 1.1) * sizes[kind])
        late = rng.random() < 0.2
        what = f"{'at the end' if late else f'{size} of {sizes[kind]} bytes'}, {'over a file' * path.exists()}"
        try:
            with full_in_the_end() if late else full_after(size):
                work(path)
            result, text = "fine", ""
        except OSError as error:
            result, text = "refused", str(error)
        if result == "refused" and (str(path) not in text or "\n" in text):
            result = "unnamed"
        elif result == "refused" and path.exists() and path.read_bytes() != old and not whole(path):
            result = "torn"
        elif result == "fine" and not whole(path):
            result = "torn"
        elif left := [p.name for p in place.iterdir() if p != path and not p.suffix == ".pvd"]:
            result, text = "left behind", " ".join(left)
        return {"result": result, "kind": kind, "what": what, "text": text[:300]}

    return case


def whole(path: Path) -> bool:
    """Whether a file ends as its format says."""
    data = path.read_bytes()
    if path.suffix == ".h5":
        try:
            with h5py.File(path) as h5:
                return bool(h5.attrs["format"])
        except OSError:
            return False
    ends = {".json": b"}\n", ".png": b"IEND\xaeB`\x82", ".vtu": b"</VTKFile>"}
    return data.rstrip(b"\n").endswith(ends[path.suffix].rstrip(b"\n"))
