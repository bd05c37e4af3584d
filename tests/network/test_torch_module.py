"""Any torch module: the same channels and parameter derivatives as the tape of the same network, on every backend."""

import pytest
import torch
from torch import nn

import pinnkit as pk
from pinnkit.network.autodiff import AutogradPass, FunctionalPass
from pinnkit.network.torch_module import BACKENDS
from pinnkit.statement.symbolic.channels import Channels, partial

BOX = pk.Box(x=(-1, 2), t=(0, 0.5))
INDICES = [(1, 0), (1, 1), (0, 2), (3, 0), (2, 2), (4, 0)]
LAPLACIAN = ((1.0, (2, 0)), (3.0, (0, 2)))
WANTED = {"orders 1 to 4": [partial(i) for i in INDICES], "a Laplacian": [LAPLACIAN]}


def twin(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b, dtype=torch.float64), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Skip(nn.Module):
    """A block with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.middle, self.last = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.first(X))
        return self.last(h + torch.sin(self.middle(h)))


class Normalised(Skip):
    """Layer normalisation, whose nested forward mode torch.func gets wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.first(X))
        return self.last(h + torch.sin(self.middle(self.norm(h))))


class Branching(Skip):
    """Control flow that depends on the data: torch.func cannot map it over points."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        h = super().forward(X)
        return h * 2 if bool((h.sum() > 1e9).item()) else h


class Cube(torch.autograd.Function):
    """x^3 with a backward pass of its own and no forward mode."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * g


class Handwritten(Skip):
    """A function that torch.func refuses."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.last(Cube.apply(torch.tanh(self.first(X))))


MODULES = [(Skip, "mixed"), (Normalised, "autograd"), (Branching, "autograd"), (Handwritten, "autograd")]


def compare(a, b, X: torch.Tensor, P: int) -> None:
    """The output and the four parameter derivatives of two passes."""

    def near(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> None:
        assert (one - other).abs().max() <= tolerance * max(1.0, float(other.abs().max()))

    near(a.output, b.output, 1e-12)
    generator = torch.Generator().manual_seed(1)
    G, dG = (torch.randn(a.output.shape, generator=generator, dtype=X.dtype) for _ in range(2))
    v = torch.randn(P, generator=generator, dtype=X.dtype)
    rows = torch.ones(2, len(X), P, dtype=X.dtype)  # rows are added to what is there
    a.rows(G, rows[0])
    b.rows(G, rows[1])
    near(rows[0], rows[1], 1e-11)
    near(a.reverse(G), b.reverse(G), 1e-11)
    near(rows[0].sum(0) - len(X), a.reverse(G), 1e-11)
    near(a.tangent(v), b.tangent(v), 1e-11)
    near(a.second(v, G, dG), b.second(v, G, dG), 1e-11)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("backend", BACKENDS)
def test_module_and_tape_agree(backend, wanted):
    network = pk.MLP(2, 5, 6, 2)
    tape, theta = network.build(BOX), network.initial(BOX, 3)
    other = pk.Module(twin(2, 5, 6, 2), backend=backend).build(BOX)
    assert other.count == tape.count and other.backend == backend and other.width == 6
    X, channels = BOX.sample(4), Channels.closed(2, WANTED[wanted])
    compare(other.run(theta, X, channels), tape.run(theta, X, channels), X, tape.count)
    assert other.backend == backend


@pytest.mark.parametrize(("module", "backend"), MODULES)
def test_the_backend_is_the_first_that_is_right(module, backend):
    network = pk.Module(module())
    tape, theta = network.build(BOX), network.initial(BOX, 0)
    assert tape.backend == backend
    X, channels = BOX.sample(3), Channels.closed(2, [partial((2, 1)), LAPLACIAN])
    plain = AutogradPass(tape.fields, theta, X, channels)
    compare(tape.run(theta, X, channels), plain, X, tape.count)
    if backend == "mixed":
        compare(FunctionalPass(tape.fields, theta, X, channels), plain, X, tape.count)
    else:
        with pytest.raises(ValueError, match="torch.func fails on"):
            pk.Module(module(), backend="torch.func").build(BOX)


def test_an_outputs_missing_dependence_is_zero():
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.ones(2))

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            return torch.stack([self.a[0] * X[:, 0], 0 * X[:, 1] + 1], 1)

    tape = pk.Module(Flat(), scaled=False).build(BOX)
    X, theta = BOX.sample(3), torch.tensor([2.0, 5.0], dtype=torch.float64)
    channels = Channels.closed(2, [partial((2, 0)), partial((0, 1))])
    run = tape.run(theta, X, channels)
    compare(run, AutogradPass(tape.fields, theta, X, channels), X, 2)
    assert torch.equal(run.output[channels.position(partial((1, 0)))], torch.tensor([[2.0, 0.0]] * 3).double())
    assert not run.output[channels.position(partial((2, 0)))].any()


def test_parameters_are_taken_as_they_are_and_frozen_ones_left_alone():
    module = Skip()
    module.middle.requires_grad_(False)
    module.register_buffer("offset", torch.tensor(0.5))
    network = pk.Module(module)
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    theta = network.initial(BOX, 0, torch.float32)
    own = [p.detach().reshape(-1) for p in module.parameters() if p.requires_grad]
    assert network.build(BOX).count == count and torch.equal(theta, torch.cat(own))
    theta += 1.0
    assert torch.equal(network.initial(BOX, 7, torch.float32), torch.cat(own))
    X = BOX.sample(5, dtype=torch.float32)
    run = network.build(BOX).run(theta, X, Channels.closed(2, [partial((2, 0))]))
    assert run.output.dtype == torch.float32 and run.reverse(run.output).shape == (count,)


def test_fresh_parameters_come_from_the_seed_and_from_nothing_else():
    network, before = pk.Module(Skip(), fresh=True), torch.random.get_rng_state()
    a, b, c = (network.initial(BOX, seed) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_dropout_is_off():
    network = pk.Module(nn.Sequential(twin(2, 5, 5), nn.Dropout(0.5), twin(5, 1)).double())
    tape, theta, X = network.build(BOX), network.initial(BOX, 0), BOX.sample(9)
    assert torch.equal(tape.fields(theta, X), tape.fields(theta, X))


@pytest.mark.parametrize("module", [Skip, Normalised, Branching])
@pytest.mark.parametrize("stages", [[pk.Adam(10, lr=1e-2), pk.SSBroyden(20)], [pk.LevenbergMarquardt(4)], [pk.SOAP(9)]])
def test_a_module_trains(module, stages):
    torch_module = module()
    before = [p.detach().clone() for p in torch_module.parameters()]
    solution = pk.solve(
        pk.problem("burgers"), pk.Module(torch_module), {"pde": 40}, resample=None, progress=False,
        stages=stages, validation=50, log_every=1,
    )  # fmt: skip
    assert solution.history["loss"][-1] < (0.9 if len(stages) == 2 else 1.0) * solution.history["loss"][0]
    assert all(torch.equal(a, b) for a, b in zip(before, torch_module.parameters(), strict=True))
    u, u_xx = solution.jet(torch.tensor([[0.3, 0.2]]), "u u_xx")
    assert torch.isfinite(u).all() and torch.isfinite(u_xx).all()


def test_training_a_module_is_training_its_twin():
    """The same parameters, points and optimiser: the tape's losses, to rounding that 30 iterations amplify."""
    network, module = pk.MLP(2, 8, 8, 1), twin(2, 8, 8, 1)
    theta = network.initial(pk.problem("burgers").domain, 0)
    nn.utils.vector_to_parameters(theta, module.parameters())
    losses = [
        pk.solve(
            pk.problem("burgers"), net, {"pde": 60}, stages=[pk.Adam(10, lr=1e-2), pk.SSBroyden(20)], resample=None,
            progress=False, validation=20, log_every=1,
        ).history["loss"]
        for net in (network, pk.Module(module))
    ]  # fmt: skip
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]), rtol=1e-6, atol=0)


