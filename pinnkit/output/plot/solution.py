"""Pictures of a solution: each function draws on the Axes that it is given, or on new ones, and returns them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
from matplotlib import mathtext, ticker
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from torch import Tensor

from pinnkit.error.error_map import ErrorMap
from pinnkit.model.quantity.fluid import is_plane_flow
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.reference import Exact, errors_of

from .body import draw_body
from .colours import BLUE, DIVERGING, ERRORS, GREEN, ORANGE, RED, SEQUENTIAL, SKY
from .fluid import plot_flow
from .layout import axes_grid, break_in, colour_bar, summary_panels, summary_size
from .slice import Slice, derivative, error_plane, plane, ratio, shown, titled

DECADES = 4  # of an error map, counted from its largest value


def plot_field(solution: Solution, field: str | None = None, ax: Axes | None = None, *, t: float | None = None) -> Axes:
    """A field or a derivative ("u", "u_x"; the first field unless named) over two coordinates, or one.

    Time runs to the right where there is one space coordinate; with two, and at other coordinates, a slice is drawn.

    Raises:
        ValueError: a name that is neither a field nor a derivative.
    """
    name = field or solution.problem.field_names[0]
    seen = plane(solution, derivative(solution, name), t=t)
    title = titled(f"solution {name}", seen)
    return _image(solution, seen, title, _ax(ax), _signed(seen.values), _colours(seen.values))


def plot_error(solution: Solution, field: str | None = None, ax: Axes | None = None, *, t: float | None = None) -> Axes:
    """|u - u*| of a field on the nodes of the reference, or everywhere of a closed form, on a logarithmic scale.

    Raises:
        ValueError: an unknown field, one that the reference does not hold, or a problem without reference.
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
    largest = max(float(np.nanmax(seen.values)), 1e-300)
    smallest = largest * 10.0**-DECADES
    norm = LogNorm(smallest, largest)
    seen = replace(seen, values=np.maximum(seen.values, smallest))
    title = f"{title}, relative L2 {errors[name]['relative_l2']:.1e}{break_in(ratio(solution))}({floor})"
    ax = _image(solution, seen, title, _ax(ax), norm, ERRORS)
    if len(seen.axes) == 1:
        ax.set_yscale("log")
    return ax


def plot_error_map(
    found: ErrorMap, field: str | None = None, ax: Axes | None = None, *, t: float | None = None
) -> Axes:
    """|e|, the error of a field as predicted without a reference, on a logarithmic scale, with estimate and verdict.

    Raises:
        ValueError: an unknown field.
    """
    names = found.solution.problem.field_names
    name = field or names[0]
    if name not in names:
        raise ValueError(f"{name!r} is not a field: choose one of {', '.join(names)}")
    seen = plane(found.solution, lambda X: found.error(X)[:, names.index(name)].abs(), t=t)
    largest = max(float(np.nanmax(seen.values)), 1e-300)
    smallest = largest * 10.0**-DECADES
    norm = LogNorm(smallest, largest)
    seen = replace(seen, values=np.maximum(seen.values, smallest))
    title = f"{titled(f'predicted |{name} − {name}*|', seen)}, relative L2 {found.relative_l2[name]:.1e}"
    title = f"{title}{break_in(ratio(found.solution))}({found.verdict.partition(' because')[0]})"
    ax = _image(found.solution, seen, title, _ax(ax), norm, ERRORS)
    if len(seen.axes) == 1:
        ax.set_yscale("log")
    return ax


def plot_corrected(
    found: ErrorMap, field: str | None = None, ax: Axes | None = None, *, t: float | None = None
) -> Axes:
    """A field of the corrected solution over two coordinates, or one; ValueError for an unknown field."""
    return _plot_map(found, found.corrected, "corrected", field, ax, t)


def plot_unseen(found: ErrorMap, field: str | None = None, ax: Axes | None = None, *, t: float | None = None) -> Axes:
    """The change of a field that residuals notice least, of relative rms size 1; ValueError for an unknown field."""
    return _plot_map(found, found.unseen, "hardly noticed change of", field, ax, t)


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
    return _image(found.solution, seen, title, _ax(ax), _signed(seen.values), _colours(seen.values))


