"""Logarithms of distances to faces as features: values, derivatives, and what makes no sense."""

import itertools
import math

import pytest
import torch

import pinnkit as pk
from pinnkit.settings import decode, encode
from pinnkit.taylor import Channels, partial

DOMAIN = pk.Box(x=(0, 2), y=(-1, 1))
FEATURES = pk.LogDistance(("x_min", "y_max"), 0.05)


def by_hand(X: torch.Tensor) -> torch.Tensor:
    distances = torch.stack([X[:, 0] / 2, (1 - X[:, 1]) / 2], 1)
    logarithms = 2 * torch.log1p(distances / 0.05) / math.log(21) - 1
    return torch.cat([X - X.new_tensor([1, 0]), logarithms], 1)


def test_values_and_derivatives():
    features, X = FEATURES.build(DOMAIN), DOMAIN.sample(20, seed=1).requires_grad_()
    indices = [i for i in itertools.product(range(4), repeat=2) if sum(i) <= 3]
    channels = Channels.closed(2, set(map(partial, indices)))
    jet = features.jet(X.detach(), channels)
    assert features.count == 4 and jet.shape == (len(channels), 20, 4)
    for index in indices:
        columns = []
        for column in by_hand(X).unbind(1):
            for i in [i for i, n in enumerate(index) for _ in range(n)]:
                slope = torch.autograd.grad(column.sum(), X, create_graph=True, allow_unused=True)[0]
                column = slope[:, i] if slope is not None else torch.zeros_like(column, requires_grad=True)
            columns.append(column)
        expected = torch.stack(columns, 1).detach()
        assert torch.allclose(jet[channels.position(partial(index))], expected, rtol=1e-11, atol=1e-11)


def test_the_faces_are_the_ends_of_the_scale():
    jet = FEATURES.build(DOMAIN).jet(torch.tensor([[0.0, 1.0], [2.0, -1.0]]).double(), Channels.closed(2, {}))
    assert torch.allclose(jet[0, :, 2:], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).double(), atol=1e-12)


def test_a_network_with_it():
    net = pk.MLP(2, 5, 1, features=FEATURES)
    assert net.build(DOMAIN).count == 4 * 5 + 5 + 5 + 1
    assert decode(encode(net)) == net


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match="give a tuple of names, as"):
        pk.LogDistance("x_min")
    with pytest.raises(ValueError, match="give a positive width"):
        pk.LogDistance(("x_min",), 0.0)
    with pytest.raises(ValueError, match="no face 'z_min' here: choose among x_min, x_max, y_min, y_max"):
        pk.LogDistance(("z_min",)).build(DOMAIN)
