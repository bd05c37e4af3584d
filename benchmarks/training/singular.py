"""Kinked and jumping data, point loads and layers, solved by ``pinnkit.solve(problem)`` with its own settings.

Errors are relative L2 errors on points of the whole domain, against series, closed forms and Cole-Hopf integrals.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
import torch
from scipy.special import spence

import pinnkit as pk
from benchmarks.common import BLUE, GREY, figure, options, publish, table
from pinnkit.output.deepxde.to_deepxde import import_deepxde

x, y, t = pk.coordinates("x y t")
f, u, v, w = pk.field("u", x), pk.field("u", x, t), pk.field("u", x, y), pk.field("u", x, y, t)
LINE, SQUARE = pk.Box(x=(0, 1)), pk.Box(x=(0, 1), y=(0, 1))
SLAB = pk.Box(x=(0, 1), t=(0, 0.2))
THIRD = sp.Rational(1, 3)
TENT = sp.Min(3 * x, sp.Rational(3, 2) * (1 - x))
TERMS = 600  # of a series in time, which stands for the data where t < START
START = 1e-5
Array = np.ndarray


def known(function: Callable[..., Array], error: float = 1e-9) -> pk.Computed:
    """A reference from a function of NumPy columns."""

    def values(X: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(function(*X.numpy().T)).reshape(len(X), -1)

    return pk.Computed(values, error=error)


def summed(parts: Callable[[Array], Array], count: int = TERMS) -> Array:
    """The sum over n = 1 ... count of terms, a block at a time."""
    return sum(parts(np.arange(n, min(n + 200, count + 1))[:, None]).sum(0) for n in range(1, count + 1, 200))


def sines(b: Callable[[Array], Array], start: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    """sum b_n sin(n pi x) exp(-n^2 pi^2 t), and at first its sum ``start``."""
    series = lambda x, t: summed(lambda n: b(n) * np.sin(n * np.pi * x) * np.exp(-((n * np.pi) ** 2) * t))  # noqa: E731
    return lambda x, t: np.where(t < START, start(x), series(x, t))


def roof(x: Array) -> Array:
    """The tent of height 1 at 1/3."""
    return np.minimum(3 * x, 1.5 * (1 - x))


def tent(n: Array) -> Array:
    """Sine coefficients of the tent of height 1 at 1/3."""
    return 9 * np.sin(n * np.pi / 3) / (n * np.pi) ** 2


def heat(name: str, data: sp.Expr, walls: Any, exact: Callable[[Array, Array], Array]) -> pk.Problem:
    """u_t = u_xx."""
    return pk.Problem(name, u, u.diff(t) - u.diff(x, 2), SLAB, [pk.Initial(u, data), *walls], reference=known(exact))


def heat_tent() -> pk.Problem:
    """A kink at 1/3."""
    return heat("heat, tent", TENT, [pk.Dirichlet(u, 0, on="x")], sines(tent, roof))


def heat_sine() -> pk.Problem:
    """|sin 2 pi x|: kinks inside, of a function that is no polynomial."""
    grid, weights = np.polynomial.legendre.leggauss(4000)
    z, c = (grid + 1) / 4, weights / 4  # on half of the line: the data are even about 1/2
    n = np.arange(1, TERMS + 1)
    even = 4 * (np.sin(np.outer(n, np.pi * z)) * np.sin(2 * np.pi * z)) @ c * (n % 2 == 1)
    return heat("heat, abs(sin)", sp.Abs(sp.sin(2 * sp.pi * x)), [pk.Dirichlet(u, 0, on="x")],
                sines(lambda m: even[m - 1], lambda x: abs(np.sin(2 * np.pi * x))))  # fmt: skip


def heat_jump() -> pk.Problem:
    """Half of a rod is hot."""
    walls = [pk.Dirichlet(u, 1, on="x_min"), pk.Dirichlet(u, 0, on="x_max")]
    b = lambda n: -2 / (n * np.pi) * np.cos(n * np.pi / 3)  # noqa: E731
    rest = sines(b, lambda x: (x < 1 / 3) - 1 + x)
    return heat("heat, jump", sp.Heaviside(THIRD - x), walls, lambda x, t: 1 - x + rest(x, t))


def heat_insulated() -> pk.Problem:
    """Half of an insulated rod is hot."""

    def exact(x: Array, t: Array) -> Array:
        terms = summed(lambda n: 2 * np.sin(n * np.pi / 3) / (n * np.pi) * np.cos(n * np.pi * x)
                       * np.exp(-((n * np.pi) ** 2) * t))  # fmt: skip
        return np.where(t < START, x < 1 / 3, 1 / 3 + terms)

    return heat("heat, jump, insulated", sp.Heaviside(THIRD - x), [pk.Neumann(u, 0, on="x")], exact)


def heat_corner() -> pk.Problem:
    """A cold rod whose end is hot from the start."""
    walls = [pk.Dirichlet(u, 1, on="x_min"), pk.Dirichlet(u, 0, on="x_max")]
    rest = sines(lambda n: -2 / (n * np.pi), lambda x: x - 1)
    return heat("heat, hot end", sp.S.Zero, walls, lambda x, t: 1 - x + rest(x, t))


def string() -> pk.Problem:
    """A plucked string."""
    exact = lambda x, t: (odd(x + t) + odd(x - t)) / 2  # noqa: E731

    def odd(z: Array) -> Array:
        z = (z + 1) % 2 - 1
        return np.sign(z) * np.minimum(3 * abs(z), 1.5 * (1 - abs(z)))

    data = [pk.Initial(u, TENT), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")]
    box = pk.Box(x=(0, 1), t=(0, 1))
    return pk.Problem("plucked string", u, u.diff(t, 2) - u.diff(x, 2), box, data, reference=known(exact, 1e-14))


def viscous() -> pk.Problem:
    """Burgers' equation from a tent, by Cole and Hopf."""
    nu = 0.05
    grid, weights = np.polynomial.legendre.leggauss(4000)
    z = np.concatenate([(grid + 1) / 6, 1 / 3 + (grid + 1) / 3])
    c = np.concatenate([weights / 6, weights / 3])
    below = 1.5 * np.minimum(z, 1 / 3) ** 2
    above = np.where(z > 1 / 3, 0.75 * ((2 / 3) ** 2 - (1 - z) ** 2), 0.0)
    phi = np.exp(-(below + above) / (2 * nu))
    modes = np.arange(0, 400)
    a = (np.cos(np.outer(modes, np.pi * z)) * phi) @ c * np.where(modes == 0, 1, 2)

    def exact(x: Array, t: Array) -> Array:
        n = modes[:, None]
        decay = a[:, None] * np.exp(-nu * (n * np.pi) ** 2 * t)
        return 2 * nu * (decay * n * np.pi * np.sin(n * np.pi * x)).sum(0) / (decay * np.cos(n * np.pi * x)).sum(0)

    data = [pk.Initial(u, TENT), pk.Dirichlet(u, 0, on="x")]
    equation = u.diff(t) + u * u.diff(x) - nu * u.diff(x, 2)
    return pk.Problem("Burgers, tent", u, equation, pk.Box(x=(0, 1), t=(0, 0.5)), data, reference=known(exact, 1e-5))


