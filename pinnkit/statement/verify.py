"""The proof that a closed form solves a problem: it is put into every equation and condition."""

from collections.abc import Mapping

import sympy as sp

from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.reference import Exact
from pinnkit.statement.symbolic.residual import Residual

from .residual_program import ResidualProgram


def exact_residuals(problem: Record, n: int = 64, seed: int = 0) -> dict[str, float]:
    """max |r| / max(sum of |terms of r|, |u|) over n points of its own set, for the residual r of every term.

    Normals, image points and observations are those that training sees; unknown coefficients take the values
    that the closed form's parameters give them.

    Raises:
        ValueError: a coefficient that has no value.
    """
    exact = problem.reference
    assert isinstance(exact, Exact)  # the problem has looked
    values = _numbers(problem, exact.parameters)
    ansatz = {u: (exact.expression(u), sp.S.Zero) for u in problem.fields}
    size = float(exact(problem.domain.sample(n, method="random", seed=seed)).abs().max())
    found = {}
    closed = {str(u.func): exact.expression(u) for u in exact.solution}
    derived = [Residual(n, e - closed[n], INTERIOR) for n, e in problem.derived.items() if n in closed]
    for residual in (*problem.residuals, *derived):
        terms = sp.Add.make_args(residual.expression.doit())
        rows = [Residual(str(k), e, residual.place, residual.image) for k, e in enumerate(terms)]
        program = ResidualProgram(rows, problem.fields, ansatz, values)  # with u = g + 0 N any N will do
        points = problem.sample(residual.key, n, method="random", seed=seed)
        N = points.X.new_zeros(len(program.channels), program.size(len(points)), len(problem.fields))
        parts = program.values(N, points, points.X.new_zeros(0))
        scale = max(float(parts.abs().sum(0).max()), size)
        found[residual.name] = float(parts.sum(0).abs().max()) / (scale or 1.0)
    return found


def _numbers(problem: Record, true: Mapping[str, float]) -> dict[sp.Symbol, sp.Float]:
    known = problem.parameters | {name: true[name] for name in problem.unknowns if name in true}
    lacking = [name for name in problem.unknowns if name not in known]
    if lacking:
        raise ValueError(
            f"{problem.name}: the closed form says nothing about the unknown {lacking[0]}: give its true "
            "value among the parameters of pinnkit.Exact"
        )
    symbols = set().union(*(r.expression.free_symbols for r in problem.residuals))
    symbols = symbols.union(*(e.free_symbols for e in problem.derived.values()))
    return {s: sp.Float(known[s.name], 17) for s in symbols if s.name in known}
