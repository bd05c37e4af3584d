"""Influence: candidates, rows, curvature and exact solves beside captum's influence functions and torch.func."""

import json
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.func import grad, jacrev, jvp, vmap

import pinnkit as pk
from benchmarks.common import BLUE, GREY, LIGHT, Times, child, figure, options, publish, ratio, table, verdict
from benchmarks.speed.loss_gradient import CASES, Case, Interior, burgers_rows, kovasznay_rows
from benchmarks.speed.memory import forget, memory
from pinnkit.model.curvature import Newton, curvature
from pinnkit.model.published_curvature import published_curvature
from pinnkit.model.solution import Solution
from pinnkit.network.jets.operations import Linear
from problems.burgers import NU

from . import captum_influence as captum

TOLERANCE = 1e-9  # of scores: a sum of many terms that nearly cancel
CANDIDATES, POINTS = 100_000, 1000
SLICES = {"captum": 1024, "vmap": 2048, "jvp": 4096}  # candidates that the opponents really score
BATCHES = (8, 16, 32, 64, 128)  # besides the published 1024
TARGETS = {"Burgers": 1000, "Kovasznay": 3000}
ROWS = {"Burgers": burgers_rows, "Kovasznay": kovasznay_rows}
LABELS = {
    "captum": "captum, batch 1024", "best": "captum, its best batch", "vmap": "vmap of gradients",
    "jvp": "torch.func.jvp", "pinnkit": "pinnkit",
}  # fmt: skip


@cache
def trained(name: str) -> Tensor:
    """theta of a model of Burgers' equation; of the other case as it starts, since no time depends on it."""
    case = next(c for c in CASES if c.name == name)
    problem = case.problem()
    if case.name != "Burgers":
        return Interior(problem, case.network, case.hard).initial(0)
    points, stages = pk.sample(problem, {"pde": POINTS}), [pk.Adam(500, lr=2e-3), pk.SSBroyden(500)]
    return pk.solve(problem, case.network, points, stages=stages, seed=0, hard=case.hard, resample=None).theta


def solved(case: Case, n: int) -> Solution:
    """The trained model with n points."""
    model = Interior(case.problem(), case.network, case.hard)
    return Solution(model, trained(case.name), pk.sample(model.problem, {"pde": n}))


