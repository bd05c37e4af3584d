"""Whether a change of the code changes results: hashes of small runs of every kind, to be compared before and after.

``python -m benchmarks.bits > before.txt``, the change, ``python -m benchmarks.bits | diff before.txt -``. The same
machine, torch and compiler are needed: other ones round otherwise.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit as pk

STAGES = [pk.Adam(15), pk.SSBroyden(25)]
CASES: dict[str, Callable[[], Iterable[Any]]] = {}


def case(run: Callable[[], Iterable[Any]]) -> Callable[[], Iterable[Any]]:
    """A run under its function's name; what it returns is hashed."""
    CASES[run.__name__] = run
    return run


def digest(values: Iterable[Any]) -> str:
    """Tensors and arrays by their bytes, all else as text."""
    found = hashlib.sha256()
    for value in values:
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        plain = isinstance(array, np.ndarray)
        found.update(np.ascontiguousarray(array).tobytes() if plain else repr(array).encode())
    return found.hexdigest()[:16]


def solved(name: str, network: Any, points: int, **settings: Any) -> pk.Solution:
    """A problem of the catalogue, trained for a few steps."""
    problem = pk.problem(name)
    counts = {key: points if key == "pde" else points // 4 for key in problem.keys}
    return pk.solve(problem, network, counts, progress=False, **{"stages": STAGES} | settings)


@cache
def hard_run() -> pk.Solution:
    """The heat equation with hard constraints."""
    return solved("heat", pk.MLP(2, 10, 10, 1), 200)


@cache
def soft_run() -> pk.Solution:
    """Burgers' equation with soft conditions, resampled with weights."""
    return solved("burgers", pk.MLP(2, 8, 8, 1), 200, hard=False, resample=pk.rad(every=10, weights=True))


@case
def hard() -> Iterable[Any]:
    """Hard constraints."""
    return [hard_run().theta, hard_run().notes]


@case
def soft() -> Iterable[Any]:
    """Soft conditions, resampling, importance weights."""
    return [soft_run().theta, *(s.X for s in soft_run().points.values())]


@case
def features() -> Iterable[Any]:
    """Feature maps and gated networks under L-BFGS and Levenberg-Marquardt."""
    maps = (pk.Fourier(4, 1.0), pk.Oscillation("x", 0.5, 2), pk.LogDistance(("x_min",)))
    stages = [pk.Adam(4), pk.LBFGS(3), pk.LevenbergMarquardt(2)]
    return [solved("heat", pk.ModifiedMLP(2, 8, 8, 1, features=f), 60, stages=stages).theta for f in maps]


@case
def inverse() -> Iterable[Any]:
    """An unknown coefficient and its interval."""
    found = solved("heat_inverse", pk.MLP(2, 8, 8, 1), 150)
    return [found.theta, pk.uncertainty(found).half_width(0.95)]


@case
def flow() -> Iterable[Any]:
    """Navier-Stokes in a cavity, and on a body."""
    runs = [pk.solve(pk.problem(name), None, {"pde": 60}, stages=[pk.Adam(3)], progress=False)
            for name in ("cavity", "cylinder")]  # fmt: skip
    return [run.theta for run in runs]


@case
def module() -> Iterable[Any]:
    """A torch module."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    return [solved("heat", pk.Module(net), 60, stages=[pk.Adam(5), pk.SSBroyden(5)]).theta]


@case
def point_load() -> Iterable[Any]:
    """A network with kinks, for a point load."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    equation = u.diff(x, 2) + u.diff(y, 2) + sp.DiracDelta(x - sp.Rational(1, 3))
    problem = pk.Problem("load", u, equation, pk.Box(x=(0, 1), y=(0, 1)), [pk.Dirichlet(u, 0)])
    return [pk.solve(problem, pk.MLP(2, 8, 8, 1), 80, stages=STAGES, progress=False).theta]


@case
def superposition() -> Iterable[Any]:
    """Exact solutions superposed, and the bounds of their error."""
    heat, burgers = (
        pk.solve_lie(pk.problem(n), tolerance=1e-4, max_parameters=150, progress=False) for n in ("heat", "burgers")
    )
    return [heat.theta, burgers.theta, *((b.norm, b.value) for b in pk.certify(heat).bounds)]


@case
def influence() -> Iterable[Any]:
    """What every point did to a prediction."""
    found = [pk.Influence(run).attribute(pk.at("u", x=0.3, t=0.05)) for run in (hard_run(), soft_run())]
    return [t for one in found for part in (one.effects, one.joint) for t in part.values()]


@case
def scores() -> Iterable[Any]:
    """Every score of candidates."""
    X = soft_run().problem.sample("pde", 300, seed=9)
    return [score(soft_run(), "pde", X) for score in pk.scores.SCORES.values()]


@case
def error() -> Iterable[Any]:
    """The error map and the corrected solution."""
    found = pk.error_map(hard_run())
    return [found.delta, sorted(found.relative_l2.items()), found.verdict, pk.correct(hard_run(), found).theta]


@case
def certificate() -> Iterable[Any]:
    """Sampled bounds of a trained network."""
    return [(b.norm, b.value) for b in pk.certify(hard_run()).bounds]


@case
def march() -> Iterable[Any]:
    """Two time windows."""
    found = pk.march(pk.problem("heat"), 2, pk.MLP(2, 8, 8, 1), {"pde": 60}, stages=[pk.Adam(4)], progress=False)
    return [window.theta for window in found.windows]


def main() -> None:
    """Print one line a kind of run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="KIND", help=f"some of {', '.join(CASES)}")
    names = parser.parse_args().names or list(CASES)
    if unknown := [n for n in names if n not in CASES]:
        parser.error(f"there is no {unknown[0]}: choose among {', '.join(CASES)}")
    torch.set_num_threads(1)
    for name in names:
        print(f"{name:14s} {digest(CASES[name]())}", flush=True)


if __name__ == "__main__":
    main()
