"""A problem: equations, domain, conditions, parameters and a reference, stated once in SymPy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy as sp
import torch

from pinnkit.domain.box import Box, Domain
from pinnkit.domain.point_set import PointSet
from pinnkit.statement.singular.interface import InterfaceProblem, interface_problem
from pinnkit.statement.singular.plane_points import beside, off, on_plane
from pinnkit.statement.symbolic.complementarity import LADDER, Complementarity, softer
from pinnkit.statement.symbolic.complex_fields import (
    Pairs,
    conditions_of,
    is_complex,
    named,
    parts,
    real_and_imaginary,
    reference_of,
)
from pinnkit.statement.symbolic.conditions import Condition
from pinnkit.statement.symbolic.conservation import carried_out
from pinnkit.statement.symbolic.elsewhere import Elsewhere
from pinnkit.statement.symbolic.expression import as_expression, check_real
from pinnkit.statement.symbolic.fewer import Fewer
from pinnkit.statement.symbolic.integral import depends_on, with_integrals
from pinnkit.statement.symbolic.lowering import Ansatz
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.place import INITIAL, INTERIOR, Place, section
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.reference import Exact, Reference, as_reference
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.checked import Count, Whole, checked_but, fit
from pinnkit.tools.sympy_types import AppliedUndef, is_applied
from pinnkit.tools.type_words import nearest

from .checks import check, finite
from .parameter_faces import without_parameter_faces
from .well_posed import check_counts


@checked_but("fields", "equations", "domain", "conditions", "parameters", "unknowns", "reference", "ansatz")
@dataclass(frozen=True, eq=False)
class Problem(Record):
    """Fields u of coordinates x with equations(u) = 0 in a domain, and conditions.

    A coordinate by which no equation differentiates is a parameter: conditions on "boundary" of a box leave out its
    faces.

    Args:
        name: name of the problem.
        fields: the field or fields, from :func:`field`.
        equations: one expression, or expressions by name, each "= 0".
        domain: the domain, such as a :class:`Box`.
        conditions: initial, boundary and interface conditions, and :class:`Observations`.
        parameters: the value of every symbol in equations and conditions.
        unknowns: starting values of coefficients that are trained (an inverse problem).
        reference: the true solution, to compare with: an expression, expressions by field, :class:`Exact`,
            :class:`Table` or :class:`Computed`. Default None.
        derived: expressions in the fields by name that are reported too, as u = psi_y.
        ansatz: (g, d) of u = g + d N by field, where hard constraints cannot be derived from the conditions.
        weight: w(x) >= 0, a factor of the squared residuals of the equations; it may vanish where the solution is
            singular. Default None: 1.
        recipe: settings that solve it well. Default None: a general recipe.
        arguments: what the function that states the problem was called with.

    Raises:
        ValueError: a statement that is wrong or ill-posed; one sentence says where.
        TypeError: something of the wrong kind.

    Example:
        >>> import sympy as sp
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> u = pk.field("u", x, t)
        >>> walls = pk.Dirichlet(u, 0.0), pk.Initial(u, sp.sin(sp.pi * x))
        >>> heat = pk.Problem("heat", u, u.diff(t) - u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)), walls)
        >>> heat.keys
        ('pde', 'boundary', 'initial')
    """

    if TYPE_CHECKING:  # what it takes; the attributes are what it makes of that

        def __init__(
            self,
            name: str,
            fields: AppliedUndef | Sequence[AppliedUndef],
            equations: sp.Expr | Mapping[str, sp.Expr],
            domain: Domain,
            conditions: Sequence[Condition] = (),
            parameters: Mapping[str, float] = ...,
            unknowns: Mapping[str, float] = ...,
            reference: Reference | sp.Expr | Mapping[AppliedUndef, sp.Expr] | None = None,
            derived: Mapping[str, sp.Expr] = ...,
            ansatz: Ansatz = ...,
            weight: sp.Expr | None = None,
            recipe: Any = None,
            arguments: Mapping[str, Any] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        def fix(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        single = isinstance(self.fields, sp.Basic) or not isinstance(self.fields, Sequence)
        fix("fields", (self.fields,) if single else tuple(self.fields))
        pairs = {u: parts(u) for u in self.fields if is_complex(u)}
        if isinstance(self.equations, (list, tuple)):
            raise TypeError(
                f"{self.name}: equations are given as a {type(self.equations).__name__}: expected a SymPy expression, "
                "or several by name, as in {'mass': ..., 'momentum': ...}"
            )
        equations = self.equations if isinstance(self.equations, Mapping) else {"pde": self.equations}
        fix("equations", {k: as_expression(e, f"{self.name}, {k!r}") for k, e in equations.items()})
        stated = self.equations
        for name in ("parameters", "unknowns"):
            fit(Mapping[Any, Any], getattr(self, name), f"{self.name}: {name}")
        fit(Mapping[Any, tuple[Any, Any]], self.ansatz, f"{self.name}: ansatz")
        single = isinstance(self.conditions, Condition)
        given: Any = (self.conditions,)
        if not single:
            given = fit(tuple[Any, ...], self.conditions, f"{self.name}: conditions")
        fix("derived", {k: as_expression(e, f"{self.name}, {k!r}") for k, e in self.derived.items()})
        if pairs:
            given = self._split(pairs, given)
        known = isinstance(self.domain, Domain)  # if not, the checks below say so
        if known and any(is_applied(u) and len(u.args) < len(self.domain.names) for u in self.fields):
            given = self._lifted(given)
        fix("_stated", stated)
        plain = {k: carried_out(e) for k, e in self.equations.items()}
        fix("conditions", without_parameter_faces(self.name, self.fields, plain, self.domain, given))
        fix("parameters", finite(self.name, self.parameters))
        fix("unknowns", finite(self.name, self.unknowns))
        for k, e in {**self.equations, **self.derived}.items():
            check_real(e, f"{self.name}, {k!r}")
        ansatz = {u: tuple(as_expression(e, f"{self.name}, {u}") for e in p) for u, p in self.ansatz.items()}
        fix("ansatz", {u: tuple(e.xreplace(_same(p, self.variables)) for e in p) for u, p in ansatz.items()})
        if self.reference is not None:
            fix("reference", as_reference(self.reference, self.fields, self.parameters, self.name))
        check(self)
        check_counts(self)

    def _split(self, pairs: Pairs, conditions: Sequence[Condition]) -> list[Condition]:
        """Put the parts of complex fields in their place; the conditions on them."""
        whole = {k: named(k, carried_out(e), pairs) for k, e in self.equations.items()}
        derived = {k: real_and_imaginary(e, pairs) for k, e in self.derived.items()}
        for k, (_, im) in derived.items():
            if im != 0:
                raise ValueError(f"{self.name}, {k!r}: a derived quantity is real: give its real or imaginary part")
        for u in self.ansatz:
            if u in pairs:
                raise ValueError(f"{self.name}: the ansatz of {u} is given for its parts {pairs[u][0]}, {pairs[u][1]}")
        reference = self.reference
        if reference is not None:
            reference = reference_of(reference, self.fields, pairs, finite(self.name, self.parameters))
        found = {
            "equations": {n: e for both in whole.values() for n, e in both.items()},
            "derived": {k: re for k, (re, _) in derived.items()},
            "fields": tuple(part for u in self.fields for part in pairs.get(u, (u,))),
            "reference": reference,
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)
        return [part for c in conditions for part in (conditions_of(c, pairs) if isinstance(c, Condition) else [c])]

    def _lifted(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Put fields of all coordinates for those of fewer, k(x) beside u(x, t); the conditions on them."""
        fewer = Fewer(self.fields, self.domain)
        if fewer.at:
            found = {
                "equations": {k: fewer.expression(carried_out(e)) for k, e in self.equations.items()},
                "derived": {k: fewer.expression(e) for k, e in self.derived.items()},
                "fields": tuple(fewer.lifted.get(u, u) for u in self.fields),
                "reference": fewer.reference(self.reference, finite(self.name, self.parameters)),
            }
            for name, value in found.items():
                object.__setattr__(self, name, value)
        return [fewer.condition(c) if fewer.at and isinstance(c, Condition) else c for c in conditions]

    @cached_property
    def interface_problem(self) -> InterfaceProblem:
        """The equations off their delta functions and jumps, and what holds there."""
        return interface_problem(self)

    @property
    def interior(self) -> Mapping[str, sp.Expr]:
        """The equations off their delta functions and jumps."""
        return self.interface_problem.interior

    def everywhere(self, what: str) -> Mapping[str, sp.Expr]:
        """The equations, for a method that cannot treat integrals, point loads and jumping coefficients.

        Args:
            what: name of the method, for the message.

        Raises:
            ValueError: there are such.
        """
        if self.interface_problem.planes:
            raise ValueError(
                f"{self.name}: {what} not know of point loads and jumping coefficients, and there are some on "
                f"{', '.join(self.interface_problem.planes)}: state one problem for each side, or smooth them"
            )
        for row in self.residuals:
            if found := sorted(with_integrals(row.expression, self.fields, self.variables).atoms(Elsewhere), key=str):
                raise ValueError(
                    f"{self.name}, {row.name!r}: {what} not know of integrals and of fields at other places, and there "
                    f"is {found[0]}"
                )
        return self.interface_problem.interior

    @cached_property
    def residuals(self) -> tuple[Residual, ...]:
        """All residuals: equations (at the points "pde"), conditions in order, then what holds on interfaces."""
        rows = [Residual(name, e, INTERIOR) for name, e in self.interface_problem.interior.items()]
        for condition in self.conditions:
            rows += [self._placed(row) for row in condition.residuals(self.domain)]
        rows += self.interface_problem.rows
        return tuple(_unify(rows, self.variables))

    def _placed(self, row: Residual) -> Residual:
        """A condition where it holds: of what depends on some coordinates alone, as a mass on time, at those."""
        if row.place.where not in ("interior", "faces", "initial") or row.image:
            return row
        depends = [v.name for v in depends_on(row.expression, self.fields, self.variables)]
        if len(depends) == len(self.variables):
            return row
        if row.place == INITIAL:
            depends = [name for name in depends if name != self.domain.time]
        fixed = set(self.domain.names) - set(depends)
        if not fixed or (row.place.where == "faces" and set(depends) & set(self.domain.space)):
            return row
        if not isinstance(self.domain, Box) and 0 < len(set(depends) & set(self.domain.space)) < len(self.domain.space):
            return row
        return replace(row, place=section(row.name, tuple(n for n in self.domain.names if n in depends)))

    def _section(self, coordinates: Sequence[str], n: int, method: str, seed: int) -> PointSet:
        """Points of which only those coordinates differ; the time is the initial one, if it is not among them."""
        X = self.domain.sample(n if coordinates else 1, method=method, seed=seed)
        fixed = [i for i, name in enumerate(self.domain.names) if name not in coordinates]
        if self.domain.time in self.domain.names and self.domain.time not in coordinates:
            X[:, self.domain.names.index(self.domain.time)] = self.domain.bounds[0][
                self.domain.names.index(self.domain.time)
            ]
        X[:, fixed] = X[0, fixed]
        return PointSet(X)

    @cached_property
    def weights(self) -> dict[str, float]:
        """The weight w_k of every term as the conditions state it (1 for equations)."""
        weights = {name: 1.0 for name in self.equations}
        for condition in self.conditions:
            weights |= {r.name: condition.weight for r in condition.residuals(self.domain)}
        return weights

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of the point sets that the residuals need."""
        return tuple(self.places)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where the points of every set lie, by the set's name."""
        return {r.key: r.place for r in self.residuals}

    def values(self) -> dict[sp.Symbol, sp.Float]:
        """The parameters as a substitution."""
        symbols = set().union(*(r.expression.free_symbols for r in self.residuals))
        return {s: sp.Float(self.parameters[s.name], 17) for s in symbols if s.name in self.parameters}

    def sample(self, key: str, n: Count, *, method: str = "sobol", seed: Whole = 0) -> PointSet:
        """n points of one point set.

        Args:
            key: name of the set.
            n: number of points. Observations give all that there are, an interface that is a point gives one.
            method: "sobol" (default: evenly spread), "random", and others.
            seed: seed of the draw.

        Returns:
            The points.

        Raises:
            ValueError: a set that the problem does not have.
        """
        if key not in self.keys:
            raise ValueError(f"{self.name} has no point set {key!r}{nearest(key, self.keys, 'its sets are')}")
        place, domain = self.places[key], self.domain
        if place.where == "data":
            (condition,) = (c for c in self.conditions if isinstance(c, Observations) and c.name == key)
            return PointSet(condition.X, {condition.symbol.name: condition.values})
        if place == INTERIOR:
            X = off(
                list(self.interface_problem.planes.values()),
                self.domain.sample(n, method=method, seed=seed),
                self.domain,
            )
            return self.weighted(PointSet(X))
        if place.where == "interface":
            plane = self.interface_problem.planes[key]
            others = [p for p in self.interface_problem.planes.values() if p != plane]
            X = off(others, on_plane(plane, self.domain, n, method, seed), self.domain)
            up, down = beside(plane, X, self.domain)
            return PointSet(up, image=down)
        if place.where == "section":
            return self._section(place.names[1:], n, method, seed)
        if place == INITIAL:
            return PointSet(domain.sample_initial(n, method=method, seed=seed))
        if place.where == "pair":
            if not isinstance(domain, Box):
                raise ValueError(f"{self.name}: only a pinnkit.Box has opposite faces, as {key!r} needs them")
            low, high = domain.face_pair(place.names[0], n, method=method, seed=seed)
            return PointSet(low, image=high)
        X, normals = domain.sample_boundary(n, place.on, method=method, seed=seed)
        space = [i for i, name in enumerate(domain.names) if name != domain.time]
        return PointSet(X, {f"n_{domain.names[i]}": normals[:, i] for i in space})

    def weighted(self, points: PointSet) -> PointSet:
        """The points with the equations' weight, of mean 1; as they are where the equations have none.

        Args:
            points: points of the interior.
        """
        if self.weight is None:
            return points
        (w,) = Program([self.weight], self.variables)(dict(zip(self.variables, points.X.T, strict=True)))
        own = torch.as_tensor(w, dtype=points.X.dtype).expand(len(points))
        return points.weighted(own / own.mean())

    @property
    def complementary(self) -> bool:
        """Whether an equation is one of two inequalities, so that the solution kinks where they take turns."""
        return any(e.has(Complementarity) for e in self.equations.values())

    @cached_property
    def softened(self) -> tuple["Problem", ...]:
        """The same with ever smaller smoothing of its complementarities, from large to nearly its own; () without."""
        if not self.complementary:
            return ()
        names = list(self.equations)
        every = (softer(self.equations.values(), factor) for factor in LADDER)
        return tuple(replace(self, equations=dict(zip(names, e, strict=True))) for e in every)

    @property
    def stated(self) -> Mapping[str, sp.Expr]:
        """The equations as they were given, of complex fields before they were split."""
        return self.__dict__["_stated"]

    def latex(self) -> str:
        """The equations as LaTeX, one line each."""
        return self._latex

    @cached_property
    def _latex(self) -> str:
        return " \\\\\n".join(f"{sp.latex(e)} = 0" for e in self.equations.values())

    def _repr_latex_(self) -> str:
        whole = " \\\\\n".join(f"{sp.latex(e)} = 0" for e in self.stated.values())
        return f"$$\\begin{{gathered}}{whole}\\end{{gathered}}$$"

    def verify(self, n: Count = 64, seed: Whole = 0) -> dict[str, float]:
        """The largest |residual| of the closed-form reference relative to its terms, by term: rounding if it is right.

        Args:
            n: number of points of every term.
            seed: seed of the points.

        Returns:
            Numbers by term.

        Raises:
            ValueError: the reference is no closed form.
        """
        from .verify import exact_residuals

        if not isinstance(self.reference, Exact):
            raise ValueError(f"{self.name}: only a closed form (pinnkit.Exact) can be put into the equation")
        return exact_residuals(self, n, seed)


def _unify(rows: Sequence[Residual], variables: Sequence[sp.Symbol]) -> list[Residual]:
    """Symbols of one name are one number, whatever was assumed of them; only coordinates stay as they are."""
    same = _same([r.expression for r in rows], variables)
    return [replace(r, expression=r.expression.xreplace(same)) for r in rows]


def _same(expressions: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> dict[sp.Symbol, sp.Symbol]:
    names = {v.name for v in variables}
    symbols = set().union(*(e.free_symbols for e in expressions))
    return {s: sp.Symbol(s.name, real=True) for s in symbols if s.name not in names}
