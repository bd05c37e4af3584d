"""Pictures of a solution: each function draws on the Axes that it is given, or on new ones, and returns them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.reference import Exact

from .body import draw_body
from .colours import BLUE, SEQUENTIAL
from .image import colour_map, draw_image, label_axes, new_axes, signed_norm
from .layout import axes_grid, break_in
from .slice import Slice, compared, derivative, error_plane, plane, ratio, shown, titled


def plot_field(solution: Solution, field: str | None = None, ax: Axes | None = None, *, t: float | None = None) -> Axes:
    """A field u, or a derivative of it, over two coordinates, or over one.

    Time runs to the right where there is one space coordinate. With two of them the picture is a slice, with further
    coordinates in their middle.

    Args:
        solution: a solution, or a march.
        field: a field or derivative, as "u" or "u_x". Default None: the first field.
        ax: the axes to draw on. Default None: new ones.
        t: the time of the picture where time is no axis of it. Default None: the last one.

    Returns:
        The axes.

    Raises:
        ValueError: a name that is neither a field nor a derivative, or a time outside the domain.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_field(u, "u_x").get_title()
        'solution u_x'
    """
    name = field or solution.problem.field_names[0]
    seen = plane(solution, derivative(solution, name), t=t)
    title = titled(f"solution {name}", seen)
    return draw_image(solution, seen, title, new_axes(ax), signed_norm(seen.values), colour_map(seen.values))


def plot_points(solution: Solution, ax: Axes | None = None, key: str = "pde", *, field: str | None = None) -> Axes:
    """The points of one set that were trained on last, over the contours of a field.

    Args:
        solution: a solution, or a march.
        ax: the axes to draw on. Default None: new ones.
        key: the point set. Default "pde": the interior.
        field: a field or derivative. Default None: the first field.

    Returns:
        The axes.

    Raises:
        ValueError: a set that was not trained on.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_points(u).get_title()
        "50 points 'pde'"
    """
    if key not in solution.points:
        raise ValueError(f"no points {key!r} were trained on: the sets are {', '.join(solution.points)}")
    ax, points = new_axes(ax), solution.points[key].X.cpu().numpy()
    name = field or solution.problem.field_names[0]
    seen = plane(solution, derivative(solution, name), count=160)
    names = solution.problem.domain.names
    where = [points[:, names.index(n)] for n in seen.names]
    if len(where) == 1:
        ax.plot(*seen.axes, seen.values, color=BLUE)
        ax.plot(where[0], np.interp(where[0], seen.axes[0], seen.values), ".", color="black", ms=3)
    else:
        if len(names) == 2:
            ax.pcolormesh(
                *seen.axes, seen.values.T, shading="nearest", rasterized=True, cmap=colour_map(seen.values),
                norm=signed_norm(seen.values), alpha=0.4,
            )  # fmt: skip
        x, y = where
        size = float(np.clip(6000 / max(1, len(points)), 1.0, 14.0))
        ax.scatter(x, y, s=size, color="black", linewidths=0, rasterized=True, clip_on=False, zorder=3)
        draw_body(ax, solution.problem.domain, zorder=1)
    beyond = [n for n in names if n not in seen.names]
    redrawn = any(not np.array_equal(points, past[key].X.cpu()) for past in solution.rounds.values() if key in past)
    rounds = solution.progress.round if solution.progress is not None and redrawn else 0
    text = f"{len(points)} points {key!r}" + (f", seen along {', '.join(beyond)}" if beyond else "")
    times = f"{rounds} round{'s' * (rounds > 1)} of resampling"
    after = f"{break_in(ratio(solution)) if beyond else ' '}after {times}" if rounds else ""
    ax.set_title(text + after)
    return label_axes(ax, seen)


def plot_rounds(solution: Solution, key: str = "pde", most: int = 6) -> Figure:
    """The points of one set as they were drawn over the rounds: the first, some between, the last.

    Args:
        solution: a solution, or a march.
        key: the point set. Default "pde": the interior.
        most: the largest number of panels.

    Returns:
        The figure.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> len(pk.plot.plot_rounds(u, most=1).axes)
        1
    """
    kept = {i: points for i, points in solution.rounds.items() if key in points}
    kept |= {-1: solution.points}
    chosen = [list(kept)[j] for j in np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(int))]
    figure, axes = axes_grid(len(chosen), ratio(solution), scale=0.8)
    for i, ax in zip(chosen, axes, strict=True):
        plot_points(solution if i < 0 else replace(solution, points=kept[i]), ax, key)
        when = "the last draw" if i < 0 else f"iteration {i}"
        ax.set_title(f"{when}: {len(kept[i][key])} points")
    return figure


def plot_slices(
    solution: Solution, field: str | None = None, ax: Axes | None = None, *, at: Sequence[float] | None = None
) -> Axes:
    """A field along the first space coordinate at several values of the other one (of time, if there is time).

    The reference, where there is one, is drawn beneath as broad grey lines.

    Args:
        solution: a solution, or a march.
        field: a field or derivative. Default None: the first field.
        ax: the axes to draw on. Default None: new ones.
        at: the values of the other coordinate. Default None: five.

    Returns:
        The axes.

    Raises:
        ValueError: an unknown field, or values outside the domain.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> len(pk.plot.plot_slices(u, at=[0.0, 0.1]).get_legend().get_texts())
        2
    """
    name, ax = field or solution.problem.field_names[0], new_axes(ax)
    domain, names = solution.problem.domain, shown(solution)
    if len(names) == 1:
        seen = plane(solution, derivative(solution, name), count=481)
        return draw_image(solution, seen, titled(name, seen), ax, None, "")
    across, along = names if names[0] == domain.time else names[::-1]
    low, high = domain.bounds[:, domain.names.index(across)]
    inside = (0, 0.25, 0.5, 0.75, 1) if across == domain.time else (0.1, 0.3, 0.5, 0.7, 0.9)
    chosen = low + (high - low) * np.array(inside) if at is None else np.asarray(at, dtype=float)
    if not len(chosen) or chosen.min() < low or chosen.max() > high:
        raise ValueError(f"at={chosen.tolist()}: give values of {across} from {low:g} to {high:g}")
    left, right = domain.bounds[:, domain.names.index(along)].tolist()
    x = np.linspace(left, right, 481)
    seen = plane(solution, derivative(solution, name), at={across: chosen, along: x})
    known = name in compared(solution) and (not seen.fixed or isinstance(solution.problem.reference, Exact))
    truth = error_plane(solution, name, truth=True) if known else None
    curves = seen.values if names[0] == across else seen.values.T
    for value, curve, shade in zip(chosen, curves, np.linspace(0.0, 0.85, len(chosen)), strict=True):
        if truth is not None:
            ax.plot(*_cut(truth, names.index(across), value), color="0.75", lw=4)
        ax.plot(x, curve, color=_shade(shade), lw=1.4, label=f"{across} = {value:.3g}")
    ax.set(xlabel=along, ylabel=name, title=titled(name, seen) + (", reference in grey" if truth else ""))
    ax.legend(frameon=False, fontsize="small")
    return ax


def _cut(seen: Slice, axis: int, value: float) -> tuple[np.ndarray, np.ndarray]:
    """The other axis, and the values on the line where one coordinate has a value, linear between its nodes."""
    nodes, values = seen.axes[axis], np.moveaxis(seen.values, axis, 0)
    i = int(np.clip(np.searchsorted(nodes, value), 1, len(nodes) - 1))
    part = (value - nodes[i - 1]) / (nodes[i] - nodes[i - 1])
    line = values[i] if part == 1 else values[i - 1] if part == 0 else (1 - part) * values[i - 1] + part * values[i]
    return seen.axes[1 - axis], line


def _shade(fraction: float) -> Any:
    return colormaps[SEQUENTIAL](fraction)
