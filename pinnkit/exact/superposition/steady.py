"""Solutions of equations without time: exponentials whose exponents satisfy the symbol, and sources outside."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import sympy as sp

from pinnkit.domain.box import Domain

from .boundary_arcs import NOWHERE, arcs
from .family import Family
from .linear_operator import LinearOperator
from .separated import EXTENSION, exponentials, fixed, solutions
from .system import LinearSystem

FREQUENCIES = {1: 1, 2: 24, 3: 6}  # of exponentials along one coordinate, by the number of coordinates
MOST = 120  # the same where waves are short
POLES = 24  # at each end of an arc, gathering like exp(-4 sqrt(n)) (Gopal, Trefethen 2019)
AROUND = 32  # on a smooth closed curve


def frequencies(op: LinearOperator | LinearSystem, bounds: np.ndarray) -> int:
    """How many frequencies a coordinate gets: more where the equation's own waves are short."""
    d, sides, symbol = (
        len(op.coordinates),
        np.ptp(bounds, axis=0),
        op if isinstance(op, LinearOperator) else op.determinant,
    )
    if d == 1 or symbol is None or not symbol.constant:
        return FREQUENCIES[min(d, 3)]
    own = [np.abs(symbol.roots(i, [0.0] * (d - 1)).imag).max(initial=0.0) * sides[i] for i in range(d)]
    return min(MOST, FREQUENCIES[min(d, 3)] + math.ceil(EXTENSION * max(own) / math.pi))


def waves(op: LinearOperator | LinearSystem, bounds: np.ndarray) -> tuple[Family, np.ndarray]:
    """p e^{k.x} with P(k) p = 0: frequencies of a Fourier extension in all coordinates but one, every root in that."""
    d, count, sides = len(op.coordinates), frequencies(op, bounds), np.ptp(bounds, axis=0)
    found: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
    for i in range(d):
        others = np.array([1j * math.pi / (EXTENSION * sides[j]) for j in range(d) if j != i])
        for n in itertools.product(*(range(-count if j else 0, count + 1) for j in range(d - 1))):
            if math.hypot(*n) > count:
                continue
            for number, (k, p) in enumerate(solutions(op, i, others * np.array(n))):
                if np.abs(k).max() > 0:
                    found.setdefault(min((*_key(k), number), (*_key(k.conj()), number)), (k, p))
    return exponentials(op, bounds, list(found.values()), len(op.entries[0]))


def _key(k: np.ndarray) -> tuple:
    return tuple((round(v.real, 9) + 0.0, round(v.imag, 9) + 0.0) for v in k)


def sources(op: LinearOperator, domain: Domain, cuts: np.ndarray = NOWHERE) -> list[tuple[Family, np.ndarray]]:
    """Poles and logarithms outside a plane domain, and angles seen from its corners, of an equation like Laplace's.

    Where all derivatives are second ones, solutions are harmonic in (X, Y) = (x + Re(w) y, Im(w) y), p(1, w) = 0. The
    poles gather at corners and at the ``cuts`` (K, 2) (Gopal, Trefethen, SIAM J. Numer. Anal. 57, 2019) and lie in
    holes. Empty for others.
    """
    w = direction(op) if {sum(J) for J in op.coefficients} == {2} else None
    if w is None:
        return []
    a, b, d, p, q = names = sp.symbols("a b d p q", real=True)
    X, Y = plane(op, w)
    square = X**2 + Y**2
    at = np.array(list(_outside(domain, cuts)))
    turned = np.array([(*row, c, s) for row in at for c, s in ((1.0, 0.0), (0.0, 1.0))])
    found = [
        fixed("pole", d * (p * X + q * Y) / square, op, names, turned),
        fixed("logarithm", sp.log(square / d**2), op, (a, b, d), at),
    ]
    ends = np.array(list(corners(domain, w))).reshape(-1, 4)
    if len(ends):
        found.append(fixed("angle", sp.atan2(p * Y - q * X, p * X + q * Y), op, (a, b, p, q), ends))
    return found


def direction(op: LinearOperator) -> complex | None:
    """The root w of p(1, w) = 0, p the second derivatives' part, where an equation in the plane is elliptic."""
    if len(op.coordinates) != 2:
        return None
    w = LinearOperator(op.coordinates, {J: c for J, c in op.coefficients.items() if sum(J) == 2}, None).roots(1, [1.0])[
        0
    ]
    return None if abs(w.imag) < 1e-9 * abs(w) else complex(w)


def plane(op: LinearOperator, w: complex) -> tuple[sp.Expr, sp.Expr]:
    """(X, Y) from the place (a, b), in which solutions are harmonic."""
    (x, y), (a, b) = op.coordinates, sp.symbols("a b", real=True)
    return x - a + sp.Float(w.real, 17) * (y - b), sp.Float(abs(w.imag), 17) * (y - b)


def _outside(domain: Domain, cuts: np.ndarray) -> Iterator[tuple[float, float, float]]:
    """Places of sources and their distances from the boundary."""
    for arc in arcs(domain, cuts=cuts):
        if arc.closed:
            distance = np.full(AROUND, arc.length / (4 * math.pi))
            s = np.arange(AROUND) / AROUND
        else:
            near = np.exp(-4 * (math.sqrt(POLES) - np.sqrt(np.arange(1, POLES + 1)))) / 2
            s, distance = np.concatenate([near, 1 - near]), np.concatenate([near, near]) * arc.length
        x, normals = arc.at(s)
        places = x + distance[:, None] * normals
        for place, far, inside in zip(places, distance, domain.inside(places), strict=True):
            if not inside:
                yield *place.tolist(), float(far)


def corners(domain: Domain, w: complex, cuts: np.ndarray = NOWHERE) -> Iterator[tuple[float, float, float, float]]:
    """Corners and cuts, and the direction into the domain in (X, Y), from which an angle is counted."""
    open_arcs = [arc for arc in arcs(domain, cuts=cuts) if not arc.closed]
    ends = [(x, n) for arc in open_arcs for x, n in zip(*arc.at(np.array([0.0, 1.0])), strict=True)]
    size = float(np.ptp(domain.bounds, axis=0).max())
    for k, (x, n) in enumerate(ends):
        for z, m in ends[k + 1 :]:
            inward = -(n + m)
            if np.linalg.norm(x - z) < 1e-9 * size and np.linalg.norm(inward) > 1e-3:
                v = np.array([inward[0] + w.real * inward[1], abs(w.imag) * inward[1]])
                yield *x.tolist(), *(v / np.linalg.norm(v)).tolist()
