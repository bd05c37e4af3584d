"""Products of tall thin matrices, the bulk of a small network's cost: register tiles in C, else torch."""

import ctypes
from functools import cache

import torch
from torch import Tensor

from pinnkit.tools.compiler import load

from .activation import New

STRIPS = """
typedef REAL real;
typedef real vec __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
enum { V = 32 / sizeof(real), R = 6 };
#define INLINE static inline __attribute__((always_inline))

INLINE void wide(long rows, long K, const real* A, long row, long step, const real* B, long N, real* C, int add) {
  vec c[R][2];
  for (long r = 0; r < rows; r++) c[r][0] = c[r][1] = (vec){0};
  for (long k = 0; k < K; k++) {
    const vec b0 = *(const vec*)(B + k * N), b1 = *(const vec*)(B + k * N + V);
    for (long r = 0; r < rows; r++) { const real a = A[r * row + k * step]; c[r][0] += a * b0; c[r][1] += a * b1; }
  }
  for (long r = 0; r < rows; r++) {
    vec* out = (vec*)(C + r * N);
    if (add) { out[0] += c[r][0]; out[1] += c[r][1]; } else { out[0] = c[r][0]; out[1] = c[r][1]; }
  }
}
INLINE void narrow(long rows, long K, const real* A, long row, long step, const real* B, long N, real* C, int add) {
  vec c[R];
  for (long r = 0; r < rows; r++) c[r] = (vec){0};
  for (long k = 0; k < K; k++) {
    const vec b = *(const vec*)(B + k * N);
    for (long r = 0; r < rows; r++) c[r] += A[r * row + k * step] * b;
  }
  for (long r = 0; r < rows; r++) { vec* out = (vec*)(C + r * N); if (add) *out += c[r]; else *out = c[r]; }
}
INLINE void single(long rows, long K, const real* A, long row, long step, const real* B, long N, real* C, int add) {
  for (long r = 0; r < rows; r++) {
    real c = 0;
    for (long k = 0; k < K; k++) c += A[r * row + k * step] * B[k * N];
    C[r * N] = add ? C[r * N] + c : c;
  }
}
INLINE void strip(long rows, long K, const real* A, long row, long step, const real* B, long N, real* C, int add) {
  long n = 0;
  for (; n + 2 * V <= N; n += 2 * V) wide(rows, K, A, row, step, B + n, N, C + n, add);
  for (; n + V <= N; n += V) narrow(rows, K, A, row, step, B + n, N, C + n, add);
  for (; n < N; n++) single(rows, K, A, row, step, B + n, N, C + n, add);
}
"""
_C = (
    STRIPS
    + """
/* C[M, N] = A[M, K] B[K, N] */
void product(long M, long N, long K, const real* A, const real* B, real* C) {
  long m = 0;
  for (; m + R <= M; m += R) strip(R, K, A + m * K, K, 1, B, N, C + m * N, 0);
  for (; m < M; m++) strip(1, K, A + m * K, K, 1, B, N, C + m * N, 0);
}
/* C[M, N] += A[K, M]^T B[K, N], in blocks of K that stay in cache */
void gather(long M, long N, long K, const real* A, const real* B, real* C) {
  for (long k = 0; k < K; k += 256) {
    const long depth = K - k < 256 ? K - k : 256;
    long m = 0;
    for (; m + R <= M; m += R) strip(R, depth, A + k * M + m, 1, M, B + k * N, N, C + m * N, 1);
    for (; m + 2 <= M; m += 2) strip(2, depth, A + k * M + m, 1, M, B + k * N, N, C + m * N, 1);
    for (; m < M; m++) strip(1, depth, A + k * M + m, 1, M, B + k * N, N, C + m * N, 1);
  }
}
"""
)
_OUTER = """
INLINE void rows(long o, long C, long I, const real* g, long next_g, const real* h, long next_h, real* J) {
  long i = 0;
  for (; i + V <= I; i += V) {
    vec s[4];
    for (long q = 0; q < o; q++) s[q] = *(vec*)(J + q * I + i);
    for (long c = 0; c < C; c++) {
      const vec v = *(const vec*)(h + c * next_h + i);
      for (long q = 0; q < o; q++) s[q] += g[c * next_g + q] * v;
    }
    for (long q = 0; q < o; q++) *(vec*)(J + q * I + i) = s[q];
  }
  for (; i < I; i++) for (long q = 0; q < o; q++) for (long c = 0; c < C; c++)
    J[q * I + i] += g[c * next_g + q] * h[c * next_h + i];
}
/* for every point J[O, I] += sum_c g_c[O] h_c[I]; rows of J are ``stride`` apart */
void outer(long B, long C, long O, long I, const real* g, const real* h, real* J, long stride) {
  for (long p = 0; p < B; p++) {
    long o = 0;
    for (; o + 4 <= O; o += 4) rows(4, C, I, g + p * O + o, B * O, h + p * I, B * I, J + p * stride + o * I);
    for (; o < O; o++) rows(1, C, I, g + p * O + o, B * O, h + p * I, B * I, J + p * stride + o * I);
  }
}
"""
_NAMES = {torch.float64: "double", torch.float32: "float"}
_WIDEST = 256  # beyond, the libraries' packing wins


@cache
def _library(dtype: torch.dtype, device: str) -> ctypes.CDLL | None:
    library = load(_C.replace("REAL", _NAMES[dtype])) if device == "cpu" and dtype in _NAMES else None
    for name in ("product", "gather") if library is not None else ():
        getattr(library, name).argtypes = [ctypes.c_long] * 3 + [ctypes.c_void_p] * 3
    return library


@cache
def _outer(dtype: torch.dtype, device: str) -> ctypes.CDLL | None:
    text = (STRIPS + _OUTER).replace("REAL", _NAMES[dtype]) if device == "cpu" and dtype in _NAMES else None
    library = None if text is None else load(text)
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
