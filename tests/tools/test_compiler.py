"""Compiled kernels come only from a folder of one's own, whole, and from a compiler that answers."""

import ctypes
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinnkit.tools import compiler
from pinnkit.tools.process import Process

MACHINES = compiler._compiler()
pytestmark = pytest.mark.skipif(MACHINES is None, reason="needs a C compiler")
SOURCE = "int seven(void) { return 7; }"


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty cache, and nothing remembered before or after."""
    monkeypatch.setenv("PINNKIT_CACHE", str(tmp_path / "cache"))
    forget()
    yield
    forget()


def forget() -> None:
    for remembered in (compiler._compiler, compiler._folder, compiler._temporary, compiler.load):
        remembered.cache_clear()


def seven(library: ctypes.CDLL | None) -> bool:
    return library is not None and library.seven() == 7


def test_a_kernel_of_files_follows_their_text_and_its_macros(tmp_path: Path) -> None:
    kind, call = tmp_path / "kind.c", tmp_path / "call.c"
    kind.write_text("typedef KIND kind;\n")
    call.write_text("kind seven(void) { return NUMBER; }\n")

    def built(number: str) -> ctypes.CDLL | None:
        return compiler.load(compiler.assembled(kind, call, KIND="int", NUMBER=number))

    assert seven(built("7")) and not seven(built("8"))
    call.write_text("kind seven(void) { return NUMBER + 1; }\n")
    assert seven(built("6"))
    assert len([*(tmp_path / "cache").glob("*.so")]) == 4  # these and the compiler's trial


def test_a_kernel_is_built_once_and_kept(tmp_path: Path) -> None:
    assert seven(compiler.load(SOURCE))
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    assert len(kept) == 2 and all(file.suffix == ".so" for file in kept)  # the trial's as well
    forget()
    assert seven(compiler.load(SOURCE))
    assert kept == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data + b"x"])
def test_a_broken_kernel_is_built_anew(tmp_path: Path, damage) -> None:
    folder = compiler._folder()
    kept = compiler._built(folder, "name", SOURCE, compiler._compiler()[0], 60.0)
    assert kept.parent == tmp_path / "cache"
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert compiler._kept(folder, "name") is None and not kept.exists()
    compiler._built(folder, "name", SOURCE, compiler._compiler()[0], 60.0)
    assert compiler._kept(folder, "name") == kept


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_a_pipe_in_the_place_of_a_kernel_is_not_waited_for() -> None:
    folder = compiler._folder()
    kept = compiler._built(folder, "name", SOURCE, compiler._compiler()[0], 60.0)
    kept.unlink()
    os.mkfifo(kept)
    assert compiler._kept(folder, "name") is None and not kept.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_that_others_can_write_in_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.warns(UserWarning, match=r"others can write there\): kernels are compiled anew"):
        assert seven(compiler.load(SOURCE)) and not list(folder.iterdir())
    assert compiler._folder() != folder


def test_a_user_without_a_home_still_has_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PINNKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(nobody))
    assert seven(compiler.load(SOURCE))


def compiler_that(body: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler of one's own: a shell script, in which $CC is the machine's."""
    file.write_text(f"#!/bin/sh\nCC={MACHINES[0][0]}\n{body}\n")
    file.chmod(0o755)
    monkeypatch.setenv("CC", str(file))
    forget()


def test_compilers_with_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{compiler._compiler()[0][0]} -DWHATEVER=1")
    compiler._compiler.cache_clear()
    assert compiler._compiler()[0][1] == "-DWHATEVER=1" and seven(compiler.load(SOURCE))


BROKEN = {
    "exit 1": "builds no library that can be loaded",
    "sleep 30": "does not answer within 1.5 s",
    'case "$*" in *-dM*) exec $CC "$@";; esac; exit 1': "builds no library that can be loaded",
    'case "$*" in *-dM*) exec $CC "$@";; esac; sleep 30': "does not answer within 1.5 s",
    'case "$*" in *-dM*) exec $CC "$@";; esac; for last; do :; done; echo text > "$last"': "builds no library that can",
}


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize("body", BROKEN)
def test_compilers_that_fail_or_hang_are_told_of_once(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler_that(body, tmp_path / "slow", monkeypatch)
    monkeypatch.setattr(compiler, "PROBE", 1.5)
    with pytest.warns(UserWarning, match=f"the C compiler .*slow {BROKEN[body]}.*: networks are evaluated by torch"):
        assert compiler._compiler() is None
    assert compiler.load(SOURCE) is None and compiler.kernels() == "torch"
    assert not list((tmp_path / "cache").glob("*.partial"))


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_what_a_hanging_compiler_started_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler_that(f"sleep 30 &\necho $! > {tmp_path / 'number'}\nwait", tmp_path / "slow", monkeypatch)
    monkeypatch.setattr(compiler, "PROBE", 1.0)
    with pytest.warns(UserWarning, match="does not answer"):
        assert compiler._compiler() is None
    child = Process(Process.own().host, int((tmp_path / "number").read_text()))
    until = time.monotonic() + 10
    while not child.gone and time.monotonic() < until:
        time.sleep(0.01)
    assert child.gone


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_a_compiler_that_warns_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = "printf 'warning: \\377 %s\\n' $$ | tee /dev/stderr"  # in no encoding, and another one each time
    compiler_that(f'{noise}\nexec $CC "$@"', tmp_path / "loud", monkeypatch)
    assert seven(compiler.load(SOURCE))
    target = compiler._compiler()[1]
    forget()
    assert compiler._compiler()[1] == target != MACHINES[1]


def test_quotes_that_do_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc 'x")
    forget()
    with pytest.warns(UserWarning, match="the C compiler cc 'x is not a command: its quotes do not match"):
        assert compiler.kernels() == "torch"


def test_a_source_that_cannot_be_built_is_said() -> None:
    with pytest.warns(UserWarning, match=r"a kernel could not be built \(CalledProcessError: .*\): torch evaluates"):
        assert compiler.load("no C at all") is None


def test_a_full_cache_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def full(old: Path, new: Path) -> None:
        if tmp_path in Path(new).parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(old, new)

    monkeypatch.setattr(os, "replace", full)
    assert seven(compiler.load(SOURCE)) and not list((tmp_path / "cache").iterdir())


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    compiler.load(SOURCE)
    folder = tmp_path / "cache"
    own, dead = Process.own(), Process(Process.own().host, 2**22 + 1)
    left = [folder / f"name.{p.host}.{p.number}-{p.born}.00000000.partial" for p in (own, dead)]
    for place in left:
        place.mkdir()
        (place / "kernel.c").touch()
    compiler._built(folder, "name", SOURCE, compiler._compiler()[0], 60.0)
    assert [place.exists() for place in left] == [True, False]
