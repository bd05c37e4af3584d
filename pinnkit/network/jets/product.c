/* A B and A^T B for tall thin matrices */
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
