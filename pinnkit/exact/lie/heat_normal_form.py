"""Parabolic equations that are the heat equation: Lamperti's coordinate, a gauge and a clock, found exactly."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from sympy.core.function import Application
from sympy.integrals.rationaltools import ratint

from pinnkit.tools.checked import checked
from pinnkit.tools.renamed import renamed

TURN = 1.4  # half the angle that a clock like tan may run through, at most pi / 2
PLACES = 9  # along every coordinate, where values are looked at
READABLE = 1000  # the largest denominator of a fraction that is printed as such ...
DIGITS = 6  # and of others in a map that is printed
CLEAR = 1e-6  # relative difference of values that are not the same
SMOOTH = (sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh, sp.tanh)


@renamed(place="space", clock="time")
@checked
@dataclass(frozen=True)
class NormalForm:
    """A map from the heat equation v_s = v_yy to another equation: u(x, t) = exp(gauge) v(space, time).

    Args:
        coordinates: the symbols x and t.
        space: y(x, t), which grows with x.
        time: s(t), which starts at 0 and grows with t.
        gauge: exponent of the factor.

    Source:
        Bluman, SIAM J. Appl. Math. 39 (1980).
    """

    coordinates: tuple[sp.Symbol, sp.Symbol]  # x, t
    space: sp.Expr
    time: sp.Expr
    gauge: sp.Expr

    def __call__(self, v: sp.Expr) -> sp.Expr:
        """u of a solution v that is written in x and t for y and s."""
        return sp.exp(self.gauge) * v.xreplace(dict(zip(self.coordinates, (self.space, self.time), strict=True)))

    def __str__(self) -> str:
        gauge, space, time = (readable(e, DIGITS) for e in (self.gauge, self.space, self.time))
        return f"u = exp({gauge}) v(y, s), y = {space}, s = {time}"

    def latex(self) -> str:
        """The map as LaTeX."""
        gauge, space, time = (sp.latex(readable(e, DIGITS)) for e in (sp.exp(self.gauge), self.space, self.time))
        return rf"u = {gauge} \, v(y, s), \quad y = {space}, \quad s = {time}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def defects(self, a: sp.Expr, b: sp.Expr, c: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """Coefficients of v_yy, v_y and v that remain in u_t = a u_xx + b u_x + c u: zero if the form is right.

        Args:
            a: coefficient of u_xx.
            b: coefficient of u_x.
            c: coefficient of u.

        Returns:
            Three expressions.
        """
        x, t = self.coordinates
        y, g = self.space, self.gauge
        return (
            self.time.diff(t) - a * y.diff(x) ** 2,
            y.diff(t) - a * y.diff(x, 2) - (b + 2 * a * g.diff(x)) * y.diff(x),
            g.diff(t) - a * (g.diff(x, 2) + g.diff(x) ** 2) - b * g.diff(x) - c,
        )


def readable(e: sp.Expr, digits: int = 17) -> sp.Expr:
    """An expression in which long fractions, which only stand for floats, are floats."""
    return e.xreplace({r: sp.Float(r, digits) for r in e.atoms(sp.Rational) if r.q > READABLE})


class _Obstacle(Exception):
    """Why there is no normal form."""


def normal_forms(
    a: sp.Expr, b: sp.Expr, c: sp.Expr, coordinates: tuple[sp.Symbol, sp.Symbol], bounds: Sequence[Sequence[float]]
) -> tuple[tuple[NormalForm, ...], str]:
    """Maps from the heat equation to u_t = a u_xx + b u_x + c u on a box (lower, upper) of x, t; why there are none.

    In y with dy = dx / sqrt(a) (Lamperti) a gauge removes the slope, and v_s = v_yy + q v remains; where q is at most
    quadratic in y, a gauge e^{p y^2 / 2} with p' = 2 (p^2 + q_2), a scale and a shift remove it as well (Bluman, SIAM
    J. Appl. Math. 39, 1980). Where q_2 < 0 there are two, with a place that moves outwards and one that moves inwards;
    that which has the simpler gauge is the first. Every map is verified by substitution.
    """
    ends = [[sp.Rational(float(v)) for v in corner] for corner in bounds]
    own = tuple(
        sp.Symbol(s.name, positive=True) if low > 0 else sp.Symbol(s.name, real=True)
        for s, low in zip(coordinates, ends[0], strict=True)
    )
    given = tuple(sp.sympify(e, strict=True).xreplace(dict(zip(coordinates, own, strict=True))) for e in (a, b, c))
    back, found = dict(zip(own, coordinates, strict=True)), []
    try:
        for form in _heat(given[0], given[1], given[2], own[0], own[1], ends):
            maps = form.space, form.time, form.gauge
            if any(sp.simplify(e) != 0 for e in form.defects(*given)):
                raise _Obstacle(f"the map {form} fails its check at random points")
            if not np.isfinite(_on_grid(maps, own, ends)).all():
                raise _Obstacle(f"the map {form} is singular in the domain")
            found.append(NormalForm(tuple(coordinates), *(e.xreplace(back) for e in maps)))
    except _Obstacle as reason:
        return tuple(found), "" if found else str(reason)
    return tuple(found), ""


def _heat(
    a: sp.Expr, b: sp.Expr, c: sp.Expr, x: sp.Symbol, t: sp.Symbol, ends: list[list[sp.Rational]]
) -> Iterator[NormalForm]:
    for e in (a, b, c):
        strange = {f for f in e.atoms(Application) if f.func not in SMOOTH} | ({sp.I} if e.has(sp.I) else set())
        if strange:
            raise _Obstacle(f"{strange.pop()} is among the coefficients: expected elementary functions")
    middle = {s: (low + high) / 2 for s, low, high in zip((x, t), *ends, strict=True)}
    if not (_on_grid([a], (x, t), ends) > 0).all():
        raise _Obstacle(f"the diffusion {a} is not positive everywhere on the domain")
    alpha, beta = _separated(a, x, t, middle)
    y_x = 1 / _root(alpha, middle)
    y = _integral(y_x, x, middle)
    g_x = sp.simplify(-(b * y_x + a * y_x.diff(x)) * y_x / (2 * beta))
    gauge = _integral(g_x, x, middle)

    def along(e: sp.Expr) -> sp.Expr:
        return e.diff(x) / y_x

    q = sp.expand(c / beta + along(g_x / y_x) - (g_x / y_x) ** 2 - gauge.diff(t) / beta)
    q2 = along(along(q)) / 2
    if _varies(q2, (x, t), ends) or (q2 := sp.simplify(q2)).has(x):
        raise _Obstacle(f"the potential {sp.factor(sp.cancel(q))} is not quadratic in {y}")
    q1 = sp.simplify(along(q) - 2 * q2 * y)
    q0 = sp.simplify(q - q2 * y**2 - q1 * y)
    undone = -along(along(gauge))
    shift = sp.simplify(q1 / (2 * q2)) if q2 != 0 else sp.S.Zero
    if not shift.has(t):  # the square is completed
        y, q1, q0 = y + shift, q1 - 2 * q2 * shift, q0 - q2 * shift**2
    time = _integral(beta, t, middle)
    time -= time.subs(t, ends[0][1])
    start, whole = ends[0][1], ends[1][1]
    now, rate, then = t, beta, t
    if not any(e.has(t) for e in (q2, q1, q0)):  # by the time that runs with beta
        now, rate, then = sp.Symbol("s", positive=True), sp.S.One, time
        start, whole = sp.S.Zero, time.subs(t, whole)

    def since(f: sp.Expr) -> sp.Expr:
        F = _integral(sp.expand(f), now, middle)
        return F - F.subs(now, start)

    q1, q0 = sp.simplify(q1), sp.simplify(q0)
    for p, turned, clock in _riccati(q2, undone, rate, now, whole, since):
        P = since(rate * q1 / turned)
        Q = since(2 * rate * turned**2 * P)
        R = since(rate * (turned**2 * P**2 + p + q0))
        whole_gauge = sp.expand(gauge + p * y**2 / 2 + P * turned * y + R)
        yield NormalForm((x, t), *(e.subs(now, then) for e in (turned * y + Q, clock, whole_gauge)))


def _on_grid(expressions: Sequence[sp.Expr], coordinates: Sequence[sp.Symbol], ends: list[list]) -> np.ndarray:
    """Values on a grid of the box, shape (expressions, PLACES, PLACES); nan where they are not real."""
    grid = np.meshgrid(*(np.linspace(float(low), float(high), PLACES) for low, high in zip(*ends, strict=True)))
    with np.errstate(all="ignore"):
        values = [sp.lambdify(coordinates, e, "numpy")(*grid) for e in expressions]
    return np.stack([np.broadcast_to(v, grid[0].shape) for v in values])


def _separated(a: sp.Expr, x: sp.Symbol, t: sp.Symbol, middle: dict) -> tuple[sp.Expr, sp.Expr]:
    """alpha(x) beta(t) = a, both positive, numbers in beta."""
    alpha, beta = sp.S.One, sp.S.One
    for e in sp.Mul.make_args(sp.factor(sp.expand_power_exp(a))):
        if e.has(x) and e.has(t):
            raise _Obstacle(f"the diffusion {a} is no product of functions of {x} and of {t}")
        alpha, beta = (alpha * e, beta) if e.has(x) else (alpha, beta * e)
    sign = sp.sign(beta.subs(middle))
    return sign * alpha, sign * beta


def _root(alpha: sp.Expr, middle: dict) -> sp.Expr:
    """The positive square root of a function that is positive, factor by factor."""
    out = sp.S.One
    for e in sp.Mul.make_args(alpha):
        base, power = e.as_base_exp()
        out *= (sp.sign(base.subs(middle)) * base) ** (power / 2)
    return out


def _integral(f: sp.Expr, s: sp.Symbol, middle: dict) -> sp.Expr:
    """An integral of f by s, its logarithms those of what is positive in the middle."""
    found = ratint(f, s) if f.is_rational_function(s) else sp.integrate(f, s, manual=True)
    if found.has(sp.Integral):
        raise _Obstacle(f"the integral of {f} by {s} is not known in closed form")

    def log(h: sp.Expr) -> sp.Expr:
        return sp.log(-h if h.subs(middle).is_negative else h)

    return found.replace(sp.log, log)


def _varies(e: sp.Expr, coordinates: tuple[sp.Symbol, sp.Symbol], ends: list[list]) -> bool:
    """Whether an expression has clearly different values for different x: then there is nothing to simplify."""
    values = _on_grid([e], coordinates, ends)[0]
    values = values[np.isfinite(values).all(1)]  # those of one t in a row
    return bool((np.ptp(values, axis=1) > CLEAR * (1 + np.abs(values).max(1, initial=0))).any())


def _riccati(
    q2: sp.Expr, undone: sp.Expr, rate: sp.Expr, now: sp.Symbol, whole: sp.Expr, since: Callable[[sp.Expr], sp.Expr]
) -> Iterator[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """p with p' = 2 rate (p^2 + q_2), f = exp of int 2 rate p, and int rate f^2.

    Where the quadratic part of a gauge is such a p, it comes first: it undoes that part.
    """
    undone = sp.simplify(undone)
    candidates = [] if undone.free_symbols - {now} else [undone]
    if not q2.has(now) and not q2.is_positive:
        candidates += [sp.sqrt(-q2), -sp.sqrt(-q2)]
    good = [p for p in candidates if sp.simplify(p.diff(now) - 2 * rate * (p**2 + q2)) == 0]
    for p in dict.fromkeys(good):
        turned = sp.exp(since(2 * rate * p))
        yield p, turned, since(rate * turned**2)
    if good:
        return
    if q2.has(now) or not q2.is_positive:
        raise _Obstacle(f"p' = 2 {rate} (p^2 + {q2}) is not solved in closed form")
    root = sp.sqrt(q2)
    passed = since(rate)
    half = root * passed.subs(now, whole)
    if half > TURN:
        raise _Obstacle(f"with the potential {q2} y^2 the map holds for times up to {float(TURN / root):.3g} only")
    angle = 2 * root * passed - half
    tan, turned = sp.sin(angle) / sp.cos(angle), sp.cos(half) / sp.cos(angle)
    yield root * tan, turned, (sp.cos(half) ** 2 * tan + sp.cos(half) * sp.sin(half)) / (2 * root)
