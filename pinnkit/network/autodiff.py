"""Channels of any function of parameters and points, with its parameter derivatives: torch.func or nested autograd."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.func import grad, jvp, vjp, vmap

from pinnkit.statement.symbolic.channels import Channels, Index

from .base import Pass

Fields = Callable[[Tensor, Tensor], Tensor]  # (theta (P,), X (B, d)) -> (B, n), each point on its own


def _one_more(index: Index, i: int, times: int = 1) -> Index:
    return tuple(n + times * (k == i) for k, n in enumerate(index))


def _needed(channels: Channels) -> set[Index]:
    return {index for channel in channels.items for _, index in channel}


def _combine(known: dict[Index, Tensor], channels: Channels) -> Tensor:
    """The channels (C, B, n) from partial derivatives (B, n)."""
    none = torch.zeros(())
    return torch.stack([sum((weight * known[index] for weight, index in c), none) for c in channels.items])


def evaluated(fields: Fields, theta: Tensor, X: Tensor, channels: Channels) -> Tensor:
    """The channels (C, B, n) by forward mode of torch.func, nested."""
    return _combine(_partials(lambda x: fields(theta, x), X, _needed(channels)), channels)


def moving(call: Callable[[Tensor], Tensor], theta: Tensor, v: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """call(theta) and its derivative along v, None without one."""
    return (call(theta), None) if v is None else jvp(call, (theta,), (v,))[:2]


def _rows(fields: Fields, theta: Tensor, X: Tensor, channels: Channels, G: Tensor) -> Tensor:
    """The gradient of sum(G * output) at every point, shape (B, P), all points at once."""

    def single(theta: Tensor, x: Tensor, g: Tensor) -> Tensor:
        return (g * evaluated(fields, theta, x[None], channels)[:, 0]).sum()

    return vmap(grad(single), in_dims=(None, 0, 1))(theta, X, G)


class FunctionalPass(Pass):
    """One evaluation by torch.func."""

    def __init__(self, fields: Fields, theta: Tensor, X: Tensor, channels: Channels) -> None:
        self._all = fields, theta.detach(), X, channels
        output, self._back = vjp(self._of_theta, theta.detach())[:2]
        self.output: Tensor = output.detach()

    def _of_theta(self, theta: Tensor) -> Tensor:
        fields, _, X, channels = self._all
        return evaluated(fields, theta, X, channels)

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (P,)."""
        return self._back(G)[0].detach()

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add every point's own gradient to the rows of out (B, P)."""
        out += _rows(*self._all, G)

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n)."""
        return jvp(self._of_theta, (self._all[1],), (v,))[1]

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` along v while G moves by dG, shape (P,)."""

        def gradient(theta: Tensor) -> Tensor:
            return vjp(self._of_theta, theta)[1](G)[0]

        return jvp(gradient, (self._all[1],), (v,))[1] + self.reverse(dG)


def _partials(call: Callable[[Tensor], Tensor], X: Tensor, needed: Iterable[Index]) -> dict[Index, Tensor]:
    """The partial derivatives of call(X) and all lower ones on the way: every jvp yields value and slope."""
    known: dict[Index, Tensor] = {}

    def values(X: Tensor) -> dict[Index, Tensor]:
        return {(0,) * X.shape[1]: call(X)}

    for index in sorted(needed, key=lambda index: (-sum(index), index)):
        if index not in known:
            partials: Callable[[Tensor], dict[Index, Tensor]] = values
            for i in (i for i, times in enumerate(index) for _ in range(times)):
                partials = _along(partials, i)
            known |= partials(X)
    return known


def _along(partials: Callable[[Tensor], dict[Index, Tensor]], i: int) -> Callable[[Tensor], dict[Index, Tensor]]:
    """The partial derivatives with those of its members by coordinate i."""

    def raised(X: Tensor) -> dict[Index, Tensor]:
        direction = torch.zeros_like(X)
        direction[..., i] = 1
        values, slopes = jvp(partials, (X,), (direction,))[:2]
        return values | {_one_more(index, i): slope for index, slope in slopes.items()}

    return raised


