"""Any torch module as a network: its derivatives by torch.func and by nested autograd."""

import copy
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from typing_extensions import override

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Channels, partial
from pinnkit.tools.checked import Whole, checked_but
from pinnkit.tools.followed import written_down

from .autodiff import AutogradPass, FunctionalPass, agree, evaluated, moving
from .base import Evaluator, Network, Pass, Pool

BACKENDS = ("mixed", "torch.func", "autograd")


@checked_but("module")
@dataclass(frozen=True, eq=False)
class Module(Network):
    """A torch module as network: a map from points (B, d) to fields (B, n), each point on its own, in evaluation mode.

    The module is copied and never changed. Parameters that need no gradient stay as they are.

    Args:
        module: the module.
        scaled: True (default): its input is the bounding box scaled to [-1, 1]. False: the coordinates.
        backend: how derivatives are taken: "torch.func", "autograd", or "mixed". Default None: mixed, unless torch.func
            fails or disagrees.
        fresh: True: parameters are drawn from the seed by ``reset_parameters``. Default False: its own parameters.

    Raises:
        TypeError: no torch module.
        ValueError: an unknown backend, or a module with nothing to train.

    Example:
        >>> import torch
        >>> import pinnkit as pk
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        >>> pk.Module(net).name
        'Sequential'
    """

    module: nn.Module
    scaled: bool = True
    backend: str | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.module, nn.Module):
            raise TypeError(f"Module takes a torch.nn.Module, got {type(self.module).__name__}: give an instance")
        if self.backend not in (None, *BACKENDS):
            raise ValueError(f"backend {self.backend!r}: expected {', '.join(BACKENDS)}, or None for what works best")
        if not any(p.requires_grad for p in self.module.parameters()):
            raise ValueError(f"{self.name} has no parameters to train: give it layers, or set requires_grad")
        object.__setattr__(self, "module", copy.deepcopy(self.module).eval())

    @property
    def name(self) -> str:
        """The module's class."""
        return type(self.module).__name__

    @override
    def initial(self, domain: Domain, seed: Whole, dtype: torch.dtype = torch.float64) -> Tensor:
        del domain
        module = _redrawn(self.module, seed) if self.fresh else self.module
        return torch.cat([p.detach().reshape(-1).to(dtype) for p in module.parameters() if p.requires_grad])

    def build(self, domain: Domain) -> "ModuleTape":
        """The evaluator on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: the module does not map (B, d) to (B, n), mixes points, or does not work with the chosen
                backend.
        """
        tape = ModuleTape(self, domain)
        X, theta = domain.sample(3, method="random", seed=0), self.initial(domain, 0)
        try:
            values = tape.fields(theta, X)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            wide = next((p.shape[1] for p in self.module.parameters() if p.ndim == 2), X.shape[1])
            if wide != X.shape[1]:
                raise ValueError(
                    f"{self.name} does not take points of shape {tuple(X.shape)}: it takes {wide} inputs, the domain "
                    f"has {X.shape[1]} coordinates ({', '.join(domain.names)}): make its first layer {X.shape[1]} wide"
                ) from error
            raise ValueError(f"{self.name} does not take points of shape {tuple(X.shape)}: {error}") from error
        if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != len(X):
            found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(f"{self.name} maps points of shape {tuple(X.shape)} to {found}: expected (3, fields)")
        if not torch.allclose(tape.fields(theta, X[:1]), values[:1], rtol=1e-9, atol=1e-12):
            raise ValueError(
                f"{self.name} gives a point another value when other points come with it, or at random: "
                "leave out batch normalisation, dropout and attention over points"
            )
        d = len(domain.names)
        tape.settle(Channels.closed(d, [partial(tuple(2 * (k == i) for k in range(d))) for i in range(d)]))
        return tape


def _redrawn(module: nn.Module, seed: int) -> nn.Module:
    """A copy whose layers have drawn their parameters anew."""
    module = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in module.modules():
            reset = getattr(layer, "reset_parameters", None)  # torch has no class for layers that can do it
            if callable(reset):
                reset()
    return module


