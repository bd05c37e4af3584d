"""Training again without some points, to the last digit: the truth that influence is measured against."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pinnkit.model.curvature import DENSE, curvature
from pinnkit.model.gauss_newton import GaussNewton
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.points import Points
from pinnkit.tools.checked import NotNegative, checked
from pinnkit.tools.type_words import shown

from .chosen import distinct

RELATIVE, ABSOLUTE = 1e-10, 1e-12  # half gradient, against its start and by itself, at which training has converged
TIRED = 50  # products in one step from which the preconditioner is made anew

Apply = Callable[[Tensor], Tensor]  # v (P,) -> (P,)


@dataclass(frozen=True, eq=False)
class Proximal:
    """Q(theta) = sum_m a_m r_m^2 - 2 tilt . (theta - centre) + damping |theta - centre|^2.

    With the half gradient of the whole loss at the centre as ``tilt`` (P,), the centre is a stationary point of Q for
    the whole data, trained to the end or not: Q is then the loss's Bregman divergence from the centre, up to a
    constant (Bae et al. 2022), and what leaves the data is all that moves the minimum.
    """

    stack: Stack
    centre: Tensor
    tilt: Tensor
    damping: float

    def gradient(self, theta: Tensor, r: Tensor) -> Tensor:
        """Half the gradient of Q, for the rows' values r (M,) at theta."""
        return self.stack.vjp(theta, self.stack.row_weights * r) - self.tilt + self.damping * (theta - self.centre)

    def product(self, theta: Tensor, v: Tensor) -> Tensor:
        """Half the Hessian of Q times v."""
        return self.stack.hvp(theta, v) / 2 + self.damping * v

    def gradient_rounding(self, theta: Tensor) -> float:
        """By how much half the gradient differs where theta is off by its rounding, now up, now down."""
        signs = 1.0 - 2.0 * (torch.arange(len(theta), device=theta.device) % 2)
        return torch.finfo(theta.dtype).eps * float(self.product(theta, signs * theta).norm())

    def change(self, theta: Tensor, r: Tensor, step: Tensor, moved: Tensor) -> float:
        """Q(theta + step) - Q(theta) as a sum of small numbers, from the rows' values r and ``moved``."""
        a = self.stack.row_weights
        far = 2 * (theta - self.centre) + step
        return float((a * (moved - r)) @ (moved + r) + step @ (self.damping * far - 2 * self.tilt))


@checked
@dataclass(frozen=True, eq=False)
class Retrained:
    """The minimum theta (P,) of Q(theta), the tilted and damped loss without some points, and how it was reached.

    Args:
        theta: parameters (P,).
        gradient: half the gradient of Q at theta, (P,).
        start: norm of the first half gradient.
        steps: number of Newton steps.
        products: number of Hessian-vector products.
        rounding: change of half the gradient between the floating-point neighbours of theta.
        reason: why the search ended early. Default "": it did not.
    """

    theta: Tensor
    gradient: Tensor
    start: float
    steps: int
    products: int
    rounding: float
    reason: str = ""

    @property
    def converged(self) -> bool:
        """Whether the gradient is below 1e-10 of its start, 1e-12, or its own rounding errors."""
        return float(self.gradient.norm()) <= max(RELATIVE * self.start, ABSOLUTE, self.rounding)


def without(solution: Solution, removed: Mapping[str, Tensor], convention: str = "fixed") -> Stack:
    """The solution's rows with weight 0 at the removed points, which map point sets to point numbers.

    "fixed" leaves all other weights w / N alone, "mean" makes them w / (N - n).

    Raises:
        ValueError: an unknown convention, point set or point number, a number that comes twice, or a set of which
        nothing is left.
    """
    if convention not in ("fixed", "mean"):
        raise ValueError(f"convention={convention!r}: choose one of fixed, mean")
    sets = dict(solution.points)
    for key, numbers in removed.items():
        if key not in solution.stack.programs:
            raise ValueError(f"there is no point set {key!r} in the loss: it has {', '.join(solution.stack.programs)}")
        points = sets[key]
        kept = torch.ones_like(points.X[:, 0])
        kept[distinct(key, numbers, len(kept))] = 0.0
        if not bool(kept.any()):
            raise ValueError(f"no point of {key!r} would be left: remove fewer")
        scale = len(kept) / kept.sum() if convention == "mean" else 1.0
        own = 1.0 if points.weights is None else points.weights
        sets[key] = points.weighted(scale * kept * own)
    return Stack(solution.model, Points(sets), solution.weights)


@checked
def retrain(
    solution: Solution,
    removed: Mapping[str, Tensor],
    damping: NotNegative,
    *,
    convention: str = "fixed",
    precondition: Apply | None = None,
    start: Tensor | None = None,
) -> Retrained:
    """Minimise Q(theta): the loss without some points, tilted and damped so that theta* is the minimum with them.

    Args:
        solution: a trained solution, with parameters theta*.
        removed: numbers of points (or a mask) by point set.
        damping: a positive number, best that of the influence's curvature.
        convention: "fixed" or "mean", as in :class:`Influence`.
        precondition: the inverse of a positive definite matrix, (P,) -> (P,). It changes the time only. Default None.
        start: parameters (P,) to start from. They change the time only. Default None: theta*.

    Returns:
        The parameters, with the gradient that is left.

    Raises:
        ValueError: an unknown convention, set or number, a set of which no point is left, a damping that is not
            positive.

    Source:
        Bae et al., NeurIPS (2022) (proximal Bregman response).

    Example:
        >>> import pinnkit as pk
        >>> import torch
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 4, 1), 30, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> pk.retrain(u, {"pde": torch.tensor([0, 1])}, damping=0.1).converged
        True
    """
    if not damping > 0:
        raise ValueError(f"damping={damping}: give a positive number, best that of the influence's curvature")
    theta, whole = solution.theta, solution.stack
    tried = theta if precondition is None else precondition(torch.ones_like(theta))
    if not isinstance(tried, Tensor) or tried.shape != theta.shape or not tried.isfinite().all():
        raise ValueError(f"precondition gave {shown(tried)} for ones ({len(theta)},): expected as many finite numbers")
    tilt = whole.vjp(theta, whole.row_weights * whole.values(theta))
    objective = Proximal(without(solution, removed, convention), theta, tilt, damping)
    return minimise(objective, theta if start is None else start, precondition)


