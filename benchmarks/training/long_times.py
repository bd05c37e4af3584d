"""Ordinary equations over long times by ``pinnkit.march(problem, correct=True)`` with its own settings.

The errors are the largest over time, beside SciPy's solvers at their smallest tolerances, relative to the largest value
of the field; of Robertson's equations each species by its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from scipy.integrate import solve_ivp

import pinnkit as pk
from benchmarks.common import figure, options, publish, table

(t,) = pk.coordinates("t")
u, v, w = (pk.field(name, t) for name in "uvw")
Rates = Callable[[float, np.ndarray], list[Any]]


@dataclass(frozen=True)
class Case:
    """A problem, and the same as a system of first order, of which the first components are its fields."""

    problem: pk.Problem
    rates: Rates
    start: tuple[float, ...]
    stiff: bool = False


def second_order(name: str, equation: sp.Expr, force: Rates, start: tuple[float, float], end: float) -> Case:
    """An equation of second order for u."""
    given = [pk.Initial(u, start[0]), pk.Initial(u, start[1], order=1)]
    return Case(pk.Problem(name, u, equation, pk.Box(t=(0, end)), given), force, start)


def epidemic() -> Case:
    """SEIR over 200 days."""
    S, E, I, R = fields = [pk.field(name, t) for name in "SEIR"]  # noqa: E741
    b, s, g = 0.4, 1 / 5.2, 0.1
    equations = {
        "S": S.diff(t) + b * S * I, "E": E.diff(t) - b * S * I + s * E,
        "I": I.diff(t) - s * E + g * I, "R": R.diff(t) - g * I,
    }  # fmt: skip
    start = (0.99, 0.0, 0.01, 0.0)
    given = [pk.Initial(f, value) for f, value in zip(fields, start, strict=True)]

    def rates(_: float, y: np.ndarray) -> list[Any]:
        return [-b * y[0] * y[2], b * y[0] * y[2] - s * y[1], s * y[1] - g * y[2], g * y[2]]

    return Case(pk.Problem("SEIR", fields, equations, pk.Box(t=(0, 200)), given), rates, start)


def robertson() -> Case:
    """Robertson's stiff reactions; the middle species is of the size 4e-5."""
    equations = {
        "u": u.diff(t) + 0.04 * u - 1e4 * v * w,
        "v": v.diff(t) - 0.04 * u + 1e4 * v * w + 3e7 * v**2,
        "w": w.diff(t) - 3e7 * v**2,
    }
    start = (1.0, 0.0, 0.0)
    given = [pk.Initial(f, value) for f, value in zip((u, v, w), start, strict=True)]

    def rates(_: float, y: np.ndarray) -> list[Any]:
        slow, fast, last = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return [fast - slow, slow - fast - last, last]

    return Case(pk.Problem("Robertson", [u, v, w], equations, pk.Box(t=(0, 1e4)), given), rates, start, stiff=True)


def cases() -> list[Case]:
    """All, the quick ones first."""
    return [
        epidemic(),
        second_order("pendulum", u.diff(t, 2) + sp.sin(u), lambda _, y: [y[1], -np.sin(y[0])], (3.0, 0.0), 30),
        second_order(
            "Duffing", u.diff(t, 2) + 0.3 * u.diff(t) - u + u**3 - sp.cos(1.2 * t) / 2,
            lambda s, y: [y[1], -0.3 * y[1] + y[0] - y[0] ** 3 + np.cos(1.2 * s) / 2], (1.0, 0.0), 50,
        ),
        second_order(
            "Van der Pol", u.diff(t, 2) - 10 * (1 - u**2) * u.diff(t) + u,
            lambda _, y: [y[1], 10 * (1 - y[0] ** 2) * y[1] - y[0]], (2.0, 0.0), 20,
        ),
        robertson(),
    ]  # fmt: skip


def truth(case: Case, times: np.ndarray) -> np.ndarray:
    """The fields (n, fields) at times, by another method."""
    method, relative, absolute = ("Radau", 1e-12, 1e-18) if case.stiff else ("DOP853", 1e-13, 1e-15)
    found = solve_ivp(
        case.rates, (0.0, times[-1]), case.start, method, t_eval=times, rtol=relative, atol=absolute
    )  # fmt: skip
    return found.y.T[:, : len(case.problem.fields)]


def measured(case: Case, points: int = 2001) -> dict[str, Any]:
    """Largest relative error, windows, seconds of one march."""
    end = case.problem.domain.bounds[1, 0]
    begin = time.process_time()
    found = pk.march(case.problem, correct=True, progress=False)
    seconds = time.process_time() - begin
    times = np.concatenate([[0.0], np.geomspace(1e-6, end, points)]) if case.stiff else np.linspace(0, end, points)
    right = truth(case, times)
    gap = np.abs(found(torch.as_tensor(times[:, None])).numpy() - right) / np.abs(right).max(0)
    lengths = np.diff(found.edges)
    return {
        "error": float(gap.max()), "windows": len(found.windows), "shortest": float(lengths.min()),
        "longest": float(lengths.max()), "cpu_s": seconds, "edges": list(found.edges),
        "times": times[::20].tolist(), "gap": gap.max(1)[::20].tolist(),
    }  # fmt: skip


def main() -> None:
    """Measure all, print the table, draw the errors over time."""
    quick = options(__doc__).quick
    results = {case.problem.name: measured(case) for case in cases()[: 2 if quick else None]}
    head = ["problem", "t up to", "windows", "their lengths", "largest relative error", "CPU s"]
    ends = {case.problem.name: case.problem.domain.bounds[1, 0] for case in cases()}
    lines = [
        [name, f"{ends[name]:g}", r["windows"], f"{r['shortest']:.2g} to {r['longest']:.2g}", f"{r['error']:.1e}",
         f"{r['cpu_s']:.0f}"]
        for name, r in results.items()
    ]  # fmt: skip
    drawing, ax = figure()
    for name, r in results.items():
        ax.semilogy(np.array(r["times"]) / ends[name], np.maximum(r["gap"], 1e-16), lw=1, label=name)
    ax.set(xlabel="t / T", ylabel="largest relative error")
    ax.legend(frameon=False, fontsize="small")
    publish("long_times", "Ordinary equations over long times", table(head, lines), results, drawing, quick)


if __name__ == "__main__":
    main()
