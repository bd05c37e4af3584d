"""The inversion of a body's surroundings as features: values, derivatives, and what makes no sense."""

import pytest
import torch
from features import check_jet

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from pinnkit.tools.serialise import decode, encode

shape = import_deepxde().geometry
DOMAIN = pk.Geometry(shape.Rectangle([-1, 0], [5, 3]) - shape.Disk([1, 1], 0.5))
INVERSION = pk.Inversion((1.0, 1.0), 0.5)


def by_hand(X: torch.Tensor) -> torch.Tensor:
    away = X - 1
    scaled = torch.stack([(X[:, 0] - 2) / 3, (X[:, 1] - 1.5) / 1.5], 1)
    return torch.cat([scaled, 0.5 * away / (away**2).sum(1, keepdim=True)], 1)


def test_values_and_derivatives():
    features, laplacian = INVERSION.build(DOMAIN), ((1.0, (2, 0)), (1.0, (0, 2)))
    channels, jet = check_jet(features, by_hand, DOMAIN, [laplacian])
    assert features.count == 4
    assert jet[channels.position(laplacian)].abs().max() < 1e-12  # harmonic in the plane
    on, _ = shape_circle()
    assert torch.allclose(features.jet(on, channels)[0, :, 2:].norm(dim=1), torch.ones(8, dtype=torch.float64))


def shape_circle():
    return pk.Geometry(shape.Disk([1, 1], 0.5)).sample_boundary(8)


def test_a_network_with_it_in_time():
    domain = pk.Geometry(DOMAIN.tree.source, time=(0, 2))
    net = pk.MLP(3, 5, 2, features=INVERSION)
    tape = net.build(domain)
    assert tape.features.count == 5 and tape.count == 5 * 5 + 5 + 5 * 2 + 2
    assert decode(encode(net)) == net


def test_what_makes_no_sense():
    for make, words in (
        (lambda: pk.Inversion((0.0, 0.0), 0.0), "radius is 0.0: expected a positive number"),
        (lambda: pk.Inversion((3.0, 1.0)).build(DOMAIN), "lies in the domain, where its inversion is infinite"),
        (lambda: pk.Inversion((1.0,)).build(DOMAIN), "lies in the domain|expected a number for each"),
        (lambda: pk.Inversion((1.0, 1.0), names=("x", "z")).build(DOMAIN), "expected a number for each"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
