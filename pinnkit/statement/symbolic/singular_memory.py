"""Memory that begins somewhere with a singular kernel: the solution begins there as a power that is no whole number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sympy as sp

from .integral import Caputo


@dataclass(frozen=True)
class Memory:
    """A coordinate, by its number, where its memory begins, and the power with which the solution does: 1/2 of sqrt."""

    coordinate: int
    start: float
    power: float


def memories(equations: Iterable[sp.Expr], variables: Sequence[sp.Symbol]) -> tuple[Memory, ...]:
    """The memories of equations with Caputo derivatives, and with integrals up to t of kernels (t - s)^r, -1 < r < 0.

    u + int_0^t (t - s)^r u ds = f has solutions of powers of t^(1 + r), as Caputo's equation of order a of t^a
    (Brunner, Collocation Methods for Volterra Integral Equations, 2004).
    """
    found: dict[Memory, None] = {}
    for e in equations:
        for node in e.atoms(Caputo):
            _, t, order, start = node.args
            if t in variables and start.is_number:
                found[Memory(list(variables).index(t), float(start), float(order))] = None
        for node in e.atoms(sp.Integral):
            s, start, *end = node.limits[0]
            if len(node.limits) > 1 or not end or end[0] not in variables or not start.is_number:
                continue
            for p in node.function.atoms(sp.Pow):
                if p.exp.is_number and -1 < p.exp < 0 and sp.expand(p.base - (end[0] - s)) == 0:
                    found[Memory(list(variables).index(end[0]), float(start), float(1 + p.exp))] = None
    return tuple(found)
