"""Callbacks: hooks that a run calls with its solution so far, and that may end it."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from typing_extensions import override

from pinnkit.model.solution import Solution

HOOKS = ("on_start", "on_log", "on_stage", "on_resample", "on_end")


class _Stop(Enum):
    """What a hook may return."""

    STOP = "stop"


STOP = _Stop.STOP  # what a hook returns to end the run


class Callback:
    """What a run calls with its solution so far: hooks that do nothing, of which a subclass overrides some.

    A hook that returns ``STOP`` or raises StopIteration ends the run. An object of any class that has some of these
    methods is a callback as well.
    """

    def on_start(self, solution: Solution) -> object:
        """Before the first step.

        Args:
            solution: the solution to begin with.
        """

    def on_log(self, solution: Solution) -> object:
        """At every row of the history.

        Args:
            solution: the solution so far.
        """

    def on_stage(self, solution: Solution) -> object:
        """After the last step of a stage.

        Args:
            solution: the solution so far.
        """

    def on_resample(self, solution: Solution) -> object:
        """After the first step on new points.

        Args:
            solution: the solution so far.
        """

    def on_end(self, solution: Solution) -> object:
        """At the end of the run.

        Args:
            solution: the final solution.
        """


class Hooks:
    """The callbacks of a run, in order: each hook that they have is called with the solution so far.

    Raises:
        TypeError: something that has no hook, or a class in the place of an object.
    """

    def __init__(self, callbacks: Any = (), observe: Callable[[Solution], None] | None = None) -> None:
        listed = tuple(callbacks) if isinstance(callbacks, Sequence) else (callbacks,)
        listed += () if observe is None else (_Observer(observe),)
        self._methods: dict[str, list[tuple[str, Callable[[Solution], object]]]] = {hook: [] for hook in HOOKS}
        for callback in listed:
            if isinstance(callback, type):
                raise TypeError(f"callbacks: {callback.__name__} is a class: give an object, {callback.__name__}(...)")
            name, own = type(callback).__name__, _methods(callback)
            if not own:
                raise TypeError(
                    f"callbacks: {name} has no hook: expected an object with some of the methods {', '.join(HOOKS)}, "
                    "each of which takes the solution so far"
                )
            for hook, method in own.items():
                self._methods[hook].append((name, method))

    def call(self, hook: str, solution: Callable[[], Solution]) -> str | None:
        """Call one hook of all callbacks; the reason of the first that ends the run, None where none does.

        The solution is made only where somebody looks at it.
        """
        reason, seen = None, None
        for name, method in self._methods[hook]:
            seen, said = solution() if seen is None else seen, ""
            try:
                ends = method(seen) is STOP
            except StopIteration as error:
                ends, said = True, f": {error}" if str(error) else ""
            if ends and reason is None:
                reason = f"stopped by {name}{said}"
        return reason


def _methods(callback: Any) -> dict[str, Callable[[Solution], object]]:
    """The hooks that a callback's class overrides; of a class that subclasses nothing here, those that it has.

    This is the only place that asks an object which hooks it has.
    """
    if isinstance(callback, Callback):
        own = [hook for hook, usual in _USUAL.items() if getattr(type(callback), hook) is not usual]
        return {hook: getattr(callback, hook) for hook in own}
    found = {hook: getattr(callback, hook, None) for hook in HOOKS}
    return {hook: method for hook, method in found.items() if callable(method)}


_USUAL = {hook: vars(Callback)[hook] for hook in HOOKS}


class _Observer(Callback):
    def __init__(self, observe: Callable[[Solution], None]) -> None:
        self._observe = observe

    @override
    def on_log(self, solution: Solution) -> None:
        self._observe(solution)
