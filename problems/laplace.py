"""Laplace's equation on a square: u_xx + u_yy = 0."""

import sympy as sp

import pinnkit as pk


def laplace() -> pk.Problem:
    """u_xx + u_yy = 0 on [0, 1]^2, u = e^x cos y + ln((x - 2)^2 + y^2) on the boundary: a source outside."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    u_xx, u_yy = pk.derivatives(u, "xx", "yy")
    exact = sp.exp(x) * sp.cos(y) + sp.log((x - 2) ** 2 + y**2)
    return pk.Problem(
        name="laplace",
        fields=u,
        equations=u_xx + u_yy,
        domain=pk.Box(x=(0, 1), y=(0, 1)),
        conditions=[pk.Dirichlet(u, exact)],
        reference=pk.Exact({u: exact}),
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

    main(["solve", "laplace", *sys.argv[1:]])
