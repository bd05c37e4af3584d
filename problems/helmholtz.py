"""Standing waves on a square: u_xx + u_yy + k^2 u = 0."""

import sympy as sp

import pinnkit as pk


def helmholtz(k: float = 5.0) -> pk.Problem:
    """u_xx + u_yy + k^2 u = 0 on [0, 1]^2, u = cos(k x) + sin(k (3 x + 4 y) / 5) on the boundary."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    u_xx, u_yy = pk.derivatives(u, "xx", "yy")
    wave = sp.Symbol("k")
    exact = sp.cos(wave * x) + sp.sin(wave * (3 * x + 4 * y) / 5)
    return pk.Problem(
        name="helmholtz",
        fields=u,
        equations=u_xx + u_yy + wave**2 * u,
        domain=pk.Box(x=(0, 1), y=(0, 1)),
        conditions=[pk.Dirichlet(u, exact)],
        parameters={"k": k},
        reference=pk.Exact({u: exact}, {"k": k}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"k": k},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "helmholtz", *sys.argv[1:]])
