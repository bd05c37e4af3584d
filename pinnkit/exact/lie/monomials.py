"""Monomials in the variables of unknown functions and in functions of them, in normal form."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sympy.polys.domains import QQ

from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.sympy_types import PolyElement

from .coefficient_field import CoefficientField
from .determining import Determining
from .jet_space import JetSpace

Powers = tuple[int | Fraction, ...]


class Monomials:
    """Monomials in the variables of the unknown functions and in the functions of them."""

    jets: JetSpace
    field: CoefficientField
    places: list[int]

    def __init__(self, system: Determining, field: CoefficientField) -> None:
        self.jets, self.field = system.jets, field
        differential_ring, position = self.jets.differential_ring, self.jets.position
        own = list(system.base)
        own += [
            g for g in differential_ring.functions if any(g in differential_ring.functions_of(z) for z in system.base)
        ]
        self.places = [position[gen] for gen in own]
        self._index = {gen: k for k, gen in enumerate(own)}
        self._related = [k for k, gen in enumerate(own) if gen in differential_ring.related]
        self._roots = [differential_ring.root(z) for z in system.base]
        self._variables = system.base
        self._normal: dict[Index, Sequence[tuple[Index, Any]]] = {}
        self._spelled: dict[Powers, Index] = {}

    def split(self, c: PolyElement) -> dict[Index, Any]:
        """A coefficient by monomials, over the field of the parameters."""
        parts: dict[Index, dict] = {}
        for e, number in c.items():
            parts.setdefault(tuple(e[k] for k in self.places), {})[e] = number
        return {at: self.field.polynomial(p) for at, p in parts.items()}

    def spelled(self, powers: Powers) -> Index:
        """z^a for rational a by z, its root and its reciprocal."""
        if powers not in self._spelled:
            e = [0] * len(self.places)
            for i, (power, (q, root)) in enumerate(zip(powers, self._roots, strict=True)):
                whole, part = divmod(int(power * q), q)
                e[i if whole >= 0 else self._index[self.jets.differential_ring.reciprocal(self._variables[i])]] += abs(
                    whole
                )
                if part:
                    e[self._index[root]] += part
            self._spelled[powers] = tuple(e)
        return self._spelled[powers]

    def normal(self, e: Index) -> Sequence[tuple[Index, Any]]:
        """A monomial as a sum of monomials in normal form."""
        if not any(e[k] for k in self._related):
            return ((e, 1),)
        if e not in self._normal:
            whole = [0] * len(self.jets.ring.gens)
            for k, power in zip(self.places, e, strict=True):
                whole[k] = power
            reduced = self.jets.differential_ring.normal(self.jets.ring.from_dict({tuple(whole): QQ.one}))
            self._normal[e] = tuple(self.split(reduced).items())
        return self._normal[e]