class AutogradPass(Pass):
    """One evaluation by nested ``torch.autograd.grad``.

    Rows are found one after the other, or all at once by torch.func where ``mapped``.
    """

    def __init__(self, fields: Fields, theta: Tensor, X: Tensor, channels: Channels, mapped: bool = False) -> None:
        self._fields, self._X, self._channels, self._mapped = fields, X, channels, mapped
        self._theta = theta.detach().clone().requires_grad_()
        self._values = self._evaluate(X)
        self.output: Tensor = self._values.detach()

    def _evaluate(self, X: Tensor) -> Tensor:
        with torch.enable_grad():
            X = X.detach().clone().requires_grad_()
            known = {(0,) * X.shape[1]: self._fields(self._theta, X)}
            for index in sorted(_needed(self._channels), key=sum):
                _add_derivative(known, index, X)
            return _combine(known, self._channels)

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (P,)."""
        return _slope(self._values, self._theta, G).detach()

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add every point's own gradient to the rows of out (B, P)."""
        if self._mapped:
            out += _rows(self._fields, self._theta.detach(), self._X, self._channels, G)
            return
        for b in range(len(self._X)):
            here = self._evaluate(self._X[b : b + 1])
            out[b] += _slope(here, self._theta, G[:, b : b + 1]).detach()

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n): that of J^T w by w, applied to v."""
        w = torch.zeros_like(self._values, requires_grad=True)
        return _slope(_slope(self._values, self._theta, w, graph=True), w, v).detach()

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` along v while G moves by dG, shape (P,)."""
        gradient = _slope(self._values, self._theta, G, graph=True)
        return _slope(gradient, self._theta, v).detach() + self.reverse(dG)


def _add_derivative(known: dict[Index, Tensor], index: Index, X: Tensor) -> None:
    """D^index, and all others that come with the gradient of the derivative before it."""
    if index in known:
        return
    before = _one_more(index, next(i for i, n in enumerate(index) if n), -1)
    _add_derivative(known, before, X)
    value = known[before]
    columns = [_slope(c, X, torch.ones_like(c), graph=True) for c in value.unbind(1)]
    for i, slope in enumerate(torch.stack(columns, 1).unbind(2)):
        known.setdefault(_one_more(before, i), slope)


def _slope(value: Tensor, by: Tensor, along: Tensor, graph: bool = False) -> Tensor:
    """The gradient of (along * value).sum(), zero where nothing depends on ``by``."""
    if not value.requires_grad:
        return torch.zeros_like(by)
    return torch.autograd.grad(
        value, by, along, create_graph=graph, retain_graph=True, materialize_grads=True
    )[0]  # fmt: skip


def agree(fields: Fields, theta: Tensor, X: Tensor, channels: Channels) -> bool:
    """Whether torch.func takes the function and finds what autograd does: some of its nested rules are wrong."""
    one = AutogradPass(fields, theta, X, channels)
    weights = torch.linspace(-1, 1, one.output.numel(), dtype=theta.dtype, device=theta.device)
    G = weights.view_as(one.output)
    try:
        other = FunctionalPass(fields, theta, X, channels)
        pairs = [(other.output, one.output), (other.second(theta, G, G), one.second(theta, G, G))]
        pairs += [(other.tangent(theta), one.tangent(theta)), (other.reverse(G), one.reverse(G))]
        rows = theta.new_zeros(2, len(X), len(theta))
        one.rows(G, rows[0])
        other.rows(G, rows[1])
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return False
    far = 1e6 * torch.finfo(theta.dtype).eps
    return all(bool((a - b).abs().max() <= far * (1 + b.abs().max())) for a, b in [*pairs, (rows[1], rows[0])])
