"""A picture of a certificate: where the solution misses what it should meet, and what that does to the bounds."""

import numpy as np
import sympy as sp
import torch
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnkit.certificate.certificate import MEANING, Certificate
from pinnkit.certificate.certify import certify
from pinnkit.certificate.contributions import Part, contributions
from pinnkit.domain.box import Box
from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.residual import Residual

from .colours import BLUE, GREEN, ORANGE, RED, SKY

POINTS = 40_000  # at which a misfit is looked at
LINE = 401  # of them along the axis of a panel
DECADES = 5  # below the smallest bound of a panel: a misfit's zeros lie deeper
COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, "#CC79A7", "#F0E442")


def plot_certificate(solution: Solution, found: Certificate | None = None, *, figure: Figure | None = None) -> Figure:
    """The sizes of all misfits along the sides of the domain, and what each of them does to the bounds.

    Each coordinate along which misfits run has a panel: the largest over the other coordinates, and dashed the largest
    as the certificate has it. Bars show the bounds, what every misfit alone makes of them, and the true errors where
    these are known.

    Args:
        solution: a trained solution.
        found: its certificate (:func:`certify`). Default None: one by samples is made.
        figure: the figure to draw on. Default None: a new one.

    Returns:
        The figure.

    Raises:
        ValueError: a problem without a certificate, or a certificate of another problem.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.plot.plot_certificate(u).axes[0].get_title()
        'misfits along x; dashed: at most'
    """
    found = certify(solution, corrected=False) if found is None else found
    by_norm, parts = contributions(solution, found)
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(parts)}
    lines = {name: _profile(solution, part) for name, part in parts.items()}
    panels = [n for n in solution.problem.domain.names if any(along == n for along, *_ in lines.values())]
    figure = figure or Figure(figsize=(4.6 * len(panels) + 5.4, 4.6), layout="constrained")
    *axes, last = figure.subplots(1, len(panels) + 1, width_ratios=[1] * len(panels) + [1.2])
    for ax, along in zip(axes, panels, strict=True):
        own = {name: line for name, line in lines.items() if line[0] == along}
        for name, (_, x, size) in own.items():
            width = min(3.6, 1.2 + 0.8 * (len(own) - 1 - list(own).index(name)))  # of two that coincide both are seen
            style = {"lw": width} if isinstance(solution.problem.domain, Box) else {"ls": "", "marker": ".", "ms": 2}
            ax.plot(x, size, color=colours[name], label=name, **style)
            ax.axhline(found.misfits[name].sup, color=colours[name], lw=1, ls="--")
        _scaled(ax, [found.misfits[name].sup for name in own], [size for _, _, size in own.values()])
        ax.set(xlabel=along, title=f"misfits along {along}; dashed: at most")
        ax.legend(frameon=False, fontsize="small", loc="lower center")
    _bars(last, found, by_norm, colours)
    kind = "rigorous" if found.rigorous else "sampled"
    figure.suptitle(f"{found.problem}: {found.equation};  {kind} certificate", fontsize="large")
    return figure


def _profile(solution: Solution, part: Part) -> tuple[str, np.ndarray, np.ndarray]:
    """The coordinate along which a misfit is drawn, its values, and the largest sizes there."""
    residual, by, fixed = part
    problem, domain = solution.problem, solution.problem.domain
    e = residual.expression
    for name in by:
        e = sp.diff(e, problem.variables[domain.names.index(name)])
    residual = Residual(residual.name, e, residual.place)
    if not isinstance(domain, Box):
        points = PointSet(domain.sample(POINTS // 10)) if residual.key == "pde" else problem.sample(residual.key, 4000)
        return domain.names[0], points.X[:, 0].cpu().numpy(), _sizes(solution, residual, points)
    free = [n for n in domain.names if n not in fixed]
    along = domain.time if domain.time in free else free[0]
    count = {n: LINE if n == along else max(3, int((POINTS / LINE) ** (1 / max(1, len(free) - 1)))) for n in free}
    ends = dict(zip(domain.names, domain.bounds.T.tolist(), strict=True))
    axes = {n: np.linspace(ends[n][0], ends[n][1], count[n]) for n in free}
    grid = dict(zip(free, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
    shape = next(iter(grid.values())).shape
    X = np.stack([grid[n].ravel() if n in grid else np.full(np.prod(shape), fixed[n]) for n in domain.names], 1)
    sizes = _sizes(solution, residual, PointSet(torch.as_tensor(X))).reshape(shape)
    return along, axes[along], sizes.max(tuple(i for i, n in enumerate(free) if n != along))


def _sizes(solution: Solution, residual: Residual, points: PointSet) -> np.ndarray:
    program = solution.model.program([residual])
    return solution._rows(program, points.to(solution.theta))[0].abs().double().cpu().numpy()


def _scaled(ax: Axes, tops: list[float], sizes: list[np.ndarray]) -> None:
    """A logarithmic axis, some decades below the smallest bound at most; linear where nothing is missed at all."""
    tops, seen = [v for v in tops if v > 0], [v for v in np.concatenate(sizes) if v > 0]
    if tops:
        low = max(min(tops) * 10.0**-DECADES, max(tops) * 1e-24, min(seen, default=0.0) / 30)
        ax.set(yscale="log", ylim=(low, 4 * max(tops)), ylabel="|misfit|")
    ax.grid(axis="y", color="0.9", lw=0.6)
    ax.set_axisbelow(True)


def _bars(ax: Axes, found: Certificate, by_norm: dict[str, dict[str, float]], colours: dict[str, str]) -> None:
    """A group of bars for every norm: the bound, what each misfit alone would give, the true error as a line."""
    step = 1 / (len(colours) + 2.5)
    for k, b in enumerate(found.direct):
        rows = [("bound", b.value, "0.25"), *((n, v, colours[n]) for n, v in by_norm[b.norm].items())]
        for i, (name, value, colour) in enumerate(rows):
            ax.barh(k + i * step, value, step * 0.9, color=colour, label=name if not k else None)
        if (true := found.errors.get(b.norm, 0.0)) > 0:
            label = None if "true error" in ax.get_legend_handles_labels()[1] else "true error"
            ax.plot([true] * 2, [k - step, k + len(rows) * step], color="black", lw=1.2, ls=":", label=label)
    values = [v for b in found.direct for v in (b.value, found.errors.get(b.norm, 0.0)) if v > 0]
    values += [v for parts in by_norm.values() for v in parts.values() if v > 0]
    if values:
        low = max(min(values) / 10, max(values) * 1e-12)
        ax.set(xscale="log", xlim=(low, 3 * max(values)))
        ax.xaxis.set_major_locator(ticker.LogLocator(numticks=7))
    middle = (len(colours) * step) / 2
    ax.set_yticks([k + middle for k in range(len(found.direct))], [_named(b.norm) for b in found.direct])
    ax.invert_yaxis()
    ax.set(xlabel="error", title="bounds, and what each misfit alone gives")
    ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)


def _named(norm: str) -> str:
    return MEANING[norm].replace(" of the error", "\nof the error").replace(" of the error's", "\nof the error's")
