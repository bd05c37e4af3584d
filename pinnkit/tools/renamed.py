"""Attributes under the names that they had before: they work for one release, and say their new name."""

import warnings
from typing import Any


def renamed(old: str, new: str) -> property:
    """The property ``old`` of a class whose attribute is called ``new`` now; using it warns."""

    def value(thing: Any) -> Any:
        message = f"{type(thing).__name__}.{old} is called {new} now: the old name goes with the next release"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(thing, new)

    return property(value, doc=f"The old name of ``{new}``.")
