"""How many symmetries there are: the free Taylor coefficients of the determining equations at a generic point."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count as naturals
from itertools import product
from math import comb, prod
from typing import Any

from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.sympy_types import PolyElement

from .determining import Determining, Key
from .differential_ring import PRIME, value
from .echelon import Echelon
from .jet_space import indices, plus, unit_index

MOST = 7  # prolongations after which an algebra counts as infinite, unless one order has no free coefficient
SETTLED = 3  # of them with the same growth after which it does so earlier
LARGEST = 2000  # number of Taylor coefficients after which it does so


@dataclass(frozen=True)
class SolutionSpace:
    """The solution space of a determining system near a generic point.

    ``dimension`` is None where it is infinite; ``free`` are the numbers of free Taylor coefficients of order
    0, 1, 2, ...; ``parametric`` are those that fix a solution. Probability of a wrong count: about 1e-6.
    """

    dimension: int | None
    free: tuple[int, ...]
    parametric: tuple[Key, ...]
    echelon: Echelon
    keys: frozenset[Key]  # all derivatives in it
    independent: tuple[tuple[int, Index], ...]  # the rows in it: the k-th derivative of a determining equation

    @cached_property
    def functions(self) -> tuple[int, int] | None:
        """(k, j): the solutions depend on k arbitrary functions of j variables; None if that is not clear."""
        return _growth(self.free) if self.dimension is None else None


def count(system: Determining, seed: int = 0) -> SolutionSpace:
    """The dimension by completion to involution: derivatives of the rows are added until all of one order are
    fixed and nothing new follows for the lower ones (Reid, Lisle, Boulton, Wittkopf 1992; Cartan-Kuranishi).

    Once no coefficient of one order is free the dimension is finite, and every further step lowers it or ends.
    """
    point = system.jets.differential_ring.point(seed)
    taylor = TaylorRows(system, lambda p: value(p, point))
    n, before, independent, free = len(system.base), None, [], []
    growth: list[tuple[int, int] | None] = []
    echelon = Echelon(lambda key: (sum(key[1]), key), "prime")
    start = max((sum(m) for row in system.rows for _, m in row), default=0)
    start = max([start, *(sum(m) for _, m in system.zero), 1])
    for q in naturals(start):
        keys = [(f, m) for m in indices(n, q) for f in range(system.functions) if not system.vanishes((f, m))]
        if q > start and 0 not in free:
            certain = len(growth) > SETTLED and growth[-1] and len(set(growth[-SETTLED:])) == 1
            if certain or len(keys) > LARGEST or q > start + MOST:
                break
        taylor.keys = set(keys)
        for name in taylor.names(q, first=q == start):
            row = {key: v % PRIME for key, v in taylor.derivative(*name).items() if v % PRIME}
            if echelon.add(row):
                independent.append(name)
        parametric = [key for key in keys if key not in echelon.pivots]
        free = [sum(sum(m) == k for _, m in parametric) for k in range(q + 1)]
        if 0 in free:
            least = free.index(0)
            now = (least, sum(free[:least]))
            if now == before:
                found = tuple(key for key in parametric if sum(key[1]) < least)
                return SolutionSpace(
                    len(found), tuple(free[:least]), found, echelon, frozenset(keys), tuple(independent)
                )
            before = now
        growth.append(_growth(free[:-2]))
    settled = max(1, len(free) - 2)
    return SolutionSpace(None, tuple(free[:settled]), (), echelon, frozenset(keys), tuple(independent))


def follow(system: Determining, keys: Sequence[Key], more: int = 3, seed: int = 0) -> bool:
    """Whether derivatives vanish in consequence of the rows and of their derivatives, ``more`` orders beyond them.

    Looked for at a random point modulo a prime, in which the probability of a wrong yes is about 1e-6.
    """
    point = system.jets.differential_ring.point(seed)
    taylor = TaylorRows(system, lambda p: value(p, point))
    start = max(max((sum(m) for row in system.rows for _, m in row), default=0), *(sum(m) for _, m in keys))
    echelon = Echelon(lambda key: (sum(key[1]), key), "prime")
    for q in range(start, start + more + 1):
        taylor.keys = {
            (f, m) for m in indices(len(system.base), q) for f in range(system.functions) if not system.vanishes((f, m))
        }
        if len(taylor.keys) > LARGEST:
            return False
        for name in taylor.names(q, first=q == start):
            echelon.add({key: v % PRIME for key, v in taylor.derivative(*name).items() if v % PRIME})
        if not any(echelon.reduced({key: 1}) for key in keys):
            return True
    return False


def _growth(free: Sequence[int]) -> tuple[int, int] | None:
    """(k, j) where the last four numbers grow like those of k functions of j variables: k times a polynomial."""
    steps, j = [h for h in free if h][-4:], 1
    while len(steps) > 1:
        if len(set(steps)) == 1:
            return steps[0], j
        steps = [b - a for a, b in zip(steps, steps[1:], strict=False)]
        j += 1
    return None


def derivation(system: Determining, solutions: SolutionSpace, i: int) -> list[list[int]]:
    """The derivative by base variable i as a matrix modulo the prime, on the parametric Taylor coefficients."""
    rows = []
    for f, m in solutions.parametric:
        key = (f, plus(m, unit_index(i, len(system.base))))
        row = {} if system.vanishes(key) else solutions.echelon.reduced({key: 1})
        rows.append([row.get(p, 0) for p in solutions.parametric])
    return rows


def nilpotent(matrix: list[list[int]]) -> int | None:
    """The least k with M^k = 0 modulo the prime, or None."""
    power, size = matrix, len(matrix)
    for k in range(1, size + 1):
        if not any(map(any, power)):
            return k
        power = [
            [sum(a * b for a, b in zip(row, col, strict=True)) % PRIME for col in zip(*matrix, strict=True)]
            for row in power
        ]
    return None


class TaylorRows:
    """Derivatives of the rows at a point, as rows in the Taylor coefficients of the unknown functions."""

    system: Determining
    value: Callable[[Any], Any]

    def __init__(self, system: Determining, value: Callable[[PolyElement], Any]) -> None:
        self.system, self.value = system, value
        self.keys: Collection[Key] = frozenset()  # all derivatives of the present order or below that do not vanish
        self._derived: dict[PolyElement, dict[Index, PolyElement]] = {}
        self._values: dict[tuple[PolyElement, Index], Any] = {}

    def names(self, q: int, first: bool) -> Iterator[tuple[int, Index]]:
        """The derivatives (row, k) of order q of the rows; the first time those of lower order as well."""
        for number, row in enumerate(self.system.rows):
            own = max(sum(m) for _, m in row)
            for k in indices(len(self.system.base), q - own):
                if first or sum(k) == q - own:
                    yield number, k

    def derivative(self, number: int, k: Index) -> dict[Key, Any]:
        """The k-th derivative of a row."""
        out: dict[Key, Any] = {}
        for (f, m), c in self.system.rows[number].items():
            for j in product(*(range(b + 1) for b in k)):
                key = (f, plus(m, j))
                if key in self.keys:
                    rest = tuple(b - a for a, b in zip(j, k, strict=True))
                    weight = prod(comb(b, a) for a, b in zip(j, k, strict=True))
                    out[key] = out.get(key, 0) + weight * self._value(c, rest)
        return {key: v for key, v in out.items() if v}

    def _value(self, c: PolyElement, k: Index) -> Any:
        if (c, k) not in self._values:
            self._values[c, k] = self.value(self._partial(c, k))
        return self._values[c, k]

    def _partial(self, c: PolyElement, k: Index) -> PolyElement:
        known = self._derived.setdefault(c, {(0,) * len(k): c})
        if k not in known:
            i = next(i for i, n in enumerate(k) if n)
            lower = tuple(n - (j == i) for j, n in enumerate(k))
            known[k] = self.system.jets.differential_ring.partial(self._partial(c, lower), self.system.base[i])
        return known[k]
