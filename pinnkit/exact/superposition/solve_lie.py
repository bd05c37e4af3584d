"""solve_lie(): an initial-boundary value problem solved by superposing exact solutions of its equation."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
import torch

from pinnkit.certificate.theorem.burgers import viscosity
from pinnkit.model.history import History
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.place import INITIAL, INTERIOR
from pinnkit.tools.checked import Count, NotNegative, Whole, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.progress import reporter
from pinnkit.tools.renamed import renamed
from pinnkit.tools.versions import versions
from pinnkit.training.recipe import Plan, Progress

from . import cole_hopf_sum
from .boundary_rows import BoundaryRows, conditions, rows
from .box_conditions import face_pairs
from .chart import Chart, charts
from .cole_hopf import ColeHopf
from .columns import Dense, joined
from .data_kinks import at_first, kinks
from .dictionary import OSCILLATIONS, Dictionary, together
from .family import Family
from .fresh_misfit import misfit
from .linear_operator import LinearOperator, operator
from .linear_well_posed import check
from .local_solutions import verify_symbol
from .matching_pursuit import Choice, Search, from_dictionary, from_families, prune
from .orbit_families import drawn
from .orbit_families import orbit_families as orbits
from .steady import frequencies
from .superposition import Superposition
from .system import LinearSystem, system
from .variable_projection import Fit, fit

MODES = {1: 200, 2: 400, 3: 2000}  # separated solutions by the number of space dimensions
DRAWN = 32  # members of an orbit of one parameter in the dictionary, twice as many of two ...
FINER = 1.5  # points that show whether a member changes between those that are fitted
SAME = 1e-6  # of its squared norm: how far both may differ
ENOUGH = 1e-5  # misfit, relative to the data, below which members of orbits are not moved any more
DENSER = (1.0, 2.0, 4.0)  # points, as long as a fit meets the data between them worse than at them
SHARE = (0.97, 0.7, 0.7)  # of the tolerance that the fit is to reach, so that fresh points are within it
CLOSE = 1.5  # misfits at fresh points to those of the fit that count as the same
WAVES = 1000.0  # half-waves in time that the points on the walls resolve, at most


def condition_weights(problem: Problem) -> dict[str, float]:
    """Weights that make a condition's mean square the square of its L2 norm, in the units of the field."""
    box = problem.domain
    extent = dict(zip(box.names, np.ptp(box.bounds, axis=0).tolist(), strict=True))
    length = min(extent[name] for name in box.space)
    found = {}
    for condition in problem.conditions:
        for r in condition.residuals(box):
            if r.place == INTERIOR:
                continue
            if r.place == INITIAL and box.time is not None:
                size = math.prod(extent[name] for name in box.space)
                size *= extent[box.time] ** (2 * r.order)
            elif r.place.where == "pair":
                size = math.prod(v for name, v in extent.items() if name not in r.place.names)
                size *= (length / math.pi) ** (2 * r.order)
            elif r.place.where == "data":
                size = 1.0
            else:
                size = box.measure(r.place.on)
                size *= (length / math.pi) ** (2 if r.kind == "neumann" else 0)
            found[r.name] = size * condition.weight
    return found


