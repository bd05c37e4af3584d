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
    """Random Fourier features sin(2 pi b.x), cos(2 pi b.x) of the coordinates scaled to [-1, 1], with b ~ N(0,
    scale^2).

    Args:
        count: number of pairs.
        scale: standard deviation of b, one for all coordinates or one for each: about the number of waves in half the
            domain.
        seed: seed of b.

    Source:
        Tancik et al., NeurIPS (2020), section 4.

    Example:
        >>> import pinnkit as pk
        >>> pk.MLP(2, 16, 1, features=pk.Fourier(8, scale=2.0)).features.count
        8
    """

    count: Count = 16
    scale: Positive | tuple[Positive, ...] = 1.0
    seed: Whole = 0

    def build(self, domain: Domain) -> Features:
        """The features on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: not as many scales as coordinates.
        """
        omega, phase = affine(domain)
        if isinstance(self.scale, tuple) and len(self.scale) != len(phase):
            raise ValueError(f"Fourier: {len(self.scale)} scales for the coordinates {', '.join(domain.names)}")
        normal = np.random.default_rng(self.seed).standard_normal((self.count, len(phase)))
        b = 2 * math.pi * np.asarray(self.scale) * normal
        rows, shift = b @ omega, b @ phase
        phases = np.concatenate([shift, shift + math.pi / 2])
        return sinusoids(np.concatenate([rows, rows]), phases, np.ones(2 * self.count, bool))
