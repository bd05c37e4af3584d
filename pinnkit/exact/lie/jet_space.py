"""The jet space of a system: its equations as polynomials, total derivatives, and reduction modulo the equations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import sympy as sp

from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.tools.sympy_types import AppliedUndef, PolyElement

from .coefficient_field import CoefficientField
from .differential_ring import DifferentialRing, standard

Jet = tuple[int, Index]  # field a, derivative J


def indices(dimension: int, order: int) -> list[Index]:
    """All multi-indices of at most that order, lowest first."""
    found = [i for i in product(range(order + 1), repeat=dimension) if sum(i) <= order]
    return sorted(found, key=lambda i: (sum(i), tuple(-k for k in i)))


def plus(a: Index, b: Index) -> Index:
    """The sum of two multi-indices."""
    return tuple(i + j for i, j in zip(a, b, strict=True))


def unit_index(i: int, dimension: int) -> Index:
    """The multi-index of the first derivative by coordinate i."""
    return tuple(int(k == i) for k in range(dimension))


@dataclass(frozen=True)
class RewriteRule:
    """den * jet^power = num modulo the equations."""

    jet: Jet
    power: int
    num: PolyElement
    den: PolyElement


class JetSpace:
    """Coordinates x, fields u and their derivatives u_J up to the order of the equations Delta(x, u_J) = 0.

    ``parameters`` are all other symbols; constants that are no rational numbers count as parameters, unless they are
    roots and ``exact`` is asked for. ``more`` are expressions in the coordinates and ``symbols`` (one a field) that
    will be used with the equations.

    Raises:
        ValueError: functions that are not elementary, no derivative at all, or an equation 0 = 0.
    """

    fields: tuple[AppliedUndef, ...]
    coordinates: tuple[Any, ...]
    order: int
    symbols: dict[Any, Any]
    parameters: tuple[Any, ...]
    differential_ring: DifferentialRing
    ring: Any  # that of its polynomials, SymPy's
    x: list[Any]
    u: dict[Any, Any]
    position: dict[Any, int]
    equations: list[Any]

    def __init__(
        self, equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef], more: Sequence[sp.Expr] = (),
        exact: bool = False,
    ) -> None:  # fmt: skip
        self.fields, self.coordinates = tuple(fields), fields[0].args
        n = len(self.coordinates)
        lowered = lower(equations, fields, self.coordinates)
        slots = {s: (slot.output, slot.channel[0][1]) for s, slot in lowered.slots.items()}
        self.order = max((sum(J) for _, J in slots.values()), default=0)
        trivial = [k + 1 for k, e in enumerate(lowered.expressions) if sp.expand(e) == 0]
        if trivial or not self.order:
            given = f"equation {trivial[0]} is 0 = 0" if trivial else "the equations contain no derivative"
            raise ValueError(f"{given}: expected differential equations, each as an expression that is to vanish")
        everything = [(a, J) for J in indices(n, self.order) for a in range(len(fields))]
        names = {(a, J): _name(fields[a], J, self.coordinates) for a, J in everything}
        self.symbols = {jet: sp.Symbol(name, real=True) for jet, name in names.items()}
        own = {s: self.symbols[jet] for s, jet in slots.items()}
        variables = (*self.coordinates, *self.symbols.values())
        expressions = [standard(_rational(e.xreplace(own)), variables) for e in lowered.expressions]
        self._exact = exact
        self.constants: dict[sp.Symbol, sp.Expr] = {}  # parameter -> the irrational number that it stands for
        expressions = [self._constants(e, variables) for e in expressions]
        more = [self._constants(standard(_rational(e), variables), variables) for e in more]
        free = set().union(*(e.free_symbols for e in (*expressions, *more))) - set(variables)
        self.parameters = tuple(sorted(free, key=str))
        expressions = [sp.fraction(sp.together(e))[0] for e in expressions]
        self.differential_ring = DifferentialRing([*expressions, *more], variables, self.parameters)
        self.ring = self.differential_ring.ring
        self.x = [self.differential_ring.gen[s] for s in self.coordinates]
        self.u = {jet: self.differential_ring.gen[s] for jet, s in self.symbols.items()}
        self.position = {gen: k for k, gen in enumerate(self.ring.gens)}
        self.equations = [self.differential_ring(e) for e in expressions]

    def _constants(self, e: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
        """Irrational numbers and irrational functions of parameters, each as a new parameter."""
        for atom in sorted(e.atoms(sp.Function, sp.Pow, sp.NumberSymbol), key=sp.count_ops, reverse=True):
            algebraic = isinstance(atom, sp.Pow) and (atom.exp.is_Integer or self._exact and atom.exp.is_Rational)
            if not algebraic and not atom.free_symbols & set(variables) and e.has(atom):
                known = {c: s for s, c in self.constants.items()}
                symbol = known.get(atom) or sp.Symbol(f"_c{len(known)}", real=True)
                self.constants[symbol] = atom
                e = e.xreplace({atom: symbol})
        return e

    def polynomial(self, e: sp.Expr) -> PolyElement:
        """One of the expressions ``more`` as a polynomial."""
        variables = (*self.coordinates, *self.symbols.values())
        return self.differential_ring(
            standard(_rational(e), variables).xreplace({c: s for s, c in self.constants.items()})
        )

    def field(self, roots: Iterable[sp.Expr] = ()) -> CoefficientField:
        """The field of the equations' coefficients, with further ``roots``."""
        return CoefficientField(
            self.parameters, roots, {self.position[gen]: e for gen, e in self.differential_ring.inverses.items()}
        )

    @cached_property
    def degree(self) -> int | None:
        """1 for linear homogeneous equations, 0 for linear ones with sources, None for others."""
        functions = {f for gen in self.u.values() for f in self.differential_ring.functions_of(gen)}
        seen = set()
        for equation in self.equations:
            for exponents in equation:
                if any(exponents[self.position[f]] for f in functions):
                    return None
                seen.add(sum(exponents[self.position[gen]] for gen in self.u.values()))
        return None if max(seen) > 1 else min(seen)

    def total(self, p: PolyElement, i: int) -> PolyElement:
        """The total derivative D_i p = p_{x_i} + sum u_{J+i} p_{u_J}, of something below the highest order."""
        out = self.differential_ring.partial(p, self.x[i])
        for (a, J), gen in self.u.items():
            by = self.differential_ring.partial(p, gen)
            if by:
                out += by * self.u[a, plus(J, unit_index(i, len(self.x)))]
        return self.differential_ring.normal(out)

    @cached_property
    def rules(self) -> list[RewriteRule]:
        """The equations and those of their derivatives that stay within the order, solved for derivatives.

        Raises:
            ValueError: no derivative stands alone in an equation.
        """
        rules: list[RewriteRule] = []
        left = sorted(enumerate(self.equations), key=lambda pair: self._order(pair[1]))
        for number, equation in left:
            reduced = self.reduce(equation, rules)
            if not reduced:
                continue
            rules = self._inserted(self._solved(reduced, number), reduced, rules)
        return rules

    def _inserted(self, first: RewriteRule, equation: PolyElement, rules: list[RewriteRule]) -> list[RewriteRule]:
        n, new = len(self.x), [(first, equation)]
        for steps in range(self.order - self._order(equation)):
            for rule, e in [pair for pair in new if sum(pair[0].jet[1]) == sum(first.jet[1]) + steps]:
                for i in range(n):
                    a, J = rule.jet[0], plus(rule.jet[1], unit_index(i, n))
                    if all(r.jet != (a, J) for r, _ in new):
                        derived = self.reduce(self.total(e, i), [*rules, *(r for r, _ in new)])
                        own = self._for(derived, (a, J))
                        assert own is not None  # a derivative of a rule is linear in its highest derivative
                        new.append((own, derived))
        added = [rule for rule, _ in new]
        return [self._updated(rule, added) for rule in rules] + added

    def _updated(self, rule: RewriteRule, others: list[RewriteRule]) -> RewriteRule:
        """A rule whose right-hand side holds none of the derivatives that the others are for."""
        gen = self.u[rule.jet]
        equation = self.reduce(rule.den * gen**rule.power - rule.num, others)
        own = self._for(equation, rule.jet)
        assert own is not None  # it is solved for the same power
        return own

    def _order(self, p: PolyElement) -> int:
        functions = self.differential_ring.functions_of
        return max(
            (sum(J) for (_, J), gen in self.u.items() if any(p.degree(g) > 0 for g in (gen, *functions(gen)))),
            default=0,
        )

    def _solved(self, equation: PolyElement, number: int) -> RewriteRule:
        """The equation for a derivative of the highest order with the simplest coefficient."""
        found: list[tuple[tuple, RewriteRule]] = []
        for jet, gen in self.u.items():
            if any(equation.degree(f) > 0 for f in self.differential_ring.functions_of(gen)):
                continue
            power = equation.degree(gen)
            if power > 0 and sum(jet[1]):
                rule = self._for(equation, jet)
                if rule is not None:
                    hard = len(rule.den) - 1 + 2 * (not rule.den.is_ground) + 4 * self._order(rule.den)
                    found.append(((rule.power, -sum(jet[1]), hard, len(found)), rule))
        if not found:
            raise ValueError(
                f"equation {number + 1} cannot be solved for any derivative: expected one that stands in it linearly"
            )
        return min(found, key=lambda pair: pair[0])[1]

    def _for(self, equation: PolyElement, jet: Jet) -> RewriteRule | None:
        """The equation as den * jet^power = num, or None where other powers of it occur."""
        k = self.position[self.u[jet]]
        powers = {e[k] for e in equation} - {0}
        if len(powers) != 1:
            return None
        power, num, den = powers.pop(), {}, {}
        for e, c in equation.items():
            if e[k]:
                den[(*e[:k], 0, *e[k + 1 :])] = c
            else:
                num[e] = -c
        return RewriteRule(jet, power, self.ring.from_dict(num), self.ring.from_dict(den))

    def reduce(self, p: PolyElement, rules: Sequence[RewriteRule] | None = None) -> PolyElement:
        """A polynomial modulo the equations, times denominators."""
        return self.reduce_all({0: p}, rules).get(0, self.ring.zero)

    def reduce_all(self, form: Mapping, rules: Sequence[RewriteRule] | None = None) -> dict:
        """Polynomials modulo the equations, all times the same denominators."""
        form = {key: p for key, p in form.items() if p}
        for rule in self.rules if rules is None else rules:
            form = _substituted(form, self.position[self.u[rule.jet]], rule)
            form = {key: q for key, p in form.items() if (q := self.differential_ring.normal(p))}
        return form