@renamed(most="max_parameters")
@checked
def solve_lie(
    problem: Problem,
    *,
    tolerance: NotNegative = 1e-8,
    families: Sequence[Family] = (),
    max_parameters: Count = 200,
    modes: Count | None = None,
    pool: Count = 200,
    seed: Whole = 0,
    time_limit: NotNegative | None = None,
    progress: bool | None = None,
) -> Solution:
    """Solve a linear homogeneous equation, or Burgers', by a sum of exact solutions u = sum_k a_k phi_k(x; theta_k).

    The equation holds exactly; only initial and boundary data are fitted. Burgers' equation goes through the Cole-Hopf
    map, a parabolic one with variable coefficients through a map from the heat equation where one exists
    (:func:`heat_forms`). Separated solutions, polynomials and layers come first. Where they miss the tolerance,
    solutions with free parameters are added: local solutions or orbits of the symmetries.

    Args:
        problem: the problem.
        tolerance: largest misfit of the data, in the weighted L2 norm relative to the data, at points that were not
            fitted.
        families: families of exact solutions of the user, to be tried too. Each is verified first.
        max_parameters: largest number of fitted amplitudes and parameters.
        modes: number of separated solutions along each direction. Default None: chosen from the data.
        pool: number of members of a family that are tried at once.
        seed: seed of the search.
        time_limit: seconds of wall time after which the search ends. Default None: no limit.
        progress: True: progress is printed everywhere. False: nothing is printed. Default None: in a terminal only.

    Returns:
        The solution. Its notes state data that it misses.

    Raises:
        ValueError: an equation that is neither linear and homogeneous nor Burgers', a domain or condition that is not
            supported, or families that do not solve the equation.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve_lie(pk.problem("heat"), progress=False)
        >>> u.errors()["u"]["relative_l2"] < 1e-10
        True
    """
    clock = time.perf_counter(), time.process_time()
    if tolerance <= 0 or max_parameters < 1:
        raise ValueError(
            f"tolerance {tolerance} and max_parameters {max_parameters}: "
            "give a positive tolerance and at least 1 coefficient"
        )
    if not problem.domain.space:
        raise ValueError(f"{problem.name}: its domain is time alone, and superpositions are in space: use solve")
    nu = viscosity(problem)
    if nu is not None:
        return cole_hopf_sum.solve(problem, nu, tolerance, max_parameters)
    op = operator(problem) if len(problem.fields) == len(problem.equations) == 1 else system(problem)
    check(problem, op)
    _verify(op, families)
    sides = face_pairs(problem)
    count = modes or MODES.get(len(sides), 500)
    programs = conditions(problem)
    cuts = kinks(problem, programs)
    where = charts(problem, op, sides, cuts if op.time is None else np.reshape(at_first(problem, programs), (-1, 1)))
    density = _waves(where, count)
    afford(8.0 * count * max(density.values()), f"solve_lie: a dictionary of {count} modes", "give fewer modes")
    weights = _weights(problem)
    deadline = np.inf if time_limit is None else clock[0] + time_limit
    history: list[tuple[int, float, float, float]] = []
    tried: list[FittedSuperposition] = []
    with reporter(progress, f"{problem.name} (superposition)", max_parameters) as screen:

        def tell(choice: Choice) -> None:
            wall, cpu = time.perf_counter() - clock[0], time.process_time() - clock[1]
            loss = choice.misfit**2
            history.append((choice.coefficients, loss, wall, cpu))
            screen.update(choice.coefficients, {"loss": loss, "validation": loss, "wall_s": wall})

        for finer, share in zip(DENSER, SHARE, strict=True):
            waves = {name: finer * v for name, v in density.items()}
            data = rows(problem, weights, waves, cuts)
            y = data.target
            size = float(np.linalg.norm(y))
            if size == 0:
                raise ValueError(f"{problem.name}: all initial and boundary data are 0, and so is the solution")
            search = Search(
                data, Dense(np.zeros((len(y), 0))), (), y, share * tolerance * size, seed, pool, deadline, tell
            )
            tried.append(_attempt(problem, search, where, families, waves, cuts, count, max_parameters))
            seen = tried[-1]
            if seen.fresh <= max(tolerance, CLOSE * seen.solved.misfit / size) or search.late:
                break
    best = min(tried, key=lambda found: found.fresh)
    return _solution(problem, best, history, tolerance, clock)


@dataclass(frozen=True, eq=False)
class FittedSuperposition:
    """A superposition, its fit, and the misfit of the data, relative to them, at points that the fit has not seen."""

    search: Search
    choice: Choice
    network: Superposition
    solved: Fit
    fresh: float


