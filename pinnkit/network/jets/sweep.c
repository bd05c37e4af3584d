/* e^x, layers, and a chain of layers tile by tile: values and derivatives along a direction, CHANNELS jets at a time */
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
/* jets and tangents of t points through the activation, in place; ACTIVATION is generated from the channels */
INLINE void activate(long t, long N, const real* b, const real* db, real* jets, real* tangents, int moved) {
  for (long i = 0; i < t; i++) for (long j = 0; j < N; j += V) {
    const long k = i * N + j;
    ACTIVATION
  }
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
