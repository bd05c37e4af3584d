"""What evaluating a superposition in floating point adds to the error of its closed form: a bound, or an estimate."""

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from pinnkit.certificate.validated.running_error import Rounded, product, rounded, total
from pinnkit.model.solution import Solution
from pinnkit.statement.symbolic.channels import Channels, partial

from .cole_hopf import ColeHopf
from .family import MIRROR, SHIFT, Family
from .superposition import Superposition

POINTS = 500
ROUNDINGS = 16  # units in the last place of every term, its coordinates and the sum
CELLS = {1: 64, 2: 24, 3: 9, 4: 5}  # by each coordinate, by their number
BLOCK = 2**16  # members times cells in one step


def evaluation_bound(solution: Solution) -> float:
    """The largest difference, on the domain, between ``solution(X)`` and its closed form with the stored numbers.

    Members, sums over images and the sum over members by running error analysis (`running`) on cells of the domain; X
    are exact numbers of the solution's precision. Infinite where nothing is known, as around a singularity.

    Raises:
        ValueError: a solution that is no superposition, or a function for which there is no rule (jumps).
    """
    network, theta = solution.network, solution.theta
    if not isinstance(network, Superposition):
        raise ValueError(f"{type(network).__name__}: the rounding of superpositions is bounded, of others it is not")
    eps, d = float(torch.finfo(theta.dtype).eps), len(solution.problem.variables)
    edges = [np.linspace(a, b, CELLS[d] + 1) for a, b in solution.problem.domain.bounds.T.tolist()]
    cells = [np.array(list(itertools.product(*(e[s] for e in edges)))).T for s in (slice(0, -1), slice(1, None))]
    a, found = theta.abs().double().cpu().numpy(), 0.0
    for field in range(network.fields):
        error, size = np.zeros((2, cells[0].shape[1]))
        for family, numbers, parameters in network.groups():
            step = max(1, BLOCK // len(error))
            for start in range(0, len(numbers), step):
                part = slice(start, start + step)
                phi = _members(family, parameters[part], field, cells[0], cells[1], eps)
                error += a[numbers[part]] @ phi.error
                size += a[numbers[part]] @ phi.top
        worst = float((error + (len(a) + 2) * eps * size).max())
        found = max(found, worst) if worst >= 0 else math.inf  # NaN where nothing is known
    return found


def _members(family: Family, theta: np.ndarray, field: int, low: np.ndarray, high: np.ndarray, eps: float) -> Rounded:
    """Members of a family (K, n) on cells from ``low`` to ``high`` (d, n)."""
    K, n = len(theta), low.shape[1]
    phi, axis = family.parts[field], family.coordinates[family.axis]
    if family.form is not None:
        phi = family.form(phi.xreplace({axis: MIRROR * axis + SHIFT}))
    stored = eps if eps > 1e-15 else 0.0  # parameters are stored in double precision

    def given(v: np.ndarray | float, relative: float = 0.0) -> Rounded:
        v = np.broadcast_to(np.asarray(v, float), (K, n)).copy()
        pad = np.abs(v) * relative
        return Rounded.exact(v - pad, v + pad, eps, relative)

    def place(i: int) -> Rounded:
        lower, upper = (np.broadcast_to(v[i], (K, n)).copy() for v in (low, high))
        return Rounded.exact(lower, upper, eps)

    values = {s: place(i) for i, s in enumerate(family.coordinates)}
    values |= {r.symbol: given(theta[:, i, None], stored) for i, r in enumerate(family.ranges)}
    terms = []
    with np.errstate(all="ignore"):
        for c, sign, shift in family.images:
            own = values | {MIRROR: given(sign), SHIFT: given(shift, stored)}
            if family.form is None:
                x = values[axis]
                turned = x if sign > 0 else Rounded.exact(-x.value.high, -x.value.low, eps)
                own[axis] = total([turned, given(shift, stored)]) if shift else turned
            terms.append(product([rounded(phi, own), given(c, stored)]))
        return total(terms) if len(terms) > 1 else terms[0]


def evaluation_error(solution: Solution) -> float:
    """max over random points of 16 eps sum_k |a_k| (|phi_k| + sum_i |x_i D_i phi_k|), eps of the solution's dtype.

    To first order what rounded terms and coordinates change, where large amplitudes cancel too; of a Cole-Hopf map
    -2 nu phi_x / phi by numerator and denominator. (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 1.6.)

    Raises:
        ValueError: a solution that is no superposition.
    """
    network, theta, domain = solution.network, solution.theta, solution.problem.domain
    if not isinstance(network, (Superposition, ColeHopf)):
        raise ValueError(f"a {type(network).__name__} is no superposition: its evaluation is not estimated")
    X = domain.sample(POINTS, method="random", seed=0).to(theta)
    phi = network.phi if isinstance(network, ColeHopf) else network
    d = X.shape[1]
    unit = [tuple(int(i == j) for i in range(d)) for j in range(d)]
    zero = (0,) * d
    wanted = [zero, *unit]
    if isinstance(network, ColeHopf):
        wanted += [tuple(a + b for a, b in zip(unit[0], v, strict=True)) for v in unit]
    channels = Channels.closed(d, [partial(J) for J in wanted])
    tape = phi.build(domain)

    def size(basis: Tensor, J: tuple[int, ...]) -> Tensor:
        """sum_k |a_k| (|D^J phi_k| + sum_i |x_i D_i D^J phi_k|) at every point."""

        def terms(index: tuple[int, ...]) -> Tensor:
            return theta.abs() @ basis[channels.position(partial(index))].abs()

        moved = (terms(tuple(a + b for a, b in zip(J, v, strict=True))) for v in unit)
        return terms(J) + sum(x.abs() * m for x, m in zip(X.T, moved, strict=True))

    worst = torch.zeros(POINTS).to(theta)
    for field in range(phi.fields):
        basis = tape.basis(X, channels, field)
        if isinstance(network, ColeHopf):
            value, slope = (theta @ basis[channels.position(partial(J))] for J in (zero, unit[0]))
            relative = size(basis, zero) / value.abs()
            worst = 2 * network.nu * (size(basis, unit[0]) + slope.abs() * relative) / value.abs()
        else:
            worst = torch.maximum(worst, size(basis, zero))
    return float(ROUNDINGS * torch.finfo(theta.dtype).eps * worst.max())
