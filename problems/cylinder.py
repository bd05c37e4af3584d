"""Steady flow around a cylinder in a channel, Re = 20: the benchmark DFG 2D-1 (Schaefer, Turek 1996), dimensionless.

Lengths are in diameters, velocities in mean inflow velocities: [0, 22] x [0, 4.1] without the disk of radius 1/2 around
(2, 2). Published: drag 5.57953523384, lift 0.010618948146 (2 F, both), pressure difference 0.11752016697 / 0.04 between
(1.5, 2) and (2.5, 2) (Nabh 1998; John, Matthies 2001).
"""

import numpy as np
import sympy as sp

import pinnkit as pk
from pinnkit.interop import import_deepxde

LENGTH, HEIGHT, CENTRE, RADIUS = 22.0, 4.1, (2.0, 2.0), 0.5


def channel() -> pk.Geometry:
    """The channel without the cylinder, and the names of its sides."""
    shapes = import_deepxde().geometry
    disk = shapes.Disk(list(CENTRE), RADIUS)
    sides = {
        "cylinder": disk,
        "inflow": lambda X: np.isclose(X[:, 0], 0, atol=1e-6),
        "outflow": lambda X: np.isclose(X[:, 0], LENGTH, atol=1e-6),
        "walls": lambda X: np.isclose(X[:, 1], 0, atol=1e-6) | np.isclose(X[:, 1], HEIGHT, atol=1e-6),
    }
    return pk.Geometry(shapes.Rectangle([0, 0], [LENGTH, HEIGHT]) - disk, parts=sides)


def cylinder(reynolds: float = 20.0, convection: float = 1.0) -> pk.Problem:
    """convection u.grad u + grad p = Laplace u / Re, div u = 0; parabolic inflow, no slip, free outflow.

    ``convection=0`` is Stokes' flow, for the model that is broken on purpose.
    """
    x, y = pk.coordinates("x y")
    u, v, p = (pk.field(name, x, y) for name in "uvp")
    u_x, u_y, u_xx, u_yy = pk.derivatives(u, "x", "y", "xx", "yy")
    v_x, v_y, v_xx, v_yy = pk.derivatives(v, "x", "y", "xx", "yy")
    p_x, p_y = pk.derivatives(p, "x", "y")
    Re, c = sp.Symbol("Re", positive=True), sp.Symbol("convection")
    H = sp.Rational(41, 10)
    return pk.Problem(
        name="cylinder",
        fields=(u, v, p),
        equations={
            "x momentum": c * (u * u_x + v * u_y) + p_x - (u_xx + u_yy) / Re,
            "y momentum": c * (u * v_x + v * v_y) + p_y - (v_xx + v_yy) / Re,
            "continuity": u_x + v_y,
        },
        domain=channel(),
        conditions=[
            pk.Dirichlet(u, 6 * y * (H - y) / H**2, on="inflow"),
            pk.Dirichlet(v, 0, on="inflow"),
            pk.Dirichlet(u, 0, on=("walls", "cylinder")),
            pk.Dirichlet(v, 0, on=("walls", "cylinder")),
            pk.Operator("u outflow", u_x / Re - p, on="outflow"),
            pk.Operator("v outflow", v_x / Re, on="outflow"),
        ],
        parameters={"Re": reynolds, "convection": convection},
        reference=pk.Table("cylinder.h5") if (reynolds, convection) == (20.0, 1.0) else None,
        recipe=pk.Recipe(
            network=pk.MLP(2, 32, 32, 32, 32, 3, features=pk.Inversion(CENTRE, RADIUS)),
            points={"pde": 2500, "outflow": 64},
            stages=[pk.Adam(300, lr=2e-3, decay=0.3), pk.SSBroyden(4700)],
            resample=pk.rad(every=100, weights=True, candidates=40_000),  # many: few of them lie next to the cylinder
            weights={"continuity": 4.0},
        ),
        arguments={"reynolds": reynolds, "convection": convection},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "cylinder", *sys.argv[1:]])
