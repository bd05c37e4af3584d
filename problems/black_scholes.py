"""The value of a call option at time t before expiry (Black, Scholes, Merton 1973)."""

import sympy as sp

import pinnkit as pk


def black_scholes(sigma: float = 0.3, r: float = 0.05) -> pk.Problem:
    """V_t = sigma^2 S^2 V_SS / 2 + r S V_S - r V, strike 1, S in [1/2, 2], from 1/10 to 1 year before expiry."""
    S, t = pk.coordinates("S t")
    V = pk.field("V", S, t)
    V_t, V_S, V_SS = pk.derivatives(V, "t", "S", "SS")
    s, rate = sp.symbols("sigma r")

    def normal(z: sp.Expr) -> sp.Expr:
        return (1 + sp.erf(z / sp.sqrt(2))) / 2

    d = [(sp.log(S) + (rate + k * s**2 / 2) * t) / (s * sp.sqrt(t)) for k in (1, -1)]
    exact = S * normal(d[0]) - sp.exp(-rate * t) * normal(d[1])
    low, start = sp.Rational(1, 2), sp.Rational(1, 10)  # at expiry the value has a kink
    return pk.Problem(
        name="black_scholes",
        fields=V,
        equations=V_t - s**2 * S**2 * V_SS / 2 - rate * S * V_S + rate * V,
        domain=pk.Box(S=(low, 2), t=(start, 1)),
        conditions=[
            pk.Initial(V, exact.subs(t, start)),
            pk.Dirichlet(V, exact.subs(S, low), on="S_min"),
            pk.Dirichlet(V, exact.subs(S, 2), on="S_max"),
        ],
        parameters={"sigma": sigma, "r": r},
        reference=pk.Exact({V: exact}, {"sigma": sigma, "r": r}),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=pk.rad(weights=True, every=200),
        ),
        arguments={"sigma": sigma, "r": r},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "black_scholes", *sys.argv[1:]])
