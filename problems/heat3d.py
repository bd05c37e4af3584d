"""The heat equation in a cube with cold walls: u_t = alpha (u_xx + u_yy + u_zz)."""

import sympy as sp

import pinnkit as pk


def heat3d(alpha: float = 0.1) -> pk.Problem:
    """u_t = alpha (u_xx + u_yy + u_zz) on [0, 1]^4, two products of sines at first, u = 0 on the walls."""
    x, y, z, t = pk.coordinates("x y z t")
    u = pk.field("u", x, y, z, t)
    u_t, u_xx, u_yy, u_zz = pk.derivatives(u, "t", "xx", "yy", "zz")
    a = sp.Symbol("alpha")

    def mode(*numbers: int) -> sp.Expr:
        shape = sp.prod(sp.sin(k * sp.pi * s) for k, s in zip(numbers, (x, y, z), strict=True))
        return sp.exp(-a * sp.pi**2 * sum(k * k for k in numbers) * t) * shape

    exact = mode(1, 1, 1) + mode(2, 1, 1) / 2
    return pk.Problem(
        name="heat3d",
        fields=u,
        equations=u_t - a * (u_xx + u_yy + u_zz),
        domain=pk.Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Dirichlet(u, 0)],
        parameters={"alpha": alpha},
        reference=pk.Exact({u: exact}, {"alpha": alpha}),
        recipe=pk.Recipe(
            network=pk.MLP(4, 20, 20, 20, 1),
            points={"pde": 2000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"alpha": alpha},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "heat3d", *sys.argv[1:]])
