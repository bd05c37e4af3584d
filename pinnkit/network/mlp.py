"""Networks as values: their shape, their features and their initial parameters."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.network.jets.activation import activation as find_activation
from pinnkit.network.jets.tape import Activate, Features, Gate, Linear, Tape
from pinnkit.tools.checked import Count, Positive, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.serialise import register


class FeatureMap(Protocol):
    """Fixed functions of the coordinates that a network sees instead of them."""

    def build(self, domain: Domain) -> Features:
        """The features on that domain."""


def _affine(domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """The map of the bounding box to [-1, 1]^d as (omega (d, d), phase (d,))."""
    lo, hi = domain.bounds
    return np.diag(2 / (hi - lo)), -(hi + lo) / (hi - lo)


def _features(omega: np.ndarray, phase: np.ndarray, wave: np.ndarray) -> Features:
    return Features(torch.as_tensor(omega), torch.as_tensor(phase), torch.as_tensor(wave, dtype=torch.bool))


@register
@dataclass(frozen=True)
class Scaled:
    """The coordinates themselves, their bounding box scaled to [-1, 1]^d."""

    def build(self, domain: Domain) -> Features:
        """The features on that domain."""
        omega, phase = _affine(domain)
        return _features(omega, phase, np.zeros(len(phase), bool))


@register
@checked
@dataclass(frozen=True)
class Fourier:
    """``count`` pairs sin(2 pi b.x), cos(2 pi b.x) of scaled coordinates, b ~ N(0, scale^2) (Tancik et al. 2020).

    One ``scale`` for all coordinates, or one for each: about the waves in half the domain's length along it.
    """

    count: Count = 16
    scale: Positive | tuple[Positive, ...] = 1.0
    seed: Whole = 0

    def build(self, domain: Domain) -> Features:
        """The features on that domain; ValueError where there are not as many scales as coordinates."""
        omega, phase = _affine(domain)
        if np.ndim(self.scale) and len(self.scale) != len(phase):
            raise ValueError(f"Fourier: {len(self.scale)} scales for the coordinates {', '.join(domain.names)}")
        normal = np.random.default_rng(self.seed).standard_normal((self.count, len(phase)))
        b = 2 * math.pi * np.asarray(self.scale) * normal
        rows, shift = b @ omega, b @ phase
        phases = np.concatenate([shift, shift + math.pi / 2])
        return _features(np.concatenate([rows, rows]), phases, np.ones(2 * self.count, bool))


@register
@checked
@dataclass(frozen=True)
class Harmonics:
    """sin and cos of the first ``count`` harmonics of the named coordinates: exactly periodic; others scaled."""

    names: tuple[str, ...]
    count: Count = 1

    def build(self, domain: Domain) -> Features:
        """The features on that domain; ValueError where a name is not a coordinate."""
        for name in self.names:
            if name not in domain.names:
                raise ValueError(f"Harmonics({name!r}): the domain's coordinates are {', '.join(domain.names)}")
        omega, phase = _affine(domain)
        rows, phases, wave = [], [], []
        for i, name in enumerate(domain.names):
            if name not in self.names:
                rows.append(omega[i]), phases.append(phase[i]), wave.append(False)
                continue
            for k in range(1, self.count + 1):
                for turn in (0.0, math.pi / 2):
                    rows.append(math.pi * k * omega[i]), phases.append(math.pi * k * phase[i] + turn), wave.append(True)
        return _features(np.array(rows), np.array(phases), np.array(wave))


@register
@checked
@dataclass(frozen=True)
class Oscillation:
    """The scaled coordinates, and sin and cos of the first ``count`` harmonics of a period that is about known.

    ``period`` belongs to the coordinate ``name``. It is a hint, no constraint: as the coordinate itself is seen too,
    what is not periodic, or of a period a little off, can be learnt.
    """

    name: str
    period: Positive
    count: Count = 1

    def build(self, domain: Domain) -> Features:
        """The features on that domain; ValueError where the name is not a coordinate, or the period not positive."""
        if self.name not in domain.names or not 0 < self.period < math.inf:
            raise ValueError(f"{self}: expected one of {', '.join(domain.names)}, and a positive period")
        omega, phase = _affine(domain)
        i, start = domain.names.index(self.name), domain.bounds[0][domain.names.index(self.name)]
        rows, phases = [*omega], [*phase]
        for k in range(1, self.count + 1):
            pulse = 2 * math.pi * k / self.period
            for turn in (0.0, math.pi / 2):
                rows.append(pulse * np.eye(len(phase))[i]), phases.append(turn - pulse * start)
        return _features(np.array(rows), np.array(phases), np.arange(len(rows)) >= len(phase))


class Network(Protocol):
    """A network as a value; parameters live in a vector theta (P,)."""

    def build(self, domain: Domain) -> Tape:
        """The evaluator on that domain: ``count`` parameters, ``run(theta, X, channels)`` -> a pass."""

    def initial(self, domain: Domain, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Starting parameters, shape (P,)."""


