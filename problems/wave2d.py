"""A membrane that is let go at rest: u_tt = c^2 (u_xx + u_yy)."""

import sympy as sp

import pinnkit as pk


def wave2d(c: float = 1.0) -> pk.Problem:
    """u_tt = c^2 (u_xx + u_yy) on [0, 1]^3, two products of sines at rest at first, u = 0 on the walls."""
    x, y, t = pk.coordinates("x y t")
    u = pk.field("u", x, y, t)
    u_tt, u_xx, u_yy = pk.derivatives(u, "tt", "xx", "yy")
    speed = sp.Symbol("c")

    def mode(*numbers: int) -> sp.Expr:
        shape = sp.prod(sp.sin(k * sp.pi * s) for k, s in zip(numbers, (x, y), strict=True))
        return sp.cos(speed * sp.pi * sp.sqrt(sum(k * k for k in numbers)) * t) * shape

    exact = mode(1, 1) + mode(2, 1) / 2
    return pk.Problem(
        name="wave2d",
        fields=u,
        equations=u_tt - speed**2 * (u_xx + u_yy),
        domain=pk.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0)],
        parameters={"c": c},
        reference=pk.Exact({u: exact}, {"c": c}),
        recipe=pk.Recipe(
            network=pk.MLP(3, 24, 24, 24, 1),
            points={"pde": 2000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"c": c},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "wave2d", *sys.argv[1:]])
