"""Where a formula of the coordinates vanishes: planes, or something that is none."""

from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.simplified import factored

from .kink import Plane

NODES = 4096  # of a coordinate's interval, between which zeros are sought
TOUCH = 1e-9  # of the largest |g|: below it a minimum of |g| may be a zero
MOST = 200  # zeros of one function: more are no planes that a network could follow one by one


class NotPlanar(ValueError):
    """A zero set that is no union of planes, or one that cannot be found."""


def planes_of(g: sp.Expr, variables: Sequence[sp.Symbol], domain: Domain) -> list[tuple[Plane, float]]:
    """The planes of the domain's bounding box where g = 0, each with |dg/ds|, s the height over it.

    g may be linear, a function of one coordinate, or a product of such factors; where there are several, the slopes
    are NaN.

    Raises:
        Curved: any other zero set, or a zero where g does not change its sign.
    """
    used = [x for x in variables if g.has(x)]
    if not used:
        return []
    slopes = [sp.expand(sp.diff(g, x)) for x in used]
    if all(w.is_number for w in slopes):
        return [_linear(g, variables)]
    if len(used) == 1:
        i, d = list(variables).index(used[0]), len(variables)
        return [(Plane.across(i, d, _rounded(at)), w) for at, w in _zeros(g, used[0], domain.bounds[:, i])]
    factors = factored(g).args if g.is_polynomial(*used) else g.args if isinstance(g, sp.Mul) else ()
    factors = [f for f in factors if f.has(*used)]
    if len(factors) < 2 or not isinstance(factored(g), sp.Mul):
        raise NotPlanar(f"{g} = 0 is no plane")
    return [(plane, np.nan) for f in factors for plane, _ in planes_of(f, variables, domain)]


def _linear(g: sp.Expr, variables: Sequence[sp.Symbol]) -> tuple[Plane, float]:
    weights = [float(sp.expand(sp.diff(g, x))) for x in variables]
    main = max(weights, key=abs)
    at_origin = float(sp.expand(g).subs(dict.fromkeys(variables, 0)))
    return Plane(tuple(_rounded(w / main) for w in weights), _rounded(-at_origin / main)), abs(main)


def _rounded(value: float) -> float:
    """To 15 digits, so that a plane stated in two ways is one."""
    return float(f"{value:.15g}") + 0.0


def _zeros(g: sp.Expr, x: sp.Symbol, bounds: np.ndarray) -> list[tuple[float, float]]:
    """Simple zeros of a function of one coordinate in an interval, each with the function's |slope| there."""
    program = Program([g], [x])
    lo, hi = bounds.tolist()

    def value(at: np.ndarray) -> np.ndarray:
        (out,) = program({x: torch.as_tensor(at)})
        return np.broadcast_to(np.asarray(out, dtype=float), np.shape(at))

    nodes = lo + (hi - lo) * np.arange(NODES + 1) / NODES
    v = value(nodes)
    if not np.isfinite(v).all():
        raise NotPlanar(f"{g} is not finite everywhere")
    size = np.abs(v)
    crossing = np.flatnonzero(v[:-1] * v[1:] < 0)
    if len(crossing) > MOST:
        raise NotPlanar(f"{g} = 0 on more than {MOST} planes")
    a, b = nodes[crossing], nodes[crossing + 1]
    for _ in range(60 if len(a) else 0):
        middle = (a + b) / 2
        same = np.sign(value(middle)) == np.sign(v[crossing])
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    zeros = [*b.tolist(), *nodes[size == 0].tolist()]
    inner = 1 + np.flatnonzero((size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]) & (size[1:-1] < TOUCH * size.max()))
    if any(min((abs(nodes[k] - z) for z in zeros), default=np.inf) > 2 * (hi - lo) / NODES for k in inner):
        raise NotPlanar(f"{g} may touch 0 without a change of sign")
    h = 1e-6 * (hi - lo)
    slopes = [float(np.diff(value(np.array([z - h, z + h])))[0]) / (2 * h) for z in zeros]
    if any(abs(s) * (hi - lo) <= 1e-6 * size.max() for s in slopes):
        raise NotPlanar(f"{g} touches 0")
    exact = [abs(float(sp.diff(g, x).subs(x, sp.Float(z, 17)))) for z in zeros]
    return list(zip(zeros, exact, strict=True))
