"""Burgers' equation u_t + u u_x = nu u_xx, nu = 0.01/pi, on [-1, 1] x [0, 1].

Initial condition u(x, 0) = -sin(pi x), boundary condition u(+-1, t) = 0. Cole-Hopf: u is the mean of the
initial condition over the density proportional to exp(-E(y)), E(y) = (x - y)^2 / (4 nu t) + cos(pi y) /
(2 pi nu). The integrand is entire and decays like a Gaussian, so the trapezoidal rule on the whole line
converges geometrically; E is shifted by its minimum, so nothing overflows.

Error: the largest of the distances to composite Gauss-Legendre quadrature of another mean, that of (x -
y) / t, to the trapezoidal rule with more nodes, and to 40-digit quadrature at six points (absolute
there, and max |u| = 1).
"""

import mpmath
import numpy as np
from numpy.typing import NDArray
from table import relative, target, write

Array = NDArray[np.float64]

NU = 0.01 / np.pi
# With y = x - sqrt(4 nu t) z: beyond |z| = 13 the integrand is below exp(100 - 13^2) times its maximum.
REACH = 13.0
POINTS = [(1 / 128, 1.0), (-1 / 128, 0.4), (1 / 64, 0.33), (-0.5, 0.01), (0.25, 0.25), (127 / 128, 0.77)]


def trapezoid(nodes: int) -> tuple[Array, Array]:
    """Nodes and weights of the trapezoidal rule on [-REACH, REACH]."""
    return np.linspace(-REACH, REACH, nodes), np.ones(nodes)


def legendre(panels: int, order: int = 12) -> tuple[Array, Array]:
    """Nodes and weights of composite Gauss-Legendre quadrature on [-REACH, REACH]."""
    node, weight = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(-REACH, REACH, panels + 1)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * node).ravel(), (half * weight).ravel()


def column(x: Array, t: float, z: Array, weight: Array, *, drift: bool = False) -> Array:
    """Solution at one time t > 0, the mean of -sin(pi y) or, with `drift`, of (x - y) / t."""
    step = np.sqrt(4 * NU * t) * z
    y = x[:, None] - step
    exponent = -(z**2) - np.cos(np.pi * y) / (2 * np.pi * NU)
    density = weight * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    value = step / t if drift else -np.sin(np.pi * y)
    return (density * value).sum(axis=1) / density.sum(axis=1)


def grid(nx: int, nt: int) -> tuple[Array, Array]:
    """Uniform axes with both end points."""
    return np.linspace(-1, 1, nx), np.linspace(0, 1, nt)


def solve(nx: int = 257, nt: int = 101, nodes: int = 1001) -> tuple[Array, Array, Array]:
    """Solution u[x, t] by the trapezoidal rule with `nodes` nodes."""
    x, t = grid(nx, nt)
    rule = trapezoid(nodes)
    u = np.stack([-np.sin(np.pi * x)] + [column(x, time, *rule) for time in t[1:]], axis=1)
    u[[0, -1]] = 0
    return x, t, u


def solve_by_drift(nx: int = 257, nt: int = 101, panels: int = 130) -> tuple[Array, Array, Array]:
    """Solution u[x, t] by Gauss-Legendre quadrature of the mean of (x - y) / t."""
    x, t = grid(nx, nt)
    rule = legendre(panels)
    u = np.stack([-np.sin(np.pi * x)] + [column(x, time, *rule, drift=True) for time in t[1:]], axis=1)
    return x, t, u


def exact(x: float, t: float, digits: int = 40) -> float:
    """Solution at one point by tanh-sinh quadrature in `digits` digits."""
    with mpmath.workdps(digits):
        nu, scale = mpmath.mpf(1) / 100 / mpmath.pi, mpmath.sqrt(mpmath.mpf(t) / 25 / mpmath.pi)

        def density(z: mpmath.mpf) -> mpmath.mpf:
            return mpmath.exp(-z * z - mpmath.cos(mpmath.pi * (x - scale * z)) / (2 * mpmath.pi * nu))

        pieces = mpmath.linspace(-14, 14, 29)
        top = mpmath.quad(lambda z: -mpmath.sin(mpmath.pi * (x - scale * z)) * density(z), pieces)
        return float(top / mpmath.quad(density, pieces))


def measure(x: Array, t: Array, u: Array) -> dict[str, float]:
    """Distances of u[x, t] to other quadratures."""
    rule = trapezoid(1001)
    points = [abs(column(np.array([a]), b, *rule)[0] - exact(a, b)) for a, b in POINTS]
    return {
        "drift form, Gauss-Legendre": relative(u, solve_by_drift(len(x), len(t))[2]),
        "trapezoidal rule, 1601 nodes": relative(u, solve(len(x), len(t), 1601)[2]),
        "40 digits, worst of 6 points": max(points),
    }


def main() -> None:
    """Solve, measure the error and write burgers.h5."""
    path = target("burgers.h5")
    x, t, u = solve()
    distances = measure(x, t, u)
    error = max(distances.values())
    write(
        path,
        {"x": x, "t": t},
        {"u": u},
        error=error,
        method="Cole-Hopf, trapezoidal rule with 1001 nodes on the whole line",
        parameters={"nu": NU},
    )
    print(f"{path.name}: {path.stat().st_size} bytes, error {error:.1e}")
    for name, distance in distances.items():
        print(f"  {name}: {distance:.1e}")


if __name__ == "__main__":
    main()
