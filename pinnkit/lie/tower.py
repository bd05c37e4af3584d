"""Polynomials in coordinates, jets and elementary functions of them: a ring with derivations and relations."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import sympy as sp
from sympy.polys.domains import QQ
from sympy.polys.rings import PolyElement, ring

PRIME = 2**31 - 1  # 3 modulo 4, so that square roots are powers
_PAIRS = {sp.sin: (sp.sin, sp.cos), sp.cos: (sp.sin, sp.cos), sp.sinh: (sp.sinh, sp.cosh), sp.cosh: (sp.sinh, sp.cosh)}


class Tower:
    """The ring QQ[parameters, variables, functions of them], its partial derivatives and its normal forms.

    An elementary function is a further generator with a rule for its derivative; sin^2 + cos^2 = 1, h (1/h) = 1
    and r^q = h are relations. Different exponentials and logarithms count as independent.

    Raises:
        ValueError: a function that is not elementary.
    """

    def __init__(self, expressions: Sequence[sp.Expr], variables: Sequence[sp.Symbol], parameters: Sequence[sp.Symbol]):
        self.variables, self.parameters = tuple(variables), tuple(parameters)
        self._known: dict[sp.Expr, sp.Symbol] = {}  # function -> its symbol
        for e in expressions:
            self._rename(_standard(e))
        for _ in range(2):  # derivatives may need further functions: those of log h need 1/h
            for g, s in list(self._known.items()):
                for v in g.free_symbols & set(self.variables):
                    self._rename(self._slope(g, s, v))
        functions = list(self._known.values())
        self.ring = ring([*self.parameters, *self.variables, *functions], QQ)[0]
        gens = dict(zip(self.ring.symbols, self.ring.gens, strict=True))
        self.gen = {s: gens[s] for s in (*self.parameters, *self.variables, *functions)}
        self.functions = {self.gen[s]: g for g, s in self._known.items()}
        self._relations = [r for r in map(self._relation, self._known.items()) if r]
        self._slopes: dict[PolyElement, dict[PolyElement, PolyElement]] = {}  # variable -> {function: its slope}
        for g, s in self._known.items():
            for v in g.free_symbols & set(self.variables):
                slope = self(self._slope(g, s, v))
                self._slopes.setdefault(self.gen[v], {})[self.gen[s]] = slope

    def __call__(self, expression: sp.Expr) -> PolyElement:
        """An expression, whose functions were given at the start, as a polynomial in normal form."""
        return self.normal(self.ring.from_expr(sp.expand(self._rename(_standard(expression)))))

    def expression(self, p: PolyElement) -> sp.Expr:
        """The expression that a polynomial stands for."""
        return p.as_expr().xreplace({s: g for g, s in self._known.items()})

    def normal(self, p: PolyElement) -> PolyElement:
        """The polynomial modulo the relations."""
        return p.rem(self._relations) if self._relations and p else p

    def partial(self, p: PolyElement, variable: PolyElement) -> PolyElement:
        """The derivative by a variable, functions of it included."""
        out = p.diff(variable)
        for g, slope in self._slopes.get(variable, {}).items():
            by = p.diff(g)
            if by:
                out += by * slope
        return self.normal(out)

    def functions_of(self, variable: PolyElement) -> Iterable[PolyElement]:
        """The generators that are functions of a variable."""
        return self._slopes.get(variable, {})

    def point(self, seed: int) -> tuple[int, ...]:
        """A random point modulo a prime that satisfies all relations: one value for every generator.

        Raises:
            ValueError: none could be found (roots of large degree).
        """
        dice = random.Random(seed)
        for _ in range(200):
            values = {g: dice.randrange(2, PRIME) for g in self.ring.gens}
            if all(self._assign(values, dice, g, s) for g, s in self._known.items()):
                return tuple(values[g] for g in self.ring.gens)
        raise ValueError(f"no generic point for {', '.join(map(str, self._known))}: use simpler functions")

    def _assign(self, values: dict, dice: random.Random, g: sp.Expr, s: sp.Symbol) -> bool:
        gen = self.gen[s]
        if isinstance(g, (sp.cos, sp.cosh)):
            a = dice.randrange(2, PRIME)
            sign = 1 if isinstance(g, sp.cos) else -1
            below = pow(1 + sign * a * a, -1, PRIME)
            values[gen] = (1 - sign * a * a) * below % PRIME
            values[self.gen[self._known[_PAIRS[g.func][0](g.args[0])]]] = 2 * a * below % PRIME
        elif isinstance(g, sp.exp) and _second(g, self._known):
            values[gen] = pow(values[self.gen[self._known[1 / g]]], -1, PRIME)
        elif isinstance(g, sp.Pow) and g.exp.is_Rational:
            base = value(self(g.base), tuple(values[k] for k in self.ring.gens))
            if g.exp == -1:
                values[gen] = pow(base, -1, PRIME) if base else 0
                return bool(base)
            if g.exp != sp.Rational(1, 2) or pow(base, (PRIME - 1) // 2, PRIME) != 1:
                return False
            values[gen] = pow(base, (PRIME + 1) // 4, PRIME)
        return True

    def _rename(self, e: sp.Expr) -> sp.Expr:
        """The expression with a symbol for every function and every reciprocal in it."""
        if not (e.free_symbols & set(self.variables)) or e.is_Symbol:
            return e
        if isinstance(e, sp.Pow):
            if e.exp.is_Integer:
                base = self._rename(e.base)
                return base**e.exp if e.exp > 0 else self._symbol(sp.Pow(e.base, -1, evaluate=False)) ** -e.exp
            whole, part = (sp.floor(e.exp), e.exp - sp.floor(e.exp)) if e.exp.is_Rational else (0, e.exp)
            if part.is_Rational:
                root = self._symbol(sp.Pow(e.base, sp.Rational(1, part.q))) ** part.p
                return self._rename(e.base**whole) * root
            return self._symbol(e)
        if isinstance(e, sp.exp):  # exp(k m) is a power of exp(m) or of exp(-m)
            k, m = e.args[0].as_coeff_Mul()
            whole = abs(k) if k.is_Integer else 1
            return self._symbol(sp.exp(k * m / whole)) ** whole
        if e.func in _PAIRS:
            for f in _PAIRS[e.func]:
                self._symbol(f(e.args[0]))
            return self._symbol(e)
        if isinstance(e, (sp.log, sp.tanh, sp.atan, sp.erf)):
            return self._symbol(e)
        if isinstance(e, (sp.Add, sp.Mul)):
            return e.func(*(self._rename(a) for a in e.args))
        raise ValueError(f"the equation contains {e}, whose derivatives are not known here: use elementary functions")

    def _symbol(self, g: sp.Expr) -> sp.Symbol:
        if g not in self._known:
            for a in g.args:
                self._rename(a)
            self._known[g] = sp.Symbol(f"_g{len(self._known)}", real=True)
        return self._known[g]

    def _slope(self, g: sp.Expr, s: sp.Symbol, v: sp.Symbol) -> sp.Expr:
        """The derivative of a function, in its own symbol where that is simplest."""
        if isinstance(g, sp.Pow):
            if g.exp == -1:
                return -(g.base.diff(v)) * s**2
            return s * g.exp * g.base.diff(v) / g.base
        return _standard(g.diff(v))

    def _relation(self, known: tuple[sp.Expr, sp.Symbol]) -> PolyElement | None:
        g, s = known
        gen = self.gen[s]
        if isinstance(g, (sp.cos, sp.cosh)):
            other = self.gen[self._known[_PAIRS[g.func][0](g.args[0])]]
            return gen**2 + (other**2 if isinstance(g, sp.cos) else -(other**2)) - 1
        if isinstance(g, sp.exp) and _second(g, self._known):
            return gen * self.gen[self._known[1 / g]] - 1
        if isinstance(g, sp.Pow) and g.exp.is_Rational:
            base = self.ring.from_expr(sp.expand(self._rename(g.base)))
            return gen * base - 1 if g.exp == -1 else gen**g.exp.q - base
        return None


def value(p: PolyElement, point: Sequence[int]) -> int:
    """A polynomial at a point modulo the prime."""
    total = 0
    for exponents, c in p.items():
        term = int(c.numerator) * pow(int(c.denominator), -1, PRIME)
        for e, at in zip(exponents, point, strict=True):
            if e:
                term = term * pow(at, e, PRIME) % PRIME
        total += term
    return total % PRIME


def _second(g: sp.exp, known: Iterable[sp.Expr]) -> bool:
    """Whether this is the one of exp(m) and exp(-m), both known, that is expressed by the other."""
    return 1 / g in known and g.args[0].could_extract_minus_sign()


def _standard(e: sp.Expr) -> sp.Expr:
    """The expression in few kinds of functions, with exponentials of single terms."""
    e = e.replace(sp.tan, lambda a: sp.sin(a) / sp.cos(a)).replace(sp.cot, lambda a: sp.cos(a) / sp.sin(a))
    e = e.replace(sp.sec, lambda a: 1 / sp.cos(a)).replace(sp.csc, lambda a: 1 / sp.sin(a))
    e = e.replace(sp.sech, lambda a: 1 / sp.cosh(a)).replace(sp.coth, lambda a: 1 / sp.tanh(a))
    return sp.expand_power_exp(sp.expand(e)) if e.has(sp.exp) else e
