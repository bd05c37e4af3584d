"""Response: what a source in the equation at one place does to a field at another, and whether that is reciprocal."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..condition import PointSet
from ..points import sample
from ..residual import Stack
from ..solution import Solution
from .attribution import Influence
from .curvature import curvature
from .functional import rows_of
from .indicator import Along, before, coordinate

MISFIT = 0.5  # the largest relative misfit of a source that a model is said to answer
ENOUGH = 20  # so many answered sources are needed for a single number


@dataclass(frozen=True, eq=False)
class Response:
    """K_kl (m, m): what a field does at place k when the equation has a unit source at place l, the Green's function.

    ``misfit`` (m,) is how far the residual's answer is from the source, on points that held nothing, over the source:
    0 if the network can express the solution to that source, near 1 if not. Single numbers use the places below
    ``MISFIT``, and are NaN where there are fewer than ``ENOUGH``. ``uptake`` (m,) is how much of a source the residual
    takes up at its own place where the training points alone hold it: far above 1 where there are none.
    """

    field: str
    equation: str
    places: Tensor
    kernel: Tensor
    misfit: Tensor
    uptake: Tensor
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
        """Share of |K_kl|, k != l, with c_l <= c_k: 1/2 if sources act both ways alike, 1 if only forward."""
        at = coordinate(self.places[self.answered], self.names, along)
        size = self._apart.abs()
        return float((size * before(at, at)).sum() / size.sum()) if self.meaningful else math.nan

    @property
    def _apart(self) -> Tensor:
        return self.kernel[self.answered][:, self.answered].clone().fill_diagonal_(0.0)

    def __str__(self) -> str:
        n, m = int(self.answered.sum()), len(self.places)
        what = f"of {self.field} to sources in {self.equation}"
        if not self.meaningful:
            return f"no reciprocity {what}: the network answers {n} of {m} sources, {ENOUGH} are needed"
        return f"reciprocity {self.reciprocity:.2f} {what} (1: a self-adjoint operator), {n} of {m} sources answered"


def response(
    model: Influence | Solution, field: str | None = None, equation: str | None = None, *,
    places: int = 200, width: float = 0.07, points: int = 2000, seed: int = 12345,
) -> Response:  # fmt: skip
    """The response of a field (the first) to sources in an equation (the first), as a trained model has it.

    Sources s_l are Gaussians of integral 1 about interior places, their standard deviation ``width`` times the domain's
    extents. The linearised equation is solved for each in the network's tangent space by least squares, with the
    model's weights and conditions, on the training points and on fresh ones, ``points`` of them in the interior, as
    training points alone leave it free between them. K_kl is the mean of the field's change weighted by s_k, so that
    K = K^T if the operator is self-adjoint (reciprocity). A second or two for some thousand parameters.

    Raises:
        ValueError: an unknown field or equation, fewer than 2 places or 8 points, a width that is not positive.
    """
    influence = Influence(model, "gauss-newton") if isinstance(model, Solution) else model
    solution = influence.solution
    problem, theta = solution.problem, solution.theta
    if places < 2 or points < 8 or not width > 0:
        raise ValueError(f"places={places}, points={points}, width={width}: give 2 places, 8 points, a positive width")
    field, equation = field or problem.field_names[0], equation or next(iter(problem.equations))
    if equation not in problem.equations:
        raise ValueError(f"there is no equation {equation!r}: choose one of {', '.join(problem.equations)}")
    fresh = {key: s.to(theta) for key, s in sample(problem, points, seed=seed).items() if key in solution.points}
    drawn, unseen = fresh["pde"], problem.sample("pde", points // 4, seed=seed + 2).to(theta)
    centres = problem.sample("pde", places, seed=seed + 1).X.to(theta)
    extent = torch.as_tensor(problem.domain.bounds[1] - problem.domain.bounds[0]).to(theta)

    def bump(X: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(centres / extent, X / extent).square() / (2 * width**2))

    mean = bump(drawn.X)
    size = mean.mean(1, keepdim=True).clamp_min(torch.finfo(mean.dtype).tiny)  # over the domain's measure: its integral

    def pushed(rows: Stack) -> tuple[Tensor, Tensor]:
        """Sources as residuals s (m, M), and sum_i a_i s_i J_i (m, P)."""
        s = theta.new_zeros(places, rows.rows)
        rows.by_columns(s)[equation].copy_(bump(rows.points["pde"].X) / (size * problem.domain.measure()))
        return s, _contracted(rows, s * rows.row_weights, theta)

    dense = replace(solution, points=solution.points.add(**fresh))
    b = pushed(_equations(solution, dense.points["pde"]))[1]
    moves = curvature(dense.stack, theta, "gauss-newton").solve(b.T.contiguous())
    K = _contracted(rows_of(solution, field, PointSet(drawn.X)), mean / (len(drawn) * size), theta) @ moves
    checked = _equations(solution, unseen)
    s, a = pushed(checked)[0], checked.row_weights
    left = checked.jacobian(theta) @ moves - s.T
    alone = _equations(solution, drawn)
    t, j = pushed(alone)
    return Response(
        field, equation, centres, K,
        misfit=((a @ left.square()) / (s.square() @ a)).sqrt(),
        uptake=(j.T * influence.curvature.solve(j.T.contiguous())).sum(0) / (t.square() @ alone.row_weights),
        names=tuple(problem.domain.names),
    )  # fmt: skip


def _equations(solution: Solution, points: PointSet) -> Stack:
    """The rows of the equations alone at these points, with their weights."""
    readout = solution.model.readouts["pde"]
    weights = {name: solution.term_weights[name] for name in readout.names}
    return Stack(solution.model, {"pde": points}, weights, {"pde": readout})


def _contracted(rows: Stack, weights: Tensor, theta: Tensor) -> Tensor:
    """weights (m, M) J, shape (m, P), without ever holding J."""
    out = theta.new_zeros(len(weights), len(theta))
    for numbers, _, J in rows.jacobian_blocks(theta):
        out.addmm_(weights[:, numbers], J)
    return out
