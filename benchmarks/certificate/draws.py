"""The campaign's problems, drawn by number: every kind of equation, wall and misfit in turn, all else at random.

A line, or a rectangle with sines across, u_t or u_tt + 2 b u_t = sum_k q_k D_x^k u (+ a u_yy), the same without time,
Burgers' and Allen and Cahn's equation; constants of either sign, and one datum that is not zero: the initial values,
the initial rate, the source, or what one wall gives. The approximation is u = 0, so that its error is the solution.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from benchmarks.certificate.truths import End, Flow, Line, Nonlinear

AGREE = 2e-3  # of the degrees of the truth: of others nothing is said
STEPS = 480
ROUGH = 16  # one box in so many has sides of all digits, the others have them of few: what splines are is found once
SECOND = ("wave", "beam")
STEADY = ("steady", "helmholtz")
FREE = ("burgers", "allen cahn")  # of the line: neither is linear
OFTEN = {"burgers": 3, "advection": 2, "helmholtz": 2}  # whose theorems say less each: they are drawn so many times
REGULAR = 1440  # problems after which only those are drawn, without drift, that theorems of few problems are about
SCARCE = ("diffusion", "wave", "steady", "burgers")
SHAPES = ((1.0, 0.0, 0.0), (1.0, -1.0, 0.0), (0.0, 0.0, 1.0))  # in time: factors of 1, cos wt, sin wt


def strata() -> list[tuple[str, tuple[str, ...], str, bool]]:
    """(kind, what the walls give, what is missed, whether on a rectangle): all there are, some of them repeated."""
    pairs, two = (list(itertools.product(k, repeat=2)) for k in (("value", "slope", "robin"), ("value", "slope")))
    clamped = [("value", a, "value", b) for a, b in itertools.product(("slope", "moment"), repeat=2)]
    walls: dict[str, list[tuple[str, ...]]] = {
        "diffusion": [*pairs, ()], "wave": [*two, ()], "beam": [*clamped, ()], "kdv": [("value", "value", "slope"), ()],
        "advection": [("value",), ()], "steady": pairs, "helmholtz": [("value", "value")],
        "burgers": [("value", "value")], "allen cahn": [("value", "value"), ("slope", "slope")],
    }  # fmt: skip
    found = []
    for kind, several in walls.items():
        for ends in several:
            start = [] if kind in STEADY else ["initial", *(["rate"] if kind in SECOND else [])]
            misses = [*start, "residual", *(f"wall {i}" for i in range(len(ends)))]
            plane = [False] + [True] * (kind in ("diffusion", "wave", *STEADY) and ends == ("value", "value"))
            found += [(kind, ends, miss, p) for miss in misses for p in plane] * OFTEN.get(kind, 1)
    return found


def drawn(number: int) -> dict[str, Any]:
    """One random problem as plain numbers; after as many as there are strata each was there once, up to `REGULAR`."""
    several, plain = strata(), number >= REGULAR
    if plain:
        several = [s for s in several if s[1] == ("value", "value") and s[0] in SCARCE]
    turn, place = divmod(number, len(several))
    rng = np.random.default_rng([21, turn])
    kind, walls, miss, plane = several[int(rng.permutation(len(several))[place])]
    rng = np.random.default_rng([22, number])
    sides = [len(walls) > 1 and i >= len(walls) // 2 for i in range(len(walls))]
    ends = [(int(s), k, *map(float, 10 ** rng.uniform(-1, 1, 2))) for s, k in zip(sides, walls, strict=True)]
    L, T = float(rng.uniform(0.5, 3)), float(10 ** rng.uniform(-2, 2))
    q, order = [0.0] * 5, 2 if kind in SECOND else 0 if kind in STEADY else 1
    if kind in ("diffusion", *STEADY, *FREE):
        q[2] = float(10 ** rng.uniform(-1, 0.5))
        q[0] = float(rng.uniform(-2, 1) * q[2] / L**2 * rng.integers(0, 2))
        q[1] = float(rng.uniform(-1, 1) * q[2] / L * rng.integers(0, 2)) if not plane or rng.random() < 0.5 else 0.0
    if kind == "steady" and "value" not in walls:
        q[0] = -abs(q[0]) - q[2] / L**2  # slopes alone give no solution, and robin's alone may give one that grows
    if kind == "helmholtz":
        first = (math.pi / L) ** 2 + (math.pi**2 if plane else 0.0)
        q[0], q[1] = float(q[2] * first * rng.uniform(0.2, 3.7)), 0.0
    elif kind in FREE:
        q[0], q[1], T = float(rng.uniform(0.2, 2)) if kind == "allen cahn" else 0.0, 0.0, min(T, 2.0)
    elif kind == "wave":
        q[2], q[0] = float(10 ** rng.uniform(-1, 0.5)), -float(rng.uniform(0, 3) * rng.integers(0, 2))
        T = min(T, 12 * L / math.sqrt(q[2]))
    elif kind == "beam":
        q[4], q[2] = -float(10 ** rng.uniform(-2, -1)) * L**4, float(rng.uniform(0, 0.3) * rng.integers(0, 2))
        T = min(T, 10.0)
    elif kind == "kdv":
        q[3], q[0] = -float(10 ** rng.uniform(-2, 0)), -float(rng.uniform(0, 1) * rng.integers(0, 2))
    elif kind == "advection":
        q[1], q[0] = -float(10 ** rng.uniform(-1, 0.5)), float(rng.uniform(-1, 0.3) * rng.integers(0, 2))
        T = min(T, L / -q[1])
    if plain and kind in ("diffusion", "steady", "wave"):
        first = (math.pi / L) ** 2 + (math.pi**2 if plane else 0.0)
        q[0], q[1] = float(q[2] * first * rng.uniform(0.1, 0.9)) if kind == "steady" and turn % 2 else 0.0, 0.0
    if number % ROUGH:
        L, T = _short(L), _short(T)
    return {
        "seed": number, "kind": kind, "order": order, "q": q, "L": L, "T": T, "ends": ends, "plane": plane,
        "damping": float(rng.uniform(0, 2) * rng.integers(0, 2)) if order == 2 and not plain else 0.0, "miss": miss,
        "w": float(rng.uniform(0.3, 3) * math.pi / min(T, 10)),
        "shape": SHAPES[int(rng.integers(1 if order == 2 else 0, 3))] if order else SHAPES[0],
        "profile": int(rng.integers(0, 4)), "size": float(10 ** rng.uniform(-3, 0)) if kind in FREE else 1.0,
    }  # fmt: skip


def _short(v: float) -> float:
    """About v, of six binary digits."""
    m, e = math.frexp(v)
    return math.ldexp(round(m * 64), e - 6)


def profile(c: dict[str, Any], x: Any, sin: Callable, cos: Callable) -> Any:
    """What is missed in space; of initial values something that meets the walls' conditions, or nearly."""
    s, k = x / c["L"], c["size"]
    if not c["ends"]:
        return [1 + 0 * s, cos(2 * math.pi * s), sin(4 * math.pi * s), cos(2 * math.pi * s) - sin(2 * math.pi * s)][
            c["profile"]]  # fmt: skip
    bump = k * s**2 * (1 - s) ** 2
    if c["miss"] != "residual":
        return [16 * bump, bump * (1 - 2 * s) * 60, bump * s * 30, 16 / k * bump * 16 * bump][c["profile"]]
    return [k + 0 * s, k * s, k * sin(math.pi * s), k * cos(2 * math.pi * s)][c["profile"]]


