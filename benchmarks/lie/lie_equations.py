"""Equations whose Lie point symmetries are known, with the dimension of the algebra."""

from collections.abc import Callable, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

import pinnkit as pk

System = tuple[list[sp.Expr], list[AppliedUndef]]
S = sp.Symbol


def _heat(n: int) -> System:
    *space, t = pk.coordinates("x y z")[:n] + pk.coordinates("t")
    u = pk.field("u", *space, t)
    return [u.diff(t) - S("alpha") * sum(u.diff(x, 2) for x in space)], [u]


def _wave(n: int) -> System:
    *space, t = pk.coordinates("x y z")[:n] + pk.coordinates("t")
    u = pk.field("u", *space, t)
    return [u.diff(t, 2) - S("c") ** 2 * sum(u.diff(x, 2) for x in space)], [u]


def _laplace(n: int) -> System:
    x = pk.coordinates("x y z")[:n]
    u = pk.field("u", *x)
    return [sum(u.diff(v, 2) for v in x)], [u]


def _line(equation: Callable) -> System:
    """An equation for u(x, t)."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    return [equation(u, x, t)], [u]


def _pair(equations: Callable) -> System:
    """Two equations for u(x, t), v(x, t)."""
    x, t = pk.coordinates("x t")
    u, v = (pk.field(name, x, t) for name in "uv")
    return list(equations(u, v, x, t)), [u, v]


def _plane(equation: Callable) -> System:
    """An equation for u(x, y)."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    return [equation(u, x, y)], [u]


def _kadomtsev() -> System:
    x, y, t = pk.coordinates("x y t")
    u = pk.field("u", x, y, t)
    return [(u.diff(t) + 6 * u * u.diff(x) + u.diff(x, 3)).diff(x) + 3 * u.diff(y, 2)], [u]


def _black_scholes() -> System:
    s, t = pk.coordinates("S t")
    V, sigma, r = pk.field("V", s, t), S("sigma"), S("r")
    return [V.diff(t) + sigma**2 * s**2 * V.diff(s, 2) / 2 + r * s * V.diff(s) - r * V], [V]


def _flow(viscosity: sp.Expr | int) -> System:
    x, y, t = pk.coordinates("x y t")
    u, v, p = (pk.field(name, x, y, t) for name in "uvp")

    def momentum(w: AppliedUndef, z: sp.Symbol) -> sp.Expr:
        return w.diff(t) + u * w.diff(x) + v * w.diff(y) + p.diff(z) - viscosity * (w.diff(x, 2) + w.diff(y, 2))

    return [momentum(u, x), momentum(v, y), u.diff(x) + v.diff(y)], [u, v, p]


def _burgers_plane() -> System:
    x, y, t = pk.coordinates("x y t")
    u, v = (pk.field(name, x, y, t) for name in "uv")
    spread = [w.diff(t) + u * w.diff(x) + v * w.diff(y) - S("nu") * (w.diff(x, 2) + w.diff(y, 2)) for w in (u, v)]
    return spread, [u, v]


def _shallow_plane() -> System:
    x, y, t = pk.coordinates("x y t")
    h, u, v = (pk.field(name, x, y, t) for name in "huv")
    momentum = [w.diff(t) + u * w.diff(x) + v * w.diff(y) + S("g") * h.diff(z) for w, z in ((u, x), (v, y))]
    return [h.diff(t) + (h * u).diff(x) + (h * v).diff(y), *momentum], [h, u, v]


