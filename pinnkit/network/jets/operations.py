"""The operations of a feed-forward network: features, linear layers, activations, gates."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pinnkit.network.base import FeatureEvaluator
from pinnkit.statement.symbolic.channels import Channels

from .activation import Activation


@dataclass(frozen=True, eq=False)
class Features(FeatureEvaluator):
    """Fixed functions of the coordinates: rows of ``omega x + phase``, passed through sin where ``wave``.

    Shapes: omega (m, d), phase (m,), wave (m,) booleans; with them every derivative is known in closed form.
    """

    omega: Tensor
    phase: Tensor
    wave: Tensor

    @property
    def count(self) -> int:
        """The number of features."""
        return len(self.phase)

    def jet(self, X: Tensor, channels: Channels) -> Tensor:
        """The channels of the features at points X (B, d), shape (C, B, m)."""
        omega, phase, plan, waves = _plan(self, channels, X.dtype, X.device)
        z = torch.addmm(phase, X, omega.T)
        out = z.new_empty(len(channels), *z.shape)
        if waves is None:
            for c, (slopes, _) in enumerate(plan):
                out[c] = z if slopes is None else slopes.expand_as(z)
            return out
        turned = [torch.sin(z[:, waves] + k * torch.pi / 2) for k in range(channels.order + 1)]
        for c, (slopes, terms) in enumerate(plan):
            out[c] = z if slopes is None else slopes.expand_as(z)
            out[c][:, waves] = sum(scale * turned[order] for order, scale in terms)
        return out


@lru_cache(maxsize=32)  # a run asks for a handful, and every run for others
def _plan(features: Features, channels: Channels, dtype: torch.dtype, device: torch.device) -> tuple:
    """Per channel: the constant slopes of the affine features (None for the value), and terms of the waves."""
    omega, phase = features.omega.to(device, dtype), features.phase.to(device, dtype)
    waves = features.wave.to(device).nonzero()[:, 0]
    plan = []
    for channel in channels.items:
        scales = [w * (omega ** torch.tensor(index).to(omega)).prod(1) for w, index in channel]
        orders = [sum(index) for _, index in channel]
        slopes = {0: None, 1: scales[0]}.get(orders[0], torch.zeros_like(phase))
        plan.append((slopes, [(order, scale[waves]) for order, scale in zip(orders, scales, strict=True)]))
    return omega, phase, plan, waves if len(waves) else None


@dataclass(frozen=True)
class Linear:
    """z = W h + b; weights at ``offset`` of the parameter vector, rows of W first, then b."""

    source: int
    wide_in: int
    wide_out: int
    offset: int

    def weights(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Views of W (out, in) and b (out,) in the parameter vector."""
        n = self.wide_out * self.wide_in
        W = theta[self.offset : self.offset + n].view(self.wide_out, self.wide_in)
        return W, theta[self.offset + n : self.offset + n + self.wide_out]

    @property
    def count(self) -> int:
        """The number of parameters."""
        return self.wide_out * (self.wide_in + 1)


@dataclass(frozen=True)
class Activate:
    """h = sigma(z), elementwise."""

    source: int
    activation: Activation


@dataclass(frozen=True)
class Gate:
    """h = v + f * (u - v), elementwise: the mixing step of the modified MLP (Wang, Teng, Perdikaris 2021)."""

    f: int
    u: int
    v: int


Operation = Linear | Activate | Gate
