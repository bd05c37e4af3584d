"""Levenberg-Marquardt on the weighted rows: J^T J or its dual J J^T, whichever is smaller."""

import math
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.tools.checked import NotNegative, Positive, Vector, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.serialise import register

from .stage import Optimiser, State, Step
from .state_layout import Layout, number


class LeastSquares(Protocol):
    """An objective sum_m a_m r_m^2 with its rows."""

    rows: int
    row_weights: Tensor

    def losses(self, theta: Tensor) -> Tensor:
        """Losses by term."""

    def values(self, theta: Tensor) -> Tensor:
        """r, shape (M,)."""

    def jacobian(self, theta: Tensor) -> Tensor:
        """J, shape (M, P)."""

    def normal(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """J^T A J and J^T A r."""


LAYOUT = Layout({"damping": number(), "grow": number()})
HELD = LAYOUT.rule


@register
@checked
@dataclass(frozen=True)
class LevenbergMarquardt(Optimiser[LeastSquares]):
    """Damped Gauss-Newton steps: (J^T A J + mu D) delta = -J^T A r, with the damping mu adapted to the gain.

    The damping falls at least as fast as |r| in good steps, so convergence to a vanishing residual is quadratic.
    A step is an accepted one: rejected trials raise the damping until the loss falls.

    Args:
        iterations: the largest number of accepted steps.
        damping: first mu, relative to the largest diagonal entry of J^T A J.
        tolerance: the stage ends when the largest entry of the gradient is below it.

    Source:
        Nielsen, IMM-REP-1999-05 (1999); Fan, Yuan, Computing 74 (2005).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> bool(u.history["loss"][-1] < 1.0)
        True
    """

    layout = LAYOUT
    iterations: Whole = 200
    damping: Positive = 1e-3
    tolerance: NotNegative = 1e-14

    @override
    def start(self, theta: Vector, objective: LeastSquares | None) -> State:
        return {"damping": math.nan, "grow": 2.0}

    @override
    def step(self, theta: Vector, state: Annotated[State, HELD], objective: LeastSquares) -> tuple[Tensor, State, Step]:
        losses = objective.losses(theta)
        loss = float(losses.sum())
        if not math.isfinite(loss):
            return theta, state, Step(losses, "the loss is not finite at the start")
        system = _Primal(objective, theta) if len(theta) <= objective.rows else _Dual(objective, theta)
        if not bool(torch.isfinite(system.right).all()):
            return theta, state, Step(losses, "the gradient is not finite")
        if 2 * float(system.right.abs().max()) <= self.tolerance:
            return theta, state, Step(losses, f"converged: the gradient's largest entry is below {self.tolerance:.0e}")
        damping, grow = state["damping"], state["grow"]
        if not math.isfinite(damping):
            damping = self.damping * system.largest
        least = torch.finfo(theta.dtype).eps * loss
        reason = "converged: no step lowers the loss by more than its rounding"
        for _ in range(40):
            delta, predicted = system.solve(damping)
            if 0 < predicted <= least:
                break
            trial = objective.losses(theta + delta)
            gain = (loss - float(trial.sum())) / predicted if predicted > 0 else -1.0
            if math.isfinite(gain) and gain > 0:
                damping *= _relief(gain, float(trial.sum()) / loss)
                return theta + delta, {"damping": damping, "grow": 2.0}, Step(trial)
            if predicted > 1e3 * least:
                reason = "no damping makes the loss fall"
            damping, grow = damping * grow, min(2 * grow, 1e3)
        return theta, {"damping": damping, "grow": grow}, Step(losses, reason)


def _relief(gain: float, ratio: float) -> float:
    """By how much the damping changes after a step that brought ``gain`` of what it promised, and loss * ratio."""
    factor = max(1 / 3, 1 - (2 * gain - 1) ** 3)
    return min(factor, math.sqrt(ratio)) if gain > 0.5 else factor


def _claim(theta: Tensor, numbers: int, what: str) -> None:
    afford(theta.element_size() * numbers, what, "use LBFGS or SOAP, a smaller network or fewer points", theta.device)


class _Primal:
    """(J^T A J + damping I) delta = -J^T A r, P x P."""

    def __init__(self, objective: LeastSquares, theta: Tensor) -> None:
        P = len(theta)
        _claim(theta, 3 * P * P, f"the {P} x {P} matrix of LevenbergMarquardt")
        self.matrix, self.right = objective.normal(theta)
        self.largest = float(self.matrix.diagonal().max())

    def solve(self, damping: float) -> tuple[Tensor, float]:
        """The step and the decrease of the loss that the linear model predicts."""
        damped = self.matrix.clone()
        damped.diagonal().add_(damping)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if int(failed):
            return torch.zeros_like(self.right), 0.0
        delta = -torch.cholesky_solve(self.right[:, None], factor)[:, 0]
        return delta, float(damping * delta @ delta - self.right @ delta)


class _Dual:
    """delta = -J_w^T (J_w J_w^T + damping I)^-1 r_w with J_w = A^1/2 J, M x M."""

    def __init__(self, objective: LeastSquares, theta: Tensor) -> None:
        M, P = objective.rows, len(theta)
        _claim(theta, 2 * M * P + 3 * M * M, f"the {M} x {P} Jacobian of LevenbergMarquardt")
        root = objective.row_weights.sqrt()
        self.J, self.r = root[:, None] * objective.jacobian(theta), root * objective.values(theta)
        self.right = self.J.T @ self.r
        self.gram = self.J @ self.J.T
        self.largest = float((self.J * self.J).sum(0).max())

    def solve(self, damping: float) -> tuple[Tensor, float]:
        """The step and the decrease of the loss that the linear model predicts."""
        damped = self.gram.clone()
        damped.diagonal().add_(damping)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if int(failed):
            return self.J.new_zeros(self.J.shape[1]), 0.0
        delta = -self.J.T @ torch.cholesky_solve(self.r[:, None], factor)[:, 0]
        return delta, float(damping * delta @ delta - self.right @ delta)