def load() -> pk.Problem:
    """A string under a point load."""
    exact = sp.Piecewise((x * (1 - THIRD), x < THIRD), (THIRD * (1 - x), True))
    return pk.Problem("point load", f, f.diff(x, 2) + sp.DiracDelta(x - THIRD), LINE, pk.Dirichlet(f, 0),
                      reference=exact)  # fmt: skip


def beam() -> pk.Problem:
    """A beam that is loaded on a part of it: w'''' = H(x - 1/3), both ends supported."""
    A, B = -sp.Rational(1, 2) * (1 - THIRD) ** 2, sp.S.Zero
    part = sp.Piecewise((0, x < THIRD), ((x - THIRD) ** 4 / 24, True))
    A = -((1 - THIRD) ** 2) / 2
    B = -(A / 6 + (1 - THIRD) ** 4 / 24)
    exact = part + A * x**3 / 6 + B * x
    ends = [pk.Dirichlet(f, 0), pk.Operator("moment", f.diff(x, 2), on="x")]
    return pk.Problem("beam, part loaded", f, f.diff(x, 4) - sp.Heaviside(x - THIRD), LINE, ends, reference=exact)


def far_side(n: Array, y: Array) -> Array:
    """sinh(n pi (1 - y)) / sinh(n pi) - exp(-n pi y)."""
    return (np.exp(-n * np.pi * (2 + y)) - np.exp(-n * np.pi * (2 - y))) / -np.expm1(-2 * n * np.pi)


