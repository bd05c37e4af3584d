"""True errors of a solution's slopes, where the reference is a closed form."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from torch import Tensor

from pinnkit.reference import Exact
from pinnkit.solution import Solution

ORDERS = {"H1(t)": 1, "H2(t)": 2}


def slope_norms(
    solution: Solution, norms: Iterable[str], X: Tensor, rules: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, tuple[float, float]]:
    """The largest L2 norm in space of the derivative's error, and of the derivative itself, by the norm's name.

    ``X`` holds the points of the tensor grid ``rules`` (nodes and weights by coordinate), one of them in space.
    """
    problem = solution.problem
    box, u = problem.domain, problem.fields[0]
    if len(box.space) != 1 or not isinstance(problem.reference, Exact):
        return {}
    (x,), found = box.space, {}
    for norm in norms:
        if norm in ORDERS:
            k = ORDERS[norm]
            slope = problem.reference.expression(u).diff(problem.variables[box.names.index(x)], k)
            exact = Exact({u: slope})(X)[:, 0].double().numpy()
            own = solution.jet(X.to(solution.theta), f"{u.func}_{x * k}").reshape(-1).cpu().double().numpy()
            sizes = []
            for values in (own - exact, exact):
                square = np.moveaxis(values.reshape([len(s) for s, _ in rules.values()]) ** 2, box.names.index(x), 0)
                sizes.append(math.sqrt(float(np.tensordot(rules[x][1], square, (0, 0)).max())))
            found[norm] = sizes[0], sizes[1]
    return found
