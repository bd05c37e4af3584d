"""All pictures of a solution, and one figure of the most telling four."""

from collections.abc import Callable, Sequence

import sympy as sp
from matplotlib import mathtext
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnkit.model.quantity.fluid import is_plane_flow
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem

from .error import plot_error
from .fluid import plot_flow
from .history import plot_history
from .layout import axes_grid, summary_panels, summary_size
from .slice import ratio
from .solution import plot_field, plot_points, plot_rounds, plot_slices


def plot_summary(solution: Solution, figure: Figure | None = None) -> Figure:
    """One figure of four: solution, error, points, history.

    Without a reference, slices of the first field stand in the place of the error, or the next field of curves.

    Args:
        solution: a solution, or a march.
        figure: the figure to draw on. Default None: a new one.

    Returns:
        The figure.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> len(pk.plot.plot_summary(u).axes)
        4
    """
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
    """All pictures of a solution, by name.

    Args:
        solution: a solution, or a march.

    Returns:
        Figures by name: summary, solution, points, rounds, slices, history; with a reference, error; of a plane flow,
        flow (streamlines, pressure and vorticity).

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> sorted(pk.plot.figures(u))
        ['error', 'history', 'points', 'rounds', 'slices', 'solution', 'summary']
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
