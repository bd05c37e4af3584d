"""Gradient-dot: influence with the identity for a curvature, to compare with."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class IdentityCurvature:
    """C = H / 2 with H = I: scores are inner products of gradients (TracIn with one checkpoint, Pruthi et al. 2020)."""

    name: str = "gradient-dot"
    damping: float = 0.0
    notes: tuple[str, ...] = ("there is no curvature in these scores: they have no scale of their own",)

    def solve(self, B: Tensor) -> Tensor:
        """C^-1 B = 2 B."""
        return 2 * B

    def whiten(self, J: Tensor) -> Tensor:
        """E with E E^T = 2 J J^T, shape (m, P)."""
        return 2**0.5 * J

    def leverage(self, J: Tensor) -> Tensor:
        """2 |J_m|^2, shape (m,)."""
        return 2 * J.square().sum(1)
