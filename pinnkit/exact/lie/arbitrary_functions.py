"""Generators with an arbitrary function of a coordinate or of a characteristic variable."""

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from .coefficient_field import CoefficientField
from .determining import Determining
from .echelon import Echelon
from .generator import Generator
from .reconstruct import ARBITRARY, generator
from .symmetry_ansatz import CommonFactor, solutions

DERIVATIVES = 3  # of the arbitrary function that may occur


def arbitrary_functions(system: Determining, field: CoefficientField, wanted: int | None = None) -> list[Generator]:
    """Generators sum z^a f^(k)(s) that are symmetries for every function f, for s a coordinate or a direction.

    Polynomials of degree 1 beside f, and of degree 2 where fewer than the ``wanted`` number were found.
    """
    found = [v for slope in _directions(system, field) for v in _along(system, field, slope, 1)]
    if wanted is not None and len(found) < wanted:
        found = [v for slope in _directions(system, field) for v in _along(system, field, slope, 2)]
    return found


def _along(system: Determining, field: CoefficientField, slope: Mapping[int, Any], degree: int) -> list[Generator]:
    """Those with a function of one variable s."""
    found, factor = [], CommonFactor({}, slope)
    echelon = Echelon(lambda term: (term[2], sum(term[1]), term), "exact")
    for k in range(DERIVATIVES + 1):
        for v in solutions(system, field, degree, factor, k):
            if echelon.add(v):
                found += generator(system, field, v, factor)
                for more in range(1, DERIVATIVES + 1):  # f' for f is nothing new
                    echelon.add({(f, powers, j + more): c for (f, powers, j), c in v.items()})
    return found


def concrete(v: Generator, f: Callable[[sp.Expr], sp.Expr]) -> Generator:
    """The generator of a family for one function f."""
    return v.subs({}) if not _applied(v) else _with(v, f)


def _applied(v: Generator) -> set:
    return {a for e in v.components for a in e.atoms(sp.Function) if a.func == ARBITRARY}


def _with(v: Generator, f: Callable[[sp.Expr], sp.Expr]) -> Generator:
    def put(e: sp.Expr) -> sp.Expr:
        return sp.expand(e.replace(ARBITRARY, f).doit())

    n = len(v.coordinates)
    parts = [put(e) for e in v.components]
    return Generator(v.coordinates, v.fields, tuple(parts[:n]), tuple(parts[n:]))


def _directions(system: Determining, field: CoefficientField) -> list[Mapping[int, Any]]:
    """The coordinates, and the real characteristic directions of one linear equation in the plane."""
    jets = system.jets
    found: list[Mapping[int, Any]] = [{i: field.element(1)} for i in range(len(jets.x))]
    if not (len(jets.x) == 2 and len(jets.equations) == 1 and system.linear):
        return found
    k = sp.Symbol("_k")
    top = jets.order
    symbol = sum(
        jets.differential_ring.expression(jets.equations[0].diff(gen)) * k ** J[1]
        for (_, J), gen in jets.u.items()
        if sum(J) == top
    )
    if symbol.free_symbols - {k, *jets.parameters}:
        return found
    for factor, _ in sp.factor_list(sp.expand(symbol), k)[1]:
        if sp.degree(factor, k) == 1:
            root = sp.solve(factor, k)[0]
            if root != 0:
                found.append({0: field.element(1), 1: field.element(root)})
    return found
