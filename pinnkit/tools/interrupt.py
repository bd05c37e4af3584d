"""Signals that ask a run to end, which wait for the end of a step, so that what is saved then is whole."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

ASKING = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, kill and time limits of batch systems, a terminal that closes
AGAIN = 1.0  # seconds after which a signal is a second one


class Interrupt:
    """While entered, SIGINT, SIGTERM and SIGHUP only set ``requested``; another one, a second later, ends the step.

    What comes sooner belongs to the first: the end of a session or of a group of processes sends several.
    SIGINT is then done with. The others meant the whole process: ``hand_on`` gives them to the handler that was there
    before, when all is saved. Signals that are ignored stay so (nohup, jobs in the background of a script). Outside
    the main thread, where signals do not arrive, nothing changes.
    """

    requested: bool

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}
        self._first = 0.0
        self._owed: int | None = None

    @property
    def final(self) -> bool:
        """Whether a signal meant the whole process, which ends with ``hand_on``."""
        return self._owed is not None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in heard()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if kind is KeyboardInterrupt:  # the second one: nobody will hand on the first
            self.hand_on()

    def hand_on(self) -> None:
        """Once left: raise the signal that asked, if it meant the whole process."""
        if self._owed is not None:
            signal.raise_signal(self._owed)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            self._owed = number
        if self.requested and time.monotonic() - self._first > AGAIN:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested, self._first = True, time.monotonic()


@contextmanager
def held() -> Iterator[None]:
    """Signals that ask to end wait for the end of the block, where an exception out of nowhere would do harm."""
    late: list[int] = []
    before = {number: signal.signal(number, lambda number, _: late.append(number)) for number in heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in late:
            signal.raise_signal(number)


def heard() -> list[int]:
    """The signals of ``ASKING`` that this system has and that are heard, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return []
    known = [getattr(signal, name) for name in ASKING if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) not in (signal.SIG_IGN, None)]
