"""Variable projection: amplitudes eliminated from a least-squares problem, and its Jacobian by the other parameters."""

from dataclasses import dataclass

import numpy as np

RANK = 1e-13  # singular values of the scaled columns below this fraction of the largest are dropped


@dataclass(frozen=True)
class Fit:
    """The least-squares amplitudes of columns F (M, K) for a target (M,): a (K,), residual target - F a, rank."""

    a: np.ndarray
    residual: np.ndarray
    rank: int
    basis: np.ndarray  # orthonormal columns of the range of F, (M, rank)
    inverse: np.ndarray  # the pseudo-inverse of F, transposed: (M, K)

    @property
    def misfit(self) -> float:
        """|target - F a|."""
        return float(np.linalg.norm(self.residual))


def fit(F: np.ndarray, target: np.ndarray, rank: float = RANK) -> Fit:
    """Least squares with columns scaled to length 1 and small singular values dropped."""
    scale = np.linalg.norm(F, axis=0)
    scale[scale == 0] = 1.0
    U, sigma, Vt = np.linalg.svd(F / scale, full_matrices=False)
    r = int((sigma > rank * sigma[0]).sum()) if len(sigma) else 0
    U, sigma, Vt = U[:, :r], sigma[:r], Vt[:r]
    inverse = (U / sigma) @ Vt / scale
    a = Vt.T @ ((U.T @ target) / sigma) / scale
    residual = target - F @ a
    correction = Vt.T @ ((U.T @ residual) / sigma) / scale  # one step of refinement
    return Fit(a + correction, target - F @ (a + correction), r, U, inverse)


def jacobian(F: np.ndarray, dF: np.ndarray, target: np.ndarray, solved: Fit | None = None) -> np.ndarray:
    """d(target - F a)/dz for columns F (M, K), each with p parameters of its own: dF (p, M, K), shape (M, K p).

    -(P dF a + (F^+)^T dF^T r) with P = 1 - F F^+ and r the residual (Golub, Pereyra 1973), columns ordered by member.
    """
    solved = fit(F, target) if solved is None else solved
    p, M, K = dF.shape
    first = (dF * solved.a).transpose(1, 2, 0).reshape(M, K * p)
    first = first - solved.basis @ (solved.basis.T @ first)
    slopes = np.einsum("pmk,m->kp", dF, solved.residual)
    second = (solved.inverse[:, :, None] * slopes).reshape(M, K * p)
    return -(first + second)