def seconds(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, Times]:
    """Time slow calls in turn (A B C A B C ...), one call a sample."""
    times = {name: Times() for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            times[name].wall.append(time.perf_counter() - wall)
            times[name].cpu.append(time.process_time() - cpu)
    return times


def scaled(times: Times, factor: float) -> Times:
    """Times of a slice, extrapolated linearly."""
    return Times([factor * t for t in times.wall], [factor * t for t in times.cpu])


# ----------------------------------------------------------------------------------- residuals for torch.func


def network(solution: Solution) -> Callable[[Tensor, Tensor], Tensor]:
    """The network as a pure function of theta (P,) and one point (d,), fields (n,)."""
    tape = solution.model.tape
    layers = [op for op in tape.operations if isinstance(op, Linear)]

    def evaluate(theta: Tensor, x: Tensor) -> Tensor:
        h = tape.features.omega @ x + tape.features.phase
        for op in layers[:-1]:
            W, b = op.weights(theta)
            h = torch.tanh(W @ h + b)
        W, b = layers[-1].weights(theta)
        return W @ h + b

    return evaluate


def along(f: Callable[[Tensor], Tensor], x: Tensor, i: int) -> tuple[Tensor, Tensor, Tensor]:
    """f, df/dx_i and d2f/dx_i^2 at one point, forward over forward."""
    e = torch.zeros_like(x)
    e[i] = 1
    (value, first), (_, second) = jvp(lambda y: jvp(f, (y,), (e,)), (x,), (e,))
    return value, first, second


def pointwise(case: Case, solution: Solution) -> Callable[[Tensor, Tensor], Tensor]:
    """The residuals (K,) at one point as a pure function of theta and the point."""
    N = network(solution)

    def burgers(theta: Tensor, x: Tensor) -> Tensor:
        def u(y: Tensor) -> Tensor:
            return -torch.sin(torch.pi * y[0]) + y[1] * (1 - y[0] * y[0]) * N(theta, y)

        e = torch.zeros_like(x)
        e[1] = 1
        value, u_x, u_xx = along(u, x, 0)
        return jvp(u, (x,), (e,))[1] + value * u_x - NU * u_xx

    def kovasznay(theta: Tensor, x: Tensor) -> Tensor:
        value, F_x, F_xx = along(lambda y: N(theta, y), x, 0)
        _, F_y, F_yy = along(lambda y: N(theta, y), x, 1)
        u, v, _ = value
        momentum = u * F_x[:2] + v * F_y[:2] - (F_xx + F_yy)[:2] / 40 + torch.stack([F_x[2], F_y[2]])
        return torch.cat([momentum, (F_x[0] + F_y[1])[None]])

    return burgers if case.name == "Burgers" else kovasznay


# ----------------------------------------------------------------------------------------------- measurements


def same(what: str, found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> float:
    """The largest difference relative to the largest value; ValueError where times would compare different things."""
    gap = float((found - expected).abs().max() / expected.abs().max())
    if not gap <= tolerance:
        raise ValueError(f"{what} and pinnkit differ by {gap:.1e}, so their times cannot be compared")
    return gap


def candidates(case: Case, n: int, repeats: int) -> dict:
    """What adding each of n candidates does to u at a point, to first order, the curvature being factored already."""
    solution = solved(case, 500)
    influence = pk.Influence(solution, "gauss-newton")
    f = pk.at(case.problem().field_names[0], **dict(zip(case.problem().domain.names, (0.2, 0.5), strict=True)))
    X = solution.problem.sample("pde", n, seed=1).X
    module = captum.Squares(solution.model, solution.theta, ROWS[case.name])
    one, v = pointwise(case, solution), influence.response(f)[1][:, 0]
    factor = -0.5 / len(solution.points["pde"])  # half gradients; adding lowers what the point costs
    gradient = vmap(grad(lambda theta, x: one(theta, x).square().sum()), (None, 0), chunk_size=256)
    many = vmap(one, (None, 0))

    def by_captum(batch: int) -> Callable[[], Tensor]:
        part = X[: SLICES["captum"]]
        return lambda: torch.cat([factor * captum.gradients(module, x) @ v for x in part.split(batch)])

    def by_jvp() -> Tensor:
        parts = []
        for x in X[: SLICES["jvp"]].split(2048):
            r, moved = jvp(lambda theta, x=x: many(theta, x), (solution.theta,), (v,))
            parts.append(2 * factor * (r * moved).sum(1))
        return torch.cat(parts)

    ways = {
        "vmap": lambda: factor * gradient(solution.theta, X[: SLICES["vmap"]]) @ v,
        "jvp": by_jvp,
        "pinnkit": lambda: influence.add(f, "pde", X, correct=False)[0],
    }
    scores = ways["pinnkit"]()
    tried = {batch: seconds({"": by_captum(batch)}, 1)[""].summary()["cpu_s"] for batch in BATCHES}
    best = min(tried, key=tried.get)
    ways |= {"best": by_captum(best), "captum": by_captum(SLICES["captum"])}
    gap = max(same(way, call(), scores[: len(call())]) for way, call in ways.items() if way != "captum")
    times = seconds(ways, repeats)
    for way in ways:
        times[way] = scaled(times[way], 1 if way == "pinnkit" else n / min(n, SLICES.get(way, SLICES["captum"])))
    return {
        "gap": gap, "best_batch": best, "times": {way: t.summary() for way, t in times.items()},
        "faster": {way: ratio(t, times["pinnkit"]) for way, t in times.items()},
    }  # fmt: skip


def rows(case: Case, n: int, repeats: int) -> dict:
    """The Jacobian of all residuals by theta at n points; captum takes one residual at a time, of which one is run."""
    solution = solved(case, n)
    stack, theta, X = solution.stack, solution.theta, solution.points["pde"].X
    module = captum.Squares(solution.model, theta, ROWS[case.name])
    K, one = len(stack.terms), pointwise(case, solution)
    jacobian = vmap(jacrev(one), (None, 0), chunk_size=256)
    J = stack.jacobian(theta)
    few = X[:16]
    gap = max(same("captum", captum.gradients(captum.Row(module, k), few), J[k * n : k * n + 16]) for k in range(K))
    gap = max(gap, same("vmap", jacobian(theta, X).transpose(0, 1).reshape(J.shape), J))
    ways = {
        "captum": lambda: captum.gradients(captum.Row(module, 0), X),
        "vmap": lambda: jacobian(theta, X),
        "pinnkit": lambda: stack.jacobian(theta),
    }
    times = seconds(ways, repeats)
    times["captum"] = scaled(times["captum"], K)
    return {
        "gap": gap, "MB": J.nbytes / 1e6, "times": {way: t.summary() for way, t in times.items()},
        "faster": {way: ratio(t, times["pinnkit"]) for way, t in times.items()},
    }  # fmt: skip


def factors(n: int, repeats: int) -> dict:
    """The curvature of Burgers' equation at n points, ready to solve; captum's Arnoldi is run to its end."""
    solution = solved(CASES[0], n)
    module = captum.Squares(solution.model, solution.theta, burgers_rows)
    ways = {
        "captum": lambda: captum.arnoldi(module, solution.points["pde"].X),
        "published": lambda: published_curvature(solution),
        "pinnkit": lambda: curvature(solution.stack, solution.theta, "gauss-newton"),
        "exact": lambda: curvature(solution.stack, solution.theta, "exact"),
    }
    times, found = seconds(ways, repeats), {way: call() for way, call in ways.items() if way != "captum"}
    return {
        "P": len(solution.theta), "published_rank": len(found["published"].eigenvalues),
        "freedom": found["pinnkit"].effective_parameters, "damping": found["pinnkit"].damping,
        "exact": str(found["exact"]),
        "times": {way: t.summary() for way, t in times.items()},
        "faster": {way: ratio(times["captum"], t) for way, t in times.items()},
    }  # fmt: skip


def exact(n: int, repeats: int) -> dict:
    """(H + damping)^-1 df for the exact half Hessian H: conjugate gradients, factor included, and H as a matrix."""
    solution = solved(CASES[0], n)
    stack, theta = solution.stack, solution.theta
    damping = curvature(stack, theta, "exact").damping
    df = pk.at("u", x=0.2, t=0.5).linearise(solution)[1][0]
    eye = torch.eye(len(theta), dtype=theta.dtype)

    def by_matrix() -> Tensor:
        H = torch.stack([stack.hvp(theta, e) for e in eye]) / 2
        return torch.linalg.solve((H + H.T) / 2 + damping * eye, df)

    def by_gradients() -> Tensor:
        base = curvature(stack, theta, "gauss-newton", damping)
        return Newton(stack, theta, base.factor, damping, 1e-12).solve(df)

    expected: list[Tensor] = []
    once = seconds({"explicit": lambda: expected.append(by_matrix())}, 1)["explicit"]
    gap = float((by_gradients() - expected[0]).norm() / expected[0].norm())
    times = seconds({"pinnkit": by_gradients}, repeats) | {"explicit": Times(repeats * once.wall, repeats * once.cpu)}
    return {
        "gap": gap, "damping": damping, "times": {way: t.summary() for way, t in times.items()},
        "faster": {"explicit": ratio(times["explicit"], times["pinnkit"])},
    }  # fmt: skip


def stream(n: int) -> dict:
    """The best 1000 of n candidates that are drawn while they are ranked: seconds, and the rise of the peak memory."""
    torch.set_num_threads(1)
    solution = solved(CASES[0], 500)
    influence, f = pk.Influence(solution, "gauss-newton"), pk.at("u", x=0.2, t=0.5)

    def chunks(n: int) -> Iterator[Tensor]:
        noise = torch.Generator().manual_seed(0)
        for start in range(0, n, 2**16):
            X = torch.rand(min(2**16, n - start), 2, generator=noise, dtype=torch.float64)
            yield X * X.new_tensor([2.0, 1.0]) + X.new_tensor([-1.0, 0.0])

    influence.rank(f, "pde", chunks(1000))
    forget()
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    influence.rank(f, "pde", chunks(n))
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return spent | {"candidates": n, "rise_MB": memory("VmHWM") - before}


def several(n: int, repeats: int, numbers: tuple[int, ...] = (1, 3, 10, 50)) -> dict:
    """u at 1, 3, 10 and 50 points at once, n candidates."""
    solution = solved(CASES[0], 500)
    influence, X = pk.Influence(solution, "gauss-newton"), solution.problem.sample("pde", n, seed=1).X
    at = {k: pk.at("u", x=torch.linspace(-0.9, 0.9, k, dtype=torch.float64).tolist(), t=0.5) for k in numbers}
    ways = {str(k): lambda f=f: influence.add(f, "pde", X, correct=False) for k, f in at.items()}
    ways[str(numbers[0])]()
    return {k: t.summary() for k, t in seconds(ways, repeats).items()}


# ---------------------------------------------------------------------------------------------------- report


def describe(found: dict, n: int, repeats: int) -> str:
    """The Markdown: a table a measurement, and the targets."""

    def line(what: str, times: dict, faster: dict | None) -> list[str]:
        cells = [f"{times['wall_s']:.3g}", f"{times['cpu_s']:.3g}"]
        return [what, *cells, "" if faster is None else f"{faster['cpu']:.3g}"]

    head, text, verdicts = ["", "wall s", "CPU s", "times pinnkit (CPU)"], [], []
    for what, title in (("candidates", f"{n} candidates, one functional"), ("rows", f"Jacobian at {POINTS} points")):
        lines = []
        for case, f in found[what].items():
            for way, times in f["times"].items():
                batch = {"captum": SLICES["captum"] if what == "candidates" else POINTS, "best": f.get("best_batch")}
                label = f"captum, batch {batch[way]}" if way in batch else LABELS[way]
                lines.append(line(f"{case}: {label}", times, f["faster"][way]))
        lines.sort(key=lambda cells: (cells[0].split(":")[0], -float(cells[2])))
        text.append(f"## {title}\n\n{table(head, lines)}")
    for case, f in found["candidates"].items():
        verdicts.append(verdict(f"{case}, candidates, against captum", f["faster"]["captum"]["cpu"], TARGETS[case]))
        verdicts.append(verdict(f"{case}, candidates, against vmap", f["faster"]["vmap"]["cpu"], 30))
    for case, f in found["rows"].items():
        verdicts.append(verdict(f"{case}, Jacobian, against captum", f["faster"]["captum"]["cpu"], 300))
        verdicts.append(verdict(f"{case}, Jacobian, against vmap(jacrev)", f["faster"]["vmap"]["cpu"], 5))
    f, e, t = found["factors"], found["exact"], found["stream"][-1]
    names = {
        "captum": f"captum, Arnoldi, rank {f['published_rank']}", "published": "pinnkit, the same Arnoldi",
        "pinnkit": "pinnkit, Gauss-Newton with its damping chosen",
        "exact": "pinnkit, exact Hessian, checked for definiteness",
    }  # fmt: skip
    lines = [[names[w], *line("", s, None)[1:3], f"{f['faster'][w]['cpu']:.3g}"] for w, s in f["times"].items()]
    text.append(f"## Curvature ready to solve, P = {f['P']}\n\n{table([*head[:3], 'times faster (CPU)'], lines)}")
    lines = [line("explicit Hessian", e["times"]["explicit"], e["faster"]["explicit"])]
    lines += [line("conjugate gradients on Gauss-Newton", e["times"]["pinnkit"], None)]
    text.append(f"## Exact Hessian, one functional, difference {e['gap']:.1e}\n\n{table(head, lines)}")
    lines = [[s["candidates"], *line("", s, None)[1:3], f"{s['rise_MB']:.0f}"] for s in found["stream"]]
    text.append(f"## The best of many candidates, Burgers\n\n{table(['', 'wall s', 'CPU s', 'memory, MB'], lines)}")
    lines = [line(k, s, None)[:3] for k, s in found["several"].items()]
    text.append(f"## Several functionals, {n} candidates, Burgers\n\n{table(head[:3], lines)}")
    verdicts += [
        verdict("curvature, against captum", f["faster"]["pinnkit"]["cpu"], 40),
        verdict("exact Hessian, against an explicit one", e["faster"]["explicit"]["cpu"], 5),
        f"- exact Hessian, difference: {e['gap']:.1e} (at most 1e-08): {'reached' if e['gap'] <= 1e-8 else 'MISSED'}",
        verdict(f"{t['candidates']} candidates, s", t["wall_s"], 10, most=True),
    ]
    gap = max(f["gap"] for what in ("candidates", "rows") for f in found[what].values())
    about = (
        f"Medians of {repeats} interleaved repeats in float64 (the explicit Hessian: one); Burgers 2-32-32-32-1, "
        "trained, and Kovasznay's Navier-Stokes flow 2-64-64-64-64-3, three residuals. Before they are timed all ways "
        f"gave the same numbers to {gap:.0e}. Opponents score a slice of {SLICES['captum']} (captum), "
        f"{SLICES['vmap']} (vmap) and {SLICES['jvp']} (jvp) candidates, extrapolated linearly. "
        "Of Kovasznay's Jacobian captum runs one residual, "
        "times three; it refuses parameters that a residual does not need (the output bias in continuity), so its rows "
        "were helped by adding 0 times every parameter. No case of the candidates or of the curvature needed help."
    )
    return "\n\n".join([*text, about, "\n".join(verdicts)])


def draw(found: dict) -> Figure:
    """Seconds for all candidates, one panel a case."""
    drawing, axes = figure(1, len(found["candidates"]), (9.0, 3.4))
    colours = {"captum": GREY, "best": GREY, "vmap": LIGHT, "jvp": LIGHT, "pinnkit": BLUE}
    for ax, (case, f) in zip(axes, found["candidates"].items(), strict=True):
        heights = [f["times"][way]["cpu_s"] for way in LABELS]
        bars = ax.barh([LABELS[way] for way in LABELS], heights, color=[colours[way] for way in LABELS])
        ax.bar_label(bars, [f"{h:.3g} s" for h in heights], fontsize=8, padding=3)
        ax.set(title=case, xscale="log", xlabel="CPU time")
        ax.set_xlim(right=8 * max(heights))
        ax.invert_yaxis()
    return drawing


def main() -> None:
    """Measure, compare with the targets, write the results."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "To copy construct from a tensor")  # captum's own, thousands of times
    arguments = options(
        __doc__, ("--child", {"type": int, "default": None}), ("--repeats", {"type": int, "default": 5})
    )
    if arguments.child:
        print(json.dumps(stream(arguments.child)))
        return
    repeats, n = (1, 10_000) if arguments.quick else (arguments.repeats, CANDIDATES)
    found = {
        "candidates": {case.name: candidates(case, n, repeats) for case in CASES},
        "rows": {case.name: rows(case, POINTS, repeats) for case in CASES},
        "factors": factors(POINTS, repeats),
        "exact": exact(POINTS, repeats),
        "stream": [child("benchmarks.influence.influence_speed", "--child", str(k)) for k in (100_000, 10 * n)],
        "several": several(n, repeats),
    }
    text = describe(found, n, repeats)
    publish("influence_speed", "Speed of influence", text, {"results": found}, draw(found), arguments.quick)


if __name__ == "__main__":
    main()
