"""Orbits: families of exact solutions, a seed moved by flows, evaluated with their derivatives for many parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.checked import SOME, Finite, Matrix, Places, Whole, checked
from pinnkit.tools.sympy_types import AppliedUndef

from .flow import Flow, flow
from .generator import Generator
from .seed import Degree, Seed, seeds
from .symmetries import Symmetries, symmetries

TOLERANCE = 1e-12  # of the equation's residual, relative to the sum of its terms' sizes
SCALES = (1.0, 0.2, 0.04, 0.008)  # of random parameters
PROBES = (8, 24)  # parameters and points at which orbits are checked

Rows = Callable[[Mapping[sp.Symbol, Tensor], Tensor], Tensor]


@checked
@dataclass(frozen=True, eq=False)
class Orbit:
    """Solutions u(x; theta) in closed form, with the parameters theta of a seed and of the flows that move it.

    Args:
        name: name of the family.
        fields: the fields u.
        solution: one expression for every field.
        parameters: the symbols theta.
        domain: expressions that are positive where the solutions exist.
        flows: the flows, in the order in which they act. Their parameters are the last ones.
    """

    name: str
    fields: tuple[AppliedUndef, ...]
    solution: tuple[sp.Expr, ...]
    parameters: tuple[sp.Symbol, ...] = ()
    domain: tuple[sp.Expr, ...] = ()
    flows: tuple[Flow, ...] = ()  # in the order in which they act; theirs are the last parameters

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        """The coordinates x."""
        return self.fields[0].args

    def moved(self, by: Flow) -> Orbit:
        """The solutions moved by a flow, whose parameter becomes the last one.

        Args:
            by: the flow.
        """
        symbol = sp.Symbol(f"theta{len(self.parameters) + 1}", real=True)
        own = by.renamed(symbol)
        source = dict(zip(by.generator.coordinates, own.source, strict=True))
        domain = tuple(d.subs(source, simultaneous=True) for d in self.domain)
        return replace(
            self, solution=own(self.solution), parameters=(*self.parameters, symbol), flows=(*self.flows, by),
            domain=tuple(dict.fromkeys((*own.domain, *domain))), name=f"{self.name}, moved by {by.generator}",
        )  # fmt: skip

    def ranges(self, bounds: Annotated[Mapping[sp.Symbol, tuple[Finite, Finite]], SOME]) -> list[tuple[float, float]]:
        """Ranges of the parameters that are useful on a box, for sampling; test the result with :meth:`defined`.

        Wave numbers go up to 20 half-waves, widths down to a fiftieth of the box, translations up to its size, others
        as far as they are defined.

        Args:
            bounds: lower and upper bound of every coordinate.

        Returns:
            Lower and upper value of every parameter.
        """
        size = max(high - low for low, high in bounds.values())
        named = {"width": (size / 50, size), "angle": (-math.pi, math.pi)}
        own = [named.get(s.name, (0.0, 20 * math.pi / size)) for s in self.parameters]
        first = len(own) - len(self.flows)
        for k, f in enumerate(self.flows):
            own[first + k] = _range(f, bounds)
        return own

    def put(self, e: sp.Expr) -> sp.Expr:
        """An expression in fields and their derivatives, with the solutions inserted.

        Args:
            e: the expression.
        """
        lowered = lower([e], self.fields, self.coordinates)
        values = {
            s: differentiate(self.solution[slot.output], slot.channel[0][1], self.coordinates)
            for s, slot in lowered.slots.items()
        }
        return lowered.expressions[0].subs(values, simultaneous=True)

    def rows(self, expressions: Sequence[sp.Expr], *, jacobian: bool = False) -> Rows:
        """Compile expressions in the fields to a function of points and parameters.

        Args:
            expressions: R expressions in fields, coordinates and other symbols.
            jacobian: True: derivatives by theta follow each value. Default False.

        Returns:
            A function (values of the symbols (B,), theta (P, k)) -> (P, B, R), or (P, B, R, 1 + k) with ``jacobian``.

        Raises:
            ValueError: a symbol without a value, or a function that torch does not have.
        """
        on = [self.put(e) for e in expressions]
        if jacobian:
            on = [d for e in on for d in (e, *(sp.diff(e, s) for s in self.parameters))]
        used = set().union(*(e.free_symbols for e in on)) - set(self.parameters)
        others = sorted(used, key=str)
        program = Program(on, [*others, *self.parameters])

        def call(values: Mapping[sp.Symbol, Tensor], theta: Tensor) -> Tensor:
            missing = [s for s in others if s not in values]
            if missing:
                raise ValueError(f"{self.name}: {missing[0]} has no value; give one for every point")
            points = len(next(iter(values.values())))
            inputs = {s: values[s][None, :] for s in others}
            inputs |= {s: theta[:, j, None] for j, s in enumerate(self.parameters)}
            inputs = inputs or {sp.Symbol("_"): theta.new_zeros(1, 1)}
            columns = [torch.as_tensor(v, dtype=theta.dtype, device=theta.device) for v in program(inputs)]
            out = torch.stack([v.expand(len(theta), points) for v in columns], -1)
            return out.unflatten(-1, (len(expressions), -1)) if jacobian else out

        return call

    def __call__(self, X: Places, theta: Matrix) -> Tensor:
        """Values at points X (B, d) for parameters theta (P, k): (P, B, fields)."""
        return self.rows(self.fields)(self._at(X), theta)

    def defined(self, X: Places, theta: Matrix) -> Tensor:
        """Whether the solutions exist at all points, for each row of parameters.

        Args:
            X: points (B, d).
            theta: parameters (P, k).

        Returns:
            A bool tensor (P,).
        """
        inside = torch.ones(len(theta), dtype=torch.bool, device=theta.device)
        if self.domain:
            inside &= (self.rows(self.domain)(self._at(X), theta) > 0).all(-1).all(-1)
        return inside

    def residual(self, equations: Sequence[sp.Expr], X: Places, theta: Matrix) -> Tensor:
        """max_x |sum of an equation's terms| / sum |terms| over points and equations, for each row of parameters.

        Args:
            equations: expressions that vanish on solutions.
            X: points (B, d).
            theta: parameters (P, k).

        Returns:
            A tensor (P,).
        """
        worst = torch.zeros(len(theta), dtype=X.dtype, device=X.device)
        for e in equations:
            terms = self.rows(sp.Add.make_args(sp.expand(e.doit())))(self._at(X), theta)
            size = terms.abs().sum(-1)
            ratio = torch.where(size > 0, terms.sum(-1).abs() / size, size)
            worst = torch.maximum(worst, ratio.amax(-1))
        return worst

    def _at(self, X: Tensor) -> dict[sp.Symbol, Tensor]:
        return {s: X[:, i] for i, s in enumerate(self.coordinates)}

    def latex(self) -> str:
        """The solutions as LaTeX."""
        pairs = zip(self.fields, self.solution, strict=True)
        return r" \\ ".join(f"{sp.latex(u.func)} = {sp.latex(e)}" for u, e in pairs)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


@checked
def orbits(problem: Problem, found: Symmetries | None = None, *, degree: Degree = 4, seed: Whole = 0) -> list[Orbit]:
    """Families of exact solutions of a linear homogeneous problem: seeds, moved by one flow and by translations.

    Where a coordinate has no translations, the simplest flow that moves it alone takes their place. A flow that only
    changes parameters or amplitude of a seed is left out. Every family is checked at random points.

    Args:
        problem: the problem; its equations count, not its conditions.
        found: its symmetries, if known. Default None: they are computed.
        degree: largest degree of polynomial seeds.
        seed: seed of the random points.

    Returns:
        The families.

    Raises:
        ValueError: equations that are not linear and homogeneous.
        ArithmeticError: a family that does not solve them, which would be a bug.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> u = pk.field("u", x, t)
        >>> box, ends = pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, x), pk.Dirichlet(u, -t, on="x_min")]
        >>> moves = pk.Problem("moves", u, u.diff(t) + u.diff(x), box, ends)
        >>> pk.orbits(moves)[0].name
        'constant'
    """
    by_name = {name: sp.Rational(repr(v)) for name, v in problem.parameters.items()}
    equations = [_numeric(e, by_name, problem) for e in problem.everywhere("orbits do").values()]
    start = [_orbit(s, problem) for s in seeds(equations, problem.fields, degree)]
    found = symmetries(problem) if found is None else found
    linear = [v for v in found if v.matrix is not None and any(v.xi)]
    closed = [g for g in map(flow, linear) if g is not None]
    groups = [g.subs(_parameters(g.generator, by_name)) for g in closed]
    shifts = _shifts(groups, problem.domain.space)
    # arbitrary functions of the characteristic variables, among the seeds, make all other flows redundant
    others = [] if found.infinite else [g for g in groups if not _translation(g.generator)]
    X = problem.domain.sample(PROBES[1], seed=seed)
    kept = []
    for orbit in filter(_exists, start):
        for first in (None, *others):
            high = orbit.name.startswith("polynomial")  # moved polynomials are polynomials, or sums of other orbits
            if first is not None and (high or not _moves(first.generator, orbit, X, seed)):
                continue
            whole = orbit if first is None else orbit.moved(first)
            for shift in () if high else shifts:
                if shift is not first and _moves(shift.generator, whole, X, seed):
                    whole = whole.moved(shift)
            if verified(whole, equations, X, seed):
                kept.append(whole)
    return kept


def verified(orbit: Orbit, equations: Sequence[sp.Expr], X: Tensor, seed: int = 0) -> bool:
    """Whether the orbit satisfies the equations for random parameters; False if it exists for none of them.

    Parameters are drawn smaller and smaller, as large ones make rounding errors large.

    Raises:
        ArithmeticError: a residual above `TOLERANCE` for all of them.
    """
    worst = None
    for scale in SCALES:
        theta = _draw(orbit, X, seed, scale)
        if len(theta):
            worst = float(orbit.residual(equations, X, theta).max())
            if worst <= TOLERANCE:
                return True
    if worst is None:
        return False
    raise ArithmeticError(f"{orbit.name} leaves the residual {worst:.1e} in the equation")


def _draw(orbit: Orbit, X: Tensor, seed: int, scale: float) -> Tensor:
    """Random parameters for which the orbit exists and is finite at the points: (P, k)."""
    dice = torch.Generator().manual_seed(seed)
    theta = scale * (0.1 + 0.9 * torch.rand(4 * PROBES[0], len(orbit.parameters), generator=dice, dtype=X.dtype))
    good = orbit.defined(X, theta) & torch.isfinite(orbit(X, theta)).all(-1).all(-1)
    return theta[good][: PROBES[0]]


def _moves(v: Generator, orbit: Orbit, X: Tensor, seed: int) -> bool:
    """Whether v makes new solutions: its characteristic on u is not spanned by u and du/dtheta."""
    theta = next((found for scale in SCALES if len(found := _draw(orbit, X, seed, scale))), None)
    if theta is None:
        return False
    theta = theta[:1]
    parts = [orbit.solution, *([sp.diff(e, s) for e in orbit.solution] for s in orbit.parameters), v.on(orbit.solution)]
    flat = [e for part in parts for e in part]
    values = orbit.rows(flat)(orbit._at(X), theta)[0]
    columns = values.unflatten(-1, (len(parts), len(orbit.fields))).transpose(1, 2).flatten(0, 1)
    if not torch.isfinite(columns).all():
        return False
    old, new = columns[:, :-1], columns[:, -1:]
    old = old / old.norm(dim=0).clamp_min(1e-300)
    rest = new - old @ torch.linalg.lstsq(old, new, driver="gelsd").solution
    return bool(rest.norm() > 1e-8 * new.norm())


def _orbit(s: Seed, problem: Problem) -> Orbit:
    return Orbit(s.name, tuple(problem.fields), s.solution, s.parameters, s.domain)


def _exists(orbit: Orbit) -> bool:
    """Whether no condition is false whatever the parameters."""
    return not any(d.is_number and d <= 0 for d in orbit.domain)


def _range(f: Flow, bounds: Mapping[sp.Symbol, tuple[float, float]]) -> tuple[float, float]:
    if _translation(f.generator):
        sizes = [abs(float(e)) for e in f.generator.xi]
        spans = [high - low for low, high in (bounds[x] for x in f.generator.coordinates)]
        reach = max(span / size for span, size in zip(spans, sizes, strict=True) if size)
        return -reach, reach
    return f.interval(bounds, most=1e4) if f.domain else (-10.0, 10.0)


def _shifts(groups: Sequence[Flow], space: Sequence[str]) -> list[Flow]:
    """Translations; along a coordinate that has none, the simplest flow that moves only this coordinate."""
    found = [g for g in groups if _translation(g.generator)]
    for i, x in enumerate(groups[0].generator.coordinates if groups else ()):
        own = [g for g in groups if g.generator.xi[i] != 0 and not any(g.generator.xi[:i] + g.generator.xi[i + 1 :])]
        if x.name in space and not any(_translation(g.generator) for g in own):
            found += sorted(own, key=lambda g: (any(g.generator.phi), sp.count_ops(g.generator.xi)))[:1]
    return found


def _translation(v: Generator) -> bool:
    return all(e.is_number for e in v.xi) and any(v.xi) and not any(v.phi)


def _numeric(e: sp.Expr, values: Mapping[str, sp.Expr], problem: Problem) -> sp.Expr:
    return e.subs({s: values[s.name] for s in e.free_symbols - set(problem.variables) if s.name in values})


def _parameters(v: Generator, values: Mapping[str, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    free = set().union(*(e.free_symbols for e in v.components)) - set(v.base)
    return {s: values[s.name] for s in free if s.name in values}
