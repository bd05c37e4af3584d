"""A campaign of enclosed certificates: random problems that miss one thing at a time, all walls, times up to 100.

A line, or a rectangle with sines across, u_t or u_tt + 2 b u_t = sum_k q_k D_x^k u (+ a u_yy) with constants of either
sign, random walls at either end, and one datum that is not zero: the initial values, the initial rate, the source, or
what one wall gives. The approximation is u = 0, a network without weights, so that its error is the solution, which
`truths` finds by Galerkin's method, on two grids. Every problem is a line of a file and is not run again.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from benchmarks.certificate.truths import End, Line

AGREE = 2e-3  # of two degrees of the truth: of others nothing is said
STEPS = 480
CHECKED = 2  # of every second problem the proof is looked at again by the checker


def walls_of(rng: np.random.Generator, kind: str) -> list[tuple[int, str, float, float]]:
    """(end, kind of condition, alpha, beta) by the equation's needs; [] is a ring."""
    if rng.random() < 0.2:
        return []
    if kind == "kdv":
        return [(0, "value", 1, 0), (1, "value", 1, 0), (1, "slope", 0, 1)]
    if kind == "beam":
        seconds = rng.choice(["slope", "moment"], 2)
        return [(i, k, 1.0, 1.0) for i in (0, 1) for k in ("value", str(seconds[i]))]
    choices = ["value", "slope", "robin"] if kind == "diffusion" else ["value", "slope"]
    if kind != "advection":
        return [(i, str(rng.choice(choices)), *map(float, 10 ** rng.uniform(-1, 1, 2))) for i in (0, 1)]
    return [(0, "value", 1, 0)]


def drawn(seed: int) -> dict[str, Any]:
    """One random problem as plain numbers."""
    rng = np.random.default_rng([20, seed])
    kind = str(rng.choice(["diffusion", "diffusion", "diffusion", "wave", "beam", "kdv", "advection"]))
    L, T = float(rng.uniform(0.5, 3)), float(10 ** rng.uniform(-2, 2))
    q = [0.0] * 5
    if kind == "diffusion":
        q[2] = float(10 ** rng.uniform(-1, 0.5))
        q[0] = float(rng.uniform(-2, 1) * q[2] / L**2 * rng.integers(0, 2))
        q[1] = float(rng.uniform(-1, 1) * q[2] / L * rng.integers(0, 2))
    elif kind == "wave":
        q[2], q[0] = float(10 ** rng.uniform(-1, 0.5)), -float(rng.uniform(0, 3) * rng.integers(0, 2))
        T = min(T, 12 * L / math.sqrt(q[2]))
    elif kind == "beam":
        q[4], q[2] = -float(10 ** rng.uniform(-2, -1)) * L**4, float(rng.uniform(0, 0.3) * rng.integers(0, 2))
        T = min(T, 10.0)
    elif kind == "kdv":
        q[3], q[0] = -float(10 ** rng.uniform(-2, 0)), -float(rng.uniform(0, 1) * rng.integers(0, 2))
    else:
        q[1], q[0] = -float(10 ** rng.uniform(-1, 0.5)), float(rng.uniform(-1, 0.3) * rng.integers(0, 2))
        T = min(T, L / -q[1])
    order = 2 if kind in ("wave", "beam") else 1
    ends = walls_of(rng, kind)
    misses = ["initial", "residual", *(["rate"] if order == 2 else []), *(f"wall {i}" for i in range(len(ends)))]
    plane = kind in ("diffusion", "wave") and bool(ends) and rng.random() < 0.3
    return {
        "seed": seed, "kind": kind, "order": order, "q": q, "L": L, "T": T, "ends": ends, "plane": bool(plane),
        "damping": float(rng.uniform(0, 2) * rng.integers(0, 2)) if order == 2 else 0.0,
        "miss": str(rng.choice(misses)), "w": float(rng.uniform(0.3, 3) * math.pi / min(T, 10)),
        "shape": [[1.0, 0, 0], [1.0, -1.0, 0], [0, 0, 1.0]][int(rng.integers(1 if order == 2 else 0, 3))],
        "profile": int(rng.integers(0, 4)),
    }  # fmt: skip


