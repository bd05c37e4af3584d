"""A bell that moves and spreads: u_t + a u_x = D u_xx."""

import sympy as sp

import pinnkit as pk


def advection_diffusion(a: float = 1.0, D: float = 0.02) -> pk.Problem:
    """u_t + a u_x = D u_xx on [0, 1]^2, u(x, 0) = exp(-50 (x - 1/4)^2), boundary values of the same bell."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_x, u_xx = pk.derivatives(u, "t", "x", "xx")
    speed, d = sp.symbols("a D")
    spread = 1 + 200 * d * t
    exact = sp.exp(-50 * (x - speed * t - sp.Rational(1, 4)) ** 2 / spread) / sp.sqrt(spread)
    return pk.Problem(
        name="advection_diffusion",
        fields=u,
        equations=u_t + speed * u_x - d * u_xx,
        domain=pk.Box(x=(0, 1), t=(0, 1)),
        conditions=[
            pk.Initial(u, exact.subs(t, 0)),
            pk.Dirichlet(u, exact.subs(x, 0), on="x_min"),
            pk.Dirichlet(u, exact.subs(x, 1), on="x_max"),
        ],
        parameters={"a": a, "D": D},
        reference=pk.Exact({u: exact}, {"a": a, "D": D}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"a": a, "D": D},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "advection_diffusion", *sys.argv[1:]])
