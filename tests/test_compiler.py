"""Compiled kernels come only from a folder of one's own, whole, and from a compiler that answers."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinnkit import compiler

pytestmark = pytest.mark.skipif(compiler._compiler() is None, reason="needs a C compiler")
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


def test_a_kernel_is_built_once_and_kept(tmp_path: Path) -> None:
    assert seven(compiler.load(SOURCE))
    (kept,) = (tmp_path / "cache").glob("*.so")
    before = kept.stat().st_mtime_ns
    forget()
    assert seven(compiler.load(SOURCE)) and kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data + b"x"])
def test_a_broken_kernel_is_built_anew(tmp_path: Path, damage) -> None:
    name = Path(compiler._built("name", SOURCE, compiler._compiler()[0])).name
    kept = tmp_path / "cache" / name
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert compiler._kept("name") is None and not kept.exists()
    compiler._built("name", SOURCE, compiler._compiler()[0])
    assert compiler._kept("name") == kept


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


def test_compilers_with_arguments_broken_or_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{compiler._compiler()[0][0]} -DWHATEVER=1")
    compiler._compiler.cache_clear()
    assert compiler._compiler()[0][1] == "-DWHATEVER=1" and seven(compiler.load(SOURCE))
    for body in ("exit 1", "sleep 30"):
        script = tmp_path / "slow"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setenv("CC", str(script))
        monkeypatch.setattr(compiler, "PROBE", 0.3)
        forget()
        assert compiler._compiler() is None and compiler.load(SOURCE) is None and compiler.kernels() == "torch"
