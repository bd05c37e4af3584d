"""Rates of exponential symmetries: a coordinate that the equations do not contain acts linearly on the algebra."""

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix

from pinnkit.tools.sympy_types import PolyElement

from .determining import Determining
from .differential_ring import substituted
from .echelon import Echelon
from .involution import SolutionSpace, TaylorRows, derivation, nilpotent
from .jet_space import plus, unit_index


def autonomous(system: Determining, i: int) -> bool:
    """Whether the determining equations have coefficients that do not depend on base variable i."""
    gen = system.base[i]
    apart = [gen, *system.jets.differential_ring.functions_of(gen)]
    return not any(c.degree(g) > 0 for row in system.rows for c in row.values() for g in apart)


def rates(system: Determining, solutions: SolutionSpace, i: int) -> list[sp.Expr]:
    """All lambda such that symmetries are exp(lambda z_i) times polynomials in z_i: eigenvalues of d/dz_i.

    Roots of quadratic factors are included, and of biquadratic ones that split over one square root; those of others
    are not. Only 0, where the equations' functions allow
    no rational point.
    """
    if nilpotent(derivation(system, solutions, i)) is not None:
        return [sp.S.Zero]
    point = system.jets.differential_ring.rational()
    if point is None:
        return [sp.S.Zero]
    matrix, domain = _exact(system, solutions, i, point)
    s = sp.Symbol("_lambda")
    coefficients = DomainMatrix(matrix, (len(matrix),) * 2, domain).charpoly()
    polynomial = sum(domain.to_sympy(c) * s**k for k, c in enumerate(reversed(coefficients)))
    found = []
    for factor, _ in sp.factor_list(sp.fraction(sp.together(polynomial))[0], s)[1]:
        if factor.has(s):
            found += _roots(sp.Poly(factor, s))
    return sorted(set(found), key=lambda e: (sp.count_ops(e), str(e)))


def _roots(factor: sp.Poly) -> list[sp.Expr]:
    """The roots of an irreducible factor, with square roots only; none where that is not possible."""
    if factor.degree() <= 2:
        return [sp.simplify(root) for root in sp.roots(factor)]
    monic = [sp.cancel(c / factor.LC()) for c in factor.all_coeffs()]
    if factor.degree() == 4 and monic[1] == monic[3] == 0 and monic[4].is_Rational and monic[2].is_Rational:
        p, c = monic[2], sp.sqrt(monic[4])  # s^4 + p s^2 + c^2 = (s^2 + c)^2 - (2 c - p) s^2
        if c.is_Rational:
            a, b = sp.sqrt(2 * c - p) / 2, sp.sqrt(-2 * c - p) / 2
            return [i * a + j * b for i in (1, -1) for j in (1, -1)]
    return []


def _exact(
    system: Determining, solutions: SolutionSpace, i: int, point: Mapping[PolyElement, Any]
) -> tuple[list[list], Any]:
    """The derivative by variable i on the parametric Taylor coefficients at a point, over QQ(parameters)."""
    field = system.jets.field()

    def value(p: PolyElement) -> Any:
        return field.polynomial(substituted(p, point))

    taylor = TaylorRows(system, value)
    echelon = Echelon(solutions.echelon.order, "exact")
    taylor.keys = solutions.keys
    for name in solutions.independent:
        echelon.add(taylor.derivative(*name))
    rows = []
    for f, m in solutions.parametric:
        key = (f, plus(m, unit_index(i, len(system.base))))
        row = {} if system.vanishes(key) else echelon.reduced({key: field.element(1)})
        rows.append([field.domain.convert(row.get(p, 0)) for p in solutions.parametric])
    return rows, field.domain
