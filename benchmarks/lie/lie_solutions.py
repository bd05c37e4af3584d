"""Solutions in closed form of the nonlinear equations in the table of symmetries: what flows are tried on."""

from collections.abc import Callable, Sequence

import sympy as sp

S = sp.Symbol


def _kuramoto(x: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    """The shock of Kuramoto and Tsuzuki (1976), in a frame that moves."""
    k = sp.sqrt(sp.Rational(11, 19)) / 2
    front = sp.tanh(k * (x - t / 2))
    return [sp.Rational(1, 2) + sp.Rational(30, 19) * k * (11 * front**3 - 9 * front)]


def _soliton(x: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    """sech(x - 2 k t) exp(i (k x + (1 - k^2) t)) for i psi_t + psi_xx + 2 |psi|^2 psi = 0 (Zakharov, Shabat 1972)."""
    k = sp.Rational(2, 5)
    phase, size = k * x + (1 - k**2) * t, 1 / sp.cosh(x - 2 * k * t)
    return [size * sp.cos(phase), size * sp.sin(phase)]


def _two_states(x: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    """The first two states of the harmonic oscillator: psi_0 + x psi_0 exp(-i t), psi_0 = exp(-x^2/2 - i t/2)."""
    size = sp.exp(-(x**2) / 2)
    return [
        size * (sp.cos(t / 2) + x * sp.cos(3 * t / 2)), -size * (sp.sin(t / 2) + x * sp.sin(3 * t / 2)),
    ]  # fmt: skip


def _line_soliton(x: sp.Symbol, y: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    k, slope = sp.Rational(3, 5), sp.Rational(1, 2)
    return [2 * k**2 / sp.cosh(k * (x + slope * y - (4 * k**2 + 3 * slope**2) * t)) ** 2]


def _vortices(x: sp.Symbol, y: sp.Symbol, t: sp.Symbol, nu: sp.Expr | int) -> list[sp.Expr]:
    """The decaying vortices of Taylor (1923)."""
    decay = sp.exp(-2 * nu * t)
    u, v = -sp.cos(x) * sp.sin(y) * decay, sp.sin(x) * sp.cos(y) * decay
    return [u, v, -(sp.cos(2 * x) + sp.cos(2 * y)) * decay**2 / 4]


def _rarefaction(x: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    """The simple wave of a broken dam (Ritter 1892), from x = -1, t = -2."""
    s = (x + 1) / (t + 2)
    return [(4 - s) ** 2 / (9 * S("g")), 2 * (s + 2) / 3]


def _shear_front(x: sp.Symbol, y: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    """-2 nu grad log phi with phi = 1 + exp(k . x + nu |k|^2 t), by Cole and Hopf."""
    nu, k = S("nu"), (sp.Integer(1), sp.Rational(1, 2))
    phi = 1 + sp.exp(k[0] * x + k[1] * y + nu * (k[0] ** 2 + k[1] ** 2) * t)
    return [-2 * nu * sp.diff(sp.log(phi), z) for z in (x, y)]


def _spreading(x: sp.Symbol, y: sp.Symbol, t: sp.Symbol) -> list[sp.Expr]:
    """Water of even depth that is carried apart."""
    return [1 / (t + 2) ** 2, (x + 1) / (t + 2), (y + 1) / (t + 2)]


SOLUTIONS: dict[str, Callable[..., Sequence[sp.Expr]]] = {
    "harmonic oscillator": _two_states,
    "Burgers": lambda x, t: [1 - sp.tanh((x - t) / (2 * S("nu")))],
    "KdV": lambda x, t: [sp.Rational(1, 2) / sp.cosh((x - t) / 2) ** 2],
    "Fisher-KPP": lambda x, t: [(1 + sp.exp((x - 5 * t / sp.sqrt(6)) / sp.sqrt(6))) ** -2],  # Ablowitz, Zeppetella 1979
    "Kuramoto-Sivashinsky": _kuramoto,
    "porous medium u^m": lambda x, t: [(S("m") * (t - x + 3)) ** (1 / S("m"))],
    "sine-Gordon": lambda x, t: [4 * sp.atan(sp.exp(x / 2 + 2 * t - 1))],
    "Hamilton-Jacobi": lambda x, t: [(x + 1) ** 2 / (2 * (t + 2))],
    "Monge-Ampere": lambda x, y: [sp.sqrt((x + 1) ** 2 + (y + 2) ** 2)],
    "minimal surface": lambda x, y: [sp.acosh(sp.sqrt((x + 2) ** 2 + (y + 1) ** 2))],
    "eikonal 2D": lambda x, y: [sp.sqrt((x + 1) ** 2 + (y + 2) ** 2)],
    "nonlinear Schroedinger": _soliton,
    "fast diffusion u^(-4/3)": lambda x, t: [(sp.Rational(4, 3) * (x - t + 3)) ** sp.Rational(-3, 4)],
    "nonlinear wave u^(-4/3)": lambda x, t: [((x + 2) / (t + 1)) ** sp.Rational(-3, 2)],
    "modified KdV": lambda x, t: [1 / sp.cosh(x - t)],
    "Harry Dym": lambda x, t: [(4 - sp.Rational(3, 4) * (x + t / 4)) ** sp.Rational(2, 3)],
    "Boussinesq": lambda x, t: [3 / sp.cosh((x - t) / 2) ** 2 - 2],
    "Camassa-Holm": lambda x, t: [sp.exp(x - t)],
    "Benjamin-Bona-Mahony": lambda x, t: [3 / sp.cosh((x - 2 * t) / sp.sqrt(8)) ** 2],
    "cubic Klein-Gordon": lambda x, t: [sp.sqrt(2) / ((5 * t + 3 * x) / 4 + 2)],
    "Burgers 2D": _shear_front,
    "shallow water 2D": _spreading,
    "potential Burgers": lambda x, t: [sp.log(1 + sp.exp(x + t))],
    "Liouville": lambda x, t: [sp.log(2 / (x + t + 1) ** 2)],
    "shallow water 1D": _rarefaction,
    "Kadomtsev-Petviashvili": _line_soliton,
    "Euler 2D": lambda x, y, t: _vortices(x, y, t, 0),
    "Navier-Stokes 2D": lambda x, y, t: _vortices(x, y, t, S("nu")),
}
