"""Whether a problem's data agree where faces meet: where they do not, its solution has no bounded slopes."""

from collections.abc import Iterable, Mapping

import sympy as sp
import torch

from pinnkit.domain.box import face_of
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Condition, Initial
from pinnkit.statement.symbolic.torch_program import Program

from .form import Form, on_face

POINTS = 24  # at which data are compared
ROUNDED = 1e-12  # of their size: what the same numbers, rounded differently, may differ by


def agreement(f: Form, walls: Iterable[tuple[Condition, str]], derivatives: int = 1) -> bool:
    """Whether initial values and conditions on faces are proved to agree where these meet, or only do so numerically.

    ``walls`` are pairs of a condition and its face; at periodic ends so many ``derivatives`` of the initial values,
    from 0 on, are compared.

    Raises:
        ValueError: data that contradict each other, with the place and by how much.
    """
    walls, proved = list(walls), True
    start = next(c for c in f.problem.conditions if isinstance(c, Initial) and c.order == 0)
    box, time = f.problem.domain, f.problem.variables[f.t]
    began = {time: sp.Rational(float(box.bounds[0, f.t]))}
    first = _stated(f, start.value)
    for condition, face in walls:
        proved &= _zero(f, _missed(f, condition, face, first), {**began, **_place(f, face)}, f"t = 0 on {face}")
    for k, (condition, face) in enumerate(walls):
        for other, beside in walls[:k]:
            at = {**_place(f, face), **_place(f, beside)}
            if face_of(box, face).axis != face_of(box, beside).axis and isinstance(other, Dirichlet):
                missed = _missed(f, condition, face, _stated(f, other.value))
                proved &= _zero(f, missed, at, f"{face} meets {beside}")
    for name in f.periodic:
        x = f.problem.variables[box.names.index(name)]
        low, high = (_place(f, f"{name}_{end}") for end in ("min", "max"))
        for k in range(derivatives):
            e = first.diff(x, k) if k else first
            proved &= _zero(f, e.subs(high) - e.subs(low), began, f"{name} comes round")
    return proved


def _stated(f: Form, e: sp.Expr) -> sp.Expr:
    """With its parameters, and all numbers exact."""
    same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in f.problem.parameters}
    e = e.xreplace(same).subs(f.problem.exact_parameters)
    return e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})


def _place(f: Form, face: str) -> dict[sp.Symbol, sp.Rational]:
    end = face_of(f.problem.domain, face)
    return {f.problem.variables[end.axis]: sp.Rational(float(end.value))}


def _missed(f: Form, condition: Condition, face: str, values: sp.Expr) -> sp.Expr:
    """By what a function misses a condition on a face."""
    (r,) = condition.residuals(f.problem.domain)
    return _stated(f, on_face(f.problem, r, face).expression.subs(f.problem.fields[0], values).doit())


def _zero(f: Form, e: sp.Expr, at: Mapping[sp.Symbol, sp.Expr], where: str) -> bool:
    """Whether an expression is proved to be 0 at a place; ValueError unless it is so numerically."""
    there = e.subs(at)
    if there == 0 or sp.expand(there) == 0:
        return True
    box = f.problem.domain
    X = box.sample(POINTS, method="random", seed=0).double()
    values = dict(zip(f.problem.variables, X.T, strict=True))
    values |= {s: torch.full((POINTS,), float(v), dtype=torch.float64) for s, v in at.items()}
    parts = sp.Add.make_args(sp.expand(e))
    sizes = [
        torch.as_tensor(v, dtype=torch.float64).expand(POINTS)
        for v in Program(list(parts), f.problem.variables)(values)
    ]
    none = torch.zeros(POINTS, dtype=torch.float64)
    missed, size = float(sum(sizes, none).abs().max()), float(sum((v.abs() for v in sizes), none).max())
    if not missed <= ROUNDED * size:  # or not a number: 0/0 is no value that could agree
        raise ValueError(f"its data contradict each other where {where}, by {missed:.1e}: slopes are not bounded there")
    return False
