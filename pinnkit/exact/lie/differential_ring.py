"""Polynomials in coordinates, jets and elementary functions of them: a ring with derivations and relations."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import lcm
from typing import Any

import sympy as sp
from sympy.polys.domains import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.rings import ring

from pinnkit.tools.sympy_types import PolyElement

PRIME = 2**31 - 69  # (PRIME - 1) / 2 is a prime too: every square has a q-th root for every q below it
_PAIRS = {sp.sin: (sp.sin, sp.cos), sp.cos: (sp.sin, sp.cos), sp.sinh: (sp.sinh, sp.cosh), sp.cosh: (sp.sinh, sp.cosh)}


class DifferentialRing:
    """The ring QQ[parameters, variables, functions of them], its partial derivatives and its normal forms.

    An elementary function is a further generator with a rule for its derivative, the reciprocal of a parameter (one of
    ``inverses``) one without. All powers of one base are powers of one root r, all exp(k m) with rational k of one
    exponential. sin^2 + cos^2 = 1, h (1/h) = 1 and r^q = h are relations; different exponentials, logarithms and roots
    of different bases count as independent.

    Raises:
        ValueError: a function that is not elementary.
    """

    variables: tuple[Any, ...]
    parameters: tuple[Any, ...]
    ring: Any  # SymPy's
    gen: dict[Any, Any]
    functions: dict[Any, Any]
    inverses: dict[Any, Any]
    related: set[Any]

    def __init__(self, expressions: Sequence[sp.Expr], variables: Sequence[sp.Symbol], parameters: Sequence[sp.Symbol]):
        self.variables, self.parameters = tuple(variables), tuple(parameters)
        self._known: dict[sp.Expr, sp.Symbol] = {}  # function -> its symbol
        expressions = [standard(e, variables) for e in expressions]
        self._units = _units(expressions)
        for e in expressions:
            self._rename(e)
        for _ in range(2):  # derivatives may need further functions: those of log h need 1/h
            for g, s in list(self._known.items()):
                for v in g.free_symbols & set(self.variables):
                    self._rename(self._slope(g, s, v))
        functions = list(self._known.values())
        self.ring = ring([*self.parameters, *self.variables, *functions], QQ, _functions_first)[0]
        gens = dict(zip(self.ring.symbols, self.ring.gens, strict=True))
        self.gen = {s: gens[s] for s in (*self.parameters, *self.variables, *functions)}
        self.functions = {self.gen[s]: g for g, s in self._known.items()}
        self.inverses = {self.gen[s]: g for g, s in self._known.items() if not g.free_symbols & set(self.variables)}
        relations = [r for r in map(self._relation, self._known.items()) if r]
        self._relations = relations if _coprime(relations) else groebner(relations, self.ring)
        self.related = {g for g in self.functions if any(r.degree(g) > 0 for r in relations)}
        self._slopes: dict[PolyElement, dict[PolyElement, PolyElement]] = {}  # variable -> {function: its slope}
        for g, s in self._known.items():
            for v in g.free_symbols & set(self.variables):
                slope = self(self._slope(g, s, v))
                self._slopes.setdefault(self.gen[v], {})[self.gen[s]] = slope

    def __call__(self, expression: sp.Expr) -> PolyElement:
        """An expression, whose functions were given at the start, as a polynomial in normal form."""
        return self.normal(self.ring.from_expr(sp.expand(self._rename(standard(expression, self.variables)))))

    def expression(self, p: PolyElement) -> sp.Expr:
        """The expression that a polynomial stands for."""
        return p.as_expr().xreplace({s: g for g, s in self._known.items()})

    def normal(self, p: PolyElement) -> PolyElement:
        """The polynomial modulo the relations, 0 if and only if it follows from them that it vanishes."""
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

    def root(self, variable: PolyElement) -> tuple[int, PolyElement]:
        """(q, r) with r^q the variable: its smallest root, or (1, variable) itself."""
        base = self.ring.symbols[self.ring.gens.index(variable)]
        for g, s in self._known.items():
            if isinstance(g, sp.Pow) and g.base == base and g.exp.is_Rational and g.exp > 0:
                return int(g.exp.q), self.gen[s]
        return 1, variable

    def reciprocal(self, variable: PolyElement) -> PolyElement:
        """The generator 1/variable, which every root of it brings along."""
        base = self.ring.symbols[self.ring.gens.index(variable)]
        return self.gen[self._known[1 / base]]

    def point(self, seed: int) -> tuple[int, ...]:
        """A random point modulo a prime that satisfies all relations: one value for every generator.

        Raises:
            ValueError: none could be found (many square roots).
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
        elif isinstance(g, sp.Pow) and g.exp.is_Rational:
            base, half = value(self._polynomial(g.base), tuple(values.values())), (PRIME - 1) // 2
            if g.exp == -1:
                values[gen] = pow(base, -1, PRIME) if base else 0
                return bool(base)
            if pow(base, half, PRIME) != 1:
                return False
            values[gen] = pow(base, pow(g.exp.q, -1, half), PRIME)
        return True

    def rational(self) -> dict[PolyElement, Any] | None:
        """A rational point that satisfies all relations, parameters left out; None where roots make that hard."""
        values: dict[PolyElement, Any] = {}
        for k, v in enumerate(self.variables):
            q, r = self.root(self.gen[v])
            values[r] = QQ(2 + 3 * k)
            values[self.gen[v]] = values[r] ** q
        for k, (g, s) in enumerate(self._known.items()):
            gen = self.gen[s]
            if isinstance(g, (sp.cos, sp.cosh)):
                a, sign = QQ(1, 2 + k), 1 if isinstance(g, sp.cos) else -1
                values[gen] = (1 - sign * a * a) / (1 + sign * a * a)
                values[self.gen[self._known[_PAIRS[g.func][0](g.args[0])]]] = 2 * a / (1 + sign * a * a)
            elif isinstance(g, sp.Pow) and g.exp == -1:
                base = substituted(self._polynomial(g.base), values)
                if base and base.is_ground:
                    values[gen] = 1 / base.LC
                elif g.free_symbols & set(self.variables) or not base:
                    return None
            elif gen not in values:
                if isinstance(g, sp.Pow) and g.exp.is_Rational:
                    return None
                values[gen] = QQ(3 + 2 * k, 2)
        return values

    def _polynomial(self, e: sp.Expr) -> PolyElement:
        return self.ring.from_expr(sp.expand(self._rename(e)))

    def _rename(self, e: sp.Expr) -> sp.Expr:
        """The expression, in standard form, with a symbol for every function and every reciprocal in it."""
        if e.is_Symbol or e.is_Rational:
            return e
        if isinstance(e, (sp.Pow, sp.exp)):
            return sp.Mul(*(self._power(base, m, k) for base, m, k in _powers(e)))
        if isinstance(e, (sp.Add, sp.Mul)):
            return e.func(*(self._rename(a) for a in e.args))
        if e.func in _PAIRS:
            for f in _PAIRS[e.func]:
                self._symbol(f(e.args[0]))
            return self._symbol(e)
        if isinstance(e, (sp.log, sp.tanh, sp.atan, sp.erf)):
            return self._symbol(e)
        raise ValueError(f"the equation contains {e}, whose derivatives are not known here: use elementary functions")

    def _power(self, base: sp.Expr, m: sp.Expr, k: sp.Rational) -> sp.Expr:
        """base^(k m) by the generators base^(m/q) and 1/base^(m/q), or for m = 1 by base, its root and 1/base."""
        unit = self._units.get((base, m), sp.S.One)
        times = k / unit
        if not times.is_Integer:
            raise ValueError(f"{base}**({k * m}) came up beside {base}**({unit * m}): use simpler functions")
        if m != 1:
            return self._integral(self._symbol(base ** (unit * m)), base ** (unit * m), times)
        whole, part = divmod(int(times), int(unit.q))
        root = self._symbol(sp.Pow(base, unit)) ** part if part else sp.S.One
        return self._integral(self._rename(base), base, whole) * root

    def _integral(self, symbol: sp.Expr, base: sp.Expr, n: int) -> sp.Expr:
        """symbol^n, where the symbol stands for the base, for negative n by 1/base."""
        return symbol**n if n >= 0 else self._symbol(sp.Pow(base, -1, evaluate=False)) ** -n

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
        return s * g.args[0].diff(v) if isinstance(g, sp.exp) else standard(g.diff(v), self.variables)

    def _relation(self, known: tuple[sp.Expr, sp.Symbol]) -> PolyElement | None:
        g, s = known
        gen = self.gen[s]
        if isinstance(g, (sp.cos, sp.cosh)):
            other = self.gen[self._known[_PAIRS[g.func][0](g.args[0])]]
            return gen**2 + (other**2 if isinstance(g, sp.cos) else -(other**2)) - 1
        if isinstance(g, sp.Pow) and g.exp.is_Rational:
            base = self._polynomial(g.base)
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