class Mixing(Skip):
    """Points that see each other."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return super().forward(X - X.mean(0))


def test_wrong_modules_are_refused():
    with pytest.raises(TypeError, match="takes a torch.nn.Module, got type"):
        pk.Module(Skip)
    with pytest.raises(ValueError, match="no parameters"):
        pk.Module(nn.Tanh())
    with pytest.raises(ValueError, match="no parameters"):
        pk.Module(Skip().requires_grad_(False))
    with pytest.raises(ValueError, match="does not take points"):
        pk.Module(twin(3, 4, 1)).build(BOX)
    with pytest.raises(ValueError, match="expected \\(3, fields\\)"):
        pk.Module(nn.Sequential(twin(2, 4, 1), nn.Flatten(0))).build(BOX)
    with pytest.raises(ValueError, match="another value when other points"):
        pk.Module(Mixing()).build(BOX)
    with pytest.raises(ValueError, match="backend"):
        pk.Module(twin(2, 4, 1), backend="jax")


def test_a_module_is_taken_as_it_is_and_attention_has_second_derivatives() -> None:
    torch.manual_seed(0)
    settings = {"points": 30, "stages": [pk.Adam(3)], "progress": False}
    plain = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    given, wrapped = (pk.solve(pk.problem("heat"), net, **settings) for net in (plain, pk.Module(plain)))
    assert torch.equal(given.theta, wrapped.theta) and isinstance(given.network, pk.Module)

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = torch.nn.Linear(1, 4), torch.nn.Linear(8, 1)
            self.attend = torch.nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            h = self.embed(z[..., None])
            return self.out(self.attend(h, h, h, need_weights=False)[0].flatten(1))

    solution = pk.solve(pk.problem("heat"), Attention(), **settings)
    X, step = solution.problem.domain.sample(1, method="random", seed=3), 1e-4
    shift = torch.tensor([[step, 0.0]], dtype=torch.float64)
    second = (solution(X + shift) - 2 * solution(X) + solution(X - shift)) / step**2
    assert torch.allclose(solution.jet(X, "u_xx"), second[:, 0], rtol=1e-4, atol=1e-6)


def test_a_start_brings_its_network() -> None:
    settings = {"stages": [pk.Adam(2)], "progress": False}
    small = pk.solve(pk.problem("heat"), pk.MLP(2, 5, 1), 20, **settings)
    assert len(pk.solve(start=small, network=pk.MLP(2, 5, 1), **settings).theta) == len(small.theta)
    with pytest.raises(ValueError, match="start brings its own network"):
        pk.solve(start=small, network=pk.MLP(2, 6, 1), **settings)
