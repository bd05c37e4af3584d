"""Unsteady Navier-Stokes flows: third-order backward differences, with the convective term extrapolated.

(11/6 u1 - 3 u + 3/2 u' - 1/3 u'') / dt + 3 N(u) - 3 N(u') + N(u'') - nu Laplace u1 + grad p1 = 0, div u1 = 0, where
', '' are the two steps before and N(u) = u . grad u: one matrix for all steps, factorised once (Karniadakis,
Israeli, Orszag 1991, table 1, without their splitting of the pressure).
"""

import numpy as np
import scipy.sparse as sparse
from flow_fem import Dirichlet, Mask, Space, solver
from flow_mesh import Array

NEW, OLD = 11 / 6, (3.0, -3 / 2, 1 / 3)
EXTRAPOLATED = (3.0, -3.0, 1.0)


class March:
    """A flow that is advanced by steps of `dt`; `state` is (u, v, p), `force` that on the marked wall."""

    def __init__(self, space: Space, nu: float, dt: float, given: Dirichlet, wall: Mask, history: list[Array]):
        if len(history) != 3:
            raise ValueError(f"the velocities of three steps are needed, latest first, got {len(history)}")
        self.space, self.dt, self._given = space, dt, given
        self._mass = sparse.block_diag([space.mass] * 2, format="csr")
        block = NEW / dt * self._mass + nu * sparse.block_diag([space.stiffness] * 2, format="csr")
        self._matrix = space.saddle(block)
        self._order = space.elimination[~np.isin(space.elimination, given.where)]
        self._solve = solver(self._matrix, self._order)
        self.state = np.zeros(2 * space.n + space.m)
        self.state[given.where] = given.values
        self._fixed = self._matrix @ self.state
        nodes = np.flatnonzero(wall)
        self._wall = np.array([nodes, nodes + space.n])
        self._rows = self._matrix[self._wall.ravel()]
        self.velocities = [u.copy() for u in history]
        self._convection = [self._convect(u) for u in self.velocities[1:]]
        self.force = np.zeros(2)

    def _convect(self, u: Array) -> Array:
        return self.space.convection(*np.split(u, 2))

    def step(self) -> None:
        """One step of dt."""
        self._convection = [self._convect(self.velocities[0]), *self._convection][:3]
        past = sum(c * u for c, u in zip(OLD, self.velocities, strict=True))
        right = self._mass @ past / self.dt
        right -= sum(c * n for c, n in zip(EXTRAPOLATED, self._convection, strict=True))
        full = np.concatenate([right, np.zeros(self.space.m)]) - self._fixed
        self.state[self._order] = self._solve(full[self._order])
        self.force = -((self._rows @ self.state).reshape(2, -1) - right[self._wall]).sum(1)
        self.velocities = [self.state[: 2 * self.space.n].copy(), *self.velocities[:2]]


def halved(history: list[Array]) -> list[Array]:
    """Velocities at 0, -1/2 and -1 steps from those at 0, -1 and -2, by the parabola through them."""
    now, before, first = history
    return [now, 3 / 8 * now + 3 / 4 * before - 1 / 8 * first, before]
