"""Random problems with known solutions, and trainings of all qualities, drawn by number; none is in the catalogue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit as pk

x, t, y, s = pk.coordinates("x t y s")
LINE, TIME = pk.Box(x=(0, 1)), pk.Box(s=(0, 2))
STRIP, SQUARE = pk.Box(x=(0, 1), t=(0, 1)), pk.Box(x=(0, 1), y=(0, 1))


@dataclass(frozen=True)
class Draw:
    """A problem whose solution is known, and how it is trained: "well", "hardly" (few steps), "badly" (few points)."""

    kind: str
    training: str
    problem: pk.Problem
    network: Any
    points: Any
    stages: Sequence[Any]
    hard: bool | None = None
    more: dict[str, Any] = field(default_factory=dict)


def drawn(number: int) -> Draw:
    """The draw of that number: kinds in turn, all else by chance."""
    rng = np.random.default_rng([number, 20_261])
    kind = list(KINDS)[number % len(KINDS)]
    problem = KINDS[kind](rng, f"{kind}_{number}")
    training = rng.choice(["well", "well", "well", "hardly", "badly"])
    d, fields = len(problem.domain.names), len(problem.fields)
    width = int(rng.integers(8, 17)) + 4 * (fields > 1)
    sizes = (d, *[width] * int(rng.integers(1, 4)), fields)
    network = pk.MLP(*sizes, activation=str(rng.choice(["tanh", "sin"])))
    adam, steps, n = {
        "well": (200, int(rng.integers(300, 900)), int(rng.integers(300, 700))),
        "hardly": (100, int(rng.integers(10, 80)), int(rng.integers(200, 500))),
        "badly": (200, int(rng.integers(200, 500)), int(rng.integers(25, 60))),
    }[training]
    n = n if d > 1 else n // 3
    hard = None if rng.uniform() < 0.6 else False
    return Draw(kind, str(training), problem, network, {"pde": n}, [pk.Adam(adam, lr=5e-3), pk.SSBroyden(steps)], hard)


def trained(draw: Draw) -> pk.Solution:
    """The draw's model."""
    points = draw.points | {key: max(20, draw.points["pde"] // 6) for key in pk.Model(draw.problem, draw.network,
                            draw.hard).keys if key != "pde"}  # fmt: skip
    return pk.solve(draw.problem, draw.network, points, stages=draw.stages, hard=draw.hard, resample=None,
                    progress=False, seed=0, **draw.more)  # fmt: skip


def number(rng: np.random.Generator, low: float, high: float) -> sp.Float:
    """A number, log-uniform, with three digits."""
    return sp.Float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def bump(rng: np.random.Generator, v: sp.Symbol) -> sp.Expr:
    """A smooth function of one coordinate in [0, 1]: wave, bell, polynomial or layer."""
    a, c = number(rng, 1, 16), sp.Float(f"{rng.uniform(0, 1):.2f}")
    return [sp.sin(a * v + 3 * c), sp.exp(-a * (v - c) ** 2), 1 + c * v - v**2, sp.tanh(a * (v - c)),
            1 / (1 + a * v / 3)][rng.integers(5)]  # fmt: skip


def function(rng: np.random.Generator, *variables: sp.Symbol) -> sp.Expr:
    """A sum of one to three products of such functions."""
    terms = range(rng.integers(1, 4))
    return sum(number(rng, 0.2, 2) * sp.prod([bump(rng, v) for v in variables]) for _ in terms)


def forced(name: str, fields: Sequence[Any], rows: Sequence[sp.Expr], exact: Sequence[sp.Expr], domain: pk.Box,
           conditions: Sequence[Any], **more: Any) -> pk.Problem:  # fmt: skip
    """rows = what they are for the exact fields."""
    known = dict(zip(fields, exact, strict=True))
    source = [row.subs(known).doit() for row in rows]
    if values := more.pop("truth", None):
        source = [s.subs(values) for s in source]
    names = [f"pde{i}" for i in range(len(rows))] if len(rows) > 1 else ["pde"]
    equations = {k: r - s for k, r, s in zip(names, rows, source, strict=True)}
    return pk.Problem(name, fields, equations, domain, conditions, reference=known, **more)


