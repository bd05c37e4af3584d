"""The prolongation of a generator applied to equations: the direct check that it is a symmetry."""

from collections.abc import Sequence

import sympy as sp

from pinnkit.tools.sympy_types import AppliedUndef

from .generator import Generator
from .jet_space import JetSpace, plus, unit_index


def defects(v: Generator, equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> tuple[sp.Expr, ...]:
    """pr v (Delta) modulo Delta = 0, times a denominator, by equation: 0 for a symmetry (Olver, theorem 2.31)."""
    jets = JetSpace(equations, fields, more=v.components, exact=True)
    n = len(jets.x)
    xi, phi = ([jets.polynomial(e) for e in part] for part in (v.xi, v.phi))
    known = {(a, (0,) * n): p for a, p in enumerate(phi)}
    found = []
    for equation in jets.equations:
        total = sum(
            (jets.differential_ring.partial(equation, x) * c for x, c in zip(jets.x, xi, strict=True)), jets.ring.zero
        )
        for jet, gen in jets.u.items():
            by = jets.differential_ring.partial(equation, gen)
            if by:
                total += by * _coefficient(jets, jet, xi, known)
        found.append(jets.differential_ring.expression(jets.reduce(jets.differential_ring.normal(total))))
    return tuple(found)


def _coefficient(jets: JetSpace, jet: tuple, xi: list, known: dict):
    """phi^{a,J+i} = D_i phi^{a,J} - sum_k u_{J+k} D_i xi^k."""
    if jet not in known:
        a, J = jet
        n = len(J)
        i = next(k for k in range(n) if J[k])
        lower = tuple(j - (k == i) for k, j in enumerate(J))
        out = jets.total(_coefficient(jets, (a, lower), xi, known), i)
        for k in range(n):
            out -= jets.u[a, plus(lower, unit_index(k, n))] * jets.total(xi[k], i)
        known[jet] = out
    return known[jet]
