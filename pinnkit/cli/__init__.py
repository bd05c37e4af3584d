"""The command line: one file a group of commands, which help lists in this order."""

from . import solving, reading, explaining  # noqa: F401, I001
from .shell import app, main

__all__ = ["app", "main"]
