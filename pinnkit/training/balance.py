"""Loss balancing: weights of the terms from the traces of the tangent kernel or from the norms of gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.model.stack import Stack
from pinnkit.statement.points import Points
from pinnkit.tools.checked import AtLeast1, Below1, Count, checked
from pinnkit.tools.preset import preset
from pinnkit.tools.renamed import renamed
from pinnkit.tools.serialise import register

KINDS = ("ntk", "gradient")


@register
@renamed(most="max_ratio")
@checked
@dataclass(frozen=True)
class Balance:
    """Weights of the loss from the sizes s_k of its terms: w_k <- keep w_k + (1 - keep) sum_j s_j / s_k.

    Args:
        kind: "ntk": s_k = mean_m |dr_m/dtheta|^2 over the rows of the term, the trace of its tangent kernel over its
            size. "gradient": s_k = |d mean(r_k^2)/dtheta|.
        every: iterations between two changes.
        keep: share of the old weight that stays, from 0 to below 1. Default 0.9: a smooth change.
        stages: number of stages, from the first one, in which weights change. Default 1: a later change would spoil
            what a quasi-Newton stage has learnt of the loss.
        points: number of points of every set that estimate the traces; used by "ntk" only.
        max_ratio: no s_k counts for less than max_j s_j / max_ratio, so that no weight grows without bound.

    Raises:
        ValueError: an unknown kind, or a number out of range.

    Source:
        "ntk": Wang, Yu, Perdikaris, J. Comput. Phys. 449 (2022), algorithm 1. "gradient": Wang, Sankaran, Wang,
        Perdikaris, arXiv:2308.08468 (2023).

    Example:
        >>> import pinnkit as pk
        >>> pk.Balance("gradient", every=50).keep
        0.9
    """

    kind: str = "ntk"
    every: Count = 100
    keep: Below1 = 0.9
    stages: Count = 1
    points: Count = 256  # of every set, for the traces
    max_ratio: AtLeast1 = 1e6

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no balance {self.kind!r}: choose one of {', '.join(KINDS)}")

    def __call__(self, stack: Stack, theta: Tensor) -> dict[str, float]:
        """New weights w_k by the names of the terms."""
        sizes = kernel_traces(stack, theta, self.points) if self.kind == "ntk" else gradient_norms(stack, theta)
        total, least = sum(sizes.values()), max(sizes.values()) / self.max_ratio
        if not total > 0:
            return stack.weights
        return {n: self.keep * stack.weights[n] + (1 - self.keep) * total / max(s, least) for n, s in sizes.items()}


def kernel_traces(stack: Stack, theta: Tensor, points: int) -> dict[str, float]:
    """mean |dr_m/dtheta|^2 of every term's rows, unweighted, over at most so many points of a set."""
    few = {key: s[torch.linspace(0, len(s) - 1, min(points, len(s))).long()] for key, s in stack.points.items()}
    rows = _unweighted(stack, Points(few))
    squares = rows.like.new_empty(rows.rows)
    for _, numbers, _, blocks in rows.jacobian_by_point(theta):
        for n, J in zip(numbers, blocks, strict=True):
            squares[n] = (J * J).sum(1)
    return {name: float(part.sum()) for name, part in rows.by_term(rows.row_weights * squares).items()}


def gradient_norms(stack: Stack, theta: Tensor) -> dict[str, float]:
    """|d mean(r_k^2) / dtheta| of every term, unweighted."""
    rows = _unweighted(stack, Points(stack.points))
    slopes, found = 2 * rows.row_weights * rows.values(theta), {}
    for name in rows.terms:
        only = torch.zeros_like(slopes)
        rows.by_term(only)[name].copy_(rows.by_term(slopes)[name])
        found[name] = float(rows.vjp(theta, only).norm())
    return found


def _unweighted(stack: Stack, points: Points) -> Stack:
    return Stack(stack.model, points, dict.fromkeys(stack.terms, 1.0), stack.programs)


@renamed(most="max_ratio")
@preset(Balance, "kind")
def ntk_balance() -> Balance:
    """Loss balancing with s_k = mean_m |dr_m/dtheta|^2, the trace of the term's tangent kernel over its size.

    Returns:
        The rule, for ``solve(balance=...)``.

    Source:
        Wang, Yu, Perdikaris, J. Comput. Phys. 449 (2022), algorithm 1.

    Example:
        >>> import pinnkit as pk
        >>> pk.ntk_balance(every=200).kind
        'ntk'
    """
    return Balance("ntk")


@renamed(most="max_ratio")
@preset(Balance, "kind")
def gradient_balance() -> Balance:
    """Loss balancing with s_k = |d mean(r_k^2)/dtheta|, the norm of the term's gradient.

    Returns:
        The rule.

    Source:
        Wang, Sankaran, Wang, Perdikaris, arXiv:2308.08468 (2023).

    Example:
        >>> import pinnkit as pk
        >>> pk.gradient_balance(keep=0.5).kind
        'gradient'
    """
    return Balance("gradient")
