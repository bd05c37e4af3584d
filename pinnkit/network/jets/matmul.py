"""Products of tall thin matrices, the bulk of a small network's cost: register tiles in C, else torch."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from pinnkit.tools.compiler import assembled, load

from .activation import New

STRIPS = Path(__file__).with_name("strips.c")
_NAMES = {torch.float64: "double", torch.float32: "float"}
_WIDEST = 256  # beyond, the libraries' packing wins


def _kernel(name: str, dtype: torch.dtype, device: str) -> ctypes.CDLL | None:
    if device != "cpu" or dtype not in _NAMES:
        return None
    return load(assembled(STRIPS, STRIPS.with_name(name), REAL=_NAMES[dtype]))


@cache
def _library(dtype: torch.dtype, device: str) -> ctypes.CDLL | None:
    library = _kernel("product.c", dtype, device)
    for name in ("product", "gather") if library is not None else ():
        getattr(library, name).argtypes = [ctypes.c_long] * 3 + [ctypes.c_void_p] * 3
    return library


@cache
def _outer(dtype: torch.dtype, device: str) -> ctypes.CDLL | None:
    library = _kernel("outer.c", dtype, device)
    if library is not None:
        library.outer.argtypes = [ctypes.c_long] * 4 + [ctypes.c_void_p] * 3 + [ctypes.c_long]
    return library


def add_outer(g: Tensor, h: Tensor, J: Tensor) -> None:
    """J_p += sum_c g_cp h_cp^T, flattened, for contiguous g (C, B, O), h (C, B, I) and rows of J (B, O I)."""
    (C, B, O), I = g.shape, h.shape[2]
    library = _outer(g.dtype, g.device.type) if J.stride(1) == 1 else None
    if library is None:
        J += torch.bmm(g.permute(1, 2, 0), h.permute(1, 0, 2)).reshape(B, O * I)
    else:
        library.outer(B, C, O, I, g.data_ptr(), h.data_ptr(), J.data_ptr(), J.stride(0))


def product(a: Tensor, b: Tensor, new: New | None = None) -> Tensor:
    """a @ b for contiguous a (M, K) and b (K, N), in memory from ``new``."""
    (M, K), N = a.shape, b.shape[1]
    library = _library(a.dtype, a.device.type) if 8 <= N <= _WIDEST and K <= _WIDEST else None
    out = (new or a.new_empty)((M, N))
    if library is None:
        return torch.mm(a, b, out=out)
    library.product(M, N, K, a.data_ptr(), b.data_ptr(), out.data_ptr())
    return out


def gather(a: Tensor, b: Tensor) -> Tensor:
    """a^T @ b for contiguous a (K, M) and b (K, N), summed over the long dimension K."""
    (K, M), N = a.shape, b.shape[1]
    if N < 8 <= M:
        return gather(b, a).T
    library = _library(a.dtype, a.device.type) if 8 <= N <= _WIDEST and M <= _WIDEST else None
    if library is None:
        return a.T @ b
    out = a.new_zeros(M, N)
    library.gather(M, N, K, a.data_ptr(), b.data_ptr(), out.data_ptr())
    return out
