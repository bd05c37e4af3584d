"""Jumps at periodic ends, taken off a solution by Bernoulli polynomials: what is left joins smoothly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from pinnkit.certificate.theorem.form import Form
from pinnkit.certificate.theorem.misfit import Norm


def periodic_jump(f: Form) -> PeriodicJump | None:
    """That of a problem whose only space coordinate is periodic; None where none is.

    Raises:
        ValueError: several space coordinates, one of them periodic.
    """
    if not f.periodic:
        return None
    if len(f.space) > 1:
        raise ValueError("periodic conditions are enclosed in one space dimension only: use samples")
    (i,) = f.space
    low, high = (float(v) for v in f.problem.domain.bounds[:, i])
    return PeriodicJump(i, f.problem.variables[i], low, high, max(J[i] for J in f.slots))


@dataclass(frozen=True)
class PeriodicJump:
    """The ends ``low`` and ``high`` of coordinate number ``axis``, where ``orders`` derivatives from 0 on should agree.

    Of v with the jumps J_k(t) = D^k v(high, t) - D^k v(low, t) the function v - sum_k J_k l_k has none. The l_k = L^k
    B_{k+1}((x - low) / L) / (k + 1)!, B Bernoulli's polynomials, have D l_k = l_{k-1} and l_0 jumps by 1.
    """

    axis: int
    variable: sp.Symbol
    low: float
    high: float
    orders: int

    @property
    def length(self) -> sp.Rational:
        """L, exactly."""
        return sp.Rational(self.high) - sp.Rational(self.low)

    def lift(self, k: int, derivative: int = 0) -> sp.Expr:
        """D^derivative l_k, an exact polynomial."""
        k -= derivative
        if k < -1:
            return sp.S.Zero
        xi = (self.variable - sp.Rational(self.low)) / self.length
        return sp.expand(self.length**k * sp.bernoulli(k + 1, xi) / sp.factorial(k + 1))

    def name(self, f: Form, k: int) -> str:
        """The name of J_k's norm."""
        return f.periodic[self.variable.name].name + (f" (d{k})" if k else "")

    def added(self, jumps: Sequence[Norm], norm: str) -> float:
        """A bound of sum_k J_k l_k in the named norm, by the norms of J_k over time."""
        derivative = {"H1(t)": 1, "H2(t)": 2}.get(norm, 0)
        kind = {"sup": "sup", "L1(t)": "l1"}.get(norm, "l2")
        sizes = (j.l2 if norm == "L2(Q)" else j.sup for j in jumps)
        return sum(size * self._size(k, derivative, kind) for k, size in enumerate(sizes))

    def _size(self, k: int, derivative: int, kind: str) -> float:
        """The maximum, L2 or L1 norm of D^derivative l_k, or a bound: with n = k + 1 - derivative

        B_n / n! = -sum_{j != 0} e^{2 pi i j x} / (2 pi i j)^n, which gives the first for n > 1 and the second; the L1
        norm is at most sqrt(L) times that.
        """
        n, L = k + 1 - derivative, float(self.length)
        if n <= 0:
            return 0.0 if n < 0 else {"sup": 1 / L, "l2": 1 / math.sqrt(L), "l1": 1.0}[kind]
        scale = L ** (n - 1)
        if kind == "sup":
            return scale * (0.5 if n == 1 else 2 * float(sp.zeta(n)) / (2 * math.pi) ** n)
        mean = math.sqrt(abs(float(sp.bernoulli(2 * n))) / math.factorial(2 * n)) * scale * math.sqrt(L)
        return mean if kind == "l2" else mean * math.sqrt(L)
