"""Exact polynomials for the checker: splines, enclosures and an operator's coefficients on a cell, in rational numbers.

Part of `checker`, and used by nothing else.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from flint import arb, arb_series, ctx, fmpq

ORDER, BITS = 6, 160  # of Taylor polynomials, and of the balls of their coefficients
HIGHEST = 64  # power in a coefficient: a few letters of a file must not ask for 10^9 products
ZERO, ONE = fmpq(0), fmpq(1)
Poly = np.ndarray  # tensors of fmpq: coefficients of powers on [0, 1]^d
Cell = Sequence[tuple[fmpq, fmpq]]


def exactly(v: Any) -> fmpq:
    """A float as a rational number; ValueError for infinity, NaN and whatever is no number."""
    if isinstance(v, bool) or not isinstance(v, (int, float)) or not math.isfinite(v):
        raise ValueError(f"the record holds {v!r} where a number is expected")
    return fmpq(*float(v).as_integer_ratio())


rationals = np.frompyfunc(exactly, 1, 1)


def matrix(rows: int, columns: int, entry: Callable[[int, int], fmpq]) -> np.ndarray:
    """entry(i, j) by rows."""
    return np.array([[entry(i, j) for j in range(columns)] for i in range(rows)], dtype=object)


def applied(M: np.ndarray, p: Poly, axis: int) -> Poly:
    """A matrix along one axis."""
    return np.moveaxis(np.tensordot(M, p, (1, axis)), 0, axis)


def bernstein(p: Poly, raised: int = 0) -> Poly:
    """Bernstein coefficients, of degrees that are higher by ``raised``."""
    for axis, m in enumerate(p.shape):
        n = m - 1 + raised
        p = applied(matrix(n + 1, m, functools.partial(_raising, n)), p, axis)
    return p


def _raising(n: int, r: int, i: int) -> fmpq:
    return fmpq(math.comb(r, i), math.comb(n, i))


def powers(b: Poly) -> Poly:
    """Coefficients of powers from Bernstein coefficients."""
    for axis, m in enumerate(b.shape):
        b = applied(matrix(m, m, functools.partial(_lowering, m - 1)), b, axis)
    return b


def _lowering(n: int, i: int, r: int) -> fmpq:
    return fmpq((-1) ** (i - r) * math.comb(n, i) * math.comb(i, r)) if r <= i else ZERO


def halves(b: Poly, axis: int) -> tuple[Poly, Poly]:
    """Bernstein coefficients on both halves (de Casteljau)."""
    rows = list(np.moveaxis(b, axis, 0))
    left, right = [rows[0]], [rows[-1]]
    while len(rows) > 1:
        rows = [(u + v) / 2 for u, v in itertools.pairwise(rows)]
        left, right = [*left, rows[0]], [rows[-1], *right]
    return np.moveaxis(np.stack(left), 0, axis), np.moveaxis(np.stack(right), 0, axis)


def plus(a: Poly, b: Poly, factor: int = 1) -> Poly:
    """a + factor b."""
    out = np.full(tuple(map(max, a.shape, b.shape)), ZERO)
    for p, k in ((a, 1), (b, factor)):
        out[tuple(map(slice, p.shape))] += k * p
    return out


def times(a: Poly, b: Poly) -> Poly:
    """The product."""
    out = np.full(tuple(m + n - 1 for m, n in zip(a.shape, b.shape, strict=True)), ZERO)
    for at in np.ndindex(*a.shape):
        if a[at]:
            out[tuple(slice(i, i + n) for i, n in zip(at, b.shape, strict=True))] += a[at] * b
    return out


def largest(p: Poly) -> fmpq:
    """An upper bound of |p|."""
    return max(abs(v) for v in bernstein(p).flat)


class ExactSpline:
    """A tensor product of B-splines, as polynomials on cells."""

    breaks: list[list[Any]]
    degrees: list[int]
    periodic: list[bool]
    c: Any

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.breaks = [[exactly(v) for v in z] for z in record["breaks"]]
        self.degrees, self.periodic = list(map(int, record["degrees"])), list(map(bool, record["periodic"]))
        self.c = rationals(np.array(record["coefficients"], dtype=object))
        self._known: dict[tuple, tuple] = {}
        sizes = tuple(len(z) - 1 + (not o) * p
                      for z, p, o in zip(self.breaks, self.degrees, self.periodic, strict=True))  # fmt: skip
        if self.c.shape != sizes or any(not a < b for z in self.breaks for a, b in itertools.pairwise(z)):
            raise ValueError(f"a spline needs increasing breaks and {sizes} coefficients, got {self.c.shape}")

    def on(self, cell: Cell, J: Sequence[int]) -> Poly:
        """D^J on a cell, from inside where both of its ends are one."""
        lines = [self._line(k, ends, order) for k, (ends, order) in enumerate(zip(cell, J, strict=True))]
        p = self.c[np.ix_(*(index for index, _ in lines))]
        for axis, (_, M) in enumerate(lines):
            p = applied(M, p, axis)
        return p

    def _line(self, k: int, ends: tuple[fmpq, fmpq], order: int) -> tuple[list[int], np.ndarray]:
        """The functions of one coordinate that live there, and the powers of their derivatives as columns."""
        if (key := (k, ends, order)) not in self._known:
            z, p, (a, b) = self.breaks[k], self.degrees[k], ends
            n = len(z) - 1
            e = next((j for j in range(n) if z[j] <= a and b <= z[j + 1]), None)
            if e is None:
                raise ValueError(f"the cell from {a} to {b} crosses a break of a spline, or lies outside")
            t = [z[0]] * p + z + [z[-1]] * p
            if self.periodic[k]:
                t = [z[(j - p) % n] + (z[-1] - z[0]) * ((j - p) // n) for j in range(n + 2 * p + 1)]
            m, h = e + p, b - a if b > a else ONE
            N = {m: [ONE]}
            for d in range(1, p + 1):
                new = {i: [ZERO] * (d + 1) for i in range(m - d, m + 1)}
                for j, poly in N.items():  # N_{j, d-1} goes up in N_{j, d} and down in N_{j-1, d}
                    w = t[j + d] - t[j]
                    for i, start, sign in ((j, t[j], 1), (j - 1, t[j + d], -1)):
                        for r, v in enumerate(poly):
                            new[i][r] += sign * v * (a - start) / w
                            new[i][r + 1] += sign * v * h / w
                N = new
            columns = [N[i] for i in range(m - p, m + 1)]
            for _ in range(order):
                columns = [[r * v / h for r, v in enumerate(c)][1:] or [ZERO] for c in columns]
            columns = columns if b > a else [c[:1] for c in columns]
            index = [i % n if self.periodic[k] else i for i in range(m - p, m + 1)]
            self._known[key] = index, np.array(columns, dtype=object).T
        return self._known[key]


class ExactEnclosure:
    """A function within ``radius`` of polynomials on cells; it has to cover ``box``."""

    breaks: list[list[Any]]

    def __init__(self, record: Mapping[str, Any], box: Cell) -> None:
        self.breaks = [[exactly(v) for v in z] for z in record["breaks"]]
        if any((z[0], z[-1]) != ends or any(not a < b for a, b in itertools.pairwise(z))
               for z, ends in zip(self.breaks, box, strict=True)):  # fmt: skip
            raise ValueError("an enclosure does not cover its part of the box, or its breaks do not increase")
        self._b, self._r = (np.array(record[n], dtype=object) for n in ("coefficients", "radius"))
        shape = tuple(max(1, len(z) - 1) for z in self.breaks)
        if self._r.shape != shape or self._b.shape[: len(shape)] != shape or self._b.ndim != 2 * len(shape):
            raise ValueError(f"an enclosure has radii of shape {self._r.shape}, expected {shape}")

    def cells(self) -> Iterator[tuple[Cell, Poly, fmpq]]:
        """Every cell with its polynomial and its radius."""
        lines = [list(itertools.pairwise(z)) if len(z) > 1 else [(z[0], z[0])] for z in self.breaks]
        for at in itertools.product(*(range(len(line)) for line in lines)):
            if not (r := exactly(self._r[at])) >= 0:
                raise ValueError("a radius is negative")
            yield [line[i] for line, i in zip(lines, at, strict=True)], powers(rationals(self._b[at])), r


Rough = tuple[Poly, fmpq]  # a polynomial on [0, 1]^d and by how much a function may differ from it
SERIES: dict[str, Callable[[arb_series], arb_series]] = {
    n: (lambda s, n=n: getattr(s, n)()) for n in ("exp", "log", "sin", "cos", "tan", "atan", "sqrt", "erf", "inv")
} | {
    "tanh": lambda s: 1 - 2 * ((2 * s).exp() + 1).inv(), "sinh": lambda s: (s.exp() - (-s).exp()) / 2,
    "cosh": lambda s: (s.exp() + (-s).exp()) / 2,
}  # fmt: skip


def number(v: arb) -> tuple[fmpq, fmpq]:
    """The middle and the radius of a ball."""
    if not v.is_finite():
        raise ValueError("a coefficient is not bounded on a cell")
    middle, radius = (fmpq(int(m)) * fmpq(2) ** int(e) for m, e in (v.mid().man_exp(), v.rad().man_exp()))
    return middle, radius


def product(a: Rough, b: Rough) -> Rough:
    """Of two functions."""
    return times(a[0], b[0]), (largest(a[0]) + a[1]) * b[1] + a[1] * largest(b[0])


def function(name: str, a: Rough, d: int) -> Rough:
    """f(a) = sum_k f_k (a - m)^k + f_{n+1}(between) (a - m)^{n+1}, m about the middle of the values of a."""
    if name not in SERIES:
        raise ValueError(f"the checker does not know the function {name!r}")
    f, values = SERIES[name], bernstein(a[0])
    middle, ctx.prec = (min(values.flat) + max(values.flat)) / 2, BITS
    q = plus(a[0], np.full((1,) * d, middle), -1), a[1]
    reach = largest(q[0]) + q[1]
    near, ball = f(arb_series([arb(middle), 1], prec=ORDER + 1)), arb(middle) + arb(0, arb(reach).abs_upper())
    out = np.full((1,) * d, ZERO), ZERO
    for k in reversed(range(ORDER + 1)):
        (value, rad), out = number(near[k]), product(out, q)
        out = plus(out[0], np.full((1,) * d, value)), out[1] + rad
    last = sum(map(abs, number(f(arb_series([ball, 1], prec=ORDER + 2))[ORDER + 1]))) if reach else ZERO
    return out[0], out[1] + last * reach ** (ORDER + 1)


def coefficient(tree: list, cell: Cell) -> Rough:
    """An expression on a cell: ["+", ...], ["*", ...], ["^", base, exponent], ["number", "p", "q"], ["pi"], ["x", i],
    or [function, argument]; ValueError for anything else, and where it is not bounded."""
    (head, *rest), d = tree, len(cell)
    if head == "number":
        return np.full((1,) * d, fmpq(int(rest[0]), int(rest[1]))), ZERO
    if head == "pi":
        ctx.prec = BITS
        value, rad = number(arb.pi())
        return np.full((1,) * d, value), rad
    if head == "x":
        (a, b), i = cell[rest[0]], rest[0]
        line = np.array([a] if a == b else [a, b - a], dtype=object)
        return line.reshape([-1 if k == i else 1 for k in range(d)]), ZERO
    if head == "^":
        base, (kind, *digits) = coefficient(rest[0], cell), rest[1]
        if kind != "number" or int(digits[1]) != 1:
            return function("exp", product(coefficient(rest[1], cell), function("log", base, d)), d)
        n, out = int(digits[0]), (np.full((1,) * d, ONE), ZERO)
        if abs(n) > HIGHEST:
            raise ValueError(f"a coefficient holds the power {n}: the checker takes {HIGHEST} at most")
        for _ in range(abs(n)):
            out = product(out, base if n > 0 else function("inv", base, d))
        return out
    parts = [coefficient(r, cell) for r in rest]
    if head not in ("+", "*"):
        return function(str(head), parts[0], d)
    out = parts[0]
    for p in parts[1:]:
        out = product(out, p) if head == "*" else (plus(out[0], p[0]), out[1] + p[1])
    return out
