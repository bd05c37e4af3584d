"""The elementwise step of a jet through an activation: eager torch, or fused C where a compiler is found."""

import ctypes
from functools import cache

import torch
from torch import Tensor

from pinnkit.statement.symbolic.channels import Channels, Polynomial
from pinnkit.tools.compiler import load

from .activation import Activation, New

# ---------------------------------------------------------------------------------------------- eager


class Eager:
    """h = sigma(z) on jets z of shape (C, B, d), with its reverse, tangent and second-order passes."""

    activation: Activation
    channels: Channels

    def __init__(self, activation: Activation, channels: Channels) -> None:
        self.activation, self.channels = activation, channels

    def values(self, z: Tensor, new: New) -> list[Tensor]:
        """sigma and the derivatives that every pass needs (up to order + 2)."""
        return self.activation.derivatives_at(z[0], self.channels.order + 2)

    def forward(self, values: list[Tensor], z: Tensor, new: New | None = None) -> Tensor:
        """h_j = composition of sigma with z, shape (C, B, d)."""
        return torch.stack([_sum(p, values, z) for p in self.channels.composition])

    def reverse(self, values: list[Tensor], z: Tensor, gh: Tensor, new: New) -> Tensor:
        """gz_c = sum_j gh_j dh_j/dz_c."""
        gz = torch.zeros_like(z)
        for (j, c), p in self.channels.jacobian.items():
            gz[c] += gh[j] * _sum(p, values, z)
        return gz

    def tangent(self, values: list[Tensor], z: Tensor, dz: Tensor, new: New | None = None) -> Tensor:
        """dh_j = sum_c dh_j/dz_c dz_c."""
        dh = torch.zeros_like(z)
        for (j, c), p in self.channels.jacobian.items():
            dh[j] += dz[c] * _sum(p, values, z)
        return dh

    def second(self, values: list[Tensor], z: Tensor, dz: Tensor, gh: Tensor, dgh: Tensor, new: New) -> Tensor:
        """The tangent of ``reverse`` along (dz, dgh)."""
        out = self.reverse(values, z, dgh, new)
        for (j, c, e), p in self.channels.hessian.items():
            out[c] += gh[j] * dz[e] * _sum(p, values, z)
        return out


def _sum(polynomial: Polynomial, sigma: list[Tensor], z: Tensor) -> Tensor:
    total = None
    for k, m, factors in polynomial:
        value = sigma[m] if k == 1 else k * sigma[m]
        for c in factors:
            value = value * z[c]
        total = value if total is None else total + value
    assert total is not None  # a polynomial has terms
    return total


# ---------------------------------------------------------------------------------------------- fused


_INPUTS = {"forward": "z", "reverse": "zg", "tangent": "zy", "second": "zygw"}  # what every pass reads, by letter


class Fused:
    """The same passes as :class:`Eager`, each one loop over memory in compiled C."""

    activation: Activation
    channels: Channels

    def __init__(self, activation: Activation, channels: Channels, library: ctypes.CDLL) -> None:
        self.activation, self.channels = activation, channels
        self._passes = {}
        for name, inputs in _INPUTS.items():
            self._passes[name] = getattr(library, f"{name}_pass")
            pointers = len(activation.names) + len(inputs) + 1
            self._passes[name].argtypes = [ctypes.c_long] + [ctypes.c_void_p] * pointers

    def values(self, z: Tensor, new: New) -> tuple[Tensor, ...]:
        """The transcendental values of z_0; torch evaluates them, so that both paths round alike."""
        return self.activation.values(z[0], new)

    def _run(self, name: str, new: New, values: tuple[Tensor, ...], z: Tensor, *others: Tensor) -> Tensor:
        out = new(z.shape)
        pointers = [t.data_ptr() for t in (*values, z, *others, out)]
        self._passes[name](z.shape[1] * z.shape[2], *pointers)
        return out

    def forward(self, values: tuple[Tensor, ...], z: Tensor, new: New) -> Tensor:
        """h_j, shape (C, B, d)."""
        return self._run("forward", new, values, z)

    def reverse(self, values: tuple[Tensor, ...], z: Tensor, gh: Tensor, new: New) -> Tensor:
        """gz_c = sum_j gh_j dh_j/dz_c."""
        return self._run("reverse", new, values, z, gh)

    def tangent(self, values: tuple[Tensor, ...], z: Tensor, dz: Tensor, new: New) -> Tensor:
        """dh_j = sum_c dh_j/dz_c dz_c."""
        return self._run("tangent", new, values, z, dz)

    def second(self, values: tuple[Tensor, ...], z: Tensor, dz: Tensor, gh: Tensor, dgh: Tensor, new: New) -> Tensor:
        """The tangent of ``reverse`` along (dz, dgh)."""
        return self._run("second", new, values, z, dz, gh, dgh)


