"""Stages of one step that put another model in the place of the one that is trained: Correct and Restart."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.error.correction import corrected
from pinnkit.error.error_map import ErrorMap
from pinnkit.error.estimator import error_map
from pinnkit.error.linear_step import MOST, drawn, left_by_a_step
from pinnkit.error.tangent_space import TangentSpace
from pinnkit.error.verdict import REACH, ErrorParts
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.statement.points import Points, sample
from pinnkit.tools.checked import Count, Positive, checked
from pinnkit.tools.serialise import register

from .optim import Objective, State

FAR = 30  # times the tolerance: where a correction leaves more than that, its result is not measured once more
LARGE = 0.1  # relative error, beyond which a map says little of what is left after a correction
RIDGES = (1e-12, 1e-9, 1e-6, 1e-4)  # dampings that a screen tries
LITTLE = 0.25  # of its mean |residual|: where a linear step leaves more than that, a screen says so
SCREEN = 31_337  # added to the seed of its points
TIMES = 3  # corrections one after the other, at most


class Judged(NamedTuple):
    """A solution, what was done, and its relative error as estimated: (0, error), or (1, error) if distrusted."""

    solution: Solution
    said: str
    error: tuple[int, float] | None = None


class Remodel(ABC):
    """A stage that gives a solution with another model; one step."""

    @property
    def iterations(self) -> int:
        """One step."""
        return 1

    @abstractmethod
    def apply(self, solution: Solution, seed: int) -> Judged:
        """The solution with its new model.

        Args:
            solution: the solution so far.
            seed: the seed of the run.

        Returns:
            The solution, what was done, and how it was judged.

        Raises:
            ValueError: what the correction or the new network refuses.
        """

    def start(self, theta: Tensor, objective: Objective) -> State:
        """The state before the first step: none is needed.

        Args:
            theta: parameters (P,).
            objective: the loss.

        Returns:
            An empty state.
        """
        del theta, objective
        return {}

    def renew(self, state: Mapping[str, Any]) -> State:
        """The state, which is empty, after the points have changed.

        Args:
            state: the state of this stage.

        Returns:
            The same.
        """
        return dict(state)

    def step(self, theta: Tensor, state: State, objective: Objective) -> NoReturn:
        """Nothing: such a stage changes the model, which parameters alone do not hold.

        Args:
            theta: parameters (P,).
            state: the state of this stage.
            objective: the loss.

        Raises:
            TypeError: always; :func:`solve` calls ``apply``.
        """
        del theta, state, objective
        raise TypeError(f"{type(self).__name__} changes the model: it runs as a stage of pinnkit.solve")


@register
@checked
@dataclass(frozen=True)
class Correct(Remodel):
    """u <- u + J_u delta, the correction of :func:`correct`, as a stage.

    With a tolerance it is repeated while it helps, then judged by an error map on other points: the run ends where the
    upper end of a trusted estimate is below the tolerance, and the best model that was judged comes back.

    Args:
        tolerance: the relative L2 error of every field at which the run may end. Default None: one correction, and no
            judgement.
        screen: True: a model of which one cheap linear step leaves more than a quarter of the residual is neither
            corrected nor judged. Default False.

    Example:
        >>> import pinnkit as pk
        >>> stages = [pk.Adam(100), pk.SSBroyden(100), pk.Correct()]
        >>> u = pk.solve(pk.problem("diffusion"), pk.MLP(2, 12, 1), 300, stages=stages, progress=False)
        >>> type(u.network).__name__
        'Linearised'
    """

    tolerance: Positive | None = None
    screen: bool = False

    @override
    def apply(self, solution: Solution, seed: int) -> Judged:
        try:
            return self._judged(solution, seed)
        except (ValueError, MemoryError) as error:  # what was trained is not lost with its correction
            return Judged(solution, f"not corrected: {error}")

    def _judged(self, solution: Solution, seed: int) -> Judged:
        if self.screen:
            fitted, fresh = drawn(solution.model, min(len(solution.theta), MOST), seed + SCREEN)
            own = solution.points.to(torch.float64, solution.theta.device)  # lie where the residual was large
            fitted = Points({key: new.join(own[key]) if key in own else new for key, new in fitted.items()})
            before, after = left_by_a_step(TangentSpace(solution), fitted, fresh, RIDGES, seed)
            if not after <= LITTLE * before:
                return Judged(
                    solution, "not corrected: in its tangent space the mean |residual| on fresh points would only go "
                    f"from {before:.1e} to {after:.1e}",
                )  # fmt: skip
        if self.tolerance is None:
            return Judged(*corrected(solution, seed=seed))
        found, said = error_map(solution, seed=seed, thorough=True), ""
        for _ in range(TIMES):
            better, said = corrected(solution, found, seed)
            if better is solution:
                break
            solution = better
            left = max(_after(ErrorParts(**parts)) for parts in found.parts.values())
            if left > FAR * self.tolerance:
                return Judged(solution, said, (int(not found.trusted or left > LARGE), left))
            found = error_map(solution, seed=seed + 1, thorough=True)
            if _size(found) <= (0, self.tolerance):
                break
        size = _size(found)
        return Judged(solution, f"{said}; estimated error {size[1]:.1e}", size)


def _after(parts: ErrorParts) -> float:
    """The relative error that a corrected field may have, as the map says from which it was corrected."""
    return REACH * parts.unseen + parts.blind


def _size(found: ErrorMap) -> tuple[int, float]:
    """Whether a map distrusts its solution, and the upper end of its interval, or where there is none, the estimate."""
    if found.trusted:
        return 0, max(high for _, high in found.interval.values())
    return 1, max(found.relative_l2.values())


@register
@checked
@dataclass(frozen=True)
class Restart(Remodel):
    """theta <- new initial parameters of another network, at new points.

    Args:
        network: the network to go on with.
        points: numbers of points by set. Default None: the points stay.
        method: how points are drawn, as in :func:`sample`. Default "sobol".

    Example:
        >>> import pinnkit as pk
        >>> stages = [pk.Adam(10), pk.Restart(pk.MLP(2, 12, 1)), pk.Adam(10)]
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=stages, progress=False)
        >>> u.network.sizes
        (2, 12, 1)
    """

    network: Network
    points: Mapping[str, Count] | None = None
    method: str = "sobol"

    @override
    def apply(self, solution: Solution, seed: int) -> Judged:
        model = replace(solution.model, network=self.network, satisfied=frozenset())
        theta = model.initial(seed, solution.theta.dtype).to(solution.theta.device)
        points = solution.points
        if self.points is not None:
            drawn = sample(model.problem, dict(self.points), method=self.method, seed=seed)
            points = type(points)({key: drawn[key].to(theta) for key in model.keys if key in drawn})
        found = replace(solution, model=model, theta=theta, points=points)
        return Judged(found, f"restarted with {len(theta)} parameters")
