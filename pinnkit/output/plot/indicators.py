"""Pictures of indicators: where the influence on a field comes from, of one model or of several side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pinnkit.influence import indicator
from pinnkit.influence.indicators import Indicators, indicators
from pinnkit.influence.influence import Influence
from pinnkit.model.quantity.field import at
from pinnkit.model.solution import Solution

from .colours import BLUE, GREEN, ORANGE, RED, SEQUENTIAL, SKY
from .image import new_axes
from .influence import base_axes, places_of, plot_influence, plot_leverage
from .layout import LONG, colour_bar, panel_size
from .slice import ratio

COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, "#CC79A7", "#F0E442", "#332288", "#882255", "0.6", "#44AA99", "0.3")


def plot_directionality(models: Indicators | Mapping[str, Indicators], ax: Axes | None = None, bins: int = 20) -> Axes:
    """The share of influence from before (or upstream) over the coordinate: test points, and their mean in bins.

    The dashed line is what equal influence of all points would give.

    Args:
        models: the indicators of a model, or of several models by name.
        ax: the axes to draw on. Default None: new ones.
        bins: number of bins along the coordinate, each with a mean and the band of two thirds of the points.

    Returns:
        The axes, with a legend that names the models.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> found = pk.indicators(u, X=40)
        >>> pk.plot.plot_directionality(found).get_title()
        'directionality in t'
    """
    models, ax = _named(models), new_axes(ax)
    for (name, found), colour in zip(models.items(), COLOURS, strict=False):
        ax.plot(found.at.cpu(), found.directionality.cpu(), ".", color=colour, ms=4, alpha=0.35, mew=0, zorder=1)
        _band(ax, found.directionality, found.at, bins, colour, name)
        base = indicator.binned(found.directionality_baseline, found.at, bins)
        shade = "0.35" if len(models) == 1 else colour
        ax.plot(base.centre.cpu(), base.mean.cpu(), "--", color=shade, lw=1, zorder=3)
    ax.plot([], [], "--", color="0.35", lw=1, label="equal influence")
    along = next(iter(models.values())).along
    ax.set(xlabel=along, ylabel=f"share of influence from smaller {along}", ylim=(-0.02, 1.02))
    ax.set_title(f"directionality in {along}")
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    return ax


def plot_term_fractions(found: Indicators, ax: Axes | None = None, bins: int = 20) -> Axes:
    """The share of every loss term in the influence on test points along the coordinate, stacked up to 1.

    Args:
        found: the indicators of a model with several loss terms (:func:`indicators`).
        ax: the axes to draw on. Default None: new ones.
        bins: number of bins over which shares are averaged. Their steps are joined by lines.

    Returns:
        The axes, whose legend stands beside them.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_term_fractions(pk.indicators(u, X=40)).get_title()
        'influence on u by loss term'
    """
    ax = new_axes(ax)
    parts = {name: indicator.binned(v, found.at, bins) for name, v in found.terms.items()}
    centre = next(iter(parts.values())).centre.cpu().numpy()
    edges = np.concatenate([[float(found.at.min())], centre, [float(found.at.max())]])
    heights = np.stack([np.pad(p.mean.cpu().numpy(), 1, mode="edge") for p in parts.values()])
    ax.stackplot(edges, heights / heights.sum(0), labels=list(parts), colors=COLOURS[: len(parts)], alpha=0.85, lw=0)
    ax.set(xlabel=found.along, ylabel="share of influence", xlim=edges[[0, -1]], ylim=(0, 1))
    ax.set_title(f"influence on {found.field} by loss term")
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], fontsize="small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def plot_participation(found: Indicators, ax: Axes | None = None, bins: int = 20) -> Axes:
    """The share of the training points that carries a prediction (its participation), along the coordinate.

    Args:
        found: the indicators of a model (:func:`indicators`).
        ax: the axes to draw on. Default None: new ones.
        bins: number of bins of the mean, which is drawn over the single predictions.

    Returns:
        The axes, with a logarithmic scale.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_participation(pk.indicators(u, X=40)).get_title()
        'participation'
    """
    ax = new_axes(ax)
    ax.plot(found.at.cpu(), found.participation.cpu(), ".", color=BLUE, ms=4, alpha=0.35, mew=0)
    _band(ax, found.participation, found.at, bins, BLUE, None)
    ax.set(xlabel=found.along, ylabel="share of the training points", yscale="log", title="participation")
    return ax


def plot_indicator(solution: Solution, found: Indicators, what: str = "directionality", ax: Axes | None = None) -> Axes:
    """One indicator at the test points.

    Args:
        solution: the solution.
        found: the indicators (:func:`indicators`).
        what: "directionality" (default), "proximity", "participation", "tension", "share of TERM" or "cancellation at
            points SET".
        ax: the axes to draw on. Default None: new ones.

    Returns:
        The axes, whose title holds the mean.

    Raises:
        ValueError: another name.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> found = pk.indicators(u, X=40)
        >>> pk.plot.plot_indicator(u, found, "proximity").get_title()[:14]
        'influence on u'
    """
    values = _indicator(found, what)
    ax = base_axes(solution, ax)
    where = places_of(solution, found.X)
    if len(where) == 1:
        ax.plot(*where, values.cpu(), ".", color=BLUE)
        ax.set_ylabel(what)
    else:
        x, y = where
        drawn = ax.scatter(x, y, c=values.cpu().numpy(), s=16, cmap=SEQUENTIAL, linewidths=0, rasterized=True)
        colour_bar(ax, drawn)
    ax.set_title(f"influence on {found.field}:\n{what}, mean {float(values.nanmean()):.2g}")
    return ax


def plot_comparison(
    models: Mapping[str, Influence], where: Mapping[str, float], field: str | None = None, *,
    found: Mapping[str, Indicators] | None = None,
) -> Figure:  # fmt: skip
    """A row for every model: the influence on a field at one point, leverage, directionality, shares of loss terms.

    The two maps of a long domain stand one below the other.

    Args:
        models: the influence (:class:`Influence`) of every model, by its name.
        where: the point, every coordinate by name.
        field: a field or derivative. Default None: the first field.
        found: the models' indicators by name, where they are known. Default None: they are computed.

    Returns:
        The figure.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> influence = pk.Influence(u)
        >>> len(pk.plot.plot_comparison({"heat": influence}, {"x": 0.5, "t": 0.05}).axes)
        4
    """
    found = found or {name: indicators(influence, field) for name, influence in models.items()}
    figure, rows = _rows(len(models), ratio(next(iter(models.values())).solution))
    for (name, influence), row in zip(models.items(), rows, strict=True):
        solution, known = influence.solution, found[name]
        u = field or solution.problem.field_names[0]
        plot_influence(solution, influence.attribute(at(u, "", **where)), 0, row[0])
        plot_leverage(influence, row[1])
        plot_directionality(known, row[2])
        (plot_term_fractions if len(known.terms) > 1 else plot_participation)(known, row[3])
        error = "" if known.error is None else f"\nrelative L2 error {known.error:.1e}"
        row[0].set_ylabel(f"{name}\nloss {known.stationarity.loss:.1e}{error}\n\n{row[0].get_ylabel()}")
    return figure


def _rows(count: int, shape: float | None) -> tuple[Figure, list[list[Axes]]]:
    """Axes for two maps of this height over width and two curves, so many times."""
    if shape is None or shape > LONG:
        figure = Figure(figsize=(18.5, 4.1 * count + 0.4), layout="constrained")
        return figure, figure.subplots(count, 4, squeeze=False).tolist()
    width, height = panel_size(shape)
    figure = Figure(figsize=(width + 10.0, max(2 * height, 4.1) * count + 0.4), layout="constrained")
    grid, rows = figure.add_gridspec(2 * count, 3, width_ratios=[width, 4.4, 5.6]), []
    for i in range(0, 2 * count, 2):
        maps = [figure.add_subplot(grid[i, 0]), figure.add_subplot(grid[i + 1, 0])]
        rows.append(maps + [figure.add_subplot(grid[i : i + 2, j]) for j in (1, 2)])
    return figure, rows


def _band(ax: Axes, values: Tensor, along: Tensor, bins: int, colour: str, label: str | None) -> None:
    """The mean in bins, and between which values two thirds of them lie."""
    found = indicator.binned(values, along, bins)
    centre, mean, low, high = (v.cpu().numpy() for v in (found.centre, found.mean, found.low, found.high))
    ax.plot(centre, mean, color=colour, lw=1.8, label=label, zorder=3)
    ax.fill_between(centre, low, high, color=colour, alpha=0.15, lw=0, zorder=2)


def _indicator(found: Indicators, what: str) -> Tensor:
    known = {n: getattr(found, n) for n in ("directionality", "proximity", "participation", "tension")}
    known |= {f"share of {name}": v for name, v in found.terms.items()}
    known |= {f"cancellation at points {key}": v for key, v in found.cancellation.items()}
    if what not in known:
        raise ValueError(f"there is no indicator {what!r}: choose one of {', '.join(known)}")
    return known[what]


def _named(models: Indicators | Mapping[str, Indicators]) -> Mapping[str, Indicators]:
    return {f"influence on {models.field}": models} if isinstance(models, Indicators) else models
