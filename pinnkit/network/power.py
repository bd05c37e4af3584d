"""Features that begin as powers which are no whole numbers: networks for solutions with a singular memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.statement.symbolic.singular_memory import Memory

from .base import FeatureEvaluator, FeatureMap, Network
from .linearised import Linearised
from .mlp import Layered


def with_powers(network: Network, memories: Sequence[Memory]) -> Network:
    """The network that sees a feature (t - start)^power more for every memory; others than stacks of layers as is."""
    if not memories:
        return network
    if isinstance(network, Linearised):
        return replace(network, network=with_powers(network.network, memories))
    if not isinstance(network, Layered):
        return network
    return type(network)(
        *network.sizes, activation=network.activation, features=Powers(network.features, tuple(memories))
    )


@dataclass(frozen=True)
class Powers(FeatureMap):
    """Another network's features, and 2 ((t - start) / T)^power - 1 for every memory."""

    base: FeatureMap
    memories: tuple[Memory, ...]

    def build(self, domain: Domain) -> "PowerFeatures":
        """The features on that domain, from -1 to 1."""
        ends = domain.bounds[1].tolist()
        lengths = tuple(ends[m.coordinate] - m.start for m in self.memories)
        return PowerFeatures(self.base.build(domain), self.memories, lengths)


@dataclass(frozen=True, eq=False)
class PowerFeatures(FeatureEvaluator):
    """Features ``base`` and powers, on one domain."""

    base: FeatureEvaluator
    memories: tuple[Memory, ...]
    lengths: tuple[float, ...]

    @property
    def count(self) -> int:
        """The number of features."""
        return self.base.count + len(self.memories)

    def jet(self, X: Tensor, channels: Channels) -> Tensor:
        """The channels of the features at points X (B, d), shape (C, B, m); derivatives are infinite at the start."""
        powers = [self._power(X, channels, m, T) for m, T in zip(self.memories, self.lengths, strict=True)]
        return torch.cat([self.base.jet(X, channels), *(p[..., None] for p in powers)], 2)

    def _power(self, X: Tensor, channels: Channels, memory: Memory, length: float) -> Tensor:
        out, i = X.new_zeros(len(channels), len(X)), memory.coordinate
        z = ((X[:, i] - memory.start) / length).clamp(min=0.0)
        for c, channel in enumerate(channels.items):
            for w, index in channel:
                n = index[i]
                if sum(index) > n:
                    continue
                factor = math.prod(memory.power - k for k in range(n)) / length**n
                out[c] += w * (2 * factor * z ** (memory.power - n) - float(n == 0))
        return out
