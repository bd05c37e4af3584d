"""Jets against nested autograd, and their parameter derivatives against autograd through the same channels."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_network import FUNCTIONS, plain

from pinnkit.domain.box import Box
from pinnkit.network.features.fourier import Fourier
from pinnkit.network.features.harmonics import Harmonics
from pinnkit.network.features.oscillation import Oscillation
from pinnkit.network.jets.tape import Tape
from pinnkit.network.mlp import MLP, ModifiedMLP
from pinnkit.statement.symbolic.channels import Channels, partial

pytestmark = pytest.mark.portable
BOX = Box(x=(-1, 2), t=(0, 0.5))


NETWORKS = [
    lambda a: MLP(2, 7, 9, 2, activation=a),
    lambda a: MLP(2, 6, 1, activation=a, features=Fourier(3, seed=2)),
    lambda a: MLP(2, 6, 1, activation=a, features=Fourier(3, (1.0, 0.5))),
    lambda a: MLP(2, 5, 5, 1, activation=a, features=Harmonics(("x",), 2)),
    lambda a: MLP(2, 5, 1, activation=a, features=Oscillation("t", 0.7, 2)),
    lambda a: ModifiedMLP(2, 6, 6, 2, activation=a),
]
INDICES = [i for i in itertools.product(range(5), repeat=2) if sum(i) <= 4]


def nested(tape: Tape, theta: torch.Tensor, X: torch.Tensor, index: tuple[int, ...]) -> torch.Tensor:
    """D^index of every output by repeated torch.autograd.grad, shape (B, n)."""
    X = X.clone().requires_grad_()
    columns = []
    for k in range(tape.operations[-1].wide_out):
        value = plain(tape, theta, X)[:, k]
        for i in [i for i, n in enumerate(index) for _ in range(n)]:
            value = torch.autograd.grad(value.sum(), X, create_graph=True)[0][:, i]
        columns.append(value)
    return torch.stack(columns, 1)


def setup(build, name: str, indices: list, seed: int):
    network = build(name)
    tape, theta = network.build(BOX), network.initial(BOX, seed)
    theta = theta + 0.1 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(seed + 1), dtype=theta.dtype)
    X = BOX.sample(6, seed=seed)
    return tape, theta, X, Channels.closed(2, [partial(i) for i in indices])


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=8, deadline=None)
@given(build=st.sampled_from(NETWORKS), indices=st.lists(st.sampled_from(INDICES), min_size=1, max_size=3),
       seed=st.integers(0, 10_000))  # fmt: skip
def test_channels_equal_nested_autograd(name, build, indices, seed):
    tape, theta, X, channels = setup(build, name, indices, seed)
    output = tape.run(theta, X, channels).output
    for channel, got in zip(channels.items, output, strict=True):
        expected = nested(tape, theta, X, channel[0][1]).detach()
        assert (got - expected).abs().max() <= 1e-12 * max(1.0, expected.abs().max())


def laplacian(wx: float = 1.0, wt: float = 1.0):
    return ((wx, (2, 0)), (wt, (0, 2)))


@pytest.mark.parametrize("build", NETWORKS)
def test_a_weighted_laplacian_travels_as_one_channel(build):
    channel = laplacian(0.5, 3.0)
    network = build("tanh")
    tape, theta, X = network.build(BOX), network.initial(BOX, 3), BOX.sample(5)
    channels = Channels.closed(2, [channel])
    assert len(channels) == 4
    got = tape.run(theta, X, channels).output[channels.position(channel)]
    expected = 0.5 * nested(tape, theta, X, (2, 0)) + 3.0 * nested(tape, theta, X, (0, 2))
    assert (got - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("build", NETWORKS)
def test_parameter_derivatives(build, name):
    """reverse, rows, tangent and second against torch.func on an eager re-evaluation of the channels."""
    tape, theta, X, channels = setup(build, name, [(1, 1), (3, 0)], 5)
    run = tape.run(theta, X, channels)
    generator = torch.Generator().manual_seed(0)
    G, dG = (torch.randn(run.output.shape, generator=generator, dtype=X.dtype) for _ in range(2))
    v = torch.randn(theta.shape, generator=generator, dtype=X.dtype)

    def channel_values(parameters):
        return torch.stack([nested(tape, parameters, X, c[0][1]) for c in channels.items])

    leaf = theta.clone().requires_grad_()
    values = channel_values(leaf)
    gradient = torch.autograd.grad((G * values).sum(), leaf, create_graph=True)[0]
    assert torch.allclose(run.reverse(G), gradient, rtol=1e-11, atol=1e-11)

    rows = torch.zeros(len(X), tape.count, dtype=X.dtype)
    run.rows(G, rows)
    assert torch.allclose(rows.sum(0), gradient, rtol=1e-11, atol=1e-11)
    alone = torch.zeros_like(G)
    alone[:, 2] = G[:, 2]
    assert torch.allclose(rows[2], run.reverse(alone), rtol=1e-11, atol=1e-11)

    assert torch.allclose((G * run.tangent(v)).sum(), gradient @ v, rtol=1e-10, atol=1e-10)
    moved = torch.autograd.grad(gradient @ v, leaf, retain_graph=True)[0]
    moved = moved + torch.autograd.grad((dG * values).sum(), leaf)[0]
    assert torch.allclose(run.second(v, G, dG), moved, rtol=1e-10, atol=1e-10)


def test_fused_and_eager_agree(monkeypatch):
    """Without a compiler the eager passes give the same numbers."""
    from pinnkit.network.jets import activation_kernel as kernel
    from pinnkit.network.jets import matmul

    tape, theta, X, channels = setup(NETWORKS[0], "gelu", [(2, 1)], 1)
    fused = tape.run(theta, X, channels)
    G = torch.ones_like(fused.output)
    expected = fused.output, fused.reverse(G), fused.second(theta, G, G)
    monkeypatch.setattr(kernel, "_fused", lambda *a: None)
    monkeypatch.setattr(matmul, "load", lambda text: None)
    eager = tape.run(theta, X, channels)
    for a, b in zip(expected, (eager.output, eager.reverse(G), eager.second(theta, G, G)), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)
