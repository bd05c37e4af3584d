"""The coordinates themselves, scaled; and what all features of sines and cosines are made with."""

from dataclasses import dataclass

import numpy as np
import torch

from pinnkit.domain.box import Domain
from pinnkit.network.base import FeatureMap
from pinnkit.network.jets.operations import Features
from pinnkit.tools.serialise import register


def affine(domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """The map of the bounding box to [-1, 1]^d as (omega (d, d), phase (d,))."""
    lo, hi = domain.bounds
    return np.diag(2 / (hi - lo)), -(hi + lo) / (hi - lo)


def sinusoids(omega: np.ndarray, phase: np.ndarray, wave: np.ndarray) -> Features:
    """Features sin(omega x + phase) where ``wave``, omega x + phase elsewhere: (m, d), (m,), (m,)."""
    return Features(torch.as_tensor(omega), torch.as_tensor(phase), torch.as_tensor(wave, dtype=torch.bool))


@register
@dataclass(frozen=True)
class Scaled(FeatureMap):
    """The coordinates themselves, their bounding box scaled to [-1, 1]^d."""

    def build(self, domain: Domain) -> Features:
        """The features on that domain."""
        omega, phase = affine(domain)
        return sinusoids(omega, phase, np.zeros(len(phase), bool))
