"""An inverse problem: the coefficients of Navier-Stokes from scattered velocities behind a cylinder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
import torch
from numpy.polynomial.chebyshev import chebvander2d
from scipy.optimize import minimize_scalar
from torch import Tensor

import pinnkit as pk
from pinnkit.statement.wake_data import Wake, load_wake

FRAMES = 25  # snapshots that a solution is compared with, at most
FORMS = ("velocity", "stream")
DEGREES = (6, 5)  # in x and y, of the polynomials that find the period


def wake(
    readings: int = 5000, noise: float = 0.0, seed: int = 0, weight: float = 10.0, file: Path | None = None,
    form: str = "velocity",
) -> pk.Problem:  # fmt: skip
    """u_t + lambda1 (u u_x + v u_y) + p_x = lambda2 (u_xx + u_yy), likewise v, div u = 0; both unknown.

    u and v are measured at ``readings`` random places and times of the window [1, 8] x [-2, 2] behind a cylinder of
    diameter 1, at Re = 100 (lambda1 = 1, lambda2 = 0.01; Raissi, Perdikaris, Karniadakis 2019, section 4.1.1), with
    normal noise of standard deviation ``noise`` times the field's own; places and noise are drawn with ``seed``. The
    pressure is found up to a function of time and never given. ``weight`` is that of the readings, 1 that of the
    equations. The network is told about the period, which the readings show. ``file`` names other snapshots than the
    project's, such as cylinder_nektar_wake.mat. ``form="stream"`` has the fields psi, p with u = psi_y, v = -psi_x, as
    in that paper: incompressible by construction, psi up to a function of time; for the same time of training its
    errors are somewhat larger, as the equations are of third order.

    Raises:
        ValueError: an unknown form, more readings than there are; FileNotFoundError: no such file.
    """
    flow = load_wake(file or None)
    X, values = measured(flow, readings, noise, seed)
    return inverse_flow(
        "wake", box(flow), X, values, weight, Frames(flow),
        form=form,
        arguments={
            "readings": readings, "noise": noise, "seed": seed, "weight": weight, "file": str(file or ""), "form": form,
        },
    )  # fmt: skip


def inverse_flow(
    name: str, domain: pk.Box, X: Tensor, values: Tensor, weight: float, reference=None, form: str = "velocity", **more
) -> pk.Problem:  # fmt: skip
    """Incompressible Navier-Stokes equations, lambda1 and lambda2 unknown; u and v are values (n, 2) at X (n, 3)."""
    if form not in FORMS:
        raise ValueError(f"{name} has no form {form!r}: choose one of {', '.join(FORMS)}")
    x, y, t = pk.coordinates("x y t")
    psi, u, v, p = (pk.field(letter, x, y, t) for letter in ("psi", "u", "v", "p"))
    fields = (u, v, p)
    if form == "stream":
        u, v, fields = psi.diff(y), -psi.diff(x), (psi, p)
    lambda1, lambda2 = sp.symbols("lambda1 lambda2")

    def momentum(w: sp.Expr, slope: sp.Expr) -> sp.Expr:
        carried = u * w.diff(x) + v * w.diff(y)
        return w.diff(t) + lambda1 * carried + slope - lambda2 * (w.diff(x, 2) + w.diff(y, 2))

    equations = {"x momentum": momentum(u, p.diff(x)), "y momentum": momentum(v, p.diff(y))}
    return pk.Problem(
        name=name,
        fields=fields,
        equations=equations if form == "stream" else equations | {"continuity": u.diff(x) + v.diff(y)},
        domain=domain,
        conditions=[
            pk.Observations(u, X, values[:, 0], name="u readings", weight=weight),
            pk.Observations(v, X, values[:, 1], name="v readings", weight=weight),
        ],
        unknowns={"lambda1": 0.0, "lambda2": 0.0},
        reference=reference,
        derived={"u": u, "v": v} if form == "stream" else {},
        recipe=pk.Recipe(
            network=pk.MLP(3, 32, 32, 32, 32, len(fields), features=pk.Oscillation("t", period(X, values), 2)),
            points={"pde": 1000},
            stages=[pk.Adam(200, lr=5e-3, decay=0.3), pk.SSBroyden(8000)],
            resample=pk.rad(every=200, weights=True, growth=1.1, max_points=4000),
        ),
        **more,
    )


def box(flow: Wake) -> pk.Box:
    """The window and the time that the snapshots span."""
    (x, y), t = flow.X.T, flow.t
    return pk.Box(**{n: (float(a.min()), float(a.max())) for n, a in (("x", x), ("y", y), ("t", t))})


def measured(flow: Wake, readings: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Places and times (n, 3), and u and v there (n, 2), of points and snapshots drawn without replacement."""
    N, T = flow.u.shape
    if not 1 <= readings <= N * T:
        raise ValueError(f"readings={readings}: the snapshots hold 1 to {N * T} of each velocity")
    rng = np.random.default_rng(seed)
    i, k = np.divmod(rng.choice(N * T, readings, replace=False), T)
    X = np.column_stack([flow.X[i], flow.t[k]])
    values = np.stack([flow.u[i, k], flow.v[i, k]], 1)
    values = values + noise * np.array([flow.u.std(), flow.v.std()]) * rng.standard_normal(values.shape)
    return torch.as_tensor(X), torch.as_tensor(values)


