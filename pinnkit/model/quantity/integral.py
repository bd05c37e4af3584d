"""Integrals over the domain and its boundary."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem
from pinnkit.tools.checked import Count, Finite, Whole, checked

from .base import Expression, Functional, rows_of


@checked
@dataclass(frozen=True, eq=False)
class Quadrature(Functional):
    """f = sum_i q_i e(x_i), an integral by quadrature.

    Args:
        expression: e, a SymPy expression, a number, or a name as "u_x".
        points: quadrature points (n, d).
        q: quadrature weights (n,).
        name: name of the result.
    """

    expression: Expression
    points: PointSet
    q: Tensor
    name: str = "integral"

    @property
    def names(self) -> tuple[str, ...]:
        """One name."""
        return (self.name,)

    @override
    def linearise(self, solution: Solution) -> tuple[Tensor, Tensor]:
        rows = rows_of(solution, self.expression, self.points)
        q = self.q.to(solution.theta)
        return (q @ rows.values(solution.theta))[None], rows.vjp(solution.theta, q)[None]


@checked
def integral(
    problem: Problem, expression: Expression, over: str | tuple[str, ...] = "domain", *, n: Count = 4096,
    name: str = "", seed: Whole = 0, **fixed: Finite,
) -> Quadrature:  # fmt: skip
    """f = int e dx over the domain or a part of its boundary, by n quasi-random points.

    On the boundary the components of the outward normal may stand in e (:func:`normals`), as in a flux.

    Args:
        problem: the problem.
        expression: e, a SymPy expression, a number, or a name as "u_x".
        over: "domain" (default), or parts of the boundary.
        n: number of points.
        name: name of the result. Default "": made from the rest.
        seed: seed of the points.
        fixed: coordinates that are not integrated over, by name: ``t=0.5``.

    Returns:
        A functional.

    Raises:
        ValueError: a part of the boundary or a coordinate that the domain does not have.

    Example:
        >>> import pinnkit as pk
        >>> mass = pk.integral(pk.problem("heat"), 1.0, t=0.5, n=256)
        >>> round(float(mass.q.sum()), 6)
        1.0
    """
    domain = problem.domain
    unknown = set(fixed) - set(domain.names)
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} is no coordinate of {problem.name}: {', '.join(domain.names)}")
    columns: dict[str, Tensor] = {}
    if over == "domain":
        X, measure = domain.sample(n, seed=seed), domain.measure()
    else:
        X, normals = domain.sample_boundary(n, over, seed=seed)
        measure = domain.measure(over)
        space = [i for i, c in enumerate(domain.names) if c != domain.time]
        columns = {f"n_{domain.names[i]}": normals[:, i] for i in space}
    for c, value in fixed.items():
        i = domain.names.index(c)
        if over != "domain" and c != domain.time:
            raise ValueError(f"{c} is fixed on the boundary already: only the time can be fixed there")
        X[:, i] = float(value)
        measure /= domain.bounds[1][i] - domain.bounds[0][i]
    where = over if isinstance(over, str) else "+".join(over)
    label = name or f"integral of {expression} over {where}" + "".join(f", {c}={v:g}" for c, v in fixed.items())
    return Quadrature(expression, PointSet(X, columns), torch.full((n,), measure / n, dtype=torch.float64), label)
