"""What can be stated beyond equations at points, solved by ``pinnkit.solve(problem)`` with its own settings.

Integrals and memory, total masses, complex fields, parameters as coordinates, layers, an unknown function from 50
readings. Errors are relative L2 errors on the grid of a closed form, as trained and after ``pinnkit.correct``.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
import torch
from mpmath import mp

import pinnkit as pk
from benchmarks.common import figure, options, publish, table

x, y, t, s = pk.coordinates("x y t s")
f, g = pk.field("u", x), pk.field("u", t)
u, k = pk.field("u", x, t), pk.field("k", x)
LINE, TIME, SLAB = pk.Box(x=(0, 1)), pk.Box(t=(0, 1)), pk.Box(x=(0, 1), t=(0, 1))


def fredholm() -> pk.Problem:
    """u - 1/2 int_0^1 e^(x s) u ds = f."""
    right = sp.exp(x) - (sp.exp(x + 1) - 1) / (2 * (x + 1))
    memory = pk.Integral(sp.exp(x * s) * f.subs(x, s), (s, 0, 1))
    return pk.Problem("Fredholm", f, f - memory / 2 - right, LINE, reference=sp.exp(x))


def volterra() -> pk.Problem:
    """u = 1 + int_0^t (t - s) u ds."""
    memory = pk.Integral((t - s) * g.subs(t, s), (s, 0, t))
    return pk.Problem("Volterra", g, g - 1 - memory, pk.Box(t=(0, 2)), reference=sp.cosh(t))


def mittag_leffler(X: torch.Tensor) -> torch.Tensor:
    """E_1/2(-sqrt t)."""
    values = [float(mp.exp(z) * mp.erfc(mp.sqrt(z))) for z in X[:, 0].tolist()]
    return torch.tensor(values, dtype=torch.float64)[:, None]


def relaxation() -> pk.Problem:
    """Caputo's derivative of order 1/2, u + D u = 0."""
    exact = pk.Computed(mittag_leffler, error=1e-15)
    return pk.Problem("Caputo", g, pk.Caputo(g, t, 0.5) + g, pk.Box(t=(0, 2)), pk.Initial(g, 1), reference=exact)


def mass() -> pk.Problem:
    """Insulated ends, and a total mass of 1."""
    exact = 1 + sp.cos(sp.pi * x)
    total = pk.Operator("mass", pk.Integral(f, (x, 0, 1)) - 1)
    return pk.Problem("mass", f, f.diff(x, 2) - exact.diff(x, 2), LINE, [pk.Neumann(f), total], reference=exact)


def soliton() -> pk.Problem:
    """A bright soliton of i psi_t + psi_xx / 2 + |psi|^2 psi = 0."""
    psi = pk.field("psi", x, t, complex=True)
    exact = sp.sech(x - t / 2) * sp.exp(sp.I * (x / 2 + sp.Rational(3, 8) * t))
    equation = sp.I * psi.diff(t) + psi.diff(x, 2) / 2 + sp.Abs(psi) ** 2 * psi
    walls = [pk.Initial(psi, exact.subs(t, 0)), pk.Dirichlet(psi, exact, on="x")]
    return pk.Problem("NLS", psi, equation, pk.Box(x=(-5, 5), t=(0, 1)), walls, reference=exact)


def parametric() -> pk.Problem:
    """A front of Burgers' equation for all nu between 0.05 and 0.2 at once."""
    nu = sp.Symbol("nu", real=True)
    w = pk.field("u", x, nu, t)
    exact = (1 - sp.tanh((x - t / 2) / (4 * nu))) / 2
    walls = [pk.Initial(w, exact.subs(t, 0)), pk.Dirichlet(w, exact, on="x")]
    equation = w.diff(t) + w * w.diff(x) - nu * w.diff(x, 2)
    return pk.Problem("Burgers(nu)", w, equation, pk.Box(x=(-1, 1), nu=(0.05, 0.2), t=(0, 1)), walls, reference=exact)


def layers() -> pk.Problem:
    """Two layers of conductivity 1 and 5 with a source in both."""
    c = sp.Piecewise((1, x < 0.4), (5, True))
    below = 2 * x - x**2 / 2
    above = below.subs(x, 0.4) + (2 * (x - 0.4) - (x**2 - 0.16) / 2) / 5
    exact = sp.Piecewise((below, x < 0.4), (above, True))
    ends = [pk.Dirichlet(f, 0, on="x_min"), pk.Dirichlet(f, above.subs(x, 1), on="x_max")]
    return pk.Problem("layers", f, pk.divergence(c, f) + 1, LINE, ends, reference=exact)


