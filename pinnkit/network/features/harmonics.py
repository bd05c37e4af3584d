"""Harmonics of coordinates: what is exactly periodic."""

import math
from dataclasses import dataclass

import numpy as np

from pinnkit.domain.box import Domain
from pinnkit.network.base import FeatureMap
from pinnkit.network.jets.operations import Features
from pinnkit.tools.checked import Count, checked
from pinnkit.tools.serialise import register

from .scaled import affine, sinusoids


@register
@checked
@dataclass(frozen=True)
class Harmonics(FeatureMap):
    """sin and cos of the first harmonics of named coordinates, which make the network exactly periodic; others are
    scaled.

    Args:
        names: the periodic coordinates; the period is their extent in the domain.
        count: number of harmonics. Default 1.

    Example:
        >>> import pinnkit as pk
        >>> pk.Harmonics(("x",), 2)
        Harmonics(names=('x',), count=2)
    """

    names: tuple[str, ...]
    count: Count = 1

    @property
    def periodic(self) -> tuple[str, ...]:
        """The named coordinates."""
        return self.names

    def build(self, domain: Domain) -> Features:
        """The features on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: a name that is no coordinate.
        """
        for name in self.names:
            if name not in domain.names:
                raise ValueError(f"Harmonics({name!r}): the domain's coordinates are {', '.join(domain.names)}")
        omega, phase = affine(domain)
        rows, phases, wave = [], [], []
        for i, name in enumerate(domain.names):
            if name not in self.names:
                rows.append(omega[i])
                phases.append(phase[i])
                wave.append(False)
                continue
            for k in range(1, self.count + 1):
                for turn in (0.0, math.pi / 2):
                    rows.append(math.pi * k * omega[i])
                    phases.append(math.pi * k * phase[i] + turn)
                    wave.append(True)
        return sinusoids(np.array(rows), np.array(phases), np.array(wave))
