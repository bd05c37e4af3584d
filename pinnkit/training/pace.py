"""How long the windows of a march are: as given, or as long as the verdict on each of them allows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from pinnkit.error.correction import correct
from pinnkit.error.error_map import ErrorMap
from pinnkit.error.estimator import error_map
from pinnkit.error.verdict import ErrorParts
from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised

FIRST = 1 / 8  # of the whole time: the first window that is tried
SEEN = 0.05  # relative error before its correction, beyond which a window is not trusted
EASY = 1 / 30  # of the tolerance: a window that leaves less lets the next one be twice as long
HELPS = 0.5  # of what a window left, which its half must come below
ROUNDING = 1e-13  # relative error that no window can be asked to fall below
SHORTEST = 1e-9  # of the whole time: a window that is distrusted though it is so short ends the march


class Pace(Protocol):
    """Where windows end, and which of them are taken."""

    goes_on: bool  # whether there is a next window

    def end(self, low: float, held: float | None) -> float | None:
        """Where the window ends that begins at a time, one of a file at ``held``; None after the last."""

    def taken(self, window: Solution) -> Solution | None:
        """The window as the march keeps it; None where another one is to be tried."""


class Given:
    """Windows between given times, each of which is taken."""

    goes_on: bool = True
    edges: list[float]
    corrected: bool

    def __init__(self, edges: Sequence[float], corrected: bool) -> None:
        self.edges, self.corrected = list(edges), corrected

    def end(self, low: float, held: float | None) -> float | None:
        """The next of the times; what a file holds must fit it."""
        del held
        return next((t for t in self.edges if t > low), None)

    def taken(self, window: Solution) -> Solution:
        """The window, corrected if that was asked for."""
        return correct(window) if self.corrected and not is_corrected(window) else window


class Adaptive:
    """Windows, each corrected before it hands over, that are halved where distrusted and doubled where easy."""

    low: float
    high: float
    tolerance: float
    length: float
    goes_on: bool
    left: float | None  # what the last try left unseen, if it was trusted and too much
    tried: bool  # whether a longer window from here was distrusted
    now: float  # where the window begins that is tried

    def __init__(self, low: float, high: float, tolerance: float) -> None:
        self.low, self.high, self.tolerance = low, high, tolerance
        self.length = FIRST * (high - low)
        self.goes_on = True
        self.left = None
        self.tried = False

    def end(self, low: float, held: float | None) -> float | None:
        """A length further on, or where the window in a file ends."""
        if low >= self.high:
            return None
        self.now, self.length = low, self.length if held is None else held - low
        return self.high if self.high - low < 1.1 * self.length else low + self.length

    def taken(self, window: Solution) -> Solution | None:
        """The window corrected, or None where a shorter one is to be tried."""
        if is_corrected(window):  # read from a file, where it was taken before
            return self._on(window, 0.0)
        found = error_map(window, thorough=True)
        better = correct(window, found)
        trusted = found.trusted and is_corrected(better) and _largest(found, "seen") < SEEN
        left = max(ErrorParts(**part).unseen for part in found.parts.values())
        if trusted and left <= max(self.tolerance, ROUNDING):
            return self._on(better, left)
        if trusted and self.left is not None and left > HELPS * self.left:
            self.length *= 2  # the longer one was as good
            said = f"a shorter window leaves no less than the relative error {left:.1e} (tolerance {self.tolerance:g})"
            return self._on(replace(better, notes=(*better.notes, said)), left)
        if self.length < SHORTEST * (self.high - self.low):
            self.goes_on = False
            said = f"the march ends here: no window from t = {self.now:g} on is trusted ({found.verdict})"
            return replace(window, notes=(*window.notes, said))
        self.length /= 2 if trusted else 4 if self.now > self.low else 8
        self.left, self.tried = (left if trusted else None), True
        return None

    def _on(self, window: Solution, left: float) -> Solution:
        if left < EASY * self.tolerance and not self.tried:
            self.length *= 2
        self.left, self.tried = None, False
        return window


def _largest(found: ErrorMap, sign: str) -> float:
    return max(part[sign] for part in found.parts.values())


def is_corrected(window: Solution) -> bool:
    """Whether a window stands in its tangent space, as corrections leave it."""
    return isinstance(window.network, Linearised)
