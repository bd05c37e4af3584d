"""Which process this is, and whether one that left its number in a file or its name still runs."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_FIRST_SPACE = "pid:[4026531836]"  # Linux: where processes are counted outside of containers


@dataclass(frozen=True)
class Process:
    """A process: its host, its number there, and when it was born (numbers are given again; "" where not known)."""

    host: str
    number: int
    born: str = ""

    @classmethod
    def own(cls) -> Self:
        """The process that asks."""
        return cls(_host(), os.getpid(), _born(os.getpid()) or "")

    @property
    def gone(self) -> bool:
        """Whether it certainly runs no more; of another host's processes, and on Windows, nothing is known: False."""
        if self.host != _host() or os.name == "nt":  # where signal 0 would be Ctrl-C
            return False
        try:
            os.kill(max(self.number, 1), 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:  # another user's
            pass
        born = _born(self.number)
        return self.number < 1 or born is None or bool(self.born and born) and born != self.born


def _host() -> str:
    """The machine's name, and where processes are counted, if that is a container with numbers of its own."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = _FIRST_SPACE
    name = platform.node().replace("/", "-") or "unnamed"
    return name + ("" if space == _FIRST_SPACE else "+" + "".join(filter(str.isdigit, space)))


def _born(number: int) -> str | None:
    """When a process was born, in ticks of its host's clock; "" where that is not to be known, None of one that ended.

    One that ended stays in the list until its parent asks for its status.
    """
    try:
        fields = Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return None if fields[0] in "ZX" else fields[19]
