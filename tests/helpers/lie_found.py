"""The symmetries of the equations in the benchmarks' table and their flows, found once for all tests."""

from functools import cache

import pinnkit as pk
from benchmarks.lie.lie_equations import system


@cache
def found(name: str) -> pk.Symmetries:
    """The symmetries of the equations of that name."""
    return pk.symmetries(*system(name))


@cache
def flows(name: str) -> tuple[pk.Flow | None, ...]:
    """The closed flow of every generator that moves the coordinates by themselves, None where there is none."""
    return tuple(pk.flow(v) for v in found(name) if v.projectable)
