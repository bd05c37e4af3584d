"""Drift and diffusion on a ring: u_t + beta u_x = alpha u_xx."""

import sympy as sp

import pinnkit as pk


def drift_diffusion(alpha: float = 1.0, beta: float = 20.0) -> pk.Problem:
    """u_t + beta u_x = alpha u_xx on [0, 2 pi] x [0, 1], periodic in x, u(x, 0) = sin(2 x + pi / 4)."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_x, u_xx = pk.derivatives(u, "t", "x", "xx")
    a, b = sp.symbols("alpha beta")
    return pk.Problem(
        name="drift_diffusion",
        fields=u,
        equations=u_t - a * u_xx + b * u_x,
        domain=pk.Box(x=(0, 2 * sp.pi), t=(0, 1)),
        conditions=[pk.Initial(u, sp.sin(2 * x + sp.pi / 4)), pk.Periodic(u, "x", order=1)],
        parameters={"alpha": alpha, "beta": beta},
        reference=pk.Exact(
            {u: sp.sin(2 * (x - b * t) + sp.pi / 4) * sp.exp(-4 * a * t)}, {"alpha": alpha, "beta": beta}
        ),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1, activation="sin", features=pk.Harmonics(("x",), 2)),
            points={"pde": 2000},
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(6000)],
            resample=pk.rad(weights=True, every=100),
        ),
        arguments={"alpha": alpha, "beta": beta},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "drift_diffusion", *sys.argv[1:]])
