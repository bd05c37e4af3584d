"""Certificates of random problems: does the bound hold, and by how much does it exceed the true error?

Heat and wave equations: a random box and closed-form solution; the approximation is that solution plus random exact
solutions that ignore the boundary ("superposition"), or a random small network for zero data ("network", whose
equation is violated as well). Every other equation that a theorem covers: random coefficients, box and conditions
with zero data, so that the solution is 0 and a random small network the error; "ring": with periodic conditions, which
that network misses too. Sampled certificates, with bounds of slopes; and enclosed ones ("enclosed"). ``--campaign N``:
enclosed ones of N problems that miss one thing at a time (`campaign`).
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.certificate import campaign
from benchmarks.common import RESULTS, RUNS, options

KINDS = [(kind, d, how) for kind in ("heat", "wave") for d in (1, 2) for how in ("superposition", "network")]
KINDS += [(kind, d, "enclosed") for kind in ("heat", "wave") for d in (1, 2)]
KINDS += [(kind, d, "network enclosed") for kind in ("heat", "wave") for d in (1, 2)]
POINTS = 10_000  # at which a misfit is looked at: as many as problems of this smoothness need


def members(rng: np.random.Generator, kind: str, d: int, number: float, count: int) -> list[tuple[np.ndarray, complex]]:
    """Random pairs (wave vector, rate) of exp(wave . x + rate t) that solve the equation."""
    found = []
    for _ in range(count):
        k = rng.normal(size=d) * rng.choice([1.0, 3.0, 10.0])
        wave = k if rng.random() < 0.3 and np.abs(k).sum() < 3 else 1j * k
        square = complex((wave * wave).sum())
        found.append((wave.astype(complex), number * square if kind == "heat" else number * np.sqrt(square + 0j)))
    return found


def travelling(problem: Any, pairs: Sequence[tuple[Sequence[complex], complex]]) -> tuple[Any, np.ndarray]:
    """Exponentials for complex (wave, rate) that solve the equation: the family, and parameters of its members."""
    from pinnkit.exact.superposition.linear_operator import operator
    from pinnkit.exact.superposition.separated import exponentials

    op = operator(problem)
    found = [(np.insert(np.array(wave, complex), op.t, rate), np.ones(1)) for wave, rate in pairs]
    return exponentials(op, problem.domain.bounds, found)


def heat_or_wave(kind: str, d: int, how: str, seed: int) -> Any:
    """One random problem with an approximate solution."""
    import sympy as sp
    import torch

    import pinnkit as pk
    from pinnkit.exact.superposition.superposition import Superposition

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
    if how == "network":
        problem = pk.Problem(kind, u, equation, box, still, reference=pk.Exact({u: sp.S.Zero}))
        return network(problem, seed, 1.0)
    pairs = members(rng, kind, d, number, int(rng.integers(1, 5)))
    family, theta = travelling(pk.Problem("start", u, equation, box, still), pairs)
    amplitudes = torch.as_tensor(rng.normal(size=len(theta)) * 10.0 ** rng.uniform(-4, 0))
    model = Superposition((family,), tuple((0, tuple(row)) for row in theta.tolist()))
    other = amplitudes + torch.as_tensor(rng.normal(size=len(theta))) * amplitudes.abs().max()
    exact = model.expression(other.tolist())
    conditions: list[Any] = [pk.Initial(u, sp.diff(exact, t, k).subs(t, 0), order=k) for k in range(order)]
    for i, x in enumerate(variables[:-1]):
        for end, value in (("min", box.lower[i]), ("max", box.upper[i])):
            conditions.append(pk.Dirichlet(u, exact.subs(x, value), on=f"{names[i]}_{end}"))
    problem = pk.Problem(kind, u, equation, box, conditions, reference=pk.Exact({u: exact}))
    return pk.Solution(pk.Model(problem, model, False, frozenset({"pde"})), amplitudes, pk.Points({}))


def network(problem: Any, seed: int, size: float) -> Any:
    """A random small network as a solution of a problem."""
    import pinnkit as pk

    net = pk.MLP(len(problem.domain.names), 8, 1)
    return pk.Solution(pk.Model(problem, net, False), size * net.initial(problem.domain, seed), pk.Points({}))


def diffusion(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """With drift and reaction of either sign."""
    return u.diff(t) + (c() - 1) * u.diff(x) - c() * u.diff(x, 2) - (c() - 1) * u, _values(u)


def slopes(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Insulated ends."""
    import pinnkit as pk

    return u.diff(t) - c() * u.diff(x, 2), [pk.Neumann(u, 0, on="x")]


