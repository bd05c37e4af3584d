"""Pictures of a plane flow: streamlines over speed, pressure, vorticity; each draws on given Axes or on new ones.

An unsteady flow is drawn at a time t, its last one unless given.
"""

from collections.abc import Callable, Sequence

import numpy as np
import sympy as sp
import torch
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure

from pinnkit.model.quantity.fluid import PRESSURE, velocity, vorticity
from pinnkit.model.solution import Solution

from .body import draw_body
from .colours import DIVERGING, SEQUENTIAL
from .layout import axes_grid, colour_bar

Region = Sequence[Sequence[float]]  # ((x0, x1), (y0, y1))
NODES = 50_000  # of the grid
CONTOURS = 24  # of the pressure
LINES = 1.4  # density of streamlines, the same in both directions


def plot_streamlines(
    solution: Solution, ax: Axes | None = None, region: Region | None = None, *, t: float | None = None
) -> Axes:
    """Streamlines over the speed |u| of a plane flow.

    Args:
        solution: a plane flow, stated by velocity and pressure or by a stream function.
        ax: the axes to draw on. Default None: new ones.
        region: ((x0, x1), (y0, y1)), whose shape the density of the lines follows. Default None: the bounding box of
            the domain.
        t: the time whose velocity is shown; lines of an unsteady flow are no paths. Default None: the last one.

    Returns:
        The axes, on which a unit of x and one of y have the same length.

    Raises:
        ValueError: a problem that is no plane flow, a region without extent or outside the domain, or such a time.

    Example:
        >>> import pinnkit as pk
        >>> flow = pk.solve(pk.problem("cavity"), None, 60, stages=[pk.Adam(1)], progress=False)
        >>> pk.plot.plot_streamlines(flow).get_title()
        'speed and streamlines'
    """
    axes, (u, v) = _on_grid(solution, _plane_velocity(solution), region, t)
    speed = np.hypot(u, v)
    norm, title = Normalize(0, float(np.nanmax(speed)) or 1.0), "speed and streamlines"
    ax = _image(solution, axes, speed, ax, norm, SEQUENTIAL, title, t)
    extent = np.array([np.ptp(a) for a in axes])
    density = LINES * extent / np.sqrt(extent.prod())
    x, y = axes
    ax.streamplot(
        x, y, np.ma.masked_invalid(u), np.ma.masked_invalid(v), color="white", linewidth=0.6, arrowsize=0.6,
        density=(float(density[0]), float(density[1])),
    )  # fmt: skip
    return ax


def plot_pressure(
    solution: Solution, ax: Axes | None = None, region: Region | None = None, *, t: float | None = None
) -> Axes:
    """The pressure p of a plane flow, with its contours.

    A pressure may be unbounded in corners.

    Args:
        solution: a plane flow that has a pressure, the field or output p.
        ax: the axes to draw on. Default None: new ones.
        region: ((x0, x1), (y0, y1)), whose values alone the colours are spread over. Default None: the bounding box of
            the domain.
        t: the time whose pressure is shown, of an unsteady flow. Default None: the last one.

    Returns:
        The axes, whose colours end where all but one in a hundred values lie between.

    Raises:
        ValueError: a problem that is no plane flow or has no p, a region without extent or outside the domain, or a
            time outside.

    Example:
        >>> import pinnkit as pk
        >>> flow = pk.solve(pk.problem("cavity"), None, 60, stages=[pk.Adam(1)], progress=False)
        >>> pk.plot.plot_pressure(flow, region=((0.0, 0.5), (0.5, 1.0))).get_xlabel()
        'x'
    """
    _plane_velocity(solution)
    axes, (p,) = _on_grid(solution, (_pressure(solution),), region, t)
    low, high = np.nanquantile(p, [0.005, 0.995]).tolist()  # it is unbounded where a sharp lid meets a wall
    ax = _image(solution, axes, p, ax, Normalize(low, high), SEQUENTIAL, "pressure", t)
    if high > low:
        ax.contour(*axes, p, np.linspace(low, high, CONTOURS), colors="white", linewidths=0.4, linestyles="solid")
    return ax


def plot_vorticity(
    solution: Solution, ax: Axes | None = None, region: Region | None = None, *, t: float | None = None
) -> Axes:
    """The vorticity v_x - u_y of a plane flow.

    The scale is linear up to a twentieth of its largest size, and logarithmic beyond.

    Args:
        solution: a plane flow, whose velocity is differentiated exactly.
        ax: the axes to draw on. Default None: new ones.
        region: ((x0, x1), (y0, y1)), as the wake of a body. Default None: the bounding box of the domain.
        t: the time whose vorticity is shown, of an unsteady flow. Default None: the last one.

    Returns:
        The axes, with colours symmetric about 0.

    Raises:
        ValueError: a problem that is no plane flow, a region or time outside its domain, or a region without extent.

    Example:
        >>> import pinnkit as pk
        >>> flow = pk.solve(pk.problem("cavity"), None, 60, stages=[pk.Adam(1)], progress=False)
        >>> pk.plot.plot_vorticity(flow).get_title()
        'vorticity'
    """
    _plane_velocity(solution)
    axes, (w,) = _on_grid(solution, (vorticity(solution.problem),), region, t)
    top = float(np.nanquantile(np.abs(w), 0.999)) or 1.0
    return _image(solution, axes, w, ax, SymLogNorm(top / 20, vmin=-top, vmax=top), DIVERGING, "vorticity", t)


