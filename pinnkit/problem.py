"""A problem: equations, domain, conditions, parameters and a reference, stated once in SymPy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy as sp
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

from .condition import Condition, Initial, Observations, PointSet, Residual
from .domain import Domain
from .reference import Reference


@dataclass(frozen=True, eq=False)
class Problem:
    """Fields u of coordinates x with equations(u) = 0 in a domain, and conditions.

    ``equations`` is one expression or a mapping from names to expressions, each understood as "= 0".
    ``parameters`` gives the value of every symbol in them; ``unknowns`` the starting value of coefficients that are
    trained with the network (an inverse problem). ``recipe`` holds settings that solve the problem well.
    """

    name: str
    fields: Sequence[AppliedUndef]
    equations: sp.Expr | Mapping[str, sp.Expr]
    domain: Domain
    conditions: Sequence[Condition] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    unknowns: Mapping[str, float] = field(default_factory=dict)
    reference: Reference | None = None
    recipe: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what the problem's function was called with

    def __post_init__(self) -> None:
        def fix(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        fix("fields", (self.fields,) if isinstance(self.fields, AppliedUndef) else tuple(self.fields))
        equations = self.equations if isinstance(self.equations, Mapping) else {"pde": self.equations}
        fix("equations", {k: sp.sympify(e) for k, e in equations.items()})  # expressions, never text
        fix("conditions", tuple(self.conditions))
        fix("parameters", {str(k): float(v) for k, v in self.parameters.items()})
        fix("unknowns", {str(k): float(v) for k, v in self.unknowns.items()})
        _check_names(self)
        _check_symbols(self)
        _check_count(self)

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The coordinates as symbols, in the domain's order."""
        return self.fields[0].args

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(str(u.func) for u in self.fields)

    @cached_property
    def residuals(self) -> tuple[Residual, ...]:
        """All residuals: equations (at the points "pde"), then conditions in order."""
        rows = [Residual(name, e, "pde") for name, e in self.equations.items()]
        for condition in self.conditions:
            rows += condition.residuals(self.domain)
        return tuple(rows)

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
        return tuple(dict.fromkeys(r.key for r in self.residuals))

    def values(self) -> dict[sp.Symbol, sp.Float]:
        """The parameters as a substitution."""
        symbols = set().union(*(r.expression.free_symbols for r in self.residuals))
        return {s: sp.Float(self.parameters[s.name], 17) for s in symbols if s.name in self.parameters}

    def sample(self, key: str, n: int, *, method: str = "sobol", seed: int = 0) -> PointSet:
        """n points for the point set ``key``; ValueError where the problem has no such set."""
        if key not in self.keys:
            raise ValueError(f"{self.name} has no point set {key!r}: its sets are {', '.join(self.keys)}")
        for condition in self.conditions:
            if isinstance(condition, Observations) and condition.name == key:
                return PointSet(condition.X, {condition.symbol.name: condition.values})
        if key == "pde":
            return PointSet(self.domain.sample(n, method=method, seed=seed))
        if key == "initial":
            return PointSet(self.domain.sample_initial(n, method=method, seed=seed))
        if key.startswith("periodic_"):
            low, high = self.domain.face_pair(key.removeprefix("periodic_"), n, method=method, seed=seed)
            return PointSet(low, image=high)
        on = tuple(key.split("+"))
        X, normals = self.domain.sample_boundary(n, on if len(on) > 1 else key, method=method, seed=seed)
        columns = {f"n_{name}": normals[:, i] for i, name in enumerate(self.domain.names) if name in self.domain.space}
        return PointSet(X, columns)

    def latex(self) -> str:
        """The equations as LaTeX, one line each."""
        return " \\\\\n".join(f"{sp.latex(e)} = 0" for e in self.equations.values())

    def _repr_latex_(self) -> str:
        return f"$$\\begin{{gathered}}{self.latex()}\\end{{gathered}}$$"

    def verify(self, n: int = 64, seed: int = 0) -> dict[str, float]:
        """The largest |residual| of the reference's closed form in every term: the proof that it is a solution."""
        from .reference import Exact
        from .verify import exact_residuals

        if not isinstance(self.reference, Exact):
            raise ValueError(f"{self.name}: only a closed-form reference can be substituted into the equation")
        return exact_residuals(self, n, seed)


def _check_names(problem: Problem) -> None:
    for u in problem.fields:
        names = tuple(s.name for s in u.args)
        if names != problem.domain.names:
            raise ValueError(
                f"{problem.name}: field {u} depends on ({', '.join(names)}), the domain has the coordinates "
                f"({', '.join(problem.domain.names)}): use the same ones in the same order"
            )
    names = [r.name for r in problem.residuals]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{problem.name}: two terms are called {twice[0]!r}: join the conditions or rename one")


def _check_symbols(problem: Problem) -> None:
    data = {c.symbol.name for c in problem.conditions if isinstance(c, Observations)}
    normals = {f"n_{name}" for name in problem.domain.space}
    known = {s.name for s in problem.variables} | set(problem.parameters) | set(problem.unknowns) | data
    for residual in problem.residuals:
        allowed = known | (normals if residual.key not in ("pde", "initial") else set())
        extra = sorted(s.name for s in residual.expression.free_symbols if s.name not in allowed)
        if extra:
            raise ValueError(
                f"{problem.name}, {residual.name!r}: {', '.join(extra)} is neither a coordinate nor a parameter: "
                "give it a value in parameters, or a starting value in unknowns"
            )
        strange = sorted(str(u) for u in residual.expression.atoms(AppliedUndef) if u not in problem.fields)
        if strange:
            raise ValueError(
                f"{problem.name}, {residual.name!r}: {strange[0]} is not one of the fields "
                f"{', '.join(map(str, problem.fields))}"
            )
    both = sorted(set(problem.parameters) & set(problem.unknowns))
    if both:
        raise ValueError(f"{problem.name}: {both[0]} is given both as a parameter and as an unknown")


def _time_order(problem: Problem, u: AppliedUndef) -> int:
    t = next(s for s in problem.variables if s.name == problem.domain.time)
    orders = [0]
    for e in problem.equations.values():
        for atom in e.doit().atoms(sp.Derivative):
            if atom.expr == u:
                orders.append(sum(int(n) for v, n in atom.variable_count if v == t))
    return max(orders)


def _check_count(problem: Problem) -> None:
    data = any(isinstance(c, Observations) for c in problem.conditions)
    if len(problem.equations) < len(problem.fields) and not data:
        raise ValueError(
            f"{problem.name} is ill-posed: {len(problem.equations)} equations for {len(problem.fields)} fields "
            f"({', '.join(problem.field_names)}): add equations or observations"
        )
    if problem.unknowns and not data and len(problem.equations) <= len(problem.fields):
        raise ValueError(f"{problem.name}: the unknowns {', '.join(problem.unknowns)} need observations to be found")
    if problem.domain.time is None or data:
        return
    for u in problem.fields:
        order = _time_order(problem, u)
        given = sorted(c.order for c in problem.conditions if isinstance(c, Initial) and c.u == u)
        if given != list(range(order)) and not (order == 0):
            raise ValueError(
                f"{problem.name} is ill-posed: the equation has order {order} in time for {u}, so it needs Initial "
                f"conditions of orders {list(range(order))}, got {given}"
            )


def as_tensor(values: Any, like: Tensor | None = None) -> Tensor:
    """Numbers as a tensor, float64 unless ``like`` says otherwise."""
    if isinstance(values, Tensor):
        return values if like is None else values.to(like)
    return torch.as_tensor(values, dtype=torch.float64 if like is None else like.dtype)
