"""The opponent: captum's influence functions on a plain torch module of the same residuals."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import pinnkit as pk
from pinnkit.network.jets.operations import Linear

Rows = Callable[[Tensor, Tensor], Sequence[Tensor]]  # points (n, d), network (n, fields) -> residuals (n, 1)


class Squares(nn.Module):
    """Points (n, d) -> squared residuals (n, K) by nested autograd; the parameters in theta's order.

    captum refuses a parameter that no residual needs (an output bias where only derivatives of u occur). ``helped``
    adds 0 times every parameter, which captum then accepts; it changes no value.
    """

    def __init__(self, model: pk.Model, theta: Tensor, rows: Rows, helped: bool = False) -> None:
        super().__init__()
        tape, self.rows, self.helped = model.tape, rows, helped
        self.omega, self.phase = tape.features.omega.to(theta), tape.features.phase.to(theta)
        self.layers = nn.ModuleList()
        for op in tape.operations:
            if isinstance(op, Linear):
                layer = nn.Linear(op.wide_in, op.wide_out, dtype=theta.dtype)
                with torch.no_grad():
                    for p, value in zip(layer.parameters(), op.weights(theta), strict=True):
                        p.copy_(value)
                self.layers.append(layer)

    def network(self, X: Tensor) -> Tensor:
        """The network's outputs (n, fields)."""
        h = torch.addmm(self.phase, X, self.omega.T)
        for layer in self.layers[:-1]:
            h = torch.tanh(layer(h))
        return self.layers[-1](h)

    def residuals(self, X: Tensor) -> Tensor:
        """The residuals (n, K)."""
        with torch.enable_grad():
            X = X.detach().requires_grad_()
            return torch.cat(list(self.rows(X, self.network(X))), 1)

    def forward(self, X: Tensor) -> Tensor:
        """The squared residuals (n, K)."""
        nothing = sum(0 * p.sum() for p in self.parameters()) if self.helped else 0
        return self.residuals(X).square() + nothing


class Row(nn.Module):
    """Points (n, d) -> one residual (n, 1) of several, helped: continuity, for one, does not need the output's bias."""

    def __init__(self, squares: Squares, k: int) -> None:
        super().__init__()
        self.squares, self.k = squares, k

    def forward(self, X: Tensor) -> Tensor:
        """The k-th residual (n, 1)."""
        return self.squares.residuals(X)[:, [self.k]] + sum(0 * p.sum() for p in self.parameters())


class Plain(nn.Module):
    """The loss that captum asks for, where the module's output is the loss already."""

    reduction = "none"

    def forward(self, squares: Tensor, _: Tensor) -> Tensor:
        """The squares (n, K) as they are."""
        return squares


def gradients(module: nn.Module, X: Tensor) -> Tensor:
    """captum's own loop, one backward pass a point through the graph of the whole batch: (n, P)."""
    from captum._utils.gradient import _compute_jacobian_wrt_params

    return torch.cat([g.flatten(1) for g in _compute_jacobian_wrt_params(module, (X,))], 1)


def arnoldi(module: Squares, X: Tensor, batch: int = 1024, **settings: Any) -> Any:
    """captum's ArnoldiInfluenceFunction on these points; its defaults are the published settings."""
    from captum.influence._core.arnoldi_influence_function import ArnoldiInfluenceFunction

    data = DataLoader(TensorDataset(X, torch.zeros(len(X))), batch_size=batch)
    return ArnoldiInfluenceFunction(module, data, "", lambda *_: 0.0, loss_fn=Plain(), **settings)


def start(module: Squares, seed: int = 0) -> Tensor:
    """The vector that captum's iteration starts from, shape (P,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.cat([torch.randn_like(p).flatten() for p in module.parameters()]).detach()
