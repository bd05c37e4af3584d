"""Two standing waves of a string: u_tt = c^2 u_xx (Wang, Yu, Perdikaris 2022)."""

import sympy as sp

import pinnkit as pk


def standing_wave(c: float = 2.0) -> pk.Problem:
    """u_tt = c^2 u_xx on [0, 1]^2, u = sin(pi x) + sin(4 pi x) / 2, u_t = 0 at t = 0, u = 0 at the ends."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_tt, u_xx = pk.derivatives(u, "tt", "xx")
    speed = sp.Symbol("c")

    def mode(k: int) -> sp.Expr:
        return sp.sin(k * sp.pi * x) * sp.cos(k * sp.pi * speed * t)

    exact = mode(1) + mode(4) / 2
    return pk.Problem(
        name="standing_wave",
        fields=u,
        equations=u_tt - speed**2 * u_xx,
        domain=pk.Box(x=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")],
        parameters={"c": c},
        reference=pk.Exact({u: exact}, {"c": c}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 20, 1),
            points={"pde": 2000},
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(12_000)],
            resample=pk.rad(weights=True, every=100),
        ),
        arguments={"c": c},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "standing_wave", *sys.argv[1:]])
