"""div(k grad u) with the coefficient held, so that its jumps are not lost."""

from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from pinnkit.tools.checked import Finite, checked
from pinnkit.tools.sympy_tree import held


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
    """div(k grad u), with k held: where k jumps, k du/dn stays continuous and du/dn jumps.

    SymPy's own derivative of a ``Piecewise`` leaves the jump out: ``(k * u.diff(x)).diff(x)`` then states another
    problem. The divergence is over the coordinates of u that are not called t, unless they are named. k may depend on
    the coordinates and on the fields; where it is smooth, this is what the product rule gives.

    Raises:
        TypeError: k or u is no expression; ValueError: u contains no field, or a coordinate is not one of its own.
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
