"""Steady flow around a cylinder in a channel, Re = 20: the benchmark DFG 2D-1 (Schaefer, Turek 1996), dimensionless.

Lengths are in diameters, velocities in mean inflow velocities: [0, 22] x [0, 4.1] without the disk of radius 1/2 around
(2, 2). Published: drag 5.57953523384, lift 0.010618948146 (2 F, both), pressure difference 0.11752016697 / 0.04 between
(1.5, 2) and (2.5, 2) (Nabh 1998; John, Matthies 2001).
"""

from typing import Any

import numpy as np
import sympy as sp

import pinnkit as pk
from pinnkit.domain.distance_function import exact_number
from pinnkit.output.deepxde.to_deepxde import import_deepxde

FORMS = ("velocity", "stream")
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


def cylinder(reynolds: float = 20.0, convection: float = 1.0, form: str = "velocity") -> pk.Problem:
    """convection u.grad u + grad p = Laplace u / Re, div u = 0; parabolic inflow, no slip, free outflow.

    ``convection=0`` is Stokes' flow, for the model that is broken on purpose. ``form="stream"`` has the fields psi, p
    with u = psi_y, v = -psi_x: incompressible by construction. The inflow fixes psi on both walls; on the cylinder it
    is a constant, how much fluid passes below, that nobody knows: ``psi_cylinder`` is trained with the network. This
    form is as accurate after as many iterations, but one costs 2.5 times as much: the equations are of third order.

    Raises:
        ValueError: an unknown form.
    """
    if form not in FORMS:
        raise ValueError(f"cylinder has no form {form!r}: choose one of {', '.join(FORMS)}")
    x, y = pk.coordinates("x y")
    psi, u, v, p = (pk.field(name, x, y) for name in ("psi", "u", "v", "p"))
    H = sp.Rational(41, 10)
    if form == "stream":
        conditions, more = _stream(psi, H)
        u, v, fields = psi.diff(y), -psi.diff(x), (psi, p)
    else:
        conditions, more, fields = _velocity(u, v, H), {}, (u, v, p)
    Re, c = sp.Symbol("Re", positive=True), sp.Symbol("convection")
    equations = {
        "x momentum": c * (u * u.diff(x) + v * u.diff(y)) + p.diff(x) - (u.diff(x, 2) + u.diff(y, 2)) / Re,
        "y momentum": c * (u * v.diff(x) + v * v.diff(y)) + p.diff(y) - (v.diff(x, 2) + v.diff(y, 2)) / Re,
    }
    return pk.Problem(
        name="cylinder",
        fields=fields,
        equations=equations if form == "stream" else equations | {"continuity": u.diff(x) + v.diff(y)},
        domain=channel(),
        conditions=[
            *conditions,
            pk.Operator("u outflow", u.diff(x) / Re - p, on="outflow"),
            pk.Operator("v outflow", v.diff(x) / Re, on="outflow"),
        ],
        parameters={"Re": reynolds, "convection": convection},
        reference=pk.Table("cylinder.h5") if (reynolds, convection) == (20.0, 1.0) else None,
        **more,
        recipe=pk.Recipe(
            network=pk.MLP(2, 32, 32, 32, 32, len(fields), features=pk.Inversion(CENTRE, RADIUS)),
            points={"pde": 2500, "outflow": 64},
            stages=[pk.Adam(300, lr=2e-3, decay=0.3), pk.SSBroyden(4700)],
            resample=pk.rad(every=100, weights=True, candidates=40_000),  # many: few of them lie next to the cylinder
            weights={} if form == "stream" else {"continuity": 4.0},
        ),
        arguments={"reynolds": reynolds, "convection": convection, "form": form},
    )


def _velocity(u: sp.Expr, v: sp.Expr, H: sp.Expr) -> list[pk.Dirichlet]:
    """Inflow and no slip."""
    y = u.args[1]
    return [
        pk.Dirichlet(u, 6 * y * (H - y) / H**2, on="inflow"),
        pk.Dirichlet(v, 0, on="inflow"),
        pk.Dirichlet(u, 0, on=("walls", "cylinder")),
        pk.Dirichlet(v, 0, on=("walls", "cylinder")),
    ]


def _stream(psi: sp.Expr, H: sp.Expr) -> tuple[list[pk.Dirichlet | pk.Neumann], dict[str, Any]]:
    """The same of psi and its normal derivative, and an ansatz that meets them all, whatever psi is on the cylinder."""
    (x, y), constant = psi.args, sp.Symbol("psi_cylinder", real=True)
    inflow = y**2 * (3 * H - 2 * y) / H**2
    square = sum((s - exact_number(a)) ** 2 for s, a in zip((x, y), CENTRE, strict=True))
    R2 = exact_number(RADIUS) ** 2
    near = sp.exp(-3 * (square - R2) ** 2)  # 1 on the cylinder, of slope 0; below 1e-18 on the walls
    outer = x**2 / (1 + x**2) * (4 * y * (H - y) / H**2) ** 2
    conditions = [
        pk.Dirichlet(psi, inflow, on=("inflow", "walls")),
        pk.Neumann(psi, 0, on=("inflow", "walls")),
        pk.Dirichlet(psi, constant, on="cylinder"),
        pk.Neumann(psi, 0, on="cylinder"),
    ]
    return conditions, {
        "derived": {"u": psi.diff(y), "v": -psi.diff(x)},
        "unknowns": {"psi_cylinder": HEIGHT / 2},
        "ansatz": {psi: (inflow + (constant - inflow) * near, outer * (1 - R2 / square) ** 2)},
    }


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "cylinder", *sys.argv[1:]])
