"""What tests of features share: their jets against derivatives by autograd."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Channels, partial


def check_jet(
    features: Any, by_hand: Callable[[Tensor], Tensor], domain: Domain, more: Iterable[Any] = ()
) -> tuple[Channels, Tensor]:
    """Features of the plane and all their derivatives up to order 3 against autograd; channels and jet."""
    X = domain.sample(20, seed=1).requires_grad_()
    indices = [i for i in itertools.product(range(4), repeat=2) if sum(i) <= 3]
    channels = Channels.closed(2, {*map(partial, indices), *more})
    jet = features.jet(X.detach(), channels)
    assert jet.shape == (len(channels), 20, features.count)
    for index in indices:
        columns = []
        for column in by_hand(X).unbind(1):
            for i in [i for i, n in enumerate(index) for _ in range(n)]:
                slope = torch.autograd.grad(column.sum(), X, create_graph=True, allow_unused=True)[0]
                column = slope[:, i] if slope is not None else torch.zeros_like(column, requires_grad=True)
            columns.append(column)
        expected = torch.stack(columns, 1).detach()
        assert torch.allclose(jet[channels.position(partial(index))], expected, rtol=1e-11, atol=1e-11)
    return channels, jet
