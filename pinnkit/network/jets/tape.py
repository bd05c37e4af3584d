"""A feed-forward network as a list of few operations on jets, each with its reverse, tangent and row passes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pinnkit.network.base import Evaluator, FeatureEvaluator, Pass, Pool
from pinnkit.statement.symbolic.channels import Channels

from .activation import New
from .activation_kernel import Eager, kernel
from .matmul import add_outer, gather, product
from .operations import Activate, Gate, Linear, Operation
from .sweep import compiled


@dataclass(frozen=True)
class Tape(Evaluator):
    """Operations in order; value 0 is the features, operation i makes value i + 1, the last is the output."""

    features: FeatureEvaluator
    operations: tuple[Operation, ...]
    count: int

    @property
    def width(self) -> int:
        """The widest layer."""
        return max(op.wide_out for op in self.operations if isinstance(op, Linear))

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> "TapePass":
        """Evaluate the channels of the network at points X (B, d), in memory from ``pool`` if one is given."""
        return TapePass(self, theta, X, channels, pool)

    def sweep(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None, pool: Pool | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The channels and their derivative along v (P,), each (C, B, n): of plain chains of layers in cache."""
        chain = compiled(self.operations, X, channels)
        if chain is None:
            return super().sweep(theta, X, channels, v, pool)
        return chain(theta, self.features.jet(X, channels), v)

    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The channels and their derivative along v (P,), each (C, B, n), in torch operations alone."""
        values: list[Tensor] = [self.features.jet(X, channels)]
        moved: list[Tensor | None] = [None]
        for op in self.operations:
            value, tangent = _followed(op, values, moved, channels, theta, v)
            values.append(value)
            moved.append(tangent)
        return values[-1], moved[-1]

    def parameter_groups(self, theta: Tensor) -> list[Tensor]:
        """Every layer's matrix and bias, as views."""
        return [view for op in self.operations if isinstance(op, Linear) for view in op.weights(theta)]


def _apply(a: Tensor, b: Tensor, new: New) -> Tensor:
    """a (C, B, in) times b (in, out)."""
    C, B, _ = a.shape
    return product(a.reshape(C * B, -1), b, new).view(C, B, -1)


def _gather(g: Tensor, h: Tensor) -> Tensor:
    """The sum over channels and points of g (C, B, out) times h (C, B, in), shape (out, in)."""
    return gather(g.reshape(-1, g.shape[-1]), h.reshape(-1, h.shape[-1]))


