"""What is singular at a place on the boundary of a plane domain, where data jump, have a kink or join a corner badly.

Solutions of v_XX + v_YY + l v = 0 in polar coordinates are J_n(r sqrt(l)) e^{i n a}, in powers r^n e^{i n a} sum_m
(-l r^2 / 4)^m / (m! (n + 1)_m). Their derivatives by n at n = 0, 1, ... contain z^n log z, z = r e^{i a}, and for l = 0
are just that: log z takes up a jump of the data, z log z a kink, and so on.
"""

import math

import numpy as np
import sympy as sp

from pinnkit.domain.box import Domain

from .family import Family
from .linear_operator import LinearOperator
from .separated import fixed
from .steady import corners, direction, plane

ORDERS = 6  # n up to that
TINY = 1e-300  # is added to a squared distance that may be 0
LONGEST = 100.0  # |l| r^2 / 4 up to which the powers do not cancel too much
ROUNDING = 1e-18  # of the sum: smaller terms are left out


def singular(op: LinearOperator, domain: Domain, cuts: np.ndarray) -> list[tuple[Family, np.ndarray]]:
    """These solutions from the ``cuts`` (K, 2) and from corners, of an elliptic equation of second order in the plane.

    Coefficients are constant. The branch cut leaves the domain. Empty without cuts, and for other equations.
    """
    if not len(cuts) or len(op.coordinates) != 2 or not op.constant or max(map(sum, op.coefficients)) != 2:
        return []
    w = direction(op)
    if w is None:
        return []
    a, b, p, q, c, s = sp.symbols("a b p q c s", real=True)
    X, Y = plane(op, w)
    own = {J: float(value) for J, value in op.coefficients.items()}
    size = own[0, 2] * w.imag**2  # the equation is size (u_XX + u_YY) + ...
    first = own.get((1, 0), 0.0), own.get((0, 1), 0.0)
    slope = np.array([first[0] + first[1] * w.real, first[1] * abs(w.imag)]) / size
    level = own.get((0, 0), 0.0) / size - float(slope @ slope) / 4
    ends = np.array(list(corners(domain, w, cuts))).reshape(-1, 4)
    reach = abs(level) / 4 * _farthest(domain, w, ends[:, :2])
    if reach > LONGEST:
        return []
    factor = sp.exp(-(sp.Float(slope[0], 17) * X + sp.Float(slope[1], 17) * Y) / 2) if slope.any() else sp.S.One
    along, across, square = p * X + q * Y, p * Y - q * X, X**2 + Y**2
    near = square + sp.Float(TINY, 17)
    angle, log = sp.atan2(across, along), sp.log(near) / 2
    both = np.array([(*row, *pair) for row in ends for pair in ((1.0, 0.0), (0.0, 1.0))])
    regular, _ = _series(0, level, reach, square)
    found = [fixed("angle", factor * angle * regular, op, (a, b, p, q), ends)]
    for n in range(1, ORDERS + 1):
        power = near ** sp.Rational(n, 2)
        real, imaginary = (along, across) if n == 1 else (power * sp.cos(n * angle), power * sp.sin(n * angle))
        regular, more = _series(n, level, reach, square)
        even = real * (log * regular + more) - imaginary * angle * regular
        odd = imaginary * (log * regular + more) + real * angle * regular
        found.append(fixed(f"z^{n} log z", factor * (c * even + s * odd), op, (a, b, p, q, c, s), both))
    return found


def _farthest(domain: Domain, w: complex, places: np.ndarray) -> float:
    """The largest square of a distance in (X, Y) from one of some places (K, 2) to a corner of the box around."""
    ends = [(x, y) for x in domain.bounds[:, 0] for y in domain.bounds[:, 1]]
    away = places[:, None, :] - np.array(ends)[None]
    return float(np.square(np.abs(away @ np.array([1.0, w]))).max(initial=0.0))


def _series(n: int, level: float, reach: float, square: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """sum_m c_m r^2m, c_m = (-l/4)^m / (m! (n + 1)_m), and its derivative by n, with as many terms as can be seen."""
    terms, c, rate = [(1.0, 0.0)], 1.0, 0.0
    for m in range(1, 200):
        c, rate = c * -level / 4 / (m * (n + m)), rate - 1 / (n + m)
        terms.append((c, c * rate))
        if reach**m / (math.factorial(m) * math.factorial(n + m)) < ROUNDING:
            break
    out = [sp.S.Zero, sp.S.Zero]
    for pair in reversed(terms if level else terms[:1]):
        out = [part * square + sp.Float(value, 17) for part, value in zip(out, pair, strict=True)]
    return out[0], out[1]
