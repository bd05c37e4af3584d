"""The published curvature (PINNfluence, arXiv 2409.08958): the leading part of the plain sum of squares' Hessian."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.tools.arnoldi import ritz, start_vector
from pinnkit.tools.damped_solve import Spectral

from .solution import Solution
from .stack import Stack


@dataclass(frozen=True, eq=False)
class PublishedCurvature:
    """C = H / 2 with H ~ V diag(eigenvalues) V^T, the leading part of the Hessian of the plain sum of squares.

    H is twice what the package calls curvature elsewhere. V (P, k); ``eigenvalues`` (k,) ascend and hold the shift that
    regularises H. Directions outside V are cut off, so that the inverse is V diag(1 / eigenvalues) V^T.
    """

    V: Tensor = field(repr=False)
    eigenvalues: Tensor = field(repr=False)
    shift: float
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The method and its rank."""
        return f"published (Arnoldi, rank {len(self.eigenvalues)})"

    @property
    def damping(self) -> float:
        """What is added to C, half of what is added to H."""
        return self.shift / 2

    @property
    def _factor(self) -> Spectral:
        return Spectral(self.eigenvalues / 2 - self.damping, self.V, self.damping, truncate=True)

    def solve(self, B: Tensor) -> Tensor:
        """C^-1 B for B (P,) or (P, k)."""
        return self._factor.solve(B)

    def whiten(self, J: Tensor) -> Tensor:
        """E with E E^T = J C^-1 J^T for rows J (m, P), shape (m, k)."""
        return self._factor.whiten(J)

    def leverage(self, J: Tensor) -> Tensor:
        """The diagonal of J C^-1 J^T for rows J (m, P), shape (m,)."""
        return self._factor.leverage(J)


def unweighted(solution: Solution, points: Mapping[str, PointSet] | None = None) -> Stack:
    """The rows whose plain sum of squares is the published objective: no weights, no means; at the trained points."""
    sets = {key: s.weighted(None).to(solution.theta) for key, s in (points or solution.points).items()}
    programs = {key: program for key, program in solution.model.programs.items() if key in sets}
    if not programs:
        known = ", ".join(solution.model.keys)
        raise ValueError(f"there are no residuals at the points {', '.join(sets)}: {solution.problem.name} has {known}")
    weights = {name: float(len(sets[key])) for key, program in programs.items() for name in program.names}
    return Stack(solution.model, {key: sets[key] for key in programs}, weights, programs)


def published_curvature(
    solution: Solution,
    points: Mapping[str, PointSet] | None = None,
    *,
    dim: int = 200,
    tol: float = 0.1,
    damping: float = 1e-3,
    keep: int = 50,
    smallest: float = 1e-4,
    seed: int = 0,
    start: Tensor | None = None,
) -> PublishedCurvature:
    """The published inverse of the Hessian of sum_i sum_k r_k(x_i)^2 over the points; its notes say what it lacks.

    Raises:
        ValueError: points without residuals, or no eigenvalue above ``smallest``.
    """
    stack, theta = unweighted(solution, points), solution.theta
    first = start_vector(len(theta), start, seed, theta)
    V, kept, found = ritz(lambda v: stack.hvp(theta, v), first, dim, tol, damping, keep, smallest)
    P, k, n = len(theta), len(kept), len(found)
    losses, gradient = stack.loss_and_gradient(theta)
    notes = [
        f"{k} of {P} directions are kept, those of eigenvalues above {float(kept[0]):.1e}: the flat ones, which weigh "
        "most in an inverse, are cut off",
        f"the Hessian is that of the plain sum of squares, {float(losses.sum()):.1e}, which was not trained: its "
        f"gradient here is {float(gradient.norm()):.1e}",
    ]
    lost = int((found <= smallest).sum())
    if lost:
        notes.append(f"{lost} of the {n} eigenvalues found are below {smallest:g}, the lowest is {float(found[0]):.1e}")
    return PublishedCurvature(V, kept, damping, tuple(notes))
