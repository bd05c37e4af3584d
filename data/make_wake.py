"""Periodic flow behind a cylinder in a free stream at Re = 100: data for the classical inverse problem.

u_t + u . grad u + grad p = nu Laplace u, div u = 0, nu = 1/100; diameter 1, centre (0, 0), in [-10, 25] x [-10, 10].
u = 1, v = 0 at the inflow, v = 0 and u_y = 0 on the sides, no slip on the cylinder, do-nothing outflow.
Started with a gust across the wake and advanced until it is periodic, first with elements of low degree and
long steps. Kept: u, v, p at 100 x 50 points of [1, 8] x [-2, 2] and 200 times 0.1 apart (Raissi, Perdikaris,
Karniadakis 2019, section 4.1.1, whose own data come from another solver).

Errors: the distances, over the first 6 time units of the record (a period) and all points, to a run from the same
state with elements of the next degree and half the step. What least squares makes of the coefficients of convection
and viscosity, when all derivatives are taken from the record by differences, says what the inverse problem can hope
for. The Strouhal number is 1 over the period of the lift.

The table of every field, 5000 x 200, is kept as its singular value decomposition, cut off at 1e-7 of its largest
singular value: a periodic flow has few modes.

    pip install ".[fem]"; python data/make_wake.py [FOLDER]     # 4 minutes of CPU, 1 GB

The file is put in its place when all is done; run again with the same libraries it is the same byte for byte.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import process_time

import h5py
import numpy as np
from flow_fem import Dirichlet, Space, sampling
from flow_mesh import Array, Blocks, Ring, graded
from flow_time import March, halved
from table import list_checksum, target

RE = 100.0
LEFT, RIGHT, SIDE, RADIUS, HALF = -10.0, 25.0, 10.0, 0.5, 1.0
WINDOW, SHAPE, TIMES, EVERY = ((1.0, 8.0), (-2.0, 2.0)), (100, 50), 200, 0.1
FIRST_STEP, STEP = 1 / 80, 1 / 120  # the second is 0.8 times what is stable with degree 5


def mesh() -> Blocks:
    """Cells of 1/2 in the window, smaller at the cylinder, larger far away."""
    ring = Ring((0.0, 0.0), RADIUS, HALF, tuple(graded(0, 1, 4, 1.6)), 4)
    xs = [-graded(1, -LEFT, 4, 1.7)[:0:-1], ring.slopes, np.arange(1.5, 8.1, 0.5), graded(8, RIGHT, 9, 1.2)[1:]]
    up = np.concatenate([[1.5, 2.0, 2.5, 3.2], graded(3.2, SIDE, 3, 1.6)[1:]])
    return Blocks(np.concatenate(xs), np.concatenate([-up[::-1], ring.slopes, up]), ring)


def march(space: Space, dt: float, history: list[Array]) -> March:
    """The flow from a history of velocities, the latest first."""
    x, y = space.nodes
    cylinder = np.hypot(x, y) < RADIUS + 1e-9
    given = Dirichlet.on(
        space,
        (np.abs(y) > SIDE - 1e-9, lambda x, y: (None, 0.0)),
        (x < LEFT + 1e-9, lambda x, y: (1.0, 0.0)),
        (cylinder, lambda x, y: (0.0, 0.0)),
    )
    return March(space, 1 / RE, dt, given, cylinder, history)


def gust(space: Space) -> Array:
    """The free stream with a gust across it behind the cylinder."""
    x, y = space.nodes
    return np.concatenate([np.ones(space.n), np.exp(-((x - 2) ** 2) - y**2)])


def transfer(old: Space, new: Space, history: list[Array]) -> list[Array]:
    """The same velocities in another space."""
    moved = [old.evaluate(np.concatenate([u, np.zeros(old.m)]), *new.nodes)[:2] for u in history]
    return [u.ravel() for u in moved]


class Probe:
    """u, v, p at the points of the window, from the states of one space."""

    def __init__(self, space: Space, X: Array):
        self._velocity, self._pressure = sampling(space, *X.T)

    def __call__(self, flow: March) -> Array:
        """Values (3, points)."""
        u, v, p = np.split(flow.state, [flow.space.n, 2 * flow.space.n])
        return np.array([self._velocity @ u, self._velocity @ v, self._pressure @ p])


def window() -> Array:
    """The points (5000, 2) of a uniform grid, x by x."""
    x, y = (np.linspace(*ends, n) for ends, n in zip(WINDOW, SHAPE, strict=True))
    return np.stack([a.ravel() for a in np.meshgrid(x, y, indexing="ij")], 1)


def advance(flow: March, until: float, say: str) -> Iterator[int]:
    """Advance by a length of time, step by step, and say every 5 time units how far it is."""
    for i in range(1, round(until / flow.dt) + 1):
        flow.step()
        yield i
        if i % round(5 / flow.dt) == 0:
            print(f"{say}: t = {i * flow.dt:.0f} of {until:.0f}, {process_time():.0f} s of CPU", flush=True)


def record(flow: March, X: Array, times: int, every: float, say: str) -> tuple[Array, Array]:
    """The fields (3, points, times) at steps `every` apart from now on, and drag and lift after every step."""
    probe, steps = Probe(flow.space, X), round(every / flow.dt)
    shots, forces = [probe(flow)], [2 * flow.force]
    for i in advance(flow, (times - 1) * every, say):
        forces.append(2 * flow.force)
        if i % steps == 0:
            shots.append(probe(flow))
    return np.stack(shots, 2), np.array(forces)


def period(lift: Array, dt: float) -> float:
    """The mean distance of upward crossings of the lift's mean, each located by a cubic through four values."""
    lift = lift - (lift.max() + lift.min()) / 2
    crossings = []
    for i in np.flatnonzero((lift[1:-2] < 0) & (lift[2:-1] >= 0)):
        roots = np.roots(np.polyfit(np.arange(-1, 3), lift[i : i + 4], 3))
        near = roots[(np.abs(roots.imag) < 1e-9) & (roots.real > -1e-9) & (roots.real < 1 + 1e-9)].real
        crossings.append(i + 1 + near[0])
    if len(crossings) < 2:
        raise ValueError(f"the lift has crossed its mean upwards {len(crossings)} times: advance the flow further")
    return float(np.diff(crossings).mean() * dt)


