"""The cylinder DFG 2D-1: accuracy of the stored run, influence on its drag, and what exposes Stokes' flow in its place.

The stored runs are those of the notebook; ``--train SEED`` trains the recipe anew, and what was so trained is in the
table beside them.
"""

import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from scipy import sparse

import pinnkit as pk
from benchmarks.common import RESULTS, ROOT, RUNS, figure, options, publish, table, verdict
from pinnkit.influence.indicator import before, region_fraction, term_fractions
from pinnkit.output.plot.indicators import plot_term_fractions
from pinnkit.output.plot.influence import plot_influence

GOOD, BROKEN = (ROOT / "notebooks" / f"{name}.h5" for name in ("cylinder", "cylinder_stokes"))
FOLDER = RUNS / "cylinder"
PUBLISHED = {"drag": 5.57953523384, "lift": 0.010618948146, "pressure difference": 0.11752016697}
GOALS = {"u": 5e-3, "v": 2e-2, "p": 1e-2, "drag": 5e-3, "pressure difference": 1e-2}
MANY = 10_000  # training points whose influence is timed


def forces(problem: pk.Problem) -> list[pk.Quadrature]:
    """Drag and lift coefficients and the pressure difference in pascal, as published."""
    drag, lift = (of(problem, "cylinder", scale=2) for of in (pk.drag, pk.lift))
    return [drag, lift, pk.pressure_difference(problem, (1.5, 2), (2.5, 2), scale=0.04)]


def accuracy(solution: pk.Solution) -> dict[str, Any]:
    """Relative errors of the fields and forces, and what the training took."""
    found = pk.measure(solution, *forces(solution.problem))
    errors = {name: e["relative_l2"] for name, e in solution.errors().items()}
    errors |= {name: abs(found[name] / value - 1) for name, value in PUBLISHED.items()}
    history = solution.history
    cost = {key: float(history[key][-1]) for key in ("iteration", "cpu_s", "wall_s", "loss", "validation")}
    return {"values": found, "errors": errors, **cost}


def corrected(solution: pk.Solution) -> tuple[dict[str, float], dict[str, float]]:
    """Relative errors after pinnkit.correct, and its seconds."""
    better, cost = timed(lambda: pk.correct(solution))
    found = pk.measure(better, *forces(solution.problem))
    errors = {name: e["relative_l2"] for name, e in better.errors().items()}
    return errors | {name: abs(found[name] / value - 1) for name, value in PUBLISHED.items()}, cost


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a call gives, and its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def speed(solution: pk.Solution, n: int) -> dict[str, Any]:
    """Seconds for the curvature at n points and the influence of each of them on the drag, to first order."""
    points = pk.sample(solution.problem, {"pde": n, "outflow": 64}, seed=1)
    influence = pk.Influence(replace(solution, points=points), "gauss-newton")
    _, curvature = timed(lambda: influence.curvature)
    _, attribution = timed(lambda: influence.attribute(forces(solution.problem)[0], correct=False))
    return {"points": n, "parameters": len(solution.theta), "curvature": curvature, "attribution": attribution}


def reading(solution: pk.Solution, tests: int) -> tuple[dict[str, float], Any, pk.Influence, Any]:
    """Where the influence on the drag and on the flow comes from, as single numbers by what they are."""
    problem = solution.problem
    influence = pk.Influence(solution, "gauss-newton")
    found = influence.attribute(forces(problem)[0], correct=False)
    near = (found.points["pde"].X - torch.tensor([2.0, 2.0]).to(solution.theta)).norm(dim=1) < 0.75
    seen = pk.indicators(influence, "u", tests, along="x")
    drag, answer = term_fractions(found.effects), pk.response(influence)
    numbers = {
        "loss on training points": influence.stationarity.loss,
        "residuals left out / fitted": seen.left_out,
        "drag": float(found.values[0]),
        "influence on the drag from within 1.5 radii": float(region_fraction(found.joint["pde"], near)[0]),
        "part of the training points within 1.5 radii": float(near.double().mean()),
        "influence on u from upstream": float(seen.directionality.nanmean()),
        "the same if all points counted alike": float(seen.directionality_baseline.mean()),
        "reciprocity of x momentum and u": answer.reciprocity,
        "directionality of x momentum and u": answer.directionality("x"),
        "tension between terms": float(seen.tension.nanmean()),
        "cancellation at interior points": float(seen.cancellation["pde"].nanmean()),
    }
    if importlib.util.find_spec("skfem") is not None:
        exact = by_elements(answer.places, problem.parameters["convection"])
        numbers |= {f"{name} by finite elements": value for name, value in exact.items()}
    numbers |= {f"share of {name} in the drag": float(share[0]) for name, share in drag.items()}
    return numbers, found, influence, seen


