"""Damped solves (C + damping I)^-1 b: Cholesky, dual (Woodbury), spectral, preconditioned conjugate gradients."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]  # v (P,) -> C v (P,)


class Factor(ABC):
    """The inverse of C + damping I for a symmetric C (P, P), ready to be applied."""

    damping: float  # what is added to C

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """Some P numbers of the dtype and on the device of C."""

    @property
    def definite(self) -> "Factor":
        """A definite factor near this one, to precondition with: itself, where C is definite."""
        return self

    @abstractmethod
    def solve(self, B: Tensor) -> Tensor:
        """(C + damping I)^-1 B for B (P,) or (P, k)."""

    @abstractmethod
    def whiten(self, J: Tensor) -> Tensor:
        """E with E E^T = J (C + damping I)^-1 J^T for rows J (m, P)."""

    @abstractmethod
    def leverage(self, J: Tensor) -> Tensor:
        """The diagonal of J (C + damping I)^-1 J^T for rows J (m, P), shape (m,)."""


def cholesky(C: Tensor, damping: float, what: str = "the curvature") -> Tensor:
    """The lower Cholesky factor of C + damping I (n, n).

    Raises:
        ValueError: a matrix that is not finite, or not positive definite at this damping.
    """
    damped = C.clone()
    damped.diagonal().add_(damping)
    L, info = torch.linalg.cholesky_ex(damped)
    if int(info) or not bool(torch.isfinite(L).all()):
        if not bool(torch.isfinite(C).all()):
            raise ValueError(f"{what} is not finite: the model has diverged, or a residual is singular at a point")
        raise ValueError(f"{what} is not positive definite with damping {damping:.1e}: raise the damping")
    return L


@dataclass(frozen=True, eq=False)
class Primal(Factor):
    """The Cholesky factor L (P, P) of C + damping I."""

    L: Tensor
    damping: float

    @property
    def like(self) -> Tensor:
        """Some P numbers of the dtype and on the device of C."""
        return self.L[0]

    @classmethod
    def of(cls, C: Tensor, damping: float) -> "Primal":
        """Factor C + damping I; raises ValueError where it is not positive definite."""
        return cls(cholesky(C, damping), damping)

    def solve(self, B: Tensor) -> Tensor:
        """(C + damping I)^-1 B."""
        return torch.cholesky_solve(B[:, None] if B.ndim == 1 else B, self.L).view_as(B)

    def whiten(self, J: Tensor) -> Tensor:
        """E = J L^-T, shape (m, P)."""
        return torch.linalg.solve_triangular(self.L, J.T, upper=False).T

    def leverage(self, J: Tensor) -> Tensor:
        """Row norms of E squared, shape (m,)."""
        return self.whiten(J).square().sum(1)

    def roots(self, n: int, seed: int) -> Tensor:
        """n directions W (P, n) with E[W W^T] = (C + damping I)^-1: |J_m W|^2 estimates the leverage of a row.

        All P columns of an exact root with n = 0.
        """
        L = self.L
        if n:  # drawn on the CPU, so that a seed means the same on every device
            Z = torch.randn(len(L), n, dtype=L.dtype, generator=torch.Generator().manual_seed(seed)).to(L)
            Z /= math.sqrt(n)
        else:
            Z = torch.eye(len(L), dtype=L.dtype, device=L.device)
        return torch.linalg.solve_triangular(L.T, Z, upper=True)


@dataclass(frozen=True, eq=False)
class Dual(Factor):
    """C = W^T W for weighted rows W (M, P), M < P, through the Cholesky factor of K + damping I, K = W W^T (M, M).

    (C + damping)^-1 b = [b - W^T (K + damping)^-1 W b] / damping (Woodbury), refined once: the difference cancels.
    """

    W: Tensor
    L: Tensor
    damping: float

    @property
    def like(self) -> Tensor:
        """Some P numbers of the dtype and on the device of C."""
        return self.W[0]

    @classmethod
    def of(cls, W: Tensor, K: Tensor, damping: float) -> "Dual":
        """Factor K + damping I."""
        return cls(W, cholesky(K, damping), damping)

    def _once(self, B: Tensor) -> Tensor:
        return (B - self.W.T @ torch.cholesky_solve(self.W @ B, self.L)) / self.damping

    def solve(self, B: Tensor) -> Tensor:
        """(C + damping I)^-1 B."""
        columns = B[:, None] if B.ndim == 1 else B
        X = self._once(columns)
        rest = columns - self.damping * X - self.W.T @ (self.W @ X)
        return (X + self._once(rest)).view_as(B)

    def whiten(self, J: Tensor) -> Tensor:
        """E from the Cholesky factor of J (C + damping I)^-1 J^T, shape (m, m)."""
        B = J @ self.solve(J.T)
        B = (B + B.T) / 2
        s, U = torch.linalg.eigh(B)
        return U * s.clamp_min(0).sqrt()

    def leverage(self, J: Tensor) -> Tensor:
        """sum_p J_mp [(C + damping I)^-1 J^T]_pm, shape (m,)."""
        return (J * self.solve(J.T).T).sum(1)


@dataclass(frozen=True, eq=False)
class Spectral(Factor):
    """C = V diag(s) V^T, V (P, k) orthonormal; outside its span C is 0, or cut away if ``truncate``."""

    s: Tensor
    V: Tensor
    damping: float
    truncate: bool = False

    @property
    def like(self) -> Tensor:
        """Some P numbers of the dtype and on the device of C."""
        return self.V[:, 0]

    @property
    def _rest(self) -> bool:
        return not self.truncate and self.V.shape[1] < self.V.shape[0]

    def solve(self, B: Tensor) -> Tensor:
        """(C + damping I)^-1 B."""
        columns = B[:, None] if B.ndim == 1 else B
        inside = self.V.T @ columns
        X = self.V @ (inside / (self.s + self.damping)[:, None])
        if self._rest:
            X += (columns - self.V @ inside) / self.damping
        return X.view_as(B)

    def whiten(self, J: Tensor) -> Tensor:
        """E = J V (s + damping)^-1/2, and the part outside V over damping^1/2; (m, k) or (m, k + P)."""
        inside = J @ self.V
        E = inside / (self.s + self.damping).sqrt()
        return torch.cat([E, (J - inside @ self.V.T) / math.sqrt(self.damping)], 1) if self._rest else E

    def leverage(self, J: Tensor) -> Tensor:
        """The diagonal of J (C + damping I)^-1 J^T, shape (m,)."""
        inside = (J @ self.V).square()
        h = (inside / (self.s + self.damping)).sum(1)
        if self._rest:
            h += (J.square().sum(1) - inside.sum(1)).clamp_min(0) / self.damping
        return h


@dataclass(frozen=True, eq=False)
class Solved:
    """What conjugate gradients found: x, the products it took, |residual| / |b|, and whether p^T C p <= 0 occurred."""

    x: Tensor
    products: int
    residual: float
    negative: bool


def conjugate_gradients(
    product: Product, b: Tensor, precondition: Product, tolerance: float = 1e-10, iterations: int = 500
) -> Solved:
    """x with |C x - b| <= tolerance |b| in the preconditioner's norm (Hestenes, Stiefel 1952).

    Stops where a direction of negative curvature shows that C is not definite.
    """
    x, r = torch.zeros_like(b), b.clone()
    z = precondition(r)
    p, rz = z.clone(), float(r @ z)
    start = rz
    if not start > 0:
        return Solved(x, 0, 0.0 if start == 0 else math.nan, start < 0)
    for k in range(1, iterations + 1):
        q = product(p)
        curvature = float(p @ q)
        if not curvature > 0:
            return Solved(x, k, math.sqrt(max(rz, 0) / start), True)
        alpha = rz / curvature
        x += alpha * p
        r -= alpha * q
        z = precondition(r)
        rz, old = float(r @ z), rz
        if rz <= tolerance**2 * start:
            break
        p = z + (rz / old) * p
    return Solved(x, k, math.sqrt(max(rz, 0) / start), False)


# ----------------------------------------------------------------------------------------- the choice of damping


@dataclass(frozen=True, eq=False)
class Path:
    """What a ridge fit of y on the rows W leaves, for every damping: eigenvalues s of W W^T and the misfits.

    y = W d - rho is the target that makes the linearised model theta - d + x fit with x = d at no misfit but rho:
    predicted are the rows of the model linearised at theta, from a prior centred at theta - d (Khan et al. 2019).
    """

    s: Tensor  # (n,) on the CPU
    rows: int
    fit: Callable[[float], tuple[float, float]] = field(repr=False)  # damping -> |y - W x|^2, that + damping |x|^2

    def freedom(self, damping: float) -> float:
        """The effective number of parameters sum s / (s + damping)."""
        return float((self.s / (self.s + damping)).sum())

    def gcv(self, damping: float) -> float:
        """Generalised cross-validation M |y - W x|^2 / (M - dof)^2 (Golub, Heath, Wahba 1979)."""
        return self.rows * self.fit(damping)[0] / max(self.rows - self.freedom(damping), 1e-9) ** 2

    def evidence(self, damping: float) -> float:
        """-2 log evidence / M up to a constant, with the noise level profiled out (MacKay 1992)."""
        penalised = max(self.fit(damping)[1], 1e-300)
        return math.log(penalised / self.rows) + float(torch.log1p(self.s / damping).sum()) / self.rows

    def choose(self, rule: str = "gcv") -> float:
        """The damping that minimises ``rule`` ("gcv" or "evidence") between rounding and the largest eigenvalue."""
        if rule not in ("gcv", "evidence"):
            raise ValueError(f"damping={rule!r}: give a number, 'gcv' or 'evidence'")
        criterion = self.gcv if rule == "gcv" else self.evidence
        top = float(self.s.max())
        if not top > 0:
            raise ValueError("the rows do not depend on the parameters: there is no curvature to speak of")
        grid = torch.linspace(math.log(self.floor), math.log(top), 61, dtype=torch.float64).tolist()
        scores = [criterion(math.exp(x)) for x in grid]
        k = min(range(len(grid)), key=scores.__getitem__)
        low, high = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
        golden = (math.sqrt(5) - 1) / 2
        for _ in range(12):
            a, b = high - golden * (high - low), low + golden * (high - low)
            low, high = (low, b) if criterion(math.exp(a)) < criterion(math.exp(b)) else (a, high)
        return math.exp((low + high) / 2)

    @property
    def floor(self) -> float:
        """The smallest damping that rounding allows."""
        return float(self.s.max()) * len(self.s) * 2.2e-16


def path(W: Tensor | None, C: Tensor, d: Tensor, rho: Tensor, dual: bool, g: Tensor | None = None) -> Path:
    """The damping path from one tridiagonalisation; C is W W^T (``dual``) or W^T W, rho (M,), d (P,), g = W^T rho.

    In the basis where C is tridiagonal every damping costs O(n) (Elden 1977). The dual form needs W, the other W or g.
    """
    if dual:
        assert W is not None
        y = W @ d - rho
        s, solve, (z,) = _tridiagonal(C, y)

        def fit(damping: float) -> tuple[float, float]:
            u = solve(damping, z)
            return damping**2 * float(u @ u), damping * float(z @ u)

    else:
        if g is None:
            assert W is not None
            g = W.T @ rho
        rr = float(rho @ rho)
        s, solve, (zd, zg) = _tridiagonal(C, d, g)
        multiply = solve.multiply

        def fit(damping: float) -> tuple[float, float]:
            e = solve(damping, damping * zd + zg)  # d - x, small: no cancellation
            misfit = rr - 2 * float(e @ zg) + float(e @ multiply(e))
            x = zd - e
            return max(misfit, 0.0), max(misfit, 0.0) + damping * float(x @ x)

    return Path(s.clamp_min(0), len(rho), fit)


class _Shifted:
    """Solves with a shifted tridiagonal (or diagonal) matrix."""

    def __init__(self, diagonal, off) -> None:
        self.diagonal, self.off = diagonal, off

    def __call__(self, damping: float, z: Tensor) -> Tensor:
        import numpy as np
        from scipy.linalg import solveh_banded

        bands = np.stack([self.diagonal + damping, np.append(self.off, 0.0)])
        return torch.from_numpy(solveh_banded(bands, z.numpy(), lower=True, check_finite=False))

    def multiply(self, z: Tensor) -> Tensor:
        a = z.numpy()
        out = self.diagonal * a
        out[:-1] += self.off * a[1:]
        out[1:] += self.off * a[:-1]
        return torch.from_numpy(out)


def _tridiagonal(C: Tensor, *vectors: Tensor) -> tuple[Tensor, _Shifted, list[Tensor]]:
    """Eigenvalues of C, solves in a basis Q in which it is tridiagonal, and Q^T of vectors; in double on the CPU."""
    import numpy as np
    from scipy.linalg import eigvalsh_tridiagonal, lapack

    if not bool(torch.isfinite(C).all()):
        raise ValueError("the curvature is not finite: the model has diverged, or a residual is singular at a point")
    if C.is_cuda or len(C) < 3:
        s, U = torch.linalg.eigh(C.double())
        shifted = _Shifted(s.cpu().numpy(), np.zeros(len(s) - 1))
        return s.cpu(), shifted, [(U.T @ v.double()).cpu() for v in vectors]
    A = np.asfortranarray(C.detach().double().numpy())
    work = int(lapack.dsytrd_lwork(len(A), lower=1)[0])
    reflectors, diagonal, off, tau, info = lapack.dsytrd(A, lower=1, lwork=work)
    if info:
        raise RuntimeError(f"LAPACK's dsytrd failed with {info}")
    Z = np.stack([v.detach().double().numpy() for v in vectors], 1)
    below = np.asfortranarray(reflectors[1:, :-1])
    Z[1:], _, info = lapack.dormqr("L", "T", below, tau, np.asfortranarray(Z[1:]), max(1, 64 * Z.shape[1]))
    s = torch.from_numpy(eigvalsh_tridiagonal(diagonal, off, lapack_driver="sterf"))
    return s, _Shifted(diagonal, off), [torch.from_numpy(Z[:, i].copy()) for i in range(Z.shape[1])]
