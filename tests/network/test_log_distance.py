"""Logarithms of distances to faces as features: values, derivatives, and what makes no sense."""

import math

import pytest
import torch
from features import check_jet

import pinnkit as pk
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.tools.serialise import decode, encode

DOMAIN = pk.Box(x=(0, 2), y=(-1, 1))
FEATURES = pk.LogDistance(("x_min", "y_max"), 0.05)


def by_hand(X: torch.Tensor) -> torch.Tensor:
    distances = torch.stack([X[:, 0] / 2, (1 - X[:, 1]) / 2], 1)
    logarithms = 2 * torch.log1p(distances / 0.05) / math.log(21) - 1
    return torch.cat([X - X.new_tensor([1, 0]), logarithms], 1)


def test_values_and_derivatives():
    features = FEATURES.build(DOMAIN)
    check_jet(features, by_hand, DOMAIN)
    assert features.count == 4


def test_the_faces_are_the_ends_of_the_scale():
    jet = FEATURES.build(DOMAIN).jet(torch.tensor([[0.0, 1.0], [2.0, -1.0]]).double(), Channels.closed(2, {}))
    assert torch.allclose(jet[0, :, 2:], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).double(), atol=1e-12)


def test_a_network_with_it():
    net = pk.MLP(2, 5, 1, features=FEATURES)
    assert net.build(DOMAIN).count == 4 * 5 + 5 + 5 + 1
    assert decode(encode(net)) == net


def test_what_makes_no_sense():
    with pytest.raises(TypeError, match="faces is 'x_min': expected a sequence with text"):
        pk.LogDistance("x_min")
    with pytest.raises(ValueError, match="width is 0.0: expected a positive number"):
        pk.LogDistance(("x_min",), 0.0)
    with pytest.raises(ValueError, match="no face 'z_min' here: choose among x_min, x_max, y_min, y_max"):
        pk.LogDistance(("z_min",)).build(DOMAIN)
