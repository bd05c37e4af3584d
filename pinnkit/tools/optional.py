"""Packages that only some need: imported where they are used, with a sentence where they are missing."""

from importlib import import_module
from typing import Any


def optional(package: str, extra: str, what: str) -> Any:
    """The package.

    Raises:
        ImportError: it is missing; what needs it, and the extra of pinnkit that installs it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        cure = f"pip install 'pinnkit[{extra}]'"
        raise ImportError(f"{what} needs {name}, which cannot be imported ({error}): {cure}") from error
