"""Poisson's equation on a disk with a source that is nearly a point: -(u_xx + u_yy) = G(r).

The narrow Gaussian stands for a point source, but its potential is not the singular -ln(r) / (2 pi): with
Ein(z) = int_0^z (1 - e^-y) / y dy it is u = (Ein(a) - Ein(a r^2)) / (4 pi), a = 1 / (2 sigma^2).
"""

import numpy as np
import sympy as sp
import torch
from scipy.special import exp1

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import import_deepxde


def ein(z: np.ndarray) -> np.ndarray:
    """The entire exponential integral Ein(z) = E1(z) + ln z + gamma for z >= 0, elementwise."""
    small = np.minimum(z, 1.0)
    term, total = small, small.copy()
    for k in range(2, 20):
        term = term * -small / k
        total = total + term / k
    large = np.maximum(z, 1.0)
    return np.where(z < 1, total, exp1(large) + np.log(large) + np.euler_gamma)


def poisson_disk(sigma: float = 0.02) -> pk.Problem:
    """u_xx + u_yy + exp(-r^2 / (2 sigma^2)) / (2 pi sigma^2) = 0 in the unit disk, u = 0 on its boundary."""
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    u_xx, u_yy = pk.derivatives(u, "xx", "yy")
    s = sp.Symbol("sigma", positive=True)

    def potential(X: torch.Tensor) -> torch.Tensor:
        a, r2 = 1 / (2 * sigma**2), (X.double() ** 2).sum(1, keepdim=True).cpu().numpy()
        return torch.as_tensor((ein(np.array(a)) - ein(a * r2)) / (4 * np.pi)).to(X)

    return pk.Problem(
        name="poisson_disk",
        fields=u,
        equations=u_xx + u_yy + sp.exp(-(x**2 + y**2) / (2 * s**2)) / (2 * sp.pi * s**2),
        domain=pk.Geometry(import_deepxde().geometry.Disk([0, 0], 1)),
        conditions=[pk.Dirichlet(u, 0)],
        parameters={"sigma": sigma},
        reference=pk.Computed(potential, error=1e-15),
        recipe=pk.Recipe(
            network=pk.MLP(2, 20, 20, 20, 20, 1),
            points={"pde": 2000},
            stages=[pk.Adam(1000, lr=2e-3, decay=0.3), pk.SSBroyden(10_000)],
            resample=pk.rad(every=100),  # importance weights made two runs of two worse
        ),
        arguments={"sigma": sigma},
    )


if __name__ == "__main__":
    import sys

    from pinnkit.cli import main

    main(["solve", "poisson_disk", *sys.argv[1:]])
