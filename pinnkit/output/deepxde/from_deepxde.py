"""A trained DeepXDE model as a solution: its network, points and weights under a problem stated once."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.network.torch_module import Module
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.place import INITIAL, INTERIOR
from pinnkit.tools.checked import Finite, NotNegative, checked

from .to_deepxde import import_deepxde

AGREE = 1e-4  # relative difference of DeepXDE's loss and ours at which the two say the same


@checked
def from_deepxde(
    problem: Problem, model: Any, *, weights: Mapping[str, NotNegative] | None = None,
    unknowns: Mapping[str, Finite] | None = None,
) -> Solution:  # fmt: skip
    """The solution of a trained DeepXDE model: its network, points and loss weights, in pinnkit's terms.

    Conditions that DeepXDE meets by an output transform are recognised by their residual and left out of the loss. Both
    losses are compared; notes of the solution state a difference.

    Args:
        problem: the same problem in pinnkit's terms.
        model: a trained ``dde.Model``.
        weights: weights by term. They are needed where the conditions of both do not correspond one to one. Default
            None: DeepXDE's.
        unknowns: trained coefficients of an inverse problem, by name. Default None: there are none.

    Returns:
        The solution in double precision, for influence, errors and pictures.

    Raises:
        TypeError: something other than a ``dde.Model``.
        ValueError: points of another dimension, a condition without points, missing unknowns.
    """
    dde = import_deepxde()
    if not isinstance(model, dde.Model):
        raise TypeError(f"expected a deepxde.Model, got {type(model).__name__}: give the trained model")
    X = torch.as_tensor(model.data.train_x_all, dtype=torch.float64)
    names = problem.domain.names
    if X.ndim != 2 or X.shape[1] != len(names):
        raise ValueError(f"DeepXDE's points have shape {tuple(X.shape)}: {problem.name} has {', '.join(names)}")
    missing = set(problem.unknowns) - set(unknowns or {})
    if missing:
        raise ValueError(f"{problem.name} has the unknown {sorted(missing)[0]}: give its trained value in unknowns")
    network = Module(copy.deepcopy(model.net).double(), scaled=False)
    theta = network.initial(problem.domain, 0)
    theta = torch.cat([theta, theta.new_tensor([unknowns[name] for name in problem.unknowns] if unknowns else [])])
    points = Points({key: _points(problem, model.data, key, X) for key in problem.keys})
    full = Model(problem, network, False)
    satisfied = _satisfied(full, points, theta) if len(model.data.bcs) < len(full.problem.conditions) else frozenset()
    joined = Model(problem, network, False, satisfied)
    kept = Points({key: points[key] for key in joined.keys})
    given = dict(weights) if weights is not None else _weights(model, joined)
    solution = Solution(joined, theta, kept, given)
    return Solution(joined, theta, kept, given, notes=_compared(solution, model))


def _points(problem: Problem, data: Any, key: str, X: Tensor) -> PointSet:
    """DeepXDE's collocation points of one of the problem's sets."""
    domain = problem.domain
    place = problem.places[key]
    if place == INTERIOR:
        return PointSet(X)
    if place.where == "data":
        return problem.sample(key, 1)
    if place == INITIAL:
        chosen = X[domain.on_initial(X)]
    elif place.where == "pair":
        (name,) = place.names
        low = X[domain.on_boundary(X, f"{name}_min")]
        high, i = low.clone(), domain.names.index(name)
        high[:, i] = domain.bounds[1][i]
        return PointSet(low, image=high)
    else:
        chosen = X[domain.on_boundary(X, place.on)]
    if not len(chosen):
        raise ValueError(f"DeepXDE has no training points on {key!r}, where {problem.name} has a condition")
    if place == INITIAL:
        return PointSet(chosen)
    normals = torch.as_tensor(data.geom.boundary_normal(chosen.numpy()), dtype=X.dtype)
    space = [i for i, name in enumerate(domain.names) if name != domain.time]
    return PointSet(chosen, {f"n_{domain.names[i]}": normals[:, i] for i in space})


def _satisfied(model: Model, points: Points, theta: Tensor) -> frozenset[str]:
    """The conditions whose residual vanishes for any parameters of the network."""
    found = set()
    stack = model.stack(points)
    moved = theta + 0.1 * torch.randn(len(theta), generator=torch.Generator().manual_seed(0), dtype=theta.dtype)
    largest = {n: float(r.abs().max()) for t in (theta, moved) for n, r in stack.by_term(stack.values(t)).items()}
    for name, size in largest.items():
        if name not in model.problem.equations and size < 1e-5:
            found.add(name)
    return frozenset(found)


def _weights(model: Any, joined: Model) -> dict[str, float]:
    """DeepXDE's loss weights by our terms, in order."""
    terms = [name for program in joined.programs.values() for name in program.names]
    given = model.loss_weights
    if given is None:
        return {name: 1.0 for name in terms}
    if len(given) == len(terms):
        return dict(zip(terms, map(float, given), strict=True))
    if len(set(map(float, given))) == 1:
        return {name: float(given[0]) for name in terms}
    raise ValueError(
        f"DeepXDE has {len(given)} loss weights for the terms {', '.join(terms)}: give weights={{term: weight}}"
    )


def _compared(solution: Solution, model: Any) -> tuple[str, ...]:
    """A note where DeepXDE's own loss is another one."""
    theirs = model.train_state.loss_train
    if theirs is None:
        return ("DeepXDE has not evaluated its loss: nothing to compare with",)
    ours, theirs = float(solution.stack.losses(solution.theta).sum()), float(sum(theirs))
    if abs(ours - theirs) <= AGREE * max(ours, theirs) + 1e-300:
        return ()
    return (
        f"the loss is {ours:.4e} by the problem's statement and {theirs:.4e} by DeepXDE: equation, conditions, points "
        "or weights differ (or DeepXDE computed in single precision), and influences are those of the statement",
    )
