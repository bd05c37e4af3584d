"""Scores that say how much a candidate point would matter: functions (solution, point set, candidates) -> (n,)."""

from collections.abc import Callable

from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution

from .gauss_newton_step import PredictedError, ReducibleResidual, TestLossInfluence
from .gradient import GradientDot, LossGradient, OutputGradient
from .leverage import ErrorWeighted, Leverage, SelfInfluence
from .pinnfluence import PublishedInfluence

Score = Callable[[Solution, str, PointSet], Tensor]  # (solution, point set, n candidates) -> (n,), higher is chosen
SCORES: dict[str, Score] = {
    "reducible": ReducibleResidual(),
    "predicted-error": PredictedError(),
    "test-loss": TestLossInfluence(),
    "self-influence": SelfInfluence(),
    "leverage": Leverage(),
    "error-weighted": ErrorWeighted(),
    "published-influence": PublishedInfluence(),
    "gradient-dot": GradientDot(),
    "loss-gradient": LossGradient(),
    "output-gradient": OutputGradient(),
}  # by the name that the command line knows, with their usual settings

__all__ = [
    "SCORES", "ErrorWeighted", "GradientDot", "Leverage", "LossGradient", "OutputGradient", "PredictedError",
    "PublishedInfluence", "ReducibleResidual", "SelfInfluence", "TestLossInfluence",
]  # fmt: skip
