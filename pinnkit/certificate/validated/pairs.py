"""Arithmetic on pairs of floats: h + l, unevaluated, holds twice the digits; sums of products in C where it can be.

With u = 2^-53, for numbers neither too large nor too small (that is covered by ``TINY`` of Taylor models):

  two_sum(a, b) = s, r and two_product(a, b) = p, q are exact: s = fl(a + b), s + r = a + b; p = fl(a b), p + q = a b
  (Knuth 1969; Dekker 1971, by splitting, or by one fused multiplication and addition). A pair is normal where |l| <= u
  |h|, as two_sum(h, l) makes it. For normal pairs A = (a, a'), B = (b, b'):

  add       s, r = two_sum(a, b); a', b', r are summed: two sums of numbers of at most 3 u (|a| + |b|) altogether, each
            rounded by u: |error| <= 6 u^2 (|a| + |b|).
  multiply  p, q = two_product(a, b); a' b' <= u^2 |a b| is left out; a b' and a' b, each rounded (u^2 |a b|), and q,
            at most u |a b|, are summed, two sums of at most 3.1 u |a b| each: |error| <= 10 u^2 |a b|.
  divide    by a float: t = fl(a / d), a - t d is exact (two_product), and so is t + (rest + a') / d but for 3 u of the
            second term, which is at most 2.1 u |a / d|: |error| <= 7 u^2 |a / d|.

  sums of N products (``accumulate``; Ogita, Rump, Oishi, SIAM J. Sci. Comput. 26, 2005): with P = sum |a_k b_k| every
            product errs by at most 10 u^2 |a_k b_k|, the sum before every two_sum is at most (1 + u)^N P, so that its
            rest is at most 1.01 u P, and these rests and the q_k, together no more than (1.01 N + 3.1) u P, are summed
            by N + 1 additions of that at most: |error| <= u^2 P (10 + 3.1 + 1.01 N + 1.01 (N + 1) (1.01 N + 3.1)) <=
            (N + 4)^2 u^2 P. (At N = 1 24.4 <= 25; the difference grows with N.)

All of these are below EPS = 2^-102 = 16 u^2 of the sizes of what is added or multiplied, once.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from pinnkit.tools.compiler import load

EPS = 2.0**-102
SPLIT = 2.0**27 + 1
Pair = tuple[Tensor, Tensor]


def two_sum(a: Tensor, b: Tensor) -> Pair:
    """fl(a + b) and what it lacks, exactly."""
    s = a + b
    z = s - a
    return s, (a - (s - z)) + (b - z)


def two_product(a: Tensor, b: Tensor | float) -> Pair:
    """fl(a b) and what it lacks, exactly."""
    b = torch.as_tensor(b, dtype=torch.float64)
    p = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def _split(a: Tensor) -> Pair:
    t = SPLIT * a
    high = t - (t - a)
    return high, a - high


def add(a: Pair, b: Pair) -> Pair:
    """a + b."""
    s, r = two_sum(a[0], b[0])
    return two_sum(s, r + (a[1] + b[1]))


def multiply(a: Pair, b: Pair | tuple[float, float]) -> Pair:
    """a b."""
    p, q = two_product(a[0], b[0])
    return two_sum(p, q + (a[0] * b[1] + a[1] * b[0]))


def divide(a: Pair, d: Tensor | float) -> Pair:
    """a / d, d a float."""
    t = a[0] / d
    p, q = two_product(t, d)
    return two_sum(t, (((a[0] - p) - q) + a[1]) / d)


def accumulate(total: Pair, a: Pair, b: Pair) -> None:
    """Add a b to a total, in place; that is a pair again after ``normalise``."""
    p, q = two_product(a[0], b[0])
    s, r = two_sum(total[0], p)
    total[1].add_(r + (q + (a[0] * b[1] + a[1] * b[0])))
    total[0].copy_(s)


def normalise(total: Pair) -> None:
    """Make a pair of a total again, in place."""
    lib = _kernels()
    if lib is not None and all(v.is_contiguous() for v in total):
        lib.pinnkit_pairs_normal(total[0].numel(), *_pointers(*total))
        return
    s, r = two_sum(*total)
    total[0].copy_(s)
    total[1].copy_(r)


def convolve(total: Pair, a: Pair, b: Pair, target: Tensor) -> None:
    """Add a_i b_j to the row target_ij of the total, for rows i of a and j of b."""
    lib, n = _kernels(), total[0][:1].numel()
    every = (*total, *a, *b)
    if lib is not None and all(v.is_contiguous() for v in every):
        lib.pinnkit_pairs_convolve(n, len(a[0]), len(b[0]), *_pointers(target, *every))
        return
    for i, row in enumerate(target):
        places = [v[row] for v in total]
        accumulate((places[0], places[1]), (a[0][i], a[1][i]), b)
        for v, place in zip(total, places, strict=True):
            v[row] = place


def linear(W: Tensor, x: Pair) -> Pair:
    """W x by the second axis of x (terms, inputs, cells), a pair that is not yet normal."""
    lib, shape = _kernels(), (len(x[0]), len(W), *x[0].shape[2:])
    total = x[0].new_zeros(shape), x[0].new_zeros(shape)
    W, x = W.contiguous(), (x[0].contiguous(), x[1].contiguous())
    if lib is not None:
        lib.pinnkit_pairs_linear(x[0][0, 0].numel(), len(x[0]), *W.shape, *_pointers(W, *total, *x))
        return total
    for k in range(W.shape[1]):
        w = W[:, k].reshape(1, -1, *[1] * (x[0].ndim - 2))
        accumulate(total, (x[0][:, k : k + 1], x[1][:, k : k + 1]), (w, torch.zeros_like(w)))
    return total


@cache
def _kernels() -> ctypes.CDLL | None:
    lib = load((Path(__file__).parent / "pairs.c").read_text(encoding="utf-8"))
    if lib is not None:
        long, pointer = ctypes.c_int64, ctypes.c_void_p
        lib.pinnkit_pairs_convolve.argtypes = [*[long] * 3, *[pointer] * 7]
        lib.pinnkit_pairs_linear.argtypes = [*[long] * 4, *[pointer] * 5]
        lib.pinnkit_pairs_normal.argtypes = [long, pointer, pointer]
        for name in ("convolve", "linear", "normal"):
            getattr(lib, f"pinnkit_pairs_{name}").restype = None
    return lib


def _pointers(*tensors: Tensor) -> list[int]:
    return [v.data_ptr() for v in tensors]
