"""What a solution is worth: errors beside the reference's own, residuals on fresh points, cost, reasons to stop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from typing_extensions import override

from pinnkit.error.error_bars import in_words
from pinnkit.error.estimator import error_map
from pinnkit.error.uncertainty import uncertainty
from pinnkit.model.march import March
from pinnkit.model.solution import Solution
from pinnkit.network.features.scaled import Scaled
from pinnkit.network.mlp import Layered
from pinnkit.statement.points import counts_of
from pinnkit.statement.symbolic.reference import errors_of
from pinnkit.tools.checked import checked
from pinnkit.tools.labelled import ResultTable
from pinnkit.tools.versions import arithmetic

FRESH = 4096  # points on which the equation is tested; a quarter of it for every other set
STOPS = 3  # stages that are named, the last ones


@checked
@dataclass(frozen=True)
class Report(ResultTable):
    """Figures of one solution: errors |u - u*| / |u*|, residuals on fresh points, cost and notes.

    Args:
        problem: name of the problem.
        parameters: parameters of the equation by name.
        unknowns: trained coefficients by name.
        relative_l2: relative L2 error by field; empty without a reference, NaN against a reference that is zero.
        max_error: the largest |u - u*| by field.
        reference_error: relative L2 error of the reference itself. None without one.
        residuals: root mean square by term, on points that were never trained on.
        exact: terms that hold by construction.
        network: the network in a line of text.
        trained: number of trained parameters.
        points: number of points by set.
        iterations: iterations of all stages.
        rounds: rounds of resampling.
        wall_s: seconds of wall time.
        cpu_s: seconds of CPU time.
        stop_reasons: why each stage ended.
        notes: what limits the solution.
        versions: versions of the libraries.
        estimate: by field, the relative L2 error predicted without a reference.
        interval: bounds of that error, where the verdict is to trust it.
        verdict: "trust", or the reason why not.
        error_bars: figures of :func:`uncertainty` for unknown coefficients.
        reference_errors: error of the reference by field, where known so.
    """

    problem: str
    parameters: Mapping[str, float]
    unknowns: Mapping[str, float]
    relative_l2: Mapping[str, float]
    max_error: Mapping[str, float]
    reference_error: float | None
    residuals: Mapping[str, float]
    exact: tuple[str, ...]
    network: str
    trained: int
    points: Mapping[str, int]
    iterations: int
    rounds: int
    wall_s: float
    cpu_s: float
    stop_reasons: tuple[str, ...]
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    estimate: Mapping[str, float] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    verdict: str = ""
    error_bars: Mapping[str, Any] = field(default_factory=dict)
    reference_errors: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, texts, lists and dicts."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def rows(self) -> list[tuple[str, str]]:
        """The report as pairs of a label and a text."""
        found = [("problem", " ".join([self.problem, *(f"{k}={v:g}" for k, v in self.parameters.items())]))]
        for name, error in self.relative_l2.items():
            text = f"{error:.2e}" if math.isfinite(error) else "not defined: the reference is zero everywhere"
            found.append((f"relative L2 error of {name}", f"{text}   {self._floor(name)}"))
            found.append((f"largest error of {name}", f"{self.max_error[name]:.2e}"))
        if not self.relative_l2:
            found.append(("error", "not known: no reference for these parameters"))
        for name, error in self.estimate.items():
            low, high = self.interval.get(name, (0.0, 0.0))
            text = f"{error:.2e}" + (f" ({low:.1e} to {high:.1e})" if high else "")
            found.append((f"estimated error of {name}", f"{text}   without a reference: {self.verdict}"))
        found += [(f"coefficient {name}", self._coefficient(name)) for name in self.unknowns]
        for name, value in self.residuals.items():
            exact = name in self.exact and value < 1e-12
            found.append((f"residual of {name}", "0 by construction" if exact else f"{value:.2e}"))
        points = ", ".join(f"{n} {key}" for key, n in self.points.items())
        found.append(("network", f"{self.network}, {self.trained} parameters; trained on {points} points"))
        rounds = f", {self.rounds} round{'s' * (self.rounds > 1)} of resampling" if self.rounds else ""
        found.append(("cost", f"{self.iterations} iterations{rounds}, {self.wall_s:.1f} s ({self.cpu_s:.1f} s CPU)"))
        if self.versions:
            found.append(("computed with", arithmetic(self.versions)))
        if len(self.stop_reasons) > STOPS:  # a climb has many stages
            found.append(("stages", f"{len(self.stop_reasons)}, of which the last {STOPS} ended as follows"))
        found += [("stopped", reason) for reason in self.stop_reasons[-STOPS:]]
        return found + [("note", note) for note in (*self.notes, *self.error_bars.get("notes", ()))]

    def _coefficient(self, name: str) -> str:
        """A coefficient in words, with its interval where there is one."""
        bars = self.error_bars.get("values", {}).get(name)
        if bars is None:
            return f"{self.unknowns[name]:.6g}"
        low, high = bars["interval"]
        return in_words(bars["trained"], bars["corrected"], (high - low) / 2)

    def _floor(self, name: str) -> str:
        """The reference's own error of a field in words; an error means nothing without it."""
        own = self.reference_errors.get(name, self.reference_error)
        return f"(the reference's own: {own:.1e})" if own else "(exact reference)"

    @override
    def emphasis(self, label: str, text: str) -> str:
        return "bold" if label.startswith("relative") else "yellow" if label == "note" else ""


