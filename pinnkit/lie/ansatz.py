"""Closed forms of the symmetries: polynomials, times exponentials or arbitrary functions, by an exact null space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, perm
from typing import Any

from ..taylor import Index
from .determining import Determining
from .echelon import Echelon
from .field import Field
from .jets import indices

Term = tuple[int, Index, int]  # function f, powers of z, derivative k of the arbitrary function
Vector = dict[Term, Any]


@dataclass(frozen=True)
class Factor:
    """What every term is multiplied by: exp(sum rate_i z_i), or an arbitrary function F(sum slope_i z_i)."""

    rate: Mapping[int, Any]
    slope: Mapping[int, Any]

    def derived(self, i: int, times: int) -> tuple[Any, int] | None:
        """(c, k): what the i-th derivative makes of it that often, c times the k-th derivative; None for 0."""
        if i in self.rate:
            return self.rate[i] ** times, 0
        if i in self.slope:
            return self.slope[i] ** times, times
        return (1, 0) if times == 0 else None


PLAIN = Factor({}, {})


def solutions(
    system: Determining, field: Field, degree: int, factor: Factor = PLAIN, derivatives: int = 0
) -> list[Vector]:
    """A basis of the solutions sum c z^a factor^(k) of total degree |a| <= degree, k <= derivatives."""
    terms = [
        (f, a, k)
        for a in indices(len(system.base), degree)
        for f in range(system.functions)
        for k in range(derivatives + 1)
        if not _excluded(system, factor, f, a)
    ]
    echelon = Echelon(_size, "exact")
    for row in sorted(_equations(system, field, terms, factor), key=len):
        echelon.add(row)
    return [{term: field.domain.convert(c) for term, c in v.items()} for v in echelon.kernel(terms)]


class Graded:
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
    return (sum(term[1]), term[2], term)


def _smallness(term: Term) -> tuple:
    """The reverse order."""
    f, powers, k = term
    return (-sum(powers), -k, -f, tuple(-p for p in powers))


def _excluded(system: Determining, factor: Factor, f: int, a: Index) -> bool:
    """Whether a derivative that must vanish does not, or the monomial is part of the arbitrary function's argument."""
    if any(a[i] for i in list(factor.slope)[:1]):
        return True
    return any(f == g and all(a[i] >= k or factor.derived(i, 1) for i, k in enumerate(m)) for g, m in system.zero)


def _equations(system: Determining, field: Field, terms: Sequence[Term], factor: Factor) -> list[dict[Term, Any]]:
    """The determining equations on a sum of terms, split by all monomials."""
    jets = system.jets
    places = [jets.position[gen] for gen in system.base]
    first = len(jets.parameters)
    rest = [k for k in range(first, len(jets.ring.gens)) if k not in places]
    by_function: dict[int, list[Term]] = {}
    for term in terms:
        by_function.setdefault(term[0], []).append(term)
    found = []
    for row in system.rows:
        split: dict[tuple, dict[Term, Any]] = {}
        for (f, m), c in row.items():
            parts: dict[tuple, dict] = {}
            for e, number in c.items():
                key = (tuple(e[k] for k in places), tuple(e[k] for k in rest))
                parts.setdefault(key, {})[e] = number
            weights = {key: field.polynomial(p) for key, p in parts.items()}
            for term in by_function.get(f, ()):
                for (powers, k), v in _derivative(term, m, factor).items():
                    for (z, other), w in weights.items():
                        at = (tuple(a + b for a, b in zip(powers, z, strict=True)), other, k)
                        line = split.setdefault(at, {})
                        line[term] = line.get(term, 0) + w * v
        found += [line for line in ({t: v for t, v in row.items() if v} for row in split.values()) if line]
    return found


def _derivative(term: Term, m: Index, factor: Factor) -> dict[tuple[Index, int], Any]:
    """d^m of z^a factor^(k) by Leibniz' rule."""
    _, a, k = term
    choices = []
    for i, (power, times) in enumerate(zip(a, m, strict=True)):
        own = []
        for j in range(min(power, times) + 1):
            rest = factor.derived(i, times - j)
            if rest is not None:
                own.append((power - j, comb(times, j) * perm(power, j) * rest[0], rest[1]))
        choices.append(own)
    out: dict[tuple[Index, int], Any] = {}
    for choice in product(*choices):
        key = (tuple(p for p, _, _ in choice), k + sum(r for _, _, r in choice))
        value = 1
        for _, v, _ in choice:
            value = v * value
        out[key] = out.get(key, 0) + value
    return out
