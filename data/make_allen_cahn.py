"""Allen-Cahn equation u_t = D u_xx + 5 (u - u^3), D = 0.001, on [-1, 1] x [0, 1].

Initial condition u(x, 0) = x^2 cos(pi x), boundary condition u(+-1, t) = -1. The solution is even in x.
Chebyshev collocation of even functions, whose nodes crowd at the walls, where the solution is not smooth
at t = 0 (D u_xx is not 0 there), and Radau IIA of order 5; the values between the nodes by barycentric
interpolation.

Error: the largest of the distances to fewer and to more nodes, to a looser and to a tighter tolerance,
and to a method with another space and another time discretisation, Legendre spectral elements with the
exponential Runge-Kutta method of order 4.
"""

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import BarycentricInterpolator
from scipy.linalg import eigh
from table import relative, target, write

Array = NDArray[np.float64]

D, RATE = 1e-3, 5.0


def initial(x: Array) -> Array:
    """Initial condition."""
    return x**2 * np.cos(np.pi * x)


def reaction(u: Array) -> Array:
    """Source of the equation, which is 0 at the boundary value -1."""
    return RATE * (u - u**3)


def grid(nx: int, nt: int) -> tuple[Array, Array]:
    """Uniform axes with both end points."""
    return np.linspace(-1, 1, nx), np.linspace(0, 1, nt)


def differentiation(x: Array, weight: Array) -> Array:
    """First-derivative matrix on the nodes `x` with barycentric weights `weight`; its rows sum to 0."""
    distance = x[:, None] - x + np.eye(len(x))
    matrix = weight / weight[:, None] / distance
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


def chebyshev(n: int) -> tuple[Array, Array]:
    """Chebyshev points cos(pi j / n) for j = 0 ... n / 2 and the second derivative of even functions."""
    x = np.sin(np.pi * np.arange(n, -n - 1, -2) / (2 * n))
    weight = (-1.0) ** np.arange(n + 1)
    weight[[0, -1]] /= 2
    first = differentiation(x, weight)
    distance = x[:, None] - x + np.eye(n + 1)
    second = 2 * first * (np.diag(first)[:, None] - 1 / distance)
    np.fill_diagonal(second, 0)
    np.fill_diagonal(second, -second.sum(axis=1))
    half = n // 2
    fold = second[: half + 1, : half + 1].copy()
    fold[:, :half] += second[: half + 1, :half:-1]
    return x[: half + 1], fold


def solve(nx: int = 201, nt: int = 101, *, nodes: int = 800, rtol: float = 1e-12) -> tuple[Array, Array, Array]:
    """Solution u[x, t] by Chebyshev collocation with an even number of intervals `nodes`, and Radau IIA."""
    x, t = grid(nx, nt)
    node, second = chebyshev(nodes)
    inner, wall = D * second[1:, 1:], -D * second[1:, 0]

    def slope(_: float, u: Array) -> Array:
        return inner @ u + wall + reaction(u)

    def jacobian(_: float, u: Array) -> Array:
        return inner + np.diag(RATE * (1 - 3 * u**2))

    run = solve_ivp(slope, (0, 1), initial(node[1:]), "Radau", t, jac=jacobian, rtol=rtol, atol=rtol / 10)
    if not run.success:
        raise RuntimeError(run.message)
    half = np.concatenate([-np.ones((1, nt)), run.y])
    whole, values = np.concatenate([node, -node[-2::-1]]), np.concatenate([half, half[-2::-1]])
    u = BarycentricInterpolator(whole, values)(x)
    u[:, 0], u[[0, -1]] = initial(x), -1
    return x, t, u


def lobatto(degree: int) -> tuple[Array, Array, Array]:
    """Gauss-Lobatto-Legendre nodes on [-1, 1], their quadrature weights and their barycentric weights."""
    last = legendre.Legendre.basis(degree)
    node = np.concatenate([[-1], np.sort(last.deriv().roots().real), [1]])
    weight = 2 / (degree * (degree + 1) * last(node) ** 2)
    return node, weight, 1 / last(node)


