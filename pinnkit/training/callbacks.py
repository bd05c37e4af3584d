"""Callbacks: objects with hooks that a run calls with its solution so far, and that may end it."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from pinnkit.model.solution import Solution

HOOKS = ("on_start", "on_log", "on_stage", "on_resample", "on_end")


class _Stop(Enum):
    """What a hook may return."""

    STOP = "stop"


STOP = _Stop.STOP  # what a hook returns to end the run


class Hooks:
    """The callbacks of a run, in order: each hook that they have is called with the solution so far.

    Raises:
        TypeError: something that has no hook, or a class in the place of an object.
    """

    def __init__(self, callbacks: Any = (), observe: Callable[[Solution], None] | None = None) -> None:
        listed = tuple(callbacks) if isinstance(callbacks, Sequence) else (callbacks,)
        for callback in listed:
            if isinstance(callback, type):
                raise TypeError(f"callbacks: {callback.__name__} is a class: give an object, {callback.__name__}(...)")
            if not any(callable(getattr(callback, name, None)) for name in HOOKS):
                raise TypeError(
                    f"callbacks: {type(callback).__name__} has no hook: expected an object with some of the methods "
                    f"{', '.join(HOOKS)}, each of which takes the solution so far"
                )
        self._callbacks = listed if observe is None else (*listed, _Observer(observe))

    def call(self, hook: str, solution: Callable[[], Solution]) -> str | None:
        """Call one hook of all callbacks; the reason of the first that ends the run, None where none does.

        The solution is made only where somebody looks at it.
        """
        reason, seen = None, None
        for callback in self._callbacks:
            called = getattr(callback, hook, None)
            if called is None:
                continue
            seen = solution() if seen is None else seen
            said, name = "", type(callback).__name__
            try:
                ends = called(seen) is STOP
            except StopIteration as error:
                ends, said = True, f": {error}" if str(error) else ""
            if ends and reason is None:
                reason = f"stopped by {name}{said}"
        return reason


class _Observer:
    def __init__(self, observe: Callable[[Solution], None]) -> None:
        self._observe = observe

    def on_log(self, solution: Solution) -> None:
        """Show the solution; what comes back is nothing."""
        self._observe(solution)
