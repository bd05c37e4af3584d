"""Any torch module as a network: the derivatives by torch.func, or by nested autograd where that fails."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vjp, vmap

from .domain import Domain
from .tape import Pool
from .taylor import Channels, Index

BACKENDS = ("torch.func", "autograd")


@dataclass(frozen=True, eq=False)
class Module:
    """A torch module from points (B, d) to fields (B, n), each point on its own (no batch normalisation).

    Its input is the bounding box scaled to [-1, 1]^d unless ``scaled`` is False. Its parameters are copied, never
    changed. ``backend`` is "torch.func", "autograd", or None: the first that works on the module.
    """

    module: nn.Module
    scaled: bool = True
    backend: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in (None, *BACKENDS):
            expected = " or ".join(BACKENDS)
            raise ValueError(f"backend {self.backend!r}: expected {expected}, or None for the first that works")
        if not list(self.module.parameters()):
            raise ValueError(f"{type(self.module).__name__} has no parameters to train")

    def initial(self, domain: Domain, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """The module's own parameters as one vector (P,); the seed has no say."""
        del domain, seed
        return torch.cat([p.detach().reshape(-1).to(dtype) for p in self.module.parameters()])

    def build(self, domain: Domain) -> "ModuleTape":
        """The evaluator on that domain; ValueError where the module does not map (B, d) to (B, n)."""
        tape = ModuleTape(self.module, domain, self.scaled, self.backend or BACKENDS[0])
        X = domain.sample(3, method="random", seed=0)
        theta, name = self.initial(domain, 0), type(self.module).__name__
        try:
            out = tape.fields(theta, X)
        except RuntimeError as error:
            raise ValueError(f"{name} does not take points of shape {tuple(X.shape)}: {error}") from error
        if out.ndim != 2 or len(out) != len(X):
            raise ValueError(f"{name} maps {tuple(X.shape)} to {tuple(out.shape)}: expected (B, fields)")
        if self.backend is None:
            safe = ModuleTape(self.module, domain, self.scaled, BACKENDS[1])
            return tape if _works(tape, safe, theta, X) else safe
        return tape


class ModuleTape:
    """The evaluator of a module: ``count`` parameters, and passes like those of a tape."""

    def __init__(self, module: nn.Module, domain: Domain, scaled: bool, backend: str) -> None:
        self.backend = backend
        self._module = copy.deepcopy(module).requires_grad_(False)
        self._shapes = {name: p.shape for name, p in module.named_parameters()}
        self.count = sum(shape.numel() for shape in self._shapes.values())
        lo, hi = domain.bounds
        ends = (lo, hi) if scaled else (-1 + 0 * lo, 1 + 0 * hi)
        self._scale, self._shift = torch.as_tensor(2 / (ends[1] - ends[0])), torch.as_tensor((ends[0] + ends[1]) / 2)

    def fields(self, theta: Tensor, X: Tensor) -> Tensor:
        """The module's output (B, n) for parameters theta (P,)."""
        state, start = {}, 0
        for name, shape in self._shapes.items():
            state[name] = theta[start : start + shape.numel()].view(shape)
            start += shape.numel()
        for name, buffer in self._module.named_buffers():
            state[name] = buffer.to(theta) if buffer.is_floating_point() else buffer.to(theta.device)
        return functional_call(self._module, state, ((X - self._shift.to(X)) * self._scale.to(X),))

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> "_Pass":
        """Evaluate the channels at points X (B, d); the pool is for passes that manage their memory."""
        del pool
        return (_FunctionalPass if self.backend == BACKENDS[0] else _AutogradPass)(self, theta, X, channels)


def _works(fast: ModuleTape, safe: ModuleTape, theta: Tensor, X: Tensor) -> bool:
    """Whether torch.func takes the module and agrees with autograd: nested forward mode has wrong rules for some."""
    d = X.shape[1]
    channels = Channels.closed(d, [((1.0, tuple(2 if k == i else 0 for k in range(d))),) for i in range(d)])
    try:
        run, expected = fast.run(theta, X, channels), safe.run(theta, X, channels)
        G = torch.linspace(-1, 1, run.output.numel(), dtype=theta.dtype).view_as(run.output)
        rows, own = torch.zeros(2, len(X), fast.count, dtype=theta.dtype)
        run.rows(G, rows)
        expected.rows(G, own)
        pairs = [(run.output, expected.output), (rows, own), (run.tangent(theta), expected.tangent(theta))]
        pairs.append((run.second(theta, G, G), expected.second(theta, G, G)))
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return False
    return all(bool((a - b).abs().max() <= 1e-9 * (1 + b.abs().max())) for a, b in pairs)