def exponential(rate: Array, step: float) -> tuple[Array, ...]:
    """Coefficients of the exponential Runge-Kutta method of order 4, as means over circles."""
    z = step * rate[:, None] + np.exp(1j * np.pi * (np.arange(32) + 0.5) / 32)
    full, half = np.exp(step * rate), np.exp(step * rate / 2)
    stage = step * ((np.exp(z / 2) - 1) / z).real.mean(axis=1)
    first = step * ((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3).real.mean(axis=1)
    middle = step * ((4 + 2 * z + np.exp(z) * (2 * z - 4)) / z**3).real.mean(axis=1)
    last = step * ((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3).real.mean(axis=1)
    return full, half, stage, first, middle, last


def solve_by_elements(
    nx: int = 201, nt: int = 101, *, elements: int = 32, degree: int = 16, steps: int = 50
) -> tuple[Array, Array, Array]:
    """Solution u[x, t] by Legendre spectral elements on [0, 1] and `steps` steps per time slice."""
    x, t = grid(nx, nt)
    node, weight, bary = lobatto(degree)
    edges = np.linspace(0, 1, elements + 1)
    size = elements * degree + 1
    first = differentiation(node, bary)
    place, mass, stiffness = np.zeros(size), np.zeros(size), np.zeros((size, size))
    for k, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        span = slice(k * degree, (k + 1) * degree + 1)
        place[span] = a + (b - a) * (node + 1) / 2
        mass[span] += weight * (b - a) / 2
        stiffness[span, span] += first.T * weight @ first * 2 / (b - a)
    root = np.sqrt(mass[:-1])
    value, vector = eigh(-D * stiffness[:-1, :-1] / root[:, None] / root)
    to, back = vector.T * root, vector / root[:, None]
    full, half, stage, one, two, three = exponential(value, t[1] / steps)

    def source(v: Array) -> Array:
        return to @ reaction(back @ v - 1)

    v = to @ (initial(place[:-1]) + 1)  # u + 1 is 0 at the wall
    u = np.empty((size, nt))
    u[-1] = -1
    for i in range(nt):
        u[:-1, i] = back @ v - 1
        for _ in range(steps if i < nt - 1 else 0):
            n = source(v)
            a = half * v + stage * n
            na = source(a)
            nb = source(half * v + stage * na)
            nc = source(half * a + stage * (2 * nb - n))
            v = full * v + one * n + two * (na + nb) + three * nc
    field = np.empty((nx, nt))
    owner = np.clip(np.searchsorted(edges, np.abs(x), side="right") - 1, 0, elements - 1)
    for k in range(elements):
        span = slice(k * degree, (k + 1) * degree + 1)
        field[owner == k] = BarycentricInterpolator(place[span], u[span])(np.abs(x[owner == k]))
    return x, t, field


def measure(u: Array) -> dict[str, float]:
    """Distances of `u`, the result of `solve()`, to coarser, finer and independent solutions."""
    nx, nt = u.shape
    return {
        "640 nodes": relative(u, solve(nx, nt, nodes=640)[2]),
        "1040 nodes": relative(u, solve(nx, nt, nodes=1040)[2]),
        "tolerance 1e-11": relative(u, solve(nx, nt, rtol=1e-11)[2]),
        "tolerance 1e-13": relative(u, solve(nx, nt, rtol=1e-13)[2]),
        "spectral elements, exponential Runge-Kutta": relative(u, solve_by_elements(nx, nt)[2]),
    }


def main() -> None:
    """Solve, measure the error and write allen_cahn.h5."""
    path = target("allen_cahn.h5")
    x, t, u = solve()
    distances = measure(u)
    error = max(distances.values())
    write(
        path,
        {"x": x, "t": t},
        {"u": u},
        error=error,
        method="Chebyshev collocation with 800 intervals, Radau IIA of order 5 with relative tolerance 1e-12",
        parameters={"D": D, "rate": RATE},
    )
    print(f"{path.name}: {path.stat().st_size} bytes, error {error:.1e}")
    for name, distance in distances.items():
        print(f"  {name}: {distance:.1e}")


if __name__ == "__main__":
    main()
