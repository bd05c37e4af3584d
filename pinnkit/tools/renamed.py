"""Attributes under the names that they had before: they work for one release, and say their new name."""

import warnings
from typing import Any


def renamed(thing: Any, old: str, new: str) -> Any:
    """The attribute ``new`` of a thing that was asked for ``old``, its name of before; a DeprecationWarning says so."""
    message = f"{type(thing).__name__}.{old} is called {new} now: the old name goes with the next release"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return getattr(thing, new)
