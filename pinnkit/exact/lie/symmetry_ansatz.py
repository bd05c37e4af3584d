"""Closed forms of the symmetries: powers, times exponentials or arbitrary functions, by an exact null space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import comb, prod
from typing import Any

from sympy.polys.domains import QQ

from pinnkit.statement.symbolic.channels import Index

from .coefficient_field import CoefficientField
from .determining import Determining
from .echelon import Echelon
from .jet_space import indices
from .monomials import Monomials, Powers

Term = tuple[int, Powers, int]  # function f, powers of z, derivative k of the arbitrary function
Vector = dict[Term, Any]


@dataclass(frozen=True)
class CommonFactor:
    """What every term is multiplied by: exp(sum rate_i z_i), or an arbitrary function F(sum slope_i z_i)."""

    rate: Mapping[int, Any]
    slope: Mapping[int, Any]

    def derived(self, i: int, times: int) -> tuple[Any, int] | None:
        """(c, k): what the i-th derivative makes of it that often, c times the k-th derivative; None for 0."""
        if i in self.rate:
            return self.rate[i] ** times, 0
        if i in self.slope:
            return (1 if self.slope[i] == 1 else self.slope[i] ** times), times
        return (1, 0) if times == 0 else None


PLAIN = CommonFactor({}, {})


@dataclass(frozen=True)
class PowerSteps:
    """The powers lowest, lowest + 1/root, ... of a variable."""

    lowest: int = 0
    root: int = 1


def solutions(
    system: Determining, field: CoefficientField, degree: int, factor: CommonFactor = PLAIN, derivatives: int = 0,
    steps: Sequence[PowerSteps] = (),
) -> list[Vector]:  # fmt: skip
    """A basis of the solutions sum c z^a factor^(k) of total degree sum |a_i| <= degree, k <= derivatives.

    The powers a_i are 0, 1, ... unless ``steps`` says otherwise.
    """
    terms = [
        (f, a, k)
        for a in _powers(steps or [PowerSteps()] * len(system.base), degree)
        for f in range(system.functions)
        for k in range(derivatives + 1)
        if not _excluded(system, factor, f, a)
    ]
    echelon = Echelon(_size, "exact")
    for row in sorted(_equations(system, field, terms, factor), key=len):
        echelon.add(row)
    return [{term: field.domain.convert(c) for term, c in v.items()} for v in echelon.kernel(terms)]


class GradedBasis:
    """A basis that starts with the solutions of low degree; those of higher degree are reduced by them."""

    def __init__(self) -> None:
        self.basis: list[Vector] = []
        self._echelon = Echelon(_smallness, "exact")

    def add(self, found: Sequence[Vector]) -> bool:
        """Add the solutions of the next degree; whether there are new ones."""
        size = len(self.basis)
        for v in found:
            v = self._echelon.reduced(v)
            if v:
                self.basis.append(v)
                self._echelon.add(v)
        return len(self.basis) > size


def _size(term: Term) -> tuple:
    """The order of terms: by degree, then by derivative of the arbitrary function."""
    return (_degree(term[1]), term[2], term)


def _smallness(term: Term) -> tuple:
    """The reverse order."""
    f, powers, k = term
    return (-_degree(powers), -k, -f, tuple(-p for p in powers))


def _powers(steps: Sequence[PowerSteps], degree: int) -> list[Powers]:
    """All powers of total degree sum |a_i| <= degree, lowest first."""
    if all(s == PowerSteps() for s in steps):
        return list(indices(len(steps), degree))
    choices = [[Fraction(k, s.root) for k in range(s.lowest * s.root, degree * s.root + 1)] for s in steps]
    found = [a for a in product(*choices) if _degree(a) <= degree]
    return sorted(found, key=lambda a: (_degree(a), tuple(-k for k in a)))


def _degree(a: Powers) -> int | Fraction:
    total: int | Fraction = 0
    for k in a:
        total = total + (k if k >= 0 else -k)
    return total


def _excluded(system: Determining, factor: CommonFactor, f: int, a: Powers) -> bool:
    """Whether a derivative that must vanish does not, or the monomial is part of the arbitrary function's argument."""
    if any(a[i] for i in list(factor.slope)[:1]):
        return True
    return any(
        f == g and all(_falling(a[i], k) or factor.derived(i, 1) for i, k in enumerate(m)) for g, m in system.zero
    )


def _equations(
    system: Determining, field: CoefficientField, terms: Sequence[Term], factor: CommonFactor
) -> list[dict[Term, Any]]:
    """The determining equations on a sum of terms, split by all monomials in normal form."""
    monomials = Monomials(system, field)
    by_function: dict[int, list[Term]] = {}
    for term in terms:
        by_function.setdefault(term[0], []).append(term)
    found = []
    for row in system.rows:
        split: dict[tuple, dict[Term, Any]] = {}
        for (f, m), c in row.items():
            weights = monomials.split(c)
            scaled: dict[Any, dict[Index, Any]] = {1: weights}  # by whole numbers: products of fractions are slow
            for term in by_function.get(f, ()):
                for (powers, k), v in _derivative(term, m, factor).items():
                    own = monomials.spelled(powers)
                    if v not in scaled:
                        scaled[v] = {
                            z: w * (v if isinstance(v, int) else field.domain.convert(v)) for z, w in weights.items()
                        }
                    for z, w in scaled[v].items():
                        for at, number in monomials.normal(tuple(a + b for a, b in zip(own, z, strict=True))):
                            line, part = split.setdefault((at, k), {}), w if number == 1 else w * number
                            line[term] = line[term] + part if term in line else part
        found += [line for line in ({t: v for t, v in row.items() if v} for row in split.values()) if line]
    return found


def _derivative(term: Term, m: Index, factor: CommonFactor) -> dict[tuple[Powers, int], Any]:
    """d^m of z^a factor^(k) by Leibniz' rule."""
    _, a, k = term
    choices = []
    for i, (power, times) in enumerate(zip(a, m, strict=True)):
        own = []
        for j in range(times + 1):
            number, rest = comb(times, j) * _falling(power, j), factor.derived(i, times - j)
            if number and rest is not None:
                own.append((power - j, number * rest[0], rest[1]))
        choices.append(own)
    out: dict[tuple[Powers, int], Any] = {}
    for choice in product(*choices):
        key, value = (tuple(p for p, _, _ in choice), k + sum(r for _, _, r in choice)), prod(v for _, v, _ in choice)
        out[key] = out[key] + value if key in out else value
    return out


def _falling(power: int | Fraction, j: int) -> Any:
    """power (power - 1) ... (power - j + 1), of fractions as a rational of SymPy's."""
    number = prod((power - i for i in range(j)), start=1)
    return number if isinstance(number, int) else QQ(number.numerator, number.denominator)
