"""The L2 bound for sum_i a_i u_ii + c u = f with constant a_i > 0 and Dirichlet data on a box.

With the eigenvalues s_n = sum a_i (pi n_i / L_i)^2, d = min |s_n - c|, g_i the misfits on the two faces of i:

  |e| <= sum_i S_i |g_i| / sqrt(2) + |r| / d, S_i^2 = max_m int_0^{L_i} (cosh or sinh k (x - L_i / 2))^2 dx / (cosh or
  sinh k L_i / 2)^2, k^2 = (sum_{j != i} a_j (pi m_j / L_j)^2 - c) / a_i (cos and sin where it is negative). Data on the
  faces of i, by sines along them and even and odd parts across (g_low +- g_high) / 2, whose squares add up to |g_i|^2 /
  2, give mutually orthogonal solutions, so that S_i / sqrt(2) is the norm of the map from data to solution itself; it
  falls with k^2 >= 0.
  Also |e| <= D sqrt(sum_i C_i |g_i|^2) + |r| / d, D = max s_n / |s_n - c|, C_i = 2 L_i / pi^2 + 2 L_i / pi, by
  transposition: p with sum a_i p_ii + c p = F, p = 0 on the walls, has a_i |p_ii| <= D |F|, and |p_i| on the
  walls as for the heat equation.
  1 / d and S_i are reached by misfits in the mode nearest to resonance; of others they say too much the nearer it is.
  Checked: constant coefficients, a_i > 0, no other term, one Dirichlet condition on every face of a box. Refused where
  d / c < 1e-6 (resonance): there the problem has no unique solution, or nearly none.
  (Courant, Hilbert, Methods of Mathematical Physics I, 1953, chapter 5; transposition as for the heat equation.)
"""

import itertools
import math

import numpy as np

from .bound import Bound, Theorem
from .form import Form
from .heat import trace
from .misfit import Misfits

RESONANCE = 1e-6  # distance to the spectrum, relative to c
CRITICAL = 1e-5  # the same, for what is to be proved


def match(f: Form) -> Theorem | None:
    """The bound; None for another kind of equation, ValueError with what is missing."""
    if f.order != 0 or f.diffusion is None:
        return None
    f.dirichlet()
    f.box()
    c = f.constant()
    d, D = spectrum(f.diffusion, f.sides, c)
    names = [f.problem.variables[i].name for i in f.space]

    transfers = [transfer(f.diffusion, f.sides, c, i) for i in range(len(names))]

    def bound(m: Misfits) -> list[Bound]:
        walls = [math.hypot(*(m.wall(f.held[face][0], face).l2 for face in (f"{n}_min", f"{n}_max"))) for n in names]
        traced = D * math.sqrt(sum(trace(L) * g * g for L, g in zip(f.sides, walls, strict=True)))
        carried = sum(S * g for S, g in zip(transfers, walls, strict=True)) / math.sqrt(2)
        how = "separation of variables" if carried <= traced else "transposition"
        value = min(carried, traced) + m.residual().l2 / d
        return [Bound("L2", value, f"{how} and the distance to the spectrum")]

    return bound


def spectrum(a: tuple[float, ...], sides: tuple[float, ...], c: float) -> tuple[float, float]:
    """d and D: only eigenvalues up to 2 c, and the first ones, can be the extreme ones."""
    top = max(2 * c, 0.0)
    counts = [2 + int(L / math.pi * math.sqrt(top / ai)) for ai, L in zip(a, sides, strict=True)]
    grids = [[ai * (math.pi * n / L) ** 2 for n in range(1, k + 1)] for ai, L, k in zip(a, sides, counts, strict=True)]
    s = np.array([sum(parts) for parts in itertools.product(*grids)])
    gap = np.abs(s - c)
    if gap.min() < RESONANCE * abs(c):
        raise ValueError(f"its zero-order coefficient {c:.6g} is the eigenvalue {s[gap.argmin()]:.6g}: resonance")
    return float(gap.min()), max(1.0, float((s / gap).max()))


def critical(f: Form) -> str | None:
    """Why constants are too rough for a proof: a rate of decay or a distance is what a cancellation leaves; or None."""
    if f.order > 1 or not f.diffusion or (c := f.constant()) <= 0:
        return None
    if not f.order:
        return "it is close to resonance" if spectrum(f.diffusion, f.sides, c)[0] < CRITICAL * c else None
    first = sum(a * (math.pi / L) ** 2 for a, L in zip(f.diffusion, f.sides, strict=True))
    return "it hardly decays" if abs(first - c) < CRITICAL * first else None


def transfer(a: tuple[float, ...], sides: tuple[float, ...], c: float, i: int) -> float:
    """S_i, of data on the faces of coordinate number i."""
    others = [j for j in range(len(a)) if j != i]
    counts = [2 + int(sides[j] / math.pi * math.sqrt(max(c, 0.0) / a[j])) for j in others]
    grids = [
        [a[j] * (math.pi * n / sides[j]) ** 2 for n in range(1, k + 1)] for j, k in zip(others, counts, strict=True)
    ]
    squares = {(sum(parts) - c) / a[i] for parts in itertools.product(*grids)}
    beyond = [k2 for k2 in squares if k2 >= 0]
    relevant = [k2 for k2 in squares if k2 < 0] + ([min(beyond)] if beyond else [])
    return math.sqrt(max(_even_or_odd(k2, sides[i]) for k2 in relevant)) * (1 + 1e-9)


def _even_or_odd(k2: float, L: float) -> float:
    """The larger of int (cosh, sinh)^2 over the square of their value at the ends, over an interval of length L."""
    k = math.sqrt(abs(k2))
    q = k * L
    if q < 1e-3:
        return L * (1 + q * q)  # the even one is nearly constant
    if k2 < 0:
        even, odd = (L + math.sin(q) / k) / math.cos(q / 2) ** 2 / 2, (L - math.sin(q) / k) / math.sin(q / 2) ** 2 / 2
        return max(even, odd)
    e = math.exp(-q)  # cosh q and sinh q over e^q, twice
    even = (2 * L * e + (1 - e * e) / k) / (1 + e) ** 2
    odd = ((1 - e * e) / k - 2 * L * e) / (1 - e) ** 2
    return max(even, odd)
