"""Equations in the field's notation: coordinates, fields, derivatives, and the channels that they need."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from .taylor import Channel, Index, partial, split

Ansatz = Mapping[AppliedUndef, tuple[sp.Expr, sp.Expr]]  # field -> (g, d): the field is g + d N


def coordinates(names: str) -> tuple[sp.Symbol, ...]:
    """Real symbols: ``x, t = coordinates("x t")``."""
    return tuple(sp.Symbol(name, real=True) for name in names.replace(",", " ").split())


def field(name: str, *variables: sp.Symbol) -> AppliedUndef:
    """An unknown function of the coordinates: ``u = field("u", x, t)``."""
    return sp.Function(name, real=True)(*variables)


def parse_index(suffix: str, names: Sequence[str]) -> Index:
    """The multi-index of a derivative's suffix: "xxt" by coordinates (x, t) is (2, 1); ValueError if unreadable."""
    count = [0] * len(names)
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not re.fullmatch(f"({pattern})*", suffix):
        raise ValueError(f"derivative {suffix!r}: expected a product of the coordinates {', '.join(names)}")
    for name in re.findall(pattern, suffix):
        count[list(names).index(name)] += 1
    return tuple(count)


def derivatives(u: AppliedUndef, *suffixes: str) -> tuple[sp.Expr, ...] | sp.Expr:
    """Derivatives of a field by name: ``u_t, u_x, u_xx = derivatives(u, "t", "x", "xx")``."""
    names = [s.name for s in u.args]
    found = tuple(differentiate(u, parse_index(s, names)) for s in suffixes)
    return found if len(found) > 1 else found[0]


def differentiate(expression: sp.Expr, index: Index, variables: Sequence[sp.Symbol] | None = None) -> sp.Expr:
    """D^index of an expression by the coordinates (those of an applied field, unless given)."""
    for variable, times in zip(variables or expression.args, index, strict=True):
        if times:
            expression = sp.diff(expression, variable, times)
    return expression


@dataclass(frozen=True)
class Slot:
    """One number at a point: field (or network output) ``k``'s channel, at image point ``image``."""

    output: int
    channel: Channel
    image: int = 0

    def symbol(self, letter: str) -> sp.Symbol:
        """A symbol that names the slot, e.g. u0_20 for the second derivative by the first coordinate."""
        name = "+".join("".join(map(str, index)) for _, index in self.channel)
        return sp.Symbol(f"{letter}{self.output}_{name}" + (f"@{self.image}" if self.image else ""), real=True)


@dataclass(frozen=True)
class Lowered:
    """Expressions in coordinates and field symbols; ``slots`` says what each field symbol stands for."""

    expressions: tuple[sp.Expr, ...]
    slots: dict[sp.Symbol, Slot]


def lower(
    expressions: Sequence[sp.Expr], fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]
) -> Lowered:
    """Name every derivative of a field in the expressions by a symbol."""
    evaluated = [sp.sympify(e).doit() for e in expressions]
    replace: dict[sp.Expr, sp.Symbol] = {}
    slots: dict[sp.Symbol, Slot] = {}
    for e in evaluated:
        for atom in e.atoms(sp.Derivative) | e.atoms(AppliedUndef):
            u = atom.expr if isinstance(atom, sp.Derivative) else atom
            if u not in fields:
                continue
            index = [0] * len(variables)
            for variable, times in atom.variable_count if isinstance(atom, sp.Derivative) else ():
                index[list(variables).index(variable)] += int(times)
            slot = Slot(list(fields).index(u), partial(tuple(index)))
            replace[atom] = slot.symbol("u")
            slots[replace[atom]] = slot
    lowered = tuple(e.xreplace(replace) for e in evaluated)
    used = set().union(*(e.free_symbols for e in lowered))
    return Lowered(lowered, {s: slot for s, slot in sorted(slots.items(), key=str) if s in used})


def at_image(lowered: Lowered, variables: Sequence[sp.Symbol], number: int) -> Lowered:
    """The same expressions at another point: coordinates and field symbols are renamed ``...@number``."""
    moved = {s: Slot(slot.output, slot.channel, number) for s, slot in lowered.slots.items()}
    rename = {s: slot.symbol("u") for s, slot in moved.items()} | {v: at(v, number) for v in variables}
    return Lowered(
        tuple(e.xreplace(rename) for e in lowered.expressions), {slot.symbol("u"): slot for slot in moved.values()}
    )


