"""Functions u + J_u d near a solution u, linear in d, and the residuals that these functions have."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from math import sqrt

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.network.linearised import Linearised
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.place import data
from pinnkit.statement.symbolic.residual import Residual


class TangentSpace:
    """u + J_u d for d (P,), where u = u_theta and J_u = du/dtheta stay those of a solution; in double precision."""

    theta: Tensor

    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        self.model: Model = solution.model
        self.theta = solution.theta.detach().double()

    @cached_property
    def _tangent(self) -> Model:
        """The model whose network is N + J_N d."""
        assert self.model.network is not None  # a solution has one
        return replace(self.model, network=Linearised(self.model.network, self.model.split(self.theta)[0]))

    @cached_property
    def program(self) -> ResidualProgram:
        """The fields at points "at", as rows."""
        u = self.model.problem.fields
        return self.model.program([Residual(str(i), e, data("at")) for i, e in enumerate(u)])

    def fields(self, X: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """u and J_u d at points X (n, d), each (n, fields); ValueError for points of another shape."""
        X, names = torch.as_tensor(X), self.model.problem.domain.names
        if X.ndim != 2 or X.shape[1] != len(names):
            raise ValueError(
                f"expected points of shape (n, {len(names)}) with the coordinates {', '.join(names)}, "
                f"got {tuple(X.shape)}"
            )
        rows = self.model.rows({"at": PointSet(X.to(self.theta))}, {"at": self.program})
        u, moved = rows.values_and_jvp(self.theta, d)
        return u.view(-1, len(X)).T, moved.view(-1, len(X)).T

    def stack(self, points: Mapping[str, PointSet], d: Tensor) -> tuple[Stack, Tensor]:
        """The rows of the function u + J_u d, nonlinear in it, and the parameters to evaluate them with.

        ``values`` are its residuals; ``jvp`` and ``jacobian`` their derivatives by d.
        """
        network, coefficients = self.model.split(d)
        at = torch.cat([network, self.theta[len(network) :] + coefficients])
        programs = {key: self.model.programs[key] for key in points}
        known = {name for program in programs.values() for name in program.names}
        weights = {name: w for name, w in self.solution.weights.items() if name in known}
        return Stack(self._tangent, points, weights, programs), at

    def residual(self, points: Mapping[str, PointSet], d: Tensor) -> Tensor:
        """The residuals of the function u + J_u d, shape (M,)."""
        stack, at = self.stack(points, d)
        return stack.values(at)


def mean_size(stack: Stack, r: Tensor) -> float:
    """sum_k w_k^1/2 mean |r_k| of rows r (M,), weighted as the points are: no spike outweighs all else.

    Observations, whose noise no correction removes, count only where there is nothing else.
    """
    fixed = {c.name for c in stack.model.problem.conditions if isinstance(c, Observations)}
    means = {}
    for name, row in stack.by_term(r.abs()).items():
        own = stack.points[stack.keys[name]].weights
        means[name] = stack.weights[name] ** 0.5 * float((row if own is None else own * row).mean())
    return sum(value for name, value in means.items() if name not in fixed) or sum(means.values())


def residual_size(stack: Stack, r: Tensor) -> float:
    """(sum_k w_k m_k^2)^1/2 of rows r (M,), the scale on which amplification is measured.

    m_k is the rms of a condition, and 1.25 mean |r| of an equation, which for normal r is the same: inverting the
    equation smooths, and a spike in a corner weighs little on u. Observations count only where there is nothing else.
    """
    fixed = {c.name for c in stack.model.problem.conditions if isinstance(c, Observations)}
    total = {}
    for name, row in stack.by_term(r).items():
        key = stack.keys[name]
        own = stack.points[key].weights
        own = torch.ones_like(row) if own is None else own
        mean = float((own * row.abs()).mean() * 1.25 if key == "pde" else (own * row.square()).mean().sqrt())
        total[name] = stack.weights[name] * mean * mean
    return sqrt(sum(v for name, v in total.items() if name not in fixed) or sum(total.values()))


def uneven(space: TangentSpace, d: Tensor, seen: Tensor, n: int = 4000) -> Tensor:
    """By how much |J_u d| / |u + J_u d| at n even points differs from ``seen`` (F,): a layer may lie between nodes."""
    X = space.model.problem.domain.sample(n, method="sobol", seed=23)
    u, moved = space.fields(X.to(space.theta), d)
    return (moved.norm(dim=0) / (u + moved).norm(dim=0).clamp_min(1e-300) - seen).nan_to_num(0.0, 0.0).abs()


def wobbled(space: TangentSpace) -> TangentSpace:
    """The same with rounded parameters: what changes tells what the rounding of an evaluation does."""
    generator = torch.Generator().manual_seed(1)

    def rounded(theta: Tensor) -> Tensor:
        wobble = torch.randn(len(theta), generator=generator, dtype=torch.float64)
        return theta * (1 + 2.2e-16 * wobble.to(theta))

    model = space.model
    if isinstance(model.network, Linearised):
        model = replace(model, network=Linearised(model.network.network, rounded(model.network.at)))
    return TangentSpace(replace(space.solution, model=model, theta=rounded(space.theta)))