def _substituted(form: dict, k: int, rule: RewriteRule) -> dict:
    most = max((e[k] // rule.power for p in form.values() for e in p), default=0)
    if most == 0:
        return form
    factors = [_power(rule.num, j) * _power(rule.den, most - j) for j in range(most + 1)]
    out = {}
    for key, p in form.items():
        parts: dict[int, dict] = {}
        for e, c in p.items():
            times, rest = divmod(e[k], rule.power)
            parts.setdefault(times, {})[(*e[:k], rest, *e[k + 1 :])] = c
        out[key] = sum((factors[j] * p.ring.from_dict(q) for j, q in parts.items()), p.ring.zero)
    return out


def _power(p: PolyElement, k: int) -> PolyElement:
    """p^k with 0^0 = 1, which SymPy's rings refuse."""
    return p**k if k else p.ring.one


def _rational(e: sp.Expr) -> sp.Expr:
    """Floating-point numbers as the simplest fractions that they print as."""
    return sp.nsimplify(e, rational=True) if e.has(sp.Float) else e


def _name(u: AppliedUndef, J: Index, coordinates: Sequence[sp.Symbol]) -> str:
    suffix = "".join(s.name * k for s, k in zip(coordinates, J, strict=True))
    return f"{u.func}_{suffix}" if suffix else str(u.func)