def compressed(values: Array, cut: float = 1e-7) -> tuple[Array, Array]:
    """Factors (points, modes) and (modes, times) of a table, in single precision."""
    left, size, right = np.linalg.svd(values, full_matrices=False)
    kept = size > cut * size[0]
    root = np.sqrt(size[kept])
    return (left[:, kept] * root).astype(np.float32), (root[:, None] * right[kept]).astype(np.float32)


STENCIL = np.array([3, -32, 168, -672, 0, 672, -168, 32, -3]) / 840  # first derivative, order 8


def difference(f: Array, h: float, axis: int) -> Array:
    """First derivatives of a table, four nodes short at both ends of an axis."""
    n = f.shape[axis] - 8
    return sum(c * np.take(f, np.arange(k, k + n), axis) for k, c in enumerate(STENCIL)) / h


def identify(u: Array, v: Array, p: Array) -> tuple[float, float]:
    """Least-squares lambda1, lambda2 of u_t + lambda1 (u u_x + v u_y) + p_x = lambda2 Laplace u and of that for v.

    From tables (points, times) in the window; all derivatives by differences of order 8.
    """
    h = [(ends[1] - ends[0]) / (n - 1) for ends, n in zip(WINDOW, SHAPE, strict=True)] + [EVERY]
    u, v, p = (f.reshape(*SHAPE, -1) for f in (u, v, p))
    cut = [slice(8, -8), slice(8, -8), slice(4, -4)]

    def slope(f: Array, axis: int) -> Array:
        rest = tuple(slice(None) if k == axis else s for k, s in enumerate(cut))
        inner = tuple(slice(4, -4) if k == axis and axis < 2 else slice(None) for k in range(3))
        return difference(f, h[axis], axis)[inner][rest]

    def second(f: Array, axis: int) -> Array:
        rest = tuple(slice(None) if k == axis else s for k, s in enumerate(cut))
        return difference(difference(f, h[axis], axis), h[axis], axis)[rest]

    columns, right = [], []
    for f, axis in ((u, 0), (v, 1)):
        convection = u[tuple(cut)] * slope(f, 0) + v[tuple(cut)] * slope(f, 1)
        columns.append(np.stack([convection.ravel(), -(second(f, 0) + second(f, 1)).ravel()], 1))
        right.append(-(slope(f, 2) + slope(p, axis)).ravel())
    found = np.linalg.lstsq(np.concatenate(columns), np.concatenate(right), rcond=None)[0]
    return float(found[0]), float(found[1])


def write(path: Path, X: Array, t: Array, fields: Mapping[str, Array], **about: Mapping[str, object]) -> None:
    """Replace the file at `path` in one step; what it says about itself is kept as JSON."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            file["X"], file["t"] = X, t
            for name, values in fields.items():
                for part, array in zip(("points", "times"), compressed(values), strict=True):
                    file.create_dataset(f"{name}_{part}", data=array, chunks=array.shape, shuffle=True, compression=9)
            file.attrs["format"], file.attrs["version"] = "pinnkit-wake", 1
            for name, value in about.items():
                file.attrs[name] = json.dumps(value)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    list_checksum(path)


def main(degree: int = 5, start: float = 75.0, settle: float = 15.0) -> None:
    """Advance the flow until it is periodic, record it, measure the errors and write wake.h5."""
    path = target("wake.h5")
    coarse, space, X = Space(mesh(), 3), Space(mesh(), degree), window()
    flow = march(coarse, FIRST_STEP, [gust(coarse)] * 3)
    for _ in advance(flow, start, "start, degree 3"):
        pass
    flow = march(space, STEP, transfer(coarse, space, flow.velocities))
    for _ in advance(flow, settle, f"settling, degree {degree}"):
        pass
    begin = flow.velocities
    values, forces = record(flow, X, TIMES, EVERY, "recording")
    finer = Space(space.blocks, degree + 1)
    check = march(finer, STEP / 2, transfer(space, finer, halved(begin)))
    again = record(check, X, 61, EVERY, f"checking, degree {degree + 1}")[0]
    # The first snapshot is the common start, where the march has no pressure yet.
    pairs = zip("uvp", values[:, :, 1:61], again[:, :, 1:], strict=True)
    errors = {name: float(np.linalg.norm(a - b) / np.linalg.norm(b)) for name, a, b in pairs}
    drag, lift = forces.T
    one, two = identify(*values)
    quantities = {
        "Strouhal": 1 / period(lift, STEP),
        "mean drag": float(drag.mean()),
        "largest lift": float(np.abs(lift).max()),
        "lambda1 identified": one,
        "lambda2 identified": two,
    }
    fields, parameters = dict(zip("uvp", values, strict=True)), {"Re": RE, "step": STEP, "degree": degree}
    about = {"errors": errors, "quantities": quantities, "parameters": parameters}
    write(path, X, EVERY * np.arange(TIMES), fields, **about)
    print(f"{path.name}: {path.stat().st_size} bytes, errors", {k: f"{v:.1e}" for k, v in errors.items()})
    print(quantities, f"convection off by {one - 1:.1e}, viscosity by {two * RE - 1:.1e}")


if __name__ == "__main__":
    main()
