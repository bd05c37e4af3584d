"""Waves of a field with mass: u_tt = c^2 u_xx - m^2 u."""

import sympy as sp

import pinnkit as pk


def klein_gordon(c: float = 1.0, m: float = 3.0) -> pk.Problem:
    """u_tt = c^2 u_xx - m^2 u on [0, 1]^2, two modes that start at rest, u = 0 at the ends."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_tt, u_xx = pk.derivatives(u, "tt", "xx")
    speed, mass = sp.symbols("c m")

    def mode(k: int) -> sp.Expr:
        return sp.cos(sp.sqrt((k * sp.pi * speed) ** 2 + mass**2) * t) * sp.sin(k * sp.pi * x)

    exact = mode(1) + mode(2) / 2
    return pk.Problem(
        name="klein_gordon",
        fields=u,
        equations=u_tt - speed**2 * u_xx + mass**2 * u,
        domain=pk.Box(x=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")],
        parameters={"c": c, "m": m},
        reference=pk.Exact({u: exact}, {"c": c, "m": m}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"c": c, "m": m},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "klein_gordon", *sys.argv[1:]])