@checked
@dataclass(frozen=True)
class _Layered:
    """What MLP and ModifiedMLP share: sizes (inputs, hidden ..., outputs), activation, features."""

    sizes: tuple[int, ...]
    activation: str
    features: FeatureMap

    def __init__(self, *sizes: int, activation: str = "tanh", features: FeatureMap | None = None) -> None:
        if len(sizes) < 3 or any(not isinstance(s, int) or s < 1 for s in sizes):
            raise ValueError(
                f"{type(self).__name__}{sizes}: give at least three positive integers: inputs, hidden widths, outputs"
            )
        find_activation(activation)
        object.__setattr__(self, "sizes", tuple(sizes))
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "features", features if features is not None else Scaled())

    def _start(self, domain: Domain) -> tuple[Features, int]:
        if self.sizes[0] != len(domain.names):
            raise ValueError(
                f"the network takes {self.sizes[0]} inputs, the domain has {len(domain.names)} coordinates "
                f"({', '.join(domain.names)}): make the first size {len(domain.names)}"
            )
        features = self.features.build(domain)
        return features, features.count

    def initial(self, domain: Domain, seed: Whole, dtype: torch.dtype = torch.float64) -> Tensor:
        """Glorot-normal weights and zero biases, shape (P,) (Glorot, Bengio 2010)."""
        tape, generator = self.build(domain), torch.Generator().manual_seed(seed)
        afford(3 * dtype.itemsize * tape.count, f"a network of {tape.count} parameters", "give narrower hidden layers")
        theta = torch.zeros(tape.count, dtype=dtype)
        for op in tape.operations:
            if isinstance(op, Linear):
                W, _ = op.weights(theta)
                scale = math.sqrt(2 / (op.wide_in + op.wide_out))
                W.copy_(scale * torch.randn(W.shape, generator=generator, dtype=torch.float64))
        return theta


@register
@checked
class MLP(_Layered):
    """Fully connected network: ``MLP(2, 32, 32, 32, 1)`` maps 2 coordinates through 3 hidden layers to 1 field."""

    def build(self, domain: Domain) -> Tape:
        """The operations of the network on that domain; ValueError where the inputs do not match it."""
        features, wide = self._start(domain)
        operations: list = []
        offset = 0
        for i, out in enumerate(self.sizes[1:]):
            operations.append(Linear(len(operations), wide, out, offset))
            offset, wide = offset + operations[-1].count, out
            if i < len(self.sizes) - 2:
                operations.append(Activate(len(operations), find_activation(self.activation)))
        return Tape(features, tuple(operations), offset)


@register
@checked
class ModifiedMLP(_Layered):
    """MLP whose hidden layers are gated between two encoders (Wang, Teng, Perdikaris 2021); equal hidden widths."""

    def build(self, domain: Domain) -> Tape:
        """The operations of the network on that domain; ValueError where widths differ or inputs do not match."""
        hidden = self.sizes[1:-1]
        if len(set(hidden)) > 1:
            raise ValueError(f"ModifiedMLP needs hidden layers of one width, got {hidden}")
        features, wide = self._start(domain)
        sigma, width, offset = find_activation(self.activation), hidden[0], 0
        operations: list = []

        def layer(source: int, wide_in: int) -> int:
            nonlocal offset
            operations.append(Linear(source, wide_in, width, offset))
            offset += operations[-1].count
            operations.append(Activate(len(operations), sigma))
            return len(operations)

        u, v, h = layer(0, wide), layer(0, wide), layer(0, wide)
        for _ in hidden[1:]:
            operations.append(Gate(layer(h, width), u, v))
            h = len(operations)
        operations.append(Linear(h, width, self.sizes[-1], offset))
        return Tape(features, tuple(operations), offset + operations[-1].count)
