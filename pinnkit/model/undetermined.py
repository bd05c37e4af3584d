"""What a statement leaves undetermined, as trained fields show: faces through which they flow in freely."""

from collections.abc import Sequence

import sympy as sp
from torch import Tensor

from pinnkit.statement.inflow import lacks, of_coordinates, sentence
from pinnkit.statement.orders import equations
from pinnkit.statement.symbolic.notation import differentiate

from .solution import Solution


def open_inflow(solution: Solution) -> tuple[str, ...]:
    """One sentence for every face through which the trained fields flow in without a condition for them."""
    problem = solution.problem
    rows, stated = equations(problem), of_coordinates(problem)
    back = {s: (slot.output, slot.channel[0][1]) for row in rows for s, slot in row.slots.items()}
    fields = {s: differentiate(problem.fields[k], index, problem.variables) for s, (k, index) in back.items()}

    def evaluate(expressions: Sequence[sp.Expr], X: Tensor) -> Tensor:
        if (known := stated(expressions, X)) is not None:
            return known
        return solution.evaluate([e.xreplace(fields) for e in expressions], X.to(solution.theta)).double().cpu()

    return tuple(map(sentence, lacks(problem, rows, evaluate)))
