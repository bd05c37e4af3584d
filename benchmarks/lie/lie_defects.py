"""Flows in double precision: the equation's residual on solutions that they move, and the group law."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy as sp
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

import pinnkit as pk
from pinnkit.exact.lie.flow import Flow, flow
from pinnkit.exact.lie.generator import Generator
from pinnkit.exact.lie.numerical_flow import NumericalFlow
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.torch_program import Program

from .lie_equations import system
from .lie_solutions import SOLUTIONS

BOX = (0.2, 0.9)  # of every coordinate
POINTS, PAIRS = 32, 24  # points, and pairs (a, b) of the group's parameter
REACH = 0.45  # of the largest parameter on the box, at most 1: so far go a and b, and twice as far a + b
NUMERICAL, TRIED = 0.1, 4  # the same for flows without a closed form, and so many pairs
SEEDS = 2  # of a linear equation

Values = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Defect:
    """The largest over points, parameters and solutions, and how many (a, b) were inside the domain.

    ``residual`` is max |sum of terms| / max sum |terms| of the equation and ``law`` max |T^a T^b u - T^(a+b) u| /
    max |u|, with both maxima over the points: where all terms vanish together only the rounding of their argument is
    left, so that at single points no arithmetic reaches a small ratio.
    """

    residual: float
    law: float
    inside: int

    def __or__(self, other: "Defect") -> "Defect":
        """The worse of the two."""
        residual, law = max(self.residual, other.residual), max(self.law, other.law)
        return Defect(residual, law, self.inside + other.inside)


def numbers(equations: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> dict[sp.Symbol, sp.Rational]:
    """Values 0.7, 0.8, ... of an equation's parameters."""
    free = set().union(*(e.free_symbols for e in equations)) - set(fields[0].args)
    return {s: sp.Rational(7 + k, 10) for k, s in enumerate(sorted(free, key=str))}


def solutions(name: str) -> list[pk.Orbit]:
    """Solutions of an equation in numbers: the known one, or seeds of different kinds, polynomials last."""
    equations, fields = system(name)
    values = numbers(equations, fields)
    if name in SOLUTIONS:
        known = tuple(sp.sympify(e).subs(values) for e in SOLUTIONS[name](*fields[0].args))
        return [pk.Orbit("known", tuple(fields), known)]
    kept: dict[str, pk.Orbit] = {}
    for seed in pk.seeds(equations, fields, degree=2):
        put = values | {s: sp.Rational(3 + k, 5) for k, s in enumerate(seed.parameters)}
        solution, domain = (tuple(e.subs(put) for e in part) for part in (seed.solution, seed.domain))
        if not any(d.is_number and d <= 0 for d in domain):
            kept.setdefault(seed.name, pk.Orbit(seed.name, tuple(fields), solution, domain=domain))
    return sorted(kept.values(), key=lambda o: (o.name == "constant", o.name.startswith("polynomial")))[:SEEDS]


def points(dimension: int) -> Tensor:
    """Random points of the box, (POINTS, d)."""
    low, high = BOX
    share = torch.rand(POINTS, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return low + (high - low) * share


def parameters(low: float, high: float) -> Tensor:
    """Random pairs (b, a) of the group's parameter, (PAIRS, 2)."""
    share = torch.rand(PAIRS, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return low + (high - low) * share


def closed(equations: Sequence[sp.Expr], f: Flow, start: pk.Orbit) -> Defect:
    """Of a flow in closed form, on one solution; parameters of the equation are numbers."""
    X, coordinates = points(len(start.coordinates)), start.coordinates
    low, high = f.interval(dict.fromkeys(coordinates, BOX), most=1.0)
    theta = parameters(REACH * low, REACH * high)
    once, twice = start.moved(f), start.moved(f).moved(f)
    theta = theta[twice.defined(X, theta) & once.defined(X, theta.sum(1, keepdim=True))]
    if not len(theta):
        return Defect(0.0, 0.0, 0)
    total, at = theta.sum(1, keepdim=True), {s: X[:, i] for i, s in enumerate(coordinates)}
    law = _gap(twice(X, theta), once(X, total))
    residual = max(_balance(once.rows(_terms(e))(at, total)) for e in equations)
    return Defect(residual, law, len(theta))


def numerical(equations: Sequence[sp.Expr], f: NumericalFlow, start: pk.Orbit) -> Defect:
    """Of a numerical flow, on one solution, with derivatives by forward differentiation through the integration."""
    fields, coordinates = start.fields, start.coordinates
    X, worst = points(len(coordinates)), Defect(0.0, 0.0, 0)

    def u(X: Tensor) -> Tensor:
        return start(X, X.new_zeros(1, 0))[0]

    lowered = lower([term for e in equations for term in _terms(e)], fields, coordinates)
    program = Program(lowered.expressions, [*coordinates, *lowered.slots])
    for b, a in parameters(-NUMERICAL, NUMERICAL)[:TRIED].tolist():
        moved = f(u, a + b)
        values = {s: X[:, i] for i, s in enumerate(coordinates)}
        for s, slot in lowered.slots.items():
            values[s] = _derivative(moved, slot.channel[0][1])(X)[:, slot.output]
        terms = torch.stack([torch.as_tensor(v).expand(len(X)) for v in program(values)], -1)
        sizes = [len(_terms(e)) for e in equations]
        residual = max(_balance(part[None]) for part in terms.split(sizes, -1))
        worst |= Defect(residual, _gap(f(f(u, b), a)(X)[None], moved(X)[None]), 1)
    return worst


def defects(name: str, generators: Sequence[Generator]) -> list[tuple[Generator, Flow | None, Defect]]:
    """Of every generator that has a group of functions, with its closed form or None."""
    equations, fields = system(name)
    values, start = numbers(equations, fields), solutions(name)
    equations, found = [e.subs(values) for e in equations], []
    for v in generators:
        if not v.projectable:
            continue
        f, worst = flow(v), Defect(0.0, 0.0, 0)
        for u in start:
            worst |= (
                numerical(equations, NumericalFlow(v.subs(values), steps=1), u)
                if f is None
                else closed(equations, f.subs(values), u)
            )
        found.append((v, f, worst))
    return found


def _terms(equation: sp.Expr) -> tuple[sp.Expr, ...]:
    return sp.Add.make_args(sp.expand(equation.doit()))


def _derivative(call: Values, J: Sequence[int]) -> Values:
    """The partial derivative of order J of a function of points."""
    for i, times in enumerate(J):
        for _ in range(times):
            call = _slope(call, i)
    return call


def _slope(call: Values, i: int) -> Values:
    def slope(X: Tensor) -> Tensor:
        along = torch.zeros_like(X)
        along[:, i] = 1
        return torch.func.jvp(call, (X,), (along,))[1]

    return slope


def _gap(left: Tensor, right: Tensor) -> float:
    """The largest difference of values (P, B, fields), relative to the largest of them."""
    return float(((left - right).abs().amax((1, 2)) / right.abs().amax((1, 2))).max())


def _balance(terms: Tensor) -> float:
    """The largest sum of terms (P, B, terms), relative to the largest sum of their sizes."""
    size = terms.abs().sum(-1).amax(1)
    return float(torch.where(size > 0, terms.sum(-1).abs().amax(1) / size, size).max())
