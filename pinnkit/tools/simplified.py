"""SymPy's simplifications of expressions that are small: of others they can take hours, and a file may hold any."""

import sympy as sp

OPERATIONS, DEGREE = 60, 12  # of what is simplified


def simplified(e: sp.Expr) -> sp.Expr:
    """``sympy.simplify`` of a small expression; a large one as it is."""
    return sp.simplify(e) if _small(e) else e


def cancelled(e: sp.Expr) -> sp.Expr:
    """``sympy.cancel`` of a small expression; a large one as it is."""
    return sp.cancel(e) if _small(e) else e


def factored(e: sp.Expr) -> sp.Expr:
    """``sympy.factor`` of a small expression; a large one as it is."""
    return sp.factor(e) if _small(e) else e


def _small(e: sp.Expr) -> bool:
    return e.count_ops() <= OPERATIONS and all(abs(p.exp) <= DEGREE for p in e.atoms(sp.Pow) if p.exp.is_Number)