def _followed(
    op: Operation, values: list[Tensor], moved: list[Tensor | None], channels: Channels, theta: Tensor, v: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """What an operation makes of the values before it, and the derivative along v: None where nothing moves."""
    if isinstance(op, Linear):
        h, dh = values[op.source], moved[op.source]
        W, b = op.weights(theta)
        z = _shifted(h @ W.T, b)
        if v is None:
            return z, None
        dW, db = op.weights(v)
        return z, _shifted(h @ dW.T if dh is None else h @ dW.T + dh @ W.T, db)
    if isinstance(op, Activate):
        z, dz = values[op.source], moved[op.source]
        sigma, step = (
            op.activation.derivatives_at(z[0], channels.order + 1, followed=True),
            Eager(op.activation, channels),
        )
        return step.forward(sigma, z), None if dz is None else step.tangent(sigma, z, dz)
    f, u, w = (values[i] for i in (op.f, op.u, op.v))
    out, (df, du, dw) = w + _leibniz(f, u - w, channels), (moved[i] for i in (op.f, op.u, op.v))
    if df is None or du is None or dw is None:
        return out, None
    return out, dw + _leibniz(df, u - w, channels) + _leibniz(f, du - dw, channels)


def _shifted(z: Tensor, b: Tensor) -> Tensor:
    """z (C, B, n), its values plus b."""
    return torch.cat([z[:1] + b, z[1:]])


def _leibniz(a: Tensor, b: Tensor, channels: Channels) -> Tensor:
    """The product a*b, term by term of Leibniz's rule."""
    out = torch.zeros_like(a)
    for j, k, p, q in _terms(channels):
        out[j] += k * a[p] * b[q]
    return out


def _leibniz_reverse(g: Tensor, b: Tensor, channels: Channels) -> Tensor:
    """The cotangent of a in the product a*b (the rule is symmetric in a and b)."""
    out = torch.zeros_like(g)
    for j, k, p, q in _terms(channels):
        out[p] += k * g[j] * b[q]
    return out


def _terms(channels: Channels) -> Iterator[tuple[int, float, int, int]]:
    """Channel j of a product is the sum of k a_p b_q over these (j, k, p, q)."""
    return ((j, *term) for j, terms in enumerate(channels.product) for term in terms)


class TapePass(Pass):
    """One evaluation of a tape: the channels of all values on it."""

    tape: Tape
    theta: Tensor
    channels: Channels
    values: list[Tensor]

    def __init__(self, tape: Tape, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None) -> None:
        self.tape, self.theta, self.channels = tape, theta, channels
        self._new: New = theta.new_empty if pool is None else (lambda shape: pool.new(shape, theta))
        self.values = [tape.features.jet(X, channels)]
        self._saved: list[Any] = []  # of an activation its kernel and what that keeps, which differs by the kernel
        for op in tape.operations:
            self.values.append(self._forward(op))
        self.output: Tensor = self.values[-1]

    def _forward(self, op: Operation) -> Tensor:
        saved = None
        if isinstance(op, Linear):
            W, b = op.weights(self.theta)
            out = _apply(self.values[op.source], W.T.contiguous(), self._new)
            out[0] += b
        elif isinstance(op, Activate):
            z = self.values[op.source]
            step: Any = kernel(op.activation, self.channels, z.dtype, z.device)
            saved = (step, step.values(z, self._new))
            out = step.forward(saved[1], z, self._new)
        else:
            f, u, v = (self.values[i] for i in (op.f, op.u, op.v))
            out = v + _leibniz(f, u - v, self.channels)
        self._saved.append(saved)
        return out

    def _backward(self, G: Tensor, visit) -> None:
        """Carry cotangents back through the tape; ``visit(op, g, h)`` sees every linear operation."""
        gradient: list[Tensor | None] = [None] * len(self.values)
        gradient[-1] = G
        for i in reversed(range(len(self.tape.operations))):
            op, g = self.tape.operations[i], gradient[i + 1]
            if g is None:
                continue
            gradient[i + 1] = None
            if isinstance(op, Linear):
                visit(op, g, self.values[op.source])
                if op.source:
                    _accumulate(gradient, op.source, _apply(g, op.weights(self.theta)[0], self._new))
            elif isinstance(op, Activate):
                step, values = self._saved[i]
                _accumulate(gradient, op.source, step.reverse(values, self.values[op.source], g, self._new))
            else:
                f, u, v = (self.values[k] for k in (op.f, op.u, op.v))
                gd = _leibniz_reverse(g, f, self.channels)
                _accumulate(gradient, op.f, _leibniz_reverse(g, u - v, self.channels))
                _accumulate(gradient, op.u, gd)
                _accumulate(gradient, op.v, g - gd)

    def reverse(self, G: Tensor) -> Tensor:
        """The gradient of sum(G * output) by theta, shape (P,)."""
        out = torch.zeros_like(self.theta)

        def visit(op: Linear, g: Tensor, h: Tensor) -> None:
            W, b = op.weights(out)
            W += _gather(g, h)
            b += g[0].sum(0)

        self._backward(G, visit)
        return out

    def rows(self, G: Tensor, out: Tensor) -> None:
        """Add, for each of the B points, the gradient of its own sum(G * output) to the rows of out (B, P)."""

        def visit(op: Linear, g: Tensor, h: Tensor) -> None:
            n = op.wide_in * op.wide_out
            add_outer(g, h, out[:, op.offset : op.offset + n])
            out[:, op.offset + n : op.offset + op.count] += g[0]

        self._backward(G, visit)

    def tangent(self, v: Tensor) -> Tensor:
        """The derivative of the output along v (P,), shape (C, B, n)."""
        return self._tangents(v)[-1]

    def _tangents(self, v: Tensor) -> list[Tensor]:
        tangents = [torch.zeros_like(self.values[0])]
        for i, op in enumerate(self.tape.operations):
            if isinstance(op, Linear):
                W, _ = op.weights(self.theta)
                dW, db = op.weights(v)
                dz = _apply(self.values[op.source], dW.T.contiguous(), self._new)
                if op.source:
                    dz += _apply(tangents[op.source], W.T.contiguous(), self._new)
                dz[0] += db
                tangents.append(dz)
            elif isinstance(op, Activate):
                step, values = self._saved[i]
                moved = step.tangent(values, self.values[op.source], tangents[op.source], self._new)
                tangents.append(moved)
            else:
                f, u, w = (self.values[k] for k in (op.f, op.u, op.v))
                df, du, dw = (tangents[k] for k in (op.f, op.u, op.v))
                tangents.append(dw + _leibniz(df, u - w, self.channels) + _leibniz(f, du - dw, self.channels))
        return tangents

    def second(self, v: Tensor, G: Tensor, dG: Tensor) -> Tensor:
        """The derivative of ``reverse(G)`` along v while G itself moves by dG: sum G d2output v + dG doutput."""
        tangents, out = self._tangents(v), torch.zeros_like(self.theta)
        pairs: list[tuple[Tensor, Tensor] | None] = [None] * len(self.values)
        pairs[-1] = (G, dG)
        for i in reversed(range(len(self.tape.operations))):
            op = self.tape.operations[i]
            if (pair := pairs[i + 1]) is None:
                continue
            g, dg = pair
            pairs[i + 1] = None
            if isinstance(op, Linear):
                self._second_linear(op, v, g, dg, tangents, pairs, out)
            elif isinstance(op, Activate):
                step, values = self._saved[i]
                z, dz = self.values[op.source], tangents[op.source]
                both = step.reverse(values, z, g, self._new), step.second(values, z, dz, g, dg, self._new)
                _accumulate_pair(pairs, op.source, both)
            else:
                self._second_gate(op, g, dg, tangents, pairs)
        return out

    def _second_linear(self, op: Linear, v, g, dg, tangents, pairs, out) -> None:
        W, b = op.weights(out)
        W += _gather(dg, self.values[op.source])
        b += dg[0].sum(0)
        if op.source:
            W += _gather(g, tangents[op.source])
            weights, moved = op.weights(self.theta)[0], op.weights(v)[0]
            dh = _apply(dg, weights, self._new) + _apply(g, moved, self._new)
            _accumulate_pair(pairs, op.source, (_apply(g, weights, self._new), dh))

    def _second_gate(self, op: Gate, g, dg, tangents, pairs) -> None:
        def back(a: Tensor, b: Tensor) -> Tensor:
            return _leibniz_reverse(a, b, self.channels)

        f, u, v = (self.values[k] for k in (op.f, op.u, op.v))
        df, du, dv = (tangents[k] for k in (op.f, op.u, op.v))
        gu, dgu = back(g, f), back(dg, f) + back(g, df)
        _accumulate_pair(pairs, op.f, (back(g, u - v), back(dg, u - v) + back(g, du - dv)))
        _accumulate_pair(pairs, op.u, (gu, dgu))
        _accumulate_pair(pairs, op.v, (g - gu, dg - dgu))


def _accumulate(values: list, i: int, g: Tensor) -> None:
    values[i] = g if values[i] is None else values[i] + g


def _accumulate_pair(pairs: list, i: int, both: tuple[Tensor, Tensor]) -> None:
    pairs[i] = both if pairs[i] is None else (pairs[i][0] + both[0], pairs[i][1] + both[1])
