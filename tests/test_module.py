"""Any torch module: the same channels and parameter derivatives as the tape of the same network, on both backends."""

import pytest
import torch
from torch import nn

import pinnkit as pk
from pinnkit.module import BACKENDS
from pinnkit.taylor import Channels, partial

BOX = pk.Box(x=(-1, 2), t=(0, 0.5))
INDICES = [(1, 0), (1, 1), (0, 2), (3, 0), (2, 2), (4, 0)]


def twin(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b, dtype=torch.float64), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Skip(nn.Module):
    """A block with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.middle, self.last = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.first(X))
        return self.last(h + torch.sin(self.middle(h)))


class Normalised(nn.Module):
    """Layer normalisation, whose nested forward mode torch.func gets wrong."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.middle, self.last = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1)
        self.norm = nn.LayerNorm(6)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.first(X))
        return self.last(h + torch.sin(self.middle(self.norm(h))))


class Branching(Skip):
    """Control flow that depends on the data: torch.func cannot map it over points."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        h = super().forward(X)
        return h * 2 if bool((h.sum() > 1e9).item()) else h


@pytest.mark.parametrize("backend", BACKENDS)
def test_module_and_tape_agree(backend):
    network = pk.MLP(2, 5, 6, 2)
    tape, theta = network.build(BOX), network.initial(BOX, 3)
    other = pk.Module(twin(2, 5, 6, 2), backend=backend).build(BOX)
    assert other.count == tape.count and other.backend == backend
    X = BOX.sample(4)
    laplacian = ((1.0, (2, 0)), (3.0, (0, 2)))
    for wanted in ([partial(i) for i in INDICES], [laplacian]):
        channels = Channels.closed(2, wanted)
        a, b = tape.run(theta, X, channels), other.run(theta, X, channels)
        torch.testing.assert_close(a.output, b.output, rtol=1e-12, atol=1e-12)
        generator = torch.Generator().manual_seed(1)
        G, dG = (torch.randn(a.output.shape, generator=generator, dtype=X.dtype) for _ in range(2))
        v = torch.randn(theta.shape, generator=generator, dtype=X.dtype)
        torch.testing.assert_close(a.reverse(G), b.reverse(G), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(a.tangent(v), b.tangent(v), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(a.second(v, G, dG), b.second(v, G, dG), rtol=1e-9, atol=1e-9)
        rows = torch.zeros(2, len(X), len(theta), dtype=X.dtype)
        a.rows(G, rows[0])
        b.rows(G, rows[1])
        torch.testing.assert_close(rows[0], rows[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("module", "backend"), [(Skip, "torch.func"), (Normalised, "autograd"), (Branching, "autograd")]
)
def test_the_backend_is_the_first_that_works(module, backend):
    network = pk.Module(module())
    tape = network.build(BOX)
    assert tape.backend == backend
    X, theta = BOX.sample(3), network.initial(BOX, 0)
    slow = pk.Module(module(), backend="autograd").build(BOX)
    channels = Channels.closed(2, [partial((2, 1))])
    a, b = tape.run(theta, X, channels), slow.run(theta, X, channels)
    torch.testing.assert_close(a.output, b.output, rtol=1e-12, atol=1e-12)
    G = torch.ones_like(a.output)
    torch.testing.assert_close(a.second(theta, G, G), b.second(theta, G, G), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("module", [Skip, Normalised, Branching])
def test_a_module_trains(module):
    torch_module = module()
    before = [p.detach().clone() for p in torch_module.parameters()]
    solution = pk.solve(
        pk.problem("burgers"), pk.Module(torch_module), {"pde": 40}, resample=None, progress=False,
        stages=[pk.Adam(4, lr=1e-2), pk.SSBroyden(6)], validation=50, log_every=1,
    )  # fmt: skip
    assert solution.history["loss"][-1] < solution.history["loss"][0]
    assert all(torch.equal(a, b) for a, b in zip(before, torch_module.parameters(), strict=True))
    u, u_xx = solution.jet(torch.tensor([[0.3, 0.2]]), "u u_xx")
    assert torch.isfinite(u).all() and torch.isfinite(u_xx).all()


def test_wrong_modules_are_refused():
    with pytest.raises(ValueError, match="no parameters"):
        pk.Module(nn.Tanh())
    with pytest.raises(ValueError, match="does not take points"):
        pk.Module(twin(3, 4, 1)).build(BOX)
    with pytest.raises(ValueError, match="backend"):
        pk.Module(twin(2, 4, 1), backend="jax")
