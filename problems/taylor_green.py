"""The decaying vortices of Taylor and Green: the unsteady Navier-Stokes equations in a periodic square (1937)."""

import math

import sympy as sp
import torch

import pinnkit as pk


def taylor_green(reynolds: float = 10.0) -> pk.Problem:
    """u_t + u.grad u + grad p = Laplace u / Re, div u = 0 on [0, 2 pi]^2, periodic; vortices at t = 0, t <= 1.

    The equations leave p free up to a function of time: it is given at one point, (0, pi/2), at 64 times.
    """
    x, y, t = pk.coordinates("x y t")
    u, v, p = (pk.field(name, x, y, t) for name in "uvp")
    u_t, u_x, u_y, u_xx, u_yy = pk.derivatives(u, "t", "x", "y", "xx", "yy")
    v_t, v_x, v_y, v_xx, v_yy = pk.derivatives(v, "t", "x", "y", "xx", "yy")
    p_x, p_y = pk.derivatives(p, "x", "y")
    Re = sp.Symbol("Re", positive=True)
    decay = sp.exp(-2 * t / Re)
    exact = {
        u: sp.cos(x) * sp.sin(y) * decay,
        v: -sp.sin(x) * sp.cos(y) * decay,
        p: -(sp.cos(2 * x) + sp.cos(2 * y)) / 4 * decay**2,
    }
    times = torch.linspace(0, 1, 64, dtype=torch.float64)
    gauge = torch.stack([0 * times, 0 * times + math.pi / 2, times], 1)
    return pk.Problem(
        name="taylor_green",
        fields=(u, v, p),
        equations={
            "x momentum": u_t + u * u_x + v * u_y + p_x - (u_xx + u_yy) / Re,
            "y momentum": v_t + u * v_x + v * v_y + p_y - (v_xx + v_yy) / Re,
            "continuity": u_x + v_y,
        },
        domain=pk.Box(x=(0, 2 * math.pi), y=(0, 2 * math.pi), t=(0, 1)),
        conditions=[
            pk.Initial(u, exact[u].subs(t, 0)),
            pk.Initial(v, exact[v].subs(t, 0)),
            *(pk.Periodic(f, c) for c in "xy" for f in (u, v, p)),
            pk.Observations(p, gauge, 0 * times, name="gauge"),
        ],
        parameters={"Re": reynolds},
        reference=pk.Exact(exact, {"Re": reynolds}),
        recipe=pk.Recipe(
            network=pk.MLP(3, 24, 24, 24, 3, features=pk.Harmonics(("x", "y"))),
            points={"pde": 1500},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(2500)],
            resample=None,
        ),
        arguments={"reynolds": reynolds},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "taylor_green", *sys.argv[1:]])
