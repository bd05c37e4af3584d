"""By how much a model misses the data that it is said to meet by construction: measured like any other condition."""

import math

import torch
from torch import Tensor

from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Initial

from .model import Model

POINTS = 2000  # of every condition


def missed_data(model: Model, theta: Tensor, seed: int = 3) -> Tensor:
    """By field (F,), the largest rms by which values that hold by construction are missed on random points.

    Where data clash, an ansatz u = g + d N meets them only in part, and no residual sees it. An initial derivative of
    order k counts T^k / k! times, T the duration.
    """
    problem, time = model.problem, model.problem.domain.time
    out = dict.fromkeys(problem.field_names, 0.0)
    rows = {r.name: r for r in problem.residuals if r.name in model.exact_terms}
    for condition in problem.conditions:
        if not isinstance(condition, Dirichlet | Initial) or condition.name not in rows:
            continue
        row = rows[condition.name]
        points = problem.sample(row.key, POINTS, method="random", seed=seed).to(theta)
        r = model.rows({row.key: points}, {row.key: model.program([row])}).values(theta)
        times, order = 1.0, condition.order if isinstance(condition, Initial) else 0
        if order:
            low, high = problem.domain.bounds[:, problem.domain.names.index(time)].tolist()
            times = (high - low) ** order / math.factorial(order)
        name = str(condition.u.func)
        out[name] = max(out[name], times * float(r.square().mean().sqrt()))
    return torch.tensor(list(out.values()), dtype=theta.dtype, device=theta.device)
