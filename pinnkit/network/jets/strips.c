/* C[rows, N] = or += A B in register tiles, A by strides, REAL the numbers: what the other kernels are made of */
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
