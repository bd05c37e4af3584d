"""Where data or a closed form jump: there derivatives of what misses are more than functions, and have no norms."""

from collections.abc import Mapping, Sequence

import sympy as sp

from pinnkit.domain.box import Domain
from pinnkit.model.solution import Solution
from pinnkit.statement.singular.regularity import BENDS, LOST, STEPS
from pinnkit.statement.symbolic.residual import Residual

from .closed_form import ClosedForm


def refuse(solution: Solution, residual: Residual, by: Sequence[str], fixed: Mapping[str, float]) -> None:
    """Nothing, where the derivative of a misfit by some coordinates is a function on the part of the box.

    Fronts of a superposition that start where the time does may stand at that end: they have passed it.

    Raises:
        ValueError: a misfit that jumps there itself, or whose derivatives of lower order do.
    """
    box, u = solution.problem.domain, solution.problem.fields[0]
    symbols = dict(zip(box.names, solution.problem.variables, strict=True))
    at = {symbols[n]: sp.Rational(v) for n, v in fixed.items()}
    free = [n for n in box.names if n not in fixed]
    for part, passed in ((sp.S.Zero, False), (_fronts(solution), True)):
        e = residual.expression.subs(u, part).doit()
        known, e = not e.has(*LOST), e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})
        if known and not e.has(*STEPS, *BENDS):
            continue
        for name in by:
            e = e.diff(symbols[name])
        e = e.subs(at).replace(sp.DiracDelta, lambda a, *k: sp.DiracDelta(sp.expand(a), *k))
        e = sp.expand(e) if e.has(sp.DiracDelta) else e  # images cancel
        deltas = (d.args[0] for d in e.atoms(sp.DiracDelta))
        if not known or any(_within(a, free, symbols, box, passed and free == [box.time]) for a in deltas):
            raise ValueError(
                f"{solution.problem.name}: {residual.name!r} or a derivative may jump, so that its derivative by "
                f"{''.join(by)} has no norm: it needs smooth data"
            )


def _fronts(solution: Solution) -> sp.Expr:
    """The part of a closed form that is not smooth."""
    network = solution.network
    return network.fronts(solution.theta) if isinstance(network, ClosedForm) else sp.S.Zero


def _within(argument: sp.Expr, free: list[str], symbols: Mapping[str, sp.Symbol], box: Domain, passed: bool) -> bool:
    """Whether the argument of a delta function may vanish in the box, its beginning left out where it is ``passed``."""
    if len(free) != 1 or sp.expand(argument.diff(s := symbols[free[0]], 2)) != 0:
        return True
    low, high = (argument.subs(s, sp.Rational(float(v))) for v in box.bounds[:, box.names.index(free[0])])
    return not (low * high > 0 or (passed and low == 0 and high != 0))