def error_figure(found: ErrorMap) -> Figure:
    """For every field in a row: the predicted error, the true one if a reference holds all, the corrected field.

    Where the verdict says that fields are undetermined, the change that residuals hardly notice stands beside them.
    """
    solution = found.solution
    draws: list[Callable[[str, Axes], Axes]] = [lambda n, ax: plot_error_map(found, n, ax)]
    if set(solution.problem.field_names) <= _compared(solution):
        draws.append(lambda n, ax: plot_error(solution, n, ax))
    draws.append(lambda n, ax: plot_corrected(found, n, ax))
    if found.undetermined:
        draws.append(lambda n, ax: plot_unseen(found, n, ax))
    pairs = [(name, draw) for name in solution.problem.field_names for draw in draws]
    figure, axes = axes_grid(len(pairs), ratio(solution), len(draws))
    for (name, draw), ax in zip(pairs, axes, strict=True):
        draw(name, ax)
    return figure


def plot_points(solution: Solution, ax: Axes | None = None, key: str = "pde", *, field: str | None = None) -> Axes:
    """The points of one set that were trained on last, over the contours of a field.

    Raises:
        ValueError: a set that was not trained on.
    """
    if key not in solution.points:
        raise ValueError(f"no points {key!r} were trained on: the sets are {', '.join(solution.points)}")
    ax, points = _ax(ax), solution.points[key].X.cpu().numpy()
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
                *seen.axes, seen.values.T, shading="nearest", rasterized=True, cmap=_colours(seen.values),
                norm=_signed(seen.values), alpha=0.4,
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
    return _label(ax, seen)


def plot_rounds(solution: Solution, key: str = "pde", most: int = 6) -> Figure:
    """The points of one set as they were drawn over the rounds: the first, some between, the last."""
    kept = {i: points for i, points in solution.rounds.items() if key in points}
    kept |= {-1: solution.points}
    chosen = [list(kept)[j] for j in np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(int))]
    figure, axes = axes_grid(len(chosen), ratio(solution), scale=0.8)
    for i, ax in zip(chosen, axes, strict=True):
        plot_points(solution if i < 0 else replace(solution, points=kept[i]), ax, key)
        when = "the last draw" if i < 0 else f"iteration {i}"
        ax.set_title(f"{when}: {len(kept[i][key])} points")
    return figure


def plot_history(solution: Solution, ax: Axes | None = None) -> Axes:
    """Loss, validation loss and errors over the iterations; lines mark new stages, ticks below new points."""
    ax, history = _ax(ax), solution.history
    ax.set(xlabel="iteration", title="training")
    if not len(history):
        ax.set_title("no history: the solution was not trained")
        return ax
    iterations = history["iteration"]
    ax.plot(iterations, history["loss"], color=BLUE, lw=1.2, label="loss, training points")
    ax.plot(iterations, history["validation"], color=SKY, lw=1.2, label="loss, fresh points")
    for name, colour in zip(solution.problem.outputs, (RED, ORANGE, GREEN) * 9, strict=False):
        if f"error:{name}" in history:
            ax.plot(iterations, history[f"error:{name}"], color=colour, lw=1.6, label=f"relative L2 error of {name}")
    ax.set_yscale("log")
    _mark_stages(ax, solution)
    ax.grid(axis="y", color="0.9", lw=0.6)
    ax.set_axisbelow(True)
    ax.legend(frameon=False, fontsize="small", loc="upper right", bbox_to_anchor=(1.0, 0.94))  # below the stages
    return ax


