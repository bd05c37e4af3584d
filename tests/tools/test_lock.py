"""One writer of a run file at a time: refused by name, taken over from the dead of this host, without a race."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

import pinnkit as pk
from pinnkit.tools import lock
from pinnkit.tools.lock import check_free, only_writer
from pinnkit.tools.process import Process

ROOT = Path(__file__).parents[2]
DEAD = Process(Process.own().host, 2**22 + 1, "1")  # more than there are numbers
AWAY = Process("elsewhere", 1, "1")

# Takes and gives back locks as it is told by lines of a pipe: a name, or an empty line.
WRITER = """
import sys
from pinnkit.tools.lock import only_writer

for line in sys.stdin:
    try:
        with only_writer(line.strip()):
            print("won", flush=True)
            if not sys.stdin.readline():
                break
        print("done", flush=True)
    except BlockingIOError as error:
        print(error, flush=True)
"""


class Writer:
    """Such a process."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", WRITER]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT
        )

    def say(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n")

    def heard(self) -> str:
        return self.process.stdout.readline().strip()


@pytest.fixture
def writers() -> Iterator[list[Writer]]:
    made = [Writer() for _ in range(4)]
    yield made
    for writer in made:
        writer.process.kill()
        writer.process.communicate()


def left_by(writer: Process, path: Path) -> Path:
    """A lock as that process would leave it."""
    found = path.with_name(f"{path.name}.lock")
    found.write_text(json.dumps(asdict(writer)))
    return found


def test_the_second_writer_is_told_of_the_first(tmp_path: Path, writers: list[Writer]) -> None:
    path, link, first = tmp_path / "run.h5", tmp_path / "latest.h5", writers[0]
    link.symlink_to(path)
    first.say(path)
    assert first.heard() == "won" and os.listdir(tmp_path).count("run.h5.lock") == 1
    for name in (path, link):
        with pytest.raises(BlockingIOError) as caught, only_writer(name):
            pass
        who = f"process {first.process.pid} on {Process.own().host}"
        assert str(caught.value) == f"{name} is being written by {who}: wait for its end, stop it, or give another file"
        with pytest.raises(BlockingIOError):
            check_free(name)
    with only_writer(tmp_path / "other.h5"), only_writer(None):
        assert (tmp_path / "other.h5.lock").exists()
    first.say("")
    assert first.heard() == "done" and os.listdir(tmp_path) == ["latest.h5"]
    with only_writer(path), only_writer(link):  # one's own
        check_free(path)
        assert json.loads((tmp_path / "run.h5.lock").read_text()) == asdict(Process.own())
    assert os.listdir(tmp_path) == ["latest.h5"]


def in_a_thread(path: Path) -> str:
    """What a thread of its own is told when it wants the lock."""
    said = ["won"]

    def other() -> None:
        try:
            with only_writer(path):
                pass
        except BlockingIOError as error:
            said[0] = str(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    return said[0]


def test_another_thread_is_another_writer(tmp_path: Path) -> None:
    with only_writer(tmp_path / "run.h5"):
        assert "is being written by another thread of this process" in in_a_thread(tmp_path / "run.h5")
    assert in_a_thread(tmp_path / "run.h5") == "won"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_the_lock_goes_with_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), only_writer(tmp_path / "run.h5"):
        raise error
    assert not os.listdir(tmp_path)


def test_a_forked_child_neither_has_the_lock_nor_takes_it_away(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with only_writer(path):
        child = os.fork()
        if child == 0:
            try:
                with only_writer(path):
                    os._exit(1)
            except BlockingIOError:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert (tmp_path / "run.h5.lock").exists()


def test_of_several_that_find_the_lock_of_a_dead_one_one_wins(tmp_path: Path, writers: list[Writer]) -> None:
    for round in range(15):
        path = tmp_path / f"run{round}.h5"
        left_by(DEAD, path)
        for writer in writers:
            writer.say(path)
        said = [writer.heard() for writer in writers]
        winners = [writer for writer, words in zip(writers, said, strict=True) if words == "won"]
        assert len(winners) == 1, said
        who = f"process {winners[0].process.pid} on "
        assert all(words == "won" or who in words for words in said)
        winners[0].say("")
        assert winners[0].heard() == "done"
    assert not os.listdir(tmp_path)


def test_writers_that_come_and_go_never_meet(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pinnkit.tools.lock import only_writer
path, got, until = sys.argv[1], 0, time.monotonic() + 0.4
while time.monotonic() < until:
    try:
        with only_writer(path):
            os.close(os.open(path + ".met", os.O_CREAT | os.O_EXCL))
            got += 1
            os.unlink(path + ".met")
    except BlockingIOError:
        pass
print(got)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "run.h5")]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    counts = [int(process.communicate()[0]) for process in running]
    assert all(process.returncode == 0 for process in running) and sum(counts) > 20 and not os.listdir(tmp_path)


def test_a_lock_that_goes_while_it_is_asked_for_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, flock = tmp_path / "run.h5", lock.fcntl.flock
    gone = []

    def late(handle: int, how: int) -> None:
        if not gone:
            gone.append(left.unlink())  # its holder's end, between opening and asking
        flock(handle, how)

    left = left_by(DEAD, path)
    monkeypatch.setattr(lock.fcntl, "flock", late)
    with only_writer(path):
        assert gone and json.loads(left.read_text()) == asdict(Process.own())


def test_a_killed_writer_is_followed(tmp_path: Path, writers: list[Writer]) -> None:
    path, first = tmp_path / "run.h5", writers[0]
    first.say(path)
    assert first.heard() == "won"
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert (tmp_path / "run.h5.lock").exists()
    check_free(path)
    with only_writer(path):
        pass
    assert not os.listdir(tmp_path)


def test_what_cannot_be_known_is_left_to_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"

    def refused() -> str:
        with pytest.raises(BlockingIOError) as caught, only_writer(path):
            pass
        assert file.exists() and "\n" not in str(caught.value)
        return str(caught.value)

    file = left_by(AWAY, path)
    advice = f": if no such run goes on, remove {file}"
    start = f"{path} is being written by "
    assert refused() == f"{start}process 1 on elsewhere, unless that process has ended{advice}"
    file.write_text("\x1b[2J")
    assert refused() == f"{start}another process, unless that process has ended{advice}"
    left_by(Process("\x1b[2J", 1), path)
    assert "\x1b" not in refused()
    file.write_text('{"host": "x", "number": Infinity, "born": ""}')
    assert "another process" in refused()
    file.write_text("")  # as a power cut leaves it
    check_free(path)
    assert not file.exists()

    def none(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", none)  # a file system without such locks
    with only_writer(path):
        assert "another thread of this process" in in_a_thread(path)
    left_by(DEAD, path)
    assert refused() == f"{start}process {DEAD.number} on {DEAD.host}, which has ended{advice}"


def test_a_place_that_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / "run.h5", os.open

    def forbidden(name: object, flags: int, mode: int = 0o777) -> int:
        if str(name).endswith(".lock"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(OSError, match=r"run.h5 cannot be written \(read-only file system\): .*run.h5.lock cannot"):
        with only_writer(path):
            pass
    check_free(path)
    with (
        pytest.raises(FileNotFoundError, match="no does not exist, create it first"),
        only_writer(tmp_path / "no/x.h5"),
    ):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run.h5.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="run.h5.lock cannot be made"), only_writer(tmp_path / "run.h5"):
        pass
    assert os.listdir(tmp_path) == ["run.h5.lock"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_a_lock_that_is_a_pipe_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.h5.lock")
    with pytest.raises(BlockingIOError, match=r"run\.h5\.lock is no file, so .*run\.h5 cannot be locked"):
        with lock.only_writer(tmp_path / "run.h5"):
            pass


def test_runs_in_training_are_not_written_by_others(tmp_path: Path, writers: list[Writer], call) -> None:
    path, settings = tmp_path / "run.h5", {"stages": [pk.Adam(2)], "resample": None, "progress": False}
    problem, network = pk.problem("diffusion"), pk.MLP(2, 4, 1)
    seen = []
    solution = pk.solve(
        problem, network, 20, checkpoint=path, observe=lambda s: seen.append(os.listdir(tmp_path)), **settings
    )
    assert sorted(seen[0]) == ["run.h5", "run.h5.lock"]
    assert os.listdir(tmp_path) == ["run.h5"]
    writers[0].say(path)
    assert writers[0].heard() == "won"
    before, who = path.read_bytes(), f"is being written by process {writers[0].process.pid} on "
    for act in (
        lambda: pk.save(solution, path),
        lambda: pk.resume(solution, checkpoint=path, progress=False),
        lambda: pk.solve(problem, network, 20, checkpoint=path, **settings),
    ):
        with pytest.raises(BlockingIOError, match=who):
            act()
    quick = ["--network", "4", "--points", "20", "--stages", "adam:2"]
    for words in (
        ["solve", "diffusion", *quick, "--overwrite", "--out", "run.h5"],
        ["solve", "diffusion", "--resume", "--out", "run.h5"],
    ):
        code, text, complaint = call(*words)
        assert (code, text) == (2, "") and who in complaint and complaint.count("\n") == 1
    assert path.read_bytes() == before and len(pk.load(path).theta) == len(solution.theta)
    assert call("report", "run.h5", "--no-estimate")[0] == 0
