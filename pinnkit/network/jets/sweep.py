"""A network's channels and their derivative along a direction where no reverse pass follows: tile by tile, in cache."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from pinnkit.statement.symbolic.channels import Channels
from pinnkit.tools.compiler import load

from .activation import Activation
from .activation_kernel import c_monomial, c_tower
from .matmul import STRIPS
from .operations import Activate, Linear, Operation

_TILE = 2**14  # numbers in a tile of jets; four such tiles stay in the second cache

_C = """
typedef long long bits __attribute__((vector_size(32)));
INLINE vec pick(bits mask, vec a, vec b) { return (vec)((mask & (bits)a) | (~mask & (bits)b)); }
/* e^x to 2e-16 for |x| < 700, beyond which x is clipped: 2^n times the Taylor polynomial of the rest */
INLINE vec exponential(vec x) {
  const vec top = (vec){0} + 700.0, shift = (vec){0} + 0x1.8p52;
  x = pick(x > top, top, pick(x < -top, -top, x));
  const vec n = x * 0x1.71547652b82fep0 + shift, m = n - shift;
  const vec r = (x - m * 0x1.62e42fefa39efp-1) - m * 0x1.abc9e3b39803fp-56, s = r * r, q = s * s;
  const vec low = (1.0 + r) + s * (1 / 2. + r * (1 / 6.))
    + q * ((1 / 24. + r * (1 / 120.)) + s * (1 / 720. + r * (1 / 5040.)));
  const vec high = (1 / 40320. + r * (1 / 362880.)) + s * (1 / 3628800. + r * (1 / 39916800.))
    + q * (1 / 479001600. + r * (1 / 6227020800.));
  return (vec)((bits)(low + q * q * high) + ((bits)n << 52));
}
INLINE void layer(long rows, long K, long wide, const real* A, const real* B, long N, real* C, int add) {
  long m = 0;
  for (; m + R <= rows; m += R) strip(R, K, A + m * wide, wide, 1, B, N, C + m * N, add);
  for (; m < rows; m++) strip(1, K, A + m * wide, wide, 1, B, N, C + m * N, add);
}
typedef const long long counts;
INLINE void sweep(long n, long depth, counts* in, counts* wide, const real* theta, const real* X, long m, long tile,
                  real* work, real* out, real* dout, int moved) {
  long widest = 0;
  for (long l = 0; l <= depth; l++) widest = wide[l] > widest ? wide[l] : widest;
  const long size = CHANNELS * tile * widest;
  for (long p = 0; p < n; p += tile) {
    const long t = n - p < tile ? n - p : tile, rows = CHANNELS * t;
    real *h = work, *dh = work + size, *z = work + 2 * size, *dz = work + 3 * size;
    const real* W = theta;
    for (long c = 0; c < CHANNELS; c++) for (long i = 0; i < t; i++) for (long j = 0; j < in[0]; j++)
      h[(c * t + i) * wide[0] + j] = X[(c * n + p + i) * in[0] + j];
    for (long l = 0; l < depth; l++) {
      const long N = wide[l + 1], K = in[l];
      const real *b = W + K * N, *dW = b + N, *db = dW + K * N;
      layer(rows, K, wide[l], h, W, N, z, 0);
      if (moved) {
        layer(rows, K, wide[l], h, dW, N, dz, 0);
        if (l) layer(rows, K, wide[l], dh, W, N, dz, 1);
      }
      if (l + 1 < depth) activate(t, N, b, db, z, dz, moved);
      else for (long c = 0; c < CHANNELS; c++) for (long i = 0; i < t; i++) for (long j = 0; j < m; j++) {
        const long from = (c * t + i) * N + j, to = (c * n + p + i) * m + j;
        out[to] = z[from] + (c ? 0 : b[j]);
        if (moved) dout[to] = dz[from] + (c ? 0 : db[j]);
      }
      real* swap = h; h = z; z = swap; swap = dh; dh = dz; dz = swap;
      W = moved ? db + N : b + N;
    }
  }
}
void values_sweep(long n, long depth, counts* in, counts* wide, const real* theta, const real* X, long m, long tile,
                  real* work, real* out, real* dout) {
  sweep(n, depth, in, wide, theta, X, m, tile, work, out, dout, 0);
}
void tangent_sweep(long n, long depth, counts* in, counts* wide, const real* theta, const real* X, long m, long tile,
                   real* work, real* out, real* dout) {
  sweep(n, depth, in, wide, theta, X, m, tile, work, out, dout, 1);
}
"""
_VALUES = {  # the transcendental values of z0 that an activation's derivatives are polynomials of
    "tanh": ("const vec a = 1.0 - 2.0 / (exponential(2.0 * z0) + 1.0);",),
    "silu": ("const vec z = z0;", "const vec p = 1.0 / (exponential(-z0) + 1.0);"),
}


def _activate(activation: Activation, channels: Channels) -> str:
    """The C function that carries jets z and tangents dz of t points through the activation, in place."""
    n = range(len(channels))
    moved: list[list[str]] = [[] for _ in n]
    for (j, c), p in channels.jacobian.items():
        moved[j].append(f"y{c}*(" + " + ".join(c_monomial(*term) for term in p) + ")")
    values = [" + ".join(c_monomial(*term) for term in p) for p in channels.composition]
    lines = [f"vec z{c} = *(vec*)(jets + {c}*t*N + k);" for c in n]
    lines += [f"vec y{c} = moved ? *(vec*)(tangents + {c}*t*N + k) : z{c};" for c in n]
    lines += ["z0 += *(vec*)(b + j); if (moved) y0 += *(vec*)(db + j);", *_VALUES[activation.name]]
    lines += c_tower(activation, channels.order + 1, "vec")
    lines += [f"*(vec*)(jets + {c}*t*N + k) = {value};" for c, value in zip(n, values, strict=True)]
    lines += ["if (moved) {", *(f"*(vec*)(tangents + {c}*t*N + k) = {' + '.join(moved[c])};" for c in n), "}"]
    return (
        "INLINE void activate(long t, long N, const real* b, const real* db, real* jets, real* tangents, int moved) {\n"
        "  for (long i = 0; i < t; i++) for (long j = 0; j < N; j += V) {\n    const long k = i * N + j;\n    "
        + "\n    ".join(lines) + "\n  }\n}\n"
    )  # fmt: skip


@cache
def _library(activation: Activation, channels: Channels) -> ctypes.CDLL | None:
    text = STRIPS.replace("REAL", "double") + _C.replace("CHANNELS", str(len(channels)))
    before, after = text.split("INLINE void sweep")
    library = load(before + _activate(activation, channels) + "INLINE void sweep" + after)
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
