"""How well closed forms satisfy equations, with many digits."""

import random

import sympy as sp


def residual(equations: list, solution: dict, seed: int) -> float:
    """max |sum of terms| / sum |terms| at two random points, with 40 digits."""
    dice, worst = random.Random(seed), 0.0
    for e in equations:
        terms = [term.subs(solution).doit() for term in sp.Add.make_args(sp.expand(e.doit()))]
        free = sorted(set().union(*(term.free_symbols for term in terms)), key=str)
        for _ in range(2):
            at = {s: sp.Float(str(dice.uniform(0.2, 0.9)), 40) for s in free}  # Rational powers would be exact
            values = [term.subs(at).evalf(40) for term in terms]
            size = sum(abs(v) for v in values)
            worst = max(worst, float(abs(sum(values)) / size) if size else 0.0)
    return worst
