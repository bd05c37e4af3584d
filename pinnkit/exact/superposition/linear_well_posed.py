"""Whether a linear problem is well-posed: data that a superposition would fit though nothing follows from them."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import sympy as sp

from pinnkit.domain.box import Box, face_of
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet, Neumann, Operator, Robin
from pinnkit.statement.symbolic.conditions import Periodic
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.well_posed import faces

from .box_conditions import FacePair, face_pairs
from .linear_operator import LinearOperator
from .separated import halfwaves
from .system import LinearSystem

FAST = 30.0  # exponent of the growth in the whole time that a wave of GRID half-waves may not reach
GRID = 2000
DIRECTIONS = 48
FLAT = 1e-6  # of the symbol in a direction, relative to its largest value, that counts as 0
RESONANT = 1e-9  # the same of the symbol at an eigenfunction of the box


def check(problem: Problem, op: LinearOperator | LinearSystem) -> None:
    """Refuse what is ill-posed; observations make nearly everything well-posed.

    Raises:
        ValueError: waves that grow the faster the shorter they are (Petrovsky's condition); an equation without time
        that is not elliptic; more or fewer conditions on a face than half the order of an elliptic one; a resonance.
    """
    if any(isinstance(c, Observations) for c in problem.conditions):
        return
    frozen = _frozen(problem, op)
    if frozen is None:
        return
    if frozen.time is not None:
        _check_growth(problem, frozen)
    elif isinstance(op, LinearOperator) and len(op.coordinates) > 1:
        _check_elliptic(problem, frozen)
        _check_faces(problem, max(map(sum, op.coefficients)))
        if op.constant and isinstance(problem.domain, Box):
            _check_resonance(problem, op)


def _frozen(problem: Problem, op: LinearOperator | LinearSystem) -> LinearOperator | None:
    """The scalar operator with the coefficients that hold in the middle of the domain."""
    X = problem.domain.sample(64, method="random", seed=0)
    middle = X[(X - X.mean(0)).norm(dim=1).argmin()].tolist()
    at = dict(zip(op.coordinates, map(sp.Rational, middle), strict=True))
    if isinstance(op, LinearSystem):
        entries = tuple(tuple({J: c.subs(at) for J, c in e.items()} for e in line) for line in op.entries)
        return LinearSystem(op.coordinates, entries, op.time).determinant
    return LinearOperator(op.coordinates, {J: c.subs(at) for J, c in op.coefficients.items()}, op.time)


def _check_growth(problem: Problem, op: LinearOperator) -> None:
    sides = np.delete(np.ptp(problem.domain.bounds, axis=0), op.t)
    T = float(np.ptp(problem.domain.bounds[:, op.t]))
    for direction in _directions(len(sides)):
        near, far = (max(s.real for s in op.rates(1j * math.pi * n * direction / sides)) * T for n in (GRID // 4, GRID))
        if far > FAST and far > 1.5 * near:
            raise ValueError(
                f"{problem.name} is ill-posed: waves grow the faster the shorter they are ({GRID} half-waves by "
                f"e^{far:.2g} until the end), so that no bound on the data bounds the solution. Either time runs "
                "backwards, or these are Cauchy data for an equation that is elliptic: give data on the whole boundary"
            )


def _check_elliptic(problem: Problem, op: LinearOperator) -> None:
    order = max(map(sum, op.coefficients))
    leading = LinearOperator(op.coordinates, {J: c for J, c in op.coefficients.items() if sum(J) == order}, None)
    values = np.array([complex(leading.symbol(1j * v)) for v in _directions(len(op.coordinates))])
    turned = (values / values[np.abs(values).argmax()]).real
    if order % 2 or turned.min() < FLAT:
        raise ValueError(
            f"{problem.name} has no time coordinate and its equation is not elliptic: data on its whole boundary are "
            "ill-posed. Name the coordinate along which it evolves t, or Box.of({...}, time=...)"
        )


def _check_faces(problem: Problem, order: int) -> None:
    needed = order // 2
    for face in problem.domain.faces or ("boundary",):
        given = [c for c in problem.conditions if isinstance(c, (Dirichlet, Neumann, Robin, Operator))]
        count = sum(face in faces(problem, c) for c in given)
        periodic = {c.coordinate for c in problem.conditions if isinstance(c, Periodic)}  # which only boxes have
        count += needed * bool(periodic and face_of(problem.domain, face).coordinate in periodic)
        if count != needed:
            kind = "Cauchy data (value and slope together) have no stable solution" if count > needed else "too few"
            raise ValueError(
                f"{problem.name} is ill-posed: an elliptic equation of order {order} needs {needed} condition"
                f"{'s' * (needed > 1)} on every part of the boundary, {face} has {count}: {kind}"
            )


def _check_resonance(problem: Problem, op: LinearOperator) -> None:
    """Whether an eigenfunction of the box with its homogeneous conditions solves the equation."""
    sides = face_pairs(problem)
    if any(J[w.index] % 2 for J in op.coefficients for w in sides) or any(_unknown(w) for w in sides):
        return
    own = [halfwaves(w, 0.0, 60) for w in sides]
    for pairs in itertools.product(*own):
        k = np.array([1j * k for k, _ in pairs])
        size = sum(abs(float(c)) * np.prod(np.abs(k) ** np.array(J)) for J, c in op.coefficients.items())
        if abs(op.symbol(k)) <= RESONANT * size and size > 0:
            waves = ", ".join(f"k_{w.name} = {abs(v):.6g}" for w, v in zip(sides, k, strict=True))
            raise ValueError(
                f"{problem.name} is ill-posed: an eigenfunction of the box ({waves}) solves the equation with zero "
                "data, so that the solution is not unique: change the coefficient or the box"
            )


def _unknown(wall: FacePair) -> bool:
    return wall.ends is None and not wall.periodic


def _directions(d: int) -> Iterator[np.ndarray]:
    if d == 1:
        yield np.ones(1)
        return
    draw = np.random.default_rng(0).normal(size=(DIRECTIONS, d))
    for v in (*np.eye(d), *draw):
        yield v / np.linalg.norm(v)
