"""How a superposition answers to its data: the derivative of any functional by every fitted value."""

import torch
from torch import Tensor

from pinnkit.model.quantity.base import Functional
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked

from .superposition import Superposition
from .variable_projection import fit


@checked
def data_response(solution: Solution, functional: Functional) -> dict[str, Tensor]:
    """Derivatives df/dy of a functional f by the data y of every condition; they sample a Green's function.

    The amplitudes are those of least squares, a = F^+ A^1/2 y with F = A^1/2 J, so df/dy = A^1/2 (F^+)^T df/da, with
    the same truncation as in the solver. Divided by the share of a point in the boundary it is the Green's function, as
    far as the solutions resolve it.

    Args:
        solution: a solution of :func:`solve_lie`.
        functional: the functional, as :func:`at` gives it.

    Returns:
        Derivatives (K, N) by loss term.

    Raises:
        ValueError: a solution that is not linear in its parameters.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve_lie(pk.problem("heat"), progress=False)
        >>> sorted(pk.data_response(u, pk.at("u", x=0.5, t=0.1)))
        ['u initial', 'u on x_max', 'u on x_min']
    """
    if not isinstance(solution.network, Superposition):
        raise ValueError(
            f"a {type(solution.network).__name__} is not linear in its parameters: use pinnkit.Influence for it"
        )
    stack = solution.stack
    root = stack.row_weights.sqrt()
    F = root[:, None] * stack.jacobian(solution.theta)
    inverse = torch.as_tensor(fit(F.cpu().numpy(), (root * stack.values(solution.theta)).cpu().numpy()).inverse).to(F)
    _, slopes = functional.linearise(solution)
    out = root * (slopes @ inverse.T)
    terms = [stack.by_term(row.contiguous()) for row in out]
    return {name: torch.stack([term[name] for term in terms]) for name in terms[0]}
