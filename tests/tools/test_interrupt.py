"""Signals that ask a command to end, at every moment of it: what is there is saved and whole, nothing is left over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import pinnkit as pk
from pinnkit.tools import atomic_file as atomic
from pinnkit.tools.interrupt import Interrupt, held
from pinnkit.training import loop
from pinnkit.training import solve as train

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals differ")
ROOT = Path(__file__).parents[2]
WORDS = ["solve", "diffusion", "--network", "4", "--points", "30", "--stages", "adam:9", "--resample", "none"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has a function raise a signal, before or after its own work, at its n-th call or at all."""
    monkeypatch.setattr(signal, "getsignal", heard_always(signal.getsignal))

    def patch(owner: Any, name: str, number: int, at: int | None = 1, after: bool = False) -> None:
        own, calls = getattr(owner, name), []

        def asks(*arguments: Any, **named: Any) -> Any:
            calls.append(None)
            now = at is None or len(calls) == at
            if now and not after:
                signal.raise_signal(number)
            found = own(*arguments, **named)
            if now and after:
                signal.raise_signal(number)
            return found

        monkeypatch.setattr(owner, name, asks)

    return patch


def heard_always(getsignal: Callable[[int], Any]) -> Callable[[int], Any]:
    """Tests may run in the background of a script, where Ctrl-C is ignored, and so under nohup."""

    def found(number: int) -> Any:
        handler = getsignal(number)
        return signal.SIG_DFL if handler == signal.SIG_IGN else handler

    return found


MOMENTS = {  # what asks, whether there is a run file afterwards
    "while points are sampled": ((train, "sample"), False),
    "while the residual is compiled": ((loop, "_Run"), False),
    "before the first checkpoint": ((loop, "save"), True),
    "while the first checkpoint is written": ((atomic, "_settle"), True),
    "after the first checkpoint": ((loop, "save", 1, True), True),
    "in the first step": ((loop, "_one_step"), True),
    "in the last step": ((loop, "_one_step", 9), True),
    "while the end is written": ((atomic, "_settle", 2), True),
    "after the end": ((atomic, "_settle_folder", 2, True), True),
}


