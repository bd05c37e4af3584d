"""The field of a system's coefficients: rational functions of its parameters, with roots where they are needed."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import sympy as sp
from sympy.polys.domains import QQ


class CoefficientField:
    """QQ(parameters), or with ``roots`` an algebraic extension of QQ below the parameters.

    Polynomials start with the parameters as generators; ``inverses`` are functions of the parameters that are
    generators too, by their positions.
    """

    parameters: tuple[Any, ...]
    domain: Any  # SymPy's, of rational functions of the parameters and the roots

    def __init__(
        self,
        parameters: Iterable[sp.Symbol],
        roots: Iterable[sp.Expr] = (),
        inverses: Mapping[int, sp.Expr] | None = None,
    ) -> None:
        self.parameters, roots = tuple(parameters), tuple(roots)
        below = QQ.algebraic_field(*roots) if roots else QQ
        self.domain = below.frac_field(*self.parameters) if self.parameters else below
        self._below = below
        self._inverses = {k: self.element(e) for k, e in (inverses or {}).items()}

    def polynomial(self, terms: Mapping[tuple[int, ...], Any]) -> Any:
        """The element sum c p^e of exponents e of the parameters and inverses; others in a key are ignored."""
        parts: dict[tuple[int, ...], dict] = {}
        for e, c in terms.items():
            parts.setdefault(tuple(e[k] for k in self._inverses), {})[e[: len(self.parameters)]] = c
        total = self.domain.zero
        for powers, part in parts.items():
            total += prod((v**k for v, k in zip(self._inverses.values(), powers, strict=True)), start=self._plain(part))
        return total

    def _plain(self, terms: Mapping[tuple[int, ...], Any]) -> Any:
        converted = {e: self._below.convert_from(c, QQ) for e, c in terms.items()}
        if not self.parameters:
            return sum(converted.values(), self.domain.zero)
        return self.domain.field.new(self.domain.field.ring.from_dict(converted))

    def element(self, e: sp.Expr | int) -> Any:
        """An expression in the parameters as an element."""
        return self.domain.from_sympy(sp.sympify(e, strict=True))

    def expression(self, element: Any) -> sp.Expr:
        """An element as an expression."""
        return self.domain.to_sympy(self.domain.convert(element))

    def primitive(self, elements: list) -> list:
        """A row of elements times the factor that makes them polynomials without a common divisor."""
        if not self.parameters:
            if self._below is not QQ:
                return elements
            below = sp.ilcm(1, *(int(e.denominator) for e in elements))
            above = sp.igcd(0, *(int(e * below) for e in elements))
            return [e * int(below) / int(above) for e in elements]
        ring = self.domain.field.ring
        below = ring.one
        for e in elements:
            below = below.lcm(e.denom)
        whole = [e.numer * below.exquo(e.denom) for e in elements]
        above = ring.zero
        for p in whole:
            above = above.gcd(p)
        return [self.domain.field.new(p.exquo(above)) for p in whole]
