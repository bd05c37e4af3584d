"""Removing training points: one at a time, or groups of them together."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pinnkit.model.quantity.base import Functional, curve_of, several
from pinnkit.model.quantity.field import places
from pinnkit.model.stack import Stack
from pinnkit.tools.memory import afford

from .attribution import Attribution
from .chosen import group_of
from .quadratic_model import MANY, Asked, QuadraticModel, solve_each
from .second_order import SecondOrder

Joint = dict[str, Tensor]  # effects (K, N) of points that leave with all their rows, by point set


def removed_alone(model: QuadraticModel, functional: Asked, convention: str, correct: bool) -> Attribution:
    """The effects of removing each training point by itself."""
    one = several(functional)
    values, S = model.response(one)
    stack, K = model.stack, S.shape[1]
    what = f"the effects of {stack.rows} rows on {K} numbers"
    afford(4 * S.element_size() * K * stack.rows, what, "ask about fewer at once", S.device)
    own, joint = _with_leverage(model, one, S, convention) if correct else _to_first_order(model, S, convention)
    notes = (*model.curvature.notes, str(model.stationarity), *(_forced(model) if correct else ()))
    return Attribution(
        one.names, values, stack.by_columns(own), joint, model.solution.points, stack.keys, convention,
        model.described, notes, model.solution.problem.domain.names, places(one, model.solution.problem),
    )  # fmt: skip


def _to_first_order(model: QuadraticModel, S: Tensor, convention: str) -> tuple[Tensor, Joint]:
    """Effects a r J S of rows (K, M), and of points; where few are asked about, rows of J are not needed."""
    stack, theta, first = model.stack, model.solution.theta, S.new_zeros(S.shape[1], model.stack.rows)
    if S.shape[1] < MANY:
        for k, s in enumerate(S.T):
            r, Js = stack.values_and_jvp(theta, s.contiguous())
            first[k] = stack.row_weights * r * Js
    else:
        for _, numbers, r, J in model.by_point(stack):
            JS = torch.einsum("rmp,pk->rmk", J, S).movedim(-1, 0)
            first[:, numbers] = stack.row_weights[numbers] * r * JS
    joint = {key: e.sum(1) for key, e in stack.by_key(first).items()}
    return _shared(stack, first, first, joint) if convention == "mean" else (first, joint)


def _with_leverage(model: QuadraticModel, one: Functional, S: Tensor, convention: str) -> tuple[Tensor, Joint]:
    """Effects as above over 1 - h, of points with the coupling of their rows; the second order where there is one."""
    stack, curve = model.stack, curve_of(one, model.solution)
    first, own = S.new_zeros(S.shape[1], stack.rows), S.new_zeros(S.shape[1], stack.rows)
    totals = model.totals if curve is not None and convention == "mean" else None
    second = None if curve is None else SecondOrder(curve, model.curvature.factor, stack, totals)
    parts: dict[str, list[Tensor]] = {key: [] for key in stack.programs}
    more: dict[str, list[tuple[Tensor, Tensor]]] = {key: [] for key in stack.programs}
    for key, numbers, r, J in model.by_point(stack):
        a, JS = stack.row_weights[numbers], torch.einsum("rmp,pk->rmk", J, S).movedim(-1, 0)
        B = model.coupling(J, a)
        kept, together = 1 - B.diagonal(dim1=1, dim2=2).T, solve_each(B, a, r, -1.0)
        first[:, numbers] = a * r * JS
        own[:, numbers] = first[:, numbers] / kept
        parts[key].append((a * together * JS).sum(1))
        if second is not None:
            more[key].append(second.of(key, J, a * r / kept, a * together))
    joint = {key: torch.cat(found, 1) for key, found in parts.items()}
    if convention == "mean":
        own, joint = _shared(stack, first, own, joint)
    for key, pairs in more.items():
        if pairs:
            alone, whole = (torch.cat(p, -1) for p in zip(*pairs, strict=True))
            stack.by_key(own)[key].add_(alone)
            joint[key] = joint[key] + whole
    return own, joint


def _forced(model: QuadraticModel) -> tuple[str, ...]:
    """What to know of points that no others can stand in for."""
    count = sum(int((h > 0.99).sum()) for h in model.leverage.values())
    if not count:
        return ()
    return (f"{count} rows have a leverage above 0.99: nothing else fixes what they fix, removal is a large change",)


def _shared(stack: Stack, first: Tensor, own: Tensor, joint: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Effects when the remaining N - 1 points take over the weight of the removed one."""
    own = own.clone()
    sums = {name: e.sum(1) for name, e in stack.by_columns(first).items()}
    for name, e in stack.by_columns(own).items():
        N = e.shape[1]
        e.mul_(N).sub_(sums[name][:, None]).div_(max(N - 1, 1))
    shared = {}
    for key, e in joint.items():
        N, total = e.shape[1], sum((sums[name] for name in stack.names(key)), torch.zeros(()))
        shared[key] = (N * e - total[:, None]) / max(N - 1, 1)
    return own, shared


def removed_together(
    model: QuadraticModel, functional: Asked, groups: Sequence[Mapping[str, Tensor]], convention: str
) -> Tensor:
    """The effects (K, groups) of removing groups of points."""
    sizes = {key: len(model.stack.points[key]) for key in model.stack.programs}
    groups = [group_of(group, sizes) for group in groups]
    _, S = model.response(functional)
    curve = None if model.baseline else curve_of(several(functional), model.solution)
    shared = model.totals if curve is not None and convention == "mean" else {}
    out = S.new_zeros(S.shape[1], len(groups))
    totals = model.first_order_totals(S) if convention == "mean" else {}
    for i, group in enumerate(groups):
        a, r, J = model.rows_at({key: (model.stack.points[key][rows], rows) for key, rows in group.items()})
        U = model.curvature.solve(J.T.contiguous())
        B = J @ U * a
        moved = torch.linalg.solve(torch.eye(len(B)).to(B) - B, r)
        JS = J @ S
        if convention == "fixed":
            out[:, i] = JS.T @ (a * moved)
            if curve is not None:
                out[:, i] += curve((U @ (a * moved))[:, None])[:, 0]
            continue
        start, step = 0, torch.zeros_like(U[:, 0])
        for key, rows in group.items():
            N, n, R = len(model.stack.points[key]), len(rows), len(model.stack.names(key))
            part = slice(start, start + n * R)
            start += n * R
            out[:, i] += (N * (JS[part].T @ (a * moved)[part]) - n * totals[key]) / max(N - n, 1)
            if curve is not None:
                total = sum(shared[name] for name in model.stack.names(key))
                step += (N * (U[:, part] @ (a * moved)[part]) - n * total) / max(N - n, 1)
        if curve is not None:
            out[:, i] += curve(step[:, None])[:, 0]
    return out
