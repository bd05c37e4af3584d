"""How a superposition answers to its data: the derivative of any functional by every fitted value."""

import torch
from torch import Tensor

from pinnkit.model.quantity import Functional
from pinnkit.model.solution import Solution
from pinnkit.tools.checked import checked

from .superposition import Superposition
from .variable_projection import fit


@checked
def data_response(solution: Solution, functional: Functional) -> dict[str, Tensor]:
    """df/dy of a functional by the data y_m of every condition, by term, shape (K, N).

    The amplitudes are those of least squares, a = F^+ A^1/2 y with F = A^1/2 J, so df/dy = A^1/2 (F^+)^T df/da, exactly
    and with the same truncation as the solver's; divided by a point's share of the boundary it is a Green's function
    of the problem, as far as the members resolve it.

    Raises:
        ValueError: a solution that is not linear in its parameters.
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
