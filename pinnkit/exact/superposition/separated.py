"""The fixed dictionary: separated solutions with the walls' own eigenfunctions, polynomials, forced oscillations."""

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import sympy as sp

from pinnkit.domain.box import Domain
from pinnkit.statement.symbolic.channels import Index

from .box_conditions import FacePair
from .family import Family, Range
from .linear_operator import LinearOperator
from .system import LinearSystem

GROWTH = 30.0  # the largest exponent of a growing mode: beyond it the problem is ill-posed
FAST = 500.0  # half-waves in time of a mode that does not satisfy the walls' conditions, at most
EXTENSION = 1.6  # of the interval on which a function without eigenfunctions is periodic (Fourier extension)


def standing(
    op: LinearOperator, walls: Sequence[FacePair], box: Domain, count: int
) -> tuple[Family, np.ndarray] | None:
    """prod_i e^{m_i x_i} cos(k_i x_i - p_i) e^{r t} cos(w t - q), slowest first, at most ``count`` wave vectors.

    The k_i and p_i satisfy the homogeneous conditions at the walls, r and w the dispersion relation. None where a wall
    has no eigenfunctions or the equation does not separate.
    """
    if op.time is None or not op.constant or any(w.ends is None and not w.periodic for w in walls):
        return None
    centres = [m for m in (_centre(op, w) for w in walls) if m is not None]
    if len(centres) < len(walls):
        return None
    per = count if len(walls) == 1 else max(2, round((2 * count) ** (1 / len(walls))) + 1)
    axes = [halfwaves(w, m, per) for w, m in zip(walls, centres, strict=True)]
    shells = sorted(itertools.product(*axes), key=lambda ks: sum(k * k for k, _ in ks))
    if len(walls) > 1:  # whole shells, as far as the shortest axis reaches
        reach = min(axis[-1][0] for axis in axes)
        shells = [ks for ks in shells if math.hypot(*(k for k, _ in ks)) <= reach * (1 + 1e-9)][:count]
    start, end = box.bounds[:, op.time]
    theta = []
    for ks in shells:
        wave = np.array([m + 1j * k for m, (k, _) in zip(centres, ks, strict=True)])
        for rate, phases in _rates(op, wave):
            if rate.real * (end - start) < GROWTH:
                theta += [[v for pair in ks for v in pair] + [rate.real, rate.imag, q] for q in phases]
    names = [f"{letter}_{w.name}" for w in walls for letter in ("k", "p")]
    symbols = [sp.Symbol(n, real=True) for n in (*names, "r", "w", "q")]
    s = op.coordinates[op.time] - sp.Rational(float(start))
    phi = sp.exp(symbols[-3] * s) * sp.cos(symbols[-2] * s - symbols[-1])
    for j, (w, m) in enumerate(zip(walls, centres, strict=True)):
        x = op.coordinates[w.index] - sp.Rational(w.lower)
        phi *= sp.exp(sp.Float(m, 17) * x) * sp.cos(symbols[2 * j] * x - symbols[2 * j + 1])
    return fixed("separated", phi, op, symbols, np.array(theta))


def _centre(op: LinearOperator, wall: FacePair) -> float | None:
    """m such that p(m + ik) = p(m - ik): 0 without odd derivatives by the wall's coordinate."""
    i = wall.index
    if op.order(i) % 2 == 0 and not any(J[i] % 2 for J in op.coefficients):
        return 0.0 if op.order(i) == 2 or wall.periodic else None
    if op.order(i) != 2 or wall.periodic:
        return None
    first, second = ({J: c for J, c in op.coefficients.items() if J[i] == n} for n in (1, 2))
    if any(sum(J) != n for n, group in ((1, first), (2, second)) for J in group):
        return None
    return -float(sum(first.values())) / (2 * float(sum(second.values())))