def profile(c: dict[str, Any], x: Any, sin: Callable, cos: Callable) -> Any:
    """What is missed in space; of initial values something that meets the walls' conditions, or nearly."""
    s = x / c["L"]
    if not c["ends"]:
        return [1 + 0 * s, cos(2 * math.pi * s), sin(4 * math.pi * s), cos(2 * math.pi * s) - sin(2 * math.pi * s)][
            c["profile"]]  # fmt: skip
    bump = s**2 * (1 - s) ** 2
    if c["miss"] != "residual":
        return [16 * bump, bump * (1 - 2 * s) * 60, bump * s * 30, 256 * bump**2][c["profile"]]
    return [1 + 0 * s, s, sin(math.pi * s), cos(2 * math.pi * s)][c["profile"]]


def line(c: dict[str, Any], degree: int) -> Line:
    """The same for Galerkin's method; of a rectangle the mode across moves q_0."""
    q = list(c["q"])
    q[0] -= q[2] * math.pi**2 if c["plane"] else 0.0
    ends = []
    for i, kind, a, b in c["ends"]:
        sign = 2 * i - 1
        ends.append(End(i, {"value": {0: 1.0}, "slope": {1: float(sign)}, "moment": {2: 1.0},
                            "robin": {0: a, 1: sign * b}}[kind]))  # fmt: skip
    return Line(c["order"], q, c["L"], c["T"], ends, c["damping"], c["w"], degree, STEPS)


def true(c: dict[str, Any]) -> dict[str, float]:
    """The norms of the error that two degrees agree about, by name."""

    def space(x: np.ndarray) -> np.ndarray:
        return profile(c, x, np.sin, np.cos)

    start = [space if c["miss"] == n else None for n in ("initial", "rate")]
    walls = [c["shape"] if c["miss"] == f"wall {i}" else (0, 0, 0) for i in range(len(c["ends"]))]
    inside = [(lambda x, k=k: k * space(x)) if c["miss"] == "residual" and k else None for k in c["shape"]]
    first, second = (line(c, n).errors(start, walls, inside) for n in (24, 32))
    across = math.sqrt(0.5) if c["plane"] else 1.0
    return {n: v * (1 if n == "sup" else across) for n, v in second.items()
            if abs(v - first[n]) <= AGREE * v and not (c["plane"] and n[0] == "H")}  # fmt: skip


def problem(c: dict[str, Any]) -> Any:
    """The stated problem."""
    import pinnkit as pk

    names = "xy" if c["plane"] else "x"
    *space, t = pk.coordinates(" ".join([*names, "t"]))
    u, x = pk.field("u", *space, t), space[0]
    across = sp.sin(sp.pi * space[1]) if c["plane"] else sp.Integer(1)
    f, h = profile(c, x, sp.sin, sp.cos) * across, (1, sp.cos(c["w"] * t), sp.sin(c["w"] * t))
    g = sum(k * v for k, v in zip(c["shape"], h, strict=True))
    right = sum(k * (u.diff(x, i) if i else u) for i, k in enumerate(c["q"]) if k)
    right += c["q"][2] * u.diff(space[1], 2) if c["plane"] else 0
    right += f * g if c["miss"] == "residual" else 0
    equation = u.diff(t, c["order"]) + (c["damping"] * u.diff(t) if c["damping"] else 0) - right
    names = ("initial", "rate")[: c["order"]]
    start = [pk.Initial(u, f if c["miss"] == n else 0, order=k) for k, n in enumerate(names)]
    highest = max(i for i, k in enumerate(c["q"]) if k)
    walls: list[Any] = [] if c["ends"] else [pk.Periodic(u, "x", order=max(1, highest - 1))]
    for n, (i, kind, a, b) in enumerate(c["ends"]):
        face, value = ("x_min", "x_max")[i], g * across if c["miss"] == f"wall {n}" else sp.Integer(0)
        walls.append({
            "value": pk.Dirichlet(u, value, on=face), "slope": pk.Neumann(u, value, on=face),
            "robin": pk.Robin(u, a, b, value, on=face),
            "moment": pk.Operator(f"moment {face}", u.diff(x, 2) - value, on=face),
        }[kind])  # fmt: skip
    walls += [pk.Dirichlet(u, 0, on="y")] if c["plane"] else []
    box = pk.Box(x=(0, c["L"]), **({"y": (0, 1)} if c["plane"] else {}), t=(0, c["T"]))
    return pk.Problem("campaign", u, equation, box, [*start, *walls])


