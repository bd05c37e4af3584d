"""Harmonics of a period that is about known, beside the coordinates."""

import math
from dataclasses import dataclass

import numpy as np

from pinnkit.domain.box import Domain
from pinnkit.network.base import FeatureMap
from pinnkit.network.jets.operations import Features
from pinnkit.tools.checked import Count, Positive, checked
from pinnkit.tools.serialise import register

from .scaled import affine, sinusoids


@register
@checked
@dataclass(frozen=True)
class Oscillation(FeatureMap):
    """The scaled coordinates, and sin and cos of the first harmonics of an approximate period of one of them.

    The period is a hint, not a constraint: the network also sees the coordinate itself.

    Args:
        name: the coordinate.
        period: its period, in its unit.
        count: number of harmonics. Default 1.

    Example:
        >>> import pinnkit as pk
        >>> pk.Oscillation("t", 6.0).count
        1
    """

    name: str
    period: Positive
    count: Count = 1

    def build(self, domain: Domain) -> Features:
        """The features on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: a name that is no coordinate, or a period that is not positive.
        """
        if self.name not in domain.names or not 0 < self.period < math.inf:
            raise ValueError(f"{self}: expected one of {', '.join(domain.names)}, and a positive period")
        omega, phase = affine(domain)
        i, start = domain.names.index(self.name), domain.bounds[0][domain.names.index(self.name)]
        rows, phases = [*omega], [*phase]
        for k in range(1, self.count + 1):
            pulse = 2 * math.pi * k / self.period
            for turn in (0.0, math.pi / 2):
                rows.append(pulse * np.eye(len(phase))[i])
                phases.append(turn - pulse * start)
        return sinusoids(np.array(rows), np.array(phases), np.arange(len(rows)) >= len(phase))
