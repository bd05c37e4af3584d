"""The versions that a result depends on."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch

from .compiler import kernels

BITS = ("torch", "kernels", "simd", "threads")  # what the last bits of a training depend on


def versions() -> dict[str, str]:
    """Versions of Python, pinnkit and the libraries that compute, the kernels, vector instructions and threads."""
    found = {"python": platform.python_version(), "kernels": kernels(), "simd": torch.backends.cpu.get_cpu_capability()}
    found["threads"] = str(torch.get_num_threads())
    return found | {name: _installed(name) for name in ("pinnkit", "torch", "numpy", "scipy", "sympy")}


@cache  # of a process it stays, and every file that is read or written asks for it
def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def moved(before: Mapping[str, str]) -> str:
    """In what the bits of a training that began with versions ``before`` may differ here; "" where they will not."""
    now = versions()
    changed = [f"{name} {before[name]}, here {now[name]}" for name in BITS if before.get(name, now[name]) != now[name]]
    return "; ".join(changed)


def arithmetic(found: Mapping[str, str]) -> str:
    """What a result was computed with, in words: what its last bits depend on, as far as that is known."""
    threads = found.get("threads", "")
    parts = [f"{name} {found[name]}" for name in ("pinnkit", "torch") if name in found]
    parts += [f"kernels {found.get('kernels', 'not known')}", found.get("simd", "")]
    parts += [f"{threads} thread{'s' * (threads != '1')}" if threads else ""]
    parts += [f"resumed elsewhere ({found['resumed']})" if "resumed" in found else ""]
    return ", ".join(filter(None, parts))
