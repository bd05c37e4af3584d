/* sums of outer products, a row of the result a point */
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
