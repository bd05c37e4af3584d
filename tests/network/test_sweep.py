"""The sweep in cache gives what a pass over whole arrays gives."""

import pytest
import torch
from test_jets import BOX, NETWORKS

import pinnkit as pk
from pinnkit.network.jets import sweep
from pinnkit.statement.symbolic.channels import Channels, partial
from pinnkit.tools import compiler

pytestmark = pytest.mark.portable
LAPLACIAN = ((1.0, (2, 0)), (0.5, (0, 2)))
SETS = {
    "value": [],
    "slopes": [partial((1, 1))],
    "laplacian": [LAPLACIAN],
    "fourth": [partial((4, 0)), partial((0, 1))],
}


@pytest.mark.parametrize("wanted", SETS)
@pytest.mark.parametrize("activation", ["tanh", "silu", "gelu"])
@pytest.mark.parametrize("network", range(len(NETWORKS)))
def test_it_is_a_pass(network, activation, wanted, monkeypatch):
    made = NETWORKS[network](activation)
    tape, theta = made.build(BOX), 2 * made.initial(BOX, 1)
    theta = theta + 0.1 * torch.cos(torch.arange(len(theta), dtype=theta.dtype))
    v, channels = torch.sin(torch.arange(len(theta), dtype=theta.dtype)), Channels.closed(2, SETS[wanted])
    X = BOX.sample(101, method="random")
    run = tape.run(theta, X, channels)
    monkeypatch.setattr(sweep, "_TILE", 600)  # several tiles and a rest
    output, tangent = tape.sweep(theta, X, channels, v)
    assert (output - run.output).abs().max() <= 1e-13 * run.output.abs().max()
    assert (tangent - run.tangent(v)).abs().max() <= 1e-13 * tangent.abs().max()
    alone, nothing = tape.sweep(theta, X, channels)
    assert torch.equal(alone, output) and nothing is None


def test_it_is_compiled_for_plain_networks_only():
    channels, X = Channels.closed(2, []), BOX.sample(2)
    possible = compiler.load("int one;") is not None
    for build in NETWORKS:
        network = build("tanh")
        gated = isinstance(network, pk.ModifiedMLP)
        found = sweep.compiled(network.build(BOX).operations, X, channels) is not None
        assert found == (possible and not gated)
    tape = NETWORKS[0]("tanh").build(BOX)
    assert sweep.compiled(tape.operations, X.float(), channels) is None
    assert sweep.compiled(NETWORKS[0]("gelu").build(BOX).operations, X, channels) is None


@pytest.mark.parametrize("activation", ["tanh", "silu"])
def test_extreme_values(activation):
    """Saturated units, and what is not finite, as torch has them."""
    tape = NETWORKS[0](activation).build(BOX)
    theta = torch.zeros(tape.count, dtype=torch.float64)
    W, b = tape.operations[-1].weights(theta)
    W[0, 0], W[1, 1] = 1.0, 1.0
    _, hidden = tape.operations[-3].weights(theta)
    function = {"tanh": torch.tanh, "silu": torch.nn.functional.silu}[activation]
    for z in (0.0, 1e-300, -3.0, 19.0, 40.0, -40.0, 699.0, -1e4, 1e300):
        hidden[:2] = z
        output, _ = tape.sweep(theta, BOX.sample(3), Channels.closed(2, []))
        expected = function(torch.tensor(z, dtype=torch.float64))
        assert torch.allclose(output, expected.expand_as(output), rtol=4e-16, atol=3e-16)
    hidden[:2] = torch.nan
    assert tape.sweep(theta, BOX.sample(3), Channels.closed(2, []))[0].isnan().all()
