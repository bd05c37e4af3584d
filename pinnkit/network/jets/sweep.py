"""A network's channels and their derivative along a direction where no reverse pass follows: tile by tile, in cache."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from pinnkit.statement.symbolic.channels import Channels
from pinnkit.tools.compiler import assembled, load

from .activation import Activation
from .activation_kernel import c_derivatives, c_monomial
from .matmul import STRIPS
from .operations import Activate, Linear, Operation

_TILE = 2**14  # numbers in a tile of jets; four such tiles stay in the second cache

_VALUES = {  # the transcendental values of z0 that an activation's derivatives are polynomials of
    "tanh": ("const vec a = 1.0 - 2.0 / (exponential(2.0 * z0) + 1.0);",),
    "silu": ("const vec z = z0;", "const vec p = 1.0 / (exponential(-z0) + 1.0);"),
}


def _activation(activation: Activation, channels: Channels) -> str:
    """What ``activate`` of sweep.c does with a vector of jets z_c and tangents y_c."""
    n = range(len(channels))
    moved: list[list[str]] = [[] for _ in n]
    for (j, c), p in channels.jacobian.items():
        moved[j].append(f"y{c}*(" + " + ".join(c_monomial(*term) for term in p) + ")")
    values = [" + ".join(c_monomial(*term) for term in p) for p in channels.composition]
    lines = [f"vec z{c} = *(vec*)(jets + {c}*t*N + k);" for c in n]
    lines += [f"vec y{c} = moved ? *(vec*)(tangents + {c}*t*N + k) : z{c};" for c in n]
    lines += ["z0 += *(vec*)(b + j); if (moved) y0 += *(vec*)(db + j);", *_VALUES[activation.name]]
    lines += c_derivatives(activation, channels.order + 1, "vec")
    lines += [f"*(vec*)(jets + {c}*t*N + k) = {value};" for c, value in zip(n, values, strict=True)]
    lines += ["if (moved) {", *(f"*(vec*)(tangents + {c}*t*N + k) = {' + '.join(moved[c])};" for c in n), "}"]
    return " ".join(lines)


@cache
def _library(activation: Activation, channels: Channels) -> ctypes.CDLL | None:
    macros = {"REAL": "double", "CHANNELS": str(len(channels)), "ACTIVATION": _activation(activation, channels)}
    library = load(assembled(STRIPS, STRIPS.with_name("sweep.c"), **macros))
    for name in ("values_sweep", "tangent_sweep") if library is not None else ():
        long, pointer = ctypes.c_long, ctypes.c_void_p
        getattr(library, name).argtypes = [long, long, *[pointer] * 4, long, long, *[pointer] * 3]
    return library


def compiled(operations: Sequence[Operation], X: Tensor, channels: Channels) -> "Chain | None":
    """The compiled sweep of a plain chain of layers with one activation, in double precision on the CPU."""
    if X.dtype != torch.float64 or X.device.type != "cpu":
        return None
    layers = [op for i, op in enumerate(operations[::2]) if type(op) is Linear and op.source == 2 * i]
    between = [op for i, op in enumerate(operations[1::2]) if type(op) is Activate and op.source == 2 * i + 1]
    used = {op.activation for op in between}
    if len(layers) + len(between) < len(operations) or len(used) != 1 or next(iter(used)).name not in _VALUES:
        return None
    library = _library(next(iter(used)), channels)
    return None if library is None else Chain(tuple(layers), library)


@dataclass(frozen=True, eq=False)
class Chain:
    """Linear layers with one activation between them, and the library that carries jets through them."""

    layers: tuple[Linear, ...]
    library: ctypes.CDLL

    def __call__(self, theta: Tensor, features: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The output for features (C, B, m) and its derivative along v (P,), each (C, B, n); None without v."""
        wide = [-(-op.wide_out // 4) * 4 for op in self.layers]  # whole vectors
        parts = []
        for op, N in zip(self.layers, wide, strict=True):
            for vector in (theta,) if v is None else (theta, v):
                W, b = op.weights(vector)
                padded = W.new_zeros(op.wide_in + 1, N)
                padded[:-1, : op.wide_out], padded[-1, : op.wide_out] = W.T, b
                parts.append(padded.flatten())
        C, B, first = features.shape
        sizes = [-(-first // 4) * 4, *wide]
        tile = max(6, _TILE // (C * max(sizes)) // 6 * 6)
        out = features.new_empty(C, B, self.layers[-1].wide_out)
        dout = None if v is None else torch.empty_like(out)
        packed, work = torch.cat(parts), features.new_empty(4 * C * tile * max(sizes))
        numbers = [torch.tensor(list_) for list_ in ([op.wide_in for op in self.layers], sizes)]
        call = self.library.values_sweep if dout is None else self.library.tangent_sweep
        call(
            B, len(self.layers), *(t.data_ptr() for t in (*numbers, packed, features)), out.shape[2], tile,
            work.data_ptr(), out.data_ptr(), 0 if dout is None else dout.data_ptr(),
        )  # fmt: skip
        return out, dout
