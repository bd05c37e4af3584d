"""Taylor-Hood elements of high degree for the incompressible Navier-Stokes equations on the meshes of flow_mesh.

Velocity: continuous tensor-product polynomials of some degree; pressure: one degree less. The steady equations
are solved by Newton's method. Outflow is do-nothing: nu du/dn = p n is what the weak form says where nothing
is prescribed. Forces on a wall are read off the weak form, tested with a function that is 1 on the wall: they
converge twice as fast as the stress.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
from flow_mesh import Array, Blocks, Integers, QuadLagrange, lagrange
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, asm

Mask = NDArray[np.bool_]
Velocity = Callable[[Array, Array], tuple[Array | float | None, ...]]


@BilinearForm
def mass(u, v, w):
    """(u, v)."""
    return u * v


@BilinearForm
def stiffness(u, v, w):
    """(grad u, grad v)."""
    return u.grad[0] * v.grad[0] + u.grad[1] * v.grad[1]


@BilinearForm
def slope_x(u, v, w):
    """(u_x, v)."""
    return u.grad[0] * v


@BilinearForm
def slope_y(u, v, w):
    """(u_y, v)."""
    return u.grad[1] * v


class Space:
    """Velocity and pressure on a mesh; a state is the vector (u, v, p) of nodal values."""

    def __init__(self, blocks: Blocks, degree: int):
        self.blocks, self.degree = blocks, degree
        self.velocity = self._basis(degree)
        self.pressure = self._basis(degree - 1)
        self.n, self.m = self.velocity.N, self.pressure.N

    def _basis(self, degree: int) -> Basis:
        # 3 degrees for the convective term; the map of a ring cell is smooth, not polynomial: two more.
        return Basis(self.blocks.mesh, QuadLagrange(degree), self.blocks.mapping, intorder=3 * self.degree + 2)

    @property
    def nodes(self) -> Array:
        """Places (2, n) of the velocity's values."""
        return self.velocity.doflocs

    @cached_property
    def mass(self) -> sparse.csr_matrix:
        """Mass matrix of one velocity component."""
        return asm(mass, self.velocity)

    @cached_property
    def stiffness(self) -> sparse.csr_matrix:
        """Stiffness matrix of one velocity component."""
        return asm(stiffness, self.velocity)

    @cached_property
    def divergence(self) -> sparse.csr_matrix:
        """(q, u_x + v_y) for (u, v)."""
        parts = [asm(form, self.velocity, self.pressure) for form in (slope_x, slope_y)]
        return sparse.hstack(parts, format="csr")

    def saddle(self, block: sparse.spmatrix) -> sparse.csr_matrix:
        """The matrix of (u, v, p) with this block on the velocities: gradient above, divergence below."""
        return sparse.bmat([[block, -self.divergence.T], [self.divergence, None]], format="csr")

    @cached_property
    def elimination(self) -> Integers:
        """An order of all entries of the state with little fill-in: nested dissection of the cells.

        Entries that only one half of the cells touches come before those on the cut; velocities come before the
        pressures that they determine.
        """
        rows = [self.velocity.element_dofs, self.velocity.element_dofs + self.n]
        rows = np.vstack([*rows, self.pressure.element_dofs + 2 * self.n])
        touched = np.bincount(rows.ravel())
        centres = self.blocks.map(np.arange(rows.shape[1]), np.full((2, 1), 0.5))[:, :, 0]
        done, order = np.zeros(len(touched), dtype=bool), []

        def dissect(cells: Integers) -> None:
            if len(cells) > 1:
                place = centres[:, cells]
                sorted_cells = cells[np.argsort(place[np.argmax(np.ptp(place, axis=1))], kind="stable")]
                for half in np.array_split(sorted_cells, 2):
                    dissect(half)
            entries, times = np.unique(rows[:, cells], return_counts=True)
            entries = entries[(times == touched[entries]) & ~done[entries]]
            done[entries] = True
            order.append(entries)  # sorted, so velocities come first

        dissect(np.arange(rows.shape[1]))
        return np.concatenate(order)

    @cached_property
    def _tables(self) -> tuple[Array, Array, Array, Array]:
        """Basis functions and their gradients at all quadrature points, (cells, functions, points) each; weights."""
        basis = self.velocity.basis
        value = np.array([np.asarray(b[0])[0] for b in basis])
        gradient = np.array([np.asarray(b[0].grad) for b in basis])
        x, y = (np.ascontiguousarray(gradient[:, i].transpose(1, 0, 2)) for i in range(2))
        return value, x, y, self.velocity.dx

    def _at_quadrature(self, values: Array) -> tuple[Array, Array, Array]:
        """A scalar of nodal values (n,) and its gradient at the quadrature points, (cells, points) each."""
        value, x, y, _ = self._tables
        local = values[self.velocity.element_dofs].T
        slopes = [np.matmul(local[:, None], table)[:, 0] for table in (x, y)]
        return local @ value, *slopes

    def convection(self, u: Array, v: Array) -> Array:
        """(u . grad u, phi) and (u . grad v, phi), as one vector (2 n,)."""
        value, _, _, dx = self._tables
        (a, a_x, a_y), (b, b_x, b_y) = self._at_quadrature(u), self._at_quadrature(v)
        where = self.velocity.element_dofs.T.ravel()
        terms = [((a * s_x + b * s_y) * dx) @ value.T for s_x, s_y in ((a_x, a_y), (b_x, b_y))]
        return np.concatenate([np.bincount(where, t.ravel(), self.n) for t in terms])

    def convection_derivative(self, u: Array, v: Array) -> sparse.csr_matrix:
        """The derivative of `convection` by (u, v)."""
        value, x, y, dx = self._tables
        (a, a_x, a_y), (b, b_x, b_y) = self._at_quadrature(u), self._at_quadrature(v)
        carried = a[:, None] * x + b[:, None] * y  # (cells, trial functions, points)
        rows = self.velocity.element_dofs.T
        i = np.repeat(rows[:, :, None], rows.shape[1], axis=2).ravel()
        j = np.repeat(rows[:, None, :], rows.shape[1], axis=1).ravel()

        def matrix(trial: Array) -> sparse.csr_matrix:
            local = np.matmul(value[None] * dx[:, None], trial.transpose(0, 2, 1))  # (cells, test, trial)
            return sparse.csr_matrix((local.ravel(), (i, j)), shape=(self.n, self.n))

        transport = matrix(carried)
        uu, uv, vu, vv = (matrix(value[None] * s[:, None]) for s in (a_x, a_y, b_x, b_y))
        return sparse.bmat([[transport + uu, uv], [vu, transport + vv]], format="csr")

    def evaluate(self, state: Array, x: Array, y: Array, *, gradients: bool = False) -> Array:
        """u, v, p at points (n,), shape (3, n); with gradients u, v, p, u_x, u_y, v_x, v_y, shape (7, n)."""
        cells, local = self.blocks.locate(np.asarray(x, float), np.asarray(y, float))
        u, v, p = np.split(state, [self.n, 2 * self.n])
        return _evaluate(self, (u, v, p), cells, local, gradients)


