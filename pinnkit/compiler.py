"""Small C libraries compiled once a machine; where there is no compiler the callers fall back to torch."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")


@cache
def _compiler() -> tuple[str, str] | None:
    """The C compiler and a line that identifies it and the processor it targets, or None."""
    path = shutil.which(os.environ.get("CC", "cc"))
    if path is None or os.environ.get("PINNKIT_FUSED") == "0":
        return None
    probe = subprocess.run(
        [path, "-march=native", "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        return None
    return path, hashlib.sha256(probe.stdout.encode()).hexdigest()


def cache_folder() -> Path:
    """Where compiled kernels are kept: $PINNKIT_CACHE, else the user's cache folder."""
    base = os.environ.get("PINNKIT_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pinnkit"


@cache
def load(text: str) -> ctypes.CDLL | None:
    """The library built from C source ``text``; None where it cannot be built (no compiler, PINNKIT_FUSED=0)."""
    found = _compiler()
    if found is None:
        return None
    compiler, target = found
    name = hashlib.sha256(f"{text}{target}{platform.platform()}".encode()).hexdigest()[:24]
    library = cache_folder() / f"{name}.so"
    try:
        if not library.exists():
            library.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=library.parent) as folder:
                code, built = Path(folder) / "kernel.c", Path(folder) / "kernel.so"
                code.write_text(text)
                subprocess.run([compiler, *FLAGS, str(code), "-o", str(built)], check=True, capture_output=True)
                os.replace(built, library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.CalledProcessError):
        return None
