"""The Lie point symmetries of a problem's equations, found from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.polys.polyerrors import CoercionFailed
from sympy.polys.rings import PolyElement

from ..problem import Problem
from ..value import as_expression
from .algebra import structure
from .ansatz import PLAIN, Factor, Graded, Steps, solutions
from .determining import Determining, determining
from .exponents import autonomous, rates
from .families import concrete, families
from .field import Field
from .generator import Generator
from .involution import Solutions, count
from .jets import JetSpace
from .logarithm import back, logarithmic
from .prolongation import defects
from .radicals import swap
from .vectors import complex_rate, generator

HIGHEST = 6  # total degree up to which polynomials are tried


@dataclass(frozen=True)
class Symmetries:
    """The generators of an equation's Lie point symmetries, each verified by its prolongation.

    For linear equations the superposition of solutions is left out: xi depends on x only and phi = alpha(x) u.
    ``known`` is the dimension counted without any ansatz, None where it is infinite; ``families`` are
    generators with an arbitrary function; ``notes`` say what was assumed and what is missing.
    """

    equations: tuple[sp.Expr, ...]
    fields: tuple[AppliedUndef, ...]
    generators: tuple[Generator, ...]
    families: tuple[Generator, ...]
    linear: bool
    known: int | None
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.generators)

    def __iter__(self) -> Iterator[Generator]:
        return iter(self.generators)

    def __getitem__(self, k: int) -> Generator:
        return self.generators[k]

    @property
    def infinite(self) -> bool:
        """Whether the algebra has no finite dimension."""
        return self.known is None

    @property
    def complete(self) -> bool:
        """Whether the generators span the whole algebra."""
        return self.known == len(self.generators)

    @cached_property
    def table(self) -> dict[tuple[int, int], dict[int, sp.Expr] | None]:
        """Structure constants [v_i, v_j] = sum_k c_k v_k for i < j; None where that is no combination of them."""
        return structure(self.generators)

    def __str__(self) -> str:
        lines = [f"{f'v{k + 1}':>5} = {v}" for k, v in enumerate(self.generators)]
        lines += [f"{'v_f':>5} = {family}" for family in self.families]
        return "\n".join([self.headline, *lines, *self.notes])

    @property
    def headline(self) -> str:
        """The size of the algebra in words."""
        if not self.infinite:
            return f"{self.known} Lie point symmetries"
        rest = ", and for every function f" if self.families else ""
        return f"infinitely many Lie point symmetries, among them these {len(self)}{rest}"

    def table_text(self) -> str:
        """The commutators that are not 0, one line each."""
        return "\n".join(f"[v{i}, v{j}] = {text}" for (i, j), text in self._commutators("v{}", str))

    def table_latex(self) -> str:
        """The commutators that are not 0 as LaTeX, one line each."""
        lines = [f"[v_{{{i}}}, v_{{{j}}}] &= {text}" for (i, j), text in self._commutators("v_{{{}}}", sp.latex)]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _commutators(self, name: str, show: Callable) -> Iterator[tuple[tuple[int, int], str]]:
        for (i, j), combination in self.table.items():
            pair = (i + 1, j + 1)
            if combination is None:
                bracket = self.generators[i].bracket(self.generators[j])
                yield pair, str(bracket) if show is str else bracket.latex()
            elif combination:
                names = [sp.Symbol(name.format(k + 1), commutative=False) for k in combination]
                yield pair, show(sp.Add(*(c * s for c, s in zip(combination.values(), names, strict=True))))

    def to_dict(self) -> dict:
        """What JSON can hold."""
        return {
            "dimension": self.known, "complete": self.complete, "linear": self.linear,
            "generators": [str(v) for v in self.generators], "families": [str(v) for v in self.families],
            "latex": [v.latex() for v in self.generators], "notes": list(self.notes),
        }  # fmt: skip

    def latex(self) -> str:
        """The generators as LaTeX, one line each."""
        lines = [f"v_{{{k + 1}}} &= {v.latex()}" for k, v in enumerate(self.generators)]
        lines += [f"v_f &= {family.latex()}" for family in self.families]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"


def symmetries(
    problem: Problem | sp.Expr | Sequence[sp.Expr], fields: AppliedUndef | Sequence[AppliedUndef] = ()
) -> Symmetries:
    """The Lie point symmetries v = xi^i(x, u) d/dx_i + phi^a(x, u) d/du_a of a problem's equations.

    Equations "= 0" with their ``fields`` do as well. The determining equations pr v (Delta) = 0 on Delta = 0 are
    completed to involution, which counts their solutions; closed forms are sought among polynomials times
    exponentials until that number is reached (Olver 1993, chapter 2; Reid 1991). Parameters stay symbols, with
    generic values.

    Raises:
        TypeError: equations without fields.
        ValueError: an equation that is not elementary or not solvable for a derivative.
    """
    if isinstance(problem, Problem):
        return find(list(problem.equations.values()), problem.fields)
    fields = (fields,) if isinstance(fields, sp.Basic) else tuple(fields)
    equations = [problem] if isinstance(problem, sp.Basic) else list(problem)
    if not fields or not all(isinstance(u, AppliedUndef) for u in fields):
        raise TypeError(f"symmetries(equations, fields) is given the fields {fields}: expected pinnkit.field(...)")
    return find([as_expression(e, "an equation") for e in equations], fields)


def find(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> Symmetries:
    """As `symmetries`, for equations "= 0" in fields."""
    sources = JetSpace(equations, fields).degree == 0
    if sources:
        equations = [sp.expand(e - e.subs(dict.fromkeys(fields, 0)).doit()) for e in equations]
    moved, moved_fields, logs = logarithmic(equations, fields)
    found, families, system, counted = _search(moved, moved_fields)
    known = counted.dimension
    found = [back(v, logs) for v in found] if logs else found
    families = [back(v, logs) for v in families] if logs else families
    for v in found if logs else ():
        _verify(v, equations, fields)
    return Symmetries(
        tuple(equations), tuple(fields), tuple(found), tuple(families), system.linear, known,
        tuple(_notes(system, counted, sources, logs, len(found))),
    )  # fmt: skip


def _search(
    equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]
) -> tuple[list[Generator], list[Generator], Determining, Solutions]:
    """Generators, families, the determining system, and the count of its solutions."""
    jets = JetSpace(equations, fields)
    system = determining(jets, linear=jets.degree == 1)
    counted = count(system)
    if counted.dimension is None:
        found, families = _infinite(system, counted)
        for v in found + [concrete(v, f) for v in families for f in (lambda s: s**5, sp.exp)]:
            _verify(v, equations, fields)
        return found, families, system, counted
    own = {i: rates(system, counted, i) for i in range(len(system.base)) if autonomous(system, i)}
    change = swap((e for r in own.values() for e in r), jets.parameters)
    if change is not None:
        found, families, _, counted = _search([e.subs(change.parameter, change.value) for e in equations], fields)
        return [v.subs({change.root: change.radical}) for v in found], families, system, counted
    found = _finite(system, counted.dimension, own)
    explicit = [z for z in jets.coordinates if any(_depends(jets, e, z) for e in jets.equations)]
    if len(found) < counted.dimension and explicit:  # half and negative powers of them
        wider = JetSpace(equations, fields, more=[sp.sqrt(z) for z in explicit])
        more = _finite(determining(wider, system.linear), counted.dimension, own, explicit)
        found = max(found, more, key=len)
    for v in found:
        _verify(v, equations, fields)
    return found, [], system, counted


def _depends(jets: JetSpace, e: PolyElement, z: sp.Symbol) -> bool:
    gen = jets.tower.gen[z]
    return any(e.degree(g) > 0 for g in (gen, *jets.tower.functions_of(gen)))


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
    tower = system.jets.tower
    low = [tower.gen[z] for z in negative]
    steps = [Steps(-1 if z in low else 0, tower.root(z)[0]) for z in system.base]
    highest = 3 if negative else HIGHEST
    found, still = [Graded() for _ in factors], 0
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


def _factor(field: Field, pair: dict[int, sp.Expr]) -> Factor | None:
    """The exponential of these rates, or None where one of them is not in the field."""
    try:
        return Factor({i: field.element(r) for i, r in pair.items() if r != 0}, {})
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


def _infinite(system: Determining, counted: Solutions) -> tuple[list[Generator], list[Generator]]:
    """Polynomials up to the degree at which they stay the same, else up to degree 2; families."""
    field = system.jets.field()
    found = Graded()
    for degree in (0, 1, 2):
        found.add(solutions(system, field, degree))
    plain = _sorted([g for v in found.basis for g in generator(system, field, v, PLAIN)])
    functions, variables = counted.functions or (None, None)
    return plain, families(system, field, functions if variables == 1 else None)


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


def _verify(v: Generator, equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> None:
    if any(d != 0 for d in defects(v, equations, fields)):
        raise ArithmeticError(f"{v} was found, but its prolongation does not leave the equations invariant")


def _notes(system: Determining, counted: Solutions, sources: bool, logs: dict, found: int) -> list[str]:
    notes, known = [], counted.dimension
    if system.linear:
        notes.append("and the superposition of solutions, which every linear equation has")
        if len(system.jets.fields) > 1 or system.jets.order < 2:  # else the equation allows no others (Bluman 1990)
            notes.append("among those with coordinates that move alone, and fields that move linearly")
    if counted.functions is not None:
        k, j = counted.functions
        notes.append(f"the whole algebra depends on {_plural(k, 'arbitrary function')} of {_plural(j, 'variable')}")
    if sources:
        notes.append("of the homogeneous equation: the sources are left out")
    if system.jets.parameters:
        notes.append(f"for generic {', '.join(map(str, system.jets.parameters))}: special values may have more")
    for s in logs:
        notes.append(f"for {s} > 0")
    if known is not None and found < known:
        notes.append(f"{known - found} more exist, but not as polynomials times exponentials")
    return notes


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
