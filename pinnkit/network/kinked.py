"""Features with kinks: networks whose derivatives of one order may jump on planes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.network.features.scaled import Scaled
from pinnkit.network.jets.operations import Features
from pinnkit.statement.singular.kink import Kink, Plane, Stretch, stretches
from pinnkit.statement.symbolic.channels import Channels

from .base import FeatureEvaluator, FeatureMap, Network
from .linearised import Linearised
from .mlp import Layered


def with_kinks(network: Network, kinks: Sequence[Kink]) -> Network:
    """The network that sees a feature more for every kink.

    Raises:
        ValueError: a network whose inputs cannot be extended.
    """
    if not kinks:
        return network
    if isinstance(network, Linearised):
        return replace(network, network=with_kinks(network.network, kinks))
    if not isinstance(network, Layered) and not any(kink.needed for kink in kinks):
        return network
    if not isinstance(network, Layered):
        raise ValueError(
            f"the problem has a point load or a jumping coefficient, and a {type(network).__name__} has no input for "
            "the kinks of its solution: use pk.MLP or pk.ModifiedMLP, or state one problem for each side"
        )
    features = Kinked(network.features, tuple(kinks))
    return type(network)(*network.sizes, activation=network.activation, features=features)


@dataclass(frozen=True)
class Kinked(FeatureMap):
    """Another network's features, the stretched coordinates, and sign(s) s^power of the height s over every kink."""

    base: FeatureMap
    kinks: tuple[Kink, ...]

    def build(self, domain: Domain) -> "KinkFeatures":
        """The features on that domain, all of size about 1."""
        maps, (lo, hi) = stretches(self.kinks, domain), domain.bounds.tolist()
        bends = [
            KinkFunction(
                Plane.across(i, len(lo), (lo[i] + hi[i]) / 2), (lo[i] + hi[i]) / 2, 1, (hi[i] - lo[i]) / 2, m, False
            )
            for i, m in maps.items()
        ]
        for kink in self.kinks:
            plane = kink.plane
            stretch = maps.get(plane.main) if len(plane.support) == 1 else None
            origin = plane.offset if stretch is None else stretch.at(plane.offset)
            size = max(abs(end + plane.offset - origin) for end in plane.range(domain))
            bends.append(KinkFunction(plane, origin, kink.power, size, stretch, True))
        base = self.base.build(domain)
        if isinstance(base, Features) and isinstance(self.base, Scaled):  # stretched coordinates stand for their own
            kept = [i for i in range(len(lo)) if i not in maps]
            base = Features(base.omega[kept], base.phase[kept], base.wave[kept])
        return KinkFeatures(base, tuple(bends), any(kink.needed for kink in self.kinks))


@dataclass(frozen=True)
class KinkFunction:
    """(s / size)^power, times sign(s) if ``signed``: s = h - origin, h the stretched coordinate or normal . x."""

    plane: Plane
    origin: float
    power: int
    size: float
    stretch: Stretch | None
    signed: bool

    def jet(self, X: Tensor, channels: Channels) -> Tensor:
        """The channels at points X (B, d), shape (C, B); on the plane they have the values from above."""
        height, slope = self.plane.height(X), torch.ones_like(X[:, 0])
        s = height + (self.plane.offset - self.origin)
        if self.stretch is not None:
            value, slope = self.stretch(X[:, self.plane.main])
            s = value - self.origin
        side = torch.where(height >= 0, 1.0, -1.0).to(s) if self.signed else torch.ones_like(s)
        out = X.new_zeros(len(channels), X.shape[0])
        for c, channel in enumerate(channels.items):
            for w, index in channel:
                n = sum(index)
                weight = w * math.prod(a**k for a, k in zip(self.plane.normal, index, strict=True))
                if n <= self.power and weight:
                    weight *= math.perm(self.power, n) / self.size**self.power
                    out[c] += weight * side * s ** (self.power - n) * slope**n
        return out


@dataclass(frozen=True, eq=False)
class KinkFeatures(FeatureEvaluator):
    """Features ``base`` and bends, on one domain.

    Raises:
        TypeError: points in single precision where both ``sides`` of a plane are needed, which it cannot tell apart.
    """

    base: FeatureEvaluator
    bends: tuple[KinkFunction, ...]
    sides: bool

    @property
    def count(self) -> int:
        """The number of features."""
        return self.base.count + len(self.bends)

    def jet(self, X: Tensor, channels: Channels) -> Tensor:
        """The channels of the features at points X (B, d), shape (C, B, m)."""
        if self.sides and X.dtype != torch.float64:
            raise TypeError(f"point loads and jumping coefficients need dtype torch.float64, got {X.dtype}")
        return torch.cat([self.base.jet(X, channels), *(bend.jet(X, channels)[..., None] for bend in self.bends)], 2)
