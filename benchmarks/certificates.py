"""Certificates of random problems: does the bound hold, and by how much does it exceed the true error?

Every problem has a random equation, box and closed-form solution; its approximation is that solution plus random exact
solutions that ignore the boundary ("superposition"), or plus a random small network ("network", whose equation is
violated as well). Sampled certificates, in 1 and 2 space dimensions.
"""

import json
import math
import sys
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, options

KINDS = [(kind, d, how) for kind in ("heat", "wave") for d in (1, 2) for how in ("superposition", "network")]


def members(rng: np.random.Generator, kind: str, d: int, number: float, count: int) -> list[tuple[np.ndarray, complex]]:
    """Random pairs (wave vector, rate) of exp(wave . x + rate t) that solve the equation."""
    found = []
    for _ in range(count):
        k = rng.normal(size=d) * rng.choice([1.0, 3.0, 10.0])
        wave = k if rng.random() < 0.3 and np.abs(k).sum() < 3 else 1j * k
        square = complex((wave * wave).sum())
        found.append((wave.astype(complex), number * square if kind == "heat" else number * np.sqrt(square + 0j)))
    return found


def case(kind: str, d: int, how: str, seed: int) -> dict[str, Any]:
    """One random problem with an approximate solution: bounds and true errors."""
    import sympy as sp
    import torch

    import pinnkit as pk
    from pinnkit.solution import Solution
    from pinnkit.superpose.modes import travelling
    from pinnkit.superpose.network import Superposition
    from pinnkit.superpose.operator import operator

    rng = np.random.default_rng([seed, d, len(kind), len(how)])
    names = ("x", "y")[:d]
    box = pk.Box(**{n: (0.0, float(rng.uniform(0.5, 2))) for n in names}, t=(0.0, float(rng.uniform(0.1, 2))))
    variables = pk.coordinates(" ".join((*names, "t")))
    u = pk.field("u", *variables)
    number = float(rng.uniform(0.1, 2))
    laplace = sum(u.diff(x, 2) for x in variables[:-1])
    t, order = variables[-1], 1 if kind == "heat" else 2
    equation = u.diff(t, order) - (number if kind == "heat" else number**2) * laplace
    still = [*(pk.Initial(u, 0, order=k) for k in range(order)), pk.Dirichlet(u, 0)]
    start = pk.Problem("start", u, equation, box, still)
    pairs = members(rng, kind, d, number, int(rng.integers(1, 5)))
    family, theta = travelling(operator(start), box, pairs)
    amplitudes = torch.as_tensor(rng.normal(size=len(theta)) * 10.0 ** rng.uniform(-4, 0))
    network = Superposition((family,), tuple((0, tuple(row)) for row in theta.tolist()))
    if how == "superposition":
        satisfied, model, theta0 = frozenset({"pde"}), network, amplitudes
        other = amplitudes + torch.as_tensor(rng.normal(size=len(theta))) * amplitudes.abs().max()
        exact = network.expression(other.tolist())
    else:
        satisfied, model, exact = frozenset(), pk.MLP(d + 1, 8, 1), sp.S.Zero
        theta0 = model.initial(box, seed)
    conditions: list[Any] = [pk.Initial(u, sp.diff(exact, t, k).subs(t, 0), order=k) for k in range(order)]
    for i, x in enumerate(variables[:-1]):
        for end, value in (("min", box.lower[i]), ("max", box.upper[i])):
            conditions.append(pk.Dirichlet(u, exact.subs(x, value), on=f"{names[i]}_{end}"))
    problem = pk.Problem(kind, u, equation, box, conditions, reference=pk.Exact({u: exact}))
    solution = Solution(pk.Model(problem, model, False, satisfied), theta0, pk.Points({}))
    found = pk.certify(solution)
    return {b.norm: (b.value, found.errors[b.norm]) for b in found.bounds}


def main() -> None:
    """Many random problems of every kind."""
    arguments = options(__doc__, ("--count", {"type": int, "default": 150, "help": "problems of every kind"}))
    count = 5 if arguments.quick else arguments.count
    results: dict[str, dict[str, list]] = {}
    for kind, d, how in KINDS:
        found: dict[str, list] = {}
        for seed in range(count):
            for norm, pair in case(kind, d, how, seed).items():
                found.setdefault(norm, []).append(pair)
        results[f"{kind} {d}D, {how}"] = found
        print(f"{kind} {d}D, {how}", file=sys.stderr, flush=True)
    lines = ["| problem | norm | problems | violated | overestimate: median | 90 % | largest |", "|---|" + "---|" * 6]
    for name, norms in results.items():
        for norm, pairs in norms.items():
            ratios = np.array([bound / true if true else math.inf for bound, true in pairs])
            lines.append(
                f"| {name} | {norm} | {len(ratios)} | {int((ratios < 1).sum())} | {np.median(ratios):.2g} | "
                f"{np.quantile(ratios, 0.9):.2g} | {ratios.max():.2g} |"
            )
    text = "\n".join(lines) + "\n"
    if not arguments.quick:
        (RESULTS / "certificates.json").write_text(json.dumps(results))
        (RESULTS / "certificates.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
