"""The Lie point symmetries of a problem's equations, found from them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.expression import as_expression
from pinnkit.tools.checked import checked
from pinnkit.tools.renamed import renamed
from pinnkit.tools.sympy_types import AppliedUndef, is_applied

from .algebra import structure
from .determining import Determining
from .generator import Generator
from .inhomogeneous import shifted, with_source
from .involution import SolutionSpace
from .jet_space import JetSpace
from .log_coordinates import back, logarithmic
from .search import search, straight, verify_generator


@renamed(known="dimension", straight="linear_action")
@checked
@dataclass(frozen=True)
class Symmetries:
    """Generators of the Lie point symmetries of equations, each verified by its prolongation.

    For linear equations the superposition of solutions is left out, where it is infinite.

    Args:
        equations: the equations, each "= 0".
        fields: the fields.
        generators: the generators.
        families: generators with an arbitrary function.
        linear: whether the equations are linear.
        dimension: dimension of the algebra, counted without closed forms. None: infinite.
        linear_action: whether xi depends on x only and phi = alpha(x) u, for all symmetries.
        notes: assumptions, and what is missing.
    """

    equations: tuple[sp.Expr, ...]
    fields: tuple[AppliedUndef, ...]
    generators: tuple[Generator, ...]
    families: tuple[Generator, ...]
    linear: bool
    dimension: int | None
    linear_action: bool
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.generators)

    def __iter__(self) -> Iterator[Generator]:
        return iter(self.generators)

    def __getitem__(self, k: int) -> Generator:
        return self.generators[k]

    @property
    def infinite(self) -> bool:
        """Whether the algebra has infinite dimension."""
        return self.dimension is None

    @property
    def complete(self) -> bool:
        """Whether the generators span the algebra (superposition left out where it is infinite)."""
        return self.linear_action and self.dimension == len(self.generators)

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
            return f"{self.dimension} Lie point symmetries"
        rest = ", and for every function f" if self.families else ""
        return f"infinitely many Lie point symmetries, among them these {len(self)}{rest}"

    def table_text(self) -> str:
        """The commutators that are not 0, a line each."""
        return "\n".join(f"[v{i}, v{j}] = {text}" for (i, j), text in self._commutators("v{}", str))

    def table_latex(self) -> str:
        """The commutators that are not 0 as LaTeX, a line each."""
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

    def to_dict(self) -> dict[str, Any]:
        """All results as plain numbers, texts, lists and dicts."""
        return {
            "dimension": self.dimension, "complete": self.complete, "linear": self.linear,
            "generators": [str(v) for v in self.generators], "families": [str(v) for v in self.families],
            "latex": [v.latex() for v in self.generators], "notes": list(self.notes),
        }  # fmt: skip

    def latex(self) -> str:
        """The generators as LaTeX, a line each."""
        lines = [f"v_{{{k + 1}}} &= {v.latex()}" for k, v in enumerate(self.generators)]
        lines += [f"v_f &= {family.latex()}" for family in self.families]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"


@checked
def symmetries(
    problem: Problem | sp.Expr | Sequence[sp.Expr], fields: AppliedUndef | Sequence[AppliedUndef] = ()
) -> Symmetries:
    """The Lie point symmetries v = xi^i(x, u) d/dx_i + phi^a(x, u) d/du_a of equations Delta = 0.

    The determining equations pr v (Delta) = 0 on Delta = 0 are completed to involution, which counts their solutions.
    Closed forms are sought among polynomials times exponentials until that number is reached. Parameters stay symbols
    with generic values.

    Args:
        problem: a problem, or one or more expressions "= 0".
        fields: the fields, needed with expressions only.

    Returns:
        The generators, the dimension of the algebra and its commutators.

    Raises:
        TypeError: expressions without fields.
        ValueError: an equation that is not elementary, cannot be solved for a derivative, has none, or is 0 = 0.

    Source:
        Olver, Applications of Lie Groups to Differential Equations (1993), chapter 2; Reid, Eur. J. Appl. Math. 2
        (1991).

    Example:
        >>> import pinnkit as pk
        >>> found = pk.symmetries(pk.problem("heat"))
        >>> len(found.generators), found.complete
        (6, True)
    """
    if isinstance(problem, Problem):
        return find_symmetries(list(problem.everywhere("symmetries do").values()), problem.fields)
    fields = (fields,) if isinstance(fields, sp.Basic) else tuple(fields)
    equations = [problem] if isinstance(problem, sp.Basic) else list(problem)
    if not fields or not all(is_applied(u) for u in fields):
        raise TypeError(f"symmetries(equations, fields) is given the fields {fields}: expected pinnkit.field(...)")
    return find_symmetries([as_expression(e, "an equation") for e in equations], fields)


def find_symmetries(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> Symmetries:
    """As `symmetries`, for equations "= 0" in fields."""
    sources = len(fields[0].args) > 1 and JetSpace(equations, fields).degree == 0
    if sources:
        equations = [sp.expand(e - e.subs(dict.fromkeys(fields, 0)).doit()) for e in equations]
    moved, moved_fields, logs = logarithmic(equations, fields)
    found, families, system, counted = search(moved, moved_fields)
    known = counted.dimension
    found = [back(v, logs) for v in found] if logs else found
    families = [back(v, logs) for v in families] if logs else families
    if system.jets.degree == 0 and known is not None and len(found) < known:
        found = _with_source(equations, fields) or found
    for v in found if logs else ():
        verify_generator(v, equations, fields)
    whole = not system.linear or straight(system.jets)
    return Symmetries(
        tuple(equations), tuple(fields), tuple(found), tuple(families), system.jets.degree is not None, known, whole,
        tuple(_notes(system, counted, sources, logs, found, whole)),
    )  # fmt: skip


def _with_source(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> list[Generator]:
    """The generators of one linear ordinary equation with a source, from those without; none where that fails."""
    pair = with_source(equations, fields)
    if pair is None:
        return []
    homogeneous, p = pair
    found = [shifted(v, p) for v in find_symmetries([homogeneous], fields)]
    for v in found:
        verify_generator(v, equations, fields)
    return found


def _notes(
    system: Determining, counted: SolutionSpace, sources: bool, logs: Iterable[sp.Symbol], found: Sequence[Generator],
    whole: bool,
) -> list[str]:  # fmt: skip
    notes, known = [], counted.dimension
    if system.linear:
        notes.append("and the superposition of solutions, which every linear equation has")
        if not whole:
            notes.append("among those with coordinates that move alone, and fields that move linearly")
    if counted.functions is not None:
        k, j = counted.functions
        notes.append(f"the whole algebra depends on {_plural(k, 'arbitrary function')} of {_plural(j, 'variable')}")
    if sources:
        notes.append("of the homogeneous equation: the sources are left out")
    if system.jets.parameters:
        named = [system.jets.constants.get(p, p) for p in system.jets.parameters]
        free, numbers = ([str(e) for e in named if e.is_number is number] for number in (False, True))
        notes += [f"for generic {', '.join(free)}: special values may have more"] * bool(free)
        notes += [f"as for a generic number in place of {', '.join(numbers)}"] * bool(numbers)
    differential_ring, symbols = (
        system.jets.differential_ring,
        dict(zip(system.jets.ring.gens, system.jets.ring.symbols, strict=True)),
    )
    roots = {symbols[z] for z in system.base if differential_ring.root(z)[0] % 2 == 0}
    for v in found:
        powers = set().union(*(e.atoms(sp.Pow) for e in v.components))
        roots |= {a.base for a in powers if a.base in v.base and a.exp.is_Rational and a.exp.q % 2 == 0}
    for s in sorted({*logs, *roots}, key=str):
        notes.append(f"for {s} > 0")
    if system.jets.degree == 1 and not system.linear and known is not None and len(found) < known:
        names = [str(u.func) for u in system.jets.fields]
        own = [f"s_{name} ∂_{name}" for name in names] if len(names) > 1 else [f"s ∂_{names[0]}"]
        notes.append(f"among them {' + '.join(own)} for every solution s")
    if known is not None and len(found) < known:
        notes.append(f"{known - len(found)} more exist, but not as polynomials times exponentials")
    return notes


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
