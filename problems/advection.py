"""Transport with constant speed: u_t + a u_x = 0."""

import sympy as sp

import pinnkit as pk


def advection(a: float = 1.0) -> pk.Problem:
    """u_t + a u_x = 0 on [0, 1]^2, a bell that enters at x = 0 and moves to the right: a > 0."""
    if a <= 0:
        raise ValueError(f"advection flows to the right: a is {a}, expected a positive speed")
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_x = pk.derivatives(u, "t", "x")
    speed = sp.Symbol("a")
    exact = sp.exp(-50 * (x - speed * t - sp.Rational(1, 4)) ** 2)
    return pk.Problem(
        name="advection",
        fields=u,
        equations=u_t + speed * u_x,
        domain=pk.Box(x=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Dirichlet(u, exact.subs(x, 0), on="x_min")],
        parameters={"a": a},
        reference=pk.Exact({u: exact}, {"a": a}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(3500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"a": a},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "advection", *sys.argv[1:]])
