"""The decaying vortices of Taylor and Green: the unsteady Navier-Stokes equations in a periodic square (1937)."""

import math

import sympy as sp
import torch

import pinnkit as pk

FORMS = ("velocity", "stream")


def taylor_green(reynolds: float = 10.0, form: str = "velocity") -> pk.Problem:
    """u_t + u.grad u + grad p = Laplace u / Re, div u = 0 on [0, 2 pi]^2, periodic; vortices at t = 0, t <= 1.

    ``form="stream"`` has the fields psi, p with u = psi_y, v = -psi_x: incompressible by construction; by the recipe
    its errors end four times smaller, at twice the cost: the equations are of third order. The equations leave p (and
    psi) free up to a function of time: it is given at one point, (0, pi/2), at 64 times. Poisson's equation for p, the
    divergence of the momentum equations, is trained as well: it ties p to u at every time; without it an error of div u
    that is small but quick is mirrored in p by its rate (index reduction; Gresho, Sani 1987).

    Raises:
        ValueError: an unknown form.
    """
    if form not in FORMS:
        raise ValueError(f"taylor_green has no form {form!r}: choose one of {', '.join(FORMS)}")
    x, y, t = pk.coordinates("x y t")
    psi, u, v, p = (pk.field(name, x, y, t) for name in ("psi", "u", "v", "p"))
    Re = sp.Symbol("Re", positive=True)
    decay = sp.exp(-2 * t / Re)
    exact = {
        u: sp.cos(x) * sp.sin(y) * decay,
        v: -sp.sin(x) * sp.cos(y) * decay,
        p: -(sp.cos(2 * x) + sp.cos(2 * y)) / 4 * decay**2,
    }
    times = torch.linspace(0, 1, 64, dtype=torch.float64)
    gauge = torch.stack([0 * times, 0 * times + math.pi / 2, times], 1)
    if form == "stream":
        exact = {psi: -sp.cos(x) * sp.cos(y) * decay} | exact
        given = [pk.Initial(psi, exact[psi].subs(t, 0)), pk.Observations(psi, gauge, 0 * times, name="psi gauge")]
        u, v, fields = psi.diff(y), -psi.diff(x), (psi, p)
    else:
        given, fields = [pk.Initial(u, exact[u].subs(t, 0)), pk.Initial(v, exact[v].subs(t, 0))], (u, v, p)
    equations = {
        "x momentum": u.diff(t) + u * u.diff(x) + v * u.diff(y) + p.diff(x) - (u.diff(x, 2) + u.diff(y, 2)) / Re,
        "y momentum": v.diff(t) + u * v.diff(x) + v * v.diff(y) + p.diff(y) - (v.diff(x, 2) + v.diff(y, 2)) / Re,
    }
    strain = u.diff(x) ** 2 + v.diff(y) ** 2 + 2 * u.diff(y) * v.diff(x)
    return pk.Problem(
        name="taylor_green",
        fields=fields,
        equations=equations if form == "stream" else equations | {"continuity": u.diff(x) + v.diff(y)},
        domain=pk.Box(x=(0, 2 * math.pi), y=(0, 2 * math.pi), t=(0, 1)),
        conditions=[
            *given,
            *(pk.Periodic(f, c, 2 if f == psi else 1) for c in "xy" for f in fields),
            pk.Observations(p, gauge, 0 * times, name="gauge"),
            pk.Operator("pressure Poisson", p.diff(x, 2) + p.diff(y, 2) + strain, on="pde"),
        ],
        parameters={"Re": reynolds},
        reference=pk.Exact(exact, {"Re": reynolds}),
        derived={"u": u, "v": v} if form == "stream" else {},
        recipe=pk.Recipe(
            network=pk.MLP(3, 40, 40, len(fields), features=pk.Harmonics(("x", "y"))),
            points={"pde": 1000},
            stages=[pk.Adam(300, lr=2e-3, decay=0.3), pk.SSBroyden(6000)],
            resample=None,
            weights={"gauge": 100.0},
        ),
        arguments={"reynolds": reynolds, "form": form},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "taylor_green", *sys.argv[1:]])
