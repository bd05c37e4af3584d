"""A solution corrected by the error that its own residual implies: Gauss-Newton in the space of functions."""

import time
from dataclasses import replace
from typing import overload

import torch

from pinnkit.model.march import March, begun
from pinnkit.model.recorder import recorded
from pinnkit.model.solution import Solution
from pinnkit.statement.points import counts_of
from pinnkit.tools.checked import Whole, checked

from .error_map import ErrorMap
from .estimator import error_map
from .moved import moved
from .tangent_space import TangentSpace, mean_size
from .verdict import ErrorParts

FELL = 0.5  # of its mean |residual|, which a correction may leave at most on fresh points and on those of the map
GAIN = 0.7  # share of the error that is seen, which what is not seen may reach: beyond it a field may get worse
FRESH = 8192  # interior points that it is judged on; a quarter of it for every other set


@overload
def correct(solution: Solution, found: ErrorMap | None = None, seed: Whole = 0) -> Solution: ...


@overload
def correct(solution: March, found: None = None, seed: Whole = 0) -> March: ...


@checked
def correct(solution: Solution | March, found: ErrorMap | None = None, seed: Whole = 0) -> Solution | March:
    """The corrected solution u + J_u delta, with the change delta of the parameters from a thorough :func:`error_map`.

    Its network is :class:`Linearised`, the tangent of the network at theta, since the network at theta + delta would
    diverge. Its parameters are delta (P,); unknown coefficients move as well. It is in double precision and can be
    evaluated, saved, trained and corrected again as any other. Its ``stops`` say by how much the mean |residual| fell
    on fresh points.

    The solution comes back unchanged, with a note, if the correction leaves more than half of that residual, or if the
    error that may remain exceeds 0.7 of the error that is removed.

    Of a march every window is corrected, after it was begun anew at the corrected end of the one before.

    Args:
        solution: a trained solution, or a march.
        found: the error map of a solution, if known. Default None: it is computed, which is most of the cost.
        seed: seed of the points.

    Returns:
        The corrected solution, or the given one with a note.

    Raises:
        ValueError: the map of another solution, or what :func:`error_map` refuses.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> pk.correct(u).problem.name
        'heat'
    """
    if isinstance(solution, March):
        return _corrected_march(solution, seed)
    began, cpu = time.perf_counter(), time.process_time()
    better, said = corrected(solution, found, seed)
    if better is solution:
        return replace(solution, notes=(*solution.notes, said))
    return recorded(better, said, time.process_time() - cpu, time.perf_counter() - began)


def corrected(solution: Solution, found: ErrorMap | None = None, seed: int = 0) -> tuple[Solution, str]:
    """The solution u + J_u delta, or the given one where that may not help, and what was done or why not."""
    if found is None:
        found = error_map(solution, seed=seed, thorough=True)
    elif found.solution is not solution:
        raise ValueError("the error map belongs to another solution: make it of the one that is to be corrected")
    space = TangentSpace(solution)
    before, after = _residuals(space, found, seed)
    if not max(after / max(before, 1e-300), 1 - found.explained) <= FELL:
        return solution, (
            f"not corrected: in its tangent space the mean |residual| on fresh points would go from {before:.1e} to "
            f"{after:.1e}; {found.verdict}"
        )
    if worst := _may_not_help(found):
        name, seen, unseen = worst
        return solution, (
            f"not corrected: of the relative error of {name}, {seen:.1e} would be removed and up to {unseen:.1e} come "
            f"with what no correction sees; {found.verdict}"
        )
    return moved(found), (
        f"correction in the tangent space: mean |residual| on fresh points from {before:.1e} to {after:.1e} "
        f"({found.cpu_s:.1f} s CPU, {found.rows} rows, {found.verdict.partition(' because')[0]})"
    )


def _corrected_march(march: March, seed: int) -> March:
    done: list[Solution] = []
    for s in march.windows:
        done.append(correct(begun(s, march.problem, done[-1]) if done else s, seed=seed))
    return March(march.problem, tuple(done))


def _may_not_help(found: ErrorMap) -> tuple[str, float, float] | None:
    """The field that gains least, what is seen of its error and what is not, if that is too much."""
    pairs = [(name, sign.seen, sign.unseen) for name, sign in ((n, ErrorParts(**p)) for n, p in found.parts.items())]
    name, seen, unseen = max(pairs, key=lambda p: p[2] / max(p[1], 1e-300))
    return (name, seen, unseen) if unseen > GAIN * seen else None


def _residuals(space: TangentSpace, found: ErrorMap, seed: int) -> tuple[float, float]:
    """The mean size of the residuals of the solution and of the corrected one, on points that neither has seen."""
    model, like = space.model, space.theta
    points = {
        key: model.problem.sample(key, n, method="random", seed=seed + 77_003 + i)
        for i, (key, n) in enumerate(counts_of(model.keys, FRESH, part=4).items())
    }
    points = {key: own.to(like) for key, own in points.items()}
    stacks = [space.stack(points, d) for d in (torch.zeros_like(like), found.delta)]
    before, after = (mean_size(stack, stack.values(at)) for stack, at in stacks)
    return before, after
