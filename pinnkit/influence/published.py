"""The published influence method (PINNfluence, arXiv 2409.08958) to the letter, and gradient-dot, to compare with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..condition import PointSet
from ..linalg import Spectral
from ..residual import Stack
from ..solution import Solution
from .functional import rows_of

At = Tensor | PointSet | Mapping[str, PointSet]  # interior points, or sets of points by name
CHUNK = 512  # points whose gradients are held at once


@dataclass(frozen=True, eq=False)
class Published:
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


@dataclass(frozen=True)
class GradientDot:
    """C = H / 2 with H = I: scores are inner products of gradients (TracIn with one checkpoint, Pruthi et al. 2020)."""

    name: str = "gradient-dot"
    damping: float = 0.0
    notes: tuple[str, ...] = ("there is no curvature in these scores: they have no scale of their own",)

    def solve(self, B: Tensor) -> Tensor:
        """C^-1 B = 2 B."""
        return 2 * B

    def whiten(self, J: Tensor) -> Tensor:
        """E with E E^T = 2 J J^T, shape (m, P)."""
        return 2**0.5 * J

    def leverage(self, J: Tensor) -> Tensor:
        """2 |J_m|^2, shape (m,)."""
        return 2 * J.square().sum(1)


def arnoldi(
    product: Callable[[Tensor], Tensor],
    P: int,
    dim: int = 200,
    *,
    tol: float = 0.1,
    damping: float = 1e-3,
    keep: int = 50,
    smallest: float = 1e-4,
    seed: int = 0,
    start: Tensor | None = None,
    like: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """V (P, k) and ascending eigenvalues (k,) with H + damping ~ V diag(eigenvalues) V^T for a product v -> H v.

    The ``keep`` largest of those above ``smallest``, after ``dim`` steps of Arnoldi's iteration from a random start, or
    from ``start`` (P,), or until a new vector is shorter than ``tol`` (Schioppa et al. 2022, section 3.2, with the
    settings of captum's ArnoldiInfluenceFunction, which also leaves out the last vector). ``like`` gives dtype and
    device.

    Raises:
        ValueError: where no eigenvalue is left.
    """
    V, eigenvalues, _ = _ritz(product, _start(P, start, seed, like), dim, tol, damping, keep, smallest)
    return V, eigenvalues


def _start(P: int, start: Tensor | None, seed: int, like: Tensor | None) -> Tensor:
    if start is not None:
        return start
    noise = torch.randn(P, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise if like is None else noise.to(like)


def _ritz(
    product: Callable[[Tensor], Tensor], start: Tensor, dim: int, tol: float, damping: float, keep: int, smallest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """V and the eigenvalues that are kept, and all shifted eigenvalues of the projected matrix."""
    Q, H = _krylov(product, start, dim, tol)
    if not len(H):
        raise ValueError(f"Arnoldi's iteration stopped at its first vector: give a smaller tol than {tol:g}")
    H.diagonal().add_(damping)
    values, vectors = torch.linalg.eig(H)  # not eigh, as published: H is symmetric up to rounding only
    order = values.real.argsort()
    values, vectors = values.real[order], vectors.real[:, order]
    chosen = (values > smallest).nonzero()[:, 0][-keep:]
    if not len(chosen):
        raise ValueError(
            f"no eigenvalue of the projected Hessian is above {smallest:g}: the largest is {float(values[-1]):.1e}; "
            "give a smaller threshold, or use curvature='gauss-newton'"
        )
    return Q.T @ vectors[:, chosen], values[chosen], values


def _krylov(product: Callable[[Tensor], Tensor], start: Tensor, dim: int, tol: float) -> tuple[Tensor, Tensor]:
    """An orthonormal basis Q (n, P) by modified Gram-Schmidt and H = Q A Q^T (n, n); n = dim - 1 unless it stops."""
    Q, H = start.new_empty(dim, len(start)), start.new_zeros(dim, dim)
    Q[0] = start / start.norm()
    for k in range(dim):
        v = product(Q[k])
        for i in range(k + 1):
            H[i, k] = Q[i] @ v
            v = v - H[i, k] * Q[i]
        length = v.norm()
        if k + 1 == dim or length < tol:
            break
        H[k + 1, k] = length
        Q[k + 1] = v / length
    return Q[:k], H[:k, :k].clone()


def unweighted(solution: Solution, points: Mapping[str, PointSet] | None = None) -> Stack:
    """The rows whose plain sum of squares is the published objective: no weights, no means; at the trained points."""
    sets = {key: s.weighted(None).to(solution.theta) for key, s in (points or solution.points).items()}
    readouts = {key: readout for key, readout in solution.model.readouts.items() if key in sets}
    if not readouts:
        known = ", ".join(solution.model.keys)
        raise ValueError(f"there are no residuals at the points {', '.join(sets)}: {solution.problem.name} has {known}")
    weights = {name: float(len(sets[key])) for key, readout in readouts.items() for name in readout.names}
    return Stack(solution.model, {key: sets[key] for key in readouts}, weights, readouts)


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
) -> Published:
    """The published inverse of the Hessian of sum_i sum_k r_k(x_i)^2 over the points; its notes say what it lacks.

    Raises:
        ValueError: points without residuals, or no eigenvalue above ``smallest``.
    """
    stack, theta = unweighted(solution, points), solution.theta
    first = _start(len(theta), start, seed, theta)
    V, kept, found = _ritz(lambda v: stack.hvp(theta, v), first, dim, tol, damping, keep, smallest)
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
    return Published(V, kept, damping, tuple(notes))


def published_scores(
    solution: Solution,
    test: At,
    train: At | None = None,
    *,
    of: str | Sequence[str] | None = None,
    through: str | Sequence[str] | None = None,
    curvature: Published | GradientDot | None = None,
) -> Tensor:
    """score_ij = g(x_i)^T H^-1 g(x_j) of test points i and training points j, shape (m, n); g of plain squares.

    ``of`` names the loss terms at the test points whose squares are added (all of them by default), or a field or its
    derivative, which is taken as it is; ``through`` names the loss terms at the training points. A point has the terms
    of its set; of others it has none, and scores of 0. Positive: the training point is helpful, removing it raises
    what is asked ``of`` (if that is a loss). Train: the solution's points by default.

    Raises:
        ValueError: a name that is neither a term nor a field's derivative.
    """
    right = {key: solution.points[key] for key in solution.model.keys} if train is None else _sets(train)
    curvature = curvature or published_curvature(solution, right)
    left = torch.cat(list(point_gradients(solution, test, of)))
    solved = curvature.solve(left.T) / 2  # H^-1 = C^-1 / 2
    return torch.cat([G @ solved for G in point_gradients(solution, right, _terms(solution, through))]).T


def point_gradients(solution: Solution, points: At, of: str | Sequence[str] | None = None) -> Iterator[Tensor]:
    """Blocks (b, P) of gradients, one row a point, of the sum of squared residuals of some terms or of a field."""
    terms = {name for readout in solution.model.readouts.values() for name in readout.names}
    for key, s in _sets(points).items():
        s = s.to(solution.theta)
        for start in range(0, len(s), CHUNK):
            block = s[start : start + CHUNK]
            if isinstance(of, str) and of not in terms:
                yield rows_of(solution, of, block).jacobian(solution.theta)
            else:
                yield _of_squares(solution, key, block, _terms(solution, of))


def _of_squares(solution: Solution, key: str, points: PointSet, terms: Sequence[str]) -> Tensor:
    out = solution.theta.new_zeros(len(points), len(solution.theta))
    if key in solution.model.readouts:
        rows = solution.model.rows({key: points})
        for numbers, r, J in rows.jacobian_blocks(solution.theta):
            if rows.terms[int(numbers[0]) // len(points)] in terms:
                out[numbers % len(points)] += 2 * r[:, None] * J
    return out


def _terms(solution: Solution, names: str | Sequence[str] | None) -> tuple[str, ...]:
    known = tuple(name for readout in solution.model.readouts.values() for name in readout.names)
    chosen = known if names is None else (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in known:
            raise ValueError(f"there is no loss term {name!r}: {solution.problem.name} has {', '.join(known)}")
    return chosen


def _sets(points: At) -> Mapping[str, PointSet]:
    if isinstance(points, Mapping):
        return points
    return {"pde": points if isinstance(points, PointSet) else PointSet(points)}
