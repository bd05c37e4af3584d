"""The Lie algebra that generators span: structure constants by exact comparison of coefficients."""

from collections.abc import Sequence

import sympy as sp
from sympy.simplify.fu import TR8

from .echelon import Echelon
from .generator import Generator
from .rationalise_roots import swap

Combination = dict[int, sp.Expr]  # generator k -> its coefficient


def structure(generators: Sequence[Generator]) -> dict[tuple[int, int], Combination | None]:
    """[v_i, v_j] = sum_k c_k v_k for i < j; None for a bracket outside the span."""
    change = swap((c for v in generators for c in v.components), _parameters(generators))
    if change is not None:
        table = structure([v.subs({change.parameter: change.value}) for v in generators])
        back = {change.root: change.radical}
        return {pair: c and {k: e.subs(back) for k, e in c.items()} for pair, c in table.items()}
    span = Span(generators)
    pairs = [(i, j) for j in range(len(generators)) for i in range(j)]
    return {(i, j): span.combination(generators[i].bracket(generators[j])) for i, j in sorted(pairs)}


def _parameters(generators: Sequence[Generator]) -> set[sp.Symbol]:
    return set().union(*(e.free_symbols - set(v.base) for v in generators for e in v.components))


class Span:
    """The linear span of generators over functions of the parameters."""

    independent: list[bool]

    def __init__(self, generators: Sequence[Generator]) -> None:
        self._rows = [_coefficients(v) for v in generators]
        self._order: dict = {}
        for row in self._rows:
            for key in row:
                self._order.setdefault(key, len(self._order))
        symbols = _parameters(generators)
        powers = {a for v in generators for e in v.components for a in e.atoms(sp.Pow)}  # of exponents too
        roots = sorted((a for a in powers if a.is_number and a.is_irrational), key=str)
        numbers = sp.QQ.algebraic_field(*roots) if roots else sp.QQ
        self._domain = numbers.frac_field(*sorted(symbols, key=str)) if symbols else numbers
        self._symbols = symbols
        self._echelon = Echelon(lambda key: (isinstance(key, tuple), self._order.get(key, 0)), "exact")
        self.independent = [self._echelon.add(self._row(row, k)) for k, row in enumerate(self._rows)]

    def combination(self, v: Generator) -> Combination | None:
        """v as a combination of the generators, or None where it is none."""
        row = _coefficients(v)
        if not set(row) <= set(self._order):
            return None
        left = self._echelon.reduced(self._row(row, None))
        if any(isinstance(key, tuple) for key in left):
            return None
        return {k: -self._domain.to_sympy(c) for k, c in left.items()}

    def _row(self, row: dict, k: int | None) -> dict:
        own = {key: self._domain.from_sympy(c) for key, c in row.items()}
        return own if k is None else own | {k: self._domain.one}


def linearised(e: sp.Expr) -> sp.Expr:
    """Products and powers of sines and cosines as sums of these: TR8 until nothing changes."""
    while (linear := sp.expand(TR8(e))) != e:
        e = linear
    return e


def _coefficients(v: Generator) -> dict[tuple[int, sp.Expr], sp.Expr]:
    """The coefficients of all different functions of coordinates and fields, by component."""
    found: dict[tuple[int, sp.Expr], sp.Expr] = {}
    for k, e in enumerate(v.components):
        e = sp.expand(e.rewrite(sp.exp) if e.has(sp.cosh, sp.sinh) else e)
        if e.has(sp.sin, sp.cos):
            e = linearised(e)
        for term in sp.Add.make_args(sp.powsimp(e)):
            c, function = term.as_independent(*v.base, as_Add=False)
            if c != 0:
                found[k, function] = found.get((k, function), 0) + c
    return {key: c for key, c in found.items() if sp.expand(c) != 0}