@cache
def elements() -> tuple[ModuleType, ModuleType, Any]:
    """The reference's finite elements, its script, and the flow by elements of degree 4; they need the extra fem."""
    sys.path.insert(0, str(ROOT / "data"))
    fem, make = (importlib.import_module(name) for name in ("flow_fem", "make_cylinder"))
    return fem, make, make.Flow(0, 4)


def by_elements(places: torch.Tensor, convection: float, width: float = 0.07) -> dict[str, float]:
    """What pinnkit.response finds, of the linearised equations themselves: K_kl is u at place k by a source at place l.

    The same Gaussians about places (m, 2), as sources of x momentum and to measure u, in the reference's elements.
    """
    fem, make, flow = elements()
    space, (x, y) = flow.space, flow.space.nodes
    viscous = space.saddle(sparse.block_diag([space.stiffness] * 2) / make.RE)
    u, v, _ = np.split(flow.state, [space.n, 2 * space.n])
    nothing = sparse.csr_matrix((space.m, space.m))
    carried = sparse.block_diag([space.convection_derivative(u, v), nothing], format="csr")
    still = (np.hypot(x - make.CENTRE[0], y - make.CENTRE[1]) < make.RADIUS + 1e-9) | (x < 1e-9)
    still = np.flatnonzero(still | (y < 1e-9) | (y > make.HEIGHT - 1e-9))
    free = space.elimination[~np.isin(space.elimination, [*still, *(still + space.n)])]
    sizes = make.LENGTH, make.HEIGHT
    away = [(a[:, None] - c) / size for a, c, size in zip((x, y), places.numpy().T, sizes, strict=True)]
    sources = np.zeros((len(flow.state), len(places)))
    sources[: space.n] = space.mass @ np.exp(-(away[0] ** 2 + away[1] ** 2) / (2 * width**2))
    sources /= sources.sum(0)
    moved = np.zeros_like(sources)
    moved[free] = fem.solver((viscous + convection * carried).tocsr(), free)(sources[free])
    K = torch.as_tensor(sources.T @ moved).fill_diagonal_(0.0)
    onwards = before(places[:, 0], places[:, 0])
    return {
        "reciprocity": float((K * K.T).sum() / K.square().sum()),
        "directionality": float((K.abs() * onwards).sum() / K.abs().sum()),
    }