def halfwaves(wall: FacePair, centre: float, count: int) -> list[tuple[float, float]]:
    """The first (k, p) for which e^{m x} cos(k x - p), x from the lower face, satisfies the homogeneous conditions."""
    L = wall.length
    if wall.periodic:
        pairs = [(2 * math.pi * n / L, p) for n in range((count + 1) // 2 + 1) for p in (0.0, math.pi / 2)]
        return [pair for pair in pairs if pair != (0.0, math.pi / 2)][:count]
    assert wall.ends is not None  # it is periodic, or its ends are known
    low, high = wall.ends
    lower = (low.a - low.b * centre, low.b)
    upper = (high.a + high.b * centre, high.b)

    def phase(end: tuple[float, float], k: float) -> float:
        return math.atan2(end[0], end[1] * k)

    def turn(k: float) -> float:
        return k * L - phase(lower, k) - phase(upper, k)

    fixed = all(e[0] == 0 or e[1] == 0 for e in (lower, upper))
    if fixed:
        p, q = (math.pi / 2 if e[0] else 0.0 for e in (lower, upper))
        return [((p + q + n * math.pi) / L, p) for n in range(count)]
    from scipy.optimize import brentq  # slow to import

    found: list[tuple[float, float]] = []
    grid = np.linspace(1e-9, (count + 3) * math.pi / L, 16 * (count + 3))
    values = [math.sin(turn(k)) for k in grid]
    for a, b, fa, fb in zip(grid[:-1], grid[1:], values[:-1], values[1:], strict=True):
        if fa * fb < 0:
            k = brentq(lambda k: math.sin(turn(k)), a, b, xtol=1e-15 * b, rtol=8.9e-16)
            found.append((k, phase(lower, k)))
    return found[:count]


def _rates(op: LinearOperator, wave: np.ndarray) -> list[tuple[complex, tuple[float, ...]]]:
    """The rates of a wave vector, one of each conjugate pair, and the phases that make real solutions of them."""
    found: list[tuple[complex, tuple[float, ...]]] = []
    for s in op.rates(wave):
        s = complex(s.real, 0.0 if abs(s.imag) < 1e-13 * (1 + abs(s)) else s.imag)
        if s.imag >= 0 and not any(abs(s - other) < 1e-12 * (1 + abs(s)) for other, _ in found):
            found.append((s, (0.0, math.pi / 2) if s.imag else (0.0,)))
    return found


def exponentials(
    op: LinearOperator | LinearSystem,
    bounds: np.ndarray,
    found: Sequence[tuple[np.ndarray, np.ndarray]],
    fields: int = 1,
) -> tuple[Family, np.ndarray]:
    """Re and Im of p e^{k.x} for pairs (k, p) with P(k) p = 0, scaled so that |e^{k.x}| is at most 1 in the box.

    As real expressions: A_j e^{a.(x - c)} cos(b.x + f_j - q) for field j. Where k and p are real there is no Im.
    """
    names = [f"{letter}_{s.name}" for letter in "abc" for s in op.coordinates]
    own = [f"{letter}{j}" for letter in ("A", "f") for j in range(fields)] if fields > 1 else []
    symbols = [sp.Symbol(n, real=True) for n in (*names, *own, "q")]
    d = len(op.coordinates)
    a, b, c, rest = symbols[:d], symbols[d : 2 * d], symbols[2 * d : 3 * d], symbols[3 * d :]
    growth = sp.exp(sum(ai * (xi - ci) for ai, xi, ci in zip(a, op.coordinates, c, strict=True)))
    phase = sum(bi * xi for bi, xi in zip(b, op.coordinates, strict=True)) - rest[-1]
    phi = growth * sp.cos(phase)
    if fields > 1:
        phi = tuple(rest[j] * growth * sp.cos(phase + rest[fields + j]) for j in range(fields))
    theta = []
    for k, p in found:
        centre = np.where(k.real > 0, bounds[1], bounds[0])
        row = [*k.real, *k.imag, *centre, *((*np.abs(p), *np.angle(p)) if fields > 1 else ())]
        real = not k.imag.any() and not np.sin(np.angle(p)).any()
        theta += [[*row, q] for q in ((0.0,) if real else (0.0, math.pi / 2))]
    return fixed("exponential", phi, op, symbols, np.array(theta).reshape(-1, len(symbols)))


def plane(
    op: LinearOperator | LinearSystem, walls: Sequence[FacePair], box: Domain, count: int, wavelength: float
) -> tuple[Family, np.ndarray]:
    """Plane waves with the wave numbers 2 pi n / (wavelength L), slowest first, one of each pair of opposite ones.

    Wavelength 1 is for periods, 2 has all that sines and cosines of half-waves need.
    """
    reach = range(-count, count + 1) if len(walls) > 1 else range(count + 1)
    numbers = [n for n in itertools.product(reach, repeat=len(walls)) if n >= (0,) * len(walls)]
    numbers = sorted(numbers, key=lambda n: sum((j / w.length) ** 2 for j, w in zip(n, walls, strict=True)))[:count]
    T, found = float(np.ptp(box.bounds[:, op.time])), []
    for n in numbers:
        wave = np.array([2j * math.pi * j / (wavelength * w.length) for j, w in zip(n, walls, strict=True)])
        for k, p in solutions(op, op.t, wave):
            rate = k[op.t]
            if rate.real * T < GROWTH and (wavelength == 1 or abs(rate.imag) * T < math.pi * FAST):
                found.append((k, p))
    return exponentials(op, box.bounds, found, len(op.entries[0]))


def forced(op: LinearOperator | LinearSystem, box: Domain, count: int) -> tuple[Family, np.ndarray]:
    """Solutions that oscillate in time at the frequencies of a Fourier extension, with all their waves in space."""
    T, found = float(np.ptp(box.bounds[:, op.time])), []
    for j in range(1, count + 1):
        found += solutions(op, 1 - op.t, np.array([1j * math.pi * j / (EXTENSION * T)]))
    return exponentials(op, box.bounds, found, len(op.entries[0]))


def solutions(op: LinearOperator | LinearSystem, i: int, given: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """All (k, p) with P(k) p = 0 and all components of k but number i given, one of each conjugate pair."""
    symbol = op if isinstance(op, LinearOperator) else op.determinant
    assert symbol is not None  # solutions are asked for of operators that determine them
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for root in symbol.roots(i, given):
        if abs(root.imag) < 1e-13 * (1 + abs(root)):
            root = complex(root.real)
        if not given.any() and (root.imag < 0 or any(abs(root - other[i]) < 1e-9 for other, _ in found)):
            continue
        k = np.insert(np.array(given, complex), i, root)
        found += [(k, p) for p in ([np.ones(1)] if isinstance(op, LinearOperator) else op.kernel(k))]
    return found


def polynomials(op: LinearOperator | LinearSystem, box: Domain, degree: int) -> tuple[Family, np.ndarray] | None:
    """All polynomial solutions up to a degree, by the null space over the rationals, centred and scaled on the box."""
    n, fields = len(op.coordinates), range(len(op.entries[0]))
    centre = [Fraction(float(v)) for v in box.bounds.mean(0)]
    half = [Fraction(float(v)) for v in np.ptp(box.bounds, axis=0) / 2]
    powers = sorted((J for J in itertools.product(range(degree + 1), repeat=n) if sum(J) <= degree), key=_by_degree)
    terms = [[_rational(entry, op.coordinates, centre, half) for entry in line] for line in op.entries]
    if any(entry is None for line in terms for entry in line):
        return None
    places = [(field, I) for I in powers for field in fields]
    images = []
    for field, I in places:  # noqa: E741
        image: dict[tuple, Fraction] = {}
        for e, line in enumerate(terms):
            for J, shift, c in line[field] or ():  # c z^shift D^J z^I
                if all(i >= j for i, j in zip(I, J, strict=True)):
                    at = e, *(i - j + k for i, j, k in zip(I, J, shift, strict=True))
                    image[at] = image.get(at, Fraction(0)) + c * math.prod(map(math.perm, I, J))
        images.append({at: v for at, v in image.items() if v})
    basis = sorted(_null_space(images), key=lambda row: (sum(places[max(row)][1]), max(row)))
    theta = np.zeros((len(basis), len(places)))
    for k, row in enumerate(basis):
        largest = max(abs(v) for v in row.values())
        for j, v in row.items():
            theta[k, j] = float(v / largest)
    label = "p{0}_{1}" if len(fields) > 1 else "p_{1}"
    symbols = [sp.Symbol(label.format(field, "_".join(map(str, J))), real=True) for field, J in places]
    numbers = [(sp.Float(float(c), 17), sp.Float(float(h), 17)) for c, h in zip(centre, half, strict=True)]
    z = [(x - c) / h for x, (c, h) in zip(op.coordinates, numbers, strict=True)]
    monomials = [sp.prod(zi**j for zi, j in zip(z, J, strict=True)) for J in powers]
    phi = tuple(sum(s * m for s, m in zip(symbols[f :: len(fields)], monomials, strict=True)) for f in fields)
    return fixed("polynomial", phi if len(phi) > 1 else phi[0], op, symbols, theta)


def _rational(
    entry: Mapping[Index, sp.Expr], coordinates: Sequence[sp.Symbol], centre: list[Fraction], half: list[Fraction]
) -> list | None:
    """The operator in z = (x - centre) / half as terms (J, K, c): c z^K D^J; None unless its coefficients are
    polynomials with rational coefficients."""
    z = sp.symbols(f"z:{len(centre)}")
    found = []
    for J, c in entry.items():
        scale = math.prod(h**j for h, j in zip(half, J, strict=True))
        if not c.free_symbols:
            if not c.is_Rational:
                return None
            found.append((J, (0,) * len(z), Fraction(int(c.p), int(c.q)) / scale))
            continue
        place = [sp.Rational(m) + sp.Rational(h) * zi for m, h, zi in zip(centre, half, z, strict=True)]
        body = c.subs(dict(zip(coordinates, place, strict=True)))
        if not body.is_polynomial(*z):
            return None
        for K, v in sp.Poly(body, *z).terms():
            if not v.is_Rational:
                return None
            found.append((J, K, Fraction(int(v.p), int(v.q)) / scale))
    return found


def _null_space(columns: Sequence[dict]) -> list[dict[int, Fraction]]:
    """A basis of all row combinations of the columns that vanish: each a mapping from column numbers to factors."""
    pivots: dict = {}
    basis = []
    for j, column in enumerate(columns):
        column, made = dict(column), {j: Fraction(1)}
        while column:
            key = min(column)
            if key not in pivots:
                pivots[key] = (column, made)
                break
            other, ways = pivots[key]
            factor = column[key] / other[key]
            for target, source in ((column, other), (made, ways)):
                for k, v in source.items():
                    target[k] = target.get(k, Fraction(0)) - factor * v
                    if not target[k]:
                        del target[k]
        else:
            basis.append(made)
    return basis


def _by_degree(J: tuple[int, ...]) -> tuple:
    return sum(J), J


def fixed(
    name: str,
    phi: sp.Expr | tuple[sp.Expr, ...],
    op: LinearOperator | LinearSystem,
    symbols: Sequence[sp.Symbol],
    theta: np.ndarray,
) -> tuple[Family, np.ndarray]:
    """A family with the rows theta (K, p) of parameters that are used."""
    ends = zip(symbols, theta.min(0, initial=0), theta.max(0, initial=0), strict=True)
    ranges = tuple(Range(s.name, float(low), float(high)) for s, low, high in ends)
    return Family(name, phi, op.coordinates, ranges), theta
