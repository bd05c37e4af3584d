"""The heat equation in a square with cold walls: u_t = alpha (u_xx + u_yy)."""

import sympy as sp

import pinnkit as pk


def heat2d(alpha: float = 0.1) -> pk.Problem:
    """u_t = alpha (u_xx + u_yy) on [0, 1]^3, two products of sines at first, u = 0 on the walls."""
    x, y, t = pk.coordinates("x y t")
    u = pk.field("u", x, y, t)
    u_t, u_xx, u_yy = pk.derivatives(u, "t", "xx", "yy")
    a = sp.Symbol("alpha")

    def mode(*numbers: int) -> sp.Expr:
        shape = sp.prod(sp.sin(k * sp.pi * s) for k, s in zip(numbers, (x, y), strict=True))
        return sp.exp(-a * sp.pi**2 * sum(k * k for k in numbers) * t) * shape

    exact = mode(1, 1) + mode(2, 1) / 2
    return pk.Problem(
        name="heat2d",
        fields=u,
        equations=u_t - a * (u_xx + u_yy),
        domain=pk.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Dirichlet(u, 0)],
        parameters={"alpha": alpha},
        reference=pk.Exact({u: exact}, {"alpha": alpha}),
        recipe=pk.Recipe(
            network=pk.MLP(3, 20, 20, 20, 1),
            points={"pde": 1500},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"alpha": alpha},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "heat2d", *sys.argv[1:]])
