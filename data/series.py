"""Heat and wave equation on [0, 1] by separation of variables, and a check of each without a series.

The initial condition is split into the straight line through its end values and a rest that is 0 at both
ends. The rest is a sine series whose coefficients come from composite Gauss-Legendre quadrature. For the
heat equation the line is the steady state of the boundary values u0(0), u0(1). For the wave equation the
walls are held at 0, so a line that is not 0 there jumps; the jump travels along the characteristics and
is added in closed form, with the mean of its two sides on the characteristic itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Initial = Callable[[Array], Array]


def panels(count: int, order: int = 16) -> tuple[Array, Array]:
    """Nodes and weights of composite Gauss-Legendre quadrature on [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(order)
    left = np.arange(count)[:, None] / count
    return (left + (node + 1) / (2 * count)).ravel(), np.tile(weight / (2 * count), count)


def line(u0: Initial) -> tuple[float, float]:
    """Value at 0 and slope of the straight line through the end values of `u0`."""
    a, b = u0(np.array([0.0, 1.0]))
    return float(a), float(b - a)


def coefficients(u0: Initial, modes: int) -> Array:
    """Sine coefficients 1 ... `modes` of `u0` minus the line through its end values."""
    y, weight = panels(max(500, modes // 2))
    a, slope = line(u0)
    rest = 2 * weight * (u0(y) - a - slope * y)
    out = np.empty(modes)
    for start in range(0, modes, 256):
        k = np.arange(start + 1, min(start + 256, modes) + 1)
        out[k - 1] = np.sin(np.pi * k[:, None] * y) @ rest
    return out


def heat(u0: Initial, x: ArrayLike, t: ArrayLike, *, alpha: float = 1.0, modes: int = 400) -> Array:
    """Solution u[x, t] of u_t = alpha u_xx with u(x, 0) = u0(x), u(0, t) = u0(0) and u(1, t) = u0(1)."""
    x, t = np.asarray(x, dtype=float), np.asarray(t, dtype=float)
    k = np.pi * np.arange(1, modes + 1)
    a, slope = line(u0)
    decay = coefficients(u0, modes)[:, None] * np.exp(-alpha * k[:, None] ** 2 * t)
    u = np.sin(x[:, None] * k) @ decay + (a + slope * x)[:, None]
    return np.where(t == 0, u0(x)[:, None], u)


def sawtooth(y: Array, a: float, slope: float) -> Array:
    """Odd extension with period 2 of the line a + slope y on (0, 1), which is 0 where it jumps."""
    z = y - 2 * np.round(y / 2)
    jump = (np.abs(z) < 1e-12) | (np.abs(np.abs(z) - 1) < 1e-12)
    return np.where(jump, 0.0, np.sign(z) * a + slope * z)


def wave(u0: Initial, x: ArrayLike, t: ArrayLike, *, c: float = 1.0, modes: int = 4000) -> Array:
    """Solution u[x, t] of u_tt = c^2 u_xx with u(x, 0) = u0(x), u_t(x, 0) = 0 and u(0, t) = u(1, t) = 0."""
    x, t = np.asarray(x, dtype=float), np.asarray(t, dtype=float)
    k = np.pi * np.arange(1, modes + 1)
    swing = coefficients(u0, modes)[:, None] * np.cos(c * k[:, None] * t)
    ahead, behind = x[:, None] + c * t, x[:, None] - c * t
    u = np.sin(x[:, None] * k) @ swing + (sawtooth(ahead, *line(u0)) + sawtooth(behind, *line(u0))) / 2
    return np.where(t == 0, u0(x)[:, None], u)


def heat_by_images(u0: Initial, x: ArrayLike, t: ArrayLike, *, alpha: float = 1.0) -> Array:
    """The solution of `heat` without a series: quadrature of the heat kernel with image sources."""
    x, t = np.asarray(x, dtype=float), np.asarray(t, dtype=float)
    y, weight = panels(250)
    a, slope = line(u0)
    rest = weight * (u0(y) - a - slope * y)
    u = np.empty((len(x), len(t)))
    for j, time in enumerate(t):
        if time == 0:
            u[:, j] = u0(x)
            continue
        width = 4 * alpha * time
        kernel = np.zeros((len(x), len(y)))
        for n in range(-int(3 * np.sqrt(width)) - 1, int(3 * np.sqrt(width)) + 2):
            kernel += np.exp(-((x[:, None] - y - 2 * n) ** 2) / width)
            kernel -= np.exp(-((x[:, None] + y - 2 * n) ** 2) / width)
        u[:, j] = kernel @ rest / np.sqrt(np.pi * width) + a + slope * x
    return u


def wave_by_characteristics(u0: Initial, x: ArrayLike, t: ArrayLike, *, c: float = 1.0) -> Array:
    """The solution of `wave` in closed form: d'Alembert's formula for the odd extension of `u0`."""
    x, t = np.asarray(x, dtype=float), np.asarray(t, dtype=float)

    def extended(y: Array) -> Array:
        z = y - 2 * np.round(y / 2)
        jump = (np.abs(z) < 1e-12) | (np.abs(np.abs(z) - 1) < 1e-12)
        return np.where(jump, 0.0, np.sign(z) * u0(np.abs(z)))

    u = (extended(x[:, None] + c * t) + extended(x[:, None] - c * t)) / 2
    return np.where(t == 0, u0(x)[:, None], u)
