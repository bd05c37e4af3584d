"""Lid-driven cavity [0, 1]^2 at Re = 100, 400 and 1000 with two lids at y = 1.

Sharp: u = 1; regularised: u = 16 x^2 (1 - x)^2. v = 0 on the lid, no slip on the other walls. The sharp lid's
corners are kept still ("watertight"); there the velocity jumps and the pressure is infinite, so the tables leave
the two nodes out. Pressure of mean zero over the cavity. Taylor-Hood elements of degree 6 and 5 on cells that
shrink towards the walls, by a factor of 2 each.
The regularised lid is that of Shen (1991, J. Comput. Phys. 95).

Error: the distance to elements of degree 5 and 4 on the same cells, on the nodes of the table.
"""

import numpy as np
from flow_fem import Dirichlet, Space, newton, transfer
from flow_mesh import Array, Blocks
from flow_published import BOTELLA, GHIA_U, GHIA_V, GHIA_X, GHIA_Y
from scipy.optimize import brentq, fsolve
from skfem import LinearForm, asm
from table import relative, target, write

REYNOLDS = (100, 400, 1000)
NODES = 129


def sharp(x: Array) -> Array:
    """The lid's velocity, 1 up to the corners."""
    return np.where((x > 1e-12) & (x < 1 - 1e-12), 1.0, 0.0)


def regularised(x: Array) -> Array:
    """The lid's velocity, zero with its slope in the corners."""
    return 16 * x**2 * (1 - x) ** 2


LIDS = {"sharp": sharp, "regularised": regularised}


def mesh(smallest: int = 11) -> Blocks:
    """Cells that halve towards the lid's corners down to 2^-smallest, and towards the floor down to 2^-6."""
    middle = np.linspace(0.125, 0.875, 7)
    near = 2.0 ** np.arange(-smallest, -2)
    xs = np.concatenate([[0], near, middle[1:-1], 1 - near[::-1], [1]])
    return Blocks(xs, np.concatenate([[0], near[-4:], middle[1:-1], 1 - near[::-1], [1]]))


@LinearForm
def integral(q, w):
    """(1, q)."""
    return q


def solve(space: Space, lid: str, reynolds: float, start: Array | None = None) -> Array:
    """The steady state (u, v, p), its pressure with mean zero."""
    x, y = space.nodes
    top = y > 1 - 1e-12
    wall = (np.abs(x - 0.5) > 0.5 - 1e-12) | (y < 1e-12)
    given = Dirichlet.on(
        space,
        (wall, lambda x, y: (0.0, 0.0)),
        (top, lambda x, y: (LIDS[lid](x), 0.0)),
        pressure=(0, lambda x, y: (0.0, 0.0, 0.0)),
    )
    state, _ = newton(space, 1 / reynolds, given, start)
    state[2 * space.n :] -= asm(integral, space.pressure) @ state[2 * space.n :]
    return state


def tabulate(space: Space, state: Array, lid: str) -> tuple[Array, dict[str, Array], Array]:
    """The axis, u, v, p on the square of it, and the mask of all nodes but the lid's corners where it is sharp."""
    x = np.linspace(0, 1, NODES)
    X, Y = (a.ravel() for a in np.meshgrid(x, x, indexing="ij"))
    table = space.evaluate(state, X, Y).reshape(3, NODES, NODES)
    table[:2, [0, -1]] = table[:2, :, 0] = table[1, :, -1] = 0
    table[0, :, -1] = LIDS[lid](x)
    mask = np.ones((NODES, NODES), dtype=bool)
    mask[[0, -1], -1] = lid != "sharp"
    return x, dict(zip("uvp", table, strict=True)), mask


