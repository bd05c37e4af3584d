"""Kovasznay's flow behind a grid: the steady Navier-Stokes equations with a closed form (Kovasznay 1948)."""

import sympy as sp

import pinnkit as pk

FORMS = ("velocity", "stream")


def kovasznay(reynolds: float = 40.0, form: str = "velocity") -> pk.Problem:
    """u.grad u + grad p = Laplace u / Re, div u = 0 on [-1/2, 1] x [-1/2, 3/2]; u, v given on the boundary.

    The equations fix the pressure up to a constant; it is given at the outflow x = 1, where it does not vary.
    ``form="stream"`` has the fields psi, p with u = psi_y, v = -psi_x: incompressible by construction.

    Raises:
        ValueError: an unknown form.
    """
    if form not in FORMS:
        raise ValueError(f"kovasznay has no form {form!r}: choose one of {', '.join(FORMS)}")
    x, y = pk.coordinates("x y")
    psi, u, v, p = (pk.field(name, x, y) for name in ("psi", "u", "v", "p"))
    Re = sp.Symbol("Re", positive=True)
    k = Re / 2 - sp.sqrt(Re**2 / 4 + 4 * sp.pi**2)
    exact = {
        u: 1 - sp.exp(k * x) * sp.cos(2 * sp.pi * y),
        v: k / (2 * sp.pi) * sp.exp(k * x) * sp.sin(2 * sp.pi * y),
        p: (1 - sp.exp(2 * k * x)) / 2,
    }
    if form == "stream":
        stream = y - sp.exp(k * x) * sp.sin(2 * sp.pi * y) / (2 * sp.pi)
        slopes = {"x_min": exact[v], "x_max": -exact[v], "y_min": -exact[u], "y_max": exact[u]}
        given = [pk.Dirichlet(psi, stream), *(pk.Neumann(psi, value, on=face) for face, value in slopes.items())]
        exact, fields = {psi: stream} | exact, (psi, p)
        u, v = psi.diff(y), -psi.diff(x)
    else:
        given, fields = [pk.Dirichlet(u, exact[u]), pk.Dirichlet(v, exact[v])], (u, v, p)
    equations = {
        "x momentum": u * u.diff(x) + v * u.diff(y) + p.diff(x) - (u.diff(x, 2) + u.diff(y, 2)) / Re,
        "y momentum": u * v.diff(x) + v * v.diff(y) + p.diff(y) - (v.diff(x, 2) + v.diff(y, 2)) / Re,
    }
    return pk.Problem(
        name="kovasznay",
        fields=fields,
        equations=equations if form == "stream" else equations | {"continuity": u.diff(x) + v.diff(y)},
        domain=pk.Box(x=(-0.5, 1), y=(-0.5, 1.5)),
        conditions=[*given, pk.Dirichlet(p, exact[p], on="x_max")],
        parameters={"Re": reynolds},
        reference=pk.Exact(exact, {"Re": reynolds}),
        derived={"u": u, "v": v} if form == "stream" else {},
        recipe=pk.Recipe(
            network=pk.MLP(2, 32, 32, 32, len(fields)),
            points={"pde": 1500},
            stages=[pk.Adam(500, lr=2e-3, decay=0.3), pk.SSBroyden(3000)],
            resample=None,
        ),
        arguments={"reynolds": reynolds, "form": form},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "kovasznay", *sys.argv[1:]])