def _evaluate(space: Space, fields: tuple[Array, Array, Array], cells: Integers, X: Array, gradients: bool) -> Array:
    u, v, p = fields
    table = _local(space.velocity.elem, X)
    rows = [space.velocity.element_dofs[:, cells], space.pressure.element_dofs[:, cells]]
    out = [(table[0] * f[rows[0]].T).sum(1) for f in (u, v)]
    out.append((_local(space.pressure.elem, X)[0] * p[rows[1]].T).sum(1))
    if gradients:
        J = space.blocks.jacobian(cells, X[:, :, None])[..., 0]
        det = J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
        for f in (u, v):
            a, b = ((t * f[rows[0]].T).sum(1) for t in table[1:])
            out += [(J[1, 1] * a - J[1, 0] * b) / det, (J[0, 0] * b - J[0, 1] * a) / det]
    return np.array(out)


def sampling(space: Space, x: Array, y: Array) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """The matrices that take nodal values of a velocity component, and of the pressure, to points (n,)."""
    cells, local = space.blocks.locate(x, y)
    found = []
    for basis in (space.velocity, space.pressure):
        values, columns = _local(basis.elem, local)[0], basis.element_dofs[:, cells].T
        rows = np.repeat(np.arange(len(x)), values.shape[1])
        found.append(sparse.csr_matrix((values.ravel(), (rows, columns.ravel())), shape=(len(x), basis.N)))
    return found[0], found[1]


