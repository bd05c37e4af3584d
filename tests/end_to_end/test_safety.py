"""Opening a file runs nothing that it names, reads nothing elsewhere, and takes no more than its size explains."""

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import pinnkit as pk
from benchmarks.safety.damage import (
    HARMS,
    chunked,
    compressed,
    external,
    links,
    mutated,
    set_text,
    texts,
    unallocated,
    virtual,
)
from benchmarks.safety.faults import GOOD, damaged
from benchmarks.safety.openers import Target, targets
from pinnkit.certificate import proof_file
from pinnkit.cli.jobs import SolveArguments, opened, resumed
from pinnkit.tools import hdf5
from pinnkit.tools import sympy_tree as tree

NETWORK = pk.MLP(2, 4, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    pk.solve(pk.problem("diffusion"), NETWORK, 40, stages=[pk.Adam(2)], checkpoint=path, resample=None, progress=False)
    return path


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a Python file that leaves a trace when it is run or imported; the test ends without one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    body = "import pathlib\npathlib.Path('RAN').touch()\nimport pinnkit\n"
    for name in ("evil", "diffusion2"):
        made = f"def {name}(**k):\n    return pinnkit.problem('diffusion')\nproblem = {name}\n"
        Path(f"{name}.py").write_text(body + made)
    yield tmp_path
    assert not Path("RAN").exists()


@pytest.mark.parametrize("evil", ["evil.py", "evil", "{here}/evil.py"])
def test_no_text_of_a_file_is_run(run: Path, planted: Path, evil: str) -> None:
    evil, path, rng = evil.format(here=planted), planted / "changed.h5", random.Random(0)
    with h5py.File(run) as h5:
        fields = texts(h5)
    assert {"origin", "network", "notes", "plan", "versions", "arguments"} <= {key for _, key, _, _ in fields}
    for group, key, data, plain in fields:
        if plain:
            changes = [evil.encode()]
        else:
            extra = [{"catalogue": evil}, {"file": evil}, {"class": evil}, {"class": "function", "name": evil}, evil]
            some = list(mutated(json.loads(data), evil))
            changes = [json.dumps(v).encode() for v in (*rng.sample(some, min(3, len(some))), *extra)]
        for change in changes:
            path.write_bytes(run.read_bytes())
            with h5py.File(path, "r+") as h5:
                set_text(h5[group], key, change, plain)
            with suppress(ValueError):
                opened(path, None)
            if group == "problem":
                with suppress(ValueError):
                    resumed(SolveArguments("diffusion"), checkpoint=path, progress=False)
            assert not Path("RAN").exists(), (group, key, change)


@pytest.mark.parametrize(
    "group, name, forged",
    [
        ("problem", "arguments", b'{"nu": {"class": "function", "name": "evil"}}'),
        ("/", "device", b"evil.py"),
    ],
)
def test_what_was_forged_is_refused_by_the_files_name_on_resume(
    run: Path, tmp_path: Path, group: str, name: str, forged: bytes
) -> None:
    path = tmp_path / "forged.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        plain = {(g, k): p for g, k, _, p in texts(h5)}[group, name]
        set_text(h5[group], name, forged if plain else json.dumps(json.loads(forged)).encode(), plain)
    with pytest.raises(ValueError, match=r"forged\.h5 holds settings that pinnkit\.save does not write") as caught:
        resumed(SolveArguments("diffusion"), checkpoint=path, progress=False)
    assert "\n" not in str(caught.value)


def test_the_path_in_a_run_is_not_opened(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "wake.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        set_text(h5["problem"], "origin", b'{"catalogue": "wake"}', False)
        set_text(h5["problem"], "arguments", json.dumps({"file": str(tmp_path / "secret.mat")}).encode(), False)
    for act in (lambda: pk.load(path), lambda: resumed(SolveArguments("wake"), checkpoint=path, progress=False)):
        with pytest.raises(ValueError, match=r"with the file '.*secret.mat', which is not opened by itself"):
            act()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (links, "one object stands in two places"),
        (compressed, "claims 4800000000 bytes"),
        (unallocated, "claims 4800000000 bytes"),
        (chunked, "not stored whole and uncompressed"),
        (external, "data that stand elsewhere"),
        (virtual, "data that stand elsewhere"),
        (lambda h: h.__setitem__("loop", h5py.SoftLink("/")), "a link to another place"),
        (lambda h: h.__setitem__("away", h5py.ExternalLink("other.h5", "/")), "a link to another place"),
        (lambda h: h["points"].__setitem__("root", h["/"]), "one object stands in two places"),
        (lambda h: h.create_group("/".join("abcdefghijklmnopqrstuvwxyz")), "24 levels"),
    ],
)  # fmt: skip
def test_files_that_claim_more_than_they_hold_are_refused(
    run: Path, tmp_path: Path, change: Callable[[h5py.File], None], sentence: str
) -> None:
    path = tmp_path / "bomb.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        change(h5)
    with pytest.raises(ValueError, match=sentence) as caught:
        pk.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "features",
    [
        {"class": "Fourier", "count": 10**9, "scale": 1.0, "seed": 0},
        {"class": "Harmonics", "names": ["x"], "count": 10**9},
    ],
)
def test_networks_out_of_proportion_are_refused(run: Path, tmp_path: Path, features: dict) -> None:
    path = tmp_path / "wide.h5"
    path.write_bytes(run.read_bytes())
    network = {"class": "MLP", "sizes": [2, 4, 1], "activation": "tanh", "features": features}
    with h5py.File(path, "r+") as h5:
        set_text(h5, "network", json.dumps(network).encode(), False)
    with pytest.raises(ValueError, match="count = 1000000000: its parameters allow"):
        pk.load(path)


