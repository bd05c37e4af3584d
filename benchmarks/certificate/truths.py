"""Errors on a line by an independent method: Galerkin polynomials that meet the boundary conditions, exact in time.

e_t = A e + r or e_tt + 2 b e_t = A e + r, A = sum_k q_k D^k with constants, general linear conditions B_j e = g_j or
periodic ends, all data products of given functions of x with 1, cos wt or sin wt. With polynomials l_j, B_i l_j =
(i = j), z = e - sum g_j l_j meets homogeneous conditions and is looked for among Legendre polynomials that do; of a
third order operator the test functions meet the mirrored conditions (Shen, SIAM J. Numer. Anal. 41, 2003). Time steps
are those of a matrix exponential. Without time, tau's method; what flows in, whose kink no polynomial holds, along
characteristics; of equations that are not linear collocation, and Radau's steps. Nothing of this is shared with the
certificates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy.integrate import solve_ivp
from scipy.linalg import expm, null_space

Function = Callable[[np.ndarray], np.ndarray]
DEGREE, STEPS = 30, 160  # steps: an even number


def basis(x: np.ndarray, L: float, k: int, count: int) -> np.ndarray:
    """D^k of Legendre polynomials of (0, L) at x, (len(x), count)."""
    c = np.eye(count)
    c = legendre.legder(c, k, axis=0) if k else c
    return legendre.legval(2 * x / L - 1, c).T.reshape(len(x), count) * (2 / L) ** k


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
    across: float = 0.0  # the wave number of sines along another side, which slopes hold too

    def _row(self, end: End, count: int) -> np.ndarray:
        at = np.array([end.side * self.L])
        return sum(f * basis(at, self.L, k, count)[0] for k, f in end.factors.items())

    def _conditions(self, count: int) -> np.ndarray:
        if self.ends:
            return np.stack([self._row(e, count) for e in self.ends])
        highest = max(k for k, v in enumerate(self.q) if v)
        pairs = [(End(0, {k: 1.0}), End(1, {k: 1.0})) for k in range(highest)]
        return np.stack([self._row(a, count) - self._row(b, count) for a, b in pairs])

    def steady(self, walls: Sequence[float], source: Function) -> dict[str, float]:
        """Norms of e with A e + r = 0, ``walls`` what is given at every end, by the method of tau."""
        n = self.degree + 1
        x, weight = np.polynomial.legendre.leggauss(n + 12)
        x, weight = self.L * (x + 1) / 2, self.L * weight / 2
        D = [basis(x, self.L, k, n) for k in range(5)]
        test = D[0][:, : n - len(self.ends)].T * weight
        M = np.concatenate([test @ sum(q * D[k] for k, q in enumerate(self.q)), self._conditions(n)])
        scale = 1 / np.abs(M).max(1)
        c = np.linalg.solve(M * scale[:, None], np.concatenate([-test @ source(x), walls]) * scale)
        values = basis(np.concatenate([[0.0], np.linspace(0, self.L, 400), x, [self.L]]), self.L, 0, n) @ c
        return {"sup": float(np.abs(values).max()), "L2": math.sqrt(float(weight @ (D[0] @ c) ** 2))}

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
        D = [basis(x, self.L, k, n) for k in range(5)]
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
        values = basis(fine, self.L, 0, n) @ coefficients
        mean = [np.sqrt(weight @ (D[k] @ coefficients) ** 2) for k in range(3)]
        mean[1] = np.hypot(mean[1], self.across * mean[0])
        part = np.zeros((len(x), len(y)))  # e in Gauss points by the state
        part[:, :m], part[:, -3:] = D[0] @ V, D[0] @ lifts @ gammas
        square = y @ integral_of_squares(G, part.T * weight @ part, self.T) @ y
        return {
            "sup": float(np.abs(values).max()), "L2(t)": float(mean[0].max()), "L2(T)": float(mean[0][-1]),
            "L2(Q)": math.sqrt(max(float(square), 0.0)), "H1(t)": float(mean[1].max()),
            "H2(t)": float(mean[2].max()),
        }  # fmt: skip


@dataclass(frozen=True)
class Flow:
    """e_t + speed e_x = rate e + r on (0, L), e given where x = 0: along characteristics."""

    speed: float
    rate: float
    L: float
    T: float
    steps: int = STEPS

    def errors(
        self, initial: Function, inflow: Function, residual: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> dict[str, float]:
        """Norms of e; ``inflow`` (t) and ``residual`` (x, t) take arrays."""
        s, w = np.polynomial.legendre.leggauss(40)
        s, w = (s + 1) / 2, w / 2
        top, mean = 0.0, []
        for t in np.linspace(0, self.T, self.steps + 1):
            front = min(self.speed * t, self.L)
            x = np.concatenate([[0.0], front * s, [front], front + (self.L - front) * s, [self.L]])
            since = np.minimum(t, x / self.speed)
            inside = x < self.speed * t
            e = np.where(inside, inflow(t - since), initial(np.maximum(x - self.speed * t, 0.0)))
            ago = since[:, None] * s
            source = residual(x[:, None] - self.speed * ago, t - ago) * np.exp(self.rate * ago)
            e = e * np.exp(self.rate * since) + since * (source @ w)
            top = max(top, float(np.abs(e).max()))
            mean.append(front * (w @ e[1:41] ** 2) + (self.L - front) * (w @ e[42:82] ** 2))
        simpson = np.array([1.0, *[4.0, 2.0] * (self.steps // 2 - 1), 4.0, 1.0]) * self.T / self.steps / 3
        return {"sup": top, "L2(t)": math.sqrt(max(mean)), "L2(T)": math.sqrt(mean[-1]),
                "L2(Q)": math.sqrt(float(simpson @ mean))}  # fmt: skip


def integral_of_squares(G: np.ndarray, Q: np.ndarray, T: float) -> np.ndarray:
    """int_0^T e^{G's} Q e^{Gs} ds: a series for a short time, doubled until it is T."""
    doublings = max(0, math.ceil(math.log2(max(float(np.abs(G).sum(0).max()) * T / 0.1, 1.0))))
    h = T / 2**doublings
    term, total = h * Q, h * Q
    for k in range(2, 14):
        term = h / k * (G.T @ term + term @ G)
        total = total + term
    for k in range(doublings):
        P = expm(G * (h * 2**k))
        total = total + P.T @ total @ P
    return total


@dataclass(frozen=True)
class Nonlinear:
    """e_t = a e_xx + reaction(e) - convection e e_x + r on (0, L), values (0) or slopes (1) given at the ends."""

    a: float
    L: float
    T: float
    orders: tuple[int, int]
    reaction: Callable[[np.ndarray], np.ndarray]
    convection: float = 0.0
    degree: int = DEGREE
    steps: int = STEPS

    def errors(
        self, initial: Function | None, walls: Callable[[float], np.ndarray],
        residual: Callable[[np.ndarray, float], np.ndarray] | None,
    ) -> dict[str, float]:  # fmt: skip
        """Norms of e; ``walls`` (t) gives both ends' data, a slope along x."""
        n = self.degree
        x = self.L * (1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2
        V, V1, V2 = (basis(x, self.L, k, n + 1) for k in range(3))
        inverse = np.linalg.inv(V)
        D, D2 = V1 @ inverse, V2 @ inverse
        B = np.stack([D[i] if k else np.eye(n + 1)[i] for i, k in zip((0, -1), self.orders, strict=True)])
        ends, inner = [0, n], slice(1, n)
        own = np.linalg.inv(B[:, ends])

        def whole(y: np.ndarray, t: float) -> np.ndarray:
            a, b = own @ (walls(t) - B[:, inner] @ y)
            return np.concatenate([[a], y, [b]])

        def rate(t: float, y: np.ndarray) -> np.ndarray:
            e = whole(y, t)
            out = self.a * (D2 @ e) + self.reaction(e) - self.convection * e * (D @ e)
            return (out if residual is None else out + residual(x, t))[inner]

        start, times = np.zeros(n - 1) if initial is None else initial(x)[inner], np.linspace(0, self.T, self.steps + 1)
        found = solve_ivp(rate, (0, self.T), start, "Radau", times, rtol=1e-8, atol=1e-11)
        if not found.success:
            return {}
        c = inverse @ np.stack([whole(y, t) for y, t in zip(found.y.T, times, strict=True)], 1)
        s, w = np.polynomial.legendre.leggauss(200)
        s, w = self.L * (s + 1) / 2, self.L * w / 2
        values = basis(np.concatenate([[0.0], s, [self.L]]), self.L, 0, n + 1) @ c
        mean, size = np.sqrt(w @ values[1:-1] ** 2), w @ np.abs(values[1:-1])
        simpson = np.array([1.0, *[4.0, 2.0] * (self.steps // 2 - 1), 4.0, 1.0]) * self.T / self.steps / 3
        return {
            "sup": float(np.abs(values).max()), "L2(t)": float(mean.max()), "L2(T)": float(mean[-1]),
            "L2(Q)": math.sqrt(float(simpson @ mean**2)), "L1(t)": float(size.max()),
        }  # fmt: skip
