"""The symmetries of the equations in the benchmarks' table, found once for all tests."""

from functools import cache

import pinnkit as pk
from benchmarks.lie_equations import system


@cache
def found(name: str) -> pk.Symmetries:
    """The symmetries of the equations of that name."""
    return pk.symmetries(*system(name))