@pytest.mark.parametrize(
    "moment, number",
    [*((moment, signal.SIGTERM) for moment in MOMENTS),
     *((moment, number) for moment in ("while points are sampled", "in the first step", "after the end")
       for number in (signal.SIGINT, signal.SIGHUP))],
)  # fmt: skip
def test_a_signal_at_any_moment_of_solve(
    call: Call, asking: Callable[..., None], moment: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    (owner, name, *when), saved = MOMENTS[moment]
    with monkeypatch.context():
        asking(owner, name, number, *when)
        code, text, complaint = call(*WORDS, "--out", "x.h5", "--quiet")
    done = saved and pk.load("x.h5").progress.done
    assert os.listdir() == ["x.h5"] * saved and "Traceback" not in complaint
    assert code == (0 if done and number == signal.SIGINT else 128 + number)
    if saved and not done:
        solution = pk.load("x.h5")
        assert solution.stops[-1] == f"interrupted (iteration {solution.progress.total})"
        assert solution.progress.total == (1 if "first step" in moment else 0)
        assert number != signal.SIGINT or complaint.endswith(
            "go on with `pinnkit solve diffusion --resume --out x.h5`\n"
        )


def test_what_was_interrupted_goes_on_in_the_same_bits(call: Call, asking: Callable[..., None]) -> None:
    assert call(*WORDS, "--out", "whole.h5", "--quiet")[0] == 0
    asking(loop, "_one_step", signal.SIGTERM, 4)
    assert call(*WORDS, "--out", "x.h5", "--quiet")[0] == 143 and pk.load("x.h5").progress.total == 4
    assert call(*WORDS, "--out", "x.h5", "--resume", "--quiet")[0] == 0
    assert torch.equal(pk.load("x.h5").theta, pk.load("whole.h5").theta)


COMMANDS = {
    "correct": ["--out", "o.h5"],
    "error": ["--out", "o.h5"],
    "influence": ["--of", "u@x=0.2,t=0.5", "--out", "o.h5"],
    "certify": ["--out", "o.json", "--no-corrected"],
    "export": ["--out", "o.vtp"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_while_a_command_writes(
    call: Call, asking: Callable[..., None], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(*WORDS, "--out", "x.h5", "--quiet")[0] == 0
    asking(atomic, "_settle", signal.SIGTERM, None)
    code, text, complaint = call(command, "x.h5", *COMMANDS[command])
    assert (code, text, complaint) == (143, "", "") and os.listdir() == ["x.h5"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_lost_on_its_way_still_counts(
    call: Call, asking: Callable[..., None], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except BaseException:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr("pinnkit.cli.jobs.opened", turned)
    assert call("report", "x.h5") == (128 + number, "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_lost_altogether_comes_again(
    call: Call, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Weak:
        def __del__(self) -> None:
            signal.raise_signal(number)  # what is raised here, Python only tells of

    def lost(*_: object) -> None:
        Weak()
        time.sleep(20)

    monkeypatch.setattr("pinnkit.cli.app.PATIENCE", 0.05)
    monkeypatch.setattr("pinnkit.cli.jobs.opened", lost)
    assert call("report", "x.h5") == (128 + number, "", "")
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_signals_that_are_ignored_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt, held():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert not interrupt.requested
    finally:
        signal.signal(signal.SIGINT, before)


def test_signals_that_are_held_come_afterwards() -> None:
    seen: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append("signal"))
    try:
        with held():
            signal.raise_signal(signal.SIGTERM)
            seen.append("block")
        assert seen == ["block", "signal"]
        with pytest.raises(ValueError), held():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError
        assert seen == ["block", "signal", "signal"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_second_signal_ends_the_step_and_then_the_process(
    call: Call, asking: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinnkit.tools.interrupt.AGAIN", 0.0)
    asking(loop, "_one_step", signal.SIGTERM, None)
    asking(loop, "_after_step", signal.SIGTERM, None)
    code, text, complaint = call(*WORDS, "--out", "x.h5", "--quiet")
    assert (code, text, complaint) == (143, "", "") and os.listdir() == ["x.h5"]
    assert pk.load("x.h5").progress.total == 0  # the checkpoint at the start


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_is_ended_and_cannot_be_saved_says_so_last(
    call: Call, asking: Callable[..., None], number: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(*_: object) -> None:
        for file in Path("o").iterdir():
            file.unlink()
        Path("o").rmdir()
        signal.raise_signal(number)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(loop, "_after_step", gone)
    code, text, complaint = call(*WORDS, "--out", "o/x.h5", "--quiet")
    said = complaint.splitlines()[-1]
    assert code == (2 if number == signal.SIGINT else 128 + number) and "Traceback" not in complaint
    assert said.startswith("not saved: o/x.h5 cannot be written: the folder ") and "; it is in " in said
    assert pk.load(said.rpartition(" ")[2]).stops[-1] == "interrupted (iteration 1)"


def test_ctrl_c_while_the_commands_are_loaded() -> None:
    code = """
import sys
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from pinnkit.cli import main
main(["problems"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("words", [["problems"], ["--version"]])
def test_whoever_reads_what_is_printed_may_go(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "pinnkit", *words]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_could_not_be_printed_is_said() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "pinnkit", "problems"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "what is printed cannot be read or written (no space left on device)\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_zoos_workers_end_with_it_and_save(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "benchmarks.zoo", "burgers", "--jobs", "2", "--runs", "z", "--page", "page"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while len(list(tmp_path.glob("z/*.h5"))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(2.0)
    running.send_signal(number)
    complaint = running.communicate(timeout=60)[1]
    assert running.returncode == (143 if number == signal.SIGTERM else -number) and "Traceback" not in complaint
    until = time.monotonic() + 30
    while list(tmp_path.glob("z/*.lock")) and time.monotonic() < until:
        time.sleep(0.1)
    runs = [pk.load(path, pk.problem("burgers")) for path in tmp_path.glob("z/*.h5")]
    assert len(runs) == 2 and all(run.progress.total > 0 for run in runs)
    assert sorted(p.suffix for p in tmp_path.glob("z/*")) == [".h5", ".h5"]


def test_the_handlers_from_before_are_back(call: Call) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    assert call("problems")[0] == 0 and [signal.getsignal(number) for number in SIGNALS] == before