def true(c: dict[str, Any]) -> dict[str, float]:
    """The norms of the error that three degrees agree about, by name: two may agree by chance about a front."""
    coarse = STEPS // 2 if c["kind"] in (*FREE, "advection") else STEPS
    *others, last = (_errors(c, n, steps) for n, steps in ((24, coarse), (32, STEPS), (48, STEPS)))
    return {n: v for n, v in last.items() if all(abs(v - o.get(n, math.inf)) <= AGREE * v for o in others)}


def _errors(c: dict[str, Any], degree: int, steps: int) -> dict[str, float]:
    def space(x: np.ndarray) -> np.ndarray:
        return profile(c, x, np.sin, np.cos)

    walls = [tuple(c["size"] * v for v in c["shape"]) if c["miss"] == f"wall {i}" else (0.0, 0.0, 0.0)
             for i in range(len(c["ends"]))]  # fmt: skip
    if c["kind"] in FREE:
        return _free(c, degree, steps, space, walls)
    if c["kind"] == "advection" and c["ends"]:
        return _flow(c, steps, space, walls[0])
    q = list(c["q"])
    q[0] -= q[2] * math.pi**2 if c["plane"] else 0.0
    ends = []
    for i, kind, a, b in c["ends"]:
        sign = 2 * i - 1
        ends.append(End(i, {"value": {0: 1.0}, "slope": {1: float(sign)}, "moment": {2: 1.0},
                            "robin": {0: a, 1: sign * b}}[kind]))  # fmt: skip
    line = Line(c["order"], q, c["L"], c["T"], ends, c["damping"], c["w"], degree, steps, math.pi * c["plane"])
    if not c["order"]:
        found = line.steady([w[0] for w in walls], space if c["miss"] == "residual" else np.zeros_like)
    else:
        start = [space if c["miss"] == n else None for n in ("initial", "rate")]
        inside = [(lambda x, k=k: k * space(x)) if c["miss"] == "residual" and k else None for k in c["shape"]]
        found = line.errors(start, walls, inside)
    across = math.sqrt(0.5) if c["plane"] else 1.0
    return {n: v * (1 if n == "sup" else across) for n, v in found.items()}


