"""One loss and its gradient: DeepXDE, plain torch autograd and pinnkit, same points, same weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from matplotlib.figure import Figure
from torch import Tensor

import pinnkit as pk
from benchmarks.common import BLUE, GREY, LIGHT, child, figure, interleave, options, publish, ratio, table, verdict
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from problems.burgers import NU, burgers
from problems.kovasznay import kovasznay

Result = tuple[Tensor, Tensor]
TOLERANCE = 1e-10
LABELS = {
    "deepxde": "DeepXDE", "autograd": "plain torch autograd", "eager": "pinnkit without a compiler",
    "pinnkit": "pinnkit",
}  # fmt: skip


class Interior(pk.Model):
    """A model of which only the equations' rows are evaluated."""

    @cached_property
    def _constraints(self):
        held = frozenset(r.name for r in self.problem.residuals if r.key != "pde")
        return replace(super()._constraints, exact=held)


@dataclass(frozen=True)
class Case:
    """A problem with a network, and what pinnkit should be faster by at 1000 and 10 000 points."""

    name: str
    problem: Callable[[], pk.Problem]
    network: pk.MLP
    hard: bool
    targets: dict[int, float]


CASES = (
    Case("Burgers", burgers, pk.MLP(2, 32, 32, 32, 1), True, {1000: 1.5, 10_000: 2.0}),
    Case("Kovasznay", kovasznay, pk.MLP(2, 64, 64, 64, 64, 3), False, {1000: 4.0, 10_000: 5.0}),
)


def by_pinnkit(case: Case, X: Tensor, theta: Tensor) -> Callable[[], Result]:
    """The row stack."""
    stack = pk.Stack(Interior(case.problem(), case.network, case.hard), pk.Points({"pde": pk.PointSet(X)}))

    def call() -> Result:
        losses, gradient = stack.loss_and_gradient(theta)
        return losses.sum(), gradient

    return call


def by_deepxde(case: Case, X: Tensor, theta: Tensor) -> Callable[[], Result]:
    """What DeepXDE's own training step evaluates."""
    dde, problem = import_deepxde(), case.problem()
    points = pk.sample(problem, {"pde": 1}).replace(pde=X)
    twin = pk.to_deepxde(problem, points, hard=case.hard)
    kind = dde.data.TimePDE if problem.domain.time else dde.data.PDE
    data = kind(twin.data.geom, twin.data.pde, [], anchors=X.numpy())
    model = dde.Model(data, twin.model(case.network, theta).net)
    model.compile("adam", lr=1e-3, verbose=0)
    inputs = model.data.train_next_batch()[0]

    def call() -> Result:
        loss = torch.sum(model.outputs_losses_train(inputs, None, None)[1])
        model.opt.zero_grad()
        loss.backward()
        return loss.detach(), torch.cat([p.grad.reshape(-1) for p in model.net.parameters()])

    return call


def by_autograd(case: Case, X: Tensor, theta: Tensor) -> Callable[[], Result]:
    """Nested torch.autograd.grad, written by hand for the problem and with nothing around it."""
    tape = case.network.build(case.problem().domain)
    parameters = [p.clone().requires_grad_() for op in tape.operations[::2] for p in op.weights(theta)]
    omega, phase = tape.features.omega, tape.features.phase
    residuals = burgers_rows if case.name == "Burgers" else kovasznay_rows

    def network(X: Tensor) -> Tensor:
        h = torch.addmm(phase, X, omega.T)
        for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            h = torch.tanh(torch.nn.functional.linear(h, W, b))
        return torch.nn.functional.linear(h, *parameters[-2:])

    def call() -> Result:
        inputs = X.detach().requires_grad_()
        loss = sum((r * r).mean() for r in residuals(inputs, network(inputs)))
        return loss.detach(), torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters)])

    return call


def slopes(y: Tensor, X: Tensor) -> tuple[Tensor, ...]:
    """dy/dX_i, each (n, 1)."""
    return torch.autograd.grad(y, X, torch.ones_like(y), create_graph=True)[0].split(1, 1)


def burgers_rows(X: Tensor, N: Tensor) -> list[Tensor]:
    """u_t + u u_x - nu u_xx with u = g + d N."""
    x, t = X.split(1, 1)
    u = -torch.sin(torch.pi * x) + t * (1 - x * x) * N
    u_x, u_t = slopes(u, X)
    return [u_t + u * u_x - NU * slopes(u_x, X)[0]]


def kovasznay_rows(X: Tensor, N: Tensor) -> list[Tensor]:
    """Two of momentum and one of continuity."""
    u, v, p = N.split(1, 1)
    (u_x, u_y), (v_x, v_y), (p_x, p_y) = (slopes(f, X) for f in (u, v, p))

    def momentum(f_x: Tensor, f_y: Tensor, push: Tensor) -> Tensor:
        return u * f_x + v * f_y + push - (slopes(f_x, X)[0] + slopes(f_y, X)[1]) / 40

    return [momentum(u_x, u_y, p_x), momentum(v_x, v_y, p_y), u_x + v_y]


