"""Misfits of a Cole-Hopf map u = -2 nu phi_x / phi on a line, enclosed: numerator and denominator each by itself.

Where the data are v, u - v = -(2 nu phi_x + v phi) / phi. Both are sums of kernels, whose Taylor coefficients are found
for all members and cells at once; phi is positive, so that nothing cancels in it, and a bound of the numerator over the
least phi of a small cell is tight. Kernels that are negligible on the whole line enter by their size alone.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from pinnkit.certificate.norms.bisection import CELLS, halved, norm
from pinnkit.certificate.norms.interval import ORDER
from pinnkit.certificate.theorem.misfit import Norm
from pinnkit.certificate.validated.interval_arithmetic import Interval
from pinnkit.certificate.validated.interval_series import Series, enclosed_series, multiply, total

from .cole_hopf import ColeHopf
from .family import Family

MOST = 8000  # cells in all
BLOCK = 2**16  # kernels times cells in one step
NEGLIGIBLE = 1e-25  # of phi


class ColeHopfLine:
    """phi, phi_x and the data on a line on which the other coordinate is a number."""

    nu: float

    def __init__(
        self, network: ColeHopf, amplitudes: np.ndarray, data: sp.Expr, variable: sp.Symbol, at: dict[sp.Symbol, float]
    ) -> None:
        ((family, numbers, theta),) = network.phi.groups()
        self.nu, self._data = network.nu, data
        images = _images(family, at)
        self._family, self._variable, self._at = family, variable, at
        self._theta = np.repeat(theta, len(images), 0)
        self._images = np.tile(images, (len(numbers), 1))  # rows (factor, sign, shift, factor of the slope)
        self._a = np.repeat(amplitudes[numbers], len(images))
        self._slope = sp.diff(family.expression, family.coordinates[0])

    def __len__(self) -> int:
        return len(self._a)

    def kept(self, mask: np.ndarray) -> "ColeHopfLine":
        """Some of the kernels."""
        found = object.__new__(ColeHopfLine)
        found.__dict__ |= self.__dict__ | {k: self.__dict__[k][mask] for k in ("_theta", "_images", "_a")}
        return found

    def sums(self, x: Interval, order: int) -> tuple[Series, Series]:
        """The Taylor coefficients of phi and phi_x around cells or points x (n,), each (order + 1, n)."""
        step = max(1, BLOCK // len(self))
        blocks = [self.terms(x[start : start + step], order) for start in range(0, len(x.low), step)]
        phi, slope = (_joined([_sum(u) for u in own]) for own in zip(*blocks, strict=True))
        return phi, slope

    def data(self, x: Interval, order: int) -> Series:
        """The same of the data."""
        n = len(x.low)
        values = {self._variable: _variable(x, order)} | {s: Interval.point(v, n)[None] for s, v in self._at.items()}
        return _full(enclosed_series(self._data, values), order, n)

    def terms(self, x: Interval, order: int) -> tuple[Interval, Interval]:
        """phi and phi_x of every kernel by itself, each (K, order + 1, n)."""
        K, n, f = len(self), len(x.low), self._family
        c, sign, shift, turn = (_point(np.repeat(column, n)) for column in self._images.T)
        values = {s: Interval.point(v, K * n)[None] for s, v in self._at.items()}
        values[self._variable] = _variable(Interval(np.tile(x.low, K), np.tile(x.high, K)), order)
        axis = f.coordinates[f.axis]
        values[axis] = total([values[axis] * sign, shift])
        values |= {r.symbol: _point(np.repeat(self._theta[:, i], n)) for i, r in enumerate(f.ranges)}
        known: dict = {}
        a = _point(np.repeat(self._a, n))
        found = (
            enclosed_series(f.expression, values, known) * (a * c),
            enclosed_series(self._slope, values, known) * (a * turn),
        )
        shaped = (_full(u, order, K * n) for u in found)
        phi, slope = (Interval(*(v.reshape(-1, K, n).swapaxes(0, 1) for v in (u.low, u.high))) for u in shaped)
        return phi, slope


def cole_hopf_norms(
    line: ColeHopfLine, ends: tuple[float, float], floor: float, antiderivative: bool
) -> tuple[Norm, int]:
    """Bounds of the norms of u - data over an interval, and the number of cells; with ``antiderivative`` its swing too.

    Raises:
        ValueError: data without an enclosure.
    """
    with np.errstate(all="ignore"):  # what overflows becomes infinite, and the cell is halved
        edges = np.linspace(*ends, CELLS + 1)
        line, missing = _without_negligible(line, Interval(edges[:-1], edges[1:]))

        def look(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            rows = _cells(line, left, right)
            rows[0] = rows[0] * (1 + missing) + missing
            return rows

        rows = halved(look, ends, floor, MOST)
        swing = _swing(line, rows, missing) if antiderivative else None
    return norm(rows, ends[0], swing), rows.shape[1]


def _images(family: Family, at: dict[sp.Symbol, float]) -> np.ndarray:
    """Rows (factor, sign, shift, factor of the slope); slopes that cancel in a wall are left out."""
    rows = [[c, sign, shift, c * sign] for c, sign, shift in family.images]
    wall = at.get(family.coordinates[family.axis])
    first: dict[Fraction, list[float]] = {}
    if wall is None:
        return np.array(rows)
    for row in rows:
        own = first.setdefault(int(row[1]) * Fraction(wall) + Fraction(row[2]), row)
        if own is not row:
            own[3], row[3] = own[3] + row[3], 0.0
    return np.array(rows)


def _without_negligible(line: ColeHopfLine, cells: Interval) -> tuple[ColeHopfLine, float]:
    """The line without negligible kernels, and what these can change in u - data, absolutely and relatively."""
    phi, slope = line.terms(cells, 0)
    least = _sum(phi).low[0]
    keep = ((phi.size[:, 0] > NEGLIGIBLE * least) | (slope.size[:, 0] > NEGLIGIBLE * least)).any(1)
    if keep.all() or not (least > 0).all():
        return line, 0.0
    main = _sum(phi[keep]).low[0]
    rest, turned = (u.size[~keep, 0].sum(0) / main for u in (phi, slope))
    change = (rest + 2 * line.nu * turned + line.data(cells, 0).size[0] * rest).max()
    return line.kept(keep), 2 * float(change)


def _cells(line: ColeHopfLine, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rows of the cells: a bound of |u - data|, what it is in the middle, the data's integral from below and above."""
    middle, n = (left + right) / 2, len(left)
    radius = np.nextafter(np.maximum(right - middle, middle - left), np.inf)
    power = [Interval(np.ones(n), np.ones(n))]
    for _ in range(ORDER):
        power.append(power[-1] * Interval(-radius, radius))
    at, over = ((*line.sums(x, ORDER), line.data(x, ORDER)) for x in (_point(middle)[0], Interval(left, right)))
    two = Interval.point(2 * line.nu, n)[None]
    above, beyond = (total([slope * two, multiply(v, phi)]) for phi, slope, v in (at, over))
    numerator, phi = above[0], at[0][0]
    for j in range(1, ORDER + 1):
        numerator = numerator + (above if j < ORDER else beyond)[j] * power[j]
        phi = phi + (at if j < ORDER else over)[0][j] * power[j]
    least = np.maximum(phi.low, over[0].low[0])
    bound = np.where(least > 0, np.nextafter(numerator.size / least, np.inf), np.inf)
    seen = above[0].least / at[0].high[0]
    # the integral of the data: odd powers cancel, but for what the middle is rounded by
    v, integral = at[2], Interval(np.zeros(n), np.zeros(n))
    for j in range(0, ORDER + 1, 2):
        factor = 2 * radius ** (j + 1) / (j + 1)
        integral = integral + (v if j < ORDER else over[2])[j] * Interval(factor * (1 - 1e-14), factor * (1 + 1e-14))
    off = 2 * np.abs((right - middle) - (middle - left)) + 2 * (radius - (right - left) / 2)
    integral = integral + Interval(-off, off) * over[2][0]
    bound, seen = np.where(np.isnan(bound), np.inf, bound), np.nan_to_num(seen, nan=0.0, posinf=0.0)
    return np.stack([bound, seen, integral.low, integral.high])