def square() -> pk.Problem:
    """Laplace's equation with a tent on one side."""

    def half_plane(x: Array, y: Array) -> Array:  # the sum of the same without the far side, in closed form
        z = [np.exp(-np.pi * y + 1j * np.pi * (x + shift)) for shift in (-1 / 3, 1 / 3)]
        return 9 / (2 * np.pi**2) * (spence(1 - z[0]) - spence(1 - z[1])).real

    def exact(x: Array, y: Array) -> Array:
        return half_plane(x, y) + summed(lambda n: tent(n) * np.sin(n * np.pi * x) * far_side(n, y), 20)

    walls = [pk.Dirichlet(v, TENT, on="y_min"), *(pk.Dirichlet(v, 0, on=side) for side in ("y_max", "x"))]
    return pk.Problem("square, tent", v, v.diff(x, 2) + v.diff(y, 2), SQUARE, walls, reference=known(exact))


def lid() -> pk.Problem:
    """Laplace's equation with 1 on one side and 0 on the others."""

    def exact(x: Array, y: Array) -> Array:
        b = lambda n: 2 * (1 - np.cos(n * np.pi)) / (n * np.pi)  # noqa: E731
        near = 2 / np.pi * np.arctan2(np.sin(np.pi * x), np.sinh(np.pi * y))
        return near + summed(lambda n: b(n) * np.sin(n * np.pi * x) * far_side(n, y), 20)

    walls = [pk.Dirichlet(v, 1, on="y_min"), *(pk.Dirichlet(v, 0, on=side) for side in ("y_max", "x"))]
    return pk.Problem("square, jumps in corners", v, v.diff(x, 2) + v.diff(y, 2), SQUARE, walls,
                      reference=known(exact))  # fmt: skip


def disk() -> pk.Problem:
    """Laplace's equation with |y| on the unit circle."""

    def exact(x: Array, y: Array) -> Array:
        z = np.clip(abs(x + 1j * y), 1e-12, 1 - 1e-15) * np.exp(1j * np.angle(x + 1j * y))
        return 2 / np.pi - 4 / np.pi * ((1 - (1 - z**2) / z * np.arctanh(z)) / 2).real

    domain = pk.Geometry(import_deepxde().geometry.Disk([0, 0], 1))
    return pk.Problem("disk, abs(y)", v, v.diff(x, 2) + v.diff(y, 2), domain, pk.Dirichlet(v, sp.Abs(y)),
                      reference=known(exact))  # fmt: skip


