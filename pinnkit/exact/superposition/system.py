"""Several linear homogeneous equations for several fields: a matrix of operators, its determinant and its kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp

from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.channels import Index

from .linear_operator import LinearOperator, coefficients_of, misfit, time_of

KERNEL = 1e-9  # singular values of the symbol below this fraction of its size belong to its kernel

Entry = Mapping[Index, sp.Expr]


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """sum_b A_ab u_b = 0 with operators A_ab = sum_J c_J D^J, as many equations as fields."""

    coordinates: tuple[sp.Symbol, ...]
    entries: tuple[tuple[Entry, ...], ...]
    time: int | None

    @property
    def t(self) -> int:
        """The number of the time coordinate; ValueError where there is no time."""
        if self.time is None:
            raise ValueError("the equations have no time coordinate")
        return self.time

    @property
    def count(self) -> int:
        """The number of fields."""
        return len(self.entries[0])

    @property
    def constant(self) -> bool:
        """Whether all coefficients are numbers."""
        return all(not c.free_symbols for line in self.entries for entry in line for c in entry.values())

    @cached_property
    def determinant(self) -> LinearOperator | None:
        """The operator that every field satisfies by itself, without repeated factors.

        None where coefficients vary or the determinant is 0.
        """
        if not self.constant:
            return None
        k = sp.symbols(f"k:{len(self.coordinates)}")
        symbols = [
            [sum((c * _power(k, J) for J, c in entry.items()), sp.S.Zero) for entry in line] for line in self.entries
        ]
        det = sp.Poly(sp.Matrix(symbols).det(method="berkowitz"), *k)
        if det.is_zero or det.is_ground:
            return None
        return LinearOperator(self.coordinates, dict(sp.sqf_part(det).terms()), self.time)

    def kernel(self, exponents: Sequence[complex] | np.ndarray) -> np.ndarray:
        """All p with P(k) p = 0, so that p exp(k . x) solves the equations: shape (dimension, fields)."""
        P = np.array([[_at(entry, exponents) for entry in line] for line in self.entries])
        size = np.array([[_at(entry, np.abs(exponents), True) for entry in line] for line in self.entries])
        scale = np.maximum(np.abs(size).max(), 1e-300)
        _, sigma, Vh = np.linalg.svd(P / scale)
        return Vh[(sigma < KERNEL)].conj()

    def misfit(self, phi: Sequence[sp.Expr], values: Mapping[sp.Symbol, tuple[float, float]], seed: int = 0) -> float:
        """The largest residual of an equation, relative to its terms, at random places, in 40 digits."""
        worst = 0.0
        for line in self.entries:
            parts = [
                (LinearOperator(self.coordinates, entry, self.time), e) for entry, e in zip(line, phi, strict=True)
            ]
            worst = max(worst, misfit([part for part in parts if part[0].coefficients], values, seed))
        return worst


def system(problem: Problem) -> LinearSystem:
    """The operators of a problem's equations.

    Raises:
        ValueError: another number of equations than fields, or equations that are not linear and homogeneous.
    """
    problem.everywhere("superposition does")
    if len(problem.fields) != len(problem.equations):
        raise ValueError(
            f"{problem.name} has {len(problem.fields)} fields and {len(problem.equations)} equations: superposition "
            "needs as many equations as fields"
        )
    entries = tuple(tuple(line) for line in coefficients_of(problem))
    return LinearSystem(problem.variables, entries, time_of(problem))


def _power(k: Sequence[sp.Symbol], J: Index) -> sp.Expr:
    return sp.Mul(*(s**n for s, n in zip(k, J, strict=True)))


def _at(entry: Entry, exponents: Sequence[complex] | np.ndarray, size: bool = False) -> complex:
    terms = ((float(c), np.prod(np.asarray(exponents) ** np.array(J))) for J, c in entry.items())
    return sum((abs(c) * v if size else c * v for c, v in terms), 0.0)
