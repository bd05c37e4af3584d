"""One-parameter groups exp(a v): how they move points, and solutions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from pinnkit.tools.checked import Positive, checked

from .generator import Generator
from .interval_range import reach
from .trajectory import trajectory

NAMES = ("a", "b", "epsilon", "_a")  # of the group's parameter: the first that the generator does not use


@checked
@dataclass(frozen=True)
class Flow:
    """The one-parameter group T^a = exp(a v) of a generator v on functions, (T^a f)(x) = U(a, x, f(X(-a, x))).

    Args:
        generator: the generator v.
        parameter: the symbol a.
        source: X(-a, x), one expression for every coordinate.
        value: U, one expression for every field; the symbols of the fields stand for f(X(-a, x)).
        domain: expressions that are 1 at a = 0. The group is defined while all of them are positive from 0 to a.
    """

    generator: Generator
    parameter: sp.Symbol
    source: tuple[sp.Expr, ...]
    value: tuple[sp.Expr, ...]
    domain: tuple[sp.Expr, ...]

    def __call__(self, solution: Sequence[sp.Expr], a: sp.Expr | float | None = None) -> tuple[sp.Expr, ...]:
        """T^a f for a solution f, one expression for every field; ``a`` is the symbol unless given."""
        moved = dict(zip(self.generator.coordinates, self.source, strict=True))
        f = [sp.sympify(e, strict=True).subs(moved, simultaneous=True) for e in solution]
        out = [e.subs(dict(zip(self.generator.fields, f, strict=True)), simultaneous=True) for e in self.value]
        return tuple(out) if a is None else tuple(e.subs(self.parameter, a) for e in out)

    def renamed(self, symbol: sp.Symbol) -> Flow:
        """The same group with another symbol for its parameter.

        Args:
            symbol: the new symbol.
        """
        return self._map(lambda e: e.xreplace({self.parameter: symbol}), symbol)

    def subs(self, values: Mapping[Any, Any]) -> Flow:
        """The group with symbols replaced, such as parameters of the equation by numbers.

        Args:
            values: what replaces each symbol.
        """
        return replace(self._map(lambda e: e.subs(values), self.parameter), generator=self.generator.subs(dict(values)))

    def _map(self, change, symbol: sp.Symbol) -> Flow:
        source, value, domain = (tuple(change(e) for e in part) for part in (self.source, self.value, self.domain))
        return replace(self, parameter=symbol, source=source, value=value, domain=domain)

    def interval(self, bounds: Mapping[sp.Symbol, tuple[float, float]], most: Positive = 1e6) -> tuple[float, float]:
        """An interval of parameters a, containing 0, for which the group is defined on a whole box, by interval
        arithmetic.

        Args:
            bounds: lower and upper bound of every coordinate.
            most: the largest |a| that is tried. Default 1e6.

        Returns:
            Lower and upper end.

        Raises:
            ValueError: a symbol other than coordinates and the parameter: replace it by a number first.
        """
        free = set().union(*(d.free_symbols for d in self.domain)) - {*bounds, self.parameter}
        if free:
            raise ValueError(f"the domain of the flow contains {min(map(str, free))}: give its value with subs first")
        low, high = (reach(self.domain, self.parameter, bounds, sign * most) for sign in (-1, 1))
        return low, high

    def latex(self) -> str:
        """The action on a solution f as LaTeX."""
        names = [sp.Function(f"f_{{{u}}}" if len(self.value) > 1 else "f") for u in self.generator.fields]
        moved = self([f(*self.generator.coordinates) for f in names])
        return r" \\ ".join(sp.latex(e) for e in moved)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


@checked
def flow(v: Generator) -> Flow | None:
    """The group exp(a v) of a generator v in closed form, on the branch through the identity.

    Args:
        v: a generator whose coordinates move independently of the fields.

    Returns:
        The group, or None where no closed form is found: :class:`NumericalFlow` integrates it.

    Raises:
        ValueError: coordinates that move with the fields (a hodograph transformation does not map functions).

    Source:
        Olver, Applications of Lie Groups to Differential Equations (1993), section 1.3.

    Example:
        >>> import pinnkit as pk
        >>> v = pk.symmetries(pk.problem("heat")).generators[0]
        >>> pk.flow(v) is not None
        True
    """
    if not v.projectable:
        raise ValueError(f"{v} moves the coordinates by the values of the fields: it has no group of functions")
    s = sp.Symbol("_s", real=True)
    taken = {symbol.name for e in v.components for symbol in e.free_symbols} | {z.name for z in v.base}
    parameter = sp.Symbol(next(name for name in NAMES if name not in taken), real=True)
    inner, outer = _logarithms(v)
    found = trajectory(dict(zip(inner.base, inner.components, strict=True)), s)
    if found is None:
        return None
    put = {**outer, s: -parameter}
    back = {outer.get(z, z): e.subs(put, simultaneous=True) for z, e in found.values.items()}
    source = [sp.exp(back[sp.log(x)]) if sp.log(x) in back else back[x] for x in v.coordinates]
    value = _inverse([back[u] for u in v.fields], v.fields)
    if value is None:
        return None
    domain = tuple(_short(d.subs(put, simultaneous=True)) for d in found.domain)
    made = Flow(v, parameter, tuple(map(_short, source)), tuple(map(_short, value)), domain)
    return made if _holds(made) else None


def _inverse(back: Sequence[sp.Expr], u: Sequence[sp.Symbol]) -> list[sp.Expr] | None:
    """U(a, X(-a, x), w): what U(-a, x, .) maps to w, for maps that are affine, or fractions of such in one field."""
    factor = sp.Matrix([[sp.diff(e, w) for w in u] for e in back])
    if not factor.free_symbols & set(u):
        rest = sp.Matrix(back).subs(dict.fromkeys(u, 0))
        return list(_inverted(factor) * (sp.Matrix(u) - rest))
    if len(u) == 1:
        w = sp.Dummy("w")
        num, den = sp.fraction(sp.together(back[0]))
        line = sp.expand(num - w * den)
        if line.is_polynomial(u[0]) and sp.degree(line, u[0]) == 1:
            return [(-line.coeff(u[0], 0) / line.coeff(u[0], 1)).subs(w, u[0])]
    return None


def _inverted(factor: sp.Matrix) -> sp.Matrix:
    if factor.is_diagonal():
        return sp.diag(*(1 / e for e in factor.diagonal()))
    det = _without_squares(sp.expand(factor.det()))
    return factor.adjugate() / (sp.simplify(det) if det.has(sp.sin, sp.cos, sp.sinh, sp.cosh) else det)


def _without_squares(e: sp.Expr) -> sp.Expr:
    """sin^2 as 1 - cos^2 and cosh^2 - 1 for sinh^2: determinants then mostly lose their waves."""
    for odd, even, sign in ((sp.sin, sp.cos, 1), (sp.sinh, sp.cosh, -1)):
        e = e.replace(
            lambda p, odd=odd: isinstance(p, sp.Pow) and isinstance(p.base, odd) and p.exp == 2,
            lambda p, even=even, sign=sign: sign * (1 - even(p.base.args[0]) ** 2),
        )
    return sp.expand(e)


def _logarithms(v: Generator) -> tuple[Generator, dict[sp.Symbol, sp.Expr]]:
    """The generator in y = log x for coordinates x whose logarithm stands in it, or whose speed is x itself."""
    outer = {}
    for x in v.coordinates:
        if any(c.has(sp.log(x)) for c in v.components):
            outer[sp.Symbol(f"log_{x}", real=True)] = sp.log(x)
    if not outer:
        return v, {}
    logs = {log: y for y, log in outer.items()}
    own = {log.args[0]: y for y, log in outer.items()}
    speeds = [sp.cancel(e / x) if x in own else e for x, e in zip(v.coordinates, v.xi, strict=True)]
    new = Generator(
        tuple(own.get(x, x) for x in v.coordinates), v.fields,
        tuple(sp.expand(e).xreplace(logs) for e in speeds), tuple(sp.expand(e).xreplace(logs) for e in v.phi),
    )  # fmt: skip
    if any(e.has(*own) for e in new.components):
        return v, {}
    return new, outer


def _short(e: sp.Expr) -> sp.Expr:
    """The shorter of a few forms that do not change the branch."""
    return min((e, _factored(e)), key=sp.count_ops)


def _factored(e: sp.Expr) -> sp.Expr:
    """Rational factors, exponents and bases each as one fraction; 1/h under a root as a negative power of h > 0."""
    if e.is_rational_function():
        return sp.factor(sp.cancel(e))
    if isinstance(e, sp.Mul):
        rational = [a for a in e.args if a.is_rational_function()]
        others = [_factored(a) for a in e.args if not a.is_rational_function()]
        return sp.Mul(sp.factor(sp.cancel(sp.Mul(*rational))), *others)
    if isinstance(e, sp.exp):
        return sp.exp(_factored(e.args[0]))
    if isinstance(e, sp.Pow) and not e.exp.is_Integer:
        num, den = sp.fraction(_factored(e.base))
        return den**-e.exp if num == 1 else (num / den) ** e.exp
    if isinstance(e, sp.Add):
        return sp.Add(*(_factored(a) for a in e.args))
    return e


def _holds(f: Flow, digits: int = 40) -> bool:
    """The group law and dX/da = xi(X) at random points, to many digits."""
    v, rng = f.generator, random.Random(0)
    free = set().union(*(e.free_symbols for e in (*f.source, *f.value, *v.components))) - {f.parameter}
    at = {s: sp.Float(str(rng.uniform(0.3, 0.7)), digits) for s in sorted(free | set(v.base), key=str)}
    a, b = sp.Float("0.06", digits), sp.Float("0.04", digits)
    x, u = v.coordinates, v.fields

    def act(c: sp.Expr, point: dict) -> dict:  # the group on points: X(c, x), U(c, x, u)
        values = {**at, **point, f.parameter: -c}
        moved = {s: e.subs(values).evalf(digits) for s, e in zip(x, f.source, strict=True)}
        there = {**at, **moved, **{w: point[w] for w in u}, f.parameter: c}
        return moved | {w: e.subs(there).evalf(digits) for w, e in zip(u, f.value, strict=True)}

    start = {z: at[z] for z in v.base}
    once, twice, still = act(a + b, start), act(a, act(b, start)), act(sp.Float(0, digits), start)
    h = sp.Float(10, digits) ** -10
    ahead, behind = act(h, start), act(-h, start)
    speed = {z: e.subs(at).evalf(digits) for z, e in zip(v.base, v.components, strict=True)}
    small = sp.Float(10) ** -16
    return all(
        abs(once[z] - twice[z]) < small * (1 + abs(once[z]))
        and abs(still[z] - at[z]) < small
        and abs((ahead[z] - behind[z]) / (2 * h) - speed[z]) < small * (1 + abs(speed[z]))
        for z in v.base
    )
