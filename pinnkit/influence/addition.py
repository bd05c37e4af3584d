"""Training points that are added, replaced or moved."""

from collections.abc import Iterable

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.fits import own_points
from pinnkit.model.quantity.base import Functional
from pinnkit.statement.symbolic.residual import Residual

from .quadratic_model import MANY, Asked, QuadraticModel, solve_each


def candidates_of(model: QuadraticModel, key: str, candidates: PointSet | Tensor) -> PointSet:
    """Points for a set of the loss; ValueError for an unknown set, or points that do not fit the problem."""
    if key not in model.stack.programs:
        raise ValueError(f"there is no point set {key!r} in the loss: it has {', '.join(model.stack.programs)}")
    points = candidates if isinstance(candidates, PointSet) else PointSet(candidates)
    return own_points(model.solution.problem, {key: points})[key].to(model.solution.theta)


def added(
    model: QuadraticModel, functional: Asked, key: str, candidates: PointSet | Tensor, convention: str, correct: bool
) -> Tensor:
    """The effects (K, n) of adding each candidate."""
    points = candidates_of(model, key, candidates)
    _, S = model.response(functional)
    N = len(model.stack.points[key])
    out = _added(model, key, points, S, correct)
    if convention == "mean":
        out = (N * out + model.first_order_totals(S)[key][:, None]) / (N + 1)
    return out


def _added(model: QuadraticModel, key: str, points: PointSet, S: Tensor, correct: bool) -> Tensor:
    rows, theta = model.solution.model.rows({key: points}), model.solution.theta
    names = rows.names(key)
    w = [model.stack.weights[name] / len(model.stack.points[key]) for name in names]
    a = rows.like.new_tensor(w)[:, None]
    if not correct and S.shape[1] < MANY:
        parts = []
        for s in S.T:
            r, Js = rows.values_and_jvp(theta, s.contiguous())
            parts.append(-(a * (r * Js).view(len(names), -1)).sum(0))
        return torch.stack(parts)
    out = S.new_empty(S.shape[1], len(points))
    for _, numbers, r, J in model.by_point(rows):
        JS = torch.einsum("rmp,pk->krm", J, S)
        if correct:
            r = solve_each(model.coupling(J, a.expand_as(r), present=False), a.expand_as(r), r, 1.0)
        out[:, numbers[0]] = -(a * r * JS).sum(1)
    return out


def ranked(
    model: QuadraticModel, functional: Functional, key: str, candidates: Iterable[PointSet | Tensor], top: int
) -> tuple[Tensor, PointSet]:
    """The candidates with the largest first-order effect, and these effects, from a stream of chunks."""
    _, S = model.response(functional)
    if S.shape[1] != 1:
        raise ValueError(f"candidates are ranked by one functional: got {S.shape[1]}, use a Function of them")
    effects, kept = S.new_empty(0), None
    for chunk in candidates:
        points = candidates_of(model, key, chunk)
        e = _added(model, key, points, S, False)[0]
        best = e.abs().topk(min(top, len(e))).indices
        effects, kept = torch.cat([effects, e[best]]), points[best] if kept is None else kept.join(points[best])
        best = effects.abs().topk(min(top, len(effects))).indices
        effects, kept = effects[best], kept[best]
    if kept is None:
        raise ValueError("no candidates were given")
    return effects, kept


def replaced(model: QuadraticModel, functional: Asked, key: str, rows: Tensor, candidates: PointSet | Tensor) -> Tensor:
    """The effects (K, n) of candidate i in the place of training point rows[i]."""
    new = candidates_of(model, key, candidates)
    if len(new) != len(rows):
        raise ValueError(f"every replaced point needs one candidate: got {len(rows)} and {len(new)}")
    _, S = model.response(functional)
    out = S.new_empty(S.shape[1], len(new))
    for i in range(len(new)):
        old = model.stack.points[key][rows[i : i + 1]]
        a0, r0, J0 = model.rows_at({key: (old, rows[i : i + 1])})
        _, r1, J1 = model.rows_at({key: (new[i : i + 1], None)})
        J, r, a = torch.cat([J0, J1]), torch.cat([r0, r1]), torch.cat([-a0, a0])
        B = J @ model.curvature.solve(J.T.contiguous()) * a
        out[:, i] = -(J @ S).T @ (a * torch.linalg.solve(torch.eye(len(B)).to(B) + B, r))
    return out


def moved(model: QuadraticModel, functional: Asked, key: str) -> Tensor:
    """The derivatives (K, N, d) of f by the coordinates of every training point."""
    names, points = model.stack.names(key), model.stack.points[key]
    if points.image is not None or points.columns:
        raise ValueError(f"the points {key!r} carry normals, data or images: they cannot be moved by themselves")
    problem, theta = model.solution.problem, model.solution.theta
    _, S = model.response(functional)
    rows = model.solution.model.rows({key: points})
    a = model.stack.rows_of(key, model.stack.row_weights)
    stated = {r.name: r.expression for r in problem.residuals if r.name in names}
    out = S.new_zeros(S.shape[1], len(points), points.X.shape[1])
    for i, x in enumerate(problem.variables):
        slope = model.solution.model.program([Residual(n, stated[n].diff(x), problem.places[key]) for n in names])
        moved = model.solution.model.rows({key: points}, {key: slope})
        for k, s in enumerate(S.T):
            r, Js = (v.view(len(names), -1) for v in rows.values_and_jvp(theta, s.contiguous()))
            dr, dJs = (v.view(len(names), -1) for v in moved.values_and_jvp(theta, s.contiguous()))
            out[k, :, i] = -(a * (dr * Js + r * dJs)).sum(0)
    return out
