"""Panels of pictures: figures whose panels have the shape of what they show, colour bars as high as their picture."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axes._base import _AxesBase
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from pinnkit.tools.atomic_file import put

LONG, TALL = 0.5, 2.0  # height over width, from which panels stand one below the other, or all side by side
FREE = (6.3, 4.4)  # inches of a panel whose axes have different units
BESIDE, ABOVE = 1.5, 0.95  # inches that ticks, labels and the colour bar take, and title and labels
BAR, GAP = 0.12, 0.08  # inches: the width of a colour bar, and its distance


def panel_size(ratio: float | None) -> tuple[float, float]:
    """Width and height in inches of one panel, for a picture of this height over width; None: any."""
    if ratio is None:
        return FREE
    if ratio <= LONG:
        width = 7.5
    else:
        width = 3.9 if ratio < TALL else 6.0 / min(ratio, 20.0)
    return width + BESIDE, width * max(ratio, 0.05) + ABOVE


def axes_grid(
    count: int, ratio: float | None, columns: int | None = None, scale: float = 1.0
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """A figure of so many panels, and their axes row by row: long pictures in one column, others three to a row."""
    if columns is None:
        columns = 1 if ratio is not None and ratio <= LONG else 2 if count == 4 else 3
    columns = min(columns, count)
    rows = -(-count // columns)
    width, height = panel_size(ratio)
    size = (scale * width * columns, scale * height * rows)
    figure = Figure(figsize=size, layout="constrained" if ratio is None else "compressed")
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def break_in(ratio: float | None) -> str:
    """What separates the two parts of a title: a line's end, or a space above long pictures, which are low."""
    return " " if ratio is not None and ratio <= LONG else "\n"


def summary_size(ratio: float | None) -> tuple[float, float]:
    """Width and height in inches of a figure for :func:`summary_panels`."""
    (width, height), (free, low) = panel_size(ratio), FREE
    if ratio is not None and ratio <= LONG:
        return width, 3 * height + low + 0.4
    if ratio is not None and ratio >= TALL:
        return 3 * width + free, height + 0.4
    return 2 * width, 2 * max(height, 4.0) + 0.4


def summary_panels(figure: Figure, ratio: float | None) -> Sequence[Axes]:
    """Three pictures of this shape and one of any shape, in a figure that is given."""
    (width, height), (free, low) = panel_size(ratio), FREE
    if ratio is not None and ratio <= LONG:
        return figure.subplots(4, 1, height_ratios=[height] * 3 + [low])
    if ratio is not None and ratio >= TALL:
        return figure.subplots(1, 4, width_ratios=[width] * 3 + [free])
    return figure.subplots(2, 2).ravel()


def save_picture(figure: Figure, path: str | Path, dpi: int = 160) -> Path:
    """Write a figure to a file, whole or not at all.

    Args:
        figure: the figure.
        path: the file; its suffix is the format, as .png, .pdf or .svg.
        dpi: dots an inch of pixel formats.

    Returns:
        The path.

    Raises:
        OSError: the file cannot be written.
        ValueError: a suffix that is no format.

    Example:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> import pinnkit as pk
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pk.plot.save_picture(Figure(), f"{folder}/empty.png").name
        'empty.png'
    """
    image = BytesIO()  # Matplotlib's PDF writer hides an error of the disk behind one of its own
    figure.savefig(image, format=Path(path).suffix[1:], dpi=dpi)
    return put(path, lambda partial: partial.write_bytes(image.getvalue()))


def colour_bar(ax: Axes, drawn: Any) -> Colorbar:
    """The colours of what is drawn, in a bar beside the axes and as high as they are, whatever their scale."""
    own = ax.inset_axes((1.02, 0.0, 0.03, 1.0))
    own.set_axes_locator(_Beside(ax))
    bar = ax.figure.colorbar(drawn, cax=own)
    bar.outline.set_visible(False)
    return bar


class _Beside:
    """A place of fixed width at the right of axes, in the figure's coordinates; asked whenever these are drawn."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax

    def __call__(self, _: _AxesBase, _renderer: Any) -> Bbox:
        figure, box = self.ax.figure, self.ax.get_position()
        (x0, _), (x1, _) = figure.transSubfigure.transform([(0, 0), (1, 0)])
        inch = float(figure.dpi / (x1 - x0))
        return Bbox.from_bounds(box.x1 + GAP * inch, box.y0, BAR * inch, box.height)
