"""A solution corrected by the error that its own residual implies: Gauss-Newton in the space of functions."""

import time
from dataclasses import replace

import torch

from pinnkit.model.recorder import recorded
from pinnkit.model.solution import Solution
from pinnkit.network.linearised import Linearised
from pinnkit.tools.checked import Whole, checked

from .error_map import ErrorMap
from .estimator import error_map
from .tangent_space import TangentSpace, mean_size
from .verdict import Signs

FELL = 0.5  # of its mean |residual|, which a correction may leave at most on fresh points and on those of the map
GAIN = 0.7  # share of the error that is seen, which what is not seen may reach: beyond it a field may get worse
FRESH = 8192  # interior points that it is judged on; a quarter of it for every other set


@checked
def correct(solution: Solution, found: ErrorMap | None = None, seed: Whole = 0) -> Solution:
    """The solution u + J_u delta, delta from a thorough :func:`error_map`: a network linear in its parameters.

    The network stays where it is, theta + delta would diverge; the corrected solution's network is its tangent
    there, :class:`Linearised`, and its parameters are delta (P,), with unknown coefficients moved as well. It is in
    double precision, can be asked, saved, trained and corrected again as any other, and ends its history with a row of
    its own. Its ``stops`` say by how much the mean |residual|, weighted as the loss is, fell on fresh points. A
    correction that leaves more than half of it is refused, and so is one after which the error of some field, by what
    the residual leaves open, missed data and the noise of readings, may be more than .7 of the error that it
    removes: then the solution comes back as it was, with a note that says so.

    Cost: that of :func:`error_map`, unless the map ``found`` is given.

    Raises:
        ValueError: as ``error_map``; a map of another solution.
    """
    began, cpu = time.perf_counter(), time.process_time()
    if found is None:
        found = error_map(solution, seed=seed, thorough=True)
    elif found.solution is not solution:
        raise ValueError("the error map belongs to another solution: make it of the one that is to be corrected")
    space = TangentSpace(solution)
    before, after = _residuals(space, found, seed)
    if not max(after / max(before, 1e-300), 1 - found.explained) <= FELL:
        note = (
            f"not corrected: in its tangent space the mean |residual| on fresh points would go from {before:.1e} to "
            f"{after:.1e}; {found.verdict}"
        )
        return replace(solution, notes=(*solution.notes, note))
    if worst := _may_not_help(found):
        name, seen, unseen = worst
        note = (
            f"not corrected: of the relative error of {name}, {seen:.1e} would be removed and up to {unseen:.1e} come "
            f"with what no correction sees; {found.verdict}"
        )
        return replace(solution, notes=(*solution.notes, note))
    stop = (
        f"correction in the tangent space: mean |residual| on fresh points from {before:.1e} to {after:.1e} "
        f"({found.cpu_s:.1f} s CPU, {found.rows} rows, {found.verdict.partition(' because')[0]})"
    )
    spent = time.process_time() - cpu, time.perf_counter() - began
    return recorded(_moved(solution, space, found), stop, *spent)


def _may_not_help(found: ErrorMap) -> tuple[str, float, float] | None:
    """The field that gains least, what is seen of its error and what is not, if that is too much."""
    pairs = [(name, sign.seen, sign.unseen) for name, sign in ((n, Signs(**p)) for n, p in found.parts.items())]
    name, seen, unseen = max(pairs, key=lambda p: p[2] / max(p[1], 1e-300))
    return (name, seen, unseen) if unseen > GAIN * seen else None


def _residuals(space: TangentSpace, found: ErrorMap, seed: int) -> tuple[float, float]:
    """The mean size of the residuals of the solution and of the corrected one, on points that neither has seen."""
    model, like = space.model, space.theta
    points = {
        key: model.problem.sample(key, FRESH if key == "pde" else FRESH // 4, method="random", seed=seed + 77_003 + i)
        for i, key in enumerate(model.keys)
    }
    points = {key: own.to(like) for key, own in points.items()}
    stacks = [space.stack(points, d) for d in (torch.zeros_like(like), found.delta)]
    before, after = (mean_size(stack, stack.values(at)) for stack, at in stacks)
    return before, after


def _moved(solution: Solution, space: TangentSpace, found: ErrorMap) -> Solution:
    """The solution in its tangent space, moved by delta."""
    model, theta = solution.model, space.theta
    if isinstance(model.network, Linearised):  # its tangent is itself
        theta = theta + found.delta
    else:
        network, unknowns = model.split(theta)
        moved, by = model.split(found.delta)
        model = replace(model, network=Linearised(model.network, network.clone()))
        theta = torch.cat([moved, unknowns + by])
    points = solution.points.to(torch.float64, theta.device)
    return replace(solution, model=model, theta=theta, points=points)