def _swing(line: ColeHopfLine, rows: np.ndarray, missing: float) -> float:
    """Half the oscillation of int (u - data) dx = -(2 nu ln phi + int data), by its values at the ends of cells."""
    width, bound, _, left, right, low, high = rows
    phi, _ = line.sums(_point(np.append(left, right[-1]))[0], 0)
    value = phi[0].log() * Interval.point(2 * line.nu, len(phi.low[0]))
    fine = np.finfo(np.longdouble)
    pad = float(len(width) * fine.eps) * np.abs([low, high]).sum() + 2 * line.nu * missing
    ends = [np.concatenate([[0.0], np.cumsum(v.astype(np.longdouble))]) for v in (low, high)]
    reach = width * bound / 2
    top = np.maximum((value.high + ends[1])[:-1], (value.high + ends[1])[1:]) + reach
    bottom = np.minimum((value.low + ends[0])[:-1], (value.low + ends[0])[1:]) - reach
    size = np.abs(value.high).max() + np.abs(ends[1]).max()
    return float(((top.max() - bottom.min()) / 2 + pad + 1e-15 * size) * (1 + 1e-12))


def _point(x: np.ndarray) -> Series:
    return Interval(x, x)[None]


def _variable(x: Interval, order: int) -> Series:
    low, high = (np.zeros((order + 1, len(x.low))) for _ in range(2))
    low[0], high[0] = x.low, x.high
    low[1:2] = high[1:2] = 1.0
    return Interval(low, high)


def _full(u: Series, order: int, n: int) -> Series:
    low, high = (np.zeros((order + 1, n)) for _ in range(2))
    low[: len(u.low)], high[: len(u.low)] = u.low, u.high
    return Interval(low, high)


def _joined(parts: list[Series]) -> Series:
    return Interval(*(np.concatenate(v, 1) for v in ([p.low for p in parts], [p.high for p in parts])))


def _sum(u: Interval) -> Series:
    """The sum along the first axis by halves, which rounds the less."""
    while len(u.low) > 1:
        half = len(u.low) // 2
        found = u[:half] + u[half : 2 * half]
        u = found if len(u.low) == 2 * half else Interval(*(
            np.concatenate(v) for v in ((found.low, u.low[-1:]), (found.high, u.high[-1:]))))  # fmt: skip
    return u[0]