WAYS = {"deepxde": by_deepxde, "autograd": by_autograd, "pinnkit": by_pinnkit}


def agree(results: dict[str, Result]) -> float:
    """The largest relative difference of losses and gradients; ValueError where they are not the same."""
    loss, gradient = results["pinnkit"]
    gaps = {
        way: max(abs(float(a / loss) - 1), float((g - gradient).norm() / gradient.norm()))
        for way, (a, g) in results.items()
    }
    worst = max(gaps, key=gaps.get)
    if not gaps[worst] <= TOLERANCE:
        raise ValueError(f"{worst} and pinnkit differ by {gaps[worst]:.1e}, so their times cannot be compared")
    return gaps[worst]


def measure(case: Case, n: int, repeats: int, ways: tuple[str, ...]) -> dict:
    """Times of one case at n points, all ways in turn in this process."""
    problem = case.problem()
    X = problem.sample("pde", n).X
    theta = pk.Model(problem, case.network, False).initial(0)
    with pk.deepxde_precision(torch.float64):
        calls = {way: WAYS[way](case, X, theta) for way in ways}
        gap = agree({way: call() for way, call in calls.items()})
        times = interleave(calls, repeats)
    faster = {way: ratio(times["deepxde"], times[way]) for way in ways}
    return {"gap": gap, "times": {way: t.summary() for way, t in times.items()}, "faster": faster}


def both(case: Case, n: int, repeats: int) -> dict:
    """All four ways; the one without compiled kernels in a process of its own, beside DeepXDE again."""
    found = measure(case, n, repeats, ("deepxde", "autograd", "pinnkit"))
    arguments = ("--child", case.name, "--points", str(n), "--repeats", str(repeats))
    eager = child("benchmarks.speed.loss_gradient", *arguments, PINNKIT_FUSED="0")
    found["times"]["eager"], found["faster"]["eager"] = eager["times"]["pinnkit"], eager["faster"]["pinnkit"]
    return found


def describe(results: dict[str, dict[int, dict]], repeats: int) -> str:
    """The Markdown: times, how often faster, and the targets."""
    rows, verdicts = [], []
    for case in CASES:
        for n, target in case.targets.items():
            found = results[case.name][n]
            for way, label in LABELS.items():
                t, f = found["times"][way], found["faster"][way]
                cells = [1e3 * t["wall_s"], 1e3 * t["cpu_s"], f["wall"], f["cpu"]]
                rows.append([f"{case.name}, {n} points: {label}", *(f"{c:.2f}" for c in cells)])
            verdicts.append(verdict(f"{case.name}, {n} points", found["faster"]["pinnkit"]["cpu"], target))
    gap = max(found["gap"] for sizes in results.values() for found in sizes.values())
    return (
        table(["", "wall ms", "CPU ms", "times DeepXDE (wall)", "times DeepXDE (CPU)"], rows)
        + f"\n\nMedians of {repeats} interleaved repeats in float64. All ways gave the same loss and gradient to "
        f"{gap:.0e}. The way without a compiler ran in a second process, beside DeepXDE again.\n\n"
        + "\n".join(verdicts)
    )


def draw(results: dict[str, dict[int, dict]]) -> Figure:
    """Milliseconds a way, one panel a case."""
    drawing, axes = figure(1, len(results), (9.0, 3.6))
    colours = {"deepxde": GREY, "autograd": LIGHT, "eager": "#9db9d9", "pinnkit": BLUE}
    for ax, (name, sizes) in zip(axes, results.items(), strict=True):
        for i, (way, label) in enumerate(LABELS.items()):
            heights = [found["times"][way]["cpu_s"] * 1e3 for found in sizes.values()]
            at = [k + (i - 1.5) * 0.2 for k in range(len(sizes))]
            bars = ax.bar(at, heights, 0.19, label=label, color=colours[way])
            ax.bar_label(bars, [f"{h:.3g}" for h in heights], fontsize=7)
        ax.set(title=name, yscale="log", xticks=range(len(sizes)), ylabel="ms of CPU")
        ax.set_xticklabels([f"{n} points" for n in sizes])
        ax.set_ylim(bottom=ax.get_ylim()[0] / 2)
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    return drawing


def main() -> None:
    """Measure, compare with the targets, write the results."""
    torch.set_num_threads(1)
    arguments = options(
        __doc__, ("--child", {"default": None}), ("--points", {"type": int, "default": 1000}),
        ("--repeats", {"type": int, "default": 21}),
    )  # fmt: skip
    if arguments.child:
        case = next(c for c in CASES if c.name == arguments.child)
        print(json.dumps(measure(case, arguments.points, arguments.repeats, ("deepxde", "pinnkit"))))
        return
    repeats = 5 if arguments.quick else arguments.repeats
    results = {c.name: {n: both(c, n, repeats) for n in c.targets} for c in CASES}
    text = describe(results, repeats)
    publish("loss_gradient", "One loss and its gradient", text, {"results": results}, draw(results), arguments.quick)


if __name__ == "__main__":
    main()