def slope_and_value(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """One insulated end, drift."""
    import pinnkit as pk

    ends = [pk.Dirichlet(u, 0, on="x_min"), pk.Neumann(u, 0, on="x_max")]
    return u.diff(t) + c() / 4 * u.diff(x) - c() * u.diff(x, 2), ends


def cooling(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Ends that lose heat to the air."""
    import pinnkit as pk

    return u.diff(t) - c() * u.diff(x, 2), [pk.Robin(u, c(), c(), 0, on="x")]


def black_scholes(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """In the time to expiry; nothing is held at S = 0."""
    import pinnkit as pk

    r = c() / 10
    return u.diff(t) - c() ** 2 / 8 * x**2 * u.diff(x, 2) - r * x * u.diff(x) + r * u, [pk.Dirichlet(u, 0, on="x_max")]


def fokker_planck(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Ornstein and Uhlenbeck's."""
    return u.diff(t) - c() * u.diff(x, 2) - c() * (x * u).diff(x), _values(u)


def allen_cahn(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Semilinear."""
    return u.diff(t) - c() / 10 * u.diff(x, 2) - c() * (u - u**3), _values(u)


def advection(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """With absorption."""
    import pinnkit as pk

    return u.diff(t) + c() * u.diff(x) + (c() - 1) * u, [pk.Dirichlet(u, 0, on="x_min")]


def linear_kdv(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Airy's equation, two conditions and one."""
    import pinnkit as pk

    return u.diff(t) + c() / 10 * u.diff(x, 3), [*_values(u), pk.Neumann(u, 0, on="x_max")]


def telegraph(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Damped."""
    return u.diff(t, 2) + c() * u.diff(t) - c() * u.diff(x, 2), _values(u)


def klein_gordon(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """With mass."""
    return u.diff(t, 2) - c() * u.diff(x, 2) + 4 * c() * u, _values(u)


def beam(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Euler and Bernoulli's, clamped or supported."""
    import pinnkit as pk

    more = pk.Neumann(u, 0, on="x") if c() > 1 else pk.Operator("moment", u.diff(x, 2), on="x")
    return u.diff(t, 2) + c() / 10 * u.diff(x, 4), [*_values(u), more]


def burgers(u: Any, x: Any, t: Any, c: Callable[[], float]) -> tuple:
    """Viscous."""
    return u.diff(t) + u * u.diff(x) - c() / 20 * u.diff(x, 2), _values(u)


def laplace(u: Any, x: Any, y: Any, c: Callable[[], float]) -> tuple:
    """With unequal coefficients and absorption."""
    return c() * u.diff(x, 2) + c() * u.diff(y, 2) - max(c() - 1, 0) * u, _values(u)


def drifting(u: Any, x: Any, y: Any, c: Callable[[], float]) -> tuple:
    """Elliptic, with drift."""
    return c() * u.diff(x, 2) + u.diff(y, 2) + 3 * (c() - 1) * u.diff(x) + (c() - 1) * y * u.diff(y), _values(u)


def helmholtz(u: Any, x: Any, y: Any, c: Callable[[], float]) -> tuple:
    """Below and above the first eigenvalues."""
    return u.diff(x, 2) + u.diff(y, 2) + 15 * c() ** 2 * u, _values(u)


def _values(u: Any) -> list:
    import pinnkit as pk

    return [pk.Dirichlet(u, 0)]


EQUATIONS = (
    diffusion, slopes, slope_and_value, cooling, black_scholes, fokker_planck, allen_cahn, advection, linear_kdv,
    telegraph, klein_gordon, beam, burgers, laplace, drifting, helmholtz,
)  # fmt: skip


def other(make: Callable, seed: int) -> Any:
    """A random problem of an equation with zero data, and a random network as its solution."""
    import sympy as sp

    import pinnkit as pk

    rng = np.random.default_rng([seed, len(make.__name__)])
    still = make in (laplace, drifting, helmholtz)
    box = {"x": (0.0, float(rng.uniform(0.5, 2))), "y" if still else "t": (0.0, float(rng.uniform(0.3, 2)))}
    a, b = pk.coordinates("x y" if still else "x t")
    u = pk.field("u", a, b)
    equation, conditions = make(u, a, b, lambda: float(rng.uniform(0.2, 2)))
    order = 0 if still else 2 if equation.has(u.diff(b, 2)) else 1
    start = [pk.Initial(u, 0, order=k) for k in range(order)]
    problem = pk.Problem(
        make.__name__, u, equation, pk.Box(**box), [*start, *conditions], reference=pk.Exact({u: sp.S.Zero})
    )
    return network(problem, seed, float(rng.uniform(0.5, 1.5)))


ENCLOSED = (allen_cahn, linear_kdv, telegraph, klein_gordon, beam, laplace, helmholtz)  # of the others, networks
RINGS = ("diffusion", "allen_cahn", "advection", "airy", "wave", "telegraph", "beam")


def ring(kind: str, seed: int, features: Any = None) -> Any:
    """A random periodic problem with zero data, and a random network as its solution, which need not be periodic."""
    import sympy as sp

    import pinnkit as pk

    rng = np.random.default_rng([seed, len(kind)])
    low, length, T = (float(v) for v in rng.uniform((-1, 0.5, 0.3), (0, 2, 1.5)))
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    c, speed = (float(v) for v in rng.uniform(0.2, 2, 2))
    equation = {
        "diffusion": u.diff(t) + speed * u.diff(x) - c * u.diff(x, 2),
        "allen_cahn": u.diff(t) - c / 10 * u.diff(x, 2) - speed * (u - u**3),
        "advection": u.diff(t) + speed * u.diff(x),
        "airy": u.diff(t) + c / 10 * u.diff(x, 3),
        "wave": u.diff(t, 2) - c * u.diff(x, 2),
        "telegraph": u.diff(t, 2) + speed * u.diff(t) - c * u.diff(x, 2) + u,
        "beam": u.diff(t, 2) + c / 10 * u.diff(x, 4),
    }[kind]
    box = pk.Box(x=(low, low + length), t=(0, T))
    start = [pk.Initial(u, 0, order=k) for k in range(2 if equation.has(u.diff(t, 2)) else 1)]
    around = pk.Periodic(u, "x", order={"airy": 2, "beam": 3}.get(kind, 1))
    problem = pk.Problem(kind, u, equation, box, [*start, around], reference=pk.Exact({u: sp.S.Zero}))
    net = pk.MLP(2, 8, 1, features=features)
    return pk.Solution(pk.Model(problem, net, False), net.initial(box, seed), pk.Points({}))


def compared(solution: Any, enclosed: bool = False, slopes: bool = True) -> dict[str, tuple[float, float]]:
    """The bound and the true error by norm."""
    import pinnkit as pk

    found = pk.certify(solution, enclosed, slopes=slopes, corrected=False)
    return {b.norm: (b.value, found.errors[b.norm]) for b in found.bounds if b.norm in found.errors}


def only(found: dict[str, tuple[float, float]], norm: str) -> dict[str, tuple[float, float]]:
    """One of the norms."""
    return {norm: found[norm]}


def cases(count: int) -> dict[str, list[Callable[[], dict]]]:
    """What is compared, by name."""
    found = {}
    few = max(1, count // 4)
    for kind, d, how in KINDS:
        enclosed, base = "enclosed" in how, "network" if "network" in how else "superposition"
        slopes = how == "network enclosed" or (kind, d) == ("wave", 1)
        found[f"{kind} {d}D, {how}"] = [
            lambda k=kind, d=d, b=base, s=seed, e=enclosed, g=slopes: compared(heat_or_wave(k, d, b, s), e, g)
            for seed in range(few if enclosed else count)
        ]
        if not enclosed and not slopes:  # gradients of fewer: they take many norms
            found[f"{kind} {d}D, {how}, gradient"] = [
                lambda k=kind, d=d, b=base, s=seed: only(compared(heat_or_wave(k, d, b, s)), "H1(t)")
                for seed in range(few)
            ]
    for make in EQUATIONS:
        name = make.__name__.replace("_", " ")
        found[name] = [lambda m=make, s=seed: compared(other(m, s)) for seed in range(count)]
        if make in ENCLOSED:
            found[f"{name}, enclosed"] = [lambda m=make, s=seed: compared(other(m, s), True) for seed in range(few)]
    for kind in RINGS:
        name = kind.replace("_", " ")
        found[f"{name} ring, enclosed"] = [lambda k=kind, s=seed: compared(ring(k, s), True) for seed in range(few)]
    return found


def table(results: dict[str, dict[str, list]]) -> str:
    """The results as Markdown."""
    lines = ["| problem | norm | problems | violated | overestimate: median | 90 % | largest |", "|---|" + "---|" * 6]
    for name, norms in results.items():
        for norm, pairs in norms.items():
            ratios = np.array([bound / true if true else math.inf for bound, true in pairs])
            largest = ">1e6" if ratios.max() > 1e6 else f"{ratios.max():.2g}"
            high = np.quantile(ratios, 0.9)
            lines.append(
                f"| {name} | {norm} | {len(ratios)} | {int((ratios < 1).sum())} | {np.median(ratios):.2g} | "
                f"{'>1e6' if not high < 1e6 else f'{high:.2g}'} | {largest} |"
            )
    total = sum(max(map(len, norms.values())) for norms in results.values())
    pairs = [pair for norms in results.values() for found in norms.values() for pair in found]
    bad = sum(bound < true for bound, true in pairs)
    return "\n".join(lines) + f"\n\n{total} problems, {len(pairs)} bounds, {bad} violated.\n"


def main() -> None:
    """Many random problems of every kind."""
    arguments = options(
        __doc__, ("--count", {"type": int, "default": 41, "help": "problems of every kind"}),
        ("--campaign", {"type": int, "default": 0, "help": "this many problems that miss one thing at a time instead"}),
    )  # fmt: skip
    if arguments.campaign:
        kept = (RUNS if arguments.quick else RESULTS) / "certificate_campaign.jsonl"
        found = list(campaign.results(arguments.campaign, kept))
        text = campaign.table(found)
        if not arguments.quick:
            (RESULTS / "certificate_campaign.md").write_text(f"# Certificates of one misfit at a time\n\n{text}")
        return print(text)
    from pinnkit.certificate.misfits import sampled

    sampled.POINTS = POINTS
    results: dict[str, dict[str, list]] = {}
    count = 3 if arguments.quick else arguments.count
    folder = RUNS / f"certificates_{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, calls in cases(count).items():
        file = folder / f"{name.replace(', ', '_').replace(' ', '_')}.json"
        if not file.exists():
            found: dict[str, list] = {}
            for call in calls:
                for norm, pair in call().items():
                    found.setdefault(norm, []).append(pair)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(found))
            partial.replace(file)
            print(name, file=sys.stderr, flush=True)
        results[name] = json.loads(file.read_text())
    text = table(results)
    if not arguments.quick:
        (RESULTS / "certificates.json").write_text(json.dumps(results))
        (RESULTS / "certificates.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