def wall(rng: np.random.Generator, u: Any, exact: sp.Expr, v: sp.Symbol, side: str) -> Any:
    """A condition that the exact field meets on one face: mostly its value, else its slope or a mixture."""
    at, out = (0, -1) if side.endswith("min") else (1, 1)
    slope = out * exact.diff(v).subs(v, at)
    kind = rng.choice(["value", "value", "value", "slope", "mixture"])
    if kind == "value":
        return pk.Dirichlet(u, exact.subs(v, at), on=side)
    if kind == "slope":
        return pk.Neumann(u, slope, on=side)
    return pk.Robin(u, 1, 1, exact.subs(v, at) + slope, on=side)


def walls(rng: np.random.Generator, u: Any, exact: sp.Expr, *variables: sp.Symbol) -> list[Any]:
    """A condition on every face; the first is a value, so that constants are fixed."""
    first = pk.Dirichlet(u, exact.subs(variables[0], 0), on=f"{variables[0]}_min")
    sides = [(v, side) for v in variables for side in ("min", "max")][1:]
    return [first, *(wall(rng, u, exact, v, f"{v}_{side}") for v, side in sides)]


def two_points(rng: np.random.Generator, name: str) -> pk.Problem:
    """-k u'' + b u' + c u + e u^3 on an interval."""
    u, exact = pk.field("u", x), function(rng, x)
    k, b = number(rng, 0.05, 2), rng.choice([0, 1]) * number(rng, 0.1, 2)
    c, e = number(rng, 0.01, 3), rng.choice([0, 1])
    return forced(name, [u], [-k * u.diff(x, 2) + b * u.diff(x) + c * u + e * u**3], [exact], LINE,
                  walls(rng, u, exact, x))  # fmt: skip


def motion(rng: np.random.Generator, name: str) -> pk.Problem:
    """u' + a u + e u^2 or u'' + a u' + w^2 sin u in time."""
    u, exact = pk.field("u", s), function(rng, s / 2)
    start = pk.Dirichlet(u, exact.subs(s, 0), on="s_min")
    if rng.uniform() < 0.5:
        row = u.diff(s) + number(rng, 0.1, 3) * u + rng.choice([0, 1]) * u**2
        return forced(name, [u], [row], [exact], TIME, [start])
    row = u.diff(s, 2) + number(rng, 0.05, 1) * u.diff(s) + number(rng, 0.3, 4) * sp.sin(u)
    return forced(name, [u], [row], [exact], TIME, [start, pk.Neumann(u, -exact.diff(s).subs(s, 0), on="s_min")])


def parabolic(rng: np.random.Generator, name: str, more: Callable[..., Any] = lambda rng, u: 0) -> pk.Problem:
    """u_t - k u_xx + b u_x + c u and more, with every kind of wall."""
    u, exact = pk.field("u", x, t), function(rng, x, t)
    k, b, c = number(rng, 0.02, 1), rng.choice([0, 1]) * number(rng, 0.1, 2), rng.choice([0, 1]) * number(rng, 0.1, 2)
    row = u.diff(t) - k * u.diff(x, 2) + b * u.diff(x) + c * u + more(rng, u)
    return forced(name, [u], [row], [exact], STRIP, [pk.Initial(u, exact.subs(t, 0)), *walls(rng, u, exact, x)])


def semilinear(rng: np.random.Generator, name: str) -> pk.Problem:
    """The same with u^3 - u, u u_x or sin u."""
    return parabolic(rng, name, lambda rng, u: [number(rng, 0.3, 3) * (u**3 - u), number(rng, 0.3, 1.5) * u * u.diff(x),
                                                number(rng, 0.3, 3) * sp.sin(u)][rng.integers(3)])  # fmt: skip


