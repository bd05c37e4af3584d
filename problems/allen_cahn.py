"""The Allen-Cahn equation between walls held at -1: u_t = D u_xx + 5 (u - u^3) (Yu et al. 2022)."""

import sympy as sp

import pinnkit as pk

D = 0.001


def allen_cahn(diffusivity: float = D) -> pk.Problem:
    """u_t = D u_xx + 5 (u - u^3) on [-1, 1] x [0, 1], u(x, 0) = x^2 cos(pi x), u(+-1, t) = -1."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xx = pk.derivatives(u, "t", "xx")
    return pk.Problem(
        name="allen_cahn",
        fields=u,
        equations=u_t - sp.Symbol("D") * u_xx + 5 * (u**3 - u),
        domain=pk.Box(x=(-1, 1), t=(0, 1)),
        conditions=[pk.Initial(u, x**2 * sp.cos(sp.pi * x)), pk.Dirichlet(u, -1, on="x")],
        parameters={"D": diffusivity},
        reference=pk.Table("allen_cahn.h5") if diffusivity == D else None,
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 20, 1),
            points={"pde": 2000},
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(6000)],
            resample=pk.rad(weights=True, every=100),
        ),
        arguments={"diffusivity": diffusivity},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "allen_cahn", *sys.argv[1:]])
