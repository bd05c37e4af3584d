"""Equations whose number of Lie point symmetries is published: the equation, the dimension, the source.

Sections and pages are those that the test catalogue of the public package delierium cites.
"""

from collections.abc import Callable

import sympy as sp
from sympy import Rational as R
from sympy import atan, exp, log, sinh
from sympy.core.function import AppliedUndef

import pinnkit as pk

CRC = "Ibragimov (ed.), CRC Handbook of Lie Group Analysis of Differential Equations 1 (1994), section"
BAUMANN = "Baumann, Symmetry Analysis of Differential Equations with Mathematica (2000), p."
ARRIGO = "Arrigo, Symmetry Analysis of Differential Equations (2015),"

x, y, t = pk.coordinates("x y t")
u, w = pk.field("u", x, t), pk.field("u", x, y, t)
a, b, c, k, l, m, n, s = sp.symbols("a b c k l m n s")
u_x, u_t, u_xx, u_tt, u_xt = u.diff(x), u.diff(t), u.diff(x, 2), u.diff(t, 2), u.diff(x, t)
u_xxx, u_4 = u.diff(x, 3), u.diff(x, 4)


def _flux(k: sp.Expr) -> sp.Expr:
    """(k u_x)_x."""
    return (k * u_x).diff(x)


def _plane(k: Callable[[AppliedUndef], sp.Expr]) -> sp.Expr:
    """u_t - div(k(u) grad u) in the plane."""
    return w.diff(t) - sum((k(w) * w.diff(z)).diff(z) for z in (x, y))


def _growth(alpha: sp.Expr, gamma: sp.Expr, kappa: sp.Expr, lam: sp.Expr) -> sp.Expr:
    """Molecular beam epitaxy (Wolf, Villain 1990)."""
    return u_t + kappa * u_4 - alpha * u_xx - gamma * (u_x**2).diff(x, 2) - lam * (u_x**3).diff(x) - c


