"""From solutions of the determining equations to generators in the coordinates and fields."""

from collections.abc import Mapping, Sequence

import sympy as sp

from .coefficient_field import CoefficientField
from .determining import Determining
from .generator import Generator
from .symmetry_ansatz import CommonFactor, Vector

ARBITRARY = sp.Function("f", real=True)


def generator(system: Determining, field: CoefficientField, vector: Vector, factor: CommonFactor) -> list[Generator]:
    """The generator of a solution; real and imaginary part where the rates of its exponential are complex."""
    terms = dict(zip(vector, field.primitive([field.domain.convert(c) for c in vector.values()]), strict=True))
    z = _symbols(system)
    rates = {i: field.expression(r) for i, r in factor.rate.items()}
    slopes = {i: field.expression(c) for i, c in factor.slope.items()}
    functions: dict[int, sp.Expr] = {}
    for (f, powers, k), c in terms.items():
        monomial = sp.Mul(*(s**n for s, n in zip(z, powers, strict=True)))
        functions[f] = functions.get(f, 0) + field.expression(c) * monomial * _arbitrary(slopes, z, k)
    exponent = sum((r * z[i] for i, r in rates.items()), sp.S.Zero)
    if not exponent.has(sp.I):
        return [_signed(_vector_field(system, functions, sp.exp(exponent)))]
    real, imaginary = sp.expand(exponent).as_real_imag() if not exponent.free_symbols - set(z) else _parts(exponent)
    wave = (sp.exp(real) * sp.cos(imaginary), sp.exp(real) * sp.sin(imaginary))
    parts = {f: _parts(sp.expand(e)) for f, e in functions.items()}
    first = {f: sp.expand(a * wave[0] - b * wave[1]) for f, (a, b) in parts.items()}
    second = {f: sp.expand(a * wave[1] + b * wave[0]) for f, (a, b) in parts.items()}
    return [_signed(_vector_field(system, part, sp.S.One)) for part in (first, second)]


def complex_rate(field: CoefficientField, factor: CommonFactor) -> bool:
    """Whether the exponential of a factor oscillates, so that a solution of it stands for two."""
    return any(field.expression(r).has(sp.I) for r in factor.rate.values())


def _parts(e: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Real and imaginary part, with all symbols real."""
    e = sp.expand(e)
    return e.xreplace({sp.I: sp.S.Zero}), sp.expand((e - e.xreplace({sp.I: sp.S.Zero})) / sp.I)


def _arbitrary(slopes: Mapping[int, sp.Expr], z: Sequence[sp.Symbol], k: int) -> sp.Expr:
    if not slopes:
        return sp.S.One
    argument = sum(c * z[i] for i, c in slopes.items())
    if argument.is_Symbol:
        return sp.diff(ARBITRARY(argument), argument, k) if k else ARBITRARY(argument)
    s = sp.Symbol("s", real=True)
    return sp.Subs(sp.diff(ARBITRARY(s), s, k), s, argument) if k else ARBITRARY(argument)


def _symbols(system: Determining) -> list[sp.Symbol]:
    jets = system.jets
    by_gen = {gen: s for s, gen in jets.differential_ring.gen.items()}
    return [by_gen[gen] for gen in system.base]


def _vector_field(system: Determining, functions: Mapping[int, sp.Expr], factor: sp.Expr) -> Generator:
    jets, n, m = system.jets, len(system.jets.x), len(system.jets.fields)
    u = [jets.symbols[a, (0,) * n] for a in range(m)]
    part = {f: e * factor for f, e in functions.items()}
    xi = [part.get(i, sp.S.Zero) for i in range(n)]
    if system.linear:
        phi = [sum((part.get(n + a * m + b, 0) * u[b] for b in range(m)), sp.S.Zero) for a in range(m)]
    else:
        phi = [part.get(n + a, sp.S.Zero) for a in range(m)]
    own = jets.constants
    return Generator(
        tuple(jets.coordinates), tuple(u), tuple(e.xreplace(own) for e in xi), tuple(e.xreplace(own) for e in phi)
    )


def _signed(v: Generator) -> Generator:
    """The generator or its negative, so that its first component has more positive terms."""
    first = next(e for e in v.components if e != 0)
    terms = sp.Add.make_args(sp.expand(first))
    negative = sum(t.could_extract_minus_sign() for t in terms)
    return -1 * v if 2 * negative > len(terms) else v