def _attempt(
    problem: Problem, search: Search, where: Sequence[Chart], families: Sequence[Family], waves: Mapping[str, float],
    cuts: np.ndarray, count: int, most: int,
) -> FittedSuperposition:  # fmt: skip
    """What the dictionary, then what is singular where data are, then sources and free families reach."""
    data, op, tell = search.rows, where[0].op, search.tell
    size = float(np.linalg.norm(search.target))
    listed = together(w.first(count) for w in where)
    lifts = next((len(p) for f, p in listed.parts if f.name == "polynomial"), 0)
    lifts = min(1 + len(op.coordinates), lifts)
    search = replace(search, D=listed.columns(data))
    choice = from_dictionary(search, Choice(), most)
    tell(choice)
    joining = (lambda: together(w.singular() for w in where), lambda: together(w.special(count) for w in where))
    for join in joining:
        if choice.misfit <= search.goal or search.late:
            break
        known, more = search.D.shape[1], join()
        if not more.parts:
            continue
        listed = together((listed, more))
        search = replace(search, D=joined([search.D, more.columns(data)]))
        start = Choice(tuple(range(known, search.D.shape[1]))[:most])
        choice = min(choice, from_dictionary(search, start, most), key=_misfit)
        tell(choice)
    if choice.misfit > search.goal and not search.late:
        atoms, free = where[0].kernels(_finest(data, problem)), []
        if not atoms and not (op.time is None and op.constant):  # whose dictionary has all orbits already
            atoms = orbits(problem)
            fine = rows(problem, data.weights, {n: FINER * v for n, v in waves.items()}, cuts)
            free = [(f, _seen(f, fine, data, search.seed)) for f in atoms]
        more = Dictionary((*free, *((f, np.zeros((1, 0))) for f in families if not f.count)))
        listed = together((listed, more))
        D = joined([search.D, more.columns(data)])
        search = replace(search, D=D, families=[f for f in (*atoms, *families) if f.count])
        if more.parts:
            choice = min(choice, from_dictionary(search, Choice(), most), key=_misfit)
        if choice.misfit > max(search.goal, ENOUGH * size * bool(free)):
            choice = mixed(search, choice, lifts, most)
    choice = prune(search, choice, max(search.goal, choice.misfit * (1 + 1e-6)))
    tell(choice)
    return superposed(problem, search, listed, choice, waves, cuts)


def superposed(
    problem: Problem, search: Search, listed: Dictionary, choice: Choice, waves: Mapping[str, float], cuts: np.ndarray
) -> FittedSuperposition:  # fmt: skip
    """The fit of the members that are chosen from a dictionary and from free families."""
    members = [listed.member(j) for j in choice.fixed]
    members += [
        (search.families[f], tuple(search.families[f].from_scale(np.array(z)).tolist())) for f, z in choice.atoms
    ]
    named = tuple(dict.fromkeys(f for f, _ in members))
    network = Superposition(named, tuple((named.index(f), z) for f, z in members))
    solved = fit(search.columns(choice), search.target)
    return FittedSuperposition(
        search, choice, network, solved, misfit(problem, network, solved.a, search.rows.weights, waves, cuts)
    )


@checked
def closed_form(solution: Solution) -> sp.Expr:
    """A superposition of exact solutions as one SymPy expression of the coordinates.

    Args:
        solution: a solution of :func:`solve_lie` with one field.

    Returns:
        The expression.

    Raises:
        ValueError: any other solution.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve_lie(pk.problem("heat"), progress=False)
        >>> sorted(map(str, pk.closed_form(u).free_symbols))
        ['t', 'x']
    """
    if not isinstance(solution.network, (Superposition, ColeHopf)):
        raise ValueError(f"a {type(solution.network).__name__} has no closed form: only superpositions have one")
    return solution.network.expression(solution.theta.tolist())


def mixed(search: Search, linear: Choice, lifts: int, most: int) -> Choice:
    """The dictionary's choice, or a better one with free parameters, filled up from the dictionary."""
    lines = Choice(tuple(range(lifts)))
    found = from_families(search, most, lines) if search.families else lines
    if found.misfit > search.goal:
        found = min(found, from_dictionary(search, found, most), key=_misfit)
    found = prune(search, found, max(search.goal, found.misfit * 1.05))
    return found if found.misfit <= max(search.goal, linear.misfit) else linear