# name: (the system, the dimension without superposition or None where it is infinite, generators that are listed)
EQUATIONS: dict[str, tuple[Callable[[], System], int | None, int]] = {
    "heat 1D": (lambda: _heat(1), 6, 6),
    "heat 2D": (lambda: _heat(2), 9, 9),
    "heat 3D": (lambda: _heat(3), 13, 13),
    "wave 2D": (lambda: _wave(2), 11, 11),
    "wave 3D": (lambda: _wave(3), 16, 16),
    "Laplace 3D": (lambda: _laplace(3), 11, 11),
    "Helmholtz 2D": (lambda: _plane(lambda u, x, y: u.diff(x, 2) + u.diff(y, 2) + S("k") ** 2 * u), 4, 4),
    "Klein-Gordon": (lambda: _line(lambda u, x, t: u.diff(t, 2) - u.diff(x, 2) + S("m") ** 2 * u), 4, 4),
    "Airy (linear KdV)": (lambda: _line(lambda u, x, t: u.diff(t) + u.diff(x, 3)), 4, 4),
    "Euler-Bernoulli beam": (lambda: _line(lambda u, x, t: u.diff(t, 2) + S("alpha") * u.diff(x, 4)), 4, 4),
    "telegraph": (
        lambda: _line(lambda u, x, t: u.diff(t, 2) + 2 * S("a") * u.diff(t) - S("c") ** 2 * u.diff(x, 2)), 4, 4,
    ),
    "advection-diffusion": (
        lambda: _line(lambda u, x, t: u.diff(t) + S("a") * u.diff(x) - S("D") * u.diff(x, 2)), 6, 6,
    ),
    "Black-Scholes": (_black_scholes, 6, 6),
    "Ornstein-Uhlenbeck": (
        lambda: _line(lambda u, x, t: u.diff(t) - S("D") * u.diff(x, 2) - S("theta") * (x * u).diff(x)), 6, 6,
    ),
    "free Schroedinger": (
        lambda: _pair(lambda u, v, x, t: (u.diff(t) + v.diff(x, 2) / 2, v.diff(t) - u.diff(x, 2) / 2)), 7, 7,
    ),
    "harmonic oscillator": (
        lambda: _pair(
            lambda u, v, x, t: (
                u.diff(t) + v.diff(x, 2) / 2 - x**2 * v / 2, v.diff(t) - u.diff(x, 2) / 2 + x**2 * u / 2,
            )
        ), 7, 7,
    ),
    "coupled diffusion": (
        lambda: _pair(
            lambda u, v, x, t: (u.diff(t) - u.diff(x, 2) - S("a") * v, v.diff(t) - v.diff(x, 2) - S("k") * u)
        ), 9, 9,
    ),
    "Burgers": (lambda: _line(lambda u, x, t: u.diff(t) + u * u.diff(x) - S("nu") * u.diff(x, 2)), 5, 5),
    "KdV": (lambda: _line(lambda u, x, t: u.diff(t) + 6 * u * u.diff(x) + u.diff(x, 3)), 4, 4),
    "Fisher-KPP": (lambda: _line(lambda u, x, t: u.diff(t) - u.diff(x, 2) - u * (1 - u)), 2, 2),
    "Kuramoto-Sivashinsky": (
        lambda: _line(lambda u, x, t: u.diff(t) + u * u.diff(x) + u.diff(x, 2) + u.diff(x, 4)), 3, 3,
    ),
    "porous medium u^m": (lambda: _line(lambda u, x, t: u.diff(t) - (u ** S("m") * u.diff(x)).diff(x)), 4, 4),
    "sine-Gordon": (lambda: _line(lambda u, x, t: u.diff(x, t) - sp.sin(u)), 3, 3),
    "Hamilton-Jacobi": (lambda: _line(lambda u, x, t: u.diff(t) + u.diff(x) ** 2 / 2), 10, 10),
    "Monge-Ampere": (lambda: _plane(lambda u, x, y: u.diff(x, 2) * u.diff(y, 2) - u.diff(x, y) ** 2), 15, 15),
    "minimal surface": (
        lambda: _plane(
            lambda u, x, y: (1 + u.diff(y) ** 2) * u.diff(x, 2) - 2 * u.diff(x) * u.diff(y) * u.diff(x, y)
            + (1 + u.diff(x) ** 2) * u.diff(y, 2)
        ), 7, 7,
    ),
    "eikonal 2D": (lambda: _plane(lambda u, x, y: u.diff(x) ** 2 + u.diff(y) ** 2 - 1), 10, 10),
    "nonlinear Schroedinger": (
        lambda: _pair(
            lambda u, v, x, t: (
                u.diff(t) + v.diff(x, 2) + 2 * (u**2 + v**2) * v, v.diff(t) - u.diff(x, 2) - 2 * (u**2 + v**2) * u,
            )
        ), 5, 5,
    ),
    "fast diffusion u^(-4/3)": (
        lambda: _line(lambda u, x, t: u.diff(t) - (u ** sp.Rational(-4, 3) * u.diff(x)).diff(x)), 5, 5,
    ),
    "nonlinear wave u^(-4/3)": (
        lambda: _line(lambda u, x, t: u.diff(t, 2) - (u ** sp.Rational(-4, 3) * u.diff(x)).diff(x)), 5, 5,
    ),
    "modified KdV": (lambda: _line(lambda u, x, t: u.diff(t) + 6 * u**2 * u.diff(x) + u.diff(x, 3)), 3, 3),
    "Harry Dym": (lambda: _line(lambda u, x, t: u.diff(t) - u**3 * u.diff(x, 3)), 5, 5),
    "Boussinesq": (lambda: _line(lambda u, x, t: u.diff(t, 2) + (u * u.diff(x)).diff(x) + u.diff(x, 4)), 3, 3),
    "Camassa-Holm": (
        lambda: _line(
            lambda u, x, t: u.diff(t) - u.diff(x, x, t) + 3 * u * u.diff(x) - 2 * u.diff(x) * u.diff(x, 2)
            - u * u.diff(x, 3)
        ), 3, 3,
    ),
    "Benjamin-Bona-Mahony": (
        lambda: _line(lambda u, x, t: u.diff(t) + u.diff(x) + u * u.diff(x) - u.diff(x, x, t)), 3, 3,
    ),
    "cubic Klein-Gordon": (lambda: _line(lambda u, x, t: u.diff(t, 2) - u.diff(x, 2) - u**3), 4, 4),
    "Burgers 2D": (_burgers_plane, 8, 8),
    "shallow water 2D": (_shallow_plane, 9, 9),
    "potential Burgers": (lambda: _line(lambda u, x, t: u.diff(t) - u.diff(x, 2) - u.diff(x) ** 2), None, 6),
    "Liouville": (lambda: _line(lambda u, x, t: u.diff(x, t) - sp.exp(u)), None, 6),
    "wave 1D": (lambda: _wave(1), None, 7),
    "Laplace 2D": (lambda: _laplace(2), None, 7),
    "advection": (lambda: _line(lambda u, x, t: u.diff(t) + S("a") * u.diff(x)), None, 12),
    "shallow water 1D": (
        lambda: _pair(lambda h, u, x, t: (h.diff(t) + (h * u).diff(x), u.diff(t) + u * u.diff(x) + S("g") * h.diff(x))),
        None, 6,
    ),
    "Kadomtsev-Petviashvili": (_kadomtsev, None, 9),
    "Euler 2D": (lambda: _flow(0), None, 13),
    "Navier-Stokes 2D": (lambda: _flow(S("nu")), None, 12),
}  # fmt: skip