@dataclass(frozen=True)
class ParameterSlice:
    """One parameter of a module: a slice of theta in the shape it has there."""

    name: str
    shape: torch.Size
    offset: int

    @property
    def count(self) -> int:
        """The number of its entries."""
        return math.prod(self.shape)

    def weights(self, theta: Tensor) -> tuple[Tensor]:
        """The parameter in a list of its own, as a view of theta (P,)."""
        return (theta[self.offset : self.offset + self.count].view(self.shape),)

    def of(self, module: nn.Module) -> Tensor:
        """Its value in a module, flat."""
        return module.get_parameter(self.name).detach().reshape(-1)


class ModuleTape(Evaluator):
    """The evaluator of a module: ``count`` parameters.

    ``backend`` tells how derivatives are taken. Second derivatives are tried by torch.func and by autograd when the
    tape is built, any other set of channels before its first use, at two points; from the first disagreement on,
    autograd takes all.
    """

    backend: str
    operations: tuple[Any, ...]

    def __init__(self, network: Module, domain: Domain) -> None:
        self.backend, self._asked = network.backend or BACKENDS[0], network.backend
        self._module = network.module
        self._tried: set = set()
        offset, pieces = 0, []
        for name, p in network.module.named_parameters():
            if p.requires_grad:
                pieces.append(ParameterSlice(name, p.shape, offset))
                offset += pieces[-1].count
        self.operations = tuple(pieces)
        self.count: int = offset
        lo, hi = domain.bounds if network.scaled else torch.tensor([[-1.0], [1.0]]).expand(2, len(domain.names)).numpy()
        self._scale, self._shift = torch.as_tensor(2 / (hi - lo)), torch.as_tensor((lo + hi) / 2)
        self._probe = domain.sample(2, method="random", seed=1)

    @property
    def width(self) -> int:
        """The most numbers that a layer gives for a point, as far as the parameters tell."""
        return max(max(piece.shape, default=1) for piece in self.operations)

    @cached_property
    def _constants(self) -> dict[str, Tensor]:
        """Buffers, and parameters that are not trained."""
        kept = {name: p.detach() for name, p in self._module.named_parameters() if not p.requires_grad}
        return kept | dict(self._module.named_buffers())

    def fields(self, theta: Tensor, X: Tensor) -> Tensor:
        """The module's output (B, n) for parameters theta (P,)."""
        state = {piece.name: piece.weights(theta)[0] for piece in self.operations}
        for name, value in self._constants.items():
            state[name] = value.to(theta) if value.is_floating_point() else value.to(theta.device)
        with sdpa_kernel(SDPBackend.MATH):  # torch's fused attention has no second derivatives
            return functional_call(self._module, state, ((X - self._shift.to(X)) * self._scale.to(X),))

    def settle(self, channels: Channels) -> None:
        """Go over to autograd if torch.func does not find these channels as autograd does.

        Raises:
            ValueError: where another backend was asked for.
        """
        if self.backend == "autograd" or channels in self._tried:
            return
        self._tried.add(channels)
        theta = torch.cat([piece.of(self._module).double() for piece in self.operations])
        theta = theta + 0.01 * torch.sin(torch.arange(len(theta), dtype=theta.dtype))  # off zeros and ties
        if agree(self.fields, theta, self._probe, channels):
            return
        if self._asked is not None:
            raise ValueError(
                f"torch.func fails on {type(self._module).__name__}, or finds other derivatives than autograd: "
                "leave the backend open, or choose autograd"
            )
        self.backend = "autograd"

    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The channels and their derivative along v (P,), each (C, B, n), by forward mode of torch.func, nested.

        Raises:
            TypeError: a trace, or an export of derivatives, which torch does not follow through a module.
        """
        if torch.jit.is_tracing() or (written_down() and channels.order):
            raise TypeError(
                f"torch does not follow {type(self._module).__name__} in a trace, nor its derivatives in an export: "
                "torch.export takes its fields, solution.module()"
            )
        return moving(lambda at: evaluated(self.fields, at, X, channels), theta, v)

    def parameter_groups(self, theta: Tensor) -> list[Tensor]:
        """Every trained parameter in its own shape, as views."""
        return [piece.weights(theta)[0] for piece in self.operations]

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> Pass:
        """Evaluate the channels at points X (B, d); the pool is for passes that manage their memory."""
        del pool
        self.settle(channels)
        if self.backend == "torch.func":
            return FunctionalPass(self.fields, theta, X, channels)
        return AutogradPass(self.fields, theta, X, channels, mapped=self.backend == "mixed")
