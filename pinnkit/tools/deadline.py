"""A time limit for long work, which looks at it at its turns."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

clock: Callable[[], float] = time.monotonic
_end: ContextVar[float] = ContextVar("end", default=math.inf)


class OutOfTime(Exception):
    """The time is over."""


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Work for so many seconds of wall time from now on; None: as long as it takes."""
    token = _end.set(_end.get() if seconds is None else min(_end.get(), clock() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


def turn() -> None:
    """A place where long work may end.

    Raises:
        OutOfTime: the time is over.
    """
    if _end.get() < math.inf and clock() > _end.get():
        raise OutOfTime
