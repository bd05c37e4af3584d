"""Pictures of errors: against a reference, as predicted without one, and the corrected fields."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from pinnkit.error.error_map import ErrorMap
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.reference import errors_of

from .colours import ERRORS
from .image import colour_map, draw_image, new_axes, signed_norm
from .layout import axes_grid, break_in
from .slice import Slice, compared, error_plane, plane, ratio, titled

DECADES = 4  # of an error map, counted from its largest value


def plot_error(solution: Solution, field: str | None = None, ax: Axes | None = None, *, t: float | None = None) -> Axes:
    """The error |u - u*| of a field against the reference, on a logarithmic scale of four decades.

    A closed form is compared everywhere, another reference on its own nodes.

    Args:
        solution: a solution or march whose problem has a reference.
        field: a field that the reference holds. Default None: the first one.
        ax: the axes to draw on. Default None: new ones.
        t: the time of the comparison, where time is no axis of the picture. Default None: the last one.

    Returns:
        The axes, whose title holds the relative L2 error and how exact the reference is.

    Raises:
        ValueError: an unknown field, one that the reference does not hold, or a problem without reference.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_error(u).get_title()[:8]
        '|u − u*|'
    """
    errors = solution.errors()
    name = field or next(iter(errors))
    seen = error_plane(solution, name, t)
    if name not in errors:
        raise ValueError(f"the reference does not hold {name}: choose one of {', '.join(errors)}")
    reference = solution.problem.reference
    own = errors_of(reference).get(name, reference.error if reference is not None else 0.0)
    floor = f"the reference's own {own:.0e}" if own else "exact reference"
    title = titled(f"|{name} − {name}*|", seen)
    title = f"{title}, relative L2 {errors[name]['relative_l2']:.1e}{break_in(ratio(solution))}({floor})"
    return _sizes(solution, seen, title, ax)


def plot_error_map(
    found: ErrorMap, field: str | None = None, ax: Axes | None = None, *, t: float | None = None
) -> Axes:
    """The error |e| of a field as predicted without a reference, on a logarithmic scale of four decades.

    Args:
        found: the prediction (:func:`error_map`).
        field: the field whose error is shown. Default None: the first one.
        ax: the axes to draw on. Default None: new ones.
        t: the time of the prediction, where time is no axis of the picture. Default None: the last one.

    Returns:
        The axes, whose title holds the estimated relative L2 error and the verdict.

    Raises:
        ValueError: an unknown field.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_error_map(pk.error_map(u)).get_title()[:18]
        'predicted |u − u*|'
    """
    names = found.solution.problem.field_names
    name = field or names[0]
    if name not in names:
        raise ValueError(f"{name!r} is not a field: choose one of {', '.join(names)}")
    seen = plane(found.solution, lambda X: found.error(X)[:, names.index(name)].abs(), t=t)
    title = f"{titled(f'predicted |{name} − {name}*|', seen)}, relative L2 {found.relative_l2[name]:.1e}"
    title = f"{title}{break_in(ratio(found.solution))}({found.verdict.partition(' because')[0]})"
    return _sizes(found.solution, seen, title, ax)


def plot_corrected(
    found: ErrorMap, field: str | None = None, ax: Axes | None = None, *, t: float | None = None
) -> Axes:
    """A field u - e of the corrected solution over two coordinates, or over one.

    Args:
        found: the error map that holds e (:func:`error_map`).
        field: the field u. Default None: the first one.
        ax: the axes to draw on. Default None: new ones.
        t: the time at which u is drawn, where time is no axis of the picture. Default None: the last one.

    Returns:
        The axes, with colours symmetric about 0 where u - e has both signs.

    Raises:
        ValueError: an unknown field.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_corrected(pk.error_map(u)).get_title()
        'corrected u'
    """
    return _plot_map(found, found.corrected, "corrected", field, ax, t)


def plot_unseen(found: ErrorMap, field: str | None = None, ax: Axes | None = None, *, t: float | None = None) -> Axes:
    """The change of a field that residuals notice least, of relative rms size 1.

    Args:
        found: the error map that looked for the change (:func:`error_map`).
        field: the field that changes. Default None: the first one.
        ax: the axes to draw on. Default None: new ones.
        t: the time of the change, where time is no axis of the picture. Default None: the last one.

    Returns:
        The axes, with colours symmetric about 0 where the change has both signs.

    Raises:
        ValueError: a field that the problem does not have.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_unseen(pk.error_map(u)).get_title()
        'least noticed change of u'
    """
    return _plot_map(found, found.unseen, "least noticed change of", field, ax, t)


def _sizes(solution: Solution, seen: Slice, title: str, ax: Axes | None) -> Axes:
    """Errors by size on a logarithmic scale, the smallest of them raised to its end."""
    largest = max(float(np.nanmax(seen.values)), 1e-300)
    smallest = largest * 10.0**-DECADES
    seen = replace(seen, values=np.maximum(seen.values, smallest))
    ax = draw_image(solution, seen, title, new_axes(ax), LogNorm(smallest, largest), ERRORS)
    if len(seen.axes) == 1:
        ax.set_yscale("log")
    return ax


def _plot_map(
    found: ErrorMap, of: Callable[[Tensor], Tensor], what: str, field: str | None, ax: Axes | None, t: float | None
) -> Axes:
    """A function of points with one column for every field, for one of them, in the colours of signed values."""
    names = found.solution.problem.field_names
    name = field or names[0]
    if name not in names:
        raise ValueError(f"{name!r} is not a field: choose one of {', '.join(names)}")
    seen = plane(found.solution, lambda X: of(X)[:, names.index(name)], t=t)
    title = titled(f"{what} {name}", seen)
    return draw_image(found.solution, seen, title, new_axes(ax), signed_norm(seen.values), colour_map(seen.values))


def error_figure(found: ErrorMap) -> Figure:
    """For every field in a row: the predicted error, the true one if a reference holds all, the corrected field.

    Where the verdict says that fields are undetermined, the change that residuals hardly notice stands beside them.

    Args:
        found: the error map (:func:`error_map`).

    Returns:
        The figure.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> len(pk.plot.error_figure(pk.error_map(u)).axes)
        3
    """
    solution = found.solution
    draws: list[Callable[[str, Axes], Axes]] = [lambda n, ax: plot_error_map(found, n, ax)]
    if set(solution.problem.field_names) <= compared(solution):
        draws.append(lambda n, ax: plot_error(solution, n, ax))
    draws.append(lambda n, ax: plot_corrected(found, n, ax))
    if found.undetermined:
        draws.append(lambda n, ax: plot_unseen(found, n, ax))
    pairs = [(name, draw) for name in solution.problem.field_names for draw in draws]
    figure, axes = axes_grid(len(pairs), ratio(solution), len(draws))
    for (name, draw), ax in zip(pairs, axes, strict=True):
        draw(name, ax)
    return figure