def c_monomial(k: float, m: int, factors: tuple[int, ...], *more: str) -> str:
    """A term of a polynomial as C, times more factors."""
    parts = ([] if k == 1 else [repr(k)]) + [f"d{m}", *(f"z{c}" for c in factors), *more]
    return "*".join(parts)


def c_derivatives(activation: Activation, order: int, kind: str = "real") -> list[str]:
    """C definitions of sigma and its derivatives d0, d1, ... in the activation's named values."""

    def polynomial(expression: dict) -> str:
        terms = ["*".join([repr(k), *monomial]) for monomial, k in expression.items()]
        return " + ".join(terms) or "0.0"

    lines = [f"const {kind} {n} = {polynomial(dict(e))};" for n, e in activation.simple]
    return lines + [f"const {kind} d{m} = {polynomial(e)};" for m, e in enumerate(activation.derivatives(order))]


def source(activation: Activation, channels: Channels, dtype: torch.dtype) -> str:
    """The C source of the four passes."""
    n, order = len(channels), channels.order
    outputs: dict[str, list[list[str]]] = {name: [[] for _ in range(n)] for name in _INPUTS}
    for j, p in enumerate(channels.composition):
        outputs["forward"][j] += [c_monomial(*t) for t in p]
    for (j, c), p in channels.jacobian.items():
        slope = "(" + " + ".join(c_monomial(*t) for t in p) + ")"
        outputs["reverse"][c].append(f"g{j}*{slope}")
        outputs["tangent"][j].append(f"y{c}*{slope}")
        outputs["second"][c].append(f"w{j}*{slope}")
    for (j, c, e), p in channels.hessian.items():
        outputs["second"][c].append(f"g{j}*y{e}*(" + " + ".join(c_monomial(*t) for t in p) + ")")
    depth = {"forward": order, "reverse": order + 1, "tangent": order + 1, "second": order + 2}
    text = [f"typedef {'double' if dtype == torch.float64 else 'float'} real;"]
    for name, rows in outputs.items():
        pointers = [f"const real* restrict v_{v}" for v in activation.names]
        pointers += [f"const real* restrict a_{a}" for a in _INPUTS[name]]
        named = [f"const real {n} = v_{n}[k];" for n in activation.names]
        loads = [f"const real {a}{c} = a_{a}[{c}*length + k];" for a in _INPUTS[name] for c in range(n)]
        stores = [f"out[{c}*length + k] = {' + '.join(terms) or '0'};" for c, terms in enumerate(rows)]
        text.append(
            f"void {name}_pass(long length, {', '.join(pointers)}, real* restrict out) {{\n"
            f"  _Pragma(\"GCC ivdep\")\n  for (long k = 0; k < length; k++) {{\n    "
            + "\n    ".join([*named, *c_derivatives(activation, depth[name]), *loads, *stores]) + "\n  }\n}\n"
        )  # fmt: skip
    return "\n".join(text)


@cache
def _fused(activation: Activation, channels: Channels, dtype: torch.dtype) -> Fused | None:
    library = load(source(activation, channels, dtype))
    return None if library is None else Fused(activation, channels, library)


def kernel(activation: Activation, channels: Channels, dtype: torch.dtype, device: torch.device) -> Eager | Fused:
    """The fastest available passes for tensors of that dtype and device."""
    if device.type == "cpu" and dtype in (torch.float64, torch.float32):
        fused = _fused(activation, channels, dtype)
        if fused is not None:
            return fused
    return Eager(activation, channels)
