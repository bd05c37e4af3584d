"""Fully connected networks, plain and gated, as values: sizes, activation, features."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.network.features.scaled import Scaled
from pinnkit.network.jets.activation import activation as find_activation
from pinnkit.network.jets.operations import Activate, Gate, Linear, Operation
from pinnkit.network.jets.tape import Tape
from pinnkit.tools.checked import Positive, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.serialise import register

from .base import FeatureEvaluator, FeatureMap, Network, periodic


@checked
@dataclass(frozen=True)
class Layered(Network):
    """What MLP and ModifiedMLP share: sizes (inputs, hidden ..., outputs), activation, features."""

    sizes: tuple[int, ...]
    activation: str
    features: FeatureMap
    bandwidth: float = 1.0

    def __init__(
        self, *sizes: int, activation: str = "tanh", features: FeatureMap | None = None, bandwidth: Positive = 1.0
    ) -> None:
        if len(sizes) < 3 or any(not isinstance(s, int) or s < 1 for s in sizes):
            raise ValueError(
                f"{type(self).__name__}{sizes}: give at least three positive integers: inputs, hidden widths, outputs"
            )
        find_activation(activation)
        object.__setattr__(self, "sizes", tuple(sizes))
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "features", features if features is not None else Scaled())
        object.__setattr__(self, "bandwidth", float(bandwidth))

    @property
    def periodic(self) -> tuple[str, ...]:
        """The coordinates of which the features are periodic."""
        return periodic(self.features)

    def _start(self, domain: Domain) -> tuple[FeatureEvaluator, int]:
        if self.sizes[0] != len(domain.names):
            raise ValueError(
                f"the network takes {self.sizes[0]} inputs, the domain has {len(domain.names)} coordinates "
                f"({', '.join(domain.names)}): make the first size {len(domain.names)}"
            )
        features = self.features.build(domain)
        return features, features.count

    def resized(self, *hidden: int) -> Self:
        """The same kind of network with other hidden layers.

        Args:
            hidden: their widths.
        """
        sizes = self.sizes[0], *hidden, self.sizes[-1]
        return type(self)(*sizes, activation=self.activation, features=self.features, bandwidth=self.bandwidth)

    @abstractmethod
    def build(self, domain: Domain) -> Tape:
        """The operations of the network on that domain; ValueError where the inputs do not match it."""

    def initial(self, domain: Domain, seed: Whole, dtype: torch.dtype = torch.float64) -> Tensor:
        """The first parameters: normal weights of variance 2 / (inputs + outputs) of a layer, biases 0.

        With a bandwidth b other than 1 the weights of the first layer are times b, its biases uniform in [-b, b].

        Args:
            domain: the domain.
            seed: seed of the draw.
            dtype: precision. Default float64.

        Returns:
            A tensor (P,).

        Raises:
            ValueError: the inputs do not match the domain.
            MemoryError: the network needs more memory than there is.

        Source:
            Glorot, Bengio, AISTATS (2010), eq. 12.
        """
        tape, generator = self.build(domain), torch.Generator().manual_seed(seed)
        afford(3 * dtype.itemsize * tape.count, f"a network of {tape.count} parameters", "give narrower hidden layers")
        theta = torch.zeros(tape.count, dtype=dtype)
        for op in tape.operations:
            if isinstance(op, Linear):
                W, b = op.weights(theta)
                scale = math.sqrt(2 / (op.wide_in + op.wide_out))
                W.copy_(scale * torch.randn(W.shape, generator=generator, dtype=torch.float64))
                if op.source == 0 and self.bandwidth != 1:
                    W.mul_(self.bandwidth)
                    b.copy_(self.bandwidth * (2 * torch.rand(b.shape, generator=generator, dtype=torch.float64) - 1))
        return theta


@checked
class MLP(Layered):
    """Fully connected network N(x) = W_L s(... s(W_1 x + b_1) ...) + b_L, on coordinates scaled to [-1, 1].

    Args:
        sizes: number of coordinates, widths of the hidden layers, number of fields: ``MLP(2, 32, 32, 1)``.
        activation: the function s, such as "tanh" (default: smooth, as derivatives need), "sin" or "gelu".
        features: what the network sees instead of the coordinates, such as :class:`Fourier`. Default None.
        bandwidth: a factor of the first layer's initial weights: about the number of oscillations that the fields have
            across the domain. Default 1: smooth fields.

    Raises:
        ValueError: fewer than three sizes, or an unknown activation.

    Example:
        >>> import pinnkit as pk
        >>> problem = pk.problem("heat")
        >>> pk.MLP(2, 8, 1).initial(problem.domain, seed=0).shape
        torch.Size([33])
    """

    def build(self, domain: Domain) -> Tape:
        """The operations of the network on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: the inputs do not match the domain.
        """
        features, wide = self._start(domain)
        operations: list[Operation] = []
        offset = 0
        for i, out in enumerate(self.sizes[1:]):
            layer = Linear(len(operations), wide, out, offset)
            operations.append(layer)
            offset, wide = offset + layer.count, out
            if i < len(self.sizes) - 2:
                operations.append(Activate(len(operations), find_activation(self.activation)))
        return Tape(features, tuple(operations), offset)


@checked
class ModifiedMLP(Layered):
    """MLP whose hidden layers are gated: h <- z U + (1 - z) V, with two encoders U, V of the coordinates.

    Args:
        sizes: number of coordinates, equal widths of the hidden layers, number of fields.
        activation: as in :class:`MLP`.
        features: as in :class:`MLP`.
        bandwidth: as in :class:`MLP`.

    Raises:
        ValueError: fewer than three sizes, or an unknown activation; on building, hidden widths that differ.

    Source:
        Wang, Teng, Perdikaris, SIAM J. Sci. Comput. 43 (2021).

    Example:
        >>> import pinnkit as pk
        >>> pk.ModifiedMLP(2, 16, 16, 1).sizes
        (2, 16, 16, 1)
    """

    def build(self, domain: Domain) -> Tape:
        """The operations of the network on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: hidden widths that differ, or inputs that do not match the domain.
        """
        hidden = self.sizes[1:-1]
        if len(set(hidden)) > 1:
            raise ValueError(f"ModifiedMLP needs hidden layers of one width, got {hidden}")
        features, wide = self._start(domain)
        sigma, width, offset = find_activation(self.activation), hidden[0], 0
        operations: list[Operation] = []

        def layer(source: int, wide_in: int) -> int:
            nonlocal offset
            first = Linear(source, wide_in, width, offset)
            operations.append(first)
            offset += first.count
            operations.append(Activate(len(operations), sigma))
            return len(operations)

        u, v, h = layer(0, wide), layer(0, wide), layer(0, wide)
        for _ in hidden[1:]:
            operations.append(Gate(layer(h, width), u, v))
            h = len(operations)
        last = Linear(h, width, self.sizes[-1], offset)
        return Tape(features, (*operations, last), offset + last.count)


def _maker(kind: type[Layered]) -> Callable[..., Network]:
    """What takes the entries of a file: sizes are given one by one."""
    return lambda sizes, **settings: kind(*sizes, **settings)


register(MLP, _maker(MLP))
register(ModifiedMLP, _maker(ModifiedMLP))
