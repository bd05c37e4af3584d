"""Memory that is asked for before it is taken: what this process may still have, and one sentence where it is short."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SETTING = "PINNKIT_MEMORY"  # "off", or the GB that may be used in place of what is found
UNASKED = 2**24  # bytes below which looking would cost more than it saves
MEMINFO, CGROUPS, OWN_GROUPS = "/proc/meminfo", "/sys/fs/cgroup", "/proc/self/cgroup"
UNLIMITED = 2**60  # what a cgroup (v1) writes where it has no limit is near 2^63


class OutOfReach(MemoryError, ValueError):
    """More memory than there is would be needed: the sentence says how much, of how much, and what to do instead."""


def afford(need: float, what: str, instead: str, device: Any = None) -> None:
    """Refuse what needs more bytes than there are, before they are taken.

    ``what`` begins the sentence, ``instead`` says what needs less; ``device`` is that of the tensors, None the CPU.

    Raises:
        OutOfReach: a MemoryError and a ValueError.
    """
    if need <= UNASKED:
        return
    there = available(device)
    if need > there:
        raise OutOfReach(
            f"{what} would need {_size(need)} of memory and {_size(max(there, 0))} are available: {instead} "
            f"({SETTING}=off takes them anyway)"
        )


def available(device: Any = None) -> float:
    """The bytes that this process may still take: the least that the machine, cgroups and limits leave; inf if unknown.

    Raises:
        ValueError: a setting that is neither "off" nor a number of GB.
    """
    setting = os.environ.get(SETTING, "").strip().lower()
    if setting == "off":
        return float("inf")
    if setting:
        return _given(setting)
    if device is not None and device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(_machine(), *_groups(), *_limits(), float("inf"))


def _given(setting: str) -> float:
    try:
        found = float(setting)
    except ValueError:
        found = -1.0
    if not found >= 0:
        raise ValueError(f"{SETTING}={setting}: give a number of GB, or off")
    return found * 1e9


def _size(n: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        n /= 1000
        if n < 999.5:
            return f"{n:.3g} {unit}"
    return f"{n:.2g} PB"


def _machine() -> float:
    """What the system could give without swapping; all that there is where it only tells that."""
    for line in _text(MEMINFO).splitlines():
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        return float("inf")


def _groups() -> Iterator[float]:
    """What the limits of this process's cgroup and those above it leave, caches counted as free (v2, v1)."""
    for line in _text(OWN_GROUPS).splitlines():
        number, kinds, path = line.split(":", 2)
        if number == "0":
            root, names = Path(CGROUPS), ("memory.max", "memory.current", "")
        elif "memory" in kinds.split(","):
            root, names = Path(CGROUPS) / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        inner = root / path.lstrip("/")
        for folder in (inner, *inner.parents):  # a container may see its own group at the root
            limit, used = (_text(folder / name).strip() for name in names[:2])
            if limit.isdigit() and used.isdigit() and int(limit) < UNLIMITED:
                yield int(limit) - int(used) + _cached(folder / "memory.stat", names[2])
            if folder == root:
                break


def _cached(stat: Path, prefix: str) -> int:
    kinds = {f"{prefix}{kind}_file" for kind in ("inactive", "active")}
    return sum(int(line.split()[1]) for line in _text(stat).splitlines() if line.split()[0] in kinds)


def _limits() -> Iterator[float]:
    """What the limits of address space and data leave (ulimit -v, -d)."""
    try:
        import resource
    except ImportError:  # Windows
        return
    pages = _text("/proc/self/statm").split()
    for kind, column in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
        soft = resource.getrlimit(getattr(resource, kind))[0] if hasattr(resource, kind) else resource.RLIM_INFINITY
        if soft != resource.RLIM_INFINITY and len(pages) > column:
            yield soft - int(pages[column]) * os.sysconf("SC_PAGE_SIZE")


def _text(file: str | Path) -> str:
    """What is in a file of the system, nothing where it is not there."""
    try:
        return Path(file).read_text()
    except OSError:
        return ""
