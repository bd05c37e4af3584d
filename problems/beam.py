"""Vibrations of a beam on two hinges (Euler, Bernoulli): u_tt + alpha u_xxxx = 0."""

import sympy as sp

import pinnkit as pk


def beam(alpha: float = 1.0) -> pk.Problem:
    """u_tt + alpha u_xxxx = 0 on [0, 1] x [0, 1/2], two modes that start at rest, u = u_xx = 0 at the ends."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_tt, u_xx, u_xxxx = pk.derivatives(u, "tt", "xx", "xxxx")
    a = sp.Symbol("alpha")

    def mode(k: int) -> sp.Expr:
        return sp.cos(sp.sqrt(a) * (k * sp.pi) ** 2 * t) * sp.sin(k * sp.pi * x)

    exact = mode(1) + mode(2) / 4
    return pk.Problem(
        name="beam",
        fields=u,
        equations=u_tt + a * u_xxxx,
        domain=pk.Box(x=(0, 1), t=(0, sp.Rational(1, 2))),
        conditions=[
            pk.Initial(u, exact.subs(t, 0)),
            pk.Initial(u, 0, order=1),
            pk.Dirichlet(u, 0, on="x"),
            pk.Operator("bending moment", u_xx, on="x"),
        ],
        parameters={"alpha": alpha},
        reference=pk.Exact({u: exact}, {"alpha": alpha}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1, activation="sin"),
            points={"pde": 1000, "x": 200},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(3500)],
            resample=pk.rad(weights=True, every=200),
            hard=True,
            weights={"bending moment": 1e3},  # what an ansatz does not hold
        ),
        arguments={"alpha": alpha},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "beam", *sys.argv[1:]])