CRC = "Ibragimov (ed.), CRC Handbook of Lie Group Analysis of Differential Equations 1 (1994), section"
OLVER = "Olver, Applications of Lie Groups to Differential Equations (1993), example"
SOURCES = {
    "heat 1D": f"{OLVER} 2.41",
    "heat 2D": "Niederer 1972",
    "heat 3D": "Niederer 1972",
    "wave 2D": f"{OLVER} 2.43",
    "Helmholtz 2D": "Miller, Symmetry and Separation of Variables (1977), chapter 1",
    "Klein-Gordon": "Miller, Symmetry and Separation of Variables (1977), chapter 1",
    "Black-Scholes": "Gazizov, Ibragimov 1998",
    "free Schroedinger": "Niederer 1972",
    "harmonic oscillator": "Niederer 1973",
    "Burgers": "Katkov 1965",
    "KdV": f"{OLVER} 2.44",
    "Fisher-KPP": "Arrigo, Symmetry Analysis of Differential Equations (2015), section 3.2.4",
    "porous medium u^m": f"{CRC} 10.2",
    "fast diffusion u^(-4/3)": f"Ovsiannikov 1959; {CRC} 10.2",
    "nonlinear wave u^(-4/3)": f"Ames, Lohner, Adams 1981; {CRC} 12.4",
    "sine-Gordon": f"Lie 1881; {CRC} 12.3",
    "Liouville": f"Lie 1881; {CRC} 12.3",
    "wave 1D": f"{CRC} 12.1",
    "Hamilton-Jacobi": "Arrigo, Symmetry Analysis of Differential Equations (2015), example 3.1",
    "minimal surface": "Arrigo, Symmetry Analysis of Differential Equations (2015), exercises 3.2",
    "nonlinear Schroedinger": "Gagnon, Winternitz 1988",
    "potential Burgers": f"{OLVER} 2.42",
    "modified KdV": "Baumann, Symmetry Analysis of Differential Equations with Mathematica (2000), p. 299",
    "Harry Dym": "Baumann, Symmetry Analysis of Differential Equations with Mathematica (2000), p. 226",
    "Boussinesq": "Clarkson, Kruskal 1989",
    "Camassa-Holm": "Clarkson, Mansfield, Priestley 1997",
    "Burgers 2D": "Kontogiorgis, Popovych, Sophocleous 2017 (arXiv 1709.02708)",
    "shallow water 2D": "Chesnokov 2009",
    "Kadomtsev-Petviashvili": "David, Kamran, Levi, Winternitz 1985",
}  # where the dimension, or the infinite algebra, is printed


def system(name: str) -> tuple[Sequence[sp.Expr], Sequence[AppliedUndef]]:
    """The equations "= 0" and the fields of that name."""
    return EQUATIONS[name][0]()
