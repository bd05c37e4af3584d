"""Errors on a line by an independent method: Galerkin polynomials that meet the boundary conditions, exact in time.

e_t = A e + r or e_tt + 2 b e_t = A e + r, A = sum_k q_k D^k with constants, general linear conditions B_j e = g_j or
periodic ends, all data products of given functions of x with 1, cos wt or sin wt. With polynomials l_j, B_i l_j =
(i = j), z = e - sum g_j l_j meets homogeneous conditions and is looked for among Legendre polynomials that do; of a
third order operator the test functions meet the mirrored conditions (Shen, SIAM J. Numer. Anal. 41, 2003). Time steps
are those of a matrix exponential. Nothing of this is shared with the certificates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import expm, null_space

Function = Callable[[np.ndarray], np.ndarray]
DEGREE, STEPS = 30, 160  # steps: an even number


@dataclass(frozen=True)
class End:
    """sum_k factors[k] D^k e at the left (0) or right (1) end."""

    side: int
    factors: Mapping[int, float]


@dataclass(frozen=True)
class Line:
    """The equation on (0, L) for times (0, T); no ``ends`` are periodic ones."""

    order: int
    q: Sequence[float]
    L: float
    T: float
    ends: Sequence[End]
    damping: float = 0.0  # 2 b
    frequency: float = 1.0  # w of the data
    degree: int = DEGREE
    steps: int = STEPS

    def _basis(self, x: np.ndarray, k: int, count: int) -> np.ndarray:
        """D^k of Legendre polynomials at x, (len(x), count)."""
        c = np.eye(count)
        c = legendre.legder(c, k, axis=0) if k else c
        return legendre.legval(2 * x / self.L - 1, c).T.reshape(len(x), count) * (2 / self.L) ** k

    def _row(self, end: End, count: int) -> np.ndarray:
        at = np.array([end.side * self.L])
        return sum(f * self._basis(at, k, count)[0] for k, f in end.factors.items())

    def _conditions(self, count: int) -> np.ndarray:
        if self.ends:
            return np.stack([self._row(e, count) for e in self.ends])
        highest = max(k for k, v in enumerate(self.q) if v)
        pairs = [(End(0, {k: 1.0}), End(1, {k: 1.0})) for k in range(highest)]
        return np.stack([self._row(a, count) - self._row(b, count) for a, b in pairs])

    def errors(
        self,
        initial: Sequence[Function | None] = (None, None),
        walls: Sequence[Sequence[float]] = (),
        residual: Sequence[Function | None] = (None, None, None),
    ) -> dict[str, float]:
        """Norms of e. ``walls`` holds of every end the factors of (1, cos wt, sin wt), ``residual`` functions of x."""
        n, w = self.degree + 1, self.frequency
        C = self._conditions(n)
        scale = np.abs(C).max(1, keepdims=True)
        V = null_space(C / scale)
        W = V
        if len(self.q) > 3 and self.q[3] and self.ends:
            other = [End(1 - e.side, e.factors) for e in self.ends]
            W = null_space(np.stack([self._row(e, n) for e in other]) / scale)
        x, weight = np.polynomial.legendre.leggauss(n + 12)
        x, weight = self.L * (x + 1) / 2, self.L * weight / 2
        D = [self._basis(x, k, n) for k in range(5)]
        A = sum(q * D[k] for k, q in enumerate(self.q))
        test = (D[0] @ W).T * weight
        M = test @ D[0] @ V
        gammas = np.array([list(g) for g in walls], float).reshape(-1, 3)
        lifts = np.linalg.pinv(C / scale) / scale.T if len(gammas) else np.zeros((n, 0))
        H = np.array([[0, 0, 0], [0, 0, -w], [0, w, 0.0]])  # of (1, cos, sin)
        first = gammas @ H
        l, Al = D[0] @ lifts, A @ lifts
        moved = l @ (first @ H + self.damping * first) if self.order == 2 else l @ first
        F = Al @ gammas - moved + np.stack([np.zeros_like(x) if r is None else r(x) for r in residual], 1)
        S, F = np.linalg.solve(M, test @ A @ V), np.linalg.solve(M, test @ F)
        m, h0 = S.shape[0], np.array([1.0, 1.0, 0.0])

        def start(e0: Function | None, g: np.ndarray) -> np.ndarray:
            value = (np.zeros_like(x) if e0 is None else e0(x)) - l @ g
            return np.linalg.solve(M, test @ value)

        if self.order == 1:
            G = np.block([[S, F], [np.zeros((3, m)), H]])
            y = np.concatenate([start(initial[0], gammas @ h0), h0])
        else:
            G = np.block([
                [np.zeros((m, m)), np.eye(m), np.zeros((m, 3))], [S, -self.damping * np.eye(m), F],
                [np.zeros((3, 2 * m)), H],
            ])  # fmt: skip
            y = np.concatenate([start(initial[0], gammas @ h0), start(initial[1], first @ h0), h0])
        P, states = expm(G * self.T / self.steps), [y]
        for _ in range(self.steps):
            states.append(P @ states[-1])
        Y = np.array(states).T
        coefficients = V @ Y[:m] + lifts @ gammas @ Y[-3:]
        fine = np.concatenate([[0.0], x, [self.L]])
        values = self._basis(fine, 0, n) @ coefficients
        mean = [np.sqrt(weight @ (D[k] @ coefficients) ** 2) for k in range(3)]
        simpson = np.array([1.0, *[4.0, 2.0] * (self.steps // 2 - 1), 4.0, 1.0]) * self.T / self.steps / 3
        return {
            "sup": float(np.abs(values).max()), "L2(t)": float(mean[0].max()), "L2(T)": float(mean[0][-1]),
            "L2(Q)": math.sqrt(float(simpson @ mean[0] ** 2)), "H1(t)": float(mean[1].max()),
            "H2(t)": float(mean[2].max()),
        }  # fmt: skip
