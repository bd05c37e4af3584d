"""Callbacks that end a run: where it is good enough, where its time is up, where it gets no better."""

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.checked import Count, NotNegative, Positive, Within, checked

from .callbacks import Callback


@checked
@dataclass(frozen=True)
class StopAt(Callback):
    """A callback that ends a run at the first row of its history that is good enough, or late enough.

    Args:
        error: end where max_u |u - u*| / |u*| in L2, over the fields that the reference holds, is at most this. Default
            None: never.
        residual: end where the root of the loss on fresh points is at most this. Default None: never.
        wall_s: end after these seconds of wall time, those before a resume included. Default None: never.

    Raises:
        ValueError: nothing to stop at, or, in a run, an error without a reference.

    Example:
        >>> import pinnkit as pk
        >>> stages, callbacks = [pk.LevenbergMarquardt(100)], [pk.StopAt(error=1e-2)]
        >>> settings = dict(stages=stages, callbacks=callbacks, log_every=1, progress=False)
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, **settings)
        >>> u.stops[-1]
        'stopped by StopAt: the error ... is at most 0.01 (iteration ...)'
    """

    error: Positive | None = None
    residual: Positive | None = None
    wall_s: NotNegative | None = None

    def __post_init__(self) -> None:
        if self.error is None and self.residual is None and self.wall_s is None:
            raise ValueError("StopAt: give an error, a residual or wall_s to stop at")

    @override
    def on_start(self, solution: Solution) -> None:
        """Refuse to wait for an error that nobody can measure.

        Args:
            solution: the solution to begin with.

        Raises:
            ValueError: there is no reference.
        """
        if self.error is not None and solution.problem.reference is None:
            name = solution.problem.name
            raise ValueError(f"StopAt: {name} has no reference, so no error is known: stop at a residual")

    @override
    def on_log(self, solution: Solution) -> None:
        """End the run where a limit is reached.

        Args:
            solution: the solution so far.

        Raises:
            StopIteration: a limit is reached.
        """
        row = solution.history.row(-1)
        error = max((v for k, v in row.items() if k.startswith("error:")), default=np.inf)
        found = {"error": error, "residual": row["validation"] ** 0.5}
        for name, value in found.items():
            limit = getattr(self, name)
            if limit is not None and value <= limit:
                raise StopIteration(f"the {name} {value:.2e} is at most {limit:g}")
        if self.wall_s is not None and row["wall_s"] >= self.wall_s:
            raise StopIteration(f"{self.wall_s:g} s have passed")


@checked
@dataclass(frozen=True)
class Patience(Callback):
    """A callback that ends a run whose loss on fresh points has not fallen to a part of its best for some rows.

    Args:
        rows: rows of the history (one in ``log_every`` iterations) to wait. Only those of the present stage count.
            Default 10.
        factor: the part of the best loss that counts as progress. Default 0.9.

    Example:
        >>> import pinnkit as pk
        >>> settings = dict(stages=[pk.Adam(1000, lr=0.3)], log_every=5, progress=False)
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, callbacks=[pk.Patience(5)], **settings)
        >>> u.progress.total < 1000
        True
    """

    rows: Count = 10
    factor: Within = 0.9

    @override
    def on_log(self, solution: Solution) -> None:
        """End the run where it has made no progress for too long.

        Args:
            solution: the solution so far.

        Raises:
            StopIteration: the best loss is old.
        """
        history = solution.history
        best, since = np.inf, 0
        for loss in history["validation"][history["stage"] == history["stage"][-1]]:
            best, since = (loss, 0) if loss < self.factor * best else (best, since + 1)
        if since >= self.rows:
            raise StopIteration(f"the loss on fresh points has made no progress from {best:.2e} for {since} rows")
