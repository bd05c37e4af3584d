"""Infinitesimal generators v = xi^i d/dx_i + phi^a d/du_a: brackets, action on functions, notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp

from pinnkit.tools.checked import checked
from pinnkit.tools.renamed import renamed


@renamed(fibred="projectable")
@checked
@dataclass(frozen=True)
class Generator:
    """A vector field v = xi^i(x, u) d/dx_i + phi^a(x, u) d/du_a on coordinates x and fields u.

    Args:
        coordinates: symbols x.
        fields: symbols u.
        xi: coefficients of d/dx_i.
        phi: coefficients of d/du_a.

    Example:
        >>> import sympy as sp
        >>> import pinnkit as pk
        >>> x, t, u = sp.symbols("x t u", real=True)
        >>> scaling = pk.Generator((x, t), (u,), (x, 2 * t), (sp.S(0),))
        >>> scaling.apply(x**2 / t)
        0
    """

    coordinates: tuple[sp.Symbol, ...]
    fields: tuple[sp.Symbol, ...]
    xi: tuple[sp.Expr, ...]
    phi: tuple[sp.Expr, ...]

    @property
    def base(self) -> tuple[sp.Symbol, ...]:
        """Coordinates, then fields."""
        return (*self.coordinates, *self.fields)

    @property
    def components(self) -> tuple[sp.Expr, ...]:
        """xi, then phi."""
        return (*self.xi, *self.phi)

    @cached_property
    def projectable(self) -> bool:
        """Whether the coordinates move in the same way for all values of the fields."""
        return not any(e.free_symbols & set(self.fields) for e in self.xi)

    @cached_property
    def matrix(self) -> sp.Matrix | None:
        """alpha(x) with phi = alpha u where the field is projectable and linear in u, else None."""
        alpha = sp.Matrix([[sp.diff(e, u) for u in self.fields] for e in self.phi])
        rest = (sp.Matrix(self.phi) - alpha * sp.Matrix(self.fields)).applyfunc(sp.expand)
        linear = not alpha.free_symbols & set(self.fields) and rest.is_zero_matrix
        return alpha if self.projectable and linear else None

    def apply(self, e: sp.Expr) -> sp.Expr:
        """v(e), the derivative of a function along the field.

        Args:
            e: an expression in coordinates and fields.
        """
        return sum((c * sp.diff(e, s) for c, s in zip(self.components, self.base, strict=True)), sp.S.Zero)

    def bracket(self, other: Generator) -> Generator:
        """The commutator [v, w], with components v(w^k) - w(v^k).

        Args:
            other: the generator w.
        """
        both = zip(other.components, self.components, strict=True)
        return self._with([sp.expand(self.apply(b) - other.apply(a)) for b, a in both])

    def on(self, solution: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """The characteristic phi(x, f) - xi . grad f, which solves the equation again if that is linear.

        Args:
            solution: f, one expression for every field.

        Returns:
            One expression for every field.

        Raises:
            ValueError: another number of expressions.
        """
        if len(solution) != len(self.fields):
            raise ValueError(f"got {len(solution)} expressions: expected one for every field, {len(self.fields)}")
        values = dict(zip(self.fields, solution, strict=True))
        moved = [sum(c * sp.diff(f, x) for c, x in zip(self.xi, self.coordinates, strict=True)) for f in solution]
        return tuple(e.subs(values, simultaneous=True) - m for e, m in zip(self.phi, moved, strict=True))

    def subs(self, values: Mapping[sp.Basic, sp.Basic | float]) -> Generator:
        """The field with symbols replaced, such as parameters of the equation by numbers.

        Args:
            values: what replaces each symbol.
        """
        return self._with([e.subs(values) for e in self.components])

    def __add__(self, other: Generator) -> Generator:
        both = zip(self.components, other.components, strict=True)
        return self._with([sp.expand(a + b) for a, b in both])

    def __rmul__(self, factor: sp.Expr | float) -> Generator:
        return self._with([sp.expand(sp.sympify(factor, strict=True) * e) for e in self.components])

    def _with(self, components: Sequence[sp.Expr]) -> Generator:
        n = len(self.coordinates)
        return replace(self, xi=tuple(components[:n]), phi=tuple(components[n:]))

    def __str__(self) -> str:
        return _joined(self, str, lambda s: f"∂_{s}", " ") or "0"

    def latex(self) -> str:
        """The field as LaTeX."""
        return _joined(self, sp.latex, lambda s: rf"\partial_{{{sp.latex(s)}}}", r" \, ") or "0"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


def _joined(v: Generator, show, partial, between: str) -> str:
    text = ""
    for e, s in zip(v.components, v.base, strict=True):
        if e == 0:
            continue
        e = _primed(sp.factor_terms(sp.expand(e), sign=True))
        minus = e.could_extract_minus_sign()
        e = -e if minus else e
        sign = ("-" if minus else "") if not text else (" - " if minus else " + ")
        body = f"({show(e)})" if isinstance(e, sp.Add) else show(e)
        text += sign + ("" if e == 1 else body + between) + partial(s)
    return text


def _primed(e: sp.Expr) -> sp.Expr:
    """Derivatives of arbitrary functions as f', f''."""

    def primed(d: sp.Derivative) -> sp.Expr:
        return sp.Function(d.expr.func.__name__ + "'" * d.derivative_count)(*d.expr.args)

    def evaluated(a: sp.Subs) -> sp.Expr:
        return a.expr.subs(dict(zip(a.variables, a.point, strict=True)))

    e = e.replace(lambda a: isinstance(a, sp.Derivative), primed)
    return e.replace(lambda a: isinstance(a, sp.Subs), evaluated)
