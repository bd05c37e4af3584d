"""Files are there whole or not at all: full disks, forbidden places, writers that are killed."""

import ast
import errno
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from pinnkit.domain.mesh import Mesh
from pinnkit.output.plot.layout import save_picture
from pinnkit.output.vtk.xml_file import write_vtk
from pinnkit.tools import atomic_file as atomic
from pinnkit.tools import hdf5
from pinnkit.tools.process import Process

ROOT = Path(__file__).parents[2]
POINTS = Mesh(np.random.default_rng(0).random((500, 3)), np.arange(500)[:, None], "vertex")
KINDS: dict[str, Callable[[Path], object]] = {
    "run.h5": lambda path: hdf5.write(path, "test", 1, {"x": POINTS.X}),
    "points.vtp": lambda path: write_vtk(path, POINTS, {"x": POINTS.X[:, 0]}),
    "points.vtu": lambda path: write_vtk(path, POINTS, {"x": POINTS.X[:, 0]}),
    "text.json": lambda path: atomic.put(path, lambda partial: partial.write_text("1 " * 5000)),
} | {f"picture.{kind}": lambda path: save_picture(drawn(), path) for kind in ("png", "svg", "pdf")}


def drawn() -> Figure:
    figure = Figure()
    figure.add_subplot().plot(POINTS.X[:, 0], POINTS.X[:, 1])
    return figure


def text(content: str) -> Callable[[Path], object]:
    return lambda partial: partial.write_text(content)


