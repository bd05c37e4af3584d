"""Kovasznay's flow behind a grid: the steady Navier-Stokes equations with a closed form (Kovasznay 1948)."""

import sympy as sp

import pinnkit as pk


def kovasznay(reynolds: float = 40.0) -> pk.Problem:
    """u.grad u + grad p = Laplace u / Re, div u = 0 on [-1/2, 1] x [-1/2, 3/2]; u, v given on the boundary.

    The equations fix the pressure up to a constant; it is given at the outflow x = 1, where it does not vary.
    """
    x, y = pk.coordinates("x y")
    u, v, p = (pk.field(name, x, y) for name in "uvp")
    u_x, u_y, u_xx, u_yy = pk.derivatives(u, "x", "y", "xx", "yy")
    v_x, v_y, v_xx, v_yy = pk.derivatives(v, "x", "y", "xx", "yy")
    p_x, p_y = pk.derivatives(p, "x", "y")
    Re = sp.Symbol("Re", positive=True)
    k = Re / 2 - sp.sqrt(Re**2 / 4 + 4 * sp.pi**2)
    exact = {
        u: 1 - sp.exp(k * x) * sp.cos(2 * sp.pi * y),
        v: k / (2 * sp.pi) * sp.exp(k * x) * sp.sin(2 * sp.pi * y),
        p: (1 - sp.exp(2 * k * x)) / 2,
    }
    return pk.Problem(
        name="kovasznay",
        fields=(u, v, p),
        equations={
            "x momentum": u * u_x + v * u_y + p_x - (u_xx + u_yy) / Re,
            "y momentum": u * v_x + v * v_y + p_y - (v_xx + v_yy) / Re,
            "continuity": u_x + v_y,
        },
        domain=pk.Box(x=(-0.5, 1), y=(-0.5, 1.5)),
        conditions=[
            pk.Dirichlet(u, exact[u]),
            pk.Dirichlet(v, exact[v]),
            pk.Dirichlet(p, exact[p], on="x_max"),
        ],
        parameters={"Re": reynolds},
        reference=pk.Exact(exact, {"Re": reynolds}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 32, 32, 32, 3),
            points={"pde": 1500},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=None,
        ),
        arguments={"reynolds": reynolds},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "kovasznay", *sys.argv[1:]])