def train(seed: int) -> pk.Solution:
    """The recipe from a seed; an interrupted training goes on where it was."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{seed}.h5"
    if path.exists():
        return pk.resume(pk.load(path), checkpoint=path)
    problem = pk.problem("cylinder")
    return pk.solve(problem, stages=problem.recipe.stages, seed=seed, checkpoint=path)


def seeds(quick: bool) -> dict[str, dict[str, Any]]:
    """The accuracy of what was trained anew, here or before, by seed."""
    file = RESULTS / "cylinder.json"
    found = json.loads(file.read_text()).get("seeds", {}) if file.exists() and not quick else {}
    runs = {path.stem: pk.load(path) for path in sorted(FOLDER.glob("*.h5"))}
    return found | {seed: accuracy(run) for seed, run in runs.items() if run.progress.done}


def main() -> None:
    """Print and store all tables."""
    chosen = options(__doc__, ("--train", {"type": int, "metavar": "SEED", "help": "train the recipe anew"}))
    if chosen.train is not None:
        print(json.dumps(accuracy(train(chosen.train)), indent=1))
        return
    good, broken = pk.load(GOOD), pk.load(BROKEN)
    exact, rates = accuracy(good), speed(good, 1000 if chosen.quick else MANY)
    better, cost = ({}, {}) if chosen.quick else corrected(good)
    (numbers, found, _, seen), (others, *_) = (reading(s, 100 if chosen.quick else 300) for s in (good, broken))
    drawing, (above, below) = figure(2, 1, (9.0, 7.2))
    plot_influence(good, found, 0, above)
    _terms(seen, below)
    data = {
        "accuracy": exact,
        "influence": rates,
        "corrected": {"errors": better, **cost},
        "seeds": (more := seeds(chosen.quick)),
        "good": numbers,
        "broken": others,
    }
    page = _page(exact, rates, (better, cost), numbers, others, more)
    publish("cylinder", "Flow around a cylinder, DFG 2D-1", page, data, drawing, chosen.quick)


def _terms(seen: Any, ax: Axes) -> None:
    plot_term_fractions(seen, ax, bins=30)
    ax.set_title("influence on u by loss term, along the channel")


def _page(exact: dict, rates: dict, after: tuple[dict, dict], good: dict, broken: dict, more: dict) -> str:
    values, rows, (better, cost) = exact["values"], [], after
    for name, e in exact["errors"].items():
        goal = GOALS.get(name)
        judged = ["", ""] if goal is None else [f"{goal:.0e}", "reached" if e <= goal else "MISSED"]
        afterwards = f"{better[name]:.1e}" if better else ""
        rows.append([name, f"{values[name]:.6g}" if name in values else "", f"{e:.1e}", *judged, afterwards])
    spent = sum(rates[part]["cpu_s"] for part in ("curvature", "attribution"))
    wall = sum(rates[part]["wall_s"] for part in ("curvature", "attribution"))
    kinds = [[what, f"{good[what]:.2g}", f"{broken[what]:.2g}"] for what in good]
    parts = [
        f"Stored run: {exact['iteration']:.0f} iterations, {exact['cpu_s']:.0f} s of CPU, {exact['wall_s']:.0f} s of "
        f"wall time on a shared machine; loss {exact['loss']:.1e}, on fresh points {exact['validation']:.1e}.",
        table(["", "value", "relative error", "goal", "", "corrected"], rows),
        *([f"The correction (pinnkit.correct) takes {cost['cpu_s']:.0f} s of CPU."] if cost else []),
        *([_others(more)] if more else []),
        f"Influence of {rates['points']} interior points and 64 at the outflow on the drag, P = {rates['parameters']}: "
        f"curvature {rates['curvature']['cpu_s']:.1f} s, attribution to first order "
        f"{rates['attribution']['cpu_s']:.1f} s of CPU; {wall:.1f} s of wall time in all, on a shared machine.",
        verdict("CPU seconds for 10 000 points", spent, 30, most=True),
        "Good, and broken: Stokes' equations trained by the same recipe for 1800 iterations, compared by what their "
        "own influence says. Reciprocity is 1 for a self-adjoint operator, and directionality then 1/2: Stokes' "
        "equations have both, whatever the declared ones say, and the loss does not tell. By finite elements: of the "
        "linearised equations themselves, with convection and without.",
        table(["", "good", "broken"], kinds),
    ]
    return "\n\n".join(parts)


def _others(more: dict) -> str:
    """The errors of other seeds."""
    names = ["u", "v", "p", *PUBLISHED]
    rows = [[seed, f"{run['cpu_s']:.0f}", *(f"{run['errors'][n]:.1e}" for n in names)] for seed, run in more.items()]
    return f"The recipe from other seeds, relative errors:\n\n{table(['seed', 'CPU s', *names], rows)}"


if __name__ == "__main__":
    main()