def test_networks_that_are_still_to_come_are_refused_too(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "later.h5"
    path.write_bytes(run.read_bytes())
    features = {"class": "Fourier", "count": 10**9, "scale": 1.0, "seed": 0}
    network = {"class": "MLP", "sizes": [2, 4, 1], "activation": "tanh", "features": features}
    with h5py.File(path, "r+") as h5:
        plan = json.loads(h5["progress"].attrs["plan"])
        plan["stages"].append({"class": "Restart", "network": network, "points": None, "method": "sobol"})
        set_text(h5["progress"], "plan", json.dumps(plan).encode(), False)
    with pytest.raises(ValueError, match="later.h5 holds a network with count = 1000000000"):
        pk.load(path)


def number(n: int) -> list:
    return ["number", str(n), "1"]


TOWER = ["Pow", ["Pow", ["Pow", number(10), number(300)], number(300)], number(300)]
X = ["symbol", "x", False]
MASS = ["integral", X, [X, number(0), number(1)]]
DEEP: list = ["symbol", "x", False]
for _ in range(2000):
    DEEP = ["sin", DEEP]


@pytest.mark.parametrize(
    "stored",
    [
        ["Pow", number(10), number(9999999999)],
        TOWER,
        ["exp", ["exp", ["exp", ["float", 300.0]]]],
        ["Pow", ["symbol", "x", False], ["float", 1e9]],
        DEEP,
        ["Add", *[["symbol", "x", False]] * 6000],
        ["Max", *[["Mul", number(i), X] for i in range(40)]],
        ["Add", *[["Abs", ["Add", X, number(i)]] for i in range(17)]],
        ["Integral", MASS, number(20_000)],
        ["Integral", MASS, number(-1)],
        ["Complementarity", X, X, number(-1), number(1)],
        ["symbol", "__import__('os')", False],
        ["symbol", "x"],
        ["system", ["symbol", "x", False]],
        ["float", "nan of none"],
        [],
        7,
    ],
)  # fmt: skip
def test_stored_expressions_are_bounded(stored: object) -> None:
    with pytest.raises(ValueError):
        tree.decode(stored)


def test_text_of_a_file_is_shown_without_what_a_terminal_obeys(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "loud.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        set_text(h5, "notes", json.dumps(["\x1b]0;owned\x07 a\u202eb", "\u00fc\n"]).encode(), False)
    loud, plain = pk.load(path).notes
    assert loud == "\ufffd]0;owned\ufffd a\ufffdb" and plain == "\u00fc\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(ValueError, match="a pipe, a device or a socket"):
        pk.load(tmp_path / "pipe.h5")
    with pytest.raises(ValueError, match="a pipe, a device or a socket"):
        pk.load("/dev/zero")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no such file")
def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.h5").touch()
    for file in ("/proc/self/mem", tmp_path / "empty.h5"):
        for read in (pk.load, lambda path: proof_file.read(Path(path))):
            with pytest.raises(ValueError, match=f"^{file} is empty"):
                read(file)


def test_a_number_of_more_digits_than_python_reads_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_text('{"format": ' + "9" * 6000 + "}")
    with pytest.raises(ValueError, match="big.json holds no certificate"):
        proof_file.read(tmp_path / "big.json")


def test_own_notes_stay_welcome(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.h5"
    path.write_bytes(run.read_bytes())
    with h5py.File(path, "r+") as h5:
        h5.create_dataset("own", data=np.arange(1000.0), compression="gzip")
        h5["grid"].attrs["seen"] = "today"
    assert len(pk.load(path).theta) == len(pk.load(run).theta)
    assert "own" in hdf5_names(path)


def hdf5_names(path: Path) -> set[str]:
    """What is at the top of a file."""
    with h5py.File(path) as h5:
        return set(h5)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    """Undamaged files, opened in the ways that take no seconds; the campaign takes all."""
    slow = ("plot", "influence", "certify", "solve --resume")
    found = targets(tmp_path_factory.mktemp("held"))
    return {n: replace(t, ways={w: v for w, v in t.ways.items() if w not in slow}) for n, t in found.items()}


@pytest.mark.parametrize("kind", HARMS)
def test_harmed_files_are_refused_or_say_the_same(
    kind: str, planted: Path, held: dict[str, Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    case = damaged(kind, planted, held)
    found = [case(seed) for seed in range(16)]
    assert {"fine", "refused"} == {r["result"] for r in found}, [r for r in found if r["result"] not in GOOD]


def test_only_the_names_asked_for_are_read(run: Path) -> None:
    assert set(hdf5.read(run, "pinnkit-run", 2, only=("theta", "stops"))) == {"theta", "stops"}