def measured(seed: int) -> dict[str, Any]:
    """The bounds of one problem beside the truth."""
    import torch

    import pinnkit as pk

    c = drawn(seed)
    out: dict[str, Any] = {n: c[n] for n in ("seed", "kind", "T", "plane")}
    out |= {"miss": c["miss"].split()[0], "walls": ", ".join(k for _, k, *_ in c["ends"]) or "ring"}
    exact = true(c)
    try:
        p = problem(c)
        network = pk.MLP(len(p.variables), 2, 1)
        nothing = torch.zeros_like(network.initial(p.domain, 0))
        solution = pk.Solution(pk.Model(p, network, False), nothing, pk.Points({}))
        found = pk.certify(solution, enclosed=True, slopes=not c["plane"], corrected=False)
    except ValueError as error:
        return out | {"refused": str(error)}
    out |= {"rows": [[b.norm, b.theorem, b.value, exact[b.norm]] for b in found.bounds if b.norm in exact]}
    return out | ({"faults": checked(found)} if seed % CHECKED == 0 else {})


def checked(found: Any) -> list[str] | None:
    """What the checker in rational arithmetic says against the proof; None without one."""
    try:
        return found.verify().faults
    except ValueError:  # a theorem with constants
        return None


def results(count: int, file: Path) -> Iterator[dict[str, Any]]:
    """Of the first ``count`` problems: those in the file, and then new ones, which are written there."""
    known = {}
    if file.exists():
        known = {r["seed"]: r for r in map(json.loads, file.read_text().splitlines())}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        for seed in range(count):
            if seed not in known:
                known[seed] = measured(seed)
                out.write(json.dumps(known[seed]) + "\n")
                out.flush()
            yield known[seed]


def table(found: list[dict[str, Any]]) -> str:
    """bound / true by theorem and walls, as Markdown."""
    rows: dict[tuple[str, str], list[float]] = {}
    worst: list[tuple[float, int, str]] = []
    for r in found:
        for norm, theorem, bound, exact in r.get("rows", ()):
            if exact > 1e-9:
                key = theorem.partition(", zero-order")[0], r["walls"]
                rows.setdefault(key, []).append(bound / exact)
                worst.append((bound / exact, r["seed"], f"{r['kind']} {r['miss']} {norm}"))
    lines = ["| theorem | walls | bounds | violated | bound / true: median | 90 % | largest |", "|---|" + "---|" * 6]
    for (theorem, walls), v in sorted(rows.items()):
        spread = (np.median(v), np.quantile(v, 0.9), max(v))
        numbers = " | ".join(f"{q:.3g}" for q in spread)
        lines.append(f"| {theorem} | {walls} | {len(v)} | {sum(q < 1 - AGREE for q in v)} | {numbers} |")
    ratios = [q for v in rows.values() for q in v]
    bad = [f"{text} of problem {seed}: {q:.4f}" for q, seed, text in sorted(worst) if q < 1 - AGREE]
    refused = [r["refused"] for r in found if "refused" in r]
    proofs = [r for r in found if r.get("faults") is not None]
    wrong = [f"problem {r['seed']}: {r['faults'][0]}" for r in proofs if r["faults"]]
    why = {text.partition("has no certificate: ")[2][:90] or text[:90] for text in refused}
    return "\n".join(lines) + (
        f"\n\n{len(found)} problems, {len(refused)} refused, {len(ratios)} bounds whose truth is known to "
        f"{AGREE:g}, {len(bad)} violated{': ' if bad else ''}{'; '.join(bad)}. At most 3 times the error: "
        f"{np.mean([q <= 3 for q in ratios]):.0%}. Of {len(proofs)} proofs that the checker looked at {len(wrong)} are "
        f"not right{': ' if wrong else ''}{'; '.join(wrong)}.\n"
        + "".join(f"\n- refused: {w}" for w in sorted(why)) + "\n"
    )  # fmt: skip
