"""Why a residual is not a finite number: the sub-expression that made it so, the point, and what can be done."""

from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.checks import lowered
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.place import data
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Opaque, Program

if TYPE_CHECKING:
    from .stack import Stack

NAMED = 2  # sub-expressions that are named, at most


def cause(stack: "Stack", theta: Tensor) -> str:
    """One sentence on the first row that is not finite at these parameters; "" where all are, or none says why."""
    if not bool(torch.isfinite(theta).all()):
        return "the parameters themselves are not finite: the steps were too long, use a smaller learning rate"
    for name, row in stack.by_term(stack.values(theta)).items():
        bad = (~torch.isfinite(row)).nonzero()
        if len(bad):
            residual = next((r for r in stack.model.problem.residuals if r.name == name), None)
            return "" if residual is None else _of_row(stack, theta, residual, int(bad[0]))
    return ""


def _of_row(stack: "Stack", theta: Tensor, residual: Residual, at: int) -> str:
    """The innermost sub-expressions of a residual that are not finite at a point while their arguments are."""
    problem, model = stack.model.problem, stack.model
    points = stack.points[residual.key][at : at + 1]
    row = lowered(problem, residual)
    shown = {}
    for s, slot in row.slots.items():
        index = slot.channel[0][1]
        by = "".join(n * times for n, times in zip(problem.domain.names, index, strict=True))
        shown[s] = sp.Symbol(f"{problem.field_names[slot.output]}{'_' * bool(by)}{by}", real=True)
    values = _values(model, theta, row, points)
    numbers = problem.parameters | stack.model.problem.unknowns
    unknowns = dict(zip(problem.unknowns, map(float, model.coefficients(theta)), strict=True))
    for s in row.expressions[0].free_symbols - set(values):
        values[s] = (
            points.columns[s.name] if s.name in points.columns else theta.new_tensor([(numbers | unknowns)[s.name]])
        )
    nodes = [n for n in sp.postorder_traversal(row.expressions[0]) if isinstance(n, sp.Expr) and n.free_symbols]
    out = Program(nodes, list(values))(values)
    found = {n: float(torch.as_tensor(v).reshape(-1)[0]) for n, v in zip(nodes, out, strict=True)}
    first = {n: [found[a] for a in n.args if a in found] for n in nodes if not np.isfinite(found[n])}
    first = {n: a for n, a in first.items() if n.args and np.isfinite(a).all()}
    if not first:
        return ""
    place = ", ".join(f"{n} = {v:.4g}" for n, v in zip(problem.domain.names, points.X[0].tolist(), strict=True))
    named = [
        _met(n, found, shown, problem.variables) for n in sorted(first, key=sp.default_sort_key, reverse=True)[:NAMED]
    ]
    return f"{' and '.join(named)} at {place}{_remedy(next(iter(first)), found)}"


def _values(model: Any, theta: Tensor, row: Any, points: Any) -> dict[sp.Symbol, Tensor]:
    """Coordinates and the fields' channels at a point, by symbol."""
    problem = model.problem
    values = {v: points.X[:, i] for i, v in enumerate(problem.variables)}
    fields = {
        s: differentiate(problem.fields[slot.output], slot.channel[0][1], problem.variables)
        for s, slot in row.slots.items()
    }
    program = model.program([Residual(str(s), e, data("at")) for s, e in fields.items()])
    rows = model.rows({"at": points}, {"at": program}).values(theta)
    return values | dict(zip(fields, rows.view(len(fields), -1), strict=True))


def _met(
    node: sp.Expr, found: dict[sp.Expr, float], shown: dict[sp.Symbol, sp.Symbol], place: tuple[sp.Symbol, ...]
) -> str:  # fmt: skip
    """ "u**(6/5) met u = -0.3"."""
    met = [f"{a.xreplace(shown)} = {found[a]:.4g}" for a in node.args if a in found and a not in place]
    name = f"the function {node.func.__name__}" if isinstance(node, Opaque) else str(node.xreplace(shown))
    return f"{name} met {' and '.join(met)}" if met else name


def _remedy(node: sp.Expr, found: dict[sp.Expr, float]) -> str:
    if isinstance(node, Opaque):
        return ", and gave no finite number: check what it does there"
    inner = [found[a] for a in node.args if a in found]
    negative = bool(inner) and inner[0] < 0
    if negative and (isinstance(node, (sp.Pow, sp.log)) or node.func in (sp.acosh, sp.asin, sp.acos)):
        return (
            ", and it is no real number where its argument is negative: state the field as exp(v), as v**2 or as "
            "data + v with hard constraints, start from a solution that is positive, or write it with Abs"
        )
    if isinstance(node, (sp.Pow, sp.log)):
        return ", a singularity: leave its place out of the domain, or multiply the equation by the denominator"
    return ", which is too large a number or outside its range: scale the field, or start from another solution"
