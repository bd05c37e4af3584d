"""Heat equation u_t = u_xx on [0, 1] x [0, 0.1] and wave equation u_tt = u_xx on [0, 1] x [0, 1].

Five initial conditions each, by separation of variables (`series.py`). Heat: the boundary values are
those of the initial condition. Wave: u = 0 at both ends and u_t = 0 at t = 0. Error: the distance to a
formula without a series, image sources for heat and d'Alembert's formula for the wave; for heat also the
distance to half the modes if that is larger.
"""

import numpy as np
from numpy.typing import NDArray
from series import heat, heat_by_images, wave, wave_by_characteristics
from table import relative, target, write

Array = NDArray[np.float64]

ALPHA, C = 1.0, 1.0
HEAT_MODES, WAVE_MODES = 400, 4000


def poly(x: Array) -> Array:
    """Polynomial with the end values 0 and 2."""
    return x**2 + x**3 - x**5 + x**7


def bump(x: Array) -> Array:
    """Wide Gaussian, exp(-5/4) at both ends."""
    return np.exp(-5 * (x - 0.5) ** 2)


def pulse(x: Array) -> Array:
    """Narrow Gaussian, exp(-25/2) = 3.7e-6 at both ends."""
    return np.exp(-50 * (x - 0.5) ** 2)


def pulses(x: Array) -> Array:
    """Two narrow Gaussians, 7.9e-8 at the left end."""
    return 0.7 * np.exp(-100 * (x - 0.4) ** 2) + np.exp(-500 * (x - 0.7) ** 2)


def sine(x: Array) -> Array:
    """The fourth eigenfunction."""
    return np.sin(4 * np.pi * x)


def sines(x: Array) -> Array:
    """A sum of three eigenfunctions."""
    return 0.5 * np.sin(2 * np.pi * x) - 0.2 * np.sin(4 * np.pi * x) + 0.7 * np.sin(12 * np.pi * x)


def step(x: Array) -> Array:
    """Smoothed indicator of [0.4, 0.6]."""
    return (np.tanh(500 * (x - 0.4)) - np.tanh(500 * (x - 0.6))) / 2


HEAT = {"poly": poly, "gauss": bump, "sine": sine, "sine_mix": sines, "step": step}
WAVE = {"gauss": pulse, "gauss_mix": pulses, "sine": sine, "sine_mix": sines, "step": step}


def solve(equation: str, name: str, nx: int = 101, nt: int = 101) -> tuple[Array, Array, Array]:
    """Solution u[x, t] of the `equation` heat or wave1d for the initial condition `name`."""
    x = np.linspace(0, 1, nx)
    if equation == "heat":
        t = np.linspace(0, 0.1, nt)
        return x, t, heat(HEAT[name], x, t, alpha=ALPHA, modes=HEAT_MODES)
    t = np.linspace(0, 1, nt)
    return x, t, wave(WAVE[name], x, t, c=C, modes=WAVE_MODES)


def measure(equation: str, name: str, x: Array, t: Array, u: Array) -> float:
    """Distance of u[x, t] to the formula without a series, or to half the modes if that is larger."""
    if equation == "heat":
        images = relative(u, heat_by_images(HEAT[name], x, t, alpha=ALPHA))
        return max(images, relative(u, heat(HEAT[name], x, t, alpha=ALPHA, modes=HEAT_MODES // 2)))
    return relative(u, wave_by_characteristics(WAVE[name], x, t, c=C))


def main() -> None:
    """Solve, measure the errors and write heat_<name>.h5 and wave1d_<name>.h5."""
    for equation, names in ("heat", HEAT), ("wave1d", WAVE):
        modes = HEAT_MODES if equation == "heat" else WAVE_MODES
        constant = {"alpha": ALPHA} if equation == "heat" else {"c": C}
        for name in names:
            path = target(f"{equation}_{name}.h5")
            x, t, u = solve(equation, name)
            error = measure(equation, name, x, t, u)
            write(
                path,
                {"x": x, "t": t},
                {"u": u},
                error=error,
                method=f"separation of variables, {modes} modes",
                parameters=constant | {"initial": name, "modes": modes},
            )
            print(f"{path.name}: {path.stat().st_size} bytes, error {error:.1e}")


if __name__ == "__main__":
    main()
