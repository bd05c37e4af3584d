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
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "laplace", *sys.argv[1:]])