def minimise(
    objective: Proximal, start: Tensor, precondition: Apply | None = None, steps: int = 100
) -> Retrained:  # fmt: skip
    """A local minimum of Q by Newton's method in a trust region, its steps by truncated conjugate gradients.

    Steps follow directions of negative curvature to the region's edge (Steihaug 1983); the region is a ball in the
    preconditioner's norm. Where the change of Q drowns in rounding, the gradient decides whether a step is good.
    """
    theta, failures, radius, products = start.clone(), 0, math.inf, 0
    precondition = precondition or _gauss_newton(objective, theta)
    r = objective.stack.values(theta)
    g, rounding = objective.gradient(theta, r), objective.gradient_rounding(theta)
    first = float(g.norm())
    end = max(RELATIVE * first, ABSOLUTE, rounding)
    for k in range(steps):
        if float(g.norm()) <= end:
            return Retrained(theta, g, first, k, products, rounding)
        size = _norm(g, precondition)
        radius = 100 * size if math.isinf(radius) else radius
        tolerance = min(0.1, float(g.norm()) / first)
        found = steihaug(partial(objective.product, theta), g, precondition, tolerance, radius)
        products += found.products
        moved = objective.stack.values(theta + found.step)
        slope = objective.gradient(theta + found.step, moved)
        if found.promise < _rounding(objective, r):
            ratio = 1.0 if _norm(slope, precondition) < size else 0.0
        else:
            ratio = -objective.change(theta, r, found.step, moved) / found.promise
        if ratio > 1e-4:
            theta, r, g, failures = theta + found.step, moved, slope, 0
            radius = max(radius, 3 * found.length) if ratio > 0.75 else radius if ratio > 0.25 else found.length / 2
            if found.products > TIRED:
                precondition, radius = _gauss_newton(objective, theta), math.inf
        else:
            radius, failures = found.length / 4, failures + 1
            if failures > 8:
                return Retrained(theta, g, first, k + 1, products, rounding, "no step lowers the gradient further")
    return Retrained(theta, g, first, steps, products, rounding, f"not converged in {steps} Newton steps")


def _rounding(objective: Proximal, r: Tensor) -> float:
    """The change of Q below which rounding errors of the rows' values may hide it."""
    a = objective.stack.row_weights
    return 1e2 * torch.finfo(r.dtype).eps * float((a * r.abs()).sum() * (1 + r.abs().max()))


def _norm(g: Tensor, precondition: Apply) -> float:
    return math.sqrt(max(float(g @ precondition(g)), 0.0))


def _gauss_newton(objective: Proximal, theta: Tensor) -> Apply:
    """The damped Gauss-Newton inverse at theta."""
    stack = objective.stack
    if len(theta) <= min(stack.rows, DENSE):
        return GaussNewton.of(stack, theta).factor(objective.damping).solve
    return curvature(stack, theta, "gauss-newton", objective.damping).solve


@dataclass(frozen=True, eq=False)
class TrustStep:
    """A step (P,), its length in the preconditioner's norm, the decrease of Q it promises, the products it took."""

    step: Tensor
    length: float
    promise: float
    products: int


def steihaug(
    product: Apply, g: Tensor, precondition: Apply, tolerance: float, radius: float, most: int = 1000
) -> TrustStep:
    """Nearly the minimum of 2 g.s + s.C s for |s| <= radius, by preconditioned conjugate gradients (Steihaug 1983)."""
    s, r, Cs, products = torch.zeros_like(g), g.clone(), torch.zeros_like(g), 0
    z = precondition(r)
    p, rz = -z, float(r @ z)
    start, ss, sp, pp = rz, 0.0, 0.0, rz  # inner products in the preconditioner's norm
    while products < most:
        q, products = product(p), products + 1
        bend = float(p @ q)
        alpha = rz / bend if bend > 0 else math.inf
        edge = bend <= 0 or ss + 2 * alpha * sp + alpha**2 * pp >= radius**2
        if edge:
            alpha = (-sp + math.sqrt(max(sp**2 + pp * (radius**2 - ss), 0.0))) / pp
        s, Cs, r = s + alpha * p, Cs + alpha * q, r + alpha * q
        ss, sp = ss + 2 * alpha * sp + alpha**2 * pp, sp + alpha * pp
        z = precondition(r)
        rz, old = float(r @ z), rz
        if edge or rz <= tolerance**2 * start:
            break
        beta = rz / old
        p = -z + beta * p
        sp, pp = beta * sp, rz + beta**2 * pp
    return TrustStep(s, math.sqrt(max(ss, 0.0)), -float(2 * g @ s + s @ Cs), products)
