"""Dispersive waves on a ring, the linear part of the KdV equation: u_t + alpha u_xxx = 0."""

import sympy as sp

import pinnkit as pk


def airy(alpha: float = 1.0) -> pk.Problem:
    """u_t + alpha u_xxx = 0 on [0, 2 pi] x [0, 1], periodic in x, u(x, 0) = cos(x) + cos(2 x) / 2."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xxx = pk.derivatives(u, "t", "xxx")
    a = sp.Symbol("alpha")
    exact = sp.cos(x + a * t) + sp.cos(2 * x + 8 * a * t) / 2
    return pk.Problem(
        name="airy",
        fields=u,
        equations=u_t + a * u_xxx,
        domain=pk.Box(x=(0, 2 * sp.pi), t=(0, 1)),
        conditions=[pk.Initial(u, exact.subs(t, 0)), pk.Periodic(u, "x", order=2)],
        parameters={"alpha": alpha},
        reference=pk.Exact({u: exact}, {"alpha": alpha}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1, activation="sin", features=pk.Harmonics(("x",), 2)),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"alpha": alpha},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "airy", *sys.argv[1:]])
