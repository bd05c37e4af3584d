"""A free quantum particle between walls: i psi_t + psi_xx / 2 = 0 for psi = u + i v."""

import sympy as sp

import pinnkit as pk


def schroedinger() -> pk.Problem:
    """u_t = -v_xx / 2, v_t = u_xx / 2 on [0, 1] x [0, 1/4], at first u = sin(pi x), v = sin(2 pi x) / 2."""
    x, t = pk.coordinates("x t")
    u, v = (pk.field(name, x, t) for name in "uv")
    (u_t, u_xx), (v_t, v_xx) = (pk.derivatives(f, "t", "xx") for f in (u, v))

    def turn(k: int) -> tuple[sp.Expr, sp.Expr]:
        """Real and imaginary part of exp(-i k^2 pi^2 t / 2) sin(k pi x)."""
        phase = (k * sp.pi) ** 2 * t / 2
        return sp.cos(phase) * sp.sin(k * sp.pi * x), -sp.sin(phase) * sp.sin(k * sp.pi * x)

    (a, b), (p, q) = turn(1), turn(2)
    exact = {u: a - q / 2, v: b + p / 2}
    return pk.Problem(
        name="schroedinger",
        fields=(u, v),
        equations={"real part": u_t + v_xx / 2, "imaginary part": v_t - u_xx / 2},
        domain=pk.Box(x=(0, 1), t=(0, sp.Rational(1, 4))),
        conditions=[c for f in (u, v) for c in (pk.Initial(f, exact[f].subs(t, 0)), pk.Dirichlet(f, 0, on="x"))],
        reference=pk.Exact(exact),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 2),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "schroedinger", *sys.argv[1:]])
