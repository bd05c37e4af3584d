"""True errors of a solution's slopes, where the reference is a closed form."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from torch import Tensor

from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.reference import Exact

ORDERS = {"H1(t)": 1, "H2(t)": 2}


def slope_norms(
    solution: Solution, norms: Iterable[str], X: Tensor, rules: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, tuple[float, float]]:
    """The largest L2 norm in space of the derivative's error, and of the derivative itself, by the norm's name.

    ``X`` holds the points of the tensor grid ``rules`` (nodes and weights by coordinate). Of several space coordinates
    the first derivatives count together.
    """
    problem = solution.problem
    box, u = problem.domain, problem.fields[0]
    if not isinstance(problem.reference, Exact):
        return {}
    found, shape = {}, [len(s) for s, _ in rules.values()]
    for norm in norms:
        if norm not in ORDERS or (ORDERS[norm] > 1 and len(box.space) > 1):
            continue
        k, squares = ORDERS[norm], [0.0, 0.0]
        for x in box.space:
            slope = problem.reference.expression(u).diff(problem.variables[box.names.index(x)], k)
            exact = Exact({u: slope})(X)[:, 0].double().numpy()
            e = solution.derivative(f"{u.func}_{x * k}")
            own = solution.evaluate([e], X.to(solution.theta)).reshape(-1).cpu().double().numpy()
            for i, values in enumerate((own - exact, exact)):
                square = values.reshape(shape) ** 2
                for name in sorted(box.space, key=box.names.index, reverse=True):  # from the last axis on
                    square = np.tensordot(square, rules[name][1], (box.names.index(name), 0))
                squares[i] = squares[i] + square
        wrong, whole = (math.sqrt(float(np.max(s))) for s in squares)
        found[norm] = wrong, whole
    return found
