"""The versions that a result depends on."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import torch

from .compiler import kernels

BITS = ("torch", "kernels", "simd")  # what the last bits of a training depend on


def versions() -> dict[str, str]:
    """Versions of Python, pinnkit and the libraries that compute, the kernels and torch's vector instructions."""
    found = {"python": platform.python_version(), "kernels": kernels(), "simd": torch.backends.cpu.get_cpu_capability()}
    for name in ("pinnkit", "torch", "numpy", "scipy", "sympy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def moved(before: Mapping[str, str]) -> str:
    """In what the bits of a training that began with versions ``before`` may differ here; "" where they will not."""
    now = versions()
    changed = [f"{name} {before[name]}, here {now[name]}" for name in BITS if before.get(name, now[name]) != now[name]]
    return "; ".join(changed)
