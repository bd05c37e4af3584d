"""The picture of a training run."""

import numpy as np
from matplotlib.axes import Axes

from pinnkit.model.march import March
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.network.mlp import MLP
from pinnkit.training.optim import Stage
from pinnkit.training.remodel import Correct, Restart

from .colours import BLUE, GREEN, ORANGE, RED, SKY
from .image import new_axes

HARDLY = 0.1  # of all iterations: a network of a climb that is trained less has no room for its name


def plot_history(solution: Solution | March, ax: Axes | None = None) -> Axes:
    """Loss, loss on fresh points and errors over the iterations, on a logarithmic scale.

    Dashed lines mark new stages, ticks below new points, dots corrected models. The stages of the last call of
    :func:`solve` are named, or the windows of a march, or the networks of a climb.

    Args:
        solution: a solution, or a march.
        ax: the axes to draw on. Default None: new ones.

    Returns:
        The axes, with the legend below them.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> [text.get_text() for text in pk.plot.plot_history(u).texts]
        ['Adam']
    """
    ax, history = new_axes(ax), solution.history
    ax.set(xlabel="iteration", title="training")
    if not len(history):
        ax.set_title("no history: the solution was not trained")
        return ax
    iterations, corrected = history["iteration"], _corrected(solution)
    ax.plot(iterations, history["loss"], color=BLUE, lw=1.2, label="loss, training points")
    ax.plot(iterations, history["validation"], color=SKY, lw=1.2, label="loss, fresh points")
    for name, colour in zip(solution.problem.outputs, (RED, ORANGE, GREEN) * 9, strict=False):
        if f"error:{name}" in history:
            error = history[f"error:{name}"]
            ax.plot(iterations, error, color=colour, lw=1.6, label=f"relative L2 error of {name}")
            if corrected.any():
                label = f"relative L2 error of {name}, corrected"
                ax.plot(iterations[corrected], error[corrected], "o", color=colour, ms=4, label=label)
    ax.set_yscale("log")
    _mark_stages(ax, solution)
    ax.grid(axis="y", color="0.9", lw=0.6)
    ax.set_axisbelow(True)
    ax.legend(  # below the ticks and their label
        frameon=False, fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=4.2
    )
    return ax


def _mark_stages(ax: Axes, solution: Solution | March) -> None:
    """Lines where stages begin, the names of the last call's stages or of a march's windows, ticks at new points."""
    stage, turn, iterations = (solution.history[name] for name in ("stage", "round", "iteration"))
    across = ax.get_xaxis_transform()  # x in iterations, y from 0 at the bottom to 1 at the top
    ax.set_ylim(top=10 * ax.get_ylim()[1])
    ax.set_xlim(0, 1.02 * iterations[-1])
    names = _windows(solution) if isinstance(solution, March) else _networks(solution) or _stages(solution)
    climbs = not isinstance(solution, March) and bool(_networks(solution))
    for begin in [b for b, _ in names] if climbs else iterations[np.flatnonzero(np.diff(stage))]:
        ax.axvline(begin, color="0.55", lw=0.8, ls="--")
    low, before = False, -np.inf  # the name stands below the one before, if that has little room
    for begin, name in names:
        low = not low and begin - before < 0.15 * iterations[-1]
        before = begin
        ax.annotate(
            name, (begin, 0.97), (4, -12 * low), xycoords=across, textcoords="offset points", va="top",
            fontsize="small", color="0.35",
        )  # fmt: skip
    fresh = iterations[np.flatnonzero(np.diff(turn, prepend=0))]
    if len(fresh):
        ax.plot(fresh, np.full(len(fresh), 0.015), "|", color="0.45", ms=6, transform=across, label="new points")


def _windows(march: March) -> list[tuple[float, str]]:
    """Where the windows of a march begin."""
    ends = [float(w.history["iteration"][-1]) for w in march.windows if len(w.history)]
    return [(begin, f"window {k}") for k, begin in enumerate([0.0, *ends[:-1]], 1)]


def _plan(solution: Solution | March) -> tuple[Stage, ...]:
    """The stages that the rows of the history are of, none where that is not known any more."""
    if isinstance(solution, March) or solution.progress is None or np.any(np.diff(solution.history["stage"]) < 0):
        return ()
    return solution.progress.plan.stages


def _corrected(solution: Solution | March) -> np.ndarray:
    """Which rows of the history are of a corrected model (n,)."""
    plan = _plan(solution)
    return np.array([k < len(plan) and isinstance(plan[int(k)], Correct) for k in solution.history["stage"]], bool)


def _networks(solution: Solution) -> list[tuple[float, str]]:
    """Where the networks of a climb begin, but those that are hardly trained; empty for other runs."""
    plan, history = _plan(solution), solution.history
    if not any(isinstance(s, Restart) for s in plan):
        return []
    found, end = [], float(history["iteration"][-1])
    for k, stage in enumerate(plan):
        rows = history["stage"] == k
        if isinstance(stage, Restart) and rows.any():
            found.append((float(history["iteration"][rows][0]), _in_short(stage.network)))
    return [(at, name) for (at, name), (after, _) in zip(found, [*found[1:], (np.inf, "")], strict=True)
            if after - at > HARDLY * end]  # fmt: skip


def _in_short(network: Network) -> str:
    """The hidden layers of an MLP, as 4 x 20; the class of any other network."""
    if not isinstance(network, MLP):
        return type(network).__name__
    hidden = network.sizes[1:-1]
    return f"{len(hidden)} x {hidden[0]}" if len(set(hidden)) == 1 else " ".join(map(str, hidden))


def _stages(solution: Solution) -> list[tuple[float, str]]:
    """Where the stages of the last call of ``solve`` begin; those of earlier calls are not known any more."""
    if solution.progress is None:
        return []
    plan, stage, iterations = solution.progress.plan, solution.history["stage"], solution.history["iteration"]
    change = np.flatnonzero(np.diff(stage))
    first = max((i + 1 for i, k in enumerate(change) if stage[k + 1] < stage[k]), default=0)
    begins = list(
        zip([0.0, *iterations[change].tolist()], [int(stage[0]), *stage[change + 1].astype(int)], strict=True)
    )
    return [(begin, type(plan.stages[k]).__name__) for begin, k in begins[first:] if k < len(plan.stages)]
