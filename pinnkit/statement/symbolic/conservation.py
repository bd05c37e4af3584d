"""div(k grad u) with the coefficient held, so that its jumps are not lost."""

from typing import Any

import sympy as sp

from pinnkit.tools.checked import Finite, checked
from pinnkit.tools.sympy_tree import held
from pinnkit.tools.sympy_types import AppliedUndef


@held
class Divergence(sp.Expr):
    """sum_i d/dx_i (k du/dx_i) over ``coordinates``, not carried out: ``doit`` does so, almost everywhere."""

    is_commutative = True
    is_real = True

    @property
    def coefficient(self) -> sp.Expr:
        """k."""
        return self.args[0]

    @property
    def u(self) -> sp.Expr:
        """What the gradient is taken of."""
        return self.args[1]

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        """The coordinates of the divergence."""
        return self.args[2:]

    def doit(self, **hints: Any) -> sp.Expr:
        """k Laplacian u + grad k . grad u, which holds wherever k does not jump."""
        k, u = (e.doit(**hints) for e in self.args[:2])
        k = k.replace(sp.Mod, lambda p, q: p - q * sp.floor(p / q))
        steps = {f: sp.Dummy("step", real=True) for f in k.atoms(sp.floor, sp.ceiling)}  # constant between their jumps
        total = sum(sp.diff(k.xreplace(steps) * sp.diff(u, x), x) for x in self.coordinates)
        return total.xreplace({s: f for f, s in steps.items()})

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.doit().diff(s)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        k, u = (printer.parenthesize(e, sp.printing.precedence.PRECEDENCE["Mul"]) for e in self.args[:2])
        body = rf"\nabla \cdot \left({k} \, \nabla {u}\right)"
        return body if exp is None else rf"\left({body}\right)^{{{exp}}}"

    def _sympystr(self, printer: Any) -> str:
        return f"divergence({', '.join(map(printer._print, self.args[:2]))})"


def carried_out(e: sp.Expr) -> sp.Expr:
    """An expression with its divergences carried out, almost everywhere."""
    return e.xreplace({node: node.doit() for node in e.atoms(Divergence)})


@checked
def divergence(k: sp.Expr | Finite, u: sp.Expr, *coordinates: sp.Symbol) -> sp.Expr:
    """div(k grad u) in conservative form: where k jumps, k du/dn is continuous and du/dn jumps.

    SymPy's derivative of a ``Piecewise`` leaves out the jump, so ``(k * u.diff(x)).diff(x)`` states another problem.

    Args:
        k: a number, or an expression of coordinates and fields.
        u: an expression with a field.
        coordinates: the coordinates of the divergence. Default: those of u that are not called t.

    Returns:
        An expression.

    Raises:
        TypeError: k or u is no expression.
        ValueError: u contains no field, or does not depend on a coordinate.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> pk.divergence(2, pk.field("u", x, t)).doit()
        2*Derivative(u(x, t), (x, 2))
    """
    try:
        k, u = sp.sympify(k, strict=True), sp.sympify(u, strict=True)
    except sp.SympifyError as error:
        raise TypeError(f"divergence({k!r}, {u!r}): expected expressions; wrap a callable with function") from error
    fields = sorted(u.atoms(AppliedUndef), key=str)
    if not fields:
        raise ValueError(f"divergence({k}, {u}): {u} contains no field such as u(x, y)")
    known = fields[0].args
    if set(coordinates) - set(known):
        by = ", ".join(map(str, coordinates))
        raise ValueError(f"divergence by {by}: expected coordinates of {fields[0]}")
    return Divergence(k, u, *(coordinates or [x for x in known if x.name != "t"]))
