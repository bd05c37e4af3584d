"""Signals that ask a run to end, which wait for the end of a step, so that what is saved then is whole."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

ASKING = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, kill and time limits of batch systems, a terminal that closes


class Interrupt:
    """While entered, the first SIGINT, SIGTERM or SIGHUP only sets ``asked``; a second one ends the step at once.

    SIGINT is then done with. The others meant the whole process: ``hand_on`` gives them to the handler that was there
    before, when all is saved. A SIGHUP that is ignored stays so (nohup). Outside the main thread, where signals do
    not arrive, nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}
        self._owed: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in ASKING if hasattr(signal, name)):
                if number == signal.SIGINT or signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def hand_on(self) -> None:
        """Once left: raise the signal that asked, if it meant the whole process."""
        if self._owed is not None:
            signal.raise_signal(self._owed)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            self._owed = number
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
