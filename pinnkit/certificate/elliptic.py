"""The L2 bound for sum_i a_i u_ii + c u = f with constant a_i > 0 and Dirichlet data on a box.

With the eigenvalues s_n = sum a_i (pi n_i / L_i)^2, d = min |s_n - c|, D = max s_n / |s_n - c|, g_i the misfits on
the faces of i:

  |e| <= D sqrt(sum_i C_i |g_i|^2) + |r| / d, C_i = 2 L_i / pi^2 + 2 L_i / pi, by transposition: p with sum a_i
  p_ii + c p = F, p = 0 on the walls, has a_i |p_ii| <= D |F|, and |p_i| on the walls as for the heat equation.
  Refused where d / c < 1e-6 (resonance): there the problem has no unique solution, or nearly none.
"""

import itertools
import math

import numpy as np

from .bound import Bound, Theorem
from .form import Form
from .heat import trace
from .misfit import Misfits

RESONANCE = 1e-6  # distance to the spectrum, relative to c


def match(f: Form) -> Theorem | None:
    """The bound; None for another kind of equation, ValueError with what is missing."""
    if f.order != 0 or f.diffusion is None:
        return None
    f.dirichlet()
    f.box()
    c = f.numbers.get(f.index(), 0.0)
    d, D = _spectrum(f.diffusion, f.sides, c)
    names = [f.problem.variables[i].name for i in f.space]

    def bound(m: Misfits) -> list[Bound]:
        total = 0.0
        for name, L in zip(names, f.sides, strict=True):
            total += sum(trace(L) * m.wall(f.held[face][0], face).l2 ** 2 for face in (f"{name}_min", f"{name}_max"))
        return [
            Bound("L2", D * math.sqrt(total) + m.residual().l2 / d, "transposition and the distance to the spectrum")
        ]

    return bound


def _spectrum(a: tuple[float, ...], sides: tuple[float, ...], c: float) -> tuple[float, float]:
    """d and D: only eigenvalues up to 2 c, and the first ones, can be the extreme ones."""
    top = max(2 * c, 0.0)
    counts = [2 + int(L / math.pi * math.sqrt(top / ai)) for ai, L in zip(a, sides, strict=True)]
    grids = [[ai * (math.pi * n / L) ** 2 for n in range(1, k + 1)] for ai, L, k in zip(a, sides, counts, strict=True)]
    s = np.array([sum(parts) for parts in itertools.product(*grids)])
    gap = np.abs(s - c)
    if gap.min() < RESONANCE * abs(c):
        raise ValueError(f"its zero-order coefficient {c:.6g} is the eigenvalue {s[gap.argmin()]:.6g}: resonance")
    return float(gap.min()), max(1.0, float((s / gap).max()))