def _local(element: QuadLagrange, X: Array) -> tuple[Array, Array, Array]:
    """All basis functions and their local derivatives at local points X (2, n), (n, functions) each."""
    (fx, gx), (fy, gy) = (lagrange(element.nodes, x) for x in X)
    i, j = element.place.T
    return fx[:, i] * fy[:, j], gx[:, i] * fy[:, j], fx[:, i] * gy[:, j]


@dataclass(frozen=True)
class Dirichlet:
    """Prescribed entries of the state (u, v, p), and their values."""

    where: Integers
    values: Array

    @classmethod
    def on(
        cls, space: Space, *parts: tuple[Mask, Velocity], pressure: tuple[int, Velocity] | None = None
    ) -> "Dirichlet":
        """Velocities on marked nodes; a component None stays free; later parts overrule earlier ones.

        Where no outflow fixes the pressure, its value at one node (its number, a function with values (u, v, p)).
        """
        x, y = space.nodes
        known: dict[int, float] = {}
        for marked, function in parts:
            nodes = np.flatnonzero(marked)
            for offset, value in zip((0, space.n), function(x[nodes], y[nodes]), strict=True):
                if value is not None:
                    known |= zip((nodes + offset).tolist(), np.broadcast_to(value, nodes.shape).tolist(), strict=True)
        if pressure is not None:
            node, function = pressure
            known[2 * space.n + node] = float(function(*space.pressure.doflocs[:, node])[2])
        where = np.array(sorted(known), dtype=int)
        return cls(where, np.array([known[i] for i in where]))


def newton(
    space: Space,
    nu: float,
    given: Dirichlet,
    start: Array | None = None,
    *,
    tolerance: float = 1e-11,
    most: int = 15,
) -> tuple[Array, Array]:
    """The steady state (u, v, p), and its residual with the reactions of the prescribed entries.

    Without a start the first iterate is the Stokes flow.

    Raises:
        RuntimeError: no convergence.
    """
    linear = space.saddle(nu * sparse.block_diag([space.stiffness] * 2))
    order = space.elimination[~np.isin(space.elimination, given.where)]
    state = np.zeros(2 * space.n + space.m) if start is None else start.copy()
    state[given.where] = given.values
    if start is None:
        state[order] -= solver(linear, order)((linear @ state)[order])
    nothing = sparse.csr_matrix((space.m, space.m))
    size = np.inf
    for _ in range(most + 1):
        u, v, _ = np.split(state, [space.n, 2 * space.n])
        residual = linear @ state
        residual[: 2 * space.n] += space.convection(u, v)
        if size < tolerance:
            return state, residual
        slope = linear + sparse.block_diag([space.convection_derivative(u, v), nothing], format="csr")
        step = solver(slope, order)(residual[order])
        state[order] -= step
        size = np.abs(step[order < 2 * space.n]).max()
    raise RuntimeError(f"Newton's method has not converged in {most} steps: the last one was {size:.1e}")


def solver(matrix: sparse.csr_matrix, order: Integers) -> Callable[[Array], Array]:
    """The inverse of matrix[order][:, order] as a function of the right-hand side, eliminated in this order."""
    chosen = matrix[order][:, order].tocsc()
    return splu(chosen, permc_spec="NATURAL", diag_pivot_thresh=0.01, options={"SymmetricMode": True}).solve


def transfer(old: Space, new: Space, state: Array) -> Array:
    """The same velocities and pressure in another space, by interpolation."""
    velocity = old.evaluate(state, *new.nodes)[:2]
    return np.concatenate([velocity.ravel(), old.evaluate(state, *new.pressure.doflocs)[2]])


def force(space: Space, residual: Array, wall: Mask) -> Array:
    """The force (x, y) of the fluid on the marked nodes of a wall, from the residual of the weak form."""
    nodes = np.flatnonzero(wall)
    return -np.array([residual[nodes].sum(), residual[nodes + space.n].sum()])
