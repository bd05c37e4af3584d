"""A string that is let go at rest between fixed ends: u_tt = c^2 u_xx."""

import sympy as sp

import pinnkit as pk


def wave1d(initial: str = "gauss", c: float = 1.0) -> pk.Problem:
    """u_tt = c^2 u_xx on [0, 1]^2, u = u0(x) named by ``initial`` and u_t = 0 at t = 0, u = 0 at x = 0, 1."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_tt, u_xx = pk.derivatives(u, "tt", "xx")
    steep = initial == "step"  # it soon moves away: an ansatz around it would have to undo it
    return pk.Problem(
        name="wave1d",
        fields=u,
        equations=u_tt - sp.Symbol("c") ** 2 * u_xx,
        domain=pk.Box(x=(0, 1), t=(0, 1)),
        conditions=[pk.Initial(u, start(initial, x)), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")],
        parameters={"c": c},
        reference=pk.Table(f"wave1d_{initial}.h5") if c == 1 else None,
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 20, 1),
            points={"pde": 2000} | ({"initial": 500} if steep else {}),
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(6000)],
            resample=pk.rad(weights=True, every=100),
            hard=False if steep else None,
            weights=dict.fromkeys(("u initial", "u initial (d1t)", "u on x"), 100.0) if steep else {},
        ),
        arguments={"initial": initial, "c": c},
    )


def start(initial: str, x: sp.Symbol) -> sp.Expr:
    """The initial shape of that name; ValueError for another name."""

    def pulse(width: int, at: str) -> sp.Expr:
        return sp.exp(-width * (x - sp.Rational(at)) ** 2)

    profiles = {
        "gauss": pulse(50, "0.5"),
        "gauss_mix": 0.7 * pulse(100, "0.4") + pulse(500, "0.7"),
        "sine": sp.sin(4 * sp.pi * x),
        "sine_mix": sum(a * sp.sin(k * sp.pi * x) for k, a in ((2, 0.5), (4, -0.2), (12, 0.7))),
        "step": (sp.tanh(500 * (x - sp.Rational(2, 5))) - sp.tanh(500 * (x - sp.Rational(3, 5)))) / 2,
    }
    if initial not in profiles:
        raise ValueError(f"wave1d has no initial shape {initial!r}: choose one of {', '.join(profiles)}")
    return profiles[initial]


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "wave1d", *sys.argv[1:]])
