"""Response: what a source in the equation at one place does to a field at another, and whether that is reciprocal."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.curvature import DENSE, curvature
from pinnkit.model.gauss_newton import GaussNewton
from pinnkit.model.quantity.base import rows_of
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import sample
from pinnkit.tools.checked import Count, Positive, Whole, checked

from .indicator import Along, before, coordinate
from .influence import Influence

MISFIT = 0.5  # the largest relative misfit of a source that a model is said to answer
ENOUGH = 20  # so many answered sources are needed for a single number


@checked
@dataclass(frozen=True, eq=False)
class Response:
    """The Green's function K_kl (m, m) of a trained model: the field at place k for a unit source at place l.

    Single numbers use the places whose misfit is small. They are NaN where there are too few of these.

    Args:
        field: the field that responds.
        equation: the equation that holds the source.
        places: interior points (m, d).
        kernel: K (m, m).
        misfit: by source, (m,): residual of the response on points that were not fitted, over the source. 0: the
            network can express the solution; near 1: it cannot.
        names: names of the coordinates, the columns of ``places``.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("laplace"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(5)], progress=False)
        >>> pk.response(u, places=10, points=100).kernel.shape
        torch.Size([10, 10])
    """

    field: str
    equation: str
    places: Tensor
    kernel: Tensor
    misfit: Tensor
    names: tuple[str, ...]

    @property
    def answered(self) -> Tensor:
        """Which sources the model answers, (m,) bool."""
        return self.misfit < MISFIT

    @property
    def meaningful(self) -> bool:
        """Whether it answers enough of them for single numbers."""
        return int(self.answered.sum()) >= ENOUGH

    @property
    def reciprocity(self) -> float:
        """sum_{k != l} K_kl K_lk / sum_{k != l} K_kl^2: 1 for a self-adjoint operator, 0 if nothing comes back."""
        K = self._apart
        return float((K * K.T).sum() / K.square().sum()) if self.meaningful else math.nan

    def directionality(self, along: Along) -> float:
        """Share of |K_kl|, k != l, with c_l <= c_k: 1 if sources act only towards larger c, 1/2 if both ways alike.

        Args:
            along: the coordinate c: a name, "radius", or a function of points (n, d) -> (n,).

        Returns:
            The share; NaN where too few sources have a response.
        """
        at = coordinate(self.places[self.answered], self.names, along)
        size = self._apart.abs()
        return float((size * before(at, at)).sum() / size.sum()) if self.meaningful else math.nan

    @property
    def _apart(self) -> Tensor:
        return self.kernel[self.answered][:, self.answered].clone().fill_diagonal_(0.0)

    def to_dict(self) -> dict[str, Any]:
        """The single numbers as plain data.

        Returns:
            Texts and numbers by name; the reciprocity is NaN where too few sources have a response.
        """
        counts = {"answered": int(self.answered.sum()), "places": len(self.places)}
        return {"field": self.field, "equation": self.equation, "reciprocity": self.reciprocity, **counts}

    def __str__(self) -> str:
        n, m = int(self.answered.sum()), len(self.places)
        what = f"of {self.field} to sources in {self.equation}"
        if not self.meaningful:
            return f"no reciprocity {what}: the network answers {n} of {m} sources, {ENOUGH} are needed"
        return f"reciprocity {self.reciprocity:.2f} {what} (1: a self-adjoint operator), {n} of {m} sources answered"


@dataclass(frozen=True, eq=False)
class Sources:
    """Gaussians s_l of integral 1 about interior places (m, d) as sources in one of a model's equations.

    ``scale`` (d,) are their standard deviations, ``drawn`` the fresh points (n,) by which they are normalised and
    fields weighted.
    """

    solution: Solution
    equation: str
    places: Tensor
    scale: Tensor
    drawn: PointSet

    def bumps(self, X: Tensor) -> Tensor:
        """exp(-|(x - place) / scale|^2 / 2) at points X (n, d), shape (m, n)."""
        return torch.exp(-torch.cdist(self.places / self.scale, X / self.scale).square() / 2)

    @cached_property
    def size(self) -> Tensor:
        """The mean of every bump over the domain, (m, 1)."""
        mean = self.bumps(self.drawn.X).mean(1, keepdim=True)
        return mean.clamp_min(torch.finfo(mean.dtype).tiny)

    def rows(self, points: PointSet) -> Stack:
        """The equations' rows alone at some points, with the model's weights."""
        model, weights = self.solution.model, self.solution.term_weights
        program = model.programs["pde"]
        return Stack(model, {"pde": points}, {name: weights[name] for name in program.names}, {"pde": program})

    def on(self, rows: Stack) -> Tensor:
        """The sources as residuals, (m, M)."""
        s = rows.like.new_zeros(len(self.places), rows.rows)
        volume = self.solution.problem.domain.measure()
        rows.by_columns(s)[self.equation].copy_(self.bumps(rows.points["pde"].X) / (self.size * volume))
        return s

    def pushed(self, rows: Stack) -> Tensor:
        """sum_i a_i s_i J_i, (m, P)."""
        return _contracted(rows, self.on(rows) * rows.row_weights, self.solution.theta)


def sources(
    solution: Solution, equation: str | None = None, *,
    places: int = 200, width: float = 0.07, points: int = 2000, seed: int = 12345,
) -> Sources:  # fmt: skip
    """Gaussian sources in an equation (the first) of a trained model, their scale ``width`` times the extents.

    Raises:
        ValueError: an unknown equation, one that holds by construction, fewer than 2 places or 8 points, a width that
            is not positive.
    """
    problem, theta = solution.problem, solution.theta
    if places < 2 or points < 8 or not width > 0:
        raise ValueError(f"places={places}, points={points}, width={width}: give 2 places, 8 points, a positive width")
    equation = equation or next(iter(problem.equations))
    if equation not in problem.equations:
        raise ValueError(f"there is no equation {equation!r}: choose one of {', '.join(problem.equations)}")
    if "pde" not in solution.model.programs:
        raise ValueError(f"{problem.name}: this solution keeps its equation by construction, where nothing answers a "
                         "source: give a trained network")  # fmt: skip
    low, high = map(torch.as_tensor, problem.domain.bounds)
    drawn = problem.sample("pde", points, seed=seed).to(theta)
    centres = problem.sample("pde", places, seed=seed + 1).X.to(theta)
    return Sources(solution, equation, centres, width * (high - low).to(theta), drawn)


@checked
def response(
    model: Influence | Solution, field: str | None = None, equation: str | None = None, *,
    places: Count = 200, width: Positive = 0.07, points: Count = 2000, seed: Whole = 12345,
) -> Response:  # fmt: skip
    """Green's function of a trained model: L'[u] e_l = s_l is solved for Gaussian sources s_l of integral 1.

    Each equation is solved by least squares in the tangent space of the network, with the weights and conditions of the
    model, on training points and fresh ones. K_kl is the mean of the response e_l weighted by s_k, so K = K^T if the
    operator is self-adjoint (reciprocity). The cost is about that of a Gauss-Newton curvature.

    Args:
        model: a solution, or its :class:`Influence`.
        field: the field that responds. Default None: the first one.
        equation: the equation that holds the sources. Default None: the first one.
        places: number m of interior places, at least 2.
        width: standard deviation of the sources, in extents of the domain. Default 0.07: resolved by usual networks.
        points: number of fresh interior points, at least 8. Training points alone leave e_l free between them.
        seed: seed of places and points.

    Returns:
        The kernel K (m, m) with its places and misfits.

    Raises:
        ValueError: an unknown field or equation, an equation that holds by construction, fewer than 2 places or 8
            points.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("laplace"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(5)], progress=False)
        >>> pk.response(u, places=10, points=100).field
        'u'
    """
    solution = model if isinstance(model, Solution) else model.solution
    of = sources(solution, equation, places=places, width=width, points=points, seed=seed)
    problem, theta, field = solution.problem, solution.theta, field or solution.problem.field_names[0]
    g = _contracted(rows_of(solution, field, PointSet(of.drawn.X)), of.bumps(of.drawn.X) / (points * of.size), theta)
    fresh = {k: s.to(theta) for k, s in sample(problem, points, seed=seed).items() if k in solution.points}
    dense = solution.points.add(**fresh | {"pde": of.drawn})
    moves = _solved(solution.model.stack(dense, solution.weights), theta, of.pushed(of.rows(dense["pde"])).T)
    unseen = of.rows(problem.sample("pde", max(points // 4, 2), seed=seed + 2).to(theta))
    s, a = of.on(unseen), unseen.row_weights
    left = unseen.jacobian(theta) @ moves - s.T
    misfit = ((a @ left.square()) / (s.square() @ a)).sqrt()
    return Response(field, of.equation, of.places, g @ moves, misfit, tuple(problem.domain.names))


def uptake(influence: Influence, width: float = 0.07) -> Tensor:
    """How much of a source the residual takes up where the training points alone hold the equation, shape (m,).

    <s_k, dr/dtheta C^-1 J^T A s_k> / <s_k, s_k> with the curvature C of the trained loss: 1 where the model answers a
    source, less where its network cannot, far above 1 where no training points are. ``width`` as in :func:`sources`.
    """
    of = sources(influence.solution, width=width)
    rows = of.rows(of.drawn)
    j = of.pushed(rows)
    return (j.T * influence.curvature.solve(j.T.contiguous())).sum(0) / (of.on(rows).square() @ rows.row_weights)


def _solved(stack: Stack, theta: Tensor, b: Tensor) -> Tensor:
    """(J^T A J + damping)^-1 b for b (P, m), with the smallest damping that is safe from rounding."""
    if len(theta) > DENSE:
        return curvature(stack, theta, "gauss-newton").solve(b.contiguous())
    found = GaussNewton.of(stack, theta)
    safe = 4 * len(theta) * torch.finfo(theta.dtype).eps * float(found.matrix.norm())
    return found.factor(safe).solve(b.contiguous())


def _contracted(rows: Stack, weights: Tensor, theta: Tensor) -> Tensor:
    """weights (m, M) J, shape (m, P), without ever holding J."""
    out = theta.new_zeros(len(weights), len(theta))
    for numbers, _, J in rows.jacobian_blocks(theta):
        out.addmm_(weights[:, numbers], J)
    return out
