"""Pictures of influence: each function draws on the Axes that it is given, or on new ones, and returns them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from torch import Tensor

from pinnkit.influence import indicator
from pinnkit.influence.attribution import Attribution
from pinnkit.influence.indicators import Indicators, indicators
from pinnkit.influence.influence import Influence
from pinnkit.model.curvature import Curvature
from pinnkit.model.quantity.field import at
from pinnkit.model.solution import Solution

from .body import draw_body
from .colours import BLUE, DIVERGING, GREEN, ORANGE, RED, SEQUENTIAL, SKY
from .layout import LONG, axes_grid, break_in, colour_bar, panel_size
from .slice import plane, ratio, shown

DECADES = 6  # below the largest number that a map shows, at most; less where the median is larger
MARGIN = 0.025  # of the extent, around the domain, so that boundary points are seen
POSITIVE = "magma_r"
MARKERS = "os^Dv<>"  # the first for the interior
COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, "#CC79A7", "#F0E442", "#332288", "#882255", "0.6", "#44AA99", "0.3")


def plot_influence(
    solution: Solution, found: Attribution, functional: int = 0, ax: Axes | None = None, *, term: str | None = None,
    among: Mapping[str, Tensor] | None = None,
) -> Axes:  # fmt: skip
    """The effects of removing each training point on one functional, over the contours of the first field.

    Red raises it, blue lowers it. The scale is linear below the median size of an effect and logarithmic above it, up
    to the largest, of these effects or of those ``among`` which they are seen. A star marks where the functional is
    asked. Of one ``term``, or of all terms of a point together.

    Raises:
        ValueError: an unknown term or number of a functional.
    """
    effects = _effects(found, functional, term)
    ax = _maps(solution, found, effects, ax, _signed(list((among or effects).values())), DIVERGING)
    if found.places is not None and torch.isfinite(found.places[functional]).all():
        _star(ax, solution, found.places[functional])
    what = f"{term}: a point's term" if term else "a training point"
    ax.set_title(f"{what} removed, change of{break_in(ratio(solution))}{found.names[functional]}")
    return ax


def plot_terms(solution: Solution, found: Attribution, functional: int = 0) -> Figure:
    """A panel for every loss term: what removing a point from this term alone does to one functional, on one scale."""
    all_of = {name: e[functional] for name, e in found.effects.items()}
    figure, axes = axes_grid(len(found.terms), ratio(solution))
    for term, ax in zip(found.terms, axes, strict=True):
        plot_influence(solution, found, functional, ax, term=term, among=all_of)
    return figure


def plot_leverage(influence: Influence, ax: Axes | None = None) -> Axes:
    """The leverage of every training point, the largest of its terms: 0 superfluous, 1 fitted by force."""
    return _positive(influence, influence.leverage, ax, Normalize(0, 1), "leverage")


def plot_self_influence(influence: Influence, ax: Axes | None = None) -> Axes:
    """By how much a point's own share of the loss grows when it is removed, summed over its terms."""
    return _positive(influence, influence.self_influence(), ax, None, "self-influence")


def plot_directionality(models: Indicators | Mapping[str, Indicators], ax: Axes | None = None, bins: int = 20) -> Axes:
    """The part of influence from before (or upstream) over the coordinate: test points, their mean in bins, and what
    equal influence would give (dashed)."""
    models, ax = _named(models), _ax(ax)
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
    """The share of every loss term in the influence on test points along the coordinate, stacked up to 1."""
    ax = _ax(ax)
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


def plot_indicator(solution: Solution, found: Indicators, what: str = "directionality", ax: Axes | None = None) -> Axes:
    """One indicator at the test points: directionality, proximity, participation, tension, cancellation, or a term.

    Raises:
        ValueError: another name.
    """
    values = _indicator(found, what)
    ax = _base(solution, ax)
    where = _where(solution, found.X)
    if len(where) == 1:
        ax.plot(*where, values.cpu(), ".", color=BLUE)
        ax.set_ylabel(what)
    else:
        x, y = where
        drawn = ax.scatter(x, y, c=values.cpu().numpy(), s=16, cmap=SEQUENTIAL, linewidths=0, rasterized=True)
        _bar(ax, drawn)
    ax.set_title(f"influence on {found.field}:\n{what}, mean {float(values.nanmean()):.2g}")
    return ax