@pytest.fixture
def no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_leaves_what_was_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, limits = tmp_path / name, resource.getrlimit(resource.RLIMIT_FSIZE)
    drawn().canvas.draw()  # fonts are cached in a file
    path.write_text("old")
    for size in (0, 100, 6000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(OSError, match=r"cannot be written \(file too large\): what was there .* untouched"):
                KINDS[name](path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_text() == "old" and os.listdir(tmp_path) == [name]
    KINDS[name](path)
    assert path.stat().st_size > 6000 and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.usefixtures("no_space")
def test_a_disk_that_fills_up_at_the_end(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        KINDS[name](tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name} cannot be written (no space left on device)"
    assert caught.value.errno == errno.ENOSPC and not os.listdir(tmp_path)


def test_places_that_cannot_be_written_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(partial: Path) -> None:
        raise AssertionError("was written")

    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    cases = [
        (tmp_path, "is a folder: give the name of a file"),
        (tmp_path / "no" / "x.csv", "the folder .*no does not exist, create it first"),
        (tmp_path / "file" / "x.csv", "the folder .*file does not exist"),
        (tmp_path / "pipe", "is a pipe, a device or a socket: give the name of a regular file"),
        (Path("/dev/null"), "is a pipe, a device or a socket"),
        (tmp_path / ("x" * 300), r"cannot be written \(file name too long\)"),
    ]
    for path, sentence in cases:
        with pytest.raises(OSError, match=sentence) as caught:
            atomic.put(path, never)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(OSError, match="cannot be written .*: the folder .*file/new cannot be made"):
        atomic.check_or_make_folder(tmp_path / "file" / "new" / "x.csv")
    allowed = os.access
    for forbidden, sentence in ((tmp_path / "file", "is read-only: make it"), (tmp_path, "nothing may be written in")):
        monkeypatch.setattr(os, "access", lambda p, mode, no=forbidden: allowed(p, mode) and Path(p) != no)
        with pytest.raises(PermissionError, match=sentence):
            atomic.put(tmp_path / "file", never)
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"] and Path("/dev/null").is_char_device()


def test_links_are_followed_and_permissions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "run", tmp_path / "latest"
    link.symlink_to(file)
    assert atomic.put(link, text("one")) == link and link.is_symlink() and file.read_text() == "one"
    file.chmod(0o640)
    atomic.put(link, text("two"))
    assert file.read_text() == "two" and file.stat().st_mode & 0o777 == 0o640 and os.listdir(file.parent) == ["run"]


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("\u00fc" * 127)
    assert atomic.put(path, text("x")).read_text() == "x" and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_is_left_of_what_was_broken_off(error: type[BaseException], tmp_path: Path) -> None:
    def half(partial: Path) -> None:
        partial.write_text("half")
        raise error

    with pytest.raises(error):
        atomic.put(tmp_path / "x", half)
    assert not os.listdir(tmp_path)


HALF = """
import sys, time
from pinnkit.tools.atomic_file import put

def half(partial):
    partial.write_text("half")
    print("half", flush=True)
    time.sleep(600)

put(sys.argv[1], half)
"""


def test_only_what_dead_writers_left_is_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "run.h5", tmp_path / "run.h5.csv"
    for file in (path, other):
        file.write_text("old")
    writers = [
        subprocess.Popen([sys.executable, "-c", HALF, str(file)], stdout=subprocess.PIPE, cwd=ROOT)
        for file in (path, other)
    ]
    try:
        assert all(w.stdout.readline() == b"half\n" for w in writers)
        one, two = (next(tmp_path.glob(f"run.h5*.{writer.pid}-*.partial")) for writer in writers)
        away = one.with_name(one.name.replace(Process.own().host, "elsewhere"))
        again = one.with_name(re.sub(r"-\d+\.", "-1.", one.name))  # the number of one that died was given again
        for file in (away, again):
            file.write_text("half")
        atomic.put(path, text("new"))
        left = {away.name, one.name, two.name, path.name, other.name}
        assert set(os.listdir(tmp_path)) == left and path.read_text() == "new"
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, writers[0].pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet asked for its status
        atomic.put(path, text("newer"))
        assert set(os.listdir(tmp_path)) == left - {one.name} and other.read_text() == "old"
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert Process("elsewhere", writers[0].pid).gone is False
    assert all(Process(Process.own().host, number).gone for number in (writers[0].pid, 0, 10**30))
    assert not Process.own().gone and not Process(Process.own().host, 1).gone


WRITING = {
    "write_text", "write_bytes", "savefig", "imsave", "savetxt", "savez", "to_csv", "tofile", "NamedTemporaryFile",
    "os.replace", "os.rename", "shutil.move", "shutil.copy", "shutil.copyfile",
}  # fmt: skip


def test_all_files_are_written_by_the_one_writer() -> None:
    found = set()
    words = re.compile("|".join(re.escape(word.rpartition(".")[2]) for word in sorted(WRITING)) + "|open")
    for path in (ROOT / "pinnkit").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if not words.search(text):
            continue
        calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
        handed_over = {id(n) for c in calls if name(c) == "put" for n in ast.walk(c)}
        found |= {path.name for c in calls if writes(c) and id(c) not in handed_over}
    assert found == {
        "atomic_file.py",
        "compiler.py",
        "layout.py",
    }  # kernels in a folder of their own; pictures in memory


def name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def writes(call: ast.Call) -> bool:
    """Whether the call looks like one that writes a file."""
    if name(call) in ("open", "fdopen"):
        modes = [a.value for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Constant)]
        return any(isinstance(m, str) and re.fullmatch(r"[rwaxbt+]*[wax+][bt+]*", m) for m in modes)
    return name(call) in WRITING or f"{getattr(getattr(call.func, 'value', None), 'id', '')}.{name(call)}" in WRITING


@pytest.mark.parametrize("name", KINDS)
def test_a_run_is_lost_to_nothing_that_is_no_run(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    hdf5.write(path, "pinnkit-run", 1, {"x": POINTS.X})
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=rf"{re.escape(name)} holds a pinnkit-run, which would be lost"):
        KINDS[name](path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [name]
    hdf5.write(path, "pinnkit-run", 1, {"x": POINTS.X[:5]})
    path.write_bytes(path.read_bytes()[:600])  # what cannot be read again is nobody's any more
    KINDS[name](path)
