"""The search for generators: polynomials, then powers, times exponentials, until all that were counted are found."""

from collections.abc import Sequence
from itertools import product

import sympy as sp
from sympy.polys.polyerrors import CoercionFailed

from pinnkit.tools.sympy_types import AppliedUndef, PolyElement

from .arbitrary_functions import arbitrary_functions, concrete
from .coefficient_field import CoefficientField
from .determining import Determining, determining
from .exponential_rates import autonomous, rates
from .generator import Generator
from .involution import SolutionSpace, count, follow
from .jet_space import JetSpace
from .prolongation import defects
from .rationalise_roots import swap
from .reconstruct import complex_rate, generator
from .symmetry_ansatz import PLAIN, CommonFactor, GradedBasis, PowerSteps, solutions

HIGHEST = 6  # total degree up to which polynomials are tried ...
HIGHEST_ODE = 8  # and for ordinary differential equations
WIDEST, WIDEST_ODE = 3, 5  # the same with half and negative powers


def search(
    equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]
) -> tuple[list[Generator], list[Generator], Determining, SolutionSpace]:
    """Generators, families, the determining system, and the count of its solutions."""
    jets = JetSpace(equations, fields)
    system, counted = determining_system(jets)
    size = counted.dimension
    if size is None:
        found, families = _infinite(system, counted)
        for v in found + [concrete(v, f) for v in families for f in (lambda s: s**5, sp.exp)]:
            verify_generator(v, equations, fields)
        return found, families, system, counted
    own = {i: rates(system, counted, i) for i in range(len(system.base)) if autonomous(system, i)}
    change = swap((e for r in own.values() for e in r), jets.parameters)
    if change is not None:
        found, families, _, counted = search([e.subs(change.parameter, change.value) for e in equations], fields)
        return [v.subs({change.root: change.radical}) for v in found], families, system, counted
    found = _finite(system, size, own)
    ordinary = len(jets.x) == 1
    explicit = [z for z in _variables(jets, ordinary) if any(_depends(jets, e, z) for e in jets.equations)]
    if len(found) < size and explicit:  # half and negative powers of them
        wider = JetSpace(equations, fields, more=[sp.sqrt(z) for z in explicit])
        more = _finite(determining(wider, system.linear), size, own, explicit)
        found = max(found, more, key=len)
    for v in found:
        verify_generator(v, equations, fields)
    return found, [], system, counted


def determining_system(jets: JetSpace) -> tuple[Determining, SolutionSpace]:
    """The determining system and the count of its solutions.

    Coefficients are functions of coordinates and fields. Only for linear equations with infinitely many solutions,
    whose superposition would hide the rest, xi depends on the coordinates alone and phi is linear in the fields.
    """
    if jets.degree != 1:
        system = determining(jets, linear=False)
        return system, count(system)
    if len(jets.x) == 1 or len(jets.equations) > len(jets.fields):  # perhaps no more solutions than constants
        system = determining(jets, linear=False)
        counted = count(system)
        if counted.dimension is not None or len(jets.x) == 1:
            return system, counted
    system = determining(jets, linear=True)
    return system, count(system)


def straight(jets: JetSpace) -> bool:
    """Whether the determining equations of a linear system force xi to depend on the coordinates alone, and phi to be
    linear in the fields."""
    system = determining(jets, linear=False)
    left = [key for key in system.straight if not system.vanishes(key)]
    return not left or follow(system, left)


def _variables(jets: JetSpace, fields: bool) -> list[sp.Symbol]:
    """The coordinates, and the fields where these are asked for."""
    values = [jets.symbols[a, (0,) * len(jets.x)] for a in range(len(jets.fields))] if fields else []
    return [*jets.coordinates, *values]


def _depends(jets: JetSpace, e: PolyElement, z: sp.Symbol) -> bool:
    gen = jets.differential_ring.gen[z]
    return any(e.degree(g) > 0 for g in (gen, *jets.differential_ring.functions_of(gen)))


