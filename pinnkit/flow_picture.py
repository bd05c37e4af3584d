"""Pictures of a plane flow: streamlines over speed, pressure, vorticity; each draws on given Axes or on new ones."""

from collections.abc import Callable, Sequence

import numpy as np
import sympy as sp
import torch
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure

from .fluid import PRESSURE, velocity, vorticity
from .outline import draw_body
from .plot import DIVERGING, SEQUENTIAL
from .solution import Solution

Region = Sequence[Sequence[float]]  # ((x0, x1), (y0, y1))
NODES = 50_000  # of the grid
LINES = 1.4  # density of streamlines, the same in both directions


def plot_streamlines(solution: Solution, ax: Axes | None = None, region: Region | None = None) -> Axes:
    """Streamlines over the speed |u|, in a region ((x0, x1), (y0, y1)) or the whole domain.

    Raises:
        ValueError: a problem that is no plane flow, or a region without extent.
    """
    u = _plane_velocity(solution)
    axes, (ux, uy) = _on_grid(solution, u, region)
    speed = np.hypot(ux, uy)
    ax = _image(solution, axes, speed, ax, Normalize(0, float(np.nanmax(speed))), SEQUENTIAL, "speed and streamlines")
    extent = np.array([np.ptp(a) for a in axes])
    ax.streamplot(
        *axes, np.ma.masked_invalid(ux), np.ma.masked_invalid(uy), color="white", linewidth=0.6, arrowsize=0.6,
        density=tuple(LINES * extent / np.sqrt(extent.prod())),
    )  # fmt: skip
    return ax


def plot_pressure(solution: Solution, ax: Axes | None = None, region: Region | None = None) -> Axes:
    """The pressure with its contours; region and errors as :func:`plot_streamlines`."""
    _plane_velocity(solution)
    axes, (p,) = _on_grid(solution, (_pressure(solution),), region)
    ax = _image(solution, axes, p, ax, Normalize(float(np.nanmin(p)), float(np.nanmax(p))), SEQUENTIAL, "pressure")
    ax.contour(*axes, p, 24, colors="white", linewidths=0.4)
    return ax


def plot_vorticity(solution: Solution, ax: Axes | None = None, region: Region | None = None) -> Axes:
    """The vorticity v_x - u_y, logarithmic beyond a twentieth of its largest size; the rest as above."""
    _plane_velocity(solution)
    axes, (w,) = _on_grid(solution, (vorticity(solution.problem),), region)
    top = float(np.nanmax(np.abs(w)))
    return _image(solution, axes, w, ax, SymLogNorm(top / 20, vmin=-top, vmax=top), DIVERGING, "vorticity")


def plot_flow(solution: Solution, region: Region | None = None) -> Figure:
    """Streamlines, pressure and vorticity one below the other, or side by side where the region is not long."""
    draws: list[Callable[..., Axes]] = [plot_streamlines, plot_pressure, plot_vorticity]
    (x0, x1), (y0, y1) = _extent(solution, region)
    long = x1 - x0 > 2 * (y1 - y0)
    ratio = (y1 - y0) / (x1 - x0)
    size = (10.0, 3 * (9.0 * ratio + 0.8)) if long else (15.0, 4.1 * ratio + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    for draw, ax in zip(draws, figure.subplots(*((3, 1) if long else (1, 3))), strict=True):
        draw(solution, ax, region)
    return figure


def _plane_velocity(solution: Solution) -> tuple[sp.Expr, ...]:
    domain = solution.problem.domain
    if len(domain.names) != 2 or domain.time is not None:
        raise ValueError(f"{solution.problem.name} depends on {', '.join(domain.names)}: expected a steady plane flow")
    return velocity(solution.problem)


def _pressure(solution: Solution) -> sp.Expr:
    outputs = solution.problem.outputs
    if PRESSURE not in outputs:
        raise ValueError(f"{solution.problem.name} has no pressure {PRESSURE}: its fields are {', '.join(outputs)}")
    return outputs[PRESSURE]


def _extent(solution: Solution, region: Region | None) -> list[tuple[float, float]]:
    found = solution.problem.domain.bounds.T.tolist() if region is None else [tuple(map(float, r)) for r in region]
    if len(found) != 2 or any(len(r) != 2 or not r[0] < r[1] for r in found):
        raise ValueError(f"region={region}: give ((x0, x1), (y0, y1)), lower ends first")
    return [tuple(r) for r in found]


def _on_grid(
    solution: Solution, expressions: Sequence[sp.Expr], region: Region | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Axes and values (n_y, n_x) of expressions on a grid of square cells, NaN outside the domain."""
    extent = _extent(solution, region)
    h = float(np.sqrt(np.prod([b - a for a, b in extent]) / NODES))
    axes = [np.linspace(a, b, 2 + round((b - a) / h)) for a, b in extent]
    X = torch.as_tensor(np.stack([m.ravel() for m in np.meshgrid(*axes)], 1))
    mask = solution.problem.domain.inside(X)
    found = torch.full((len(X), len(expressions)), torch.nan, dtype=torch.float64)
    found[mask] = solution.evaluate(list(expressions), X[mask]).cpu().double()
    return axes, [v.numpy().reshape(len(axes[1]), len(axes[0])) for v in found.unbind(1)]


def _image(
    solution: Solution, axes: list[np.ndarray], values: np.ndarray, ax: Axes | None, norm: Normalize, colours: str,
    title: str,
) -> Axes:  # fmt: skip
    ax = Figure(figsize=(8.0, 4.4), layout="constrained").add_subplot() if ax is None else ax
    image = ax.pcolormesh(*axes, values, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.outline.set_visible(False)
    if isinstance(norm, SymLogNorm):
        decade = 10.0 ** np.floor(np.log10(norm.vmax))
        bar.set_ticks([-decade, -decade / 10, 0, decade / 10, decade])
        bar.ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        bar.ax.yaxis.set_minor_locator(ticker.NullLocator())
    draw_body(ax, solution.problem.domain)
    names = solution.problem.domain.names
    ax.set(title=title, xlabel=names[0], ylabel=names[1], xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]])
    ax.set_aspect("equal")
    return ax