# name: (equation = 0, dimension or None where it is infinite, source)
LITERATURE: dict[str, tuple[sp.Expr, int | None, str]] = {
    "u_t = (u^n u_x)_x": (u_t - _flux(u**n), 4, f"{CRC} 10.2"),
    "u_t = (u^(-4/3) u_x)_x": (u_t - _flux(u ** R(-4, 3)), 5, f"{CRC} 10.2"),
    "u_t = (exp(u) u_x)_x": (u_t - _flux(exp(u)), 4, f"{CRC} 10.2"),
    "u_t = u_x^n u_xx": (u_t - u_x**n * u_xx, 5, f"{CRC} 10.3"),
    "u_t = exp(u_x) u_xx": (u_t - exp(u_x) * u_xx, 5, f"{CRC} 10.3"),
    "u_t = exp(n atan u_x) u_xx / (1 + u_x^2)": (u_t - exp(n * atan(u_x)) * u_xx / (1 + u_x**2), 5, f"{CRC} 10.3"),
    "u_t = atan(u_xx)": (u_t - atan(u_xx), 5, f"{CRC} 10.4"),
    "u_t = exp(u_xx)": (u_xx - log(u_t), 6, f"{CRC} 10.4"),
    "u_t = u_xx^s / s": (u_xx - (s * u_t) ** (1 / s), 6, f"{CRC} 10.4"),
    "u_t = log(u_xx)": (u_xx - exp(u_t), 6, f"{CRC} 10.4"),
    "u_t = 3 u_xx^(1/3)": (u_xx - (u_t / 3) ** 3, 7, f"{CRC} 10.4"),
    "u_t = -3 u_xx^(-1/3)": (u_xx + 27 / u_t**3, 7, f"{CRC} 10.4"),
    "u_t = (exp(u) u_x)_x + a exp(m u)": (u_t - _flux(exp(u)) - a * exp(m * u), 3, f"{CRC} 10.5"),
    "u_t = (exp(u) u_x)_x + a": (u_t - _flux(exp(u)) - a, 4, f"{CRC} 10.5"),
    "u_t = (u^s u_x)_x + a u^n": (u_t - _flux(u**s) - a * u**n, 3, f"{CRC} 10.5"),
    "u_t = (u^s u_x)_x + a u": (u_t - _flux(u**s) - a * u, 4, f"{CRC} 10.5"),
    "u_t = (u^(-4/3) u_x)_x + a u^n": (u_t - _flux(u ** R(-4, 3)) - a * u**n, 3, f"{CRC} 10.5"),
    "u_t = (u^(-4/3) u_x)_x + a u^(-1/3)": (u_t - _flux(u ** R(-4, 3)) - a * u ** R(-1, 3), 5, f"{CRC} 10.5"),
    "u_t = (u^(-4/3) u_x)_x + a u": (u_t - _flux(u ** R(-4, 3)) - a * u, 5, f"{CRC} 10.5"),
    "u_t = div(exp(u) grad u)": (_plane(sp.exp), 6, f"{CRC} 10.7"),
    "u_t = div(u^s grad u)": (_plane(lambda w: w**s), 6, f"{CRC} 10.7"),
    "u_t = div(grad u / u)": (_plane(lambda w: 1 / w), None, f"{CRC} 10.7"),
    "l u_tt + u_t = k exp(m u_x) u_xx": (l * u_tt + u_t - k * exp(m * u_x) * u_xx, 5, f"{CRC} 10.10"),
    "u_tt + u_t = (a exp(n u) u_x)_x": (u_tt + u_t - _flux(a * exp(n * u)), 3, f"{CRC} 10.11"),
    "u_tt + u_t = (a (u + b)^n u_x)_x": (u_tt + u_t - _flux(a * (u + b) ** n), 3, f"{CRC} 10.11"),
    "u_tt + u_t = (a (u + b)^(-4/3) u_x)_x": (u_tt + u_t - _flux(a * (u + b) ** R(-4, 3)), 4, f"{CRC} 10.11"),
    "u_tt + u_t = (a (u + b)^(-2) u_x)_x": (u_tt + u_t - _flux(a * (u + b) ** -2), 4, f"{CRC} 10.11"),
    "u_t + u u_x = (u^2m u_x)_x": (u_t + u * u_x - _flux(u ** (2 * m)), 3, f"{CRC} 11.6"),
    "u_t + u u_x = (exp(u) u_x)_x": (u_t + u * u_x - _flux(exp(u)), 3, f"{CRC} 11.6"),
    "KdV-Burgers": (u_t + u * u_x - m * u_xx + b * u_xxx, 3, f"{CRC} 11.8"),
    "cylindrical Burgers": (u_t + u / (2 * t) + u * u_x - m * u_xx, 3, f"{CRC} 11.8"),
    "spherical Burgers": (u_t + u / t + u * u_x - m * u_xx, 3, f"{CRC} 11.8"),
    "u_xt = u^(1 - s)": (u_xt - u ** (1 - s), 4, f"{CRC} 12.3"),
    "u_xt = sinh(u)": (u_xt - sinh(u), 3, f"{CRC} 12.3"),
    "u_tt = (exp(u) u_x)_x": (u_tt - _flux(exp(u)), 4, f"{CRC} 12.4"),
    "u_tt = (k u^s u_x)_x": (u_tt - _flux(k * u**s), 4, f"{CRC} 12.4"),
    "u_tt = (k u^(-4/3) u_x)_x": (u_tt - _flux(k * u ** R(-4, 3)), 5, f"{CRC} 12.4"),
    "u_tt = (k u^(-4) u_x)_x": (u_tt - _flux(k * u**-4), 5, f"{CRC} 12.4"),
    "u_tt = k exp(u_x) u_xx": (u_tt - k * exp(u_x) * u_xx, 6, f"{CRC} 12.4"),
    "u_tt = k u_x^m u_xx": (u_tt - k * u_x**m * u_xx, 6, f"{CRC} 12.4"),
    "u_tt = k u_x^(-4) u_xx": (u_tt - k * u_x**-4 * u_xx, 7, f"{CRC} 12.4"),
    "u_tt = k exp(u_xx)": (u_tt - k * exp(u_xx), 8, f"{CRC} 12.4"),
    "u_tt = k u_xx^m": (u_tt - k * u_xx**m, 8, f"{CRC} 12.4"),
    "u_tt = k log(u_xx)": (u_tt - k * log(u_xx), 8, f"{CRC} 12.4"),
    "u_tt = k u_xx^(-3)": (u_tt - k * u_xx**-3, 9, f"{CRC} 12.4"),
    "u_tt = k u_xx^(-1/3)": (u_tt - k * u_xx ** R(-1, 3), 9, f"{CRC} 12.4"),
    "flux line": (u_t - k * u_xx / (1 + u_x**2), 5, f"{BAUMANN} 291"),
    "cylindrical KdV": (u_t + 6 * u * u_x + u_xxx + u / (2 * t), 4, f"{BAUMANN} 297"),
    "spherical KdV": (u_t + 6 * u * u_x + u_xxx + u / t, 3, f"{BAUMANN} 298"),
    "generalised KdV": (u_t + b * u**a * u_x + u_xxx, 3, f"{BAUMANN} 300"),
    "perturbed KdV": (
        u_t + 6 * u * u_x + u_xxx + a * (b * u_x * u_xx - k * u**2 * u_x + l * u * u_xxx + m * u.diff(x, 5)),
        2, f"{BAUMANN} 301",
    ),
    "beam epitaxy": (_growth(a, b, k, l), 3, f"{BAUMANN} 349"),
    "beam epitaxy, surface diffusion": (_growth(0, b, k, 0), 4, f"{BAUMANN} 350"),
    "beam epitaxy, desorption": (_growth(a, 0, 0, l), 4, f"{BAUMANN} 352"),
    "u_t = u_xx + exp(-u)": (u_t - u_xx - exp(-u), 3, f"{ARRIGO} (3.71)"),
    "u_t = u_xx + u^2": (u_t - u_xx - u**2, 3, f"{ARRIGO} (3.76)"),
    "u_t = u_xx + u log u": (u_t - u_xx - u * log(u), 4, f"{ARRIGO} (3.74)"),
    "u_t = u_xx - 2 u^3": (u_t - u_xx + 2 * u**3, 3, f"{ARRIGO} example 4.2"),
    "u_t = div(u grad u)": (_plane(lambda w: w), 6, f"{ARRIGO} (3.143)"),
}  # fmt: skip