def _mark_stages(ax: Axes, solution: Solution) -> None:
    history, plan = solution.history, None if solution.progress is None else solution.progress.plan
    stage, turn, iterations = history["stage"], history["round"], history["iteration"]
    across = ax.get_xaxis_transform()  # x in iterations, y from 0 at the bottom to 1 at the top
    ax.set_ylim(top=10 * ax.get_ylim()[1])
    ax.set_xlim(0, 1.02 * iterations[-1])
    change = np.flatnonzero(np.diff(stage))
    begins = [0.0, *iterations[change]]
    known = max((i + 1 for i, k in enumerate(change) if stage[k + 1] < stage[k]), default=0)  # the last call of solve
    low = False  # the name stands below that of the stage before, if this is a short one
    for i, begin in enumerate(begins):
        low = i > 0 and not low and begin - begins[i - 1] < 0.15 * iterations[-1]
        if i:
            ax.axvline(begin, color="0.55", lw=0.8, ls="--")
        k = int(stage[change[i - 1] + 1] if i else stage[0])
        if plan is not None and i >= known and k < len(plan.stages):
            ax.annotate(
                type(plan.stages[k]).__name__, (begin, 0.97), (4, -12 * low), xycoords=across,
                textcoords="offset points", va="top", fontsize="small", color="0.35",
            )  # fmt: skip
    fresh = iterations[np.flatnonzero(np.diff(turn, prepend=0))]
    if len(fresh):
        ax.plot(fresh, np.full(len(fresh), 0.015), "|", color="0.45", ms=6, transform=across, label="new points")


def plot_slices(
    solution: Solution, field: str | None = None, ax: Axes | None = None, *, at: Sequence[float] | None = None
) -> Axes:
    """A field along the first space coordinate at several values of the other one (of time, if there is time).

    The reference, where there is one, is drawn beneath as broad grey lines.

    Raises:
        ValueError: an unknown field, values outside the domain.
    """
    name, ax = field or solution.problem.field_names[0], _ax(ax)
    domain, names = solution.problem.domain, shown(solution)
    if len(names) == 1:
        seen = plane(solution, derivative(solution, name), count=481)
        return _image(solution, seen, titled(name, seen), ax, None, "")
    across, along = names if names[0] == domain.time else names[::-1]
    low, high = domain.bounds[:, domain.names.index(across)]
    inside = (0, 0.25, 0.5, 0.75, 1) if across == domain.time else (0.1, 0.3, 0.5, 0.7, 0.9)
    chosen = low + (high - low) * np.array(inside) if at is None else np.asarray(at, dtype=float)
    if not len(chosen) or chosen.min() < low or chosen.max() > high:
        raise ValueError(f"at={chosen.tolist()}: give values of {across} from {low:g} to {high:g}")
    left, right = domain.bounds[:, domain.names.index(along)].tolist()
    x = np.linspace(left, right, 481)
    seen = plane(solution, derivative(solution, name), at={across: chosen, along: x})
    known = name in _compared(solution) and (not seen.fixed or isinstance(solution.problem.reference, Exact))
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


def _compared(solution: Solution) -> set[str]:
    """What the reference holds."""
    return set() if solution.problem.reference is None else set(solution.errors())


def _shade(fraction: float) -> Any:
    from matplotlib import colormaps

    return colormaps[SEQUENTIAL](fraction)


def plot_summary(solution: Solution, figure: Figure | None = None) -> Figure:
    """One figure of four: solution, error (slices without a reference, of curves the next field), points, history."""
    figure = figure or Figure(figsize=summary_size(ratio(solution)), layout="constrained")
    field, error, points, history = summary_panels(figure, ratio(solution))
    plot_field(solution, ax=field)
    problem = solution.problem
    if problem.reference is None and len(problem.domain.names) == 1 and len(problem.fields) > 1:
        plot_field(solution, problem.field_names[1], ax=error)  # a slice of a curve is the curve itself
    else:
        (plot_slices if problem.reference is None else plot_error)(solution, ax=error)
    plot_points(solution, points, next(iter(solution.points)))
    plot_history(solution, history)
    figure.suptitle(_heading(solution), fontsize="x-large")
    return figure


def _heading(solution: Solution) -> str:
    problem = solution.problem
    numbers = {**problem.parameters, **solution.unknowns}
    parts = [problem.name, *(f"${sp.latex(sp.Symbol(k))}$ = {v:.4g}" for k, v in numbers.items())]
    return ",  ".join(parts) + (f":   {equation}" if (equation := equation_text(problem)) else "")