def at(variable: sp.Symbol, number: int) -> sp.Symbol:
    """The coordinate at image point ``number`` (itself for number 0)."""
    return sp.Symbol(f"{variable.name}@{number}", real=True) if number else variable


def collapse(lowered: Lowered) -> Lowered:
    """Merge second derivatives that occur only in one weighted sum (a Laplacian) into a single channel."""
    orders = [sum(slot.channel[0][1]) for slot in lowered.slots.values()]
    second = sorted({slot.channel[0][1] for slot in lowered.slots.values() if sum(slot.channel[0][1]) == 2})
    if len(second) < 2 or max(orders) > 2:
        return lowered
    weights = _common_weights(lowered, second)
    if weights is None:
        return lowered
    merged: Channel = tuple((weights[i], i) for i in second)
    replace, slots = {}, {s: slot for s, slot in lowered.slots.items() if slot.channel[0][1] not in second}
    groups: dict[tuple[int, int], dict[Index, sp.Symbol]] = {}
    for symbol, slot in lowered.slots.items():
        if slot.channel[0][1] in second:
            groups.setdefault((slot.output, slot.image), {})[slot.channel[0][1]] = symbol
    for (output, number), members in groups.items():
        slot = Slot(output, merged, number)
        total = slot.symbol("u")
        slots[total] = slot
        first, *others = members
        replace[members[first]] = (total - sum(weights[i] * members[i] for i in others)) / weights[first]
    expressions = tuple(sp.expand(e.subs(replace)) for e in lowered.expressions)
    left = set().union(*(e.free_symbols for e in expressions))
    if any(symbol in left for members in groups.values() for symbol in members.values()):
        return lowered
    return Lowered(expressions, slots)


def _common_weights(lowered: Lowered, second: list[Index]) -> dict[Index, float] | None:
    """Constants w_i with de/dN_i = w_i D for every expression and output, or None."""
    weights: dict[Index, float] | None = None
    by_slot = {(s.output, s.image, s.channel[0][1]): symbol for symbol, s in lowered.slots.items()}
    for output, number in {(s.output, s.image) for s in lowered.slots.values()}:
        symbols = {i: by_slot.get((output, number, i)) for i in second}
        if not any(symbols.values()):
            continue
        for e in lowered.expressions:
            slopes = {i: sp.expand(e.diff(s)) if s is not None else sp.S.Zero for i, s in symbols.items()}
            if all(slope == 0 for slope in slopes.values()):
                continue
            if any(slope == 0 for slope in slopes.values()):
                return None
            ratios = {i: sp.simplify(slope / slopes[second[0]]) for i, slope in slopes.items()}
            if not all(r.is_number for r in ratios.values()):
                return None
            found = {i: float(r) for i, r in ratios.items()}
            if weights is not None and any(abs(found[i] - weights[i]) > 1e-12 * abs(weights[i]) for i in second):
                return None
            weights = found
    return weights


@dataclass(frozen=True)
class Affine:
    """A field's channel in those of the network: ``constant + sum coefficients[N] * N``."""

    constant: sp.Expr
    coefficients: dict[sp.Symbol, sp.Expr]


def insert(
    lowered: Lowered, fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol], ansatz: Ansatz
) -> tuple[dict[sp.Symbol, Affine], dict[sp.Symbol, Slot]]:
    """Every field symbol by u = g + d N and the product rule, and the network's slots that this needs."""
    affine, needed = {}, {}
    for symbol, slot in lowered.slots.items():
        g, d = ansatz.get(fields[slot.output], (sp.S.Zero, sp.S.One))
        constant, coefficients = sp.S.Zero, {}
        for factor, index in slot.channel:
            weight = sp.S.One if factor == 1 else sp.Float(factor)
            constant += weight * differentiate(g, index, variables)
            for a, b, ways in split(index):
                own = b == index and len(slot.channel) > 1
                coefficient = d / len(slot.channel) if own else weight * ways * differentiate(d, a, variables)
                if coefficient != 0:
                    source = Slot(slot.output, slot.channel if own else partial(b), slot.image)
                    N = source.symbol("N")
                    needed[N] = source
                    coefficients[N] = coefficients.get(N, sp.S.Zero) + coefficient
        rename = {v: at(v, slot.image) for v in variables}
        affine[symbol] = Affine(
            constant.xreplace(rename), {N: c.xreplace(rename) for N, c in coefficients.items()}
        )
    return affine, needed
