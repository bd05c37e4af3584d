"""An ansatz u = g + d N that a problem states itself: which of its conditions it meets."""

from typing import TYPE_CHECKING

import sympy as sp
import torch

from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.lowering import Ansatz
from pinnkit.statement.symbolic.residual import Residual

if TYPE_CHECKING:
    from pinnkit.statement.problem import Problem

PROBES = 64  # points of its own set at which a condition is tried
TOLERANCE = 1e-10  # what rounding may leave of a condition that is met


def met(problem: "Problem", ansatz: Ansatz) -> set[str]:
    """The names of the conditions whose residual vanishes whatever the network is.

    The network's value and derivatives, and unknown coefficients, are random numbers at random points: what is left is
    no coincidence.
    """
    return {r.name for r in problem.residuals if r.key != "pde" and _holds(problem, ansatz, r)}


def _holds(problem: "Problem", ansatz: Ansatz, residual: Residual) -> bool:
    expressions = (residual.expression, *(e for pair in ansatz.values() for e in pair))
    symbols = set().union(*(e.free_symbols for e in expressions))
    values = {s: sp.Float(problem.parameters[s.name], 17) for s in symbols if s.name in problem.parameters}
    unknowns = [s for s in symbols if s.name in problem.unknowns]
    program = ResidualProgram([residual], problem.fields, ansatz, values, unknowns)
    points = problem.sample(residual.key, PROBES, method="random", seed=7)
    shape = (len(program.channels), program.size(len(points)), len(problem.fields))
    generator = torch.Generator().manual_seed(7)
    N, c = (torch.randn(size, generator=generator, dtype=torch.float64) for size in (shape, (len(unknowns),)))
    left = program.values(N, points, c).abs()
    return bool((left <= TOLERANCE).all())
