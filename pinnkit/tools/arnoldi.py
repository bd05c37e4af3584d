"""Arnoldi's iteration: the leading eigenpairs of a symmetric matrix of which only products are known."""

from collections.abc import Callable

import torch
from torch import Tensor


def start_vector(P: int, start: Tensor | None, seed: int, like: Tensor | None) -> Tensor:
    """The vector (P,) that is given, else Gaussian noise by the seed, in the kind of ``like``."""
    if start is not None:
        return start
    noise = torch.randn(P, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise if like is None else noise.to(like)


def ritz(
    product: Callable[[Tensor], Tensor], start: Tensor, dim: int, tol: float, damping: float, keep: int, smallest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """V (P, k) and ascending eigenvalues (k,) with H + damping ~ V diag(eigenvalues) V^T, and all eigenvalues found.

    H is known by its product v -> H v. V has the ``keep`` largest of those above ``smallest``, after ``dim`` steps of
    Arnoldi's iteration from ``start`` (P,), or until a new vector is shorter than ``tol`` (Schioppa et al. 2022, sect.
    3.2, with the settings of captum's ArnoldiInfluenceFunction, which also leaves out the last vector).

    Raises:
        ValueError: where no eigenvalue is left.
    """
    Q, H = _krylov(product, start, dim, tol)
    if not len(H):
        raise ValueError(f"Arnoldi's iteration stopped at its first vector: give a smaller tol than {tol:g}")
    H.diagonal().add_(damping)
    values, vectors = torch.linalg.eig(H)  # not eigh, as published: H is symmetric up to rounding only
    order = values.real.argsort()
    values, vectors = values.real[order], vectors.real[:, order]
    chosen = (values > smallest).nonzero()[:, 0][-keep:]
    if not len(chosen):
        raise ValueError(
            f"no eigenvalue of the projected Hessian is above {smallest:g}: the largest is {float(values[-1]):.1e}; "
            "give a smaller threshold, or use curvature='gauss-newton'"
        )
    return Q.T @ vectors[:, chosen], values[chosen], values


def _krylov(product: Callable[[Tensor], Tensor], start: Tensor, dim: int, tol: float) -> tuple[Tensor, Tensor]:
    """An orthonormal basis Q (n, P) by modified Gram-Schmidt and H = Q A Q^T (n, n); n = dim - 1 unless it stops."""
    Q, H = start.new_empty(dim, len(start)), start.new_zeros(dim, dim)
    Q[0] = start / start.norm()
    for k in range(dim):
        v = product(Q[k])
        for i in range(k + 1):
            H[i, k] = Q[i] @ v
            v = v - H[i, k] * Q[i]
        length = v.norm()
        if k + 1 == dim or length < tol:
            break
        H[k + 1, k] = length
        Q[k + 1] = v / length
    return Q[:k], H[:k, :k].clone()
