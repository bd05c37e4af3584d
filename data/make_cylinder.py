"""Steady flow around a cylinder in a channel, the benchmark DFG 2D-1 at Re = 20, dimensionless.

Lengths in diameters (0.1 m), velocities in mean inflow velocities (0.2 m/s), pressures in their square times
the density: [0, 22] x [0, 4.1] without the disk of radius 1/2 around (2, 2). u = 6 y (4.1 - y) / 4.1^2 and v = 0
at the inflow, no slip on walls and cylinder, u_x / Re = p and v_x = 0 at the outflow. Taylor-Hood elements of
degree 6 and 5, whose cells end exactly on the circle, and Newton's method.

Published values (flow_published.py) are in the benchmark's own scaling: drag and lift coefficient, 2 F / (rho U^2 D),
are here twice the dimensionless force; the pressure difference between the front (1.5, 2) and the back (2.5, 2) is in
m^2/s^2, 0.04 times the dimensionless one.

Error: the larger of the distances to a coarser mesh with degree 7 and to the same mesh with degree 5.

    pip install ".[fem]"; python data/make_cylinder.py [FOLDER]     # 70 s of CPU

The file is put in its place when all is done; run again with the same libraries it is the same byte for byte.
"""

from time import process_time

import numpy as np
from flow_fem import Dirichlet, Space, force, newton
from flow_mesh import Array, Blocks, Ring, graded, refine
from flow_published import DFG
from table import relative, target, write

RE = 20.0
LENGTH, HEIGHT, CENTRE, RADIUS, HALF = 22.0, 4.1, (2.0, 2.0), 0.5, 1.0
PRESSURE_UNIT = 0.04  # (0.2 m/s)^2


def mesh(level: int) -> Blocks:
    """Cells that crowd at the cylinder; each level halves them."""
    n = 6 * 2**level
    ring = Ring(CENTRE, RADIUS, HALF, tuple(refine(graded(0, 1, 4, 1.6), level)), n)
    side = CENTRE[0] + HALF * ring.slopes  # the centre has equal coordinates, so this serves both directions
    left, right = side[0], side[-1]
    xs = [refine(graded(0, left, 3, 0.75), level)[:-1], side, refine(graded(right, LENGTH, 12, 1.17), level)[1:]]
    ys = [refine([0, 0.4, left], level)[:-1], side, refine([right, 3.65, HEIGHT], level)[1:]]
    return Blocks(np.concatenate(xs), np.concatenate(ys), ring)


def inflow(y: Array) -> Array:
    """The parabolic profile of mean 1."""
    return 6 * y * (HEIGHT - y) / HEIGHT**2


class Flow:
    """The solution on one mesh: `fields(x, y)`, and the benchmark's three quantities."""

    def __init__(self, level: int, degree: int):
        self.space = Space(mesh(level), degree)
        x, y = self.space.nodes
        cylinder = np.hypot(x - CENTRE[0], y - CENTRE[1]) < RADIUS + 1e-9
        walls = (y < 1e-9) | (y > HEIGHT - 1e-9)
        given = Dirichlet.on(
            self.space,
            (x < 1e-9, lambda x, y: (inflow(y), 0.0)),
            (walls | cylinder, lambda x, y: (0.0, 0.0)),
        )
        self.state, residual = newton(self.space, 1 / RE, given)
        drag, lift = 2 * force(self.space, residual, cylinder)
        front, back = self.fields(np.array([1.5, 2.5]), np.array([2.0, 2.0]))[2]
        difference = PRESSURE_UNIT * (front - back)
        self.quantities = {"drag": float(drag), "lift": float(lift), "pressure difference": float(difference)}

    def fields(self, x: Array, y: Array) -> Array:
        """u, v, p at points (n,), shape (3, n)."""
        return self.space.evaluate(self.state, x, y)

    def wall(self, n: int) -> dict[str, Array]:
        """Pressure and viscous stress (1/Re) du/dn, n outwards of the cylinder, at n equally spaced angles.

        The force on the cylinder is the integral of stress - p n.
        """
        angle = 2 * np.pi * np.arange(n) / n
        normal = np.array([np.cos(angle), np.sin(angle)])
        x, y = np.array(CENTRE)[:, None] + RADIUS * normal
        _, _, p, u_x, u_y, v_x, v_y = self.space.evaluate(self.state, x, y, gradients=True)
        stress = np.array([[u_x, u_y], [v_x, v_y]]) / RE
        along, across = np.einsum("ijk,jk->ik", stress, normal)
        return {"angle": angle, "p": p, "stress_x": along, "stress_y": across}


def grid(nx: int = 441, ny: int = 83) -> tuple[Array, Array, Array]:
    """Uniform axes, and the mask of the nodes that are not inside the cylinder."""
    x, y = np.linspace(0, LENGTH, nx), np.linspace(0, HEIGHT, ny)
    distance = np.hypot(x[:, None] - CENTRE[0], y - CENTRE[1])
    return x, y, distance >= RADIUS - 1e-12


def tabulate(flow: Flow, x: Array, y: Array, mask: Array) -> dict[str, Array]:
    """u, v, p on the grid, NaN inside the cylinder; exact zeros on what does not slip."""
    X, Y = np.meshgrid(x, y, indexing="ij")
    table = np.full((3, *mask.shape), np.nan)
    table[:, mask] = flow.fields(X[mask], Y[mask])
    still = (np.hypot(X - CENTRE[0], Y - CENTRE[1]) <= RADIUS + 1e-12) | (Y == 0) | (Y == HEIGHT)
    table[:2, still & mask] = 0
    return dict(zip("uvp", table, strict=True))


def solved(level: int, degree: int) -> Flow:
    """The solution on one mesh, reported."""
    flow = Flow(level, degree)
    drag = flow.quantities["drag"]
    print(f"level {level}, degree {degree}: drag {drag:.12f}, {process_time():.0f} s of CPU", flush=True)
    return flow


def main() -> None:
    """Solve on three discretisations, measure the error and write cylinder.h5."""
    path = target("cylinder.h5")
    others, flow = [solved(0, 7), solved(1, 5)], solved(1, 6)
    x, y, mask = grid()
    fields, tables = tabulate(flow, x, y, mask), [tabulate(other, x, y, mask) for other in others]
    error = {name: max(relative(field[mask], t[name][mask]) for t in tables) for name, field in fields.items()}
    quantities = dict(flow.quantities)
    for name, value in flow.quantities.items():
        quantities[f"{name} error"] = max(abs(value - other.quantities[name]) for other in others)
        print(f"{name:20} {value:.12f}  published {DFG[name]:.12f}  difference {value - DFG[name]:+.1e}")
    wall, again = flow.wall(256), [other.wall(256) for other in others]
    for name in ("p", "stress_x", "stress_y"):
        quantities[f"wall {name} error"] = max(relative(wall[name], w[name]) for w in again)
    write(
        path,
        {"x": x, "y": y},
        fields,
        error=error,
        method="Taylor-Hood finite elements of degree 6 and 5, exact circle, Newton's method (scikit-fem)",
        parameters={"Re": RE, "length": LENGTH, "height": HEIGHT, "centre": CENTRE, "radius": RADIUS},
        mask=mask,
        quantities=quantities,
        parts={"wall": wall},
    )
    print(f"{path.name}: {path.stat().st_size} bytes, errors", {k: f"{v:.1e}" for k, v in error.items()})
    print({k: f"{v:.1e}" for k, v in quantities.items() if k.endswith("error")})


if __name__ == "__main__":
    main()
