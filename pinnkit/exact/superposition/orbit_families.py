"""Orbits of the equation's symmetries as families for the solver."""

import numpy as np

from pinnkit.domain.box import Domain
from pinnkit.exact.lie.orbit import Orbit, orbits
from pinnkit.statement.problem import Problem
from pinnkit.tools.sequences import unit_points

from .family import Family, Range

MOST = 4  # parameters of an orbit that is searched
FURTHEST = 1000.0  # a parameter may go


def orbit_families(problem: Problem) -> list[Family]:
    """The orbits of a problem's equation, found from the equation alone, with ranges for their parameters.

    Raises:
        ValueError: an equation that is not linear and homogeneous.
    """
    found = orbits(problem)
    if problem.domain.time is None:  # a singularity inside would not be seen from the boundary
        found = [orbit for orbit in found if not orbit.domain]
    return [f for f in (family(orbit, problem.domain) for orbit in found) if f.count <= MOST]


def drawn(family: Family, count: int, seed: int) -> np.ndarray:
    """Parameters (count, p) of members of a family, over all scales of its ranges: a linear dictionary for a start."""
    u = unit_points(count, 2 * family.count, "sobol", seed)
    size, side = 10.0 ** (-3 * u[:, : family.count]), u[:, family.count :]
    lower, upper = family.bounds
    wide = (lower < 0) & (upper > 0)
    z = np.where(wide, np.where(side < 0.5, lower, upper) * size, lower + (upper - lower) * side)
    return family.from_scale(z)


def family(orbit: Orbit, box: Domain) -> Family:
    """One orbit as a family of solutions on a box."""
    bounds = {s: tuple(ends) for s, ends in zip(orbit.coordinates, box.bounds.T.tolist(), strict=True)}
    pairs = orbit.ranges(bounds)
    ranges, named = [], {}
    for symbol, (low, high) in zip(orbit.parameters, pairs, strict=True):
        low, high = max(float(low), -FURTHEST), min(float(high), FURTHEST)
        ranges.append(Range(symbol.name, low, high, log=low > 0 and high > 20 * low))
        named[symbol] = ranges[-1].symbol
    phi = tuple(e.xreplace(named) for e in orbit.solution)
    return Family(orbit.name, phi if len(phi) > 1 else phi[0], orbit.coordinates, tuple(ranges))