def plot_map(influence: Influence, found: Attribution) -> Figure:
    """The influence on every functional, then leverage and self-influence of the training points: one figure."""
    draws: list[Callable[[Axes], Axes]] = [
        partial(plot_influence, influence.solution, found, k) for k in range(len(found.names))
    ]
    if isinstance(influence.curvature, Curvature):  # the methods to compare with have no leverage
        draws += [lambda ax: plot_leverage(influence, ax), lambda ax: plot_self_influence(influence, ax)]
    figure, axes = axes_grid(len(draws), ratio(influence.solution))
    for draw, ax in zip(draws, axes, strict=True):
        draw(ax)
    return figure


def plot_comparison(
    models: Mapping[str, Influence], where: Mapping[str, float], field: str | None = None, *,
    found: Mapping[str, Indicators] | None = None,
) -> Figure:  # fmt: skip
    """A row for every model: the influence on a field at one point, leverage, directionality, shares of loss terms.

    The two maps of a long domain stand one below the other. ``found`` are the models' indicators where they are known
    already.
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


def plot_participation(found: Indicators, ax: Axes | None = None, bins: int = 20) -> Axes:
    """The part of the training points that carries a prediction, along the coordinate."""
    ax = _ax(ax)
    ax.plot(found.at.cpu(), found.participation.cpu(), ".", color=BLUE, ms=4, alpha=0.35, mew=0)
    _band(ax, found.participation, found.at, bins, BLUE, None)
    ax.set(xlabel=found.along, ylabel="part of the training points", yscale="log", title="how many carry a prediction")
    return ax


# ------------------------------------------------------------------------------------------------------- parts


def _effects(found: Attribution, functional: int, term: str | None) -> dict[str, Tensor]:
    """Effects (N,) on one functional by point set."""
    if not 0 <= functional < len(found.names):
        raise ValueError(f"there is no functional {functional}: there are {len(found.names)}, counted from 0")
    if term is None:
        return {key: e[functional] for key, e in found.joint.items()}
    if term not in found.effects:
        raise ValueError(f"there is no term {term!r}: the terms are {', '.join(found.terms)}")
    return {found.keys[term]: found.effects[term][functional]}


def _range(values: Sequence[Tensor]) -> tuple[float, float]:
    """The largest size of values, and the decade of their median, at most ``DECADES`` below and one at least."""
    size = torch.cat([v.detach().reshape(-1) for v in values]).abs().cpu().double()
    size = size[torch.isfinite(size)] if torch.isfinite(size).any() else torch.ones(1)
    top = float(size.max()) or 1.0
    low = 10.0 ** np.floor(np.log10(max(float(size.median()), 1e-300)))
    return top, float(np.clip(low, top * 10.0**-DECADES, top / 10))


def _signed(values: Sequence[Tensor]) -> SymLogNorm:
    top, low = _range(values)
    return SymLogNorm(low, linscale=0.5, vmin=-top, vmax=top)


def _positive(
    influence: Influence, by_term: Mapping[str, Tensor], ax: Axes | None, norm: Normalize | None, what: str
) -> Axes:  # fmt: skip
    """A map of positive numbers by term: the largest one of a point, or its sum on a logarithmic scale."""
    stack, values = influence.stack, {}
    for key in stack.programs:
        each = torch.stack([by_term[name] for name in stack.names(key)])
        values[key] = each.amax(0) if norm else each.sum(0)
    if norm is None:
        top, low = _range(list(values.values()))
        norm = LogNorm(low, top)
    ax = _maps(influence.solution, influence.solution, values, ax, norm, POSITIVE)
    ax.set_title(what)
    return ax


def _maps(
    solution: Solution, owner: Any, values: Mapping[str, Tensor], ax: Axes | None, norm: Normalize, colours: str
) -> Axes:  # fmt: skip
    """Training points of several sets in the colours of their values, the largest on top."""
    ax = _base(solution, ax)
    for marker, (key, v) in zip(MARKERS * 9, values.items(), strict=False):
        order = v.abs().argsort().cpu()
        c = v.detach().cpu()[order].numpy()
        where = [w[order] for w in _where(solution, owner.points[key].X)]
        c = np.clip(c, norm.vmin, norm.vmax) if isinstance(norm, LogNorm) else c
        size = float(np.clip(20_000 / max(1, len(c)), 5.0, 24.0))
        look: dict[str, Any] = {"marker": "o", "zorder": 2} if key == "pde" else {"marker": marker, "zorder": 3}
        if len(where) == 1:
            drawn = ax.scatter(where[0], c, s=size, color=BLUE, label=key, **look)
        else:
            look |= {"linewidths": 0.3, "edgecolors": "0.6", "rasterized": True}
            drawn = ax.scatter(where[0], where[1], s=size, c=c, norm=norm, cmap=colours, label=key, **look)
    if len(_where(solution, owner.points[next(iter(values))].X)) == 1:
        _one_axis(ax, norm)
    else:
        _bar(ax, drawn)
    return ax


def _one_axis(ax: Axes, norm: Normalize) -> None:
    """The values' scale on the y axis where points have a single coordinate."""
    if isinstance(norm, SymLogNorm):
        ax.set_yscale("symlog", linthresh=norm.linthresh, linscale=0.5)
        ax.axhline(0, color="0.7", lw=0.6)
    elif isinstance(norm, LogNorm):
        ax.set_yscale("log")


