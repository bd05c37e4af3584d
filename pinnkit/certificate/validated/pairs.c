/* Sums of products of pairs of doubles (unevaluated sums h + l with |l| <= u |h|); rounding is bounded in pairs.py.
   No product and sum may be contracted but where fma is written. */
#pragma STDC FP_CONTRACT OFF
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#endif

#include <stdint.h>

#define CHUNK 256

/* (s, e) += (p, q), p the rounded product and q what it lacks */
#define ADD(s, e, p, q) do { double t_ = (s) + (p), z_ = t_ - (s); \
    (e) += (q) + (((s) - (t_ - z_)) + ((p) - z_)); (s) = t_; } while (0)

/* out[target[i * nb + j]] += a[i] * b[j], rows of n numbers */
void pinnkit_pairs_convolve(int64_t n, int64_t na, int64_t nb, const int64_t *target, double *restrict oh, double *restrict ol,
                            const double *ah, const double *al, const double *bh, const double *bl) {
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t to = from + CHUNK < n ? from + CHUNK : n;
        for (int64_t i = 0; i < na; i++)
            for (int64_t j = 0; j < nb; j++) {
                const double *a = ah + i * n, *ae = al + i * n, *b = bh + j * n, *be = bl + j * n;
                double *restrict s = oh + target[i * nb + j] * n, *restrict e = ol + target[i * nb + j] * n;
                for (int64_t k = from; k < to; k++) {
                    double p = a[k] * b[k];
                    double q = __builtin_fma(ae[k], b[k], __builtin_fma(a[k], be[k], __builtin_fma(a[k], b[k], -p)));
                    ADD(s[k], e[k], p, q);
                }
            }
    }
}

/* out[t, o] += sum_i w[o, i] x[t, i], rows of n numbers */
void pinnkit_pairs_linear(int64_t n, int64_t terms, int64_t no, int64_t ni, const double *w, double *restrict oh,
                          double *restrict ol, const double *xh, const double *xl) {
    for (int64_t t = 0; t < terms; t++)
        for (int64_t from = 0; from < n; from += CHUNK) {
            int64_t to = from + CHUNK < n ? from + CHUNK : n;
            for (int64_t o = 0; o < no; o++) {
                double *restrict s = oh + (t * no + o) * n, *restrict e = ol + (t * no + o) * n;
                for (int64_t i = 0; i < ni; i++) {
                    const double *x = xh + (t * ni + i) * n, *xe = xl + (t * ni + i) * n;
                    double f = w[o * ni + i];
                    for (int64_t k = from; k < to; k++) {
                        double p = f * x[k], q = __builtin_fma(f, xe[k], __builtin_fma(f, x[k], -p));
                        ADD(s[k], e[k], p, q);
                    }
                }
            }
        }
}

/* (s, e) := s + e as a pair again */
void pinnkit_pairs_normal(int64_t n, double *restrict s, double *restrict e) {
    for (int64_t k = 0; k < n; k++) {
        double t = s[k] + e[k], z = t - s[k], r = (s[k] - (t - z)) + (e[k] - z);
        s[k] = t;
        e[k] = r;
    }
}
