"""Jumps and kinks of a function of which only values are known, by polynomials on either side."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

NODES = 385  # of a line, before it is looked at closely
SPIKE = 12.0  # times its neighbourhood: a fourth difference that may be a kink
NOISE = 3e-13  # of the values: smaller differences are rounding
SEEN = (1e-6, 1e-5, 1e-3)  # of the values' range over the interval: a jump of a derivative that counts
LINES = 4  # along every coordinate
ASIDE = 0.01  # of the box: how far beside a place it is looked for again

Break = tuple[int, tuple[float, ...] | None, float | None, tuple[float, ...]]


def breaks(call: Callable[[np.ndarray], np.ndarray], box: np.ndarray) -> Iterator[Break]:
    """(order, plane, jump, a point) for every place in the box (d, 2) where values (n,) at points (n, d) jump or kink.

    The plane (d + 1,) has the coefficient 1 before its first coordinate and ends in its constant; it is None where the
    places do not lie on one, and the jump is None where it varies along it.
    """
    rng, d = np.random.default_rng(17), len(box)
    known: list[np.ndarray | None] = []
    for i in range(d):
        for base in [rng.uniform(*box.T) for _ in range(LINES if d > 1 else 1)]:
            for order, place, at_place in _on_line(_line(call, base, i), *box[i]):
                point = np.where(np.arange(d) == i, place, base)
                plane, jump = _plane(call, box, i, order, point, at_place)
                new = plane is not None and not any(k is not None and np.allclose(plane, k, atol=1e-6) for k in known)
                if new or plane is None and None not in known:
                    known.append(plane)
                    yield order, None if plane is None else tuple(map(float, plane)), jump, tuple(map(float, point))


def _line(call: Callable, base: np.ndarray, i: int) -> Callable[[np.ndarray], np.ndarray]:
    def f(x: np.ndarray) -> np.ndarray:
        X = np.repeat(base[None], len(x), 0)
        X[:, i] = x
        return call(X)

    return f


def _on_line(f: Callable, lo: float, hi: float) -> list[tuple[int, float, float]]:
    x = np.linspace(lo, hi, NODES)
    y = f(x)
    scale = float(np.ptp(y)) or 0.0
    if not np.isfinite(y).all() or scale <= NOISE * abs(y).max(initial=0):
        return []
    spots = _spots(y, scale)
    found: list[tuple[int, float, float]] = []
    for k in spots:
        bracket = _zoom(f, x[max(k - 2, 0)], x[min(k + 6, NODES - 1)], scale)
        if bracket is not None:
            got = _judge(f, bracket, lo, hi, scale)
            if got is not None and not any(abs(got[1] - p) < 1e-7 * (hi - lo) for _, p, _ in found):
                found.append(got)
    return found


def _spots(y: np.ndarray, scale: float) -> list[int]:
    """Where fourth differences stand out of their neighbourhood: the largest of each group."""
    d = abs(np.diff(y, 4))
    n = len(d)
    out: list[int] = []
    for k in np.argsort(-d):
        if d[k] < NOISE * scale or len(out) >= 64:
            break
        around = np.r_[d[max(k - 16, 0) : max(k - 4, 0)], d[min(k + 5, n) : k + 17]]
        if len(around) and d[k] > SPIKE / 4 * np.median(around) and all(abs(k - j) > 4 for j in out):
            out.append(int(k))
    return out


def _zoom(f: Callable, lo: float, hi: float, scale: float) -> tuple[float, float] | None:
    """The bracket made narrower as long as something stands out in it; None where it turns out smooth."""
    for turn in range(12):
        x = np.linspace(lo, hi, 49)
        d = abs(np.diff(f(x), 4))
        k = int(d.argmax())
        if d[k] < 30 * NOISE * scale or hi - lo < 1e-13 * max(abs(lo), abs(hi), 1e-300):
            return (lo, hi) if turn > 1 else None
        if not d[k] > SPIKE * np.median(np.delete(d, slice(max(k - 4, 0), k + 5))):
            return None
        lo, hi = x[max(k - 1, 0)], x[min(k + 5, 48)]
    return lo, hi


def _judge(
    f: Callable, bracket: tuple[float, float], lo: float, hi: float, scale: float
) -> tuple[int, float, float] | None:
    """The first derivative whose one-sided values differ, by quartic polynomials on both sides."""
    L, c = hi - lo, sum(bracket) / 2
    w = 0.01 * L
    if bracket[0] - w < lo or bracket[1] + w > hi:
        w = 0.9 * min(bracket[0] - lo, hi - bracket[1])
        if w < 1e-5 * L:
            return None
    nodes = (1 - np.cos(np.linspace(0, np.pi, 11))) / 2 * w
    left, right = (np.polynomial.Polynomial.fit(z - c, f(z), 6) for z in (bracket[0] - nodes, bracket[1] + nodes))
    gap, wide = right.convert() - left.convert(), bracket[1] - bracket[0]
    for order in range(3):
        value, slope = abs(gap.deriv(order)(0.0)) if order else abs(gap(0.0)), abs(gap.deriv(order + 1)(0.0))
        # A value that the next derivative makes up for within the bracket belongs to a place a little off its middle.
        if value * L**order > SEEN[order] * scale and value > 3 * slope * wide:
            at = -gap.deriv(order - 1)(0.0) / gap.deriv(order)(0.0) if order > 1 else 0.0
            at = -gap(0.0) / gap.deriv()(0.0) if order == 1 else at
            return order, _rounded(c + at, L), float(gap.deriv(order)(at) if order else gap(0.0))
    return None


def _rounded(x: float, L: float) -> float:
    """A short fraction where it is one within what values can tell."""
    near = float(Fraction(x).limit_denominator(1000))
    return near if abs(near - x) < 1e-8 * L else float(x)


def _plane(
    call: Callable, box: np.ndarray, i: int, order: int, point: np.ndarray, jump: float
) -> tuple[np.ndarray | None, float | None]:
    """The plane through places on lines beside a point's, None where they bend; the jump along its normal."""
    plane, jumps, L = np.eye(len(box))[i], [jump], np.ptp(box, axis=1)
    for j in range(len(box)):
        if j == i:
            continue
        step, slopes = ASIDE * L[j] * (1 if point[j] < box[j].mean() else -1), []
        for k in (1, 2, 4):
            base = point + k * step * np.eye(len(box))[j]
            near = [s for s in _on_line(_line(call, base, i), *box[i]) if s[0] == order]
            if not near:
                return None, None
            nearest = min(near, key=lambda s: abs(s[1] - point[i]))
            slopes.append((nearest[1] - point[i]) / (k * step))
            jumps.append(nearest[2])
        if np.ptp(slopes) * L[j] > 1e-5 * L[i]:
            return None, None
        plane[j] = -_rounded(slopes[-1], L[i] / L[j]) if abs(slopes[-1]) * L[j] > 1e-6 * L[i] else 0.0
    plane = np.append(plane, -plane @ point)
    plane = plane / plane[np.flatnonzero(plane[:-1])[0]]
    plane[-1] = _rounded(plane[-1], float(L.max()))
    n = plane[i] / np.linalg.norm(plane[:-1])  # from along the line to along the normal
    same = np.ptp(jumps) <= 1e-4 * abs(jump)
    return plane, float(np.sign(n) * _rounded(jump, abs(jump)) / n**order) if same else None
