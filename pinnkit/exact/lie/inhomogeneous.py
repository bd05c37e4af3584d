"""Linear ordinary equations with a source: the symmetries of the homogeneous one, moved by a particular solution."""

from collections.abc import Sequence

import sympy as sp

from pinnkit.tools.sympy_types import AppliedUndef

from .generator import Generator

UNDETERMINED = "nth_linear_constant_coeff_undetermined_coefficients"


def particular(equation: sp.Expr, y: AppliedUndef) -> sp.Expr | None:
    """A solution p(x) of an equation with constant coefficients by undetermined coefficients, or None."""
    equation = sp.expand(equation.doit())
    if UNDETERMINED not in sp.classify_ode(equation, y):
        return None
    solution = sp.dsolve(equation, y, hint=UNDETERMINED).rhs
    constants = solution.free_symbols - equation.free_symbols - set(y.args)
    return sp.expand(solution.subs(dict.fromkeys(constants, 0)))


def shifted(v: Generator, p: sp.Expr) -> Generator:
    """A generator of the homogeneous equation in y - p, as one of the equation for y."""
    (x,), (y,) = v.coordinates, v.fields
    xi, phi = (e.subs(y, y - p) for e in v.components)
    return Generator(v.coordinates, v.fields, (sp.expand(xi),), (sp.expand(phi + sp.diff(p, x) * xi),))


def with_source(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> tuple[sp.Expr, sp.Expr] | None:
    """The homogeneous equation and a particular solution of one linear ordinary equation, or None."""
    if len(equations) > 1 or len(fields) > 1:
        return None
    p = particular(equations[0], fields[0])
    source = equations[0].subs(fields[0], 0).doit()
    return None if p is None else (sp.expand(equations[0].doit() - source), p)
