"""Where the data on the boundary of a plane domain have a jump, a kink or a weaker singularity: arcs are cut there."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import sympy as sp
import torch

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.problem import Problem
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.singular.regularity import STRANGE, singularities
from pinnkit.statement.symbolic.torch_program import Opaque, Program
from pinnkit.tools.gauss_panels import Data, narrow

from . import boundary_arcs as arcs
from .boundary_arcs import Arc
from .boundary_points import condition_data, origin

CELLS = 2048  # of an arc between which a surface's sign is looked at
PANELS = 8  # of an arc with which the search in values starts
OVERLAP = 0.1  # of a closed curve that is looked at twice, so that its start lies inside as well
MOST = 24  # places: data with more are rough everywhere
SAME = 1e-6  # of the domain's size: places that are closer are one


def kinks(problem: Problem, programs: Mapping[str, ResidualProgram]) -> np.ndarray:
    """The places (K, 2) on the boundary where data are singular: from expressions, else by bisection in values.

    None for domains with time or not in the plane, and where there are more than a few.
    """
    domain = problem.domain
    if domain.time is not None or len(domain.names) != 2:
        return np.zeros((0, 2))
    size = float(np.ptp(domain.bounds, axis=0).max())
    kept: list[np.ndarray] = []
    for key, program in programs.items():
        place_of = problem.places[key]
        if place_of.where in ("data", "pair"):
            continue
        surfaces = _surfaces(problem, key)
        for arc in arcs.arcs(domain, place_of.on):
            exact = [s for g in surfaces for s in _crossings(arc, g, problem.variables)]
            for s in [*exact, *_seen(arc, arcs.data(domain, arc, partial(condition_data, program)), exact)]:
                place = arc.at(np.array([s % 1.0 if arc.closed else s]))[0][0]
                if all(np.linalg.norm(place - other) > SAME * size for other in kept):
                    kept.append(place)
    return np.array(kept).reshape(-1, 2) if len(kept) <= MOST else np.zeros((0, 2))


def at_first(problem: Problem, programs: Mapping[str, ResidualProgram]) -> list[float]:
    """Where initial data on an interval are singular: from expressions, else by bisection in values."""
    domain = problem.domain
    if domain.time is None or len(domain.names) != 2 or "initial" not in programs:
        return []
    (name,) = domain.space
    x, i = problem.variables[domain.names.index(name)], domain.names.index(name)
    (lower, start), (upper, _) = (row[[i, 1 - i]] for row in domain.bounds)

    def data(s: np.ndarray) -> np.ndarray:
        X = np.full((len(s), 2), start)
        X[:, i] = s
        return origin(programs["initial"], PointSet(torch.as_tensor(X))).numpy()

    found: list[float] = []
    for g in _surfaces(problem, "initial"):
        found += [float(v) for v in sp.solve(g.subs(problem.variables[1 - i], start), x) if v.is_real]
    for place, width in narrow(data, np.linspace(lower, upper, PANELS + 1)):
        if all(abs(place - known) > 4 * width for known in found):
            found.append(place)
    inside = [a for a in found if lower + SAME * (upper - lower) < a < upper - SAME * (upper - lower)]
    return inside if len(inside) <= MOST else []


def _surfaces(problem: Problem, key: str) -> list[sp.Expr]:
    """Expressions whose zeros cross the boundary where the data of a point set may be singular."""
    found: dict[sp.Expr, None] = {}
    for r in problem.residuals:
        data = r.expression.subs(dict.fromkeys(problem.fields, 0)).doit() if r.key == key else sp.S.Zero
        if not data.has(*STRANGE) or data.has(Opaque):
            continue
        data = data.xreplace({s: sp.Float(problem.parameters[s.name], 17)
                              for s in data.free_symbols if s.name in problem.parameters})  # fmt: skip
        try:
            surfaces = [s.surface for s in singularities(data, problem.variables)]
        except ValueError:  # too many, or without a meaning as a function of the plane: values tell
            continue
        found |= dict.fromkeys(g for g in surfaces if g is not None and g.free_symbols <= set(problem.variables))
    return list(found)


def _crossings(arc: Arc, surface: sp.Expr, variables: Sequence[sp.Symbol]) -> list[float]:
    """Where a surface's expression changes its sign along an arc."""
    program = Program([surface], variables)

    def sign(s: np.ndarray) -> np.ndarray:
        (out,) = program(dict(zip(variables, torch.as_tensor(arc.at(s)[0].T.copy()), strict=True)))
        return np.sign(np.broadcast_to(np.asarray(out, dtype=float), s.shape))

    offset = 0.5 / CELLS if arc.closed else 0.0
    s = np.linspace(offset, 1 + offset, CELLS + 1)
    turned = (lambda v: sign(v % 1.0)) if arc.closed else sign
    at, found = turned(s), []
    for k in np.flatnonzero((at[:-1] * at[1:] < 0) | (at[1:] == 0)):
        low, high = s[k], s[k + 1]
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if turned(np.array([middle]))[0] == at[k] else (low, middle)
        found.append(float(high))
    return found


def _seen(arc: Arc, data: Data, known: Sequence[float]) -> list[float]:
    """Where the data along an arc are no polynomial on the narrowest panel, but where that is known."""
    end = 1 + OVERLAP if arc.closed else 1.0
    edges = np.linspace(0, end, PANELS + 1)
    turned = (lambda s: data(s % 1.0)) if arc.closed else data
    found = narrow(turned, edges)
    return [s for s, width in found if all(abs((s - k + 0.5) % 1.0 - 0.5) > 4 * width for k in known)
            and (arc.closed or width < s < 1 - width)]  # fmt: skip
