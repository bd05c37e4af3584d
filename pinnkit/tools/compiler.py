"""Small C libraries compiled once a machine; where there is no compiler the callers fall back to torch."""

import atexit
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from .atomic_file import beside

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
PROBE, BUILD = 20.0, 120.0  # seconds that a compiler may take to answer or to build next to nothing, and to build
TRIAL = "int pinnkit_trial(void) { return 7; }"


@cache
def _compiler() -> tuple[tuple[str, ...], str] | None:
    """The C compiler's command and a hash that stands for it and the processor it targets, or None.

    One that is there and does not answer, or builds nothing that can be loaded, is said in a warning.
    """
    try:
        command = shlex.split(os.environ.get("CC", "cc"))
    except ValueError:
        _warn(os.environ["CC"], "is not a command: its quotes do not match")
        return None
    path = shutil.which(command[0]) if command else None
    if path is None or os.environ.get("PINNKIT_FUSED") == "0":
        return None
    command = [path, *command[1:]]
    try:
        text = _output([*command, "-march=native", "-dM", "-E", "-x", "c", os.devnull], PROBE)
        macros = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#define "))
        target = hashlib.sha256(f"{command}{FLAGS}{macros}".encode()).hexdigest()
        if _loaded(TRIAL, tuple(command), target, PROBE).pinnkit_trial() == 7:
            return tuple(command), target
    except subprocess.TimeoutExpired:
        _warn(path, f"does not answer within {PROBE:g} s")
        return None
    except (OSError, subprocess.SubprocessError, AttributeError):
        pass
    _warn(path, "builds no library that can be loaded")
    return None


def _warn(path: str, why: str) -> None:
    warnings.warn(
        f"the C compiler {path} {why}: networks are evaluated by torch alone, which takes about twice as long; name "
        "another one in CC, or set PINNKIT_FUSED=0", stacklevel=2,
    )  # fmt: skip


def _output(command: Sequence[str], seconds: float, printed: int = subprocess.PIPE) -> str:
    """What a command prints; when it takes too long, it and all that it started are ended."""
    kept = os.environ | {"LC_ALL": "C"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.DEVNULL, env=kept, text=True,
        errors="replace", start_new_session=True,
    ) as running:  # fmt: skip
        try:
            text, _ = running.communicate(timeout=seconds)
        except BaseException:
            os.killpg(running.pid, signal.SIGKILL) if hasattr(os, "killpg") else running.kill()
            raise
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return text or ""


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


def assembled(*files: Path, **macros: str) -> str:
    """C source: the macros' definitions, then the files one after the other."""
    head = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    return head + "".join(file.read_text(encoding="utf-8") for file in files)


@cache
def load(text: str) -> ctypes.CDLL | None:
    """The library built from C source ``text``; None where it cannot be built (no compiler, PINNKIT_FUSED=0).

    A file of the cache has the digest of its content in its name: one that was cut short or changed is built anew.
    """
    found = _compiler()
    if found is None:
        return None
    try:
        return _loaded(text, *found, BUILD)
    except (OSError, subprocess.SubprocessError) as error:
        why = f"{type(error).__name__}: {getattr(error, 'strerror', None) or found[0][0]}"
        warnings.warn(f"a kernel could not be built ({why}): torch evaluates what it was for", stacklevel=2)
        return None


def _loaded(text: str, command: tuple[str, ...], target: str, seconds: float) -> ctypes.CDLL:
    """The library from the cache, or built there; in a folder of this process where the cache is full or executes none.

    Raises:
        OSError: neither can hold it; subprocess.SubprocessError: a compiler that fails or takes too long.
    """
    name = hashlib.sha256(f"{text}{target}{platform.platform()}".encode()).hexdigest()[:24]
    try:
        return ctypes.CDLL(str(_kept(_folder(), name) or _built(_folder(), name, text, command, seconds)))
    except OSError:
        return ctypes.CDLL(str(_built(_temporary(), name, text, command, seconds)))


def _kept(folder: Path, name: str) -> Path | None:
    """The library of that name, if it is whole."""
    for library in folder.glob(f"{name}-*.so"):
        if library.is_file() and library.name == f"{name}-{_digest(library)}.so":  # a pipe would not end
            return library
        library.unlink(missing_ok=True)
    return None


def _built(folder: Path, name: str, text: str, command: tuple[str, ...], seconds: float) -> Path:
    work = beside(folder / name)
    work.mkdir(mode=0o700)
    try:
        code, built = work / "kernel.c", work / "kernel.so"
        code.write_text(text)
        _output([*command, *FLAGS, str(code), "-o", str(built)], seconds, printed=subprocess.DEVNULL)
        with built.open("rb+") as file:
            os.fsync(file.fileno())
        library = folder / f"{name}-{_digest(built)}.so"
        os.replace(built, library)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return library


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:24]
