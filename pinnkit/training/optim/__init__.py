"""Optimisers, one a file: each is a stage of :func:`pinnkit.solve`."""

from .adam import Adam
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .soap import SOAP
from .ssbroyden import SSBroyden
from .stage import Objective, Optimiser, Stage, State, Step
from .torch_optimizer import Torch

STAGES: dict[str, type] = {c.__name__: c for c in (Adam, LBFGS, LevenbergMarquardt, SOAP, SSBroyden, Torch)}

__all__ = [
    "LBFGS", "SOAP", "STAGES", "Adam", "LevenbergMarquardt", "Objective", "Optimiser", "SSBroyden", "Stage",
    "State", "Step", "Torch",
]  # fmt: skip
