"""Localised solutions of equations with constant coefficients in one space dimension, and their images in walls.

An equation whose symbol is s - (kappa l^2 + b l + c) is the heat equation times an exponential: its fundamental
solution, shifted in space and time, and the integrals of that. One whose symbol is a product of factors
s - (c l + d) is solved by e^{d t} F(x + c t) for every F.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import sympy as sp

from pinnkit.domain.box import Domain

from .box_conditions import FacePair
from .family import ITSELF, MIRROR, Family, Range
from .linear_operator import LinearOperator
from .system import LinearSystem

TINY = 1e-24  # shifts the initial time of a layer, as a fraction of T: x / sqrt(t) needs t > 0
FAR = 22.0  # exponent below which an image is not felt: 3e-10
LAYERS = 11  # orders of the layers at a wall, in powers of sqrt(t) or of t
WIDTHS = (4, 8, 16, 32)  # of what is taken from a kink, as parts of the interval
SOLVED = 1e-12  # residual, relative to its terms, of an expression that counts as a solution

Images = tuple[tuple[float, int, float], ...]


@dataclass(frozen=True, eq=False)
class LocalSolutions:
    """Local solutions of one equation between two walls; None from ``local`` where the equation has none."""

    op: LinearOperator
    wall: FacePair
    start: float
    duration: float
    heat: tuple[sp.Expr, sp.Expr, sp.Expr] | None  # kappa, b, c
    speeds: tuple[tuple[sp.Expr, sp.Expr], ...]  # (c, d)

    @property
    def x(self) -> sp.Symbol:
        """The space coordinate."""
        return self.op.coordinates[self.wall.index]

    @property
    def s(self) -> sp.Expr:
        """The time since the start."""
        return self.op.coordinates[self.op.t] - sp.Float(self.start, 17)

    @property
    def tilt(self) -> sp.Expr:
        """m in the exponential e^{m x} that stands before a symmetric solution."""
        return sp.S.Zero if self.heat is None else -self.heat[1] / (2 * self.heat[0])

    @property
    def factor(self) -> sp.Expr:
        """What an image must not turn: e^{m x + r t}, x from where the image maps it."""
        if self.heat is None:
            return sp.exp(self.speeds[0][1] * self.s) if self.symmetric else sp.S.One
        kappa, b, c = self.heat
        tilt, rate = (sp.Float(float(v), 17) for v in (self.tilt, c - b**2 / (4 * kappa)))
        return sp.exp(tilt * MIRROR * self.x + rate * self.s)

    @cached_property
    def symmetric(self) -> bool:
        """Whether waves run in both directions alike."""
        if self.heat is not None:
            return True
        (c, d), *rest = self.speeds
        return len(rest) == 1 and rest[0] == (-c, d)

    @cached_property
    def signs(self) -> tuple[int, int] | None:
        """Factors of images in the two walls: values change their sign, slopes keep it; None without images."""
        if self.wall.ends is None or not self.symmetric:
            return None
        low, high = self.wall.ends
        pair = low.sign, high.sign
        return pair if all(s == -1 or (s == 1 and self.tilt == 0) for s in pair) else None

    @cached_property
    def reach(self) -> float:
        """How far a solution is felt."""
        if self.heat is not None:
            return math.sqrt(4 * float(self.heat[0]) * self.duration * FAR)
        return max(abs(float(c)) for c, _ in self.speeds) * self.duration

    def images(self) -> Images:
        """The images of a solution anywhere between the walls."""
        x0, L = self.wall.lower, self.wall.length
        if self.wall.periodic and self.tilt == 0:
            most = math.ceil(self.reach / L) + 1
            return tuple((1.0, 1, j * L) for j in range(-most, most + 1))
        most = math.ceil((self.reach / L + 1) / 2)
        turns = range(-most, most + 1)
        if self.signs is None:
            return ITSELF
        low, both = self.signs[0], self.signs[0] * self.signs[1]
        found = []
        for j in turns:
            shift = -2 * j * L
            found.append((both ** abs(j) * self._untilt(1, shift), 1, shift))
            found.append((low * both ** abs(j) * self._untilt(-1, 2 * x0 + shift), -1, 2 * x0 + shift))
        return tuple(found)

    def entering(self, end: int) -> Images:
        """The images of a solution phi(distance from an end), which enters there and is reflected at both."""
        L, x0 = self.wall.length, self.wall.lower
        sign, zero = (1, -x0) if end == 0 else (-1, x0 + L)  # distance = sign x + zero
        if self.signs is None:
            return ((self._untilt(sign, zero), sign, zero),)
        far, both = self.signs[1 - end], self.signs[0] * self.signs[1]
        found = []
        for j in range(math.ceil(self.reach / (2 * L)) + 1):
            out, back = 2 * j * L + zero, 2 * (j + 1) * L - zero
            found.append((both**j * self._untilt(sign, out), sign, out))
            found.append((both**j * far * self._untilt(-sign, back), -sign, back))
        return tuple(found)

    def _untilt(self, sign: int, shift: float) -> float:
        """e^{m x} = e^{m sign x'} times this, for the image x' = sign x + shift."""
        return math.exp(-float(self.tilt) * sign * shift)

    def families(self, finest: float) -> list[Family]:
        """Families with a free place and width, the width at least ``finest``.

        Where the walls' data vary in time, also those without images: what runs or spreads through a wall freely.
        """
        build = self._spreading if self.heat is not None else self._running
        mirrored = self.images() != ITSELF
        found = build(finest, self.images()) if mirrored else []
        driven = self.wall.ends is not None and not all(e.steady for e in self.wall.ends)
        return found + (build(finest, ITSELF) if driven or not mirrored else [])

    def layers(self) -> list[Family]:
        """Solutions that are 0 at first and grow from a wall like a power of the time."""
        if self.wall.ends is None:
            return []
        return self._diffusing() if self.heat is not None else self._entering()

    def _spreading(self, finest: float, images: Images) -> list[Family]:
        a, tau = sp.Symbol("a", real=True), sp.Symbol("tau", real=True)
        assert self.heat is not None
        kappa, drift, growth = (sp.Float(float(v), 17) for v in self.heat)
        alone = images == ITSELF  # then in the moving frame: no tilt, which only images need
        y = self.x + drift * self.s - a if alone else self.x - a
        width = 2 * sp.sqrt(kappa * (self.s + tau))
        seeds = {
            "spreading Gaussian": sp.sqrt(tau / (self.s + tau)) * sp.exp(-((y / width) ** 2)),
            "spreading step": sp.erf(y / width),
        }
        least, most = (w**2 / (4 * float(kappa)) for w in (finest, 2 * self.wall.length))
        factor = sp.exp(growth * self.s) if alone else self.factor
        return self._families(seeds, factor, (self._places(images), Range("tau", least, most, log=True)), images)

    def _running(self, finest: float, images: Images) -> list[Family]:
        a, w = sp.Symbol("a", real=True), sp.Symbol("w", real=True)
        shapes = {"pulse": lambda v: sp.exp(-((v / w) ** 2)), "step": lambda v: sp.tanh(v / w)}
        seeds: dict[str, sp.Expr] = {}
        for name, F in shapes.items():
            both = [F(self.x - a + sp.Float(float(c), 17) * self.s) for c, _ in self.speeds]
            if self.symmetric:
                seeds |= {f"standing {name}": (both[0] + both[1]) / 2, f"driven {name}": (both[0] - both[1]) / 2}
                continue
            for (c, d), f in zip(self.speeds, both, strict=True):
                seeds[f"{name} with speed {float(-c):.4g}"] = sp.exp(sp.Float(float(d), 17) * self.s) * f
        ranges = self._places(images), Range("w", finest, 2 * self.wall.length, log=True)
        return self._families(seeds, self.factor, ranges, images)

    def singular(self, places: Sequence[float]) -> list[tuple[Family, np.ndarray]]:
        """What jumps or has a kink at first at the places, less the same of some age, which makes it local.

        Of u_t = kappa u_xx + b u_x + c u; none for other equations, and for walls without images.
        """
        inside = [a for a in places if self.wall.lower < a < self.wall.upper]
        if self.heat is None or not inside or self.images() == ITSELF:
            return []
        a, tau = sp.Symbol("a", real=True), sp.Symbol("tau", real=True)
        kappa, y = sp.Float(float(self.heat[0]), 17), self.x - a
        ages = [self.s + sp.Float(TINY * self.duration, 17) + extra for extra in (0, tau)]
        widths = [2 * sp.sqrt(kappa * age) for age in ages]
        kinks = [y * sp.erf(y / w) + w / sp.sqrt(sp.pi) * sp.exp(-((y / w) ** 2)) for w in widths]
        steps = [sp.erf(y / w) for w in widths]
        seeds = {"spreading kink": kinks[0] - kinks[1], "spreading jump": steps[0] - steps[1]}
        theta = [(b, (self.wall.length / n) ** 2 / (4 * float(kappa))) for b in inside for n in WIDTHS]
        lower, upper = np.min(theta, 0), np.max(theta, 0)
        ranges = (Range("a", self.wall.lower, self.wall.upper), Range("tau", lower[1], upper[1], log=True))
        return [(f, np.array(theta)) for f in self._families(seeds, self.factor, ranges, self.images())]

    def _places(self, images: Images) -> Range:
        reach = (self.reach / 3 if self.heat is not None else self.reach) if images == ITSELF else 0.0
        drift = 0.0 if self.heat is None or images != ITSELF else float(self.heat[1]) * self.duration
        return Range("a", self.wall.lower - reach + min(drift, 0.0), self.wall.upper + reach + max(drift, 0.0))

    def _families(
        self, seeds: dict[str, sp.Expr], factor: sp.Expr, ranges: tuple[Range, ...], images: Images
    ) -> list[Family]:
        found = []
        for name, seed in seeds.items():
            phi = factor * seed
            verify_symbol(self.op, phi, name, ranges)
            found.append(Family(name, phi, self.op.coordinates, ranges, images, self.wall.index))
        return found

    def _diffusing(self) -> list[Family]:
        """t^{n/2} i^n erfc(x / sqrt(4 kappa t)), with which values (n even) or slopes (n odd) at a wall grow."""
        assert self.heat is not None and self.wall.ends is not None
        time = self.s / sp.Float(self.duration, 17) + sp.Float(TINY, 17)
        z = self.x / sp.sqrt(4 * sp.Float(float(self.heat[0]) * self.duration, 17) * time)
        found = []
        for n, (p, q) in enumerate(integrals(LAYERS)):
            scale = sp.Float(2**n * math.gamma(n / 2 + 1), 17)  # 1 / i^n erfc(0)
            bell = 2 / sp.sqrt(sp.pi) * sp.exp(-(z**2))
            psi = scale * time ** sp.Rational(n, 2) * (_horner(p, z) * sp.erfc(z) + _horner(q, z) * bell)
            found += self._at_ends(n, psi, [e for e in (0, 1) if n % 2 == (self.wall.ends[e].sign == 1)])
        return found

    def _entering(self) -> list[Family]:
        """(c t - x)_+^n, with which values or slopes at a wall grow."""
        found = []
        for c, d in self.speeds:
            if c == 0:
                continue
            speed = abs(float(c))
            ahead = sp.Float(speed, 17) * self.s - self.x
            for n in range(LAYERS):
                scale = sp.Float((speed * self.duration) ** n, 17)
                power = ahead**n / scale
                cut = sp.Max(ahead, 0) ** n / scale if n else sp.Heaviside(ahead)
                before = sp.S.One if self.symmetric else sp.exp(sp.Float(float(d), 17) * self.s)
                found += self._at_ends(n, before * cut, [0 if c < 0 else 1], before * power)
        return found

    def _at_ends(self, n: int, psi: sp.Expr, ends: Sequence[int], smooth: sp.Expr | None = None) -> list[Family]:
        found: list[Family] = []
        for end in ends:
            images, i = self.entering(end), self.wall.index
            if not found:  # the other end is its mirror image
                _, sign, shift = images[0]
                phi = self.factor * (psi if smooth is None else smooth)
                verify_symbol(
                    self.op, phi.xreplace({self.x: sign * self.x + shift, MIRROR: sp.Integer(sign)}), "a layer"
                )
            name = f"layer of order {n} at {self.wall.name}_{'min' if end == 0 else 'max'}"
            found.append(Family(name, self.factor * psi, self.op.coordinates, (), images, i))
        return found


def verify_symbol(
    op: LinearOperator | LinearSystem,
    phi: sp.Expr | tuple[sp.Expr, ...],
    name: str,
    ranges: Sequence[Range] = (),
    places: Mapping[sp.Symbol, tuple[float, float]] | None = None,
) -> None:
    """Put an expression into the equation, at random places and parameters; ValueError where it does not solve it."""
    one = {MIRROR: sp.S.One}
    plain = tuple(e.xreplace(one) for e in phi) if isinstance(phi, tuple) else phi.xreplace(one)
    misfit = op.misfit(plain, {**(places or {}), **{r.symbol: (r.lower, r.upper) for r in ranges}})
    if not misfit <= SOLVED:
        raise ValueError(f"{name!r} does not solve the equation: its residual is {misfit:.1e} of its terms")


def local(op: LinearOperator, walls: Sequence[FacePair], box: Domain) -> LocalSolutions | None:
    """The local solutions of an equation, where its symbol has one of the two forms."""
    if len(walls) != 1 or op.time is None or not op.constant:
        return None
    heat, speeds = _parabolic(op), _characteristics(op)
    if heat is None and speeds is None:
        return None
    start, end = box.bounds[:, op.time].tolist()
    return LocalSolutions(op, walls[0], start, end - start, heat, tuple(speeds or ()))


def _parabolic(op: LinearOperator) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """kappa, b, c of u_t = kappa u_xx + b u_x + c u with kappa > 0."""
    i, t = 1 - op.t, op.t
    by = {(J[i], J[t]): c for J, c in op.coefficients.items()}
    if not set(by) <= {(2, 0), (1, 0), (0, 0), (0, 1)} or (0, 1) not in by or (2, 0) not in by:
        return None
    kappa, b, c = (-by.get((n, 0), sp.S.Zero) / by[0, 1] for n in (2, 1, 0))
    return (kappa, b, c) if kappa > 0 else None


def _characteristics(op: LinearOperator) -> list[tuple[sp.Expr, sp.Expr]] | None:
    """(c, d) of every factor s - (c l + d) of the symbol, if it is a product of such with order at most 2 in s."""
    l, s = sp.symbols("l s")  # noqa: E741
    i = 1 - op.t
    p = sp.Poly(sum(c * l ** J[i] * s ** J[op.t] for J, c in op.coefficients.items()), s)
    if p.degree() == 1:
        a, b = p.all_coeffs()
        roots = [-b / a]
    elif p.degree() == 2:
        a, b, c = p.all_coeffs()
        D = sp.Poly(sp.expand(b**2 - 4 * a * c), l)
        e = [D.coeff_monomial(l**n) for n in range(3)]
        if D.degree() > 2 or e[2] <= 0 or sp.expand(e[1] ** 2 - 4 * e[0] * e[2]) != 0:
            return None
        root = sp.sqrt(e[2]) * l + e[1] / (2 * sp.sqrt(e[2]))
        roots = [sp.expand((-b + k * root) / (2 * a)) for k in (1, -1)]
    else:
        return None
    found = []
    for root in roots:
        poly = sp.Poly(root, l)
        if poly.degree() > 1:
            return None
        found.append((poly.coeff_monomial(l), poly.coeff_monomial(1)))
    return found


def integrals(count: int) -> list[tuple[list[Fraction], list[Fraction]]]:
    """Coefficients (p, q), lowest first, of i^n erfc(z) = p(z) erfc(z) + q(z) 2 e^{-z^2} / sqrt(pi) for n = 0, 1, ...

    2n i^n erfc = i^{n-2} erfc - 2z i^{n-1} erfc (Abramowitz, Stegun, 7.2.5).
    """
    found = [([Fraction(0)], [Fraction(1)]), ([Fraction(1)], [Fraction(0)])]
    for n in range(1, count):
        pair = []
        for before, last in zip(found[-2], found[-1], strict=True):
            new = [Fraction(0)] * max(len(before), len(last) + 1)
            for k, v in enumerate(before):
                new[k] += v / (2 * n)
            for k, v in enumerate(last):
                new[k + 1] -= v / n
            pair.append(new)
        found.append((pair[0], pair[1]))
    return found[1:]


def _horner(coefficients: Sequence[Fraction], z: sp.Expr) -> sp.Expr:
    out = sp.S.Zero
    for c in reversed(coefficients):
        out = out * z + sp.Rational(c.numerator, c.denominator)
    return out