def substituted(p: PolyElement, values: Mapping[PolyElement, Any]) -> PolyElement:
    """A polynomial with numbers for some of its generators."""
    for gen, number in values.items():
        p = p.subs(gen, number) if p.degree(gen) > 0 else p
    return p


def standard(e: sp.Expr, variables: Iterable[sp.Symbol]) -> sp.Expr:
    """The expression in few kinds of functions, with powers and exponentials of single terms."""
    own = set(variables)
    e = e.replace(sp.tan, lambda a: sp.sin(a) / sp.cos(a)).replace(sp.cot, lambda a: sp.cos(a) / sp.sin(a))
    e = e.replace(sp.sec, lambda a: 1 / sp.cos(a)).replace(sp.csc, lambda a: 1 / sp.sin(a))
    e = e.replace(sp.sech, lambda a: 1 / sp.cosh(a)).replace(sp.coth, lambda a: 1 / sp.tanh(a))
    e = e.replace(
        lambda a: isinstance(a, sp.Pow) and a.exp.free_symbols & own, lambda a: sp.exp(a.exp * sp.log(a.base))
    )
    powers = e.has(sp.exp) or any(not a.exp.is_Integer for a in e.atoms(sp.Pow))
    return sp.expand_power_exp(sp.expand(e)) if powers else e


