"""Burgers' equation, a shock forms at x = 0: u_t + u u_x = nu u_xx (Raissi, Perdikaris, Karniadakis 2019)."""

import math

import sympy as sp

import pinnkit as pk

NU = 0.01 / math.pi


def burgers(nu: float = NU) -> pk.Problem:
    """u_t + u u_x = nu u_xx on [-1, 1] x [0, 1], u(x, 0) = -sin(pi x), u(+-1, t) = 0."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_x, u_xx = pk.derivatives(u, "t", "x", "xx")
    return pk.Problem(
        name="burgers",
        fields=u,
        equations=u_t + u * u_x - sp.Symbol("nu") * u_xx,
        domain=pk.Box(x=(-1, 1), t=(0, 1)),
        conditions=[pk.Initial(u, -sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")],
        parameters={"nu": nu},
        reference=pk.Table("burgers.h5") if nu == NU else None,
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 20, 1),
            points={"pde": 1500},
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(9000)],
            resample=pk.rad(weights=True, every=200, c=0.2, growth=1.05, max_points=6000, candidates=20_000),
        ),
        arguments={"nu": nu},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "burgers", *sys.argv[1:]])