def _finite(
    system: Determining, dimension: int, own: dict[int, list[sp.Expr]], negative: Sequence[sp.Symbol] = ()
) -> list[Generator]:
    """Powers times exponentials of the given rates, of rising degree until the dimension is reached.

    The powers are multiples of 1/q where the equations contain a q-th root, and from -1 where they may be negative.
    """
    irrational = {a for r in own.values() for e in r for a in e.atoms(sp.Pow) if a.is_number and a.is_irrational}
    imaginary = {sp.I} if any(e.has(sp.I) for r in own.values() for e in r) else set()
    field = system.jets.field(sorted(irrational | imaginary, key=str))
    factors = [factor for pair in _pairs(own) if (factor := _factor(field, pair)) is not None]
    differential_ring = system.jets.differential_ring
    low = [differential_ring.gen[z] for z in negative]
    ordinary = len(system.jets.x) == 1
    least = -2 if ordinary else -1
    steps = [PowerSteps(least if z in low else 0, differential_ring.root(z)[0]) for z in system.base]
    found, still = [GradedBasis() for _ in factors], 0
    highest = (WIDEST_ODE if ordinary else WIDEST) if negative else HIGHEST_ODE if ordinary else HIGHEST
    for degree in range(highest + 1):
        grown = [
            known.add(solutions(system, field, degree, factor, steps=steps))
            for known, factor in zip(found, factors, strict=True)
        ]
        size = sum(
            len(known.basis) * (1 + complex_rate(field, factor)) for known, factor in zip(found, factors, strict=True)
        )
        still = 0 if any(grown) else still + 1
        if size >= dimension or still == 3:
            break
    pairs = [(v, factor) for known, factor in zip(found, factors, strict=True) for v in known.basis]
    return _sorted([g for v, factor in pairs for g in generator(system, field, v, factor)])


def _factor(field: CoefficientField, pair: dict[int, sp.Expr]) -> CommonFactor | None:
    """The exponential of these rates, or None where one of them is not in the field."""
    try:
        return CommonFactor({i: field.element(r) for i, r in pair.items() if r != 0}, {})
    except (ValueError, CoercionFailed):
        return None


def _pairs(own: dict[int, list[sp.Expr]]) -> list[dict[int, sp.Expr]]:
    """All combinations of rates of the different coordinates, one of two conjugate ones."""
    kept: list[dict[int, sp.Expr]] = []
    for choice in product(*own.values()):
        pair = dict(zip(own, choice, strict=True))
        if {i: e.xreplace({sp.I: -sp.I}) for i, e in pair.items()} not in kept:
            kept.append(pair)
    return kept


def _infinite(system: Determining, counted: SolutionSpace) -> tuple[list[Generator], list[Generator]]:
    """Polynomials up to the degree at which they stay the same, else up to degree 2; families."""
    field = system.jets.field()
    found = GradedBasis()
    for degree in (0, 1, 2):
        found.add(solutions(system, field, degree))
    plain = _sorted([g for v in found.basis for g in generator(system, field, v, PLAIN)])
    functions, variables = counted.functions or (None, None)
    return plain, arbitrary_functions(system, field, functions if variables == 1 else None)


def _sorted(found: list[Generator]) -> list[Generator]:
    """Translations first, then by degree and size."""

    def key(v: Generator) -> tuple:
        used = [k for k, e in enumerate(v.components) if e != 0]
        functions = any(e.has(sp.exp, sp.sin, sp.cos) for e in v.components)
        degree = max(_degree(e.replace(sp.Function, lambda *a: sp.S.One), v.base) for e in v.components)
        only_fields = used[0] >= len(v.coordinates)
        return functions, only_fields, degree, len(used), used, str(v)

    return sorted(found, key=key)


def _degree(e: sp.Expr, base: Sequence[sp.Symbol]) -> sp.Expr:
    """The largest sum of the exponents in a term, rational or negative ones included."""
    return max(sum(term.as_coeff_exponent(z)[1] for z in base) for term in sp.Add.make_args(sp.expand(e)))


def verify_generator(v: Generator, equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> None:
    """Raises ArithmeticError unless a generator's prolongation leaves the equations invariant."""
    if any(d != 0 for d in defects(v, equations, fields)):
        raise ArithmeticError(f"{v} was found, but its prolongation does not leave the equations invariant")
