"""A network made linear in its parameters: the tangent of another one where that one stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.tools.checked import Whole, checked
from pinnkit.tools.serialise import register

from .base import Evaluator, Network, Pass, Pool, evaluator, periodic
from .mlp import Layered


@checked
@dataclass(frozen=True, eq=False)
class Linearised(Network):
    """The tangent model N(x) + J_N(x) d of a network at fixed parameters, J_N = dN/dtheta; d (P,) is trained.

    Args:
        network: the network N.
        at: its parameters (P,).

    Source:
        Jacot, Gabriel, Hongler, NeurIPS (2018).

    Example:
        >>> import pinnkit as pk
        >>> import torch
        >>> network, box = pk.MLP(2, 4, 1), pk.Box(x=(0, 1), t=(0, 1))
        >>> print(pk.Linearised(network, network.initial(box, 0, torch.float64)))
        MLP(2, 4, 1), linearised where it stood
    """

    network: Network
    at: Tensor

    @property
    def periodic(self) -> tuple[str, ...]:
        """The coordinates of which the network is exactly periodic."""
        return periodic(self.network)

    @override
    def build(self, domain: Domain) -> "LinearisedTape":
        base = evaluator(self.network, domain)
        if self.at.shape != (base.count,):
            raise ValueError(f"{self.network} has {base.count} parameters: it cannot stand at {tuple(self.at.shape)}")
        return LinearisedTape(base, self.at)

    @override
    def initial(self, domain: Domain, seed: Whole, dtype: torch.dtype = torch.float64) -> Tensor:
        del domain, seed
        return torch.zeros(len(self.at), dtype=dtype)

    def to_json(self) -> dict[str, Any]:
        """The network and its parameters, as a file holds them."""
        return {"network": self.network, "at": self.at.tolist()}

    def __str__(self) -> str:
        base = self.network
        name = type(base).__name__ + (f"({', '.join(map(str, base.sizes))})" if isinstance(base, Layered) else "")
        return f"{name}, linearised where it stood"


def linearised(network: Network, at: Sequence[float]) -> Linearised:
    """The linearised network that ``to_json`` was asked for."""
    return Linearised(network, torch.tensor(at, dtype=torch.float64))


class LinearisedTape(Evaluator):
    """The evaluator of a linearised network, with d in the place of theta."""

    def __init__(self, base: Evaluator, at: Tensor) -> None:
        self._base, self._at = base, at
        self.count: int = base.count

    @property
    def width(self) -> int:
        """The widest layer."""
        return self._base.width

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> "LinearisedPass":
        """Evaluate the channels at points X (B, d) for the trained d ``theta`` (P,)."""
        run = self._base.run(self._at.to(theta), X, channels, pool)
        return LinearisedPass(run, run.output + run.tangent(theta) if bool(theta.any()) else run.output)

    def sweep(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None, pool: Pool | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The channels and their derivative along v (P,), each (C, B, n), where no reverse pass follows."""
        at = self._at.to(theta)
        if not bool(theta.any()):  # the network itself: its value and tangent come in one pass
            return self._base.sweep(at, X, channels, v, pool)
        N, moved = self._base.sweep(at, X, channels, theta, pool)
        assert moved is not None  # there is a direction
        output = N + moved
        return output, None if v is None else self._base.sweep(at, X, channels, v, pool)[1]

    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The channels and their derivative along v (P,), each (C, B, n), in torch operations alone."""
        at = self._at.to(theta)
        N, moved = self._base.followed(at, X, channels, theta)
        assert moved is not None  # there is a direction
        return N + moved, None if v is None else self._base.followed(at, X, channels, v)[1]


class LinearisedPass(Pass):
    """One evaluation; derivatives are by d, so those of N stay."""

    def __init__(self, run: Pass, output: Tensor) -> None:
        self._run = run
        self.output: Tensor = output

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n)."""
        return self._run.tangent(v)

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by d, shape (P,)."""
        return self._run.reverse(G)

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add every point's own gradient to the rows of out (B, P)."""
        self._run.rows(G, out)

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` while G moves by dG, shape (P,); d does not bend the output."""
        del v, G
        return self._run.reverse(dG)


register(Linearised, linearised)
