"""Random Fourier features."""

import math
from dataclasses import dataclass

import numpy as np

from pinnkit.domain.box import Domain
from pinnkit.network.base import FeatureMap
from pinnkit.network.jets.operations import Features
from pinnkit.tools.checked import Count, Positive, Whole, checked
from pinnkit.tools.serialise import register

from .scaled import affine, sinusoids


@register
@checked
@dataclass(frozen=True)
class Fourier(FeatureMap):
    """``count`` pairs sin(2 pi b.x), cos(2 pi b.x) of scaled coordinates, b ~ N(0, scale^2) (Tancik et al. 2020).

    One ``scale`` for all coordinates, or one for each: about the waves in half the domain's length along it.
    """

    count: Count = 16
    scale: Positive | tuple[Positive, ...] = 1.0
    seed: Whole = 0

    def build(self, domain: Domain) -> Features:
        """The features on that domain; ValueError where there are not as many scales as coordinates."""
        omega, phase = affine(domain)
        if isinstance(self.scale, tuple) and len(self.scale) != len(phase):
            raise ValueError(f"Fourier: {len(self.scale)} scales for the coordinates {', '.join(domain.names)}")
        normal = np.random.default_rng(self.seed).standard_normal((self.count, len(phase)))
        b = 2 * math.pi * np.asarray(self.scale) * normal
        rows, shift = b @ omega, b @ phase
        phases = np.concatenate([shift, shift + math.pi / 2])
        return sinusoids(np.concatenate([rows, rows]), phases, np.ones(2 * self.count, bool))
