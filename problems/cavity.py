"""The lid-driven cavity: the steady Navier-Stokes equations in a square whose lid slides, sharply or smoothly."""

from pathlib import Path

import sympy as sp
import torch

import pinnkit as pk

LIDS = ("sharp", "regularised")
FORMS = ("velocity", "stream")
COMPUTED = (100, 400, 1000)  # Reynolds numbers with a reference in data/
CORNER = 2  # Re r at the corners of a sharp lid, below which viscosity rules and the equations count little
TINY = sp.Float(1e-15)  # keeps values at the corner itself finite


def cavity(reynolds: float = 100.0, lid: str = "sharp", form: str = "velocity") -> pk.Problem:
    """u.grad u + grad p = Laplace u / Re, div u = 0 on [0, 1]^2; no slip; the lid y = 1 slides with u = 1.

    A "regularised" lid slides with u = 16 x^2 (1 - x)^2 instead. At the corners of the sharp lid u jumps and p is
    unbounded: there the ansatz holds Taylor's flow near a :func:`scraper` (1962), as Botella and Peyret (1998) subtract
    it. What is left is like r f(angle): the network sees the angle by logarithms of distances, and its factor d, of
    order r there, leaves it nothing unbounded to learn. The weight of the equations vanishes like r^4.
    ``form="stream"`` has the fields psi, p with u = psi_y, v = -psi_x: incompressible by construction. p is
    given at the centre, where the reference has it (its mean is zero), as 0 without a reference.

    Raises:
        ValueError: an unknown lid or form.
    """
    for what, given, known in (("lid", lid, LIDS), ("form", form, FORMS)):
        if given not in known:
            raise ValueError(f"cavity has no {what} {given!r}: choose one of {', '.join(known)}")
    x, y = pk.coordinates("x y")
    psi, u, v, p = (pk.field(name, x, y) for name in ("psi", "u", "v", "p"))
    Re = sp.Symbol("Re", positive=True)
    speed = sp.S.One if lid == "sharp" else 16 * x**2 * (1 - x) ** 2
    stream, pressure, weight, features = speed * (y**3 - y**2), sp.S.Zero, None, None
    wall = 16 * x * (1 - x) * y * (1 - y)
    if lid == "sharp":
        stream, pressure = _scrapers(x, y, Re)
        squares = [(a + TINY) ** 2 + (1 - y) ** 2 for a in (x, 1 - x)]
        wall = wall / (4 * sp.sqrt(sp.prod(squares)))
        weight = sp.prod((1 + (CORNER / reynolds) ** 2 / square) ** -2 for square in squares)
        features = pk.LogDistance(("x_min", "x_max", "y_max"), width=0.002)
    if form == "stream":
        U, V = pk.derivatives(psi, "y"), -pk.derivatives(psi, "x")
        fields = {"fields": (psi, p), "derived": {"u": U, "v": V}}
        still = [pk.Dirichlet(psi), pk.Neumann(psi, 0, on=("x", "y_min")), pk.Neumann(psi, speed, on="y_max")]
        ansatz = {psi: (stream, wall**2)}
    else:
        U, V, fields = u, v, {"fields": (u, v, p)}
        still = [pk.Dirichlet(u, 0, on=("x", "y_min")), pk.Dirichlet(u, speed, on="y_max"), pk.Dirichlet(v)]
        ansatz = {u: (stream.diff(y), wall), v: (-stream.diff(x), wall)}
    equations = {
        "x momentum": U * U.diff(x) + V * U.diff(y) + p.diff(x) - (U.diff(x, 2) + U.diff(y, 2)) / Re,
        "y momentum": U * V.diff(x) + V * V.diff(y) + p.diff(y) - (V.diff(x, 2) + V.diff(y, 2)) / Re,
    }
    domain, centre = pk.Box(x=(0, 1), y=(0, 1)), torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    reference = _reference(f"cavity_{lid}_{reynolds:g}.h5")
    gauge = pk.Observations(p, centre, _pressure(reference, domain, centre), name="gauge")
    return pk.Problem(
        name="cavity",
        **fields,
        equations=equations if form == "stream" else equations | {"continuity": U.diff(x) + V.diff(y)},
        domain=domain,
        conditions=[*still, gauge],
        parameters={"Re": reynolds},
        ansatz=ansatz | {p: (pressure, sp.S.One)},
        weight=weight,
        reference=reference,
        recipe=pk.Recipe(
            network=pk.MLP(2, 32, 32, 32, len(fields["fields"]), features=features),
            points={"pde": 2000},
            stages=[pk.Adam(300, lr=2e-3, decay=0.3), pk.SSBroyden(2700)],
            resample=pk.rad(every=100, weights=True),
        ),
        arguments={"reynolds": reynolds, "lid": lid, "form": form},
    )


def _reference(file: str) -> pk.Table | None:
    return pk.Table(file) if (Path(__file__).parents[1] / "data" / file).exists() else None


def _pressure(reference: pk.Table | None, domain: pk.Box, centre: torch.Tensor) -> torch.Tensor:
    """The reference's pressure at its node next to a point, shape (1,)."""
    if reference is None:
        return torch.zeros(1, dtype=torch.float64)
    _, X, _, values = reference.on_grid(domain, ("p",))
    return values[(X - centre).norm(dim=1).argmin()]


def scraper(along: sp.Expr, down: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Stream function and pressure of the Stokes flow of unit viscosity at a right-angled corner (Taylor 1962).

    ``along`` is the distance to a wall at rest, ``down`` that to a wall which slides with speed 1 away from the corner.
    The velocities in these directions are -psi_down and psi_along: they are 1, 0 on the one and 0, 0 on the other wall,
    of order 1 at the corner, where p is of order 1/r. psi = r f(angle) is biharmonic.
    """
    angle, C = sp.atan2(down, along), 4 / (sp.pi**2 - 4)
    psi = C * (along * angle + sp.pi / 2 * down * (angle - sp.pi / 2))
    return psi, -2 * C * (along + sp.pi / 2 * down) / (along**2 + down**2)


def _scrapers(x: sp.Symbol, y: sp.Symbol, Re: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    """psi and p that slide with the lid, rest on the walls, and are Stokes flows at both corners, blended."""
    (left, p_left), (right, p_right) = scraper(x + TINY, 1 - y), scraper(1 - x + TINY, 1 - y)
    fade = (1 - x) ** 2 * (1 + 2 * x), x**2 * (3 - 2 * x)
    rise = y**2 * (3 - 2 * y)
    return rise * (fade[0] * left + fade[1] * right), rise * (fade[0] * p_left - fade[1] * p_right) / Re


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "cavity", *sys.argv[1:]])
