"""A march from a shell: its file, what takes it, how it is gone on with."""

from pathlib import Path

import pytest
import torch

import pinnkit as pk

DECAY = """import sympy as sp
import pinnkit as pk


def problem():
    (t,) = pk.coordinates("t")
    y = pk.field("y", t)
    return pk.Problem("decay", y, y.diff(t) + y, pk.Box(t=(0, 2)), [pk.Initial(y, 1)], reference=sp.exp(-t))
"""
SMALL = ("--network", "6", "--points", "30", "--stages", "lm:30", "--quiet")


@pytest.fixture
def decay(tmp_path: Path) -> str:
    path = tmp_path / "decay.py"
    path.write_text(DECAY, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("windows", ["2", "auto"])
def test_a_march_and_the_commands_that_read_it(windows: str, decay: str, tmp_path: Path, call) -> None:
    run = str(tmp_path / "run.h5")
    code, said, wrong = call("solve", decay, "--windows", windows, "--correct", *SMALL, "--out", run)
    assert code == 0 and "windows, t = 0 to 2" in said, wrong
    found = pk.load(run)
    assert isinstance(found, pk.March) and found.errors()["y"]["max"] < 1e-8
    assert not (tmp_path / "run-windows").exists()
    for words in (
        ["report", run],
        ["error", run, "--picture", "e.png", "--out", "e.h5"],
        ["plot", run],
        ["export", run, "--out", "y.vtp"],
    ):
        code, said, wrong = call(*words)
        assert code == 0 and said, (words, wrong)
    code, said, wrong = call("influence", run)
    assert code == 2 and "windows: expected a single run" in wrong
    code, said, wrong = call("solve", decay, "--windows", windows, "--resume", *SMALL, "--out", run)
    assert code == 2 and "its march is done" in wrong


def test_correcting_a_march(decay: str, tmp_path: Path, call) -> None:
    run, better = str(tmp_path / "run.h5"), str(tmp_path / "better.h5")
    assert call("solve", decay, "--windows", "2", *SMALL, "--out", run)[0] == 0
    code, said, wrong = call("correct", run, "--out", better)
    assert code == 0 and "windows, t = 0 to 2" in said, wrong
    assert pk.load(better).errors()["y"]["max"] < 1e-2 * pk.load(run).errors()["y"]["max"]


def test_a_march_goes_on(decay: str, tmp_path: Path, call) -> None:
    run, folder = str(tmp_path / "run.h5"), tmp_path / "run-windows"
    words = ("solve", decay, "--windows", "3", *SMALL, "--out", run)
    code, _, wrong = call(*words, "--time-limit", "0")
    assert code == 0 and "in window 1: go on with `pinnkit solve" in wrong and not Path(run).exists()
    assert [path.name for path in folder.iterdir()] == ["window_1.h5"]
    code, _, wrong = call(*words)
    assert code == 2 and "--resume goes on with them" in wrong
    assert call(*words, "--resume")[0] == 0 and not folder.exists()
    resumed = pk.load(run)
    assert call(*words, "--overwrite")[0] == 0 and not folder.exists()
    X = torch.linspace(0, 2, 9, dtype=torch.float64)[:, None]
    assert torch.equal(resumed(X), pk.load(run)(X)) and torch.allclose(resumed(X), torch.exp(-X), atol=1e-3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--windows", "0"), "expected a whole number of at least 1, or auto"),
        (("--windows", "many"), "expected a whole number of at least 1, or auto"),
        (("--windows", "auto"), "give --correct too"),
        (("--windows", "2", "--solver", "lie"), "--windows is for networks"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], says: str, decay: str, call) -> None:
    code, _, wrong = call("solve", decay, *words)
    assert code == 2 and says in wrong