def period(X: Tensor, values: Tensor) -> float:
    """About the period of what was measured at X (n, 3): the best a(x, y) + b(x, y) cos(2 pi t f) + c(x, y) sin(...).

    Least squares for polynomials a, b, c, between one and twenty periods in all the time (Lomb 1976).
    """
    nodes, y = X.numpy(), values.numpy()
    low, high = nodes.min(0), nodes.max(0)
    scaled, span = 2 * (nodes - low) / (high - low) - 1, float(high[2] - low[2])
    shapes = chebvander2d(scaled[:, 0], scaled[:, 1], DEGREES).reshape(len(nodes), -1)

    def misfit(frequency: float) -> float:
        turns = 2 * np.pi * frequency * nodes[:, 2:]
        A = np.concatenate([shapes, shapes * np.cos(turns), shapes * np.sin(turns)], 1)
        normal, right = A.T @ A, A.T @ y
        normal[np.diag_indices(len(normal))] += 1e-9 * np.trace(normal) / len(normal)
        return float((y * y).sum() - (right * np.linalg.solve(normal, right)).sum())

    grid = np.arange(4, 80) / (4 * span)
    k = int(np.argmin([misfit(f) for f in grid]))
    ends = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
    return 1 / float(minimize_scalar(misfit, bounds=ends, method="bounded").x)


@dataclass(frozen=True, eq=False)
class Frames:
    """u and v of some of the snapshots, whose points make a grid."""

    flow: Wake

    @property
    def error(self) -> float:
        """The larger measured relative L2 error of the two."""
        return max((e for n, e in self.flow.errors.items() if n in ("u", "v")), default=float("nan"))

    def on_grid(self, domain: pk.Box, names: tuple[str, ...]) -> tuple[dict[str, np.ndarray], Tensor, Tensor, Tensor]:
        """The points of the snapshots by x, y and t, and the velocities there; the pressure, which is free, is NaN.

        Raises:
            ValueError: snapshots whose points make no grid.
        """
        flow, chosen = self.flow, slice(None, None, -(-len(self.flow.t) // FRAMES))
        x, y = (np.unique(a) for a in flow.X.T)
        order = np.lexsort((flow.X[:, 1], flow.X[:, 0]))
        if len(order) != len(x) * len(y):
            raise ValueError(f"the {len(order)} points of the snapshots make no grid of {len(x)} by {len(y)}")
        axes = {"x": x, "y": y, "t": flow.t[chosen]}
        X = np.stack([a.ravel() for a in np.meshgrid(*axes.values(), indexing="ij")], 1)
        nothing = np.full((len(X),), np.nan)
        known = {"u": flow.u[order][:, chosen].ravel(), "v": flow.v[order][:, chosen].ravel()}
        values = torch.as_tensor(np.stack([known.get(name, nothing) for name in names], 1))
        return axes, torch.as_tensor(X), torch.ones(len(X), dtype=torch.bool), values


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "wake", *sys.argv[1:]])
