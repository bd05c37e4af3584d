"""Damped waves on a line: u_tt + 2 a u_t = c^2 u_xx."""

import sympy as sp

import pinnkit as pk


def telegraph(a: float = 1.0, c: float = 1.0) -> pk.Problem:
    """u_tt + 2 a u_t = c^2 u_xx on [0, 1]^2, two modes that start at rest, u = 0 at the ends; |a| < pi c."""
    if abs(a) >= 3.14 * c:
        raise ValueError(f"telegraph swings for |a| < pi c only: a is {a}, c is {c}")
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_tt, u_xx = pk.derivatives(u, "t", "tt", "xx")
    damping, speed = sp.symbols("a c")

    def mode(k: int) -> sp.Expr:
        w = sp.sqrt((k * sp.pi * speed) ** 2 - damping**2)
        return sp.exp(-damping * t) * (sp.cos(w * t) + damping * sp.sin(w * t) / w) * sp.sin(k * sp.pi * x)

    exact = mode(1) + mode(3) / 2
    return pk.Problem(
        name="telegraph",
        fields=u,
        equations=u_tt + 2 * damping * u_t - speed**2 * u_xx,
        domain=pk.Box(x=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")],
        parameters={"a": a, "c": c},
        reference=pk.Exact({u: exact}, {"a": a, "c": c}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"a": a, "c": c},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "telegraph", *sys.argv[1:]])
