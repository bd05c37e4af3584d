"""The misfit of a superposition's data where its fit has not looked."""

from collections.abc import Mapping

import numpy as np

from pinnkit.statement.problem import Problem

from .boundary_rows import rows
from .superposition import Superposition

POINTS = 22  # Gauss points in a panel, other ones than those of a fit, which has fewer
FINER = 1.3  # panels to those of the fit, where not the data ask for them


def misfit(
    problem: Problem,
    network: Superposition,
    amplitudes: np.ndarray,
    weights: Mapping[str, float],
    waves: Mapping[str, float],
    cuts: np.ndarray,
) -> float:
    """|data - superposition| / |data| in the weighted L2 norm of the conditions, by another and finer quadrature.

    The points gather where those of the fit do. Observations are where they are. Infinite where it is not a number.
    """
    fresh = rows(problem, weights, {name: FINER * v for name, v in waves.items()}, cuts, POINTS)
    left, size = fresh.target.copy(), np.linalg.norm(fresh.target)
    with np.errstate(all="ignore"):
        for family, numbers, theta in network.groups():
            left -= fresh.columns(family, theta) @ amplitudes[numbers]
        found = float(np.linalg.norm(left) / size)
    return found if np.isfinite(found) else np.inf
