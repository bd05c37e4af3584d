"""What evaluating a superposition in floating point adds to the error of its closed form: an estimate, not a bound."""

import torch
from torch import Tensor

from pinnkit.solution import Solution
from pinnkit.superpose.cole_hopf import ColeHopf
from pinnkit.superpose.network import Superposition
from pinnkit.taylor import Channels, partial

POINTS = 500
ROUNDINGS = 16  # units in the last place of every term, its coordinates and the sum


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