def layered() -> pk.Problem:
    """Two layers of conductivity 1 and 4 from sin(pi x), whose flux is not balanced at first: by eigenfunctions."""
    from scipy.optimize import brentq

    k, a = 4.0, 0.4
    q = np.sqrt(k)

    def g(m: float) -> float:  # sin(m x) left, B sin(m (1 - x)/q) right
        return q * np.sin(m * a) * np.cos(m * (1 - a) / q) + np.cos(m * a) * np.sin(m * (1 - a) / q)

    # continuity sin(ma) = B sin(m(1-a)/q); flux cos(ma) = -B q cos(m(1-a)/q)
    grid = np.linspace(1e-3, 900, 200_000)
    values = g(grid)
    at = np.nonzero(np.sign(values[1:]) != np.sign(values[:-1]))[0]
    roots = np.array([brentq(g, grid[i], grid[i + 1], xtol=1e-13) for i in at])
    nodes, weights = np.polynomial.legendre.leggauss(2000)
    zl, cl = a * (nodes + 1) / 2, a * weights / 2
    zr, cr = a + (1 - a) * (nodes + 1) / 2, (1 - a) * weights / 2

    def mode(m: Array, x: Array) -> Array:
        s, c = np.sin(m * (1 - a) / q), np.cos(m * (1 - a) / q)
        B = np.where(
            abs(s) > abs(c), np.sin(m * a) / np.where(s == 0, 1, s), -np.cos(m * a) / np.where(c == 0, 1, q * c)
        )
        return np.where(x < a, np.sin(m * x), B * np.sin(m * (1 - x) / q))

    M = roots[:, None]
    L, R = mode(M, zl[None]), mode(M, zr[None])
    norm = L**2 @ cl + R**2 @ cr
    amp = (L @ (cl * np.sin(np.pi * zl)) + R @ (cr * np.sin(np.pi * zr))) / norm

    def exact(x: Array, t: Array) -> Array:
        return (amp[:, None] * mode(M, x[None]) * np.exp(-(M**2) * t)).sum(0)

    c = sp.Piecewise((1, x < sp.Rational(2, 5)), (4, True))
    data = [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")]
    return pk.Problem("two layers, heat", u, u.diff(t) - pk.divergence(c, u), SLAB, data, reference=known(exact, 1e-5))


def plate() -> pk.Problem:
    """Heat in a square, from a tent times a sine."""
    exact = lambda x, y, t: sines(tent, roof)(x, t) * np.sin(np.pi * y) * np.exp(-(np.pi**2) * t)  # noqa: E731
    data = [pk.Initial(w, TENT * sp.sin(sp.pi * y)), pk.Dirichlet(w, 0, on=("x", "y"))]
    box = pk.Box(x=(0, 1), y=(0, 1), t=(0, 0.1))
    return pk.Problem("plate, tent", w, w.diff(t) - w.diff(x, 2) - w.diff(y, 2), box, data, reference=known(exact))


CASES: tuple[Callable[[], pk.Problem], ...] = (
    load, beam, heat_tent, heat_sine, heat_jump, heat_insulated, heat_corner, string, viscous, layered, square, lid,
    disk, plate,
)  # fmt: skip


def measured(problem: pk.Problem) -> dict[str, Any]:
    """Error, the upper end of its interval as the run says it, and CPU seconds."""
    start = time.process_time()
    solution = pk.solve(problem, progress=False)
    spent = time.process_time() - start
    said = next((s for s in reversed(solution.stops) if "estimated error" in s), "")
    X = problem.domain.sample(4000, method="random", seed=9)  # a grid has corners, where data that jump have no value
    true = problem.reference(X)
    return {
        "name": problem.name, "error": float((solution(X) - true).norm() / true.norm()), "cpu_s": spent,
        "said": said.rpartition("estimated error ")[2].partition(" ")[0], "parameters": len(solution.theta),
        "reached": not any("not reached" in note for note in solution.notes),
    }  # fmt: skip


def drawn(runs: list[dict[str, Any]]) -> Any:
    """Errors by problem, with the seconds that they took."""
    drawing, ax = figure()
    for k, r in enumerate(reversed(runs)):
        ax.semilogx(r["error"], k, "o", ms=4, color=BLUE)
        ax.annotate(f"{r['cpu_s']:.0f} s", (r["error"], k), (6, -3), textcoords="offset points", fontsize="x-small")
    ax.axvline(1e-4, color=GREY, lw=1, ls="--")
    ax.set_yticks(range(len(runs)), [r["name"] for r in reversed(runs)], fontsize="small")
    ax.set(xlabel="relative L2 error")
    return drawing


def main() -> None:
    """Measure all, or the quick ones; print the table, draw errors over times."""
    given = options(__doc__, ("--only", {"nargs": "*", "default": []}))
    torch.set_num_threads(1)
    cases = [case for case in (CASES[:2] if given.quick else CASES) if not given.only or case.__name__ in given.only]
    runs = []
    for case in cases:
        runs.append(measured(case()))
        print(runs[-1], flush=True)
    head = ["problem", "relative L2 error", "estimated below", "CPU s"]
    lines = [[r["name"], f"{r['error']:.1e}", r["said"], f"{r['cpu_s']:.0f}"] for r in runs]
    title = "Kinks, jumps, point loads and layers, with default settings"
    publish("singular", title, table(head, lines), {"runs": runs}, drawn(runs), given.quick or bool(given.only))


if __name__ == "__main__":
    main()
