"""Diffusion with a source: u_t = u_xx - e^-t (sin pi x - pi^2 sin pi x) (Lu, Meng, Mao, Karniadakis 2021)."""

import sympy as sp

import pinnkit as pk


def diffusion() -> pk.Problem:
    """u_t = u_xx - e^-t (1 - pi^2) sin(pi x) on [-1, 1] x [0, 1], u(x, 0) = sin(pi x), u(+-1, t) = 0."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xx = pk.derivatives(u, "t", "xx")
    sine = sp.sin(sp.pi * x)
    return pk.Problem(
        name="diffusion",
        fields=u,
        equations=u_t - u_xx + sp.exp(-t) * (sine - sp.pi**2 * sine),
        domain=pk.Box(x=(-1, 1), t=(0, 1)),
        conditions=[pk.Initial(u, sine), pk.Dirichlet(u, 0, on="x")],
        reference=pk.Exact({u: sp.exp(-t) * sine}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "diffusion", *sys.argv[1:]])
