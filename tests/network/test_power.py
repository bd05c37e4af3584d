"""Features that begin as powers: their jets against autograd, and who gets them."""

import pytest
import torch

import pinnkit as pk
from pinnkit.network.features.scaled import Scaled
from pinnkit.network.power import Powers, with_powers
from pinnkit.statement.symbolic.channels import Channels, partial
from pinnkit.statement.symbolic.singular_memory import Memory, memories

BOX = pk.Box(x=(-1, 1), t=(1, 3))
MEMORY = Memory(1, 1.0, 0.5)


def test_derivatives_are_those_of_the_power():
    features = Powers(Scaled(), (MEMORY,)).build(BOX)
    channels = Channels.closed(2, [partial((0, 2)), partial((1, 1))])
    X = torch.tensor([[0.3, 1.2], [-0.5, 2.9]], dtype=torch.float64, requires_grad=True)
    value = 2 * ((X[:, 1] - 1) / 2) ** 0.5 - 1
    first = torch.autograd.grad(value.sum(), X, create_graph=True)[0][:, 1]
    second = torch.autograd.grad(first.sum(), X)[0][:, 1]
    jet = features.jet(X.detach(), channels)
    assert features.count == 3 and jet.shape == (len(channels), 2, 3)
    for index, expected in (((0, 0), value), ((0, 1), first), ((0, 2), second), ((1, 1), 0 * value)):
        assert torch.allclose(jet[channels.position(partial(index)), :, 2], expected.detach(), atol=1e-13)


def test_networks_of_layers_get_them_and_others_stay():
    assert with_powers(pk.MLP(2, 4, 1), ()) == pk.MLP(2, 4, 1)
    assert (
        with_powers(pk.MLP(2, 4, 1), [MEMORY]).build(BOX).count
        == pk.MLP(3, 4, 1).build(pk.Box(x=(0, 1), y=(0, 1), z=(0, 1))).count
    )
    other = pk.Module(torch.nn.Linear(2, 1))
    assert with_powers(other, [MEMORY]) is other


def test_what_memory_a_statement_has():
    t, s = pk.coordinates("t s")
    u = pk.field("u", t)
    abel = pk.Integral(u.subs(t, s) * (t - s) ** pk.Caputo(u, t, 0.5).args[2] / (t - s), (s, 0, t))
    found = memories([pk.Caputo(u, t, 1.5, 0) + u, u + abel, u + pk.Integral(u.subs(t, s), (s, 0, t))], (t,))
    assert [(m.start, m.power) for m in found] == [(0, 1.5), (0, pytest.approx(0.5))]
