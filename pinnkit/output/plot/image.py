"""One field as a picture: an image over two coordinates or a curve over one, in colours that fit its values."""

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from pinnkit.model.solution import Solution

from .body import draw_body
from .colours import BLUE, DIVERGING, SEQUENTIAL
from .layout import colour_bar
from .slice import Slice


def new_axes(ax: Axes | None) -> Axes:
    """These axes, or new ones in a figure of their own."""
    return Figure(figsize=(6.0, 4.4), layout="constrained").add_subplot() if ax is None else ax


def signed_norm(values: np.ndarray) -> Normalize:
    """The scale of values: symmetric about 0 where both signs matter."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    size = max(abs(low), abs(high))
    return TwoSlopeNorm(0.0, -size, size) if low < -0.1 * size and high > 0.1 * size else Normalize(low, high)


def colour_map(values: np.ndarray) -> str:
    """The colour map that fits the scale."""
    return DIVERGING if isinstance(signed_norm(values), TwoSlopeNorm) else SEQUENTIAL


def draw_image(solution: Solution, seen: Slice, title: str, ax: Axes, norm: Normalize | None, colours: str) -> Axes:
    """Values over two coordinates as an image, over one as a curve."""
    ax.set_title(title)
    if len(seen.axes) == 1:
        ax.plot(seen.axes[0], seen.values, color=BLUE)
        return label_axes(ax, seen)
    image = ax.pcolormesh(*seen.axes, seen.values.T, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    bar = colour_bar(ax, image)
    if not isinstance(norm, LogNorm):
        bar.ax.yaxis.set_major_locator(ticker.MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    draw_body(ax, solution.problem.domain)
    return label_axes(ax, seen)


def label_axes(ax: Axes, seen: Slice) -> Axes:
    """Names and limits of the coordinates that are shown."""
    ax.set_xlabel(seen.names[0])
    if len(seen.names) == 2:
        ax.set_ylabel(seen.names[1])
        if not seen.timed:
            ax.set_aspect("equal")
        ax.set(xlim=seen.axes[0][[0, -1]], ylim=seen.axes[1][[0, -1]])
    return ax
