"""The density of a particle on a spring in a heat bath (Fokker, Planck; Ornstein, Uhlenbeck)."""

import sympy as sp

import pinnkit as pk


def ornstein_uhlenbeck(theta: float = 1.0, D: float = 0.5) -> pk.Problem:
    """u_t = theta (x u)_x + D u_xx on [-3, 3] x [0, 1], at first a normal density at x = 1 of variance 1/4."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_x, u_xx = pk.derivatives(u, "t", "x", "xx")
    k, d = sp.symbols("theta D")
    mean = sp.exp(-k * t)
    variance = d / k + (sp.Rational(1, 4) - d / k) * sp.exp(-2 * k * t)
    exact = sp.exp(-((x - mean) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)
    return pk.Problem(
        name="ornstein_uhlenbeck",
        fields=u,
        equations=u_t - k * (u + x * u_x) - d * u_xx,
        domain=pk.Box(x=(-3, 3), t=(0, 1)),
        conditions=[
            pk.Initial(u, exact.subs(t, 0)),
            pk.Dirichlet(u, exact.subs(x, -3), on="x_min"),
            pk.Dirichlet(u, exact.subs(x, 3), on="x_max"),
        ],
        parameters={"theta": theta, "D": D},
        reference=pk.Exact({u: exact}, {"theta": theta, "D": D}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"theta": theta, "D": D},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "ornstein_uhlenbeck", *sys.argv[1:]])
