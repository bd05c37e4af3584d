"""Orbits of the equation's symmetries as families for the solver."""

from pinnkit.domain import Box
from pinnkit.lie.orbit import Orbit, orbits
from pinnkit.problem import Problem

from .family import Family, Range

MOST = 4  # parameters of an orbit that is searched
FURTHEST = 1000.0  # a parameter may go


def families(problem: Problem) -> list[Family]:
    """The orbits of a problem's equation, found from the equation alone, with ranges for their parameters.

    Raises:
        ValueError: an equation that is not linear and homogeneous.
    """
    found = [family(orbit, problem.domain) for orbit in orbits(problem)]
    return [f for f in found if f.count <= MOST]


def family(orbit: Orbit, box: Box) -> Family:
    """One orbit of a single field as a family of solutions on a box."""
    bounds = {s: tuple(ends) for s, ends in zip(orbit.coordinates, box.bounds.T.tolist(), strict=True)}
    pairs = orbit.ranges(bounds)
    ranges, named = [], {}
    for symbol, (low, high) in zip(orbit.parameters, pairs, strict=True):
        low, high = max(float(low), -FURTHEST), min(float(high), FURTHEST)
        ranges.append(Range(symbol.name, low, high, log=low > 0 and high > 20 * low))
        named[symbol] = ranges[-1].symbol
    return Family(orbit.name, orbit.solution[0].xreplace(named), orbit.coordinates, tuple(ranges))
