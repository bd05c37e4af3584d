"""Two inequalities of which one holds as an equation everywhere: obstacles, contact, early exercise."""

from collections.abc import Iterable
from typing import Any

import sympy as sp

from pinnkit.tools.sympy_tree import held

from .expression import as_expression

LADDER = (1e5, 3e4, 1e4, 3e3, 1e3, 1e2, 1e1)  # times the smoothing: what training starts with, and goes down by


@held
class Complementarity(sp.Expr):
    """a >= 0, b >= 0 and a b = 0, as one equation: a + s b - sqrt(a^2 + (s b)^2 + e^2) = 0.

    Where e is 0 its zeros are exactly those; with e > 0 it is smooth and a b = e^2 / (2 s). :func:`solve` begins with a
    large e, and makes it smaller step by step.

    Args:
        a: the first expression, as -u_xx - f of a membrane.
        b: the second, as u - obstacle.
        smoothing: e at last, small beside the size of a.
        scale: s, which makes b as large as a; some ten times that is best where a holds second derivatives.

    Raises:
        ValueError: a smoothing or a scale that is not positive.

    Source:
        Fischer, Optimization 24 (1992); Kanzow, SIAM J. Matrix Anal. Appl. 17 (1996).

    Example:
        >>> import pinnkit as pk
        >>> (x,) = pk.coordinates("x")
        >>> u = pk.field("u", x)
        >>> law = pk.Complementarity(-u.diff(x, 2), u - (1 - x**2))
        >>> pk.Problem("obstacle", u, law, pk.Box(x=(-2, 2)), pk.Dirichlet(u, 0)).keys
        ('pde', 'boundary')
    """

    is_commutative = True
    is_real = True
    differentiates = False  # its arguments, for the bounds of what a file may hold

    def __new__(cls, a: Any, b: Any, smoothing: Any = 1e-5, scale: Any = 10.0) -> "Complementarity":
        """The equation as an expression."""
        numbers = [sp.sympify(smoothing), sp.sympify(scale)]
        for name, value in zip(("smoothing", "scale"), numbers, strict=True):
            if not (value.is_number and value.is_positive):
                raise ValueError(f"Complementarity with {name}={value}: expected a positive number")
        return super().__new__(cls, as_expression(a, "Complementarity"), as_expression(b, "Complementarity"), *numbers)

    def doit(self, **hints: Any) -> sp.Expr:
        """The smooth equation.

        Args:
            hints: as SymPy's ``doit`` takes them.
        """
        a, b, e, s = (arg.doit(**hints) for arg in self.args)
        return a + s * b - sp.sqrt(a**2 + (s * b) ** 2 + e**2)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.doit().diff(s)


def softer(equations: Iterable[sp.Expr], factor: float) -> list[sp.Expr]:
    """The equations, carried out, with the smoothing of every complementarity multiplied."""

    def soft(n: sp.Expr) -> sp.Expr:
        a, b, e, s = n.args
        return Complementarity(a, b, e * sp.Float(factor, 17), s).doit()

    return [e.xreplace({n: soft(n) for n in e.atoms(Complementarity)}) for e in equations]