def equation_text(problem: Problem) -> str:
    """The equation, with subscripts for derivatives, as matplotlib sets it; empty if it cannot, or for a system."""
    if len(problem.equations) > 1:
        return ""
    expression = next(iter(problem.interface_problem.interior.values())).doit()
    short: dict[sp.Basic, sp.Symbol] = {}
    for atom in expression.atoms(sp.Derivative):
        by = "".join(sp.latex(v) * int(n) for v, n in atom.variable_count)
        short[atom] = sp.Symbol(f"{atom.expr.func}_{{{by}}}")
    plain = expression.xreplace(short).xreplace({u: sp.Symbol(str(u.func)) for u in problem.fields})
    first = [s for atom, s in short.items() if problem.domain.time in (v.name for v, _ in atom.variable_count)]
    terms = sorted(
        sp.Add.make_args(plain),
        key=lambda e: (not e.has(*first) if first else 0, not e.has(*short.values()), e.count_ops(), str(e)),
    )
    text = " ".join(t if t.startswith("-") else f"+ {t}" for t in map(sp.latex, terms)).removeprefix("+ ")
    try:
        mathtext.MathTextParser("path").parse(f"${text} = 0$")
    except ValueError:
        return ""
    return f"${text} = 0$" if len(text) < 160 else ""


def figures(solution: Solution) -> dict[str, Figure]:
    """All pictures by name: summary, solution, error (with a reference), points, rounds, slices, history; of a plane
    flow its streamlines, pressure and vorticity as well.
    """
    names, shape = solution.problem.field_names, ratio(solution)
    found = {
        "summary": plot_summary(solution),
        "solution": _row(tuple(solution.problem.outputs), lambda n, ax: plot_field(solution, n, ax), shape),
        "points": _row(tuple(solution.points), lambda key, ax: plot_points(solution, ax, key), shape),
        "rounds": plot_rounds(solution, next(iter(solution.points))),
        "slices": _row(names, lambda n, ax: plot_slices(solution, n, ax), None),
        "history": _row(("",), lambda _, ax: plot_history(solution, ax), None),
    }
    if solution.problem.reference is not None:
        found["error"] = _row(tuple(solution.errors()), lambda n, ax: plot_error(solution, n, ax), shape)
    if is_plane_flow(solution.problem):
        found["flow"] = plot_flow(solution)
    return found


def _row(names: Sequence[str], draw: Callable[[str, Axes], Axes], shape: float | None) -> Figure:
    figure, axes = axes_grid(len(names), shape)
    for name, ax in zip(names, axes, strict=True):
        draw(name, ax)
    return figure


def _ax(ax: Axes | None) -> Axes:
    return Figure(figsize=(6.0, 4.4), layout="constrained").add_subplot() if ax is None else ax


def _signed(values: np.ndarray) -> Normalize:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    size = max(abs(low), abs(high))
    return TwoSlopeNorm(0.0, -size, size) if low < -0.1 * size and high > 0.1 * size else Normalize(low, high)


def _colours(values: np.ndarray) -> str:
    return DIVERGING if isinstance(_signed(values), TwoSlopeNorm) else SEQUENTIAL


def _image(solution: Solution, seen: Slice, title: str, ax: Axes, norm: Normalize | None, colours: str) -> Axes:
    ax.set_title(title)
    if len(seen.axes) == 1:
        ax.plot(seen.axes[0], seen.values, color=BLUE)
        return _label(ax, seen)
    image = ax.pcolormesh(*seen.axes, seen.values.T, norm=norm, cmap=colours, shading="nearest", rasterized=True)
    bar = colour_bar(ax, image)
    if not isinstance(norm, LogNorm):
        bar.ax.yaxis.set_major_locator(ticker.MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    draw_body(ax, solution.problem.domain)
    return _label(ax, seen)


def _label(ax: Axes, seen: Slice) -> Axes:
    ax.set_xlabel(seen.names[0])
    if len(seen.names) == 2:
        ax.set_ylabel(seen.names[1])
        if not seen.timed:
            ax.set_aspect("equal")
        ax.set(xlim=seen.axes[0][[0, -1]], ylim=seen.axes[1][[0, -1]])
    return ax
