"""Hard constraints: u = g + d N meets initial and Dirichlet conditions whatever the network N is."""

from collections.abc import Mapping

import numpy as np
import sympy as sp
import torch
from sympy.core.function import AppliedUndef

from .condition import Dirichlet, Initial, Periodic, expression
from .domain import Box
from .expression import Program
from .problem import Problem

Ansatz = Mapping[AppliedUndef, tuple[sp.Expr, sp.Expr]]


def hard_constraints(problem: Problem, periodic: tuple[str, ...] = ()) -> tuple[Ansatz, frozenset[str]]:
    """g and d for every field, and the names of the terms that they satisfy exactly.

    ``periodic`` names the coordinates in which the network itself is periodic. g starts from the initial data and is
    corrected face by face with linear lifts of what the boundary data still lack; d vanishes on the same faces.

    Raises:
        ValueError: where the domain is not a box, or the data of two conditions disagree in a corner.
    """
    if not isinstance(problem.domain, Box):
        raise ValueError(
            f"{problem.name}: hard constraints are derived on a Box; on this domain use soft conditions (hard=False)"
        )
    ansatz, absorbed = {}, set()
    for u in problem.fields:
        initial = sorted(
            (c for c in problem.conditions if isinstance(c, Initial) and c.u == u), key=lambda c: c.order
        )
        walls = _walls(problem, u)
        if [c.order for c in initial] != list(range(len(initial))):
            continue
        g, d = _initial_part(problem, initial)
        for name, ends in walls.items():
            g, d = _lift(problem, u, name, ends, g, d, len(initial))
        ansatz[u] = (g, d)
        absorbed |= {c.name for c in initial}
        absorbed |= {c.name for c in problem.conditions if isinstance(c, Dirichlet) and c.u == u}
    for condition in problem.conditions:
        if isinstance(condition, Periodic) and condition.coordinate in periodic:
            absorbed |= {r.name for r in condition.residuals(problem.domain)}
    return ansatz, frozenset(absorbed)


def _walls(problem: Problem, u: AppliedUndef) -> dict[str, dict[str, sp.Expr]]:
    """The Dirichlet data of a field by coordinate and end: {"x": {"min": a, "max": b}}."""
    walls: dict[str, dict[str, sp.Expr]] = {}
    for condition in problem.conditions:
        if not isinstance(condition, Dirichlet) or condition.u != u:
            continue
        names = (condition.on,) if isinstance(condition.on, str) else condition.on
        for face in problem.domain.faces:
            name, end = face.rsplit("_", 1)
            if {"boundary", name, face} & set(names):
                walls.setdefault(name, {})[end] = expression(condition.value, u.args)
    return walls


def _initial_part(problem: Problem, initial: list[Initial]) -> tuple[sp.Expr, sp.Expr]:
    if not initial:
        return sp.S.Zero, sp.S.One
    domain = problem.domain
    i = domain.names.index(domain.time)
    t, (t0, t1) = problem.variables[i], domain.bounds[:, i]
    elapsed = t - sp.nsimplify(t0)
    g = sum(elapsed**c.order / sp.factorial(c.order) * expression(c.value, c.u.args).subs(t, t0) for c in initial)
    return g, (elapsed / sp.nsimplify(t1 - t0)) ** len(initial)


def _lift(
    problem: Problem, u: AppliedUndef, name: str, ends: dict[str, sp.Expr], g: sp.Expr, d: sp.Expr, order: int
) -> tuple[sp.Expr, sp.Expr]:
    """Correct g so that it takes the data on the faces of one coordinate, and make d vanish there."""
    i = problem.domain.names.index(name)
    x = problem.variables[i]
    lo, hi = (_number(problem, b) for b in problem.domain.bounds[:, i])
    gaps = {end: value - g.subs(x, at) for end, at in (("min", lo), ("max", hi)) if (value := ends.get(end)) is not None}
    for end, gap in gaps.items():
        _check_corner(problem, u, f"{name}_{end}", gap, order)
    gaps = {end: sp.S.Zero if _vanishes(problem, gap) else gap for end, gap in gaps.items()}
    if len(gaps) == 2:
        lift = gaps["min"] * (hi - x) / (hi - lo) + gaps["max"] * (x - lo) / (hi - lo)
        return g + lift, d * 4 * (x - lo) * (hi - x) / (hi - lo) ** 2
    (end, gap), = gaps.items()
    return g + gap, d * ((x - lo) if end == "min" else (hi - x)) / (hi - lo)


def _number(problem: Problem, value: float) -> sp.Expr:
    """A bound as an exact number, so that sin(pi x) vanishes where it should."""
    return sp.nsimplify(value, [sp.pi], tolerance=1e-14)


def _evaluate(problem: Problem, e: sp.Expr, fixed: dict[sp.Symbol, float]) -> np.ndarray:
    e = e.subs(problem.values() | {s: sp.Float(problem.parameters[s.name], 17) for s in e.free_symbols
                                   if s.name in problem.parameters})  # fmt: skip
    X = problem.domain.sample(64, method="random", seed=7)
    values = {s: X[:, i] for i, s in enumerate(problem.variables)}
    for symbol, at in fixed.items():
        values[symbol] = torch.full_like(X[:, 0], at)
    (out,) = Program([e], problem.variables)(values)
    return np.atleast_1d(np.asarray(out, dtype=float))


def _vanishes(problem: Problem, e: sp.Expr, fixed: dict[sp.Symbol, float] | None = None) -> bool:
    return e == 0 or bool(np.abs(_evaluate(problem, e, fixed or {})).max() < 1e-12)


def _check_corner(problem: Problem, u: AppliedUndef, face: str, gap: sp.Expr, order: int) -> None:
    """Initial and boundary data (and their time derivatives below ``order``) must agree where they meet."""
    if not order:
        return
    i = problem.domain.names.index(problem.domain.time)
    t, t0 = problem.variables[i], problem.domain.bounds[0, i]
    for k in range(order):
        found = np.abs(_evaluate(problem, sp.diff(gap, t, k) if k else gap, {t: t0})).max()
        if not found < 1e-5:
            raise ValueError(
                f"{problem.name}: the initial data of {u.func} and its data on {face} differ by {found:.1e} where they "
                "meet, so no smooth ansatz takes both; use soft conditions (hard=False)"
            )