def _bar(ax: Axes, drawn: Any) -> None:
    bar = colour_bar(ax, drawn)
    if isinstance(drawn.norm, SymLogNorm):
        top, low = (int(np.floor(np.log10(v))) for v in (drawn.norm.vmax or 1.0, drawn.norm.linthresh))
        decades = [10.0**k for k in range(top, low + (top - low > 3), -1 if top - low < 4 else -2)][::-1]
        bar.set_ticks([-d for d in reversed(decades)] + [0.0] + decades)
        bar.ax.yaxis.set_major_formatter(ticker.LogFormatterSciNotation())
        bar.ax.yaxis.set_minor_locator(ticker.NullLocator())


def _base(solution: Solution, ax: Axes | None) -> Axes:
    """Axes over the coordinates that are shown, with the contours of the first field where there are two in all."""
    ax, domain, names = _ax(ax), solution.problem.domain, shown(solution)
    seen = plane(solution, lambda X: solution(X)[:, 0], count=120)
    low, high = float(np.nanmin(seen.values)), float(np.nanmax(seen.values))
    if len(domain.names) == len(names) == 2 and high > low:
        levels = low + (high - low) * (np.arange(10) + 0.5) / 10  # not the zero of symmetric fields, all noise at walls
        ax.contour(*seen.axes, seen.values.T, levels, colors="0.75", linewidths=0.6, linestyles="solid", zorder=0)
    ax.set_xlabel(names[0])
    if len(names) == 2:
        low, high = domain.bounds - MARGIN * (domain.bounds[1] - domain.bounds[0]) * np.array([[1], [-1]])
        i, j = map(domain.names.index, names)
        ax.set(ylabel=names[1], xlim=(low[i], high[i]), ylim=(low[j], high[j]))
        if names[0] != domain.time:
            ax.set_aspect("equal")
        draw_body(ax, domain, zorder=0.5)
    return ax


def _where(solution: Solution, X: Tensor) -> list[np.ndarray]:
    names = solution.problem.domain.names
    return [X[:, names.index(n)].detach().cpu().double().numpy() for n in shown(solution)]


def _star(ax: Axes, solution: Solution, place: Tensor) -> None:
    where = _where(solution, place[None])
    if len(where) == 1:
        ax.axvline(float(where[0][0]), color="black", lw=0.8, ls="--")
    else:
        ax.plot(*where, "*", ms=15, color="gold", mec="black", mew=0.8, zorder=5, clip_on=False)


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


def _ax(ax: Axes | None) -> Axes:
    return Figure(figsize=(6.0, 4.4), layout="constrained").add_subplot() if ax is None else ax
