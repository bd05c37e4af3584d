"""The heat equation on a rod whose ends keep their temperature: u_t = alpha u_xx."""

import sympy as sp

import pinnkit as pk


def heat(initial: str = "poly", alpha: float = 1.0) -> pk.Problem:
    """u_t = alpha u_xx on [0, 1] x [0, 0.1], u(x, 0) = u0(x) named by ``initial``, u = u0 at both ends."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xx = pk.derivatives(u, "t", "xx")
    u0 = start(initial, x)
    fading = initial in ("sine_mix", "step")  # gone at once: an ansatz around it would have to undo it for ever
    return pk.Problem(
        name="heat",
        fields=u,
        equations=u_t - sp.Symbol("alpha") * u_xx,
        domain=pk.Box(x=(0, 1), t=(0, 0.1)),
        conditions=[
            pk.Initial(u, u0),
            pk.Dirichlet(u, u0.subs(x, 0), on="x_min"),
            pk.Dirichlet(u, u0.subs(x, 1), on="x_max"),
        ],
        parameters={"alpha": alpha},
        reference=pk.Table(f"heat_{initial}.h5") if alpha == 1 else None,
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 20, 1),
            points={"pde": 2000} | ({"initial": 500} if fading else {}),
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(6000)],
            resample=pk.rad(weights=True, every=100),
            hard=False if fading else None,
            weights=dict.fromkeys(("u initial", "u on x_min", "u on x_max"), 100.0) if fading else {},
        ),
        arguments={"initial": initial, "alpha": alpha},
    )


def start(initial: str, x: sp.Symbol) -> sp.Expr:
    """The initial temperature of that name; ValueError for another name."""
    profiles = {
        "poly": x**2 + x**3 - x**5 + x**7,
        "gauss": sp.exp(-5 * (x - sp.Rational(1, 2)) ** 2),
        "sine": sp.sin(4 * sp.pi * x),
        "sine_mix": sum(a * sp.sin(k * sp.pi * x) for k, a in ((2, 0.5), (4, -0.2), (12, 0.7))),
        "step": (sp.tanh(500 * (x - sp.Rational(2, 5))) - sp.tanh(500 * (x - sp.Rational(3, 5)))) / 2,
    }
    if initial not in profiles:
        raise ValueError(f"heat has no initial temperature {initial!r}: choose one of {', '.join(profiles)}")
    return profiles[initial]


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "heat", *sys.argv[1:]])
