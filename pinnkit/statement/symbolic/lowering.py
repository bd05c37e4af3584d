"""Equations lowered to the channels that they need, with the ansatz put in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from pinnkit.tools.simplified import simplified
from pinnkit.tools.sympy_types import AppliedUndef, is_applied

from .channels import Channel, Index, partial, split
from .elsewhere import Elsewhere, is_own
from .integral import with_integrals
from .notation import differentiate

Ansatz = Mapping[AppliedUndef, tuple[sp.Expr, sp.Expr]]  # field -> (g, d): the field is g + d N


@dataclass(frozen=True)
class Slot:
    """One number at a point: field (or network output) ``k``'s channel, at image point ``image``.

    With ``elsewhere`` it is taken from other points: what looks at orders of derivatives sees it as the field's value.
    """

    output: int
    channel: Channel
    image: int = 0
    elsewhere: Elsewhere | None = None

    @property
    def outputs(self) -> tuple[int, ...]:
        """All fields that it is made of."""
        return (self.output,) if self.elsewhere is None else self.elsewhere.content.outputs

    def symbol(self, letter: str) -> sp.Symbol:
        """A symbol that names the slot, e.g. u0_20 for the second derivative by the first coordinate."""
        if self.elsewhere is not None:
            return sp.Symbol(f"{letter}_{self.elsewhere}", real=True)
        name = "+".join("".join(map(str, index)) for _, index in self.channel)
        image = f"@{self.image}" if self.image else ""
        return sp.Symbol(f"{letter}{self.output}_{name}{image}", real=True)


@dataclass(frozen=True)
class Lowered:
    """Expressions in coordinates and field symbols; ``slots`` says what each field symbol stands for."""

    expressions: tuple[sp.Expr, ...]
    slots: dict[sp.Symbol, Slot]


def lower(expressions: Sequence[sp.Expr], fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]) -> Lowered:
    """Name every derivative of a field in the expressions by a symbol.

    Raises:
        ValueError: anything but the fields and their derivatives by their own coordinates.
    """
    given = tuple(with_integrals(sp.sympify(e, strict=True), fields, variables) for e in expressions)
    own = any(map(is_own, given))  # memory would keep a caller's function alive
    return (_lowered if own else _remembered)(given, tuple(fields), tuple(variables))


def _lowered(given: tuple[sp.Expr, ...], fields: tuple[AppliedUndef, ...], variables: tuple[sp.Symbol, ...]) -> Lowered:
    _check_derivatives(given, fields)
    evaluated = [e.doit() for e in given]
    replace: dict[sp.Expr, sp.Symbol] = {}
    slots: dict[sp.Symbol, Slot] = {}
    for atom in sorted(set().union(*(e.atoms(Elsewhere) for e in evaluated)), key=str):
        slot = Slot(atom.content.outputs[0], partial((0,) * len(variables)), elsewhere=atom)
        replace[atom] = slot.symbol("u")
        slots[replace[atom]] = slot
    atoms = set().union(*(e.atoms(sp.Derivative, AppliedUndef, sp.Subs, sp.Integral) for e in evaluated))
    for atom in sorted(atoms, key=lambda a: not isinstance(a, sp.Integral)):  # what is integrated stands for itself
        u = atom.expr if isinstance(atom, sp.Derivative) else atom
        if u not in fields:
            _check_coefficient(atom)
            raise ValueError(
                f"{atom} stands in an expression: expected only the fields {', '.join(map(str, fields))} and "
                f"their derivatives; {_way(atom, fields)}"
            )
        index = [0] * len(variables)
        for variable, times in atom.variable_count if isinstance(atom, sp.Derivative) else ():
            index[variables.index(variable)] += int(times)
        slot = Slot(fields.index(u), partial(tuple(index)))
        replace[atom] = slot.symbol("u")
        slots[replace[atom]] = slot
    lowered = tuple(e.xreplace(replace) for e in evaluated)
    used = set().union(*(e.free_symbols for e in lowered))
    return Lowered(lowered, {s: slot for s, slot in sorted(slots.items(), key=str) if s in used})


def _check_coefficient(atom: sp.Expr) -> None:
    """Whether it is the derivative of a coefficient that SymPy cannot take: of a floor, say."""
    inner = atom
    while isinstance(inner, (sp.Subs, sp.Derivative)):
        inner = inner.expr
    if not (is_applied(inner) or isinstance(inner, sp.Integral)):
        raise ValueError(
            f"a coefficient with {type(inner).__name__} is differentiated, and its derivative is not known: hold it, "
            "as in pk.divergence(k, u) for (k u_x)_x, or write its jumps with Heaviside"
        )


_remembered = lru_cache(maxsize=512)(_lowered)


def _way(atom: sp.Expr, fields: Sequence[AppliedUndef]) -> str:
    """How to state what is no field at the point itself."""
    if isinstance(atom, sp.Integral):
        s, *ends = atom.limits[0]
        if ends and ends[-1].is_Symbol:
            t = ends[-1]
            return f"an integral up to {t} is a field w of its own: w.diff({t}) is its derivative, and w = 0 at first"
        value = f", whose value at {s} = {ends[-1]} is the integral" if ends else ""
        return f"an integral is a field w of its own: w.diff({s}) is the integrand and w = 0 where it begins{value}"
    inner = atom.expr if isinstance(atom, sp.Derivative) else atom
    names = ", ".join(str(u.func) for u in fields)
    return (
        "a function that is known is written out, or wrapped by pinnkit.function; fields are given, as "
        f"fields=({names}, {inner.func})"
    )


def _check_derivatives(expressions: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> None:
    for atom in set().union(*(e.atoms(sp.Derivative) for e in expressions)):
        strange = [v for v in atom.variables if atom.expr in fields and v not in atom.expr.args]
        if strange:
            raise ValueError(
                f"{atom} differentiates by {strange[0]}, which is not a coordinate of {atom.expr}: use "
                f"pinnkit.derivatives with the names {', '.join(map(str, atom.expr.args))}"
            )


def at_image(lowered: Lowered, variables: Sequence[sp.Symbol], number: int) -> Lowered:
    """The same expressions at another point: coordinates and field symbols are renamed ``...@number``."""
    moved = {s: Slot(slot.output, slot.channel, number) for s, slot in lowered.slots.items()}
    rename = {s: slot.symbol("u") for s, slot in moved.items()} | {v: image_coordinate(v, number) for v in variables}
    expressions = tuple(e.xreplace(rename) for e in lowered.expressions)
    return Lowered(expressions, {slot.symbol("u"): slot for slot in moved.values()})


def image_coordinate(variable: sp.Symbol, number: int) -> sp.Symbol:
    """The coordinate at image point ``number`` (itself for number 0)."""
    return sp.Symbol(f"{variable.name}@{number}", real=True) if number else variable


def collapse(lowered: Lowered) -> Lowered:
    """Merge second derivatives that occur only in one weighted sum D (a Laplacian) into a single channel."""
    orders = [sum(slot.channel[0][1]) for slot in lowered.slots.values()]
    second = sorted({slot.channel[0][1] for slot in lowered.slots.values() if sum(slot.channel[0][1]) == 2})
    if len(second) < 2 or max(orders) > 2:
        return lowered
    weights = _common_weights(lowered, second)
    if weights is None:
        return lowered
    merged: Channel = tuple((weights[i], i) for i in second)
    replace, slots = {}, {}
    for symbol, slot in lowered.slots.items():
        if slot.channel[0][1] not in second:
            slots[symbol] = slot
            continue
        total = Slot(slot.output, merged, slot.image)
        slots[total.symbol("u")] = total
        # What depends on D alone keeps its value when one derivative stands for D and the others for 0.
        replace[symbol] = total.symbol("u") if slot.channel[0][1] == second[0] else sp.S.Zero
    return Lowered(tuple(e.subs(replace) for e in lowered.expressions), slots)


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
            ratios = {i: _ratio(slope, slopes[second[0]]) for i, slope in slopes.items()}
            if not all(r.is_number for r in ratios.values()):
                return None
            found = {i: float(r) for i, r in ratios.items()}
            known = found if weights is None else weights
            if any(abs(found[i] - known[i]) > 1e-12 * abs(known[i]) for i in second):
                return None
            weights = known
    return weights


def _ratio(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    ratio = a / b
    return ratio if ratio.is_number else simplified(ratio)


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
        if slot.elsewhere is not None:
            continue
        g, d = ansatz.get(fields[slot.output], (sp.S.Zero, sp.S.One))
        constant = sp.S.Zero
        coefficients: dict[Index, sp.Expr] = {}
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
        rename = {v: image_coordinate(v, slot.image) for v in variables}
        moved = {N: c.xreplace(rename) for N, c in coefficients.items()}
        affine[symbol] = Affine(constant.xreplace(rename), moved)
    return affine, needed