def transport(rng: np.random.Generator, name: str) -> pk.Problem:
    """u_t + a u_x + c u with its inflow, or u_tt - a^2 u_xx."""
    u, exact, a = pk.field("u", x, t), function(rng, x, t), number(rng, 0.4, 1.5)
    start = pk.Initial(u, exact.subs(t, 0))
    if rng.uniform() < 0.5:
        row = u.diff(t) + a * u.diff(x) + rng.choice([0, 1]) * u
        return forced(name, [u], [row], [exact], STRIP, [start, pk.Dirichlet(u, exact.subs(x, 0), on="x_min")])
    starts = [start, pk.Initial(u, exact.diff(t).subs(t, 0), order=1)]
    return forced(name, [u], [u.diff(t, 2) - a**2 * u.diff(x, 2)], [exact], STRIP, starts + walls(rng, u, exact, x))


def elliptic(rng: np.random.Generator, name: str) -> pk.Problem:
    """-u_xx - k u_yy + c u + e u^3 on the square; c may be below 0."""
    u, exact, k = pk.field("u", x, y), function(rng, x, y), number(rng, 0.2, 3)
    c, e = rng.choice([0, 1, -1]) * number(rng, 0.1, 2), rng.choice([0, 1])
    row = -u.diff(x, 2) - k * u.diff(y, 2) + c * u + e * u**3
    return forced(name, [u], [row], [exact], SQUARE, walls(rng, u, exact, x, y))


def coupled(rng: np.random.Generator, name: str) -> pk.Problem:
    """Two fields: reaction and diffusion on the strip, or two equations of motion."""
    if rng.uniform() < 0.4:
        u, v = pk.field("u", s), pk.field("v", s)
        exact, w = [function(rng, s / 2), function(rng, s / 2)], number(rng, 0.5, 3)
        rows = [u.diff(s) - w * v + rng.choice([0, 1]) * u * v, v.diff(s) + w * u + 0.1 * v]
        starts = [pk.Dirichlet(f, e.subs(s, 0), on="s_min") for f, e in zip((u, v), exact, strict=True)]
        return forced(name, [u, v], rows, exact, TIME, starts)
    u, v = pk.field("u", x, t), pk.field("v", x, t)
    exact, k, m = [function(rng, x, t), function(rng, x, t)], number(rng, 0.05, 1), number(rng, 0.05, 1)
    rows = [u.diff(t) - k * u.diff(x, 2) + rng.choice([0, 1]) * u * v + v, v.diff(t) - m * v.diff(x, 2) - u]
    sides = [c for f, e in zip((u, v), exact, strict=True) for c in (pk.Initial(f, e.subs(t, 0)), *walls(rng, f, e, x))]
    return forced(name, [u, v], rows, exact, STRIP, sides)


def inverse(rng: np.random.Generator, name: str) -> pk.Problem:
    """An unknown diffusivity or source strength from readings, exact or with noise."""
    u, k = pk.field("u", x, t), sp.Symbol("k")
    exact, true = function(rng, x, t), float(number(rng, 0.1, 1))
    n, level = int(rng.integers(30, 120)), rng.choice([0.0, 0.003, 0.03, 0.1])
    X = rng.uniform(size=(n, 2))
    clean = sp.lambdify((x, t), exact, "numpy")(X[:, 0], X[:, 1]) + 0 * X[:, 0]
    readings = pk.Observations(u, torch.as_tensor(X), torch.as_tensor(clean + level * clean.std() * rng.normal(size=n)))
    row = u.diff(t) - k * u.diff(x, 2) + rng.choice([0, 1]) * u
    start = float(true * np.exp(rng.uniform(-0.7, 0.7)))
    conditions = [pk.Initial(u, exact.subs(t, 0)), *walls(rng, u, exact, x), readings]
    return forced(name, [u], [row], [exact], STRIP, conditions, truth={k: true}, unknowns={"k": start})


KINDS: dict[str, Callable[[np.random.Generator, str], pk.Problem]] = {
    "two points": two_points, "motion": motion, "parabolic": parabolic, "semilinear": semilinear,
    "transport": transport, "elliptic": elliptic, "coupled": coupled, "inverse": inverse,
}  # fmt: skip
