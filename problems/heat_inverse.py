"""An inverse problem: the diffusivity of a rod, and its temperature, from scattered thermometer readings."""

import sympy as sp
import torch

import pinnkit as pk


def heat_inverse(
    diffusivity: float = 0.3, guess: float = 1.0, readings: int = 50, noise: float = 0.0, seed: int = 0
) -> pk.Problem:
    """u_t = D u_xx on [0, 1] x [0, 1], u(x, 0) = sin(pi x), u = 0 at the ends; D unknown, u measured.

    The ``readings`` at random places are the exact solution for D = ``diffusivity`` with normal noise of
    standard deviation ``noise``, both drawn with ``seed``; training starts from D = ``guess``.
    """
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xx = pk.derivatives(u, "t", "xx")
    D = sp.Symbol("D")
    domain, sine = pk.Box(x=(0, 1), t=(0, 1)), sp.sin(sp.pi * x)
    exact = pk.Exact({u: sp.exp(-D * sp.pi**2 * t) * sine}, {"D": diffusivity})
    X = domain.sample(readings, method="random", seed=seed)
    error = noise * torch.randn(readings, generator=torch.Generator().manual_seed(seed), dtype=X.dtype)
    return pk.Problem(
        name="heat_inverse",
        fields=u,
        equations=u_t - D * u_xx,
        domain=domain,
        conditions=[
            pk.Initial(u, sine),
            pk.Dirichlet(u, 0, on="x"),
            pk.Observations(u, X, exact(X)[:, 0] + error, name="readings"),
        ],
        unknowns={"D": guess},
        reference=exact,
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 1),
            points={"pde": 1000},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(1500)],
            resample=None,
        ),
        arguments={
            "diffusivity": diffusivity, "guess": guess, "readings": readings, "noise": noise, "seed": seed,
        },
    )  # fmt: skip


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "heat_inverse", *sys.argv[1:]])
