"""The numbers by which an error map is searched: points, columns, and when there is enough of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What the estimator of errors is tuned by; its accuracy was measured with the defaults.

    Columns, rows and points:

    - ``columns``, ``all_columns``: parameters that the least-squares problem has, usual and thorough; of more a random
      part is used.
    - ``first``, ``more``, ``last``: rows for every column in the first draw, in every other one, in all.
    - ``candidates``, ``choose``, ``check``: points to draw from, to choose the damping on, to judge on.
    - ``nodes``: nodes of the solution's grid, on which the effect of the damping is seen, at most.
    - ``even``: the chance of a point where the residual vanishes, over the mean one.

    When rounds end:

    - ``enough``: error of the estimate at which no more rows are drawn; at once if a tenth of it.
    - ``stuck``, ``little``: rounds end where one leaves more than this share of that error before it (``little``, of
      the residual left, in a thorough map).
    - ``nonlinear``: share of the residual left that linearising missed, from which the problem is linearised anew.

    The second look, and whether the solution is determined:

    - ``least``, ``look``: interior points of the second look, at least, and its columns, at most.
    - ``spread``, ``bent``: the largest amplification over the least, from which a step along the blind direction is
      tried, and the same for equations that are not linear, where a steep layer may move unnoticed.
    - ``step``: its size, relative to u.
    - ``stays``: share of the step that a correction leaves, from which u is not determined.
    - ``lost``: of a change, what it leaves of u beyond that is rounding, or its square.
    - ``probes``, ``level``: points at which the noise of readings is looked at, and the level of one sigma.
    """

    columns: int = 1500
    all_columns: int = 4500
    first: int = 3
    more: int = 1
    last: int = 8
    candidates: int = 12_000
    choose: int = 2000
    check: int = 8000
    nodes: int = 4000
    even: float = 0.2
    enough: float = 0.02
    stuck: float = 0.7
    little: float = 0.85
    nonlinear: float = 0.3
    least: int = 200
    look: int = 400
    spread: float = 300.0
    bent: float = 20.0
    step: float = 0.005
    stays: float = 0.1
    lost: float = 1e-4
    probes: int = 48
    level: float = 0.6827


USUAL = Settings()
