"""The Beltrami flow of Ethier and Steinman (1994): the unsteady Navier-Stokes equations in a cube, in closed form."""

import itertools

import sympy as sp
import torch

import pinnkit as pk


def beltrami(a: float = 1.0, d: float = 1.0) -> pk.Problem:
    """u_t + u.grad u + grad p = Laplace u, div u = 0 in [-1, 1]^3; velocities given at first and on faces.

    The equations leave p free up to a function of time: it is given at the centre, at 64 times. Poisson's equation for
    p, the divergence of the momentum equations, is trained as well: it ties p to u at every time, not to the rates of
    u's errors (Gresho, Sani 1987). u fades as exp(-d^2 t), p as its square; the weight keeps late times in sight.
    """
    x, y, z, t = pk.coordinates("x y z t")
    u, v, w, p = (pk.field(name, x, y, z, t) for name in "uvwp")
    velocity, space = (u, v, w), (x, y, z)
    A, D = sp.Symbol("a", positive=True), sp.Symbol("d", positive=True)
    fade = sp.exp(-(D**2) * t)

    def component(x: sp.Symbol, y: sp.Symbol, z: sp.Symbol) -> sp.Expr:
        """u as a function of the coordinates; v and w follow by turning them round."""
        return -A * fade * (sp.exp(A * x) * sp.sin(A * y + D * z) + sp.exp(A * z) * sp.cos(A * x + D * y))

    def swirl(x: sp.Symbol, y: sp.Symbol, z: sp.Symbol) -> sp.Expr:
        return 2 * sp.sin(A * x + D * y) * sp.cos(A * z + D * x) * sp.exp(A * (y + z))

    turns = ((x, y, z), (y, z, x), (z, x, y))
    squares = sum(sp.exp(2 * A * s) for s in (x, y, z))
    exact = {f: component(*turn) for f, turn in zip(velocity, turns, strict=True)}
    exact[p] = -(A**2) / 2 * (squares + sum(swirl(*turn) for turn in turns)) * fade**2
    times = torch.linspace(0, 1, 64, dtype=torch.float64)
    gauge = torch.stack([0 * times, 0 * times, 0 * times, times], 1)

    def momentum(f: sp.Expr, coordinate: str) -> sp.Expr:
        f_t, f_x, f_y, f_z, f_xx, f_yy, f_zz = pk.derivatives(f, "t", "x", "y", "z", "xx", "yy", "zz")
        return f_t + u * f_x + v * f_y + w * f_z + pk.derivatives(p, coordinate) - (f_xx + f_yy + f_zz)

    pairs = itertools.product(zip(velocity, space, strict=True), repeat=2)
    strain = sum(f.diff(s) * g.diff(r) for (f, r), (g, s) in pairs)
    return pk.Problem(
        name="beltrami",
        fields=(u, v, w, p),
        equations={
            "x momentum": momentum(u, "x"),
            "y momentum": momentum(v, "y"),
            "z momentum": momentum(w, "z"),
            "continuity": pk.derivatives(u, "x") + pk.derivatives(v, "y") + pk.derivatives(w, "z"),
        },
        domain=pk.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1), t=(0, 1)),
        conditions=[
            *(pk.Initial(f, exact[f].subs(t, 0)) for f in velocity),
            *(pk.Dirichlet(f, exact[f]) for f in velocity),
            pk.Observations(p, gauge, -1.5 * a**2 * torch.exp(-2 * d**2 * times), name="gauge"),
            pk.Operator("pressure Poisson", sum(p.diff(s, 2) for s in space) + strain, on="pde", weight=0.1),
        ],
        parameters={"a": a, "d": d},
        weight=sp.exp(3 * d**2 * t),
        reference=pk.Exact(exact, {"a": a, "d": d}),
        recipe=pk.Recipe(
            network=pk.MLP(4, 32, 32, 32, 4),
            points={"pde": 1500},
            stages=[pk.Adam(300, lr=2e-3, decay=0.3), pk.SSBroyden(2000)],
            resample=None,
        ),
        arguments={"a": a, "d": d},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "beltrami", *sys.argv[1:]])