@checked
def report(solution: Solution | March, estimate: bool = True) -> Report:
    """The figures of a solution: errors |u - u*| / |u*|, and root mean squares of residuals on fresh points.

    Args:
        solution: a trained solution, or a march.
        estimate: True (default): the error is also estimated without the reference (:func:`error_map`), which takes 1
            to 10 s for usual networks. False: it is not.

    Returns:
        The figures, which print themselves.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> found = pk.report(u, estimate=False)
        >>> found.trained, sorted(found.exact)
        (33, ['u initial', 'u on x_max', 'u on x_min'])
    """
    problem, windows = solution.problem, solution.windows if isinstance(solution, March) else (solution,)
    figures = estimated(solution) if estimate else {}
    errors = solution.errors() if problem.reference is not None else {}
    floor = problem.reference.error if problem.reference is not None and errors else None
    other = other_branch(errors, figures.get("interval", {}), floor)
    return Report(
        problem=problem.name,
        parameters=dict(problem.parameters),
        unknowns=solution.unknowns,
        relative_l2={name: e["relative_l2"] for name, e in errors.items()},
        max_error={name: e["max"] for name, e in errors.items()},
        reference_error=floor,
        residuals=_root_mean([s.problem.domain.measure() for s in windows], [fresh_residuals(s) for s in windows]),
        exact=tuple(sorted(frozenset.intersection(*(frozenset(s.model.exact_terms) for s in windows)))),
        network=_describe(windows[0].network) + (f" in each of {len(windows)} windows" if len(windows) > 1 else ""),
        trained=sum(s.model.count for s in windows),
        points={key: len(points) for key, points in solution.points.items()},
        **_cost(solution),
        stop_reasons=solution.stops,
        notes=(*solution.notes, *other),
        versions=dict(solution.versions),
        reference_errors={n: e for n, e in errors_of(problem.reference).items() if n in errors},
        error_bars=error_bars(windows[0]) if estimate and solution.unknowns else {},
        **figures,
    )


def _root_mean(shares: Sequence[float], values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """By name, the root of the mean square of values with these shares."""
    if len(values) == 1:
        return dict(values[0])
    whole = sum(shares)
    return {k: math.sqrt(sum(a / whole * v[k] ** 2 for a, v in zip(shares, values, strict=True))) for k in values[0]}


def _cost(solution: Solution | March) -> dict[str, Any]:
    """Where training stands; of a solution that was stored without it, where its history ends."""
    now, history = solution.progress, solution.history
    if now is not None:
        return {"iterations": now.total, "rounds": now.round, "wall_s": now.wall_s, "cpu_s": now.cpu_s}
    last = history.row(len(history) - 1) if len(history) else {}
    counts = {name: int(last.get(key, 0)) for name, key in (("iterations", "iteration"), ("rounds", "round"))}
    return counts | {name: last.get(name, 0.0) for name in ("wall_s", "cpu_s")}


def estimated(solution: Solution | March) -> dict[str, Any]:
    """The predicted relative error by field, its interval if it is trusted, and the verdict, or why there is none."""
    try:
        found = error_map(solution)
    except ValueError as error:
        return {"verdict": str(error)}
    interval = dict(found.interval) if found.trusted else {}
    return {"estimate": dict(found.relative_l2), "interval": interval, "verdict": found.verdict}


def other_branch(
    errors: Mapping[str, Mapping[str, float]], interval: Mapping[str, tuple[float, float]], own: float | None
) -> list[str]:
    """A sentence for every field whose reference lies far outside a trusted interval, by its relative error ``own``."""
    far = [n for n, (_, high) in interval.items() if n in errors and errors[n]["relative_l2"] > 3 * (high + (own or 0))]
    return [
        f"{name} is {errors[name]['relative_l2']:.1e} away from the reference, and by its residuals no more than "
        f"{interval[name][1]:.1e} from a solution: it may be another solution of the same statement (a second branch)"
        for name in far
    ]


def error_bars(solution: Solution) -> dict[str, Any]:
    """The figures of the unknown coefficients' error bars, or why there are none."""
    try:
        return uncertainty(solution).to_dict()
    except ValueError as error:
        return {"reason": str(error)}


def fresh_residuals(solution: Solution, n: int = FRESH) -> dict[str, float]:
    """The root mean square of every term's residual on fresh points, also of the terms that hold by construction."""
    problem, model = solution.problem, solution.model
    run_seed = 0 if solution.progress is None else solution.progress.plan.seed
    seed = int(np.random.SeedSequence([run_seed, 40_961]).generate_state(1)[0])
    found: dict[str, float] = {}
    for i, (key, count) in enumerate(counts_of(problem.keys, n, part=4).items()):
        points = problem.sample(key, count, seed=seed + i)
        residuals = [r for r in problem.residuals if r.key == key]
        rows = solution._rows(model.program(residuals), points.to(solution.theta))
        found |= {r.name: float((row * row).mean().sqrt()) for r, row in zip(residuals, rows, strict=True)}
    return {name: found[name] for name in (r.name for r in problem.residuals)}


def _describe(network: Any) -> str:
    if not isinstance(network, Layered):
        return str(network) if "__str__" in vars(type(network)) else type(network).__name__
    with_features = "" if isinstance(network.features, Scaled) else f" on {network.features}"
    return f"{type(network).__name__}({', '.join(map(str, network.sizes))}, {network.activation}){with_features}"
