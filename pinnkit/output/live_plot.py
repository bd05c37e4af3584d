"""A callback that draws a run's history in a notebook while it runs."""

from matplotlib.figure import Figure
from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked
from pinnkit.tools.optional import optional
from pinnkit.training.callbacks import Callback

from .plot import plot_history


@checked
class LivePlot(Callback):
    """A callback that draws losses and errors in a notebook, and draws them anew at every row of the history.

    Raises:
        ImportError: in a run, IPython is not installed.

    Example:
        >>> import pinnkit as pk
        >>> stages, live = [pk.Adam(200)], pk.LivePlot()
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), stages=stages, callbacks=[live])  # doctest: +SKIP
    """

    @override
    def on_start(self, solution: Solution) -> None:
        """Show the history so far.

        Args:
            solution: the solution to begin with.
        """
        display = optional("IPython.display", "notebook", "LivePlot").display
        self._shown = display(_figure(solution), display_id=True)

    @override
    def on_log(self, solution: Solution) -> None:
        """Draw it anew.

        Args:
            solution: the solution so far.
        """
        if self._shown is not None:  # outside notebooks nothing can be drawn anew
            self._shown.update(_figure(solution))


def _figure(solution: Solution) -> Figure:
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    plot_history(solution, figure.subplots())
    return figure