def _seen(family: Family, fine: BoundaryRows, data: BoundaryRows, seed: int) -> np.ndarray:
    """Members of an orbit for the dictionary, without those that change between the points: finer ones see others."""
    if not family.count:
        return np.zeros((1, 0))
    theta = drawn(family, DRAWN * 2 ** (family.count - 1), seed)
    with np.errstate(all="ignore"):
        one, other = (np.square(r.columns(family, theta)).sum(0) for r in (data, fine))
        return theta[np.abs(one - other) <= SAME * other]


def _misfit(choice: Choice) -> float:
    return choice.misfit


def _verify(op: LinearOperator | LinearSystem, families: Sequence[Family]) -> None:
    for family in families:
        if family.coordinates != op.coordinates:
            raise ValueError(f"the family {family.name!r} depends on {family.coordinates}: expected {op.coordinates}")
        verify_symbol(op, family.expression, family.name, family.ranges)


def _weights(problem: Problem) -> dict[str, float]:
    from pinnkit.certificate.theorems import weights

    return condition_weights(problem) | weights(problem)


def _waves(where: Sequence[Chart], modes: int) -> dict[str, float]:
    """Half-waves of the dictionary's solutions by every coordinate."""
    op, sides, domain = where[0].op, where[0].walls, where[0].box
    compression = max(w.compression for w in where)
    if op.time is None:
        return dict.fromkeys(domain.names, float(frequencies(op, domain.bounds)))
    per = modes if len(sides) == 1 else (2 * modes) ** (1 / max(1, len(sides)))
    time = domain.names[op.t]
    found = {w.name: per * compression for w in sides} | {time: float(OSCILLATIONS)}
    scalar = op if isinstance(op, LinearOperator) else op.determinant
    if op.constant and scalar is not None and sides:
        fastest = scalar.rates(np.array([1j * math.pi * per / w.length for w in sides]))
        waves = float(np.abs(fastest.imag).max() * np.ptp(domain.bounds[:, op.t]) / math.pi)
        found[time] += min(waves, WAVES)  # faster modes satisfy the walls' conditions by themselves
    return found


def _finest(data: BoundaryRows, problem: Problem) -> float:
    """The smallest width of a solution that the points still see."""
    found = []
    for i, name in enumerate(problem.domain.names):
        if name == problem.domain.time:
            continue
        for points in data.points.values():
            x = np.unique(points.X[:, i].numpy())
            if len(x) > 1:
                found.append(8 * float(np.diff(x).min()))
    return min(found, default=1.0)


def _solution(
    problem: Problem, found: FittedSuperposition, history: list, tolerance: float, clock: tuple[float, float]
) -> Solution:
    search, choice, solved = found.search, found.choice, found.solved
    fitted = solved.misfit / float(np.linalg.norm(search.target))
    stop = (
        f"the data are met to {found.fresh:.1e} of their norm at fresh points with {choice.coefficients} coefficients "
        f"({'within' if found.fresh <= tolerance else 'the tolerance was'} {tolerance:.1e})"
    )
    if found.fresh > max(tolerance, CLOSE * fitted):
        stop += f"; the points of the fit alone are met to {fitted:.1e}, so more coefficients do not help"
    columns = ("iteration", "loss", "wall_s", "cpu_s")
    table = {name: tuple(float(row[k]) for row in history) for k, name in enumerate(columns)}
    extra = {"stage": (0.0,) * len(history), "round": (0.0,) * len(history), "validation": table["loss"]}
    wall, cpu = time.perf_counter() - clock[0], time.process_time() - clock[1]
    at = Progress(Plan(()), total=choice.coefficients, wall_s=wall, cpu_s=cpu)
    return Solution(
        Model(problem, found.network, False, frozenset(problem.equations)),
        torch.as_tensor(solved.a),
        search.rows.points,
        search.rows.weights,
        History(table | extra),
        (stop,),
        progress=at,
        versions=versions(),
    )