def _flow(c: dict[str, Any], steps: int, space: Callable, given: tuple) -> dict[str, float]:
    """Of what flows in."""

    def time(shape: tuple, t: np.ndarray) -> np.ndarray:
        return shape[0] + shape[1] * np.cos(c["w"] * t) + shape[2] * np.sin(c["w"] * t)

    return Flow(-c["q"][1], c["q"][0], c["L"], c["T"], steps).errors(
        space if c["miss"] == "initial" else np.zeros_like,
        lambda t: time(given, t),
        (lambda x, t: space(x) * time(c["shape"], t)) if c["miss"] == "residual" else lambda x, t: 0 * x,
    )


def _free(c: dict[str, Any], degree: int, steps: int, space: Callable, walls: list[tuple]) -> dict[str, float]:
    """Of an equation that is not linear."""
    w, a, k, convection = c["w"], c["q"][2], c["q"][0], float(c["kind"] == "burgers")

    def time(shape: tuple, t: float) -> float:
        return shape[0] + shape[1] * math.cos(w * t) + shape[2] * math.sin(w * t)

    signs = [2 * i - 1 if kind == "slope" else 1 for i, kind, *_ in c["ends"]]
    line = Nonlinear(
        a, c["L"], c["T"], tuple(int(kind == "slope") for _, kind, *_ in c["ends"]),
        lambda e: k * (e - e**3), convection, degree, steps,
    )  # fmt: skip
    return line.errors(
        space if c["miss"] == "initial" else None,
        lambda t: np.array([s * time(v, t) for s, v in zip(signs, walls, strict=True)]),
        (lambda x, t: space(x) * time(c["shape"], t)) if c["miss"] == "residual" else None,
    )


def problem(c: dict[str, Any]) -> Any:
    """The stated problem."""
    import pinnkit as pk

    letters = ["x", *(["y"] if c["plane"] else []), *(["t"] if c["order"] else [])]
    variables = pk.coordinates(" ".join(letters))
    variables = variables if isinstance(variables, (tuple, list)) else (variables,)
    u, x = pk.field("u", *variables), variables[0]
    t = variables[-1] if c["order"] else sp.S.Zero
    across = sp.sin(sp.pi * variables[1]) if c["plane"] else sp.Integer(1)
    f, h = profile(c, x, sp.sin, sp.cos) * across, (1, sp.cos(c["w"] * t), sp.sin(c["w"] * t))
    g = sum(k * v for k, v in zip(c["shape"], h, strict=True))
    right = sum(k * (u.diff(x, i) if i else u) for i, k in enumerate(c["q"]) if k)
    right += c["q"][2] * u.diff(variables[1], 2) if c["plane"] else 0
    right += f * g if c["miss"] == "residual" else 0
    right -= {"burgers": u * u.diff(x), "allen cahn": c["q"][0] * u**3}.get(c["kind"], 0)
    left = u.diff(t, c["order"]) if c["order"] else 0
    equation = left + (c["damping"] * u.diff(t) if c["damping"] else 0) - right
    start = [
        pk.Initial(u, f if c["miss"] == n else 0, order=k) for k, n in enumerate(("initial", "rate")[: c["order"]])
    ]
    highest = max(i for i, k in enumerate(c["q"]) if k)
    walls: list[Any] = [] if c["ends"] else [pk.Periodic(u, "x", order=max(1, highest - 1))]
    for n, (i, kind, a, b) in enumerate(c["ends"]):
        face, value = ("x_min", "x_max")[i], c["size"] * g * across if c["miss"] == f"wall {n}" else sp.Integer(0)
        walls.append({
            "value": pk.Dirichlet(u, value, on=face), "slope": pk.Neumann(u, value, on=face),
            "robin": pk.Robin(u, a, b, value, on=face),
            "moment": pk.Operator(f"moment {face}", u.diff(x, 2) - value, on=face),
        }[kind])  # fmt: skip
    walls += [pk.Dirichlet(u, 0, on="y")] if c["plane"] else []
    sides = {"x": (0, c["L"]), **({"y": (0, 1)} if c["plane"] else {}), **({"t": (0, c["T"])} if c["order"] else {})}
    return pk.Problem("campaign", u, equation, pk.Box(**sides), [*start, *walls])
