"""The row stack: all weighted residuals of a problem at all their points, and five operations on them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.network.base import Pass, Pool
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.tools.checked import Count, Vector, checked
from pinnkit.tools.memory import afford
from pinnkit.tools.renamed import renamed

from .rows import Rows


@renamed(readouts="programs", claim="check_memory")
@checked
class Stack(Rows):
    """Residual rows r(theta) (M,) with weights a_m = w_k / N_k, so that the loss is sum_m a_m r_m^2.

    Rows are ordered by point set, then term, then point. All work is done in blocks of points, which bound the memory.

    Args:
        model: the model.
        points: points by set.
        weights: weights w_k by term. Default None: 1.
        programs: compiled expressions by set. Default None: the residuals of the problem.

    Raises:
        ValueError: a set without points, or weights of unknown terms.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> u.stack.jacobian(u.theta).shape
        torch.Size([50, 33])
    """

    def _run(self, theta: Tensor, program: ResidualProgram, points: PointSet, pool: Pool | None = None) -> Pass:
        X = program.at(points)
        pool = self._pool if pool is None else pool
        pool.release()  # the previous block is done with
        self._alike(theta, X)
        return self.model.tape.run(self.model.split(theta)[0], X, program.channels, pool)

    def _sweep(self, theta: Tensor, program: ResidualProgram, points: PointSet, v: Tensor | None = None):
        """The network's channels and their derivative along v, where no reverse pass follows."""
        X = program.at(points)
        self._pool.release()
        return self.model.tape.sweep(self.model.split(theta)[0], X, program.channels, v, self._pool)

    def _alike(self, theta: Tensor, X: Tensor) -> None:
        if theta.dtype is not X.dtype:
            raise ValueError(f"the parameters are {theta.dtype}, the points {X.dtype}: give theta.to({X.dtype})")

    def values(self, theta: Vector) -> Tensor:
        """r(theta), shape (M,).

        Args:
            theta: parameters (P,).
        """
        out = self.like.new_empty(self.rows)
        unknowns = self.model.split(theta)[1]
        for key, program, rows, points in self._blocks():
            N, _ = self._sweep(theta, program, points)
            self.rows_of(key, out)[:, rows] = program.values(N, points, unknowns)
        return out

    def losses(self, theta: Vector) -> Tensor:
        """The weighted mean squares of all terms, shape (terms,); their sum is the loss.

        Args:
            theta: parameters (P,).
        """
        r = self.values(theta)
        return torch.stack([row.sum() for row in self.by_term(self.row_weights * r * r).values()])

    def parameter_groups(self, theta: Tensor) -> list[Tensor]:
        """Views of the parameters in the shapes that they have in the network.

        Args:
            theta: parameters (P,).

        Returns:
            Matrices and vectors, in order; [] where they are not known.
        """
        self.model.split(theta)  # of that many numbers
        return self.model.tape.parameter_groups(theta)

    def loss_and_gradient(self, theta: Vector) -> tuple[Tensor, Tensor]:
        """The losses by term, shape (terms,), and the gradient of their sum, shape (P,).

        Args:
            theta: parameters (P,).
        """
        gradient = torch.zeros_like(theta)
        network, coefficients = self.model.split(gradient)
        unknowns = self.model.split(theta)[1]
        losses: dict[str, Tensor] = {}
        for key, program, rows, points in self._blocks():
            run = self._run(theta, program, points)
            r, slopes = program.slopes(run.output, points, unknowns)
            weighted = self._block_weights(key, rows) * r
            G, gu = slopes.cotangent(2 * weighted, run.output, unknowns)
            network += run.reverse(G)
            coefficients += gu
            losses[key] = losses.get(key, 0) + (weighted * r).sum(1)
        return torch.cat([losses[key] for key in self.programs]), gradient

    def vjp(self, theta: Vector, w: Vector) -> Tensor:
        """J^T w, shape (P,).

        Args:
            theta: parameters (P,).
            w: a vector over the rows (M,).
        """
        out = torch.zeros_like(theta)
        network, coefficients = self.model.split(out)
        unknowns = self.model.split(theta)[1]
        for key, program, rows, points in self._blocks():
            run = self._run(theta, program, points)
            _, slopes = program.slopes(run.output, points, unknowns)
            G, gu = slopes.cotangent(self.rows_of(key, w)[:, rows], run.output, unknowns)
            network += run.reverse(G)
            coefficients += gu
        return out

    def jvp(self, theta: Vector, v: Vector) -> Tensor:
        """J v, shape (M,).

        Args:
            theta: parameters (P,).
            v: a direction (P,).
        """
        return self.values_and_jvp(theta, v)[1]

    def values_and_jvp(self, theta: Vector, v: Vector) -> tuple[Tensor, Tensor]:
        """r(theta) and J v in one pass, (M,) each.

        Args:
            theta: parameters (P,).
            v: a direction (P,).
        """
        values, out = self.like.new_empty(self.rows), self.like.new_empty(self.rows)
        (_, unknowns), (dnetwork, dunknowns) = self.model.split(theta), self.model.split(v)
        for key, program, rows, points in self._blocks():
            N, dN = self._sweep(theta, program, points, dnetwork)
            r, slopes = program.slopes(N, points, unknowns)
            self.rows_of(key, values)[:, rows] = r
            self.rows_of(key, out)[:, rows] = slopes.tangent(dN, dunknowns, len(r), points)
        return values, out

    def hvp(self, theta: Vector, v: Vector) -> Tensor:
        """H v with the exact Hessian H of the loss, shape (P,).

        Args:
            theta: parameters (P,).
            v: a direction (P,).
        """
        self._alike(v, theta)
        out = torch.zeros_like(theta)
        network, coefficients = self.model.split(out)
        (_, unknowns), (dnetwork, dunknowns) = self.model.split(theta), self.model.split(v)
        for key, program, rows, points in self._blocks():
            run = self._run(theta, program, points)
            r, slopes = program.slopes(run.output, points, unknowns)
            dN = run.tangent(dnetwork)
            a = 2 * self._block_weights(key, rows)
            G, _ = slopes.cotangent(a * r, run.output, unknowns)
            dG, du = slopes.cotangent(a * slopes.tangent(dN, dunknowns, len(r), points), run.output, unknowns)
            curved = program.curvature(run.output, points, unknowns, a * r, dN, dunknowns)
            network += run.second(dnetwork, G, dG + curved[0])
            coefficients += du + curved[1]
        return out

    def jacobian_blocks(self, theta: Vector, size: Count = 512) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Blocks of the Jacobian J = dr/dtheta.

        Args:
            theta: parameters (P,).
            size: number of rows in a block, at most.

        Returns:
            An iterator of (row numbers (m,), r (m,), J (m, P)).
        """
        for _, numbers, r, J in self.jacobian_by_point(theta, size):
            yield from zip(numbers, r, J, strict=True)

    def check_memory(self, theta: Vector, rows: int, columns: int, what: str) -> None:
        """Check that a matrix finds room in memory, before any work is done.

        Args:
            theta: parameters (P,).
            rows: number of rows.
            columns: number of columns.
            what: what the matrix is, for the message.

        Raises:
            MemoryError: there is less memory.
        """
        afford(
            theta.element_size() * rows * columns, f"{what} of {rows} x {columns} numbers",
            "use fewer points or a smaller network", theta.device,
        )  # fmt: skip

    def jacobian_by_point(
        self, theta: Vector, size: Count = 512
    ) -> Iterator[tuple[str, Tensor, Tensor, Iterator[Tensor]]]:
        """Blocks of the Jacobian by points.

        Args:
            theta: parameters (P,).
            size: number of points in a block, at most.

        Returns:
            An iterator of (point set, row numbers (R, m), r (R, m), the J (m, P) of each residual).
        """
        most = max(min(size, len(self.points[key])) * len(self.names(key)) for key in self.programs)
        self.check_memory(theta, most, len(theta), "a block of the Jacobian")
        pool, self._pool = self._pool, Pool()  # the caller may use these rows before it is done with a block
        try:
            yield from self._jacobian_parts(theta, size, pool)
        finally:
            self._pool = pool

    def _jacobian_parts(self, theta: Tensor, size: int, pool: Pool, out: Tensor | None = None) -> Iterator[tuple]:
        """The blocks of ``jacobian_by_point``, as rows of ``out`` (M, P) if it is given, where they are added."""
        unknowns = self.model.split(theta)[1]
        for key, program, rows, points in self._blocks(size):
            run = self._run(theta, program, points, pool)
            r, slopes = program.slopes(run.output, points, unknowns)
            numbers = self.rows_of(key, torch.arange(self.rows, device=theta.device))[:, rows]
            targets = [None if out is None else out[n[0] : n[0] + len(n)] for n in numbers]
            yield key, numbers, r, self._jacobian_rows(run, program, slopes, len(points), theta, targets)

    def _jacobian_rows(
        self, run: Pass, program: ResidualProgram, slopes: Any, m: int, theta: Tensor, targets: list
    ) -> Iterator[Tensor]:
        """J (m, P) of one residual after the other at m points."""
        unknowns, P = self.model.split(theta)[1], self.model.tape.count
        for k, target in enumerate(targets):
            G, gu, shared = slopes.row_and_shared(k, run.output, unknowns, m)
            J = theta.new_zeros(m, len(theta)) if target is None else target
            both = J if program.size(m) == m else theta.new_zeros(program.size(m), len(theta))
            run.rows(G, both[:, :P])
            if both is not J:
                J += program.by_point(both, m)
            for block, c, n, slope in shared:
                one = torch.zeros_like(G)
                one[c, block, n] = 1
                nodes = theta.new_zeros(program.size(m), len(theta))
                run.rows(one, nodes[:, :P])
                J.addmm_(slope, nodes[block])
            J[:, P:] = gu
            yield J

    def jacobian(self, theta: Vector) -> Tensor:
        """J = dr/dtheta, shape (M, P).

        Args:
            theta: parameters (P,).
        """
        self.check_memory(theta, self.rows, len(theta), "the Jacobian")
        out = theta.new_zeros(self.rows, len(theta))
        for _, _, _, rows in self._jacobian_parts(theta, 512, self._pool, out):
            for _ in rows:
                pass
        return out

    def normal(self, theta: Vector) -> tuple[Tensor, Tensor]:
        """The Gauss-Newton matrix J^T A J (P, P) and J^T A r (P,), without storing J.

        Args:
            theta: parameters (P,).
        """
        P = len(theta)
        self.check_memory(theta, P, P, "the Gauss-Newton matrix")
        matrix, right = theta.new_zeros(P, P), theta.new_zeros(P)
        for numbers, r, J in self.jacobian_blocks(theta):
            a = self.row_weights[numbers]
            scaled = J * a[:, None]
            matrix.addmm_(scaled.T, J)
            right.addmv_(scaled.T, r)
        return matrix, right

    def gram(self, theta: Vector) -> Tensor:
        """The tangent kernel A^1/2 J J^T A^1/2 of the residuals, shape (M, M).

        Args:
            theta: parameters (P,).
        """
        self.check_memory(theta, self.rows, 2 * len(theta) + self.rows, "the tangent kernel and its Jacobians")
        J = self.row_weights.sqrt()[:, None] * self.jacobian(theta)
        return J @ J.T
