"""Twenty smooth problems solved to a tolerance: ``pinnkit.solve(problem, tolerance=...)`` and nothing else.

The ladder's settings were chosen on the first half; the figures are those of the second half. Errors are relative L2
errors of the worst field at 20 000 random points, beside the upper end of the interval that the run itself gives.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit as pk
from benchmarks.common import BLUE, GREY, figure, options, publish, table

x, y, z, t = pk.coordinates("x y z t")
pi, exp, sin, cos, tanh = sp.pi, sp.exp, sp.sin, sp.cos, sp.tanh
HALF = Iterator[tuple[pk.Problem, dict[str, sp.Expr]]]


def unit(names: str, low: float = 0, high: float = 1) -> pk.Box:
    """A cube."""
    return pk.Box(**dict.fromkeys(names, (low, high)))


def stated(name: str, u: Any, left: Any, exact: Any, box: pk.Box, *more: Any) -> tuple[pk.Problem, dict[str, sp.Expr]]:
    """A problem with equations left(u) = left(exact), and values of the exact solution on all faces and at t = 0."""
    fields, values = (list(v) if isinstance(v, (list, tuple)) else [v] for v in (u, exact))
    found, wanted = left(*fields), left(*values)
    pairs = zip(*(v if isinstance(v, (list, tuple)) else [v] for v in (found, wanted)), strict=True)
    equations = {f"eq{i}": a - sp.simplify(sp.sympify(b).doit()) for i, (a, b) in enumerate(pairs)}
    given: list[Any] = [*more]
    for f, v in zip(fields, values, strict=True):
        if "t" in box.names:
            given.append(pk.Initial(f, v.subs(t, 0)))
        if box.space:
            given.append(pk.Dirichlet(f, v))
    truth = {str(f.func): sp.sympify(v) for f, v in zip(fields, values, strict=True)}
    return pk.Problem(name, fields, equations, box, given), truth


def laplacian(f: Any, *by: Any) -> Any:
    """The Laplace operator."""
    return sum(sp.diff(f, s, 2) for s in by)


def first_half() -> HALF:
    """Those that the ladder was made with."""
    u, v, w = (pk.field("u", *c) for c in ((x, y), (x, t), (x, y, z)))
    a, b = pk.field("a", x, t), pk.field("b", x, t)
    yield stated("poisson", u, lambda f: laplacian(f, x, y), exp(x) * sin(3 * y), unit("xy"))
    yield stated(
        "advection_diffusion", v, lambda f: sp.diff(f, t) + sp.diff(f, x) - sp.diff(f, x, 2) / 10,
        cos(2 * x - t) * exp(-t / 2), unit("xt"),
    )  # fmt: skip
    yield stated("cubic", u, lambda f: -laplacian(f, x, y) + f**3, cos(2 * x + y), unit("xy", -1))
    modes = sin(2 * pi * x) * cos(2 * pi * t) + sin(3 * pi * x) * cos(3 * pi * t) / 2
    yield stated(
        "two_modes", v, lambda f: sp.diff(f, t, 2) - sp.diff(f, x, 2), modes, unit("xt"), pk.Initial(v, 0, order=1)
    )
    yield stated("helmholtz_10", u, lambda f: laplacian(f, x, y) + 100 * f, sin(8 * x) * sin(6 * y), unit("xy"))
    front = 1 - tanh((x - t / 2) / (2 * sp.Rational(1, 10))) / 2
    yield stated(
        "front",
        v,
        lambda f: sp.diff(f, t) + f * sp.diff(f, x) - sp.diff(f, x, 2) / 10,
        front,
        pk.Box(x=(-1, 1), t=(0, 1)),
    )
    soliton = 2 / sp.cosh(x - 4 * t) ** 2
    yield stated(
        "soliton", v, lambda f: sp.diff(f, t) + 6 * f * sp.diff(f, x) + sp.diff(f, x, 3), soliton,
        pk.Box(x=(-3, 3), t=(0, sp.Rational(1, 2))), pk.Neumann(v, sp.diff(soliton, x), on="x_max"),
    )  # fmt: skip
    yield stated(
        "reactions", (a, b),
        lambda f, g: (sp.diff(f, t) - sp.diff(f, x, 2) / 5 - f * g, sp.diff(g, t) - sp.diff(g, x, 2) / 10 + f * g),
        (cos(x) * exp(-t), sin(x + t) / 2), unit("xt"),
    )  # fmt: skip
    yield stated("poisson_3d", w, lambda f: laplacian(f, x, y, z), sin(x + 2 * y) * cos(z), unit("xyz"))
    yield stated(
        "variable", u, lambda f: sp.diff((1 + x * y) * sp.diff(f, x), x) + sp.diff((2 + x) * sp.diff(f, y), y),
        exp(-x) * cos(4 * y), unit("xy"),
    )  # fmt: skip


def second_half() -> HALF:
    """Those that are reported."""
    u, v, w = (pk.field("u", *c) for c in ((x, y), (x, t), (x, y, t)))
    a, b = pk.field("a", x, t), pk.field("b", x, t)
    yield stated("anisotropic", u, lambda f: laplacian(f, x, y), cos(5 * x) * exp(-y), unit("xy"))
    yield stated(
        "fisher", v, lambda f: sp.diff(f, t) - sp.diff(f, x, 2) - 6 * f * (1 - f), (1 + exp(x - 5 * t)) ** -2,
        pk.Box(x=(-1, 1), t=(0, 1)),
    )  # fmt: skip
    kink = 4 * sp.atan(exp((x - t / 2) / sp.sqrt(sp.Rational(3, 4))))
    yield stated(
        "sine_gordon", v, lambda f: sp.diff(f, t, 2) - sp.diff(f, x, 2) + sin(f), kink, pk.Box(x=(-3, 3), t=(0, 2)),
        pk.Initial(v, sp.diff(kink, t).subs(t, 0), order=1),
    )  # fmt: skip
    real = cos(x) * cos(t / 2) + cos(2 * x) * cos(2 * t) / 3
    other = -cos(x) * sin(t / 2) - cos(2 * x) * sin(2 * t) / 3
    yield stated(
        "schroedinger_modes", (a, b),
        lambda f, g: (sp.diff(f, t) + sp.diff(g, x, 2) / 2, sp.diff(g, t) - sp.diff(f, x, 2) / 2), (real, other),
        pk.Box(x=(-2, 2), t=(0, 1)),
    )  # fmt: skip
    yield stated("helmholtz_12", u, lambda f: laplacian(f, x, y) + 144 * f, sin(9 * x) * cos(8 * y), unit("xy"))
    yield stated("bratu", u, lambda f: -laplacian(f, x, y) - exp(f), sin(pi * x) * sin(pi * y), unit("xy"))
    yield stated(
        "heat_2d", w, lambda f: sp.diff(f, t) - laplacian(f, x, y), exp(-2 * t) * sin(x) * sin(y) + x * y, unit("xyt")
    )
    drum = sin(pi * x) * sin(2 * pi * y) * cos(sp.sqrt(5) * pi * t)
    yield stated(
        "drum", w, lambda f: sp.diff(f, t, 2) - laplacian(f, x, y), drum, unit("xyt"), pk.Initial(w, 0, order=1)
    )
    yield stated("steady_burgers", u, lambda f: f * sp.diff(f, x) - laplacian(f, x, y) / 5, sin(2 * x - y), unit("xy"))
    yield stated(
        "damped_wave", v, lambda f: sp.diff(f, t, 2) + sp.diff(f, t) - sp.diff(f, x, 2) + 4 * f,
        cos(6 * x) * sin(5 * t) + x, unit("xt"), pk.Initial(v, 5 * cos(6 * x), order=1),
    )  # fmt: skip


def error(solution: pk.Solution, truth: dict[str, sp.Expr]) -> float:
    """The relative L2 error of the worst field at 20 000 random points."""
    box = solution.problem.domain
    X = np.random.default_rng(3).uniform(*box.bounds, size=(20_000, len(box.names)))
    found = solution(torch.as_tensor(X)).numpy()
    names = [sp.Symbol(n) for n in box.names]
    worst = 0.0
    for i, expression in enumerate(truth.values()):
        own = expression.subs({s: sp.Symbol(s.name) for s in expression.free_symbols})
        true = np.broadcast_to(sp.lambdify(names, own, "numpy")(*X.T), len(X))
        worst = max(worst, float(np.linalg.norm(found[:, i] - true) / np.linalg.norm(true)))
    return worst


def run(problem: pk.Problem, truth: dict[str, sp.Expr], tolerance: float, seed: int, limit: float) -> dict[str, Any]:
    """One problem: true error, the upper end of its interval, CPU seconds, and whether the run says "reached"."""
    began = time.process_time()
    solution = pk.solve(problem, tolerance=tolerance, seed=seed, time_limit=limit, progress=False)
    spent = time.process_time() - began
    said = next((s for s in reversed(solution.stops) if "estimated error" in s), "")
    upper = float(said.rpartition("estimated error ")[2].partition(" ")[0]) if said else float("nan")
    return {
        "problem": problem.name, "seed": seed, "true": error(solution, truth), "said": upper, "cpu_s": spent,
        "reached": not any("not reached" in n for n in solution.notes), "parameters": len(solution.theta),
        "stages": len(solution.stops),
    }  # fmt: skip


def main() -> None:
    """Print the table, and keep it unless --quick."""
    given = options(
        __doc__,
        ("--tolerance", {"type": float, "default": 1e-8}),
        ("--half", {"choices": ("first", "second"), "default": "second"}),
        ("--seeds", {"type": int, "default": 3}),
        ("--limit", {"type": float, "default": 120.0}),
        ("--only", {"nargs": "*", "default": []}),
    )
    torch.set_num_threads(1)
    half = first_half() if given.half == "first" else second_half()
    seeds = range(1 if given.quick else given.seeds)
    results: dict[str, list[dict[str, Any]]] = {}
    for problem, truth in half:
        if not given.only or problem.name in given.only:
            results[problem.name] = [run(problem, truth, given.tolerance, seed, given.limit) for seed in seeds]
            print(results[problem.name], flush=True)
    head = ["problem", "true error by seed", "said to be below", "CPU s by seed"]
    lines = [
        [name, ", ".join(f"{r['true']:.0e}" for r in rows), ", ".join(_said(r) for r in rows),
         ", ".join(f"{r['cpu_s']:.0f}" for r in rows)]
        for name, rows in results.items()
    ]  # fmt: skip
    every = [r for rows in results.values() for r in rows]
    reached = [r for r in every if r["reached"]]
    lines.append([
        f"{len(reached)} of {len(every)} reached",
        f"{sum(r['true'] < given.tolerance for r in reached)} of them in truth",
        f"{sum(r['true'] <= r['said'] for r in every)} of {len(every)} below it",
        f"{statistics.median(r['cpu_s'] for r in every):.1f} (median)",
    ])  # fmt: skip
    drawing, ax = figure()
    for r in every:
        ax.loglog(r["cpu_s"], max(r["true"], 1e-17), "o", ms=4, color=BLUE if r["reached"] else GREY)
    ax.axhline(given.tolerance, color=GREY, lw=1, ls="--")
    ax.set(xlabel="CPU s", ylabel="relative L2 error")
    publish("tolerance", f"Solved to {given.tolerance:g}", table(head, lines), results, drawing, given.quick)


def _said(row: dict[str, Any]) -> str:
    return f"{row['said']:.0e}" + ("" if row["reached"] else " (not reached)")


if __name__ == "__main__":
    main()
