"""Small C libraries compiled once a machine; where there is no compiler the callers fall back to torch."""

import atexit
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
PROBE, BUILD = 20.0, 120.0  # seconds that a compiler may take to answer, and to build


@cache
def _compiler() -> tuple[tuple[str, ...], str] | None:
    """The C compiler's command and a hash that stands for it and the processor it targets, or None."""
    command = shlex.split(os.environ.get("CC", "cc"))
    path = shutil.which(command[0]) if command else None
    if path is None or os.environ.get("PINNKIT_FUSED") == "0":
        return None
    command = [path, *command[1:]]
    try:
        probe = subprocess.run(
            [*command, "-march=native", "-dM", "-E", "-x", "c", os.devnull],
            capture_output=True, text=True, check=True, timeout=PROBE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(command), hashlib.sha256(f"{command}{FLAGS}{probe.stdout}".encode()).hexdigest()


def kernels() -> str:
    """What evaluates networks on the CPU: "torch", or "C" and a short hash of compiler, flags and processor."""
    found = _compiler()
    return "torch" if found is None else f"C {found[1][:8]}"


def cache_folder() -> Path:
    """Where compiled kernels are kept: $PINNKIT_CACHE, else the user's cache folder.

    Raises:
        RuntimeError: neither is known, as for a user without a home.
    """
    base = os.environ.get("PINNKIT_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pinnkit"


@cache
def _folder() -> Path:
    """A folder that nobody else can write in: what lies there is loaded as code. The cache, or one for this process."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _private(folder) and os.access(folder, os.W_OK):
            return folder
        warnings.warn(
            f"{folder} is not yours alone (others can write there): kernels are compiled anew in every process; "
            f"chmod go-w {folder}, or name another folder in PINNKIT_CACHE", stacklevel=2,
        )  # fmt: skip
    except (OSError, RuntimeError):
        return _temporary()
    return _temporary()


def _private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@cache
def _temporary() -> Path:
    folder = tempfile.mkdtemp(prefix="pinnkit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def load(text: str) -> ctypes.CDLL | None:
    """The library built from C source ``text``; None where it cannot be built (no compiler, PINNKIT_FUSED=0).

    A file of the cache has the digest of its content in its name: one that was cut short or changed is built anew.
    """
    found = _compiler()
    if found is None:
        return None
    command, target = found
    name = hashlib.sha256(f"{text}{target}{platform.platform()}".encode()).hexdigest()[:24]
    try:
        return ctypes.CDLL(str(_kept(name) or _built(name, text, command)))
    except (OSError, subprocess.SubprocessError):
        return None


def _kept(name: str) -> Path | None:
    """The library of that name, if it is whole."""
    for library in _folder().glob(f"{name}-*.so"):
        if library.name == f"{name}-{_digest(library)}.so":
            return library
        library.unlink(missing_ok=True)
    return None


def _built(name: str, text: str, command: tuple[str, ...]) -> Path:
    with tempfile.TemporaryDirectory(dir=_folder()) as folder:
        code, built = Path(folder) / "kernel.c", Path(folder) / "kernel.so"
        code.write_text(text)
        subprocess.run(
            [*command, *FLAGS, str(code), "-o", str(built)],
            check=True, capture_output=True, timeout=BUILD, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with built.open("rb+") as file:
            os.fsync(file.fileno())
        library = _folder() / f"{name}-{_digest(built)}.so"
        os.replace(built, library)
    return library


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:24]