def features(space: Space, state: Array) -> dict[str, float]:
    """The primary vortex (centre, stream function, vorticity) and the extrema on the centre lines."""

    def at(x: float, y: float) -> Array:
        return space.evaluate(state, np.array([x]), np.array([y]), gradients=True)[:, 0]

    # The rotation's centre is where u = v = 0; slopes are exact, so bracketing and Newton are quick.
    x, y = fsolve(lambda z: at(*z)[:2], (0.55, 0.6), fprime=lambda z: at(*z)[3:].reshape(2, 2), xtol=1e-12)
    node, weight = np.polynomial.legendre.leggauss(12)
    edges = np.concatenate([space.blocks.ys[space.blocks.ys < y - 1e-9], [y]])
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    along = (middle + half * node).ravel()
    psi = space.evaluate(state, np.full_like(along, x), along)[0] @ (half * weight).ravel()
    slopes = at(x, y)
    found = {
        "vortex x": x,
        "vortex y": y,
        "vortex stream function": abs(psi),
        "vortex vorticity": slopes[4] - slopes[5],
    }
    line, half = np.linspace(0.02, 0.98, 97), np.full(97, 0.5)
    u, v = space.evaluate(state, half, line)[0], space.evaluate(state, line, half)[1]
    for name, k, slope, value in (
        ("u smallest", u.argmin(), lambda s: at(0.5, s)[4], lambda s: at(0.5, s)[0]),
        ("v largest", v.argmax(), lambda s: at(s, 0.5)[5], lambda s: at(s, 0.5)[1]),
        ("v smallest", v.argmin(), lambda s: at(s, 0.5)[5], lambda s: at(s, 0.5)[1]),
    ):
        place = brentq(slope, line[k - 1], line[k + 1], xtol=1e-12)
        found |= {name: value(place), f"{name} at": place}
    return {name: float(value) for name, value in found.items()}


def compare(x: Array, fields: dict[str, Array], reynolds: int) -> tuple[Array, Array]:
    """Differences of u and v on the centre lines to the printed values, whose places are nodes of the table."""
    middle = NODES // 2
    rows = (fields["u"][middle], GHIA_Y, GHIA_U), (fields["v"][:, middle], GHIA_X, GHIA_V)
    found = []
    for line, places, printed in rows:
        nodes = np.round(np.array(places) * (NODES - 1)).astype(int)
        found.append(line[nodes] - np.array(printed[reynolds]))
    return found[0], found[1]


def main() -> None:
    """Solve all six flows, compare with published values, measure the errors and write cavity_<lid>_<Re>.h5."""
    low, space = Space(mesh(), 5), Space(mesh(), 6)
    for lid in LIDS:
        before = None
        for reynolds in REYNOLDS:
            path = target(f"cavity_{lid}_{reynolds}.h5")
            before = solve(low, lid, reynolds, before)
            state = solve(space, lid, reynolds, transfer(low, space, before))
            x, fields, mask = tabulate(space, state, lid)
            other = tabulate(low, before, lid)[1]
            error = {name: relative(field[mask], other[name][mask]) for name, field in fields.items()}
            quantities, again = features(space, state), features(low, before)
            quantities |= {f"{name} error": abs(value - again[name]) for name, value in quantities.items()}
            write(
                path,
                {"x": x, "y": x},
                fields,
                error=error,
                method="Taylor-Hood finite elements of degree 6 and 5, graded mesh, Newton's method (scikit-fem)",
                parameters={"Re": reynolds, "lid": lid},
                mask=mask,
                quantities=quantities,
            )
            print(f"{path.name}: {path.stat().st_size} bytes, errors", {k: f"{v:.1e}" for k, v in error.items()})
            print("   ", {k: f"{v:.7f}" for k, v in quantities.items() if not k.endswith("error")})
            if lid == "sharp":
                for name, gap in zip("uv", compare(x, fields, reynolds), strict=True):
                    print(
                        f"    {name} - Ghia et al.: largest {np.abs(gap).max():.4f}, median {np.median(abs(gap)):.4f}"
                    )
                if reynolds == 1000:
                    for name, value in BOTELLA.items():
                        gap = quantities[name] - value
                        print(f"    {name:24} {quantities[name]:.7f}, Botella and Peyret {value:.7f}: {gap:+.1e}")


if __name__ == "__main__":
    main()