def obstacle() -> pk.Problem:
    """A string over a parabola: it lies on it where |x| < 2 - sqrt(3)."""
    end, psi = 2 - sp.sqrt(3), 1 - x**2
    exact = sp.Piecewise((psi, sp.Abs(x) <= end), (2 * end * (2 - sp.Abs(x)), True))
    law = pk.Complementarity(-f.diff(x, 2), f - psi)
    return pk.Problem("obstacle", f, law, pk.Box(x=(-2, 2)), pk.Dirichlet(f, 0), reference=exact)


def inverse() -> pk.Problem:
    """k(x) of u_t = (k u_x)_x + f from 50 readings with a noise of 1e-3."""
    K = 1 + x / 2 + sp.sin(2 * sp.pi * x) / 4
    exact = sp.exp(-t) * (sp.sin(sp.pi * x) + x) + x
    source = sp.expand(exact.diff(t) - (K * exact.diff(x)).diff(x))
    generator = torch.Generator().manual_seed(1)
    X = torch.rand(50, 2, generator=generator, dtype=torch.float64)
    noise = 1e-3 * torch.randn(50, generator=generator, dtype=torch.float64)
    readings = pk.Observations(u, X, pk.Exact({u: exact})(X)[:, 0] + noise)
    given = [pk.Initial(u, exact.subs(t, 0)), pk.Dirichlet(u, exact, on="x"), readings]
    equation = u.diff(t) - (k * u.diff(x)).diff(x) - source
    return pk.Problem("k(x)", (u, k), equation, SLAB, given, reference={u: exact, k: K})


CASES: tuple[Callable[[], pk.Problem], ...] = (
    fredholm, volterra, relaxation, mass, layers, obstacle, soliton, inverse, parametric,
)  # fmt: skip


def worst(solution: Any) -> float:
    """The largest relative L2 error over the outputs."""
    return max(e["relative_l2"] for e in solution.errors().values())


def covered(solution: pk.Solution) -> float | None:
    """The share of 25 places at which the 95 % band of k holds the truth."""
    if "k" not in solution.problem.outputs:
        return None
    X = np.linspace(0.02, 0.98, 25)
    band = pk.uncertainty(solution, of=pk.at("k", x=X.tolist(), t=0.0)).interval().numpy()
    true = 1 + X / 2 + np.sin(2 * np.pi * X) / 4
    return float(((band[:, 0] <= true) & (true <= band[:, 1])).mean())


def measured(problem: pk.Problem) -> dict[str, Any]:
    """Errors and CPU seconds of one case."""
    start = time.process_time()
    solution = pk.solve(problem, progress=False)
    trained = time.process_time() - start
    found = {"name": problem.name, "error": worst(solution), "cpu_s": trained, "covered": covered(solution)}
    start = time.process_time()
    found["corrected"] = worst(pk.correct(solution)) if problem.name != "k(x)" else None
    return found | {"correct_s": time.process_time() - start}


def shown(error: float | None) -> str:
    """An error with two digits; empty where it was not measured."""
    return "" if error is None else f"{error:.1e}"


def main() -> None:
    """Measure all, or the quick ones; print the table, draw the errors."""
    quick = options(__doc__).quick
    runs = [measured(case()) for case in (CASES[:5] if quick else CASES)]
    head = ["problem", "error", "CPU s", "corrected", "CPU s more", "band holds the truth"]
    lines = [
        [r["name"], shown(r["error"]), f"{r['cpu_s']:.1f}", shown(r["corrected"]), f"{r['correct_s']:.1f}",
         "" if r["covered"] is None else f"{r['covered']:.0%}"]
        for r in runs
    ]  # fmt: skip
    drawing, ax = figure()
    ax.semilogy([r["name"] for r in runs], [r["error"] for r in runs], "o", label="trained")
    ax.semilogy([r["name"] for r in runs], [r["corrected"] or np.nan for r in runs], "x", label="corrected")
    ax.set(ylabel="relative error in L2")
    ax.tick_params(axis="x", rotation=60)
    ax.legend(frameon=False, fontsize="small")
    publish("stated", "What can be stated, with default settings", table(head, lines), {"runs": runs}, drawing, quick)


if __name__ == "__main__":
    main()