def plot_flow(solution: Solution, region: Region | None = None, *, t: float | None = None) -> Figure:
    """Streamlines, pressure and vorticity of a plane flow, one below the other (side by side in a short region).

    Args:
        solution: a plane flow with a pressure.
        region: ((x0, x1), (y0, y1)) of all three pictures. Default None: the bounding box of the domain.
        t: the time of all three. Default None: the last one.

    Returns:
        The figure.

    Raises:
        ValueError: what one of the three refuses: another problem, region or time.

    Example:
        >>> import pinnkit as pk
        >>> flow = pk.solve(pk.problem("cavity"), None, 60, stages=[pk.Adam(1)], progress=False)
        >>> len(pk.plot.plot_flow(flow).axes)
        3
    """
    draws: list[Callable[..., Axes]] = [plot_streamlines, plot_pressure, plot_vorticity]
    (x0, x1), (y0, y1) = _extent(solution, region)
    figure, axes = axes_grid(3, (y1 - y0) / (x1 - x0))
    for draw, ax in zip(draws, axes, strict=True):
        draw(solution, ax, region, t=t)
    return figure


def _plane_velocity(solution: Solution) -> tuple[sp.Expr, ...]:
    domain = solution.problem.domain
    if len(domain.space) != 2:
        raise ValueError(f"{solution.problem.name} depends on {', '.join(domain.names)}: expected a plane flow")
    return velocity(solution.problem)


def _pressure(solution: Solution) -> sp.Expr:
    outputs = solution.problem.outputs
    if PRESSURE not in outputs:
        raise ValueError(f"{solution.problem.name} has no pressure {PRESSURE}: its fields are {', '.join(outputs)}")
    return outputs[PRESSURE]


def _extent(solution: Solution, region: Region | None) -> list[tuple[float, float]]:
    domain = solution.problem.domain
    bounds = dict(zip(domain.names, domain.bounds.T.tolist(), strict=True))
    found = [bounds[name] for name in domain.space] if region is None else [tuple(map(float, r)) for r in region]
    if len(found) != 2 or any(len(r) != 2 or not r[0] < r[1] for r in found):
        raise ValueError(f"region={region}: give ((x0, x1), (y0, y1)), lower ends first")
    return [tuple(r) for r in found]


def _moment(solution: Solution, t: float | None) -> float | None:
    """The time that is shown; None of a steady flow."""
    domain = solution.problem.domain
    if domain.time is None:
        if t is not None:
            raise ValueError(f"t={t:g}: {solution.problem.name} is steady, leave t out")
        return None
    start, end = domain.bounds[:, domain.names.index(domain.time)].tolist()
    if t is not None and not start <= t <= end:
        raise ValueError(f"t={t:g}: expected a time from {start:g} to {end:g}")
    return end if t is None else float(t)


def _on_grid(
    solution: Solution, expressions: Sequence[sp.Expr], region: Region | None, t: float | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Axes and values (n_y, n_x) of expressions on a grid of square cells, NaN outside the domain."""
    domain, moment = solution.problem.domain, _moment(solution, t)
    extent = _extent(solution, region)
    h = float(np.sqrt(np.prod([b - a for a, b in extent]) / NODES))
    axes = [np.linspace(a, b, 2 + round((b - a) / h)) for a, b in extent]
    nodes = np.stack([m.ravel() for m in np.meshgrid(*axes)], 1)
    if moment is not None:
        nodes = np.insert(nodes, domain.names.index(domain.time), moment, axis=1)
    X = torch.as_tensor(nodes)
    mask = domain.inside(X)
    if not mask.any():
        raise ValueError(f"region={tuple(extent)}: it lies outside the domain, which spans {_extent(solution, None)}")
    found = torch.full((len(X), len(expressions)), torch.nan, dtype=torch.float64)
    found[mask] = solution.evaluate(list(expressions), X[mask]).cpu().double()
    return axes, [v.numpy().reshape(len(axes[1]), len(axes[0])) for v in found.unbind(1)]


def _image(
    solution: Solution, axes: list[np.ndarray], values: np.ndarray, ax: Axes | None, norm: Normalize, colours: str,
    title: str, t: float | None,
) -> Axes:  # fmt: skip
    ax = Figure(figsize=(8.0, 4.4), layout="constrained").add_subplot() if ax is None else ax
    image = ax.pcolormesh(*axes, values, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    bar = colour_bar(ax, image)
    if isinstance(norm, SymLogNorm):
        decade = 10.0 ** np.floor(np.log10(norm.vmax or 1.0))
        bar.set_ticks([-decade, -decade / 10, 0, decade / 10, decade])
        bar.ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        bar.ax.yaxis.set_minor_locator(ticker.NullLocator())
    draw_body(ax, solution.problem.domain)
    names, moment = solution.problem.domain.space, _moment(solution, t)
    ax.set(title=title if moment is None else f"{title}, {solution.problem.domain.time} = {moment:.4g}")
    ax.set(xlabel=names[0], ylabel=names[1], xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]])
    ax.set_aspect("equal")
    return ax