class _Pass:
    """Channels at points, and their derivatives by the parameters; shapes as in :class:`pinnkit.tape.Pass`."""

    def __init__(self, tape: ModuleTape, theta: Tensor, X: Tensor, channels: Channels) -> None:
        self.tape, self.theta, self.X, self.channels = tape, theta, X, channels
        self.output = self._channels(theta, X).detach()

    def _derivative(self, index: Index) -> Callable[[Tensor, Tensor], Tensor]:
        """The function (theta, X) -> D^index fields, shape (B, n)."""
        raise NotImplementedError

    def _channels(self, theta: Tensor, X: Tensor) -> Tensor:
        known: dict[Index, Tensor] = {}
        rows = []
        for channel in self.channels.items:
            for _, index in channel:
                if index not in known:
                    known[index] = self._derivative(index)(theta, X)
            rows.append(sum(weight * known[index] for weight, index in channel))
        return torch.stack(rows)


class _FunctionalPass(_Pass):
    def _derivative(self, index: Index) -> Callable[[Tensor, Tensor], Tensor]:
        call = self.tape.fields
        for i in (i for i, times in enumerate(index) for _ in range(times)):
            call = _along(call, i)
        return call

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (P,)."""
        return vjp(lambda theta: self._channels(theta, self.X), self.theta)[1](G)[0]

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add every point's own gradient to the rows of out (B, P)."""

        def single(theta: Tensor, x: Tensor, g: Tensor) -> Tensor:
            return (g * self._channels(theta, x[None])[:, 0]).sum()

        out += vmap(grad(single), in_dims=(None, 0, 1))(self.theta, self.X, G)

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n)."""
        return jvp(lambda theta: self._channels(theta, self.X), (self.theta,), (v,))[1]

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` along v while G moves by dG."""

        def gradient(theta: Tensor, G: Tensor) -> Tensor:
            return vjp(lambda p: self._channels(p, self.X), theta)[1](G)[0]

        return jvp(gradient, (self.theta, G), (v, dG))[1]


def _along(call: Callable[[Tensor, Tensor], Tensor], i: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The function (theta, X) -> d call/dx_i, forward mode."""

    def derived(theta: Tensor, X: Tensor) -> Tensor:
        direction = torch.zeros_like(X)
        direction[..., i] = 1
        return jvp(lambda x: call(theta, x), (X,), (direction,))[1]

    return derived


class _AutogradPass(_Pass):
    def _derivative(self, index: Index) -> Callable[[Tensor, Tensor], Tensor]:
        def call(theta: Tensor, X: Tensor) -> Tensor:
            with torch.enable_grad():
                X = X.detach().clone().requires_grad_()
                columns = list(self.tape.fields(theta, X).unbind(1))
                for i in (i for i, times in enumerate(index) for _ in range(times)):
                    columns = [_slope(c, X)[:, i] for c in columns]
                return torch.stack(columns, 1)

        return call

    def _graph(self) -> tuple[Tensor, Tensor]:
        theta = self.theta.detach().clone().requires_grad_()
        return theta, self._channels(theta, self.X)

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (P,)."""
        theta, values = self._graph()
        return _slope((G * values), theta, graph=False)

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add every point's own gradient to the rows of out (B, P)."""
        theta, values = self._graph()
        for b in range(len(self.X)):
            out[b] += _slope(G[:, b] * values[:, b], theta).detach()

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n): the derivative of J^T w by w, applied to v."""
        theta, values = self._graph()
        w = torch.zeros_like(values, requires_grad=True)
        return _slope(_slope(w * values, theta) * v, w, graph=False)

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` along v while G moves by dG."""
        theta, values = self._graph()
        curved = _slope(_slope(G * values, theta) * v, theta)
        return curved.detach() + _slope(dG * values, theta, graph=False)


def _slope(value: Tensor, by: Tensor, graph: bool = True) -> Tensor:
    """The gradient of a sum, zero where it does not depend."""
    if not value.requires_grad:
        return torch.zeros_like(by)
    return torch.autograd.grad(value.sum(), by, create_graph=graph, materialize_grads=True)[0]
