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

from pinnkit.influence.attribution import Attribution
from pinnkit.influence.influence import Influence
from pinnkit.model.curvature import Curvature
from pinnkit.model.solution import Solution

from .body import draw_body
from .colours import BLUE, DIVERGING
from .image import new_axes
from .layout import axes_grid, break_in, colour_bar
from .slice import plane, ratio, shown

DECADES = 6  # below the largest number that a map shows, at most; less where the median is larger
MARGIN = 0.025  # of the extent, around the domain, so that boundary points are seen
POSITIVE = "magma_r"
MARKERS = "os^Dv<>"  # the first for the interior


def plot_influence(
    solution: Solution, found: Attribution, functional: int = 0, ax: Axes | None = None, *, term: str | None = None,
    among: Mapping[str, Tensor] | None = None,
) -> Axes:  # fmt: skip
    """The effects f(without a point) - f(with it) of all training points, over the contours of the first field.

    Red raises f, blue lowers it. The scale is linear below the median size of an effect, and logarithmic above it. A
    star marks where f is evaluated.

    Args:
        solution: the solution.
        found: its effects (:meth:`Influence.attribute`).
        functional: number of the functional f, from 0.
        ax: the axes to draw on. Default None: new ones.
        term: a loss term: points leave this term only. Default None: they leave all terms of their set.
        among: effects by set that the scale of the colours covers too. Default None: those that are drawn.

    Returns:
        The axes, points with the largest effects on top.

    Raises:
        ValueError: an unknown term or number of a functional.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> influence = pk.Influence(u)
        >>> found = influence.attribute(pk.at("u", x=0.5, t=0.05))
        >>> pk.plot.plot_influence(u, found).get_title()[:16]
        'a training point'
    """
    effects = _effects(found, functional, term)
    ax = _maps(solution, found, effects, ax, _signed(list((among or effects).values())), DIVERGING)
    if found.places is not None and torch.isfinite(found.places[functional]).all():
        _star(ax, solution, found.places[functional])
    what = f"{term}: a point's term" if term else "a training point"
    ax.set_title(f"{what} removed, change of{break_in(ratio(solution))}{found.names[functional]}")
    return ax


def plot_terms(solution: Solution, found: Attribution, functional: int = 0) -> Figure:
    """A panel for every loss term: what removing a point from this term alone does to one functional, on one scale.

    Args:
        solution: the solution.
        found: the effects of its points by term (:meth:`Influence.attribute`).
        functional: number of the functional of all panels, from 0.

    Returns:
        The figure, a row or grid of panels.

    Raises:
        ValueError: an unknown number of a functional.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> influence = pk.Influence(u)
        >>> found = influence.attribute(pk.at("u", x=0.5, t=0.05))
        >>> len(pk.plot.plot_terms(u, found).axes)
        1
    """
    all_of = {name: e[functional] for name, e in found.effects.items()}
    figure, axes = axes_grid(len(found.terms), ratio(solution))
    for term, ax in zip(found.terms, axes, strict=True):
        plot_influence(solution, found, functional, ax, term=term, among=all_of)
    return figure


def plot_leverage(influence: Influence, ax: Axes | None = None) -> Axes:
    """The leverage h of every training point, the largest of its terms: 0 superfluous, 1 fitted exactly.

    Args:
        influence: the influence (:class:`Influence`) of a solution, whose curvature gives h.
        ax: the axes to draw on. Default None: new ones.

    Returns:
        The axes, with colours from 0 to 1.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> influence = pk.Influence(u)
        >>> pk.plot.plot_leverage(influence).get_title()
        'leverage'
    """
    return _positive(influence, influence.leverage, ax, Normalize(0, 1), "leverage")


def plot_self_influence(influence: Influence, ax: Axes | None = None) -> Axes:
    """By how much a point's own share of the loss grows when it is removed, 2 a r^2 h / (1 - h), summed over terms.

    Args:
        influence: the influence (:class:`Influence`) of a solution, which knows a, r and h.
        ax: the axes to draw on. Default None: new ones.

    Returns:
        The axes, with logarithmic colours over six decades at most.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> influence = pk.Influence(u)
        >>> pk.plot.plot_self_influence(influence).get_title()
        'self-influence'
    """
    return _positive(influence, influence.self_influence(), ax, None, "self-influence")


def plot_map(influence: Influence, found: Attribution) -> Figure:
    """The influence on every functional, then leverage and self-influence of the training points.

    Args:
        influence: the influence (:class:`Influence`) of a solution.
        found: effects of its points (:meth:`Influence.attribute`).

    Returns:
        The figure; methods without a curvature have neither leverage nor self-influence.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> influence = pk.Influence(u)
        >>> found = influence.attribute(pk.at("u", x=0.5, t=0.05))
        >>> [ax.get_title() for ax in pk.plot.plot_map(influence, found).axes][1:]
        ['leverage', 'self-influence']
    """
    draws: list[Callable[[Axes], Axes]] = [
        partial(plot_influence, influence.solution, found, k) for k in range(len(found.names))
    ]
    if isinstance(influence.curvature, Curvature):  # the methods to compare with have no leverage
        draws += [lambda ax: plot_leverage(influence, ax), lambda ax: plot_self_influence(influence, ax)]
    figure, axes = axes_grid(len(draws), ratio(influence.solution))
    for draw, ax in zip(draws, axes, strict=True):
        draw(ax)
    return figure


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
    ax = base_axes(solution, ax)
    for marker, (key, v) in zip(MARKERS * 9, values.items(), strict=False):
        order = v.abs().argsort().cpu()
        c = v.detach().cpu()[order].numpy()
        where = [w[order] for w in places_of(solution, owner.points[key].X)]
        c = np.clip(c, norm.vmin, norm.vmax) if isinstance(norm, LogNorm) else c
        size = float(np.clip(20_000 / max(1, len(c)), 5.0, 24.0))
        look: dict[str, Any] = {"marker": "o", "zorder": 2} if key == "pde" else {"marker": marker, "zorder": 3}
        if len(where) == 1:
            drawn = ax.scatter(where[0], c, s=size, color=BLUE, label=key, **look)
        else:
            look |= {"linewidths": 0.3, "edgecolors": "0.6", "rasterized": True}
            drawn = ax.scatter(where[0], where[1], s=size, c=c, norm=norm, cmap=colours, label=key, **look)
    if len(places_of(solution, owner.points[next(iter(values))].X)) == 1:
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


def base_axes(solution: Solution, ax: Axes | None) -> Axes:
    """Axes over the coordinates that are shown, with the contours of the first field where there are two in all."""
    ax, domain, names = new_axes(ax), solution.problem.domain, shown(solution)
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


def places_of(solution: Solution, X: Tensor) -> list[np.ndarray]:
    """Points X (n, d) in the coordinates that are shown."""
    names = solution.problem.domain.names
    return [X[:, names.index(n)].detach().cpu().double().numpy() for n in shown(solution)]


def _star(ax: Axes, solution: Solution, place: Tensor) -> None:
    where = places_of(solution, place[None])
    if len(where) == 1:
        ax.axvline(float(where[0][0]), color="black", lw=0.8, ls="--")
    else:
        ax.plot(*where, "*", ms=15, color="gold", mec="black", mew=0.8, zorder=5, clip_on=False)
