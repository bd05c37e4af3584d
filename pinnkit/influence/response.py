"""Response: what a source in the equation at one place does to a field at another, and whether that is reciprocal."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..condition import PointSet
from ..solution import Solution
from .attribution import Influence
from .functional import rows_of
from .indicator import Along, before, coordinate

HELD = (0.5, 2.0)  # uptakes between which a model is said to hold a source


@dataclass(frozen=True, eq=False)
class Response:
    """K_kl (m, m): what a field does at place k when the equation has a source at place l, the Green's function.

    ``uptake`` (m,) is how much of a source the residual takes up: 1 if the model answers it, near 0 if its network
    cannot, far above 1 if no training points hold it there. Single numbers use the places that are held.
    """

    field: str
    equation: str
    places: Tensor
    kernel: Tensor
    uptake: Tensor
    names: tuple[str, ...]

    @property
    def held(self) -> Tensor:
        """Which places have an uptake within ``HELD``, (m,) bool."""
        return (self.uptake > HELD[0]) & (self.uptake < HELD[1])

    @property
    def reciprocity(self) -> float:
        """sum_{k != l} K_kl K_lk / sum_{k != l} K_kl^2: 1 for a self-adjoint operator, 0 if nothing comes back."""
        K = self._apart
        return float((K * K.T).sum() / K.square().sum())

    def directionality(self, along: Along) -> float:
        """Share of |K_kl|, k != l, with c_l <= c_k: 1/2 if sources act both ways alike, 1 if only forward."""
        at = coordinate(self.places[self.held], self.names, along)
        size = self._apart.abs()
        return float((size * before(at, at)).sum() / size.sum())

    @property
    def _apart(self) -> Tensor:
        return self.kernel[self.held][:, self.held].clone().fill_diagonal_(0.0)


def response(
    model: Influence | Solution, field: str | None = None, equation: str | None = None, *,
    places: int = 200, width: float = 0.07, points: int = 2000, seed: int = 12345,
) -> Response:  # fmt: skip
    """The response of a field (the first) to sources in an equation (the first), as a trained model has it.

    Places are Gaussians phi_k about interior points, their standard deviation ``width`` times the domain's extents.
    With g_k = <phi_k, du/dtheta>, j_l = <a phi_l, dr/dtheta> and the curvature C of the trained loss, K = g C^-1 j: the
    Green's function of the linearised equation, smoothed, where the model holds sources: uptake
    j_k C^-1 j_k / <a phi_k, phi_k> near 1. K = K^T if the operator is self-adjoint (reciprocity).

    Raises:
        ValueError: an unknown field or equation, fewer than 2 places or points, a width that is not positive.
    """
    influence = Influence(model, "gauss-newton") if isinstance(model, Solution) else model
    solution = influence.solution
    problem, theta = solution.problem, solution.theta
    if min(places, points) < 2 or not width > 0:
        raise ValueError(f"places={places}, points={points}, width={width}: give 2 places and points, a positive width")
    field, equation = field or problem.field_names[0], equation or next(iter(problem.equations))
    if equation not in problem.equations:
        raise ValueError(f"there is no equation {equation!r}: choose one of {', '.join(problem.equations)}")
    drawn = problem.sample("pde", points, seed=seed).to(theta)
    centres = problem.sample("pde", places, seed=seed + 1).X.to(theta)
    extent = torch.as_tensor(problem.domain.bounds[1] - problem.domain.bounds[0]).to(theta)
    phi = torch.exp(-torch.cdist(centres / extent, drawn.X / extent).square() / (2 * width**2))
    phi = phi / phi.sum(1, keepdim=True).clamp_min(torch.finfo(phi.dtype).tiny)
    own = torch.ones_like(drawn.X[:, 0]) if drawn.weights is None else drawn.weights
    a = own * influence.stack.weights[equation]
    residuals = solution.model.rows({"pde": PointSet(drawn.X)})
    chosen = theta.new_zeros(len(phi), residuals.rows)
    for name, part in residuals.by_columns(chosen).items():
        if name == equation:
            part.copy_(phi * a)
    j = _contracted(residuals, chosen, theta)
    g = _contracted(rows_of(solution, field, PointSet(drawn.X)), phi, theta)
    solved = influence.curvature.solve(j.T.contiguous())
    uptake = (j.T * solved).sum(0) / (len(a) * phi.square() @ a)
    return Response(field, equation, centres, g @ solved, uptake, tuple(problem.domain.names))


def _contracted(rows, weights: Tensor, theta: Tensor) -> Tensor:
    """weights (m, M) J, shape (m, P), without ever holding J."""
    out = theta.new_zeros(len(weights), len(theta))
    for numbers, _, J in rows.jacobian_blocks(theta):
        out.addmm_(weights[:, numbers], J)
    return out
