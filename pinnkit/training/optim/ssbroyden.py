"""Dense quasi-Newton methods: the self-scaled Broyden update (Al-Baali; Urban, Stefanou, Pons 2024) and BFGS."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.tools.checked import NotNegative, Vector, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.serialise import register

from .quasi_newton import EVALUATED, Descent, descend, evaluated, first_step
from .stage import Objective, Optimiser, State, Step, drop
from .state_layout import Layout, array, count, number

_DELAY = 8  # updates kept as a low-rank sum before they are added into H: one pass over H instead of eight

LAYOUT = Layout({
    "H": array("P", "P"), "scale": number(), "U": array("P", 2 * _DELAY), "M": array(2 * _DELAY, 2 * _DELAY),
    "used": count(_DELAY - 1), "steps": count(), "resets": count(), "Hg": array("P", needed=False), **EVALUATED,
})  # fmt: skip
HELD = LAYOUT.rule


@register
@checked
@dataclass(frozen=True)
class SSBroyden(Optimiser[Objective]):
    """Quasi-Newton steps theta <- theta - alpha H g, with a dense, self-scaled Broyden update of H (P, P).

    It converges far below the loss where first-order methods stall. The memory is P^2 numbers, so it serves P up to
    about 10^4. H stays when the points change, since it describes the curvature of the loss; where it gives no descent
    it is reset and theta stays.

    Args:
        iterations: the largest number of steps.
        tolerance: the stage ends when the largest entry of the gradient is below it.
        scaled: True: self-scaled Broyden. False: plain BFGS.

    Source:
        Al-Baali, Khalfan (2012); Urbán, Stefanou, Pons, J. Comput. Phys. 523 (2025).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.SSBroyden(50)], progress=False)
        >>> bool(u.history["validation"][-1] < 10.0)
        True
    """

    layout = LAYOUT
    iterations: Whole = 2000
    tolerance: NotNegative = 1e-14
    scaled: bool = True

    @override
    def check_memory(self, theta: Vector) -> None:
        P = len(theta)
        afford(
            theta.element_size() * P * (P + 4 * _DELAY), f"the inverse Hessian of SSBroyden for {P} parameters",
            "use LBFGS or SOAP, or a smaller network", theta.device,
        )  # fmt: skip

    @override
    def start(self, theta: Vector, objective: Objective | None) -> State:
        self.check_memory(theta)
        P = len(theta)
        return {
            "H": torch.eye(P, dtype=theta.dtype, device=theta.device),
            "scale": 1.0, "U": theta.new_zeros(P, 2 * _DELAY), "M": theta.new_zeros(2 * _DELAY, 2 * _DELAY),
            "used": 0, "steps": 0, "resets": 0,
        }  # fmt: skip

    @override
    def renew(self, state: Annotated[Mapping[str, Any], HELD]) -> State:
        return drop(state, "losses", "gradient", "gain", "Hg")

    @override
    def step(self, theta: Vector, state: Annotated[State, HELD], objective: Objective) -> tuple[Tensor, State, Step]:
        state = evaluated(state, theta, objective)
        Hg = state["Hg"] if "Hg" in state else multiply(state, state["gradient"])
        first = first_step(state, Hg, state["steps"] > 0)
        found = descend(theta, state, objective, Hg, self.tolerance, first)
        if found.s is not None:
            return found.theta, self._learn(state, found, Hg), Step(found.losses)
        if found.misled and state["steps"]:
            return theta, self._forget(state), Step(found.losses)
        return theta, state, Step(found.losses, found.stop)

    def _forget(self, state: State) -> State:
        """H = I again: ``steps`` counts from there, so that a second failure in a row is the end."""
        fresh = self.start(state["gradient"], None) | {"resets": state["resets"] + 1}
        return fresh | {"losses": state["losses"], "gradient": state["gradient"]}

    def _learn(self, state: State, found: Descent, Hg: Tensor) -> State:
        """The state after a step, H updated where the step has seen a positive curvature."""
        values = found.values | {"steps": state["steps"] + 1}
        s, y = found.s, found.y
        if s is None or y is None or not found.curved:
            return drop(state, "Hg") | values
        old = found.gradient - y
        sy, sBs = float(s @ y), -found.alpha * float(s @ old)
        if state["steps"] == 0:  # scale the first H = I to the curvature just seen (Nocedal, Wright, eq. 6.20)
            state = state | {"scale": sy / float(y @ y)}
            Hg, sBs = multiply(state, old), sBs / state["scale"]
        Hy = multiply(state, y)
        yHy = float(y @ Hy)
        if not (yHy > 0 and sBs > 0):
            return self._forget(state | values)
        tau, phi = coefficients(sBs / sy, yHy / sy, len(s)) if self.scaled else (1.0, 1.0)
        Hg = Hy + Hg  # H g+ = H y + H g
        state, Hg = _rank_two(state, s, Hy, sy, yHy, tau, phi, found.gradient, Hg)
        return state | values | {"Hg": Hg}


def multiply(state: Mapping[str, Any], v: Tensor) -> Tensor:
    """(scale H + U M U^T) v."""
    out = state["scale"] * (state["H"] @ v)
    k = 2 * state["used"]
    if k:
        U = state["U"][:, :k]
        out = out + U @ (state["M"][:k, :k] @ (U.T @ v))
    return out


def coefficients(b: float, h: float, n: int) -> tuple[float, float]:
    """tau and phi of the self-scaled update from b = s.B s/(s.y), h = y.H y/(s.y)."""
    a = b * h - 1
    if not (a > 1e-12 and math.isfinite(a)):
        return min(1.0, 1 / b) if b > 0 else 1.0, 1.0
    c = math.sqrt(a / (a + 1))
    rho_minus = min(1.0, h * (1 - c))
    theta = max((rho_minus - 1) / a, min(1 / rho_minus, (1 - b) / b))
    sigma = 1 + a * theta
    rho = min(1.0, 1 / b)
    s1 = abs(sigma) ** (-1 / (n - 1)) if n > 1 else 1.0
    tau = rho * min(s1, sigma) if theta <= 0 else rho * min(s1, 1 / theta)
    phi = (1 - theta) / sigma
    return (tau, phi) if tau > 0 and math.isfinite(tau) and math.isfinite(phi) else (1.0, 1.0)


def _rank_two(
    state: State, s: Tensor, Hy: Tensor, sy: float, yHy: float, tau: float, phi: float, g: Tensor, Hg: Tensor
) -> tuple[State, Tensor]:
    """H+ = (H - Hy Hy^T/yHy + phi yHy v v^T)/tau + s s^T/sy with v = s/sy - Hy/yHy, and H+ g."""
    core = s.new_tensor([
        [phi * yHy / sy**2 / tau + 1 / sy, -phi / sy / tau],
        [-phi / sy / tau, (phi - 1) / yHy / tau],
    ])  # fmt: skip
    pair = torch.stack([s, Hy], 1)
    Hg_new = Hg / tau + pair @ (core @ (pair.T @ g))
    U, M, used = state["U"], state["M"], state["used"]  # written in place: the state belongs to this run alone
    k = 2 * used
    M[:k, :k] /= tau
    U[:, k : k + 2] = pair
    M[k : k + 2, k : k + 2] = core
    state = state | {"scale": state["scale"] / tau, "U": U, "M": M, "used": used + 1}
    if used + 1 < _DELAY:
        return state, Hg_new
    state = _flush(state)
    return state, multiply(state, g)  # afresh, so that rounding does not gather in H g


def _flush(state: State) -> State:
    """Add the delayed updates into H."""
    H = torch.addmm(state["H"], state["U"] @ state["M"], state["U"].T, beta=state["scale"], out=state["H"])
    return state | {"H": H, "scale": 1.0, "used": 0, "M": torch.zeros_like(state["M"])}