def _units(expressions: Iterable[sp.Expr]) -> dict[tuple[sp.Expr, sp.Expr], sp.Expr]:
    """1/q for every base^m of which only powers with denominators q occur; -1/q where all are negative."""
    found: dict[tuple[sp.Expr, sp.Expr], list[sp.Rational]] = {}
    for e in expressions:
        for f in [e, *(standard(sp.exp(-(f.args[0] ** 2)), ()) for f in e.atoms(sp.erf))]:  # what derivatives bring
            for a in f.atoms(sp.Pow, sp.exp):
                for base, m, k in _powers(a):
                    found.setdefault((base, m), []).append(k)
    return {
        pair: sp.Rational(-1 if pair[1] != 1 and max(ks) < 0 else 1, lcm(*(int(k.q) for k in ks)))
        for pair, ks in found.items()
    }


def _powers(e: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr, sp.Rational]]:
    """(b, m, k) such that a power or exponential is the product of all b^(k m) with rational k."""
    base, exponent = e.as_base_exp()
    for term in sp.Add.make_args(sp.expand(exponent)):
        k, m = term.as_coeff_Mul(rational=True)
        yield base, m, k


def _functions_first(exponents: tuple[int, ...]) -> tuple[int, ...]:
    """The lexicographic order in which what was defined last is largest: relations rewrite functions, not variables."""
    return exponents[::-1]


def _coprime(relations: Sequence[PolyElement]) -> bool:
    """Whether the leading monomials share no variable: then they are a Groebner basis (Buchberger's criterion)."""
    return not any(a and b for p, q in combinations(relations, 2) for a, b in zip(p.LM, q.LM, strict=True))
