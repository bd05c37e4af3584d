"""Names of before: arguments and attributes under them work for one release, and say their new name."""

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Thing = TypeVar("Thing")


def renamed(**names: str) -> Callable[[Thing], Thing]:
    """For a function or class: arguments and, of a class, attributes that had other names before, as ``old="new"``.

    Both names at once are a TypeError; the old one alone comes with a DeprecationWarning.
    """

    def taking(thing: Any) -> Any:
        if not inspect.isclass(thing):
            return _taking(thing, thing.__name__, names)
        setattr(thing, "__init__", _taking(thing.__init__, thing.__name__, names))  # noqa: B010  # mypy: a method
        for old, new in names.items():
            setattr(thing, old, property(_attribute(old, new), doc=f"The old name of ``{new}``."))
        return thing

    return taking


def _taking(function: Callable, label: str, names: dict[str, str]) -> Callable:
    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        for old in names.keys() & named.keys():
            if names[old] in named:
                raise TypeError(f"{label}: {old} is the old name of {names[old]}: give one of them")
            _warn(f"{label}: the argument {old}", names[old])
            named[names[old]] = named.pop(old)
        return function(*args, **named)

    return call


def _attribute(old: str, new: str) -> Callable[[Any], Any]:
    def get(self: Any) -> Any:
        _warn(f"{type(self).__name__}.{old}", new)
        return getattr(self, new)

    return get


def _warn(what: str, new: str) -> None:
    warnings.warn(
        f"{what} is called {new} now: the old name goes with the next release", DeprecationWarning, stacklevel=3
    )
